#include "client/frame/frames.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "client/core/lost.h"
#include "client/core/module.h"
#include "client/core/slot.h"
#include "client/core/ticks.h"
#include "client/operation/failure.h"

enum { LINE = 64 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of new ones */
static sonde_frames *_Atomic all[SONDE_FRAMES_MAX];
static _Atomic size_t all_n;

size_t frames_count(void)
{
    return atomic_load_explicit(&all_n, memory_order_acquire);
}

sonde_frames *frames_at(size_t i)
{
    return atomic_load_explicit(&all[i], memory_order_acquire);
}

sonde_frames *frames_find(const char *name)
{
    for (size_t i = 0, n = frames_count(); i < n; i++) {
        sonde_frames *f = frames_at(i);
        if (strncmp(f->name, name, SONDE_FRAMES_NAME_MAX) == 0) {
            return f;
        }
    }
    return NULL;
}

static double or_default(double value, double standard)
{
    return value == 0 ? standard : value;
}

/* The options with their defaults; false where one is beyond its limits. */
static bool complete(const sonde_frames_options *given, sonde_frames_options *ret)
{
    sonde_frames_options o = SONDE_FRAMES_OPTIONS_INIT;
    if (given && given->struct_size < sizeof o) {
        return false;
    }
    o = given ? *given : o;
    o.name = o.name ? o.name : "main";
    o.target_hz = or_default(o.target_hz, 60);
    o.window_samples = o.window_samples ? o.window_samples : 1000;
    o.window_seconds = or_default(o.window_seconds, 10);
    o.slow_factor = or_default(o.slow_factor, 1);
    o.frozen_ms = or_default(o.frozen_ms, 700);
    o.worst = o.worst ? o.worst : 16;
    *ret = o;
    return *o.name && o.target_hz >= 1 && o.target_hz <= 1000 &&
           o.window_samples <= SONDE_FRAMES_WINDOW_MAX && o.window_seconds > 0 &&
           o.window_seconds <= 3600 && o.slow_factor >= 1 && o.slow_factor <= 100 &&
           o.frozen_ms >= 1 && o.frozen_ms <= 3600000 && o.worst <= SONDE_FRAMES_WORST_MAX;
}

static sonde_frames *make(const sonde_frames_options *o)
{
    sonde_frames *f = aligned_alloc(LINE, sizeof *f);
    size_t ring = 2;
    while (ring <= o->window_samples || ring <= FRAMES_JANK_LAST) {
        ring *= 2;
    }
    struct frames_end *ends = calloc(ring, sizeof *ends);
    struct frames_worst *worst = calloc(o->worst, sizeof *worst);
    if (!f || !ends || !worst) {
        free(f);
        free(ends);
        free(worst);
        return NULL;
    }
    memset(f, 0, sizeof *f);
    memcpy(f->name, o->name, failure_cut(o->name, SONDE_FRAMES_NAME_MAX));
    f->target_hz = o->target_hz;
    f->refresh_ns = (uint64_t)(1e9 / o->target_hz);
    f->slow_ns = (uint64_t)(1e9 / o->target_hz * o->slow_factor);
    f->frozen_ns = (uint64_t)(o->frozen_ms * 1e6);
    f->window_ns = (uint64_t)(o->window_seconds * 1e9);
    f->window_n = o->window_samples;
    f->mask = (uint32_t)ring - 1;
    f->ring = ends;
    f->worst = worst;
    f->worst_cap = o->worst;
    return f;
}

/* Under the lock. */
static sonde_frames *get(const sonde_frames_options *o)
{
    sonde_frames *f = frames_find(o->name);
    size_t n = frames_count();
    if (f) {
        return f;
    }
    if (n == SONDE_FRAMES_MAX) {
        lost_add(LOST_FRAME, LOST_TOO_BIG, 1);
        return NULL;
    }
    f = make(o);
    if (f) {
        atomic_store_explicit(&all[n], f, memory_order_release);
        atomic_store_explicit(&all_n, n + 1, memory_order_release);
    }
    return f;
}

sonde_frames *sonde_frames_new(const sonde_frames_options *options)
{
    sonde_frames_options o;
    if (!complete(options, &o)) {
        return NULL;
    }
    module_wake();
    pthread_mutex_lock(&lock);
    sonde_frames *f = get(&o);
    pthread_mutex_unlock(&lock);
    return f;
}

/* Were the frames before this one much shorter? n of them have ended. */
static bool is_janky(const sonde_frames *f, uint64_t n, uint64_t ns)
{
    uint64_t since = n - atomic_load_explicit(&f->first_ended, memory_order_relaxed);
    uint64_t last[FRAMES_JANK_LAST];
    size_t k = since < FRAMES_JANK_LAST ? (size_t)since : FRAMES_JANK_LAST;
    if (k < FRAMES_JANK_LEAST) {
        return false;
    }
    for (size_t i = 0; i < k; i++) { /* sorted as they come */
        uint64_t v = atomic_load_explicit(&f->ring[(n - 1 - i) & f->mask].ns, memory_order_relaxed);
        size_t at = i;
        for (; at > 0 && last[at - 1] > v; at--) {
            last[at] = last[at - 1];
        }
        last[at] = v;
    }
    uint64_t median = k % 2 ? last[k / 2] : (last[k / 2 - 1] + last[k / 2]) / 2;
    return ns > 2 * median;
}

/* What is only said of a frame that is longer than a refresh. */
static __attribute__((noinline)) void add_late(sonde_frames *f, uint64_t n, uint64_t end_ticks,
                                               uint64_t ns)
{
    slot_add_u64(&f->delay_ns, ns - f->refresh_ns);
    uint64_t refreshes = (ns + f->refresh_ns / 2) / f->refresh_ns;
    if (refreshes > 1) {
        slot_add_u64(&f->dropped, refreshes - 1);
    }
    if (is_janky(f, n, ns)) {
        slot_add_u64(&f->janky, 1);
    }
    if (ns > f->frozen_ns) {
        slot_add_u64(&f->frozen, 1);
    } else if (ns > f->slow_ns) {
        slot_add_u64(&f->slow, 1);
    }
    if (ns > f->slow_ns && ns > atomic_load_explicit(&f->worst_floor_ns, memory_order_relaxed)) {
        frames_worst_offer(f, end_ticks, ns);
    }
}

void frames_add_held(sonde_frames *f, uint64_t end_ticks, uint64_t ns)
{
    uint64_t n = atomic_load_explicit(&f->ended, memory_order_relaxed);
    if (__builtin_expect(ns > f->refresh_ns || ns > f->frozen_ns, 0)) {
        add_late(f, n, end_ticks, ns);
    }
    buckets_observe(&f->buckets, (double)ns * 1e-9);
    struct frames_end *e = &f->ring[n & f->mask];
    atomic_store_explicit(&e->end_ticks, end_ticks, memory_order_release);
    atomic_store_explicit(&e->ns, ns, memory_order_release);
    atomic_store_explicit(&f->last_ticks, end_ticks, memory_order_relaxed);
    atomic_store_explicit(&f->ended, n + 1, memory_order_release);
}

bool frames_hold(sonde_frames *f)
{
    if (latch_try(&f->writer)) {
        return true;
    }
    lost_add(LOST_FRAME, LOST_QUEUE_FULL, 1);
    return false;
}

void frames_add(sonde_frames *f, uint64_t end_ticks, uint64_t ns)
{
    if (frames_hold(f)) {
        frames_add_held(f, end_ticks, ns);
        latch_release(&f->writer);
    }
}

static void reset(sonde_frames *f)
{
    if (!latch_wait(&f->writer)) {
        return;
    }
    _Atomic uint64_t *const sums[] = {&f->slow,     &f->frozen,     &f->janky,     &f->dropped,
                                      &f->delay_ns, &f->last_ticks, &f->mark_ticks};
    for (size_t i = 0; i < sizeof sums / sizeof *sums; i++) {
        atomic_store_explicit(sums[i], 0, memory_order_relaxed);
    }
    atomic_store_explicit(&f->first_ended, atomic_load_explicit(&f->ended, memory_order_relaxed),
                          memory_order_release);
    buckets_clear(&f->buckets);
    frames_worst_clear(f);
    latch_release(&f->writer);
}

void sonde_frames_reset(sonde_frames *frames)
{
    module_wake();
    for (size_t i = 0, n = frames_count(); i < n; i++) {
        if (!frames || frames == frames_at(i)) {
            reset(frames_at(i));
        }
    }
}

static int start(char *problem)
{
    frames_command_start();
    frames_source_start();
    return 0;
}

static void stop(void)
{
    frames_source_stop();
    for (size_t i = 0, n = frames_count(); i < n; i++) { /* until the next start is no frame */
        sonde_frame_pause(frames_at(i));
    }
}

static void fork_child(void)
{
    pthread_mutex_init(&lock, NULL);
    for (size_t i = 0, n = frames_count(); i < n; i++) {
        sonde_frames *f = frames_at(i);
        latch_clear(&f->writer);
        latch_clear(&f->worst_latch);
        reset(f);
    }
}

const struct module frames_module = {
    .name = "frames", .start = start, .stop = stop, .fork_child = fork_child};
