#include "client/cache/cache.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "client/core/lost.h"
#include "client/core/setting.h"
#include "client/core/ticks.h"

static const uint64_t SECOND_NS = 1000000000;
static const double RESPONSE_QUANTILE = 0.95;

/* Reads the totals of all threads; they never fall below what was seen. */
static struct cache_totals read_totals(struct cache *c, struct buckets_sum *times)
{
    struct cache_totals t;
    cache_sum(c, &t, times);
    t.hits = t.hits > c->seen.hits ? t.hits : c->seen.hits;
    t.misses = t.misses > c->seen.misses ? t.misses : c->seen.misses;
    t.evictions = t.evictions > c->seen.evictions ? t.evictions : c->seen.evictions;
    return t;
}

/* Makes the steps up to `step` empty. */
static void advance(struct cache_recent *r, uint64_t step)
{
    for (int i = 0; r->newest < step && i < CACHE_RESPONSE_STEPS; i++) {
        uint32_t *old = r->step[++r->newest % CACHE_RESPONSE_STEPS];
        for (size_t b = 0; b < BUCKETS_N; b++) {
            r->sum.bucket[b] -= old[b];
            r->sum.count -= old[b];
            old[b] = 0;
        }
    }
    r->newest = step > r->newest ? step : r->newest;
}

/* Adds what is new of the response times to the present ten seconds. Under the cache's lock. */
static void note_times(struct cache *c, const struct buckets_sum *times, uint64_t step)
{
    struct cache_recent *r = c->recent;
    if (!r) {
        r = c->recent = calloc(1, sizeof *r);
        if (!r) {
            lost_add(LOST_METRIC, LOST_MEMORY, 1);
            return;
        }
        r->newest = step;
        if (c->times_base) {
            memcpy(r->seen, c->times_base->bucket, sizeof r->seen);
        }
    }
    advance(r, step);
    uint32_t *now = r->step[r->newest % CACHE_RESPONSE_STEPS];
    for (size_t b = 0; b < BUCKETS_N; b++) {
        uint64_t more = times->bucket[b] > r->seen[b] ? times->bucket[b] - r->seen[b] : 0;
        uint32_t n = more < UINT32_MAX - now[b] ? (uint32_t)more : UINT32_MAX - now[b];
        r->seen[b] += more;
        now[b] += n;
        r->sum.bucket[b] += n;
        r->sum.count += n;
    }
}

static double rate(struct window_cell sum)
{
    return sum.a + sum.b ? (double)sum.a / (double)(sum.a + sum.b) : (double)NAN;
}

static double recent_response(const struct cache *c)
{
    return c->recent && c->recent->sum.count ? buckets_quantile(&c->recent->sum, RESPONSE_QUANTILE)
                                             : (double)NAN;
}

static void feed_alarms(struct cache *c, uint64_t now_ns)
{
    struct window_cell minute = window_sum(&c->seconds, now_ns / SECOND_NS, CACHE_SECONDS);
    if (minute.a + minute.b >= c->limits.lookups_min) {
        alarm_feed(c->hit_rate, rate(minute), now_ns);
    }
    alarm_feed(c->over_bytes, (double)atomic_load_explicit(&c->bytes, memory_order_relaxed),
               now_ns);
    alarm_feed(c->fragmentation, cache_fragmentation(c), now_ns);
    alarm_feed(c->response, recent_response(c), now_ns);
}

/* Takes over what was counted since the last time. Under the cache's lock. */
static void take(struct cache *c, uint64_t now_ns)
{
    struct buckets_sum times;
    bool timed = atomic_load_explicit(&c->timed, memory_order_relaxed);
    struct cache_totals t = read_totals(c, timed ? &times : NULL);
    uint64_t hits = t.hits - c->seen.hits, misses = t.misses - c->seen.misses;
    window_add(&c->seconds, now_ns / SECOND_NS, hits, misses);
    window_add(&c->minutes, now_ns / SECOND_NS / 60, hits, misses);
    if (timed) {
        note_times(c, &times, now_ns / SECOND_NS / 10);
    }
    c->seen = t;
}

