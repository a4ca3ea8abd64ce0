/* client/operation/latch.h - a lock that nobody waits long for: held for nanoseconds, tried a
 * bounded number of times. Who does not get it leaves out what it wanted to note.
 *
 * Threads: any. A child of fork() clears it by latch_clear().
 */
#ifndef CLIENT_OPERATION_LATCH_H
#define CLIENT_OPERATION_LATCH_H

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>

enum { LATCH_TRIES = 500, LATCH_YIELDS = 1000 };

struct latch {
    atomic_bool held;
};

/* For threads of the host. */
static inline bool latch_try(struct latch *l)
{
    for (int i = 0; i < LATCH_TRIES; i++) {
        if (!atomic_load_explicit(&l->held, memory_order_relaxed) &&
            !atomic_exchange_explicit(&l->held, true, memory_order_acquire)) {
            return true;
        }
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
    }
    return false;
}

/* For readers, which may take their time: gives way to the holder. */
static inline bool latch_wait(struct latch *l)
{
    for (int i = 0; i < LATCH_YIELDS; i++) {
        if (latch_try(l)) {
            return true;
        }
        sched_yield();
    }
    return false;
}

static inline void latch_release(struct latch *l)
{
    atomic_store_explicit(&l->held, false, memory_order_release);
}

static inline void latch_clear(struct latch *l)
{
    atomic_store_explicit(&l->held, false, memory_order_relaxed);
}

#endif
