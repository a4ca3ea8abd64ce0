/* client/cache/cache.h - caches: cells of threads -> totals, windows, thresholds.
 *
 *   hit, miss, evict, lookups -> cells of the thread (hits, misses, evictions, response times)
 *   entries, bytes            -> one atomic of the cache, with its peak
 *   each second, on the worker: totals - those of the second before -> windows of seconds, minutes
 *                               and ten seconds -> alarms
 *
 * Time is passed in to cache_tick(), so that tests may have years of it.
 * Threads: as said; the table of caches only grows.
 */
#ifndef CLIENT_CACHE_CACHE_H
#define CLIENT_CACHE_CACHE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "client/alarm/alarm.h"
#include "client/alarm/window.h"
#include "client/core/jot.h"
#include "client/core/module.h"
#include "client/metric/buckets.h"
#include "client/metric/source.h"
#include "sonde/cache.h"

enum {
    CACHE_MAX = 128, /* names; then "other" */
    CACHE_NAME_MAX = 128,
    CACHE_CHUNK = 16, /* cells that a thread allocates at once */
    CACHE_CHUNKS = (CACHE_MAX + CACHE_CHUNK) / CACHE_CHUNK,
    CACHE_SECONDS = 60,
    CACHE_MINUTES = 24 * 60,
    CACHE_RESPONSE_STEPS = 6, /* of ten seconds: the last minute's response times */
    CACHE_SLOWEST = 16,
    CACHE_KEY_MAX = 64,
};

/* What one thread has counted for one cache. */
struct cache_cell {
    _Atomic uint64_t hits, misses, evictions;
    struct buckets *_Atomic times; /* allocated at the thread's first lookup with a duration */
};

/* A thread's part (client/core/slot.h). */
struct cache_part {
    struct cache_cell *_Atomic chunk[CACHE_CHUNKS];
};

struct cache_totals {
    uint64_t hits, misses, evictions;
};

/* Response times by steps of ten seconds. */
struct cache_recent {
    uint64_t newest; /* number of the step */
    uint64_t seen[BUCKETS_N];
    uint32_t step[CACHE_RESPONSE_STEPS][BUCKETS_N];
    struct buckets_sum sum; /* of all steps */
};

struct cache {
    char name[CACHE_NAME_MAX];
    uint32_t number;
    _Atomic int64_t entries, entries_peak, bytes, bytes_peak, allocated;
    _Atomic uint64_t slow;
    _Atomic uint64_t slow_from_ns; /* 0: the setting */
    _Atomic bool timed;            /* some lookup had a duration */
    struct cache_cell retired;     /* of threads that ended; under the slots' mutex */

    pthread_mutex_t lock;           /* what follows */
    struct cache_totals seen, base; /* as of the last tick; as of the last reset */
    uint64_t slow_base;
    struct buckets_sum *times_base; /* NULL: never reset */
    struct window seconds, minutes;
    struct window_cell second[CACHE_SECONDS], minute[CACHE_MINUTES];
    struct cache_recent *recent;                    /* NULL: no response times yet */
    struct sonde_cache_slow slowest[CACHE_SLOWEST]; /* the slowest first */
    size_t slowest_n;
    sonde_cache_limits limits;
    struct alarm *hit_rate, *over_bytes, *response, *fragmentation;
};

/* The caches so far: cache_at(0) .. cache_at(cache_count() - 1). */
size_t cache_count(void);
struct cache *cache_at(size_t i);
struct cache *cache_find(const char *name); /* NULL: there is none */

/* What all threads have counted. times (may be NULL) gets the response times since the start. */
void cache_sum(struct cache *c, struct cache_totals *ret, struct buckets_sum *times);
/* The seconds' work of one cache as of now_ns (CLOCK_MONOTONIC). */
void cache_tick(struct cache *c, uint64_t now_ns);
/* As sonde_cache_snapshot(), as of now_ns. */
void cache_stats(struct cache *c, uint64_t now_ns, sonde_cache_stats *ret);
/* In a forked child: what was counted is the parent's; what is held stays. */
void cache_forget(struct cache *c);
double cache_fragmentation(const struct cache *c); /* NaN: not known */

/* cache_report.c */
void cache_write(struct source_writer *w, void *unused);
struct command_call;
int cache_answer(const struct command_call *call, struct jot *j, char *problem);

extern const struct module cache_module;

#endif