void cache_tick(struct cache *c, uint64_t now_ns)
{
    pthread_mutex_lock(&c->lock);
    take(c, now_ns);
    feed_alarms(c, now_ns);
    pthread_mutex_unlock(&c->lock);
}

/* Response times since the reset. */
static void fill_times(struct cache *c, struct buckets_sum *t, sonde_cache_stats *ret)
{
    if (c->times_base) {
        buckets_less(t, c->times_base);
    }
    ret->timed = t->count;
    ret->response_mean = t->count ? t->sum / (double)t->count : (double)NAN;
    ret->response_p50 = buckets_quantile(t, 0.5);
    ret->response_p95 = buckets_quantile(t, 0.95);
    ret->response_p99 = buckets_quantile(t, 0.99);
    ret->response_p95_minute = recent_response(c);
}

static void fill_windows(const struct cache *c, uint64_t now_ns, sonde_cache_stats *ret)
{
    uint64_t second = now_ns / SECOND_NS;
    struct window_cell m = window_sum(&c->seconds, second, CACHE_SECONDS);
    struct window_cell h = window_sum(&c->minutes, second / 60, 60);
    struct window_cell d = window_sum(&c->minutes, second / 60, CACHE_MINUTES);
    ret->hit_rate_minute = rate(m);
    ret->hit_rate_hour = rate(h);
    ret->hit_rate_day = rate(d);
    ret->lookups_minute = m.a + m.b;
    ret->lookups_hour = h.a + h.b;
    ret->lookups_day = d.a + d.b;
}

void cache_stats(struct cache *c, uint64_t now_ns, sonde_cache_stats *ret)
{
    struct buckets_sum times;
    *ret = (sonde_cache_stats){.struct_size = sizeof *ret};
    pthread_mutex_lock(&c->lock);
    take(c, now_ns);
    ret->hits = c->seen.hits - c->base.hits;
    ret->misses = c->seen.misses - c->base.misses;
    ret->evictions = c->seen.evictions - c->base.evictions;
    ret->slow = atomic_load_explicit(&c->slow, memory_order_relaxed) - c->slow_base;
    ret->hit_rate = rate((struct window_cell){ret->hits, ret->misses});
    fill_windows(c, now_ns, ret);
    struct cache_totals unused;
    cache_sum(c, &unused, &times);
    fill_times(c, &times, ret);
    pthread_mutex_unlock(&c->lock);
    ret->entries = atomic_load_explicit(&c->entries, memory_order_relaxed);
    ret->entries_peak = atomic_load_explicit(&c->entries_peak, memory_order_relaxed);
    ret->bytes = atomic_load_explicit(&c->bytes, memory_order_relaxed);
    ret->bytes_peak = atomic_load_explicit(&c->bytes_peak, memory_order_relaxed);
    ret->allocated = atomic_load_explicit(&c->allocated, memory_order_relaxed);
    ret->fragmentation = cache_fragmentation(c);
}

int sonde_cache_snapshot(sonde_cache *cache, sonde_cache_stats *stats)
{
    if (!cache || !stats || stats->struct_size < sizeof(size_t)) {
        return SONDE_ERROR_ARGUMENT;
    }
    if (!module_on) {
        return SONDE_ERROR_STATE;
    }
    module_wake();
    sonde_cache_stats all;
    cache_stats((struct cache *)cache, ticks_monotonic_ns(), &all);
    size_t size = stats->struct_size < sizeof all ? stats->struct_size : sizeof all;
    all.struct_size = stats->struct_size;
    memcpy(stats, &all, size);
    return 0;
}

size_t sonde_cache_slowest(sonde_cache *cache, sonde_cache_slow *ret, size_t n)
{
    struct cache *c = (struct cache *)cache;
    if (!c || !ret || !module_on) {
        return 0;
    }
    module_wake();
    pthread_mutex_lock(&c->lock);
    n = n < c->slowest_n ? n : c->slowest_n;
    memcpy(ret, c->slowest, n * sizeof *ret);
    pthread_mutex_unlock(&c->lock);
    return n;
}

