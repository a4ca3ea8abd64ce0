/* watch/control_client.h - asks a running sonde-watch over its control socket.
 *
 * Waits; not for a loop's thread. Used by the command line and by the daemon's pool.
 *
 *   struct control_request r = control_request_of(CONTROL_RESTART, "backend");
 *   err = control_client_ask(socket, &r, 5000, &answer, &why);
 *
 * Threads: one a client.
 */
#ifndef WATCH_CONTROL_CLIENT_H
#define WATCH_CONTROL_CLIENT_H

#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "watch/control.h"

struct control_client;

/* -ERR_NOENT where no sonde-watch listens at that path. */
MUST_USE int control_client_open(const char *path, int64_t timeout_ms, struct control_client **ret,
                                 struct why *why);
void control_client_free(struct control_client *c); /* NULL is fine */

/* Becomes readable when a line or a part of one has come. */
int control_client_fd(const struct control_client *c);

MUST_USE int control_client_send(struct control_client *c, const struct control_request *r,
                                 struct why *why);

/* The next line without its end, valid until the next call. -ERR_TIMEOUT, -ERR_END where the other
 * side has ended. */
MUST_USE int control_client_next(struct control_client *c, int64_t timeout_ms, struct str *ret,
                                 struct why *why);

/* One question, one answer: appends the line of an answer that says "ok":true. An answer that says
 * otherwise becomes -ERR_x and its message: not_found -ERR_NOENT, bad_format -ERR_FORMAT and so on.
 * timeout_ms is beyond r->wait_ms. */
MUST_USE int control_client_ask(const char *path, const struct control_request *r,
                                int64_t timeout_ms, struct buf *answer, struct why *why);

/* Is that line an answer that says "ok":true? Otherwise -ERR_x and its message. */
MUST_USE int control_client_answer(struct str line, struct why *why);

#endif
