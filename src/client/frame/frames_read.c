#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "client/core/module.h"
#include "client/core/ticks.h"
#include "client/frame/frames.h"

enum { STILL_NS = 1000000000 }; /* no frame for so long: the rate falls */

static uint64_t read_u64(const _Atomic uint64_t *from)
{
    return atomic_load_explicit(from, memory_order_relaxed);
}

/* The durations of the window, and when its first and last frame ended. */
struct window {
    uint64_t *ns; /* [n] */
    size_t n;
    uint64_t first_ticks, last_ticks;
};

/* Copies the frames of the window; what the writer may have reached meanwhile is left out. */
static void copy(const sonde_frames *f, uint64_t now_ticks, struct window *w)
{
    uint64_t ended = atomic_load_explicit(&f->ended, memory_order_acquire);
    uint64_t first = atomic_load_explicit(&f->first_ended, memory_order_acquire);
    uint64_t from = ended > f->window_n ? ended - f->window_n : 0;
    uint64_t age = ticks_of_ns(f->window_ns);
    from = from > first ? from : first;
    for (uint64_t i = from; i < ended; i++) {
        const struct frames_end *e = &f->ring[i & f->mask];
        uint64_t end = atomic_load_explicit(&e->end_ticks, memory_order_acquire);
        uint64_t ns = atomic_load_explicit(&e->ns, memory_order_acquire);
        if (i + f->mask + 1 <= read_u64(&f->ended) || end + age < now_ticks) {
            continue;
        }
        w->first_ticks = w->n ? w->first_ticks : end;
        w->last_ticks = end;
        w->ns[w->n++] = ns;
    }
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* By nearest rank: the smallest duration that at least the share q of all does not exceed. */
static double quantile(const struct window *w, double q)
{
    size_t rank = (size_t)ceil(q * (double)w->n);
    return (double)w->ns[rank ? rank - 1 : 0] * 1e-9;
}

static double rate_of(const struct window *w, uint64_t now_ticks)
{
    if (w->n < 2) {
        return 0;
    }
    uint64_t end = w->last_ticks;
    if (now_ticks > end && ticks_ns(now_ticks - end) > STILL_NS) {
        end = now_ticks;
    }
    uint64_t ns = end > w->first_ticks ? ticks_ns(end - w->first_ticks) : 0;
    return ns ? (double)(w->n - 1) / ((double)ns * 1e-9) : 0;
}

static void fill_window(const sonde_frames *f, struct window *w, uint64_t now_ticks,
                        sonde_frames_info *ret)
{
    ret->minimum = ret->maximum = ret->mean = ret->p50 = ret->p95 = ret->p99 = NAN;
    ret->rate = rate_of(w, now_ticks);
    ret->window_count = w->n;
    if (!w->n) {
        return;
    }
    uint64_t sum = 0;
    for (size_t i = 0; i < w->n; i++) {
        sum += w->ns[i];
        ret->window_frozen += w->ns[i] > f->frozen_ns;
        ret->window_slow += w->ns[i] > f->slow_ns && w->ns[i] <= f->frozen_ns;
    }
    qsort(w->ns, w->n, sizeof *w->ns, by_value);
    ret->minimum = (double)w->ns[0] * 1e-9;
    ret->maximum = (double)w->ns[w->n - 1] * 1e-9;
    ret->mean = (double)sum / (double)w->n * 1e-9;
    ret->p50 = quantile(w, 0.5);
    ret->p95 = quantile(w, 0.95);
    ret->p99 = quantile(w, 0.99);
}

static int read_all(const sonde_frames *f, sonde_frames_info *ret)
{
    uint64_t ended = atomic_load_explicit(&f->ended, memory_order_acquire);
    uint64_t first = atomic_load_explicit(&f->first_ended, memory_order_acquire);
    uint64_t now = ticks_now(), last = read_u64(&f->last_ticks);
    struct window w = {.ns = malloc(f->window_n * sizeof *w.ns)};
    if (!w.ns) {
        return SONDE_ERROR_MEMORY;
    }
    *ret = (sonde_frames_info){
        .struct_size = sizeof *ret,
        .name = f->name,
        .target_hz = f->target_hz,
        .count = ended > first ? ended - first : 0,
        .slow = read_u64(&f->slow),
        .frozen = read_u64(&f->frozen),
        .janky = read_u64(&f->janky),
        .dropped = read_u64(&f->dropped),
        .delay = (double)read_u64(&f->delay_ns) * 1e-9,
        .last_ms = last ? ticks_unix_ns(last) / 1000000 : 0,
    };
    copy(f, now, &w);
    fill_window(f, &w, now, ret);
    free(w.ns);
    return 0;
}

static bool running(void)
{
    module_wake();
    return atomic_load_explicit(&module_on, memory_order_relaxed);
}

int sonde_frames_read(sonde_frames *frames, sonde_frames_info *ret)
{
    if (!frames || !ret || ret->struct_size < sizeof(size_t)) {
        return SONDE_ERROR_ARGUMENT;
    }
    if (!running()) {
        return SONDE_ERROR_STATE;
    }
    sonde_frames_info info;
    int err = read_all(frames, &info);
    if (err) {
        return err;
    }
    size_t size = ret->struct_size < sizeof info ? ret->struct_size : sizeof info;
    info.struct_size = size;
    memcpy(ret, &info, size);
    return 0;
}

size_t sonde_frames_each(void (*visit)(const sonde_frames_info *info, void *user), void *user)
{
    size_t n = visit && running() ? frames_count() : 0;
    for (size_t i = 0; i < n; i++) {
        sonde_frames_info info;
        if (read_all(frames_at(i), &info) == 0) {
            visit(&info, user);
        }
    }
    return n;
}
