/* client/frame/frames.h - the frames of one loop: a ring of the last ones, sums since the start,
 * the worst with what was running in them.
 *
 * Whoever ends a frame holds the latch `writer` for some ten nanoseconds; readers never do. They
 * copy the ring and leave out what the writer may have reached meanwhile (the counter `ended` is
 * stored last, and a ring has one place more than the window). Everything that costs more (the
 * median for jank, what is running) is done for slow frames alone.
 *
 * Threads: any.
 */
#ifndef CLIENT_FRAME_FRAMES_H
#define CLIENT_FRAME_FRAMES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "client/metric/buckets.h"
#include "client/operation/latch.h"
#include "sonde/frame.h"

enum { FRAMES_JANK_LAST = 9, FRAMES_JANK_LEAST = 3 };

struct frames_end {
    _Atomic uint64_t end_ticks, ns;
};

struct frames_running {
    char service[SONDE_FRAMES_NAME_MAX], name[SONDE_FRAMES_NAME_MAX]; /* service "": a span */
    uint64_t ns;
    bool ended;
};

struct frames_worst {
    uint64_t end_ticks, ns;
    pid_t tid;
    unsigned running_n;
    struct frames_running running[SONDE_FRAMES_RUNNING_MAX];
};

struct sonde_frames {
    char name[SONDE_FRAMES_NAME_MAX + 1];
    double target_hz;
    uint64_t refresh_ns, slow_ns, frozen_ns, window_ns;
    uint32_t window_n, mask, worst_cap; /* mask + 1 places in the ring, more than window_n */
    struct frames_end *ring;

    _Alignas(64) struct latch writer;
    _Atomic uint64_t mark_ticks, begin_ticks; /* 0: none */
    _Atomic uint64_t ended, slow, frozen, janky, dropped, delay_ns, last_ticks;
    _Atomic uint64_t first_ended; /* what `ended` was at the reset */
    _Atomic uint64_t worst_floor_ns;
    struct buckets buckets;

    struct latch worst_latch;
    unsigned worst_n;
    struct frames_worst *worst; /* [worst_cap], the slowest first */
};

size_t frames_count(void);
sonde_frames *frames_at(size_t i);
sonde_frames *frames_find(const char *name);

/* The latch, for who ends a frame: false (counted) where another thread keeps it. */
bool frames_hold(sonde_frames *f);
/* A frame that ends now. */
void frames_add(sonde_frames *f, uint64_t end_ticks, uint64_t ns);
/* The same with the latch held. */
void frames_add_held(sonde_frames *f, uint64_t end_ticks, uint64_t ns);

/* Keeps a slow frame where it belongs to the worst. */
void frames_worst_offer(sonde_frames *f, uint64_t end_ticks, uint64_t ns);
void frames_worst_clear(sonde_frames *f);

void frames_command_start(void);
void frames_source_start(void);
void frames_source_stop(void);

#endif
