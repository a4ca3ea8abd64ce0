/* The slowest frames, and what was running in them on their thread: operations and spans that go
 * on, operations that ended since the frame began. */
#include <stdlib.h>
#include <string.h>

#include "client/core/module.h"
#include "client/core/slot.h"
#include "client/core/ticks.h"
#include "client/frame/frames.h"
#include "client/operation/active.h"
#include "client/operation/failure.h"
#include "client/operation/operation.h"
#include "client/operation/tally.h"
#include "client/trace/current.h"

enum { FOUND_MAX = 32 }; /* of each kind */

static void put_name(char ret[SONDE_FRAMES_NAME_MAX], const char *name)
{
    size_t n = failure_cut(name, SONDE_FRAMES_NAME_MAX - 1);
    memcpy(ret, name, n);
    ret[n] = 0;
}

/* Keeps it among the longest. */
static void keep(struct frames_worst *w, const char *service, const char *name, uint64_t ns,
                 bool ended)
{
    unsigned at = w->running_n;
    while (at > 0 && w->running[at - 1].ns < ns) {
        at--;
    }
    if (at == SONDE_FRAMES_RUNNING_MAX) {
        return;
    }
    w->running_n += w->running_n < SONDE_FRAMES_RUNNING_MAX;
    memmove(&w->running[at + 1], &w->running[at], (w->running_n - 1 - at) * sizeof *w->running);
    struct frames_running *r = &w->running[at];
    put_name(r->service, service);
    put_name(r->name, name);
    r->ns = ns;
    r->ended = ended;
}

static uint64_t since(uint64_t start_ticks, uint64_t end_ticks)
{
    return end_ticks > start_ticks ? ticks_ns(end_ticks - start_ticks) : 0;
}

/* Looks at what the calling thread is in the middle of and what it has just done. */
static void find_running(struct frames_worst *w, uint64_t start_ticks)
{
    struct active_operation operations[FOUND_MAX];
    size_t n = active_mine(operations, FOUND_MAX);
    for (size_t i = 0; i < n; i++) {
        keep(w, operations[i].service, operations[i].operation,
             since(operations[i].start_ticks, w->end_ticks), false);
    }
    struct tally_memory calls[FOUND_MAX];
    n = tally_calls_mine(start_ticks, calls, FOUND_MAX);
    for (size_t i = 0; i < n; i++) {
        keep(w, calls[i].operation->service->name, calls[i].operation->name, calls[i].ns, true);
    }
    struct current_span spans[SONDE_FRAMES_RUNNING_MAX];
    n = current_mine(spans, SONDE_FRAMES_RUNNING_MAX);
    for (size_t i = 0; i < n && i < SONDE_FRAMES_RUNNING_MAX; i++) {
        keep(w, "", spans[i].name, since(spans[i].start_ticks, w->end_ticks), false);
    }
}

void frames_worst_offer(sonde_frames *f, uint64_t end_ticks, uint64_t ns)
{
    struct slot *s = slot_mine();
    struct frames_worst w = {.end_ticks = end_ticks,
                             .ns = ns,
                             .tid = s ? __atomic_load_n(&s->tid, __ATOMIC_RELAXED) : 0};
    if (s) {
        uint64_t took = ticks_of_ns(ns);
        find_running(&w, end_ticks > took ? end_ticks - took : 0);
    }
    if (!latch_try(&f->worst_latch)) {
        return; /* a reader copies them: this frame is counted, and not kept */
    }
    unsigned at = f->worst_n;
    while (at > 0 && f->worst[at - 1].ns < ns) {
        at--;
    }
    if (at < f->worst_cap) {
        f->worst_n += f->worst_n < f->worst_cap;
        memmove(&f->worst[at + 1], &f->worst[at], (f->worst_n - 1 - at) * sizeof *f->worst);
        f->worst[at] = w;
    }
    if (f->worst_n == f->worst_cap) {
        atomic_store_explicit(&f->worst_floor_ns, f->worst[f->worst_cap - 1].ns,
                              memory_order_relaxed);
    }
    latch_release(&f->worst_latch);
}

void frames_worst_clear(sonde_frames *f)
{
    if (latch_wait(&f->worst_latch)) {
        f->worst_n = 0;
        atomic_store_explicit(&f->worst_floor_ns, 0, memory_order_relaxed);
        latch_release(&f->worst_latch);
    }
}

struct found {
    const sonde_frames *frames;
    struct frames_worst worst;
};

static int by_duration(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    return (x->worst.ns < y->worst.ns) - (x->worst.ns > y->worst.ns);
}

static void hand_over(const struct found *found,
                      void (*visit)(const sonde_frame_worst *worst, void *user), void *user)
{
    const struct frames_worst *w = &found->worst;
    sonde_frame_running running[SONDE_FRAMES_RUNNING_MAX];
    for (unsigned i = 0; i < w->running_n; i++) {
        const struct frames_running *r = &w->running[i];
        running[i] = (sonde_frame_running){.service = r->service[0] ? r->service : NULL,
                                           .name = r->name,
                                           .seconds = (double)r->ns * 1e-9,
                                           .ended = r->ended};
    }
    sonde_frame_worst out = {.struct_size = sizeof out,
                             .name = found->frames->name,
                             .start_ms = (ticks_unix_ns(w->end_ticks) - (int64_t)w->ns) / 1000000,
                             .seconds = (double)w->ns * 1e-9,
                             .thread = w->tid,
                             .frozen = w->ns > found->frames->frozen_ns,
                             .running_n = w->running_n,
                             .running = running};
    visit(&out, user);
}

size_t sonde_frames_worst(sonde_frames *frames, size_t max,
                          void (*visit)(const sonde_frame_worst *worst, void *user), void *user)
{
    module_wake();
    size_t objects = frames_count(), n = 0;
    size_t cap = frames ? frames->worst_cap : objects * SONDE_FRAMES_WORST_MAX;
    struct found *found = visit && max && cap ? malloc(cap * sizeof *found) : NULL;
    for (size_t i = 0; found && i < objects; i++) {
        sonde_frames *f = frames_at(i);
        if ((frames && frames != f) || !latch_wait(&f->worst_latch)) {
            continue;
        }
        for (unsigned k = 0; k < f->worst_n; k++) {
            found[n++] = (struct found){.frames = f, .worst = f->worst[k]};
        }
        latch_release(&f->worst_latch);
    }
    if (n) {
        qsort(found, n, sizeof *found, by_duration);
    }
    n = n < max ? n : max;
    for (size_t i = 0; i < n; i++) {
        hand_over(&found[i], visit, user);
    }
    free(found);
    return n;
}
