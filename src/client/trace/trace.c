#include "client/trace/trace.h"

#include "client/core/module.h"
#include "client/core/setting.h"
#include "client/core/ticks.h"
#include "client/core/worker.h"
#include "client/trace/sampler.h"

enum { TICK_NS = 1000000000 };

static uint64_t roots_before, ticked_ns;

static void drain(void *unused)
{
    trace_export();
}

/* What was changed by a setting, and the adaptive rate. */
static void tick(void *unused)
{
    bool on = atomic_load_explicit(&setting.trace_enabled, memory_order_relaxed);
    __atomic_store_n(&sonde_span_enabled, (unsigned char)on, __ATOMIC_RELAXED);
    uint64_t roots = span_counts().roots, now = ticks_monotonic_ns();
    if (now > ticked_ns) {
        sampler_tick(roots - roots_before, (double)(now - ticked_ns) / 1e9);
    }
    roots_before = roots;
    ticked_ns = now;
}

static struct worker_task drain_task = {.name = "spans", .run = drain};
static struct worker_task tick_task = {.name = "sampling", .run = tick, .period_ns = TICK_NS};

void trace_drain_now(void)
{
    worker_task_now(&drain_task);
}

static int start(char *problem)
{
    slot_on_retire(SLOT_TRACE, span_retire);
    sampler_start();
    item_forget_keys();
    roots_before = span_counts().roots;
    ticked_ns = ticks_monotonic_ns();
    drain_task.period_ns = (uint64_t)setting.export_interval_ms * 1000000;
    worker_task_add(&drain_task);
    worker_task_add(&tick_task);
    trace_command_start();
    __atomic_store_n(&sonde_span_enabled, (unsigned char)setting.trace_enabled, __ATOMIC_RELAXED);
    return 0;
}

static void stop(void)
{
    __atomic_store_n(&sonde_span_enabled, 0, __ATOMIC_RELAXED);
    worker_task_remove(&drain_task);
    worker_task_remove(&tick_task);
    trace_command_stop();
}

static void fork_child(void)
{
    span_forget_all();
    trace_export_forget();
    roots_before = span_counts().roots;
    ticked_ns = ticks_monotonic_ns();
}

const struct module trace_module = {
    .name = "trace", .start = start, .flush = trace_export, .stop = stop, .fork_child = fork_child};
