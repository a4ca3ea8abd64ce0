/* Operations among the metrics: docs/manual/libsonde-operations.md. */
#include <stdlib.h>

#include "client/core/ticks.h"
#include "client/metric/source.h"
#include "client/operation/operation.h"
#include "client/operation/tally.h"

/* A sample of each operation that has been used, by what is wanted of its sums. */
static void write_each(struct source_writer *w, sonde_operation **list, size_t n, bool ended_only,
                       double (*value)(const struct tally_sum *sum))
{
    for (size_t i = 0; i < n; i++) {
        struct tally_sum sum;
        tally_sum(list[i], &sum, NULL);
        if (!sum.last_ticks || (ended_only && tally_count(&sum) == 0)) {
            continue;
        }
        const sonde_label labels[] = {
            {"service", list[i]->service->name}, {"operation", list[i]->name}, {NULL, NULL}};
        source_sample(w, "", labels, value(&sum));
    }
}

static double active_of(const struct tally_sum *sum)
{
    return (double)sum->active;
}

static double last_of(const struct tally_sum *sum)
{
    return (double)(ticks_unix_ns(sum->last_ticks) / 1000000) * 1e-3;
}

static double least_of(const struct tally_sum *sum)
{
    return (double)sum->least_ns * 1e-9;
}

static double most_of(const struct tally_sum *sum)
{
    return (double)sum->most_ns * 1e-9;
}

/* Outcomes that never happened have a series too, so that the first one is an increase. */
static void write_totals(struct source_writer *w, sonde_operation **list, size_t n)
{
    source_family(w, "sonde_operation", SOURCE_COUNTER,
                  "Calls of operations that ended, by outcome.", NULL);
    for (size_t i = 0; i < n; i++) {
        struct tally_sum sum;
        tally_sum(list[i], &sum, NULL);
        for (int k = 0; sum.last_ticks && k < SONDE_OPERATION_OUTCOMES; k++) {
            const sonde_label labels[] = {{"service", list[i]->service->name},
                                          {"operation", list[i]->name},
                                          {"outcome", sonde_operation_outcome_name(k)},
                                          {NULL, NULL}};
            source_sample(w, "_total", labels, (double)sum.ended[k]);
        }
    }
}

static void write_durations(struct source_writer *w, sonde_operation **list, size_t n)
{
    source_family(w, "sonde_operation_duration_seconds", SOURCE_HISTOGRAM,
                  "How long calls of operations took.", "seconds");
    for (size_t i = 0; i < n; i++) {
        struct tally_sum sum;
        struct buckets_sum buckets;
        tally_sum(list[i], &sum, &buckets);
        if (!sum.last_ticks) {
            continue;
        }
        const sonde_label labels[] = {
            {"service", list[i]->service->name}, {"operation", list[i]->name}, {NULL, NULL}};
        struct source_histogram h;
        buckets_native(&buckets, &h);
        source_native(w, labels, &h);
    }
}

static void write_services(struct source_writer *w, sonde_operation **list, size_t n)
{
    source_family(w, "sonde_service_uptime_seconds", SOURCE_GAUGE,
                  "Time since the first call of an operation of the service.", "seconds");
    uint64_t now = ticks_now();
    for (size_t i = 0; i < n; i++) {
        struct operation_service *s = list[i]->service;
        uint64_t first = atomic_load_explicit(&s->first_ticks, memory_order_relaxed);
        if (!first || now < first || (i > 0 && list[i - 1]->service == s)) {
            continue;
        }
        const sonde_label labels[] = {{"service", s->name}, {NULL, NULL}};
        source_sample(w, "", labels, (double)ticks_ns(now - first) * 1e-9);
    }
}

static void write(struct source_writer *w, void *context)
{
    sonde_operation **list;
    size_t n = operation_sorted(NULL, &list);
    if (n) {
        write_totals(w, list, n);
        write_durations(w, list, n);
        source_family(w, "sonde_operation_active", SOURCE_GAUGE,
                      "Calls of operations that have begun and not ended.", NULL);
        write_each(w, list, n, false, active_of);
        source_family(w, "sonde_operation_last_call_timestamp_seconds", SOURCE_GAUGE,
                      "When the last call of the operation began.", "seconds");
        write_each(w, list, n, false, last_of);
        source_family(w, "sonde_operation_duration_min_seconds", SOURCE_GAUGE,
                      "The shortest call of the operation.", "seconds");
        write_each(w, list, n, true, least_of);
        source_family(w, "sonde_operation_duration_max_seconds", SOURCE_GAUGE,
                      "The longest call of the operation.", "seconds");
        write_each(w, list, n, true, most_of);
        write_services(w, list, n);
    }
    free(list);
    source_family(w, "sonde_client_operation_overflow", SOURCE_COUNTER,
                  "Operations asked for beyond operation.max, which were given \"other\".", NULL);
    source_sample(w, "_total", NULL, (double)operation_overflow());
}

static struct source source = {.name = "operation", .write = write};

void operation_source_start(void)
{
    source_add(&source);
}

void operation_source_stop(void)
{
    source_remove(&source);
}
