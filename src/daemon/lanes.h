/* daemon/lanes.h - the worker's loops: a thread, an event loop and an HTTP server each.
 *
 * Flow:    sockets of the parent -> servers -> routes
 * Threads: all calls are the main thread's.
 */
#ifndef DAEMON_LANES_H
#define DAEMON_LANES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "net/http.h"

struct lanes;

/* n loops with a server each, as config says (its lane is set here). Nothing runs yet. */
MUST_USE int lanes_new(size_t n, const struct http_config *config, struct lanes **ret,
                       struct why *why);

/* Shares the sockets out and starts the threads. */
MUST_USE int lanes_start(struct lanes *l, const int *fds, size_t fds_n, struct why *why);

/* The i-th loop, which does not run before lanes_start(). */
struct loop *lanes_loop(const struct lanes *l, size_t i);

/* True where every loop has turned since the last call. */
bool lanes_turned(struct lanes *l);

/* No new connections; waits until what is in progress is answered, at most timeout_ms; then drops
 * the servers, so that what still works for them sees that nobody waits (http_gone()). */
void lanes_drain(struct lanes *l, int64_t timeout_ms);

/* Ends the threads, after what was posted to the loops before. */
void lanes_end(struct lanes *l);

void lanes_free(struct lanes *l); /* after lanes_end(); NULL is fine */

#endif
