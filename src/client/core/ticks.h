/* client/core/ticks.h - the time stamps of hot paths.
 *
 * A tick is a cycle of the time-stamp counter where the processor has an invariant one that the
 * kernel trusts too (its clock source is tsc), and a nanosecond of CLOCK_MONOTONIC otherwise; so is
 * it also where the setting clock = "monotonic" asks for it. The rate is measured against
 * CLOCK_MONOTONIC at the start and again by the one thread, so that a long run does not drift.
 *
 * Threads: any.
 */
#ifndef CLIENT_CORE_TICKS_H
#define CLIENT_CORE_TICKS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

extern _Atomic bool ticks_are_cycles; /* read by ticks_now() alone; set by ticks_start() */

static inline uint64_t ticks_now(void)
{
#if defined(__x86_64__)
    if (__builtin_expect(atomic_load_explicit(&ticks_are_cycles, memory_order_relaxed), 1)) {
        return __rdtsc();
    }
#endif
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void ticks_start(bool monotonic); /* once, at the start; monotonic: never cycles */
void ticks_again(void);           /* by the one thread, each few seconds */

uint64_t ticks_ns(uint64_t ticks);     /* a duration in nanoseconds */
uint64_t ticks_of_ns(uint64_t ns);     /* and back */
int64_t ticks_unix_ns(uint64_t ticks); /* a moment: nanoseconds since 1970 */
int64_t ticks_unix_now_ns(void);       /* CLOCK_REALTIME; safe in signal handlers */
uint64_t ticks_monotonic_ns(void);     /* CLOCK_MONOTONIC */

#endif
