/* serve/notification.h - what an operator should know now: /api/v1/notifications as a list, and
 * /api/v1/notifications/live as a stream of server-sent events.
 *
 * Flow:    serve_notify() -> list of what holds -> GET; ring of changes -> streams
 * Source:  Prometheus's HTTP API, version 1; WHATWG HTML, server-sent events.
 * Threads: serve_notify() from any; handlers and streams on their loops.
 */
#ifndef SERVE_NOTIFICATION_H
#define SERVE_NOTIFICATION_H

#include <stdbool.h>
#include <stdint.h>

#include "net/http.h"

struct notification_board;

struct notification_board *notification_board_new(void);
void notification_board_free(struct notification_board *b); /* NULL is fine */

/* text holds from now_ms on, or no longer. Any thread. */
void notification_tell(struct notification_board *b, const char *text, bool active, int64_t now_ms);

/* Ends all streams within moments: the server is to drain. Any thread. */
void notification_end(struct notification_board *b);

/* Context of both: struct serve. */
void notification_list(struct http_request *r, void *serve);
void notification_live(struct http_request *r, void *serve);

#endif
