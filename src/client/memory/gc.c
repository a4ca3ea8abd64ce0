#include "client/memory/gc.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "client/alarm/window.h"
#include "client/core/lost.h"
#include "client/core/module.h"
#include "client/core/ticks.h"
#include "client/metric/buckets.h"

static const uint64_t SECOND_NS = 1000000000;

struct collector {
    char name[GC_NAME_MAX];
    uint64_t freed, heap;
    double pause_max, pause_last;
    struct buckets pauses; /* with count and sum */
    struct window seconds; /* nanoseconds of pauses, runs */
    struct window_cell second[GC_SECONDS];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* all of this file */
static struct collector *table[GC_MAX + 1];              /* the last one: "other" */
static size_t table_n;

static struct collector *find(const char *name)
{
    for (size_t i = 0; i < table_n; i++) {
        if (strcmp(table[i]->name, name) == 0) {
            return table[i];
        }
    }
    return NULL;
}

static struct collector *get(const char *name)
{
    struct collector *c = find(name);
    if (!c && table_n >= GC_MAX) {
        lost_add(LOST_METRIC, LOST_QUEUE_FULL, 1);
        name = "other";
        c = find(name);
    }
    if (!c) {
        c = calloc(1, sizeof *c);
        if (!c) {
            lost_add(LOST_METRIC, LOST_MEMORY, 1);
            return NULL;
        }
        memcpy(c->name, name, strlen(name));
        window_init(&c->seconds, c->second, GC_SECONDS);
        table[table_n++] = c;
    }
    return c;
}

void gc_record(const char *collector, double pause_s, uint64_t freed, uint64_t heap,
               uint64_t now_ns)
{
    pthread_mutex_lock(&lock);
    struct collector *c = get(collector);
    if (c) {
        c->freed += freed;
        c->heap = heap;
        c->pause_last = pause_s;
        c->pause_max = pause_s > c->pause_max ? pause_s : c->pause_max;
        buckets_observe(&c->pauses, pause_s);
        window_add(&c->seconds, now_ns / SECOND_NS, (uint64_t)(pause_s * 1e9), 1);
    }
    pthread_mutex_unlock(&lock);
}

void sonde_gc_record(const char *collector, double pause_seconds, uint64_t freed_bytes,
                     uint64_t heap_bytes)
{
    size_t n = collector ? strnlen(collector, GC_NAME_MAX) : 0;
    if (!atomic_load_explicit(&module_on, memory_order_relaxed) || !n || n == GC_NAME_MAX ||
        !(pause_seconds >= 0 && pause_seconds < 1e9)) {
        return;
    }
    module_wake();
    gc_record(collector, pause_seconds, freed_bytes, heap_bytes, ticks_monotonic_ns());
}

/* Under the lock. */
static void fill(const struct collector *c, uint64_t now_ns, sonde_gc_stats *ret)
{
    struct buckets_sum pauses = {0};
    buckets_fold(&c->pauses, &pauses);
    uint64_t step = now_ns / SECOND_NS;
    double share = (double)window_sum(&c->seconds, step, GC_SECONDS).a / 1e9 / GC_SECONDS;
    *ret = (sonde_gc_stats){
        .struct_size = sizeof *ret,
        .runs = pauses.count,
        .freed_bytes = c->freed,
        .heap_bytes = c->heap,
        .pause_total = pauses.sum,
        .pause_max = c->pause_max,
        .pause_last = c->pause_last,
        .pause_p50 = buckets_quantile(&pauses, 0.5),
        .pause_p95 = buckets_quantile(&pauses, 0.95),
        .pause_p99 = buckets_quantile(&pauses, 0.99),
        .pause_share_minute = share < 1 ? share : 1,
    };
}

int gc_stats(const char *collector, uint64_t now_ns, sonde_gc_stats *ret)
{
    pthread_mutex_lock(&lock);
    const struct collector *c = find(collector);
    if (c) {
        fill(c, now_ns, ret);
    }
    pthread_mutex_unlock(&lock);
    return c ? 0 : SONDE_ERROR_NOT_FOUND;
}

int sonde_gc_snapshot(const char *collector, sonde_gc_stats *stats)
{
    if (!collector || !stats || stats->struct_size < sizeof(size_t)) {
        return SONDE_ERROR_ARGUMENT;
    }
    if (!module_on) {
        return SONDE_ERROR_STATE;
    }
    module_wake();
    sonde_gc_stats all;
    int err = gc_stats(collector, ticks_monotonic_ns(), &all);
    if (!err) {
        size_t size = stats->struct_size < sizeof all ? stats->struct_size : sizeof all;
        all.struct_size = stats->struct_size;
        memcpy(stats, &all, size);
    }
    return err;
}

static double value_of(const sonde_gc_stats *s, size_t family)
{
    const double values[] = {(double)s->runs, (double)s->freed_bytes, (double)s->heap_bytes,
                             s->pause_max, s->pause_share_minute};
    return values[family];
}

void gc_write(struct source_writer *w)
{
    static const struct {
        const char *name, *unit, *help;
        enum source_type type;
    } families[] = {
        {"sonde_gc_runs", NULL, "Runs of the garbage collector.", SOURCE_COUNTER},
        {"sonde_gc_freed_bytes", "bytes", "Bytes that it has freed.", SOURCE_COUNTER},
        {"sonde_gc_heap_bytes", "bytes", "What its heap held after the last run.", SOURCE_GAUGE},
        {"sonde_gc_pause_max_seconds", "seconds", "The longest pause.", SOURCE_GAUGE},
        {"sonde_gc_pause_ratio", "ratio", "Share of the last minute that was pauses.",
         SOURCE_GAUGE},
    };
    uint64_t now = ticks_monotonic_ns();
    pthread_mutex_lock(&lock);
    for (size_t f = 0; table_n && f < sizeof families / sizeof *families; f++) {
        source_family(w, families[f].name, families[f].type, families[f].help, families[f].unit);
        for (size_t i = 0; i < table_n; i++) {
            const sonde_label labels[] = {{"collector", table[i]->name}, {NULL, NULL}};
            sonde_gc_stats s;
            fill(table[i], now, &s);
            source_sample(w, families[f].type == SOURCE_COUNTER ? "_total" : "", labels,
                          value_of(&s, f));
        }
    }
    if (table_n) {
        source_family(w, "sonde_gc_pause_seconds", SOURCE_HISTOGRAM, "Pauses of its runs.",
                      "seconds");
    }
    for (size_t i = 0; i < table_n; i++) {
        const sonde_label labels[] = {{"collector", table[i]->name}, {NULL, NULL}};
        struct buckets_sum sum = {0};
        struct source_histogram h;
        buckets_fold(&table[i]->pauses, &sum);
        buckets_native(&sum, &h);
        source_native(w, labels, &h);
    }
    pthread_mutex_unlock(&lock);
}

void gc_answer(struct jot *j)
{
    uint64_t now = ticks_monotonic_ns();
    jot_array(j, "collectors");
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < table_n; i++) {
        sonde_gc_stats s;
        fill(table[i], now, &s);
        jot_object(j, NULL);
        jot_string(j, "collector", table[i]->name);
        jot_u64(j, "runs", s.runs);
        jot_u64(j, "freed_bytes", s.freed_bytes);
        jot_u64(j, "heap_bytes", s.heap_bytes);
        jot_object(j, "pause_s");
        jot_number(j, "total", s.pause_total);
        jot_number(j, "max", s.pause_max);
        jot_number(j, "last", s.pause_last);
        jot_number(j, "p50", s.pause_p50);
        jot_number(j, "p95", s.pause_p95);
        jot_number(j, "p99", s.pause_p99);
        jot_number(j, "share_minute", s.pause_share_minute);
        jot_end(j);
        jot_end(j);
    }
    pthread_mutex_unlock(&lock);
    jot_end(j);
}

void gc_fork_child(void)
{
    pthread_mutex_init(&lock, NULL);
    for (size_t i = 0; i < table_n; i++) {
        struct collector *c = table[i];
        c->freed = 0;
        c->pause_max = 0;
        buckets_clear(&c->pauses);
        window_init(&c->seconds, c->second, GC_SECONDS);
    }
}
