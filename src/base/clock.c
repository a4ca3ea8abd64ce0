#include "base/clock.h"

#include <time.h>

static int64_t real_wall_ms(const struct clock *c)
{
    (void)c;
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t real_monotonic_ns(const struct clock *c)
{
    (void)c;
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

const struct clock clock_real = {real_wall_ms, real_monotonic_ns};

static int64_t manual_wall_ms(const struct clock *c)
{
    return ((const struct clock_manual *)c)->wall_ms;
}

static int64_t manual_monotonic_ns(const struct clock *c)
{
    return ((const struct clock_manual *)c)->monotonic_ns;
}

void clock_manual_init(struct clock_manual *m, int64_t wall_ms)
{
    *m = (struct clock_manual){{manual_wall_ms, manual_monotonic_ns}, wall_ms, 0};
}

void clock_manual_pass(struct clock_manual *m, int64_t ms)
{
    m->wall_ms += ms;
    m->monotonic_ns += ms * 1000000;
}
