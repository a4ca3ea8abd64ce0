#include "client/core/lost.h"
#include "client/core/module.h"
#include "client/core/ticks.h"
#include "client/operation/active.h"
#include "client/operation/operation.h"
#include "client/operation/tally.h"
#include "sonde/span.h"

/* The tally of the calling thread; NULL (counted) where it can have none. */
static struct tally *mine(struct tally_part *p, sonde_operation *o)
{
    struct tally *t = p ? tally_of(p, o) : NULL;
    if (__builtin_expect(!t, 0)) {
        lost_add(LOST_OPERATION, LOST_MEMORY, 1);
    }
    return t;
}

static bool running(void)
{
    return __builtin_expect(atomic_load_explicit(&module_on, memory_order_relaxed), 1);
}

/* Counts a begin at that time. */
static void count_begin(struct tally *t, sonde_operation *o, uint64_t ticks)
{
    if (__builtin_expect(atomic_load_explicit(&o->first_ticks, memory_order_relaxed) == 0, 0)) {
        operation_called_first(o, ticks);
    }
    slot_add_u64(&t->begun, 1);
    atomic_store_explicit(&t->last_ticks, ticks, memory_order_relaxed);
}

/* A call that is a span too (SONDE_OPERATION_SPANS, the setting operation.spans). */
static __attribute__((noinline)) void *start_span(const sonde_operation *o)
{
    sonde_span *span = sonde_span_start(o->name, SONDE_SPAN_INTERNAL);
    sonde_span_set_string(span, "sonde.service", o->service->name);
    return span;
}

static __attribute__((noinline)) void end_span(sonde_span *span, int outcome, const char *message)
{
    if (outcome == SONDE_OPERATION_FAILED) {
        sonde_span_set_status(span, SONDE_SPAN_ERROR, message);
    }
    sonde_span_set_string(span, "sonde.outcome", sonde_operation_outcome_name(outcome));
    sonde_span_end(span);
}

sonde_tracker sonde_operation_begin(sonde_operation *operation)
{
    sonde_tracker t = SONDE_TRACKER_INIT;
    if (!operation || !running()) {
        return t;
    }
    struct tally_part *p = tally_part();
    struct tally *tally = mine(p, operation);
    if (!tally) {
        return t;
    }
    t.operation = operation;
    t.start = ticks_now();
    count_begin(tally, operation, t.start);
    active_enter(p, &t);
    if (__builtin_expect(atomic_load_explicit(&operation->spans, memory_order_relaxed), 0)) {
        t.span = start_span(operation);
    }
    return t;
}

static void end(sonde_tracker *t, int outcome, const char *message)
{
    if (!t || !t->operation) {
        return;
    }
    uint64_t now = ticks_now();
    sonde_operation *o = t->operation;
    t->operation = NULL;
    if (t->span) {
        end_span(t->span, outcome, message);
        t->span = NULL;
    }
    struct tally_part *p = tally_part();
    if (!active_leave(p, t)) {
        return;
    }
    struct tally *tally = running() ? mine(p, o) : NULL;
    if (!tally) { /* it began, and that must not stay so for ever */
        atomic_fetch_add_explicit(&o->unkept, 1, memory_order_relaxed);
        return;
    }
    tally_add(p, tally, now, now > t->start ? ticks_ns(now - t->start) : 0, outcome);
    if (__builtin_expect(outcome == SONDE_OPERATION_FAILED, 0)) {
        failure_add(&o->failure, message, now);
    }
}

void sonde_operation_complete(sonde_tracker *tracker)
{
    end(tracker, SONDE_OPERATION_COMPLETED, NULL);
}

void sonde_operation_fail(sonde_tracker *tracker, const char *message)
{
    end(tracker, SONDE_OPERATION_FAILED, message);
}

void sonde_operation_recover(sonde_tracker *tracker, const char *message)
{
    end(tracker, SONDE_OPERATION_RECOVERED, message);
}

void sonde_operation_abandon(sonde_tracker *tracker)
{
    end(tracker, SONDE_OPERATION_ABANDONED, NULL);
}

double sonde_operation_elapsed(const sonde_tracker *tracker)
{
    uint64_t now = ticks_now();
    return tracker && tracker->operation && now > tracker->start
               ? (double)ticks_ns(now - tracker->start) * 1e-9
               : 0;
}

int sonde_operation_detach(sonde_tracker *tracker)
{
    if (!tracker || !tracker->operation) {
        return SONDE_ERROR_STATE;
    }
    struct slot *s = slot_mine();
    return active_detach(tracker, s ? __atomic_load_n(&s->tid, __ATOMIC_RELAXED) : 0);
}

int sonde_operation_record(sonde_operation *operation, double seconds, int outcome,
                           const char *message)
{
    if (!(seconds >= 0 && seconds < 1e9) || outcome < 0 || outcome >= SONDE_OPERATION_OUTCOMES) {
        return SONDE_ERROR_ARGUMENT;
    }
    if (!operation || !running()) {
        return 0;
    }
    struct tally_part *p = tally_part();
    struct tally *tally = mine(p, operation);
    if (!tally) {
        return SONDE_ERROR_MEMORY;
    }
    uint64_t now = ticks_now(), ns = (uint64_t)(seconds * 1e9 + 0.5), took = ticks_of_ns(ns);
    uint64_t start = now > took ? now - took : 0;
    count_begin(tally, operation, start);
    tally_add(p, tally, now, ns, outcome);
    if (outcome == SONDE_OPERATION_FAILED) {
        failure_add(&operation->failure, message, now);
    }
    return 0;
}