/* Makes, changes or takes away one alarm of the cache. */
static int put_alarm(struct cache *c, struct alarm **at, const char *kind, enum alarm_side side,
                     double limit, const char *unit)
{
    if (limit > 0) {
        *at = alarm_set(kind, c->name, side, limit, unit, c->limits.for_ms);
        return *at ? 0 : SONDE_ERROR_MEMORY;
    }
    alarm_remove(*at);
    *at = NULL;
    return 0;
}

static bool share(double v)
{
    return v >= 0 && v <= 1;
}

int sonde_cache_limit(sonde_cache *cache, const sonde_cache_limits *limits)
{
    struct cache *c = (struct cache *)cache;
    sonde_cache_limits l = SONDE_CACHE_LIMITS_INIT;
    if (!c || (limits && limits->struct_size < sizeof l)) {
        return SONDE_ERROR_ARGUMENT;
    }
    if (!module_on) {
        return SONDE_ERROR_STATE;
    }
    module_wake();
    if (limits) {
        l = *limits;
    }
    if (!share(l.hit_rate_min) || !share(l.fragmentation_max) || !(l.response_max >= 0)) {
        return SONDE_ERROR_ARGUMENT;
    }
    pthread_mutex_lock(&c->lock);
    c->limits = l;
    int err[] = {
        put_alarm(c, &c->hit_rate, "cache_hit_rate", ALARM_BELOW, l.hit_rate_min, "ratio"),
        put_alarm(c, &c->over_bytes, "cache_bytes", ALARM_ABOVE, (double)l.bytes_max, "bytes"),
        put_alarm(c, &c->response, "cache_response", ALARM_ABOVE, l.response_max, "seconds"),
        put_alarm(c, &c->fragmentation, "cache_fragmentation", ALARM_ABOVE, l.fragmentation_max,
                  "ratio"),
    };
    pthread_mutex_unlock(&c->lock);
    return err[0] || err[1] || err[2] || err[3] ? SONDE_ERROR_MEMORY : 0;
}

static void reset(struct cache *c)
{
    struct buckets_sum *base = malloc(sizeof *base);
    pthread_mutex_lock(&c->lock);
    struct cache_totals t;
    cache_sum(c, &t, base);
    c->base = c->seen = t;
    c->slow_base = atomic_load_explicit(&c->slow, memory_order_relaxed);
    if (base) { /* without memory the times go on from the last reset */
        free(c->times_base);
        c->times_base = base;
    }
    window_init(&c->seconds, c->second, CACHE_SECONDS);
    window_init(&c->minutes, c->minute, CACHE_MINUTES);
    if (c->recent) {
        memset(c->recent->step, 0, sizeof c->recent->step);
        memset(&c->recent->sum, 0, sizeof c->recent->sum);
        memcpy(c->recent->seen, base ? base->bucket : c->recent->seen, sizeof c->recent->seen);
    }
    c->slowest_n = 0;
    pthread_mutex_unlock(&c->lock);
    atomic_store_explicit(&c->entries_peak, atomic_load(&c->entries), memory_order_relaxed);
    atomic_store_explicit(&c->bytes_peak, atomic_load(&c->bytes), memory_order_relaxed);
}

void sonde_cache_reset(sonde_cache *cache)
{
    if (!module_on) {
        return;
    }
    module_wake();
    for (size_t i = 0; i < cache_count(); i++) {
        if (!cache || cache_at(i) == (struct cache *)cache) {
            reset(cache_at(i));
        }
    }
}

void cache_forget(struct cache *c)
{
    c->retired.hits = c->retired.misses = c->retired.evictions = 0;
    if (c->retired.times) {
        buckets_clear(c->retired.times);
    }
    c->seen = c->base = (struct cache_totals){0};
    atomic_store_explicit(&c->slow, 0, memory_order_relaxed);
    c->slow_base = 0;
    free(c->times_base);
    c->times_base = NULL;
    window_init(&c->seconds, c->second, CACHE_SECONDS);
    window_init(&c->minutes, c->minute, CACHE_MINUTES);
    if (c->recent) {
        memset(c->recent, 0, sizeof *c->recent);
    }
    c->slowest_n = 0;
}
