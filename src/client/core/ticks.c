#include "client/core/ticks.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

_Atomic bool ticks_are_cycles;

/* Nanoseconds of a tick as a 32.32 fixed-point number, and where both clocks began. */
static _Atomic uint64_t rate_32 = (uint64_t)1 << 32;
static _Atomic uint64_t first_ticks, first_ns;
/* What is to be added to CLOCK_MONOTONIC to have the time of day. */
static _Atomic int64_t wall_minus_monotonic;

static uint64_t clock_ns(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t ticks_monotonic_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

int64_t ticks_unix_now_ns(void)
{
    return (int64_t)clock_ns(CLOCK_REALTIME);
}

#if defined(__x86_64__)
/* Does the processor promise a counter that runs evenly in all states, and does the kernel, which
 * compares it with other clocks, trust it? */
static bool counter_is_even(void)
{
    unsigned a, b, c, d;
    if (!__get_cpuid(0x80000007, &a, &b, &c, &d) || !(d & 1u << 8)) {
        return false;
    }
    char name[16] = "";
    int fd = open("/sys/devices/system/clocksource/clocksource0/current_clocksource",
                  O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, name, sizeof name - 1);
    if (fd >= 0) {
        close(fd);
    }
    /* kvm-clock and Hyper-V's page are this counter with a factor */
    return n > 0 && (strncmp(name, "tsc", 3) == 0 || strncmp(name, "kvm-clock", 9) == 0 ||
                     strncmp(name, "hyperv", 6) == 0);
}
#else
static bool counter_is_even(void)
{
    return false;
}
#endif

/* Both clocks as near to each other as can be had: the try with the least distance of three. */
static void both(uint64_t *ret_ticks, uint64_t *ret_ns)
{
    uint64_t best = UINT64_MAX;
    for (int i = 0; i < 3; i++) {
        uint64_t before = ticks_now(), ns = ticks_monotonic_ns(), after = ticks_now();
        if (after - before < best) {
            best = after - before;
            *ret_ticks = before + (after - before) / 2;
            *ret_ns = ns;
        }
    }
}

static void measure(void)
{
    uint64_t ticks, ns;
    both(&ticks, &ns);
    uint64_t from_ticks = atomic_load_explicit(&first_ticks, memory_order_relaxed);
    uint64_t from_ns = atomic_load_explicit(&first_ns, memory_order_relaxed);
    if (ticks_are_cycles && ticks > from_ticks && ns > from_ns) {
        __extension__ unsigned __int128 wide = (unsigned __int128)(ns - from_ns) << 32;
        atomic_store_explicit(&rate_32, (uint64_t)(wide / (ticks - from_ticks)),
                              memory_order_relaxed);
    }
    atomic_store_explicit(&wall_minus_monotonic,
                          ticks_unix_now_ns() - (int64_t)ticks_monotonic_ns(),
                          memory_order_relaxed);
}

void ticks_start(bool monotonic)
{
    ticks_are_cycles = !monotonic && counter_is_even();
    atomic_store_explicit(&rate_32, (uint64_t)1 << 32, memory_order_relaxed);
    uint64_t ticks, ns;
    both(&ticks, &ns);
    atomic_store_explicit(&first_ticks, ticks, memory_order_relaxed);
    atomic_store_explicit(&first_ns, ns, memory_order_relaxed);
    if (ticks_are_cycles) { /* a fifth of a millisecond gives three digits; ticks_again() the rest
                             */
        struct timespec pause = {.tv_nsec = 200000};
        nanosleep(&pause, NULL);
    }
    measure();
}

void ticks_again(void)
{
    measure();
}

uint64_t ticks_ns(uint64_t ticks)
{
    if (!ticks_are_cycles) {
        return ticks;
    }
    __extension__ unsigned __int128 wide = ticks;
    return (uint64_t)(wide * atomic_load_explicit(&rate_32, memory_order_relaxed) >> 32);
}

uint64_t ticks_of_ns(uint64_t ns)
{
    if (!ticks_are_cycles) {
        return ns;
    }
    __extension__ unsigned __int128 wide = (unsigned __int128)ns << 32;
    return (uint64_t)(wide / atomic_load_explicit(&rate_32, memory_order_relaxed));
}

int64_t ticks_unix_ns(uint64_t ticks)
{
    int64_t wall = atomic_load_explicit(&wall_minus_monotonic, memory_order_relaxed);
    if (!ticks_are_cycles) {
        return (int64_t)ticks + wall;
    }
    uint64_t from = atomic_load_explicit(&first_ticks, memory_order_relaxed);
    int64_t since =
        ticks >= from ? (int64_t)ticks_ns(ticks - from) : -(int64_t)ticks_ns(from - ticks);
    return (int64_t)atomic_load_explicit(&first_ns, memory_order_relaxed) + since + wall;
}
