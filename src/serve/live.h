/* serve/live.h - /api/live: queries whose answers are pushed over a WebSocket as time goes on.
 *
 * Clients that ask for the same query at the same step share one key: it is evaluated once a tick
 * for its newest bucket, kept in a ring of its last points, and the frame with the news is encoded
 * once and sent to all. A client that joins gets a snapshot of the ring, then deltas; one that
 * reads too slowly is given fewer, larger deltas, and in the end is closed.
 *
 * Flow:    ws message -> live_client -> live_key -> pool: promql -> ring -> live_frame -> ws
 * Source:  docs/format/live.md.
 * Threads: live_handle() on the loops; evaluation on the pool; keys under one lock, the list of a
 *          key's subscribers on a loop belongs to that loop.
 */
#ifndef SERVE_LIVE_H
#define SERVE_LIVE_H

#include "net/http.h"

struct live;
struct serve;

struct live *live_new(struct serve *s);
void live_free(struct live *l); /* NULL is fine; after loops and pool have ended */

/* Context: struct serve. */
void live_handle(struct http_request *r, void *serve);

#endif
