/* sonde/cache.h - what the caches of an application are worth: hits, misses, memory, response
 * times.
 *
 *     static sonde_cache *images;
 *     images = sonde_cache_get("images");
 *     sonde_cache_lookup look = sonde_cache_begin(images);
 *     void *found = find(key);
 *     sonde_cache_end(&look, found != NULL, key);
 *     sonde_cache_bytes_set(images, bytes_held);
 *
 * Exported as the metrics sonde_cache_...{cache="images"}; asked for by the command `caches`.
 * Thresholds (sonde_cache_limit) raise and clear alarms (sonde/alarm.h).
 *
 * Threads: any. hit, miss and evict write to memory of the calling thread alone (a few
 * nanoseconds); the thread's first one may allocate.
 */
#ifndef SONDE_CACHE_H
#define SONDE_CACHE_H

#include <sonde/core.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sonde_cache sonde_cache;

/* The cache of that name (1..127 bytes), made at its first use; lives until the process ends. NULL
 * for a bad name, without memory, and while the library does not run. After 128 of them all further
 * names give the one called "other". */
SONDE_API sonde_cache *sonde_cache_get(const char *name);

SONDE_API void sonde_cache_hit(sonde_cache *cache);
SONDE_API void sonde_cache_miss(sonde_cache *cache);
SONDE_API void sonde_cache_evict(sonde_cache *cache, uint64_t entries);

/* Entries and bytes held now; set, or changed by a difference. The peaks are kept. */
SONDE_API void sonde_cache_entries_set(sonde_cache *cache, int64_t entries);
SONDE_API void sonde_cache_entries_add(sonde_cache *cache, int64_t difference);
SONDE_API void sonde_cache_bytes_set(sonde_cache *cache, int64_t bytes);
SONDE_API void sonde_cache_bytes_add(sonde_cache *cache, int64_t difference);
/* Bytes that the cache has from its allocator or file: fragmentation is 1 - bytes / allocated.
 * 0: not known. */
SONDE_API void sonde_cache_allocated_set(sonde_cache *cache, int64_t bytes);

/* A lookup with its response time: counts the hit or miss too. key (may be NULL) is kept, cut at 63
 * bytes, where the lookup is among the 16 slowest of those at least as slow as the threshold. */
typedef struct sonde_cache_lookup {
    sonde_cache *cache;
    uint64_t start;
} sonde_cache_lookup;
SONDE_API sonde_cache_lookup sonde_cache_begin(sonde_cache *cache);
SONDE_API void sonde_cache_end(sonde_cache_lookup *lookup, bool hit, const char *key);
/* The same with a duration that was measured already. */
SONDE_API void sonde_cache_record(sonde_cache *cache, bool hit, double seconds, const char *key);
/* From how many seconds on a lookup is slow; the setting cache.slow_ms before that. Negative or not
 * a number: nothing changes. */
SONDE_API void sonde_cache_slow_after(sonde_cache *cache, double seconds);

/* Thresholds; 0: none. Looked at each second; a change of the alarm takes for_ms on the other side.
 */
typedef struct sonde_cache_limits {
    size_t struct_size;
    double hit_rate_min;      /* 0..1, of the last minute: alarm cache_hit_rate */
    uint64_t lookups_min;     /* in that minute; with fewer the hit rate says nothing */
    uint64_t bytes_max;       /* alarm cache_bytes */
    double response_max;      /* seconds, 95th percentile of the last minute: cache_response */
    double fragmentation_max; /* 0..1: alarm cache_fragmentation */
    unsigned for_ms;
} sonde_cache_limits;
#define SONDE_CACHE_LIMITS_INIT                                                                    \
    {                                                                                              \
        sizeof(sonde_cache_limits), 0, 0, 0, 0, 0, 0                                               \
    }
/* SONDE_ERROR_ARGUMENT for a value outside its range; SONDE_ERROR_MEMORY. NULL takes them away. */
SONDE_API int sonde_cache_limit(sonde_cache *cache, const sonde_cache_limits *limits);

/* How it stands. A rate without lookups and a time without durations is NaN. */
typedef struct sonde_cache_stats {
    size_t struct_size;
    uint64_t hits, misses, evictions, slow; /* since the start or the last reset */
    int64_t entries, entries_peak;
    int64_t bytes, bytes_peak, allocated;
    double fragmentation; /* NaN: allocated is not known */
    double hit_rate, hit_rate_minute, hit_rate_hour, hit_rate_day;
    uint64_t lookups_minute, lookups_hour, lookups_day;
    uint64_t timed; /* lookups with a response time */
    double response_mean, response_p50, response_p95, response_p99; /* seconds */
    double response_p95_minute;
} sonde_cache_stats;
#define SONDE_CACHE_STATS_INIT                                                                     \
    {                                                                                              \
        sizeof(sonde_cache_stats), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  \
            0, 0                                                                                   \
    }
/* Fills what fits into stats->struct_size bytes. */
SONDE_API int sonde_cache_snapshot(sonde_cache *cache, sonde_cache_stats *stats);

/* A slow lookup that was kept. */
typedef struct sonde_cache_slow {
    char key[64];
    double seconds;
    int64_t unix_ns; /* when it ended */
    bool hit;
} sonde_cache_slow;
/* The slowest first; returns how many were written (at most n). */
SONDE_API size_t sonde_cache_slowest(sonde_cache *cache, sonde_cache_slow *ret, size_t n);

/* Begins to count anew for snapshots and commands: counts, rates, times, the slowest; peaks become
 * what is held now. The metrics that are exported go on counting. NULL: all caches. */
SONDE_API void sonde_cache_reset(sonde_cache *cache);

#ifdef __cplusplus
}
#endif
#endif
