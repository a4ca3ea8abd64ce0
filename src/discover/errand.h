/* discover/errand.h - work that waits (files, DNS), done by the pool for someone on a loop, who may
 * lose interest meanwhile.
 *
 * Flow:    errand_start() -> work() on the pool -> done() on the loop -> release()
 * Threads: as said at each member; start and cancel on the loop's.
 */
#ifndef DISCOVER_ERRAND_H
#define DISCOVER_ERRAND_H

#include "base/attr.h"
#include "os/loop.h"
#include "os/pool.h"

struct errand;

struct errand_plan {
    struct loop *loop;
    struct pool *pool;
    void (*work)(void *context);              /* on the pool; knows nothing but context */
    void (*done)(void *owner, void *context); /* on the loop, unless canceled */
    void (*release)(void *context);           /* frees context, at the end of it all; anywhere */
    void *owner, *context;
};

/* -ERR_BUSY where the pool is full (context is released then). *ret is valid until done(). */
MUST_USE int errand_start(const struct errand_plan *plan, struct errand **ret);

/* done() will not come. NULL is fine. */
void errand_cancel(struct errand *e);

#endif
