#include "client/cache/cache.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "client/core/command.h"
#include "client/core/redact.h"
#include "client/core/setting.h"
#include "client/core/ticks.h"

enum field {
    FIELD_HITS,
    FIELD_MISSES,
    FIELD_EVICTIONS,
    FIELD_SLOW,
    FIELD_ENTRIES,
    FIELD_ENTRIES_PEAK,
    FIELD_BYTES,
    FIELD_BYTES_PEAK,
    FIELD_ALLOCATED,
    FIELD_FRAGMENTATION,
    FIELD_RATE_MINUTE,
    FIELD_RATE_HOUR,
    FIELD_RATE_DAY,
    FIELDS
};

static const struct {
    const char *name, *unit, *help;
    enum source_type type;
} families[FIELDS] = {
    {"sonde_cache_hits", NULL, "Lookups that found their entry.", SOURCE_COUNTER},
    {"sonde_cache_misses", NULL, "Lookups that did not find their entry.", SOURCE_COUNTER},
    {"sonde_cache_evictions", NULL, "Entries that were thrown out for others.", SOURCE_COUNTER},
    {"sonde_cache_slow_lookups", NULL, "Lookups at least as slow as the threshold.",
     SOURCE_COUNTER},
    {"sonde_cache_entries", NULL, "Entries held now.", SOURCE_GAUGE},
    {"sonde_cache_entries_peak", NULL, "The most entries that were held.", SOURCE_GAUGE},
    {"sonde_cache_bytes", "bytes", "Bytes held now.", SOURCE_GAUGE},
    {"sonde_cache_peak_bytes", "bytes", "The most bytes that were held.", SOURCE_GAUGE},
    {"sonde_cache_allocated_bytes", "bytes", "Bytes that the cache has from its allocator.",
     SOURCE_GAUGE},
    {"sonde_cache_fragmentation_ratio", "ratio", "Share of the allocated bytes that holds nothing.",
     SOURCE_GAUGE},
    {"sonde_cache_hit_ratio_1m", NULL, "Share of hits in the last minute.", SOURCE_GAUGE},
    {"sonde_cache_hit_ratio_1h", NULL, "Share of hits in the last hour.", SOURCE_GAUGE},
    {"sonde_cache_hit_ratio_1d", NULL, "Share of hits in the last day.", SOURCE_GAUGE},
};

/* What one cache has for each field; NaN: nothing. Metrics count since the start, not the reset. */
static void read_fields(struct cache *c, double ret[FIELDS])
{
    sonde_cache_stats s;
    cache_stats(c, ticks_monotonic_ns(), &s);
    pthread_mutex_lock(&c->lock);
    ret[FIELD_HITS] = (double)c->seen.hits;
    ret[FIELD_MISSES] = (double)c->seen.misses;
    ret[FIELD_EVICTIONS] = (double)c->seen.evictions;
    pthread_mutex_unlock(&c->lock);
    ret[FIELD_SLOW] = (double)atomic_load_explicit(&c->slow, memory_order_relaxed);
    ret[FIELD_ENTRIES] = (double)s.entries;
    ret[FIELD_ENTRIES_PEAK] = (double)s.entries_peak;
    ret[FIELD_BYTES] = (double)s.bytes;
    ret[FIELD_BYTES_PEAK] = (double)s.bytes_peak;
    ret[FIELD_ALLOCATED] = s.allocated > 0 ? (double)s.allocated : (double)NAN;
    ret[FIELD_FRAGMENTATION] = s.fragmentation;
    ret[FIELD_RATE_MINUTE] = s.hit_rate_minute;
    ret[FIELD_RATE_HOUR] = s.hit_rate_hour;
    ret[FIELD_RATE_DAY] = s.hit_rate_day;
}

static void write_times(struct source_writer *w)
{
    source_family(w, "sonde_cache_lookup_duration_seconds", SOURCE_HISTOGRAM,
                  "Response times of lookups.", "seconds");
    for (size_t i = 0; i < cache_count(); i++) {
        struct cache *c = cache_at(i);
        if (atomic_load_explicit(&c->timed, memory_order_relaxed)) {
            struct cache_totals unused;
            struct buckets_sum times;
            struct source_histogram h;
            cache_sum(c, &unused, &times);
            buckets_native(&times, &h);
            const sonde_label labels[] = {{"cache", c->name}, {NULL, NULL}};
            source_native(w, labels, &h);
        }
    }
}

void cache_write(struct source_writer *w, void *unused)
{
    static double fields[CACHE_MAX + 1][FIELDS]; /* under the exporter's lock */
    size_t n = cache_count();
    if (!n) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        read_fields(cache_at(i), fields[i]);
    }
    for (size_t f = 0; f < FIELDS; f++) {
        source_family(w, families[f].name, families[f].type, families[f].help, families[f].unit);
        for (size_t i = 0; i < n; i++) {
            const sonde_label labels[] = {{"cache", cache_at(i)->name}, {NULL, NULL}};
            if (!isnan(fields[i][f])) {
                source_sample(w, families[f].type == SOURCE_COUNTER ? "_total" : "", labels,
                              fields[i][f]);
            }
        }
    }
    write_times(w);
}

