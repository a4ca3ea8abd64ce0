/* notify/side.h - work that waits (mail, programs), on a thread of its own for each piece, so that
 * none holds up another nor the loop.
 *
 * Flow:    side_start() -> work() on a thread -> done() on the loop -> release()
 * Threads: as said at each member; all calls on the loop's.
 */
#ifndef NOTIFY_SIDE_H
#define NOTIFY_SIDE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "os/loop.h"

struct side;

struct side_plan {
    struct loop *loop;
    void (*work)(void *context, const _Atomic bool *canceled); /* ends soon where it is canceled */
    void (*done)(void *owner, void *context);                  /* on the loop, unless canceled */
    void (*release)(void *context); /* on the loop, at the end of it all */
    void *owner, *context;
};

/* Valid until done() has returned. */
struct side *side_start(const struct side_plan *plan);

/* done() will not come. NULL is fine. */
void side_cancel(struct side *s);

/* How many there are on any loop that have not ended: the loop must turn until none of its own is
 * left. */
size_t side_count(const struct loop *l);

#endif
