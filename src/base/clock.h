/* base/clock.h - time, as a table of functions so that tests can turn it by hand.
 *
 * Wall time is int64_t milliseconds since 1970 (what samples carry); it may jump. Monotonic time
 * is int64_t nanoseconds since any point (what waits and measures use); it never goes back.
 *
 * Threads: any.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

struct clock {
    int64_t (*wall_ms)(const struct clock *c);
    int64_t (*monotonic_ns)(const struct clock *c);
};

/* The machine's clocks. */
extern const struct clock clock_real;

/* A clock that stands still until the test moves it; threads may look at it meanwhile. */
struct clock_manual {
    struct clock clock; /* hand out &m->clock */
    _Atomic int64_t wall_ms, monotonic_ns;
};

void clock_manual_init(struct clock_manual *m, int64_t wall_ms);

/* Moves both times forward. */
void clock_manual_pass(struct clock_manual *m, int64_t ms);

static inline int64_t clock_wall_ms(const struct clock *c)
{
    return c->wall_ms(c);
}

static inline int64_t clock_monotonic_ns(const struct clock *c)
{
    return c->monotonic_ns(c);
}

#endif
