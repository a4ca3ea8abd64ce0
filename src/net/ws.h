/* net/ws.h - the server side of WebSocket (RFC 6455): text, binary, ping, pong, close; no
 * extensions. A frame for many clients is encoded once and shared.
 *
 * Threads: the loop's.
 */
#ifndef NET_WS_H
#define NET_WS_H

#include <stdbool.h>
#include <stddef.h>

#include "net/http.h"

struct ws;

struct ws_events {
    void (*message)(void *context, struct str payload, bool binary); /* whole, defragmented */
    void (*closed)(void *context, int code); /* the last event; ws is freed after it returns */
};

/* Turns a request into a WebSocket: answers 101, or 400 where it is none (then -ERR_FORMAT and the
 * request is answered). Messages over message_max bytes close the connection with 1009. */
MUST_USE int ws_accept(struct http_request *r, const struct ws_events *events, void *context,
                       size_t message_max, struct ws **ret);

/* Encoded frames with a count of users. */
struct ws_frame;
struct ws_frame *ws_frame_new(struct str payload, bool binary);
void ws_frame_free(struct ws_frame *f); /* drops the maker's use */

void ws_send(struct ws *w, struct ws_frame *f);
size_t ws_queued(const struct ws *w); /* bytes the client has not taken yet */

/* Sends a close frame and closes; closed() still comes. */
void ws_close(struct ws *w, int code, struct str reason);

#endif
