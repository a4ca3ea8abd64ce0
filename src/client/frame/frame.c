#include "client/core/module.h"
#include "client/core/ticks.h"
#include "client/frame/frames.h"

static bool running(void)
{
    module_wake();
    return atomic_load_explicit(&module_on, memory_order_relaxed);
}

void sonde_frame_mark(sonde_frames *frames)
{
    if (!frames || !running() || !frames_hold(frames)) {
        return;
    }
    uint64_t now = ticks_now();
    uint64_t before = atomic_load_explicit(&frames->mark_ticks, memory_order_relaxed);
    atomic_store_explicit(&frames->mark_ticks, now, memory_order_relaxed);
    if (before && now >= before) {
        frames_add_held(frames, now, ticks_ns(now - before));
    }
    latch_release(&frames->writer);
}

void sonde_frame_pause(sonde_frames *frames)
{
    if (frames) {
        atomic_store_explicit(&frames->mark_ticks, 0, memory_order_relaxed);
    }
}

void sonde_frame_begin(sonde_frames *frames)
{
    if (frames && running()) {
        atomic_store_explicit(&frames->begin_ticks, ticks_now(), memory_order_relaxed);
    }
}

void sonde_frame_end(sonde_frames *frames)
{
    if (!frames || !running()) {
        return;
    }
    uint64_t now = ticks_now();
    uint64_t begin = atomic_exchange_explicit(&frames->begin_ticks, 0, memory_order_relaxed);
    if (begin && now >= begin) {
        frames_add(frames, now, ticks_ns(now - begin));
    }
}

void sonde_frame_record(sonde_frames *frames, double seconds)
{
    if (frames && running() && seconds >= 0 && seconds < 1e9) {
        frames_add(frames, ticks_now(), (uint64_t)(seconds * 1e9 + 0.5));
    }
}
