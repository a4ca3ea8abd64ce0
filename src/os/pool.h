/* os/pool.h - a few threads for work that would hold up a loop.
 *
 * Jobs are taken in order; the queue has a cap, and a full one is an answer, not a wait.
 *
 * Threads: any.
 */
#ifndef OS_POOL_H
#define OS_POOL_H

#include <stddef.h>

#include "base/attr.h"

struct pool;

/* threads >= 1; at most queue_max jobs wait. */
struct pool *pool_new(const char *name, size_t threads, size_t queue_max);

/* Runs f(context) on one of the threads; -ERR_BUSY where the queue is full. */
MUST_USE int pool_run(struct pool *p, void (*f)(void *context), void *context);

/* Calls f(context, i) for each i in [0, n): here and on those threads that are free, each taking
 * the next i. Returns when all calls have ended. It waits for no thread that has not begun one, so
 * that a pool whose threads are all busy, with calls of this among them, cannot lock up. */
void pool_split(struct pool *p, size_t n, void (*f)(void *context, size_t i), void *context);

/* How many threads there are. */
size_t pool_threads(const struct pool *p);

/* Jobs that wait. */
size_t pool_waiting(struct pool *p);

/* Finishes what was queued, then ends the threads. NULL is fine. */
void pool_free(struct pool *p);

#endif