static void answer_rates(const sonde_cache_stats *s, struct jot *j)
{
    jot_object(j, "hit_rate");
    jot_number(j, "total", s->hit_rate);
    jot_number(j, "minute", s->hit_rate_minute);
    jot_number(j, "hour", s->hit_rate_hour);
    jot_number(j, "day", s->hit_rate_day);
    jot_end(j);
    jot_object(j, "lookups");
    jot_u64(j, "minute", s->lookups_minute);
    jot_u64(j, "hour", s->lookups_hour);
    jot_u64(j, "day", s->lookups_day);
    jot_end(j);
    jot_object(j, "response_s");
    jot_u64(j, "count", s->timed);
    jot_number(j, "mean", s->response_mean);
    jot_number(j, "p50", s->response_p50);
    jot_number(j, "p95", s->response_p95);
    jot_number(j, "p99", s->response_p99);
    jot_number(j, "p95_minute", s->response_p95_minute);
    jot_end(j);
}

static void answer_limits(struct cache *c, struct jot *j)
{
    pthread_mutex_lock(&c->lock);
    sonde_cache_limits l = c->limits;
    const struct {
        const char *key;
        double limit;
        const struct alarm *alarm;
    } rows[] = {
        {"hit_rate_min", l.hit_rate_min, c->hit_rate},
        {"bytes_max", (double)l.bytes_max, c->over_bytes},
        {"response_max_s", l.response_max, c->response},
        {"fragmentation_max", l.fragmentation_max, c->fragmentation},
    };
    pthread_mutex_unlock(&c->lock);
    jot_array(j, "limits");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].alarm) {
            jot_object(j, NULL);
            jot_string(j, "limit", rows[i].key);
            jot_number(j, "value", rows[i].limit);
            jot_bool(j, "crossed", alarm_raised(rows[i].alarm));
            jot_end(j);
        }
    }
    jot_end(j);
}

static void answer_slowest(struct cache *c, struct jot *j)
{
    sonde_cache_slow slow[CACHE_SLOWEST];
    size_t n = sonde_cache_slowest((sonde_cache *)c, slow, CACHE_SLOWEST);
    jot_array(j, "slowest");
    for (size_t i = 0; i < n; i++) {
        struct text clean;
        text_init(&clean, 4096);
        redact_text(&clean, slow[i].key, strnlen(slow[i].key, sizeof slow[i].key));
        jot_object(j, NULL);
        jot_string_n(j, "key", clean.bytes ? clean.bytes : "", clean.len);
        jot_number(j, "seconds", slow[i].seconds);
        jot_bool(j, "hit", slow[i].hit);
        jot_time(j, "at", slow[i].unix_ns);
        jot_end(j);
        text_done(&clean);
    }
    jot_end(j);
}

static void answer_one(struct cache *c, bool whole, struct jot *j)
{
    sonde_cache_stats s;
    cache_stats(c, ticks_monotonic_ns(), &s);
    jot_object(j, NULL);
    jot_string(j, "name", c->name);
    jot_u64(j, "hits", s.hits);
    jot_u64(j, "misses", s.misses);
    jot_u64(j, "evictions", s.evictions);
    jot_u64(j, "slow", s.slow);
    answer_rates(&s, j);
    jot_i64(j, "entries", s.entries);
    jot_i64(j, "entries_peak", s.entries_peak);
    jot_i64(j, "bytes", s.bytes);
    jot_i64(j, "bytes_peak", s.bytes_peak);
    jot_i64(j, "allocated", s.allocated);
    jot_number(j, "fragmentation", s.fragmentation);
    answer_limits(c, j);
    if (whole) {
        answer_slowest(c, j);
    }
    jot_end(j);
}

static int answer_reset(const struct command_call *call, struct jot *j, char *problem)
{
    if (call->level < COMMAND_OPERATOR) {
        snprintf(problem, SETTING_PROBLEM_MAX, "caches reset needs the level operator");
        return SONDE_ERROR_DENIED;
    }
    struct cache *c = call->n > 2 ? cache_find(call->words[2]) : NULL;
    if (call->n > 2 && !c) {
        snprintf(problem, SETTING_PROBLEM_MAX, "there is no cache \"%.100s\"", call->words[2]);
        return SONDE_ERROR_NOT_FOUND;
    }
    sonde_cache_reset((sonde_cache *)c);
    jot_u64(j, "reset", c ? 1 : cache_count());
    return 0;
}

int cache_answer(const struct command_call *call, struct jot *j, char *problem)
{
    if (call->n > 1 && strcmp(call->words[1], "reset") == 0) {
        return answer_reset(call, j, problem);
    }
    struct cache *only = call->n > 1 ? cache_find(call->words[1]) : NULL;
    if (call->n > 1 && !only) {
        snprintf(problem, SETTING_PROBLEM_MAX, "there is no cache \"%.100s\"", call->words[1]);
        return SONDE_ERROR_NOT_FOUND;
    }
    jot_array(j, "caches");
    for (size_t i = 0; i < cache_count(); i++) {
        if (!only || only == cache_at(i)) {
            answer_one(cache_at(i), only != NULL, j);
        }
    }
    jot_end(j);
    return 0;
}
