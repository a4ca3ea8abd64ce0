#include "codec/otlp_delta.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/bits.h"
#include "base/hash.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/rand.h"
#include "base/stat.h"
#include "codec/otlp_exponential.h"

enum { SHARDS = 16, SWEEPS = 4 }; /* looks for stale series in each max_stale */

static struct stat series =
    STAT_GAUGE("sonde_otlp_delta_series", "Series of delta temporality that are added up.");
static struct stat late = STAT_COUNTER_OF("sonde_otlp_delta_refused_total", "reason=\"late\"",
                                          "Deltas that could not be added, by reason.");
static struct stat many = STAT_COUNTER_OF("sonde_otlp_delta_refused_total", "reason=\"limit\"",
                                          "Deltas that could not be added, by reason.");
static struct stat gaps = STAT_COUNTER("sonde_otlp_delta_gaps_total",
                                       "Deltas that began after the one before had ended.");
static struct stat expired =
    STAT_COUNTER("sonde_otlp_delta_expired_total", "Series forgotten, as no delta came for them.");

/* What has been added up of one series. */
struct sum {
    uint64_t start_ns, last_ns;
    int64_t seen_ms;
    double value, total; /* total: the sum of a histogram's values */
    uint64_t count;
    bool has_total;
    char *bounds, *counts; /* owned; 8 bytes each, little-endian */
    size_t bounds_n, counts_n;
    struct otlp_exponential exponential;
};

struct shard {
    pthread_mutex_t lock;
    struct map sums; /* struct sum */
    int64_t sweep_ms;
};

struct otlp_delta {
    struct shard shards[SHARDS];
    size_t series_max;
    int64_t max_stale_ms;
    uint64_t seed;
    atomic_size_t n;
};

struct otlp_delta *otlp_delta_new(size_t series_max, int64_t max_stale_ms)
{
    struct otlp_delta *d = mem_new(sizeof *d);
    d->series_max = series_max;
    d->max_stale_ms = max_stale_ms;
    d->seed = rand_seed();
    for (size_t i = 0; i < SHARDS; i++) {
        pthread_mutex_init(&d->shards[i].lock, NULL);
        map_init(&d->shards[i].sums, d->seed + i + 1);
    }
    stat_register(&series);
    stat_register(&late);
    stat_register(&many);
    stat_register(&gaps);
    stat_register(&expired);
    return d;
}

static void free_sum(struct sum *s)
{
    mem_free(s->bounds);
    mem_free(s->counts);
    otlp_exponential_done(&s->exponential);
    mem_free(s);
}

void otlp_delta_free(struct otlp_delta *d)
{
    if (d == NULL)
        return;
    for (size_t i = 0; i < SHARDS; i++) {
        size_t at = 0;
        for (struct map_slot *slot; (slot = map_next(&d->shards[i].sums, &at)) != NULL;)
            free_sum(slot->value.p);
        map_done(&d->shards[i].sums);
        pthread_mutex_destroy(&d->shards[i].lock);
    }
    mem_free(d);
}

size_t otlp_delta_count(const struct otlp_delta *d)
{
    return atomic_load(&d->n);
}

static struct shard *shard_of(struct otlp_delta *d, struct str key)
{
    return &d->shards[hash_xxh3(key.p, key.n, d->seed) % SHARDS];
}

static void count(struct otlp_delta *d, long change)
{
    stat_set(&series, (double)(atomic_fetch_add(&d->n, (size_t)change) + (size_t)change));
}

/* Forgets what has been silent for too long. */
static void sweep(struct otlp_delta *d, struct shard *s, int64_t now_ms)
{
    if (now_ms < s->sweep_ms)
        return;
    s->sweep_ms = now_ms + d->max_stale_ms / SWEEPS;
    struct map kept;
    size_t at = 0, gone = 0;
    map_init(&kept, rand_seed());
    for (struct map_slot *slot; (slot = map_next(&s->sums, &at)) != NULL;) {
        struct sum *sum = slot->value.p;
        if (now_ms - sum->seen_ms > d->max_stale_ms) {
            free_sum(sum);
            gone++;
        } else {
            map_put(&kept, slot->key, NULL)->p = sum;
        }
    }
    map_done(&s->sums);
    s->sums = kept;
    count(d, -(long)gone);
    stat_add(&expired, gone);
}

/* ---- adding */

static void hold(char **to, size_t *to_n, struct str from)
{
    mem_free(*to);
    *to = from.n ? mem_copy(from.p, from.n) : NULL;
    *to_n = from.n;
}

/* A histogram's first point, or one with other bounds than those before. */
static void begin_histogram(struct sum *s, const struct otlp_point *p)
{
    s->start_ns = p->start_ns;
    s->count = p->d.count;
    s->total = p->d.sum;
    s->has_total = p->d.has_sum;
    hold(&s->bounds, &s->bounds_n, p->d.bounds);
    hold(&s->counts, &s->counts_n, p->d.bucket_counts);
}

static void add_totals(struct sum *s, const struct otlp_point *p)
{
    s->count += p->d.count;
    s->has_total = s->has_total && p->d.has_sum;
    s->total = s->has_total ? s->total + p->d.sum : 0;
}

static void add_histogram(struct sum *s, const struct otlp_point *p, bool first)
{
    if (first || !str_eq(str_of(s->bounds, s->bounds_n), p->d.bounds) ||
        s->counts_n != p->d.bucket_counts.n) {
        begin_histogram(s, p);
        return;
    }
    add_totals(s, p);
    for (size_t i = 0; i + 8 <= s->counts_n; i += 8)
        store64(s->counts + i, load64(s->counts + i) + load64(p->d.bucket_counts.p + i));
}

static void add_exponential(struct sum *s, const struct otlp_point *p, bool first)
{
    if (first) {
        s->has_total = true;
        s->exponential.scale = p->d.scale;
        s->exponential.zero_threshold = p->d.zero_threshold;
    }
    add_totals(s, p);
    otlp_exponential_add(&s->exponential, p);
}

static void add(struct sum *s, enum otlp_kind kind, const struct otlp_point *p, bool first)
{
    if (first)
        s->start_ns = p->start_ns;
    if (kind == OTLP_HISTOGRAM)
        add_histogram(s, p, first);
    else if (kind == OTLP_EXPONENTIAL)
        add_exponential(s, p, first);
    else
        s->value += p->value;
    s->last_ns = p->time_ns;
}

static struct otlp_buckets copy_side(const struct otlp_exponential *e, int side, struct arena *a)
{
    size_t n = e->sides[side].n;
    uint64_t *counts = arena_raw(a, (n + 1) * sizeof *counts);
    if (n)
        memcpy(counts, e->sides[side].counts, n * sizeof *counts);
    return (struct otlp_buckets){e->sides[side].offset, n, counts};
}

/* The point becomes the sum so far. */
static void tell(const struct sum *s, enum otlp_kind kind, struct arena *a, struct otlp_point *p)
{
    p->start_ns = s->start_ns;
    if (kind == OTLP_SUM) {
        p->value = s->value;
        return;
    }
    p->d.count = s->count;
    p->d.sum = s->total;
    p->d.has_sum = s->has_total;
    if (kind == OTLP_HISTOGRAM) {
        p->d.bucket_counts = arena_str(a, str_of(s->counts, s->counts_n));
        return;
    }
    p->d.scale = s->exponential.scale;
    p->d.zero_count = s->exponential.zero_count;
    p->d.zero_threshold = s->exponential.zero_threshold;
    p->d.positive = copy_side(&s->exponential, 0, a);
    p->d.negative = copy_side(&s->exponential, 1, a);
}

static int fits(const struct sum *s, const struct otlp_point *p, struct why *why)
{
    if (p->start_ns < s->start_ns || p->time_ns <= s->last_ns) {
        stat_add(&late, 1);
        if (p->start_ns < s->start_ns)
            return why_set(why, ERR_OLD,
                           "the delta began before its series: do several "
                           "programs send the same one?");
        return why_set(why, ERR_OLD, "the delta is no later than the last one of its series");
    }
    if (p->start_ns > s->last_ns)
        stat_add(&gaps, 1);
    return 0;
}

/* A series more; NULL where there are too many. */
static struct sum *make(struct otlp_delta *d, struct shard *s, struct str key)
{
    if (otlp_delta_count(d) >= d->series_max)
        return NULL;
    struct sum *sum = mem_new(sizeof *sum);
    map_put(&s->sums, key, NULL)->p = sum;
    count(d, 1);
    return sum;
}

static int add_locked(struct otlp_delta *d, struct shard *s, struct str key, enum otlp_kind kind,
                      int64_t now_ms, struct arena *a, struct otlp_point *p, struct why *why)
{
    sweep(d, s, now_ms);
    union map_value *at = map_get(&s->sums, key);
    struct sum *sum = at ? at->p : NULL;
    bool first = sum == NULL;
    if (first) {
        sum = make(d, s, key);
    } else {
        int err = fits(sum, p, why);
        if (err)
            return err;
    }
    if (sum == NULL) {
        stat_add(&many, 1);
        return why_set(why, ERR_LIMIT,
                       "%zu series of delta temporality are added up already "
                       "(otlp.delta_series_max)",
                       d->series_max);
    }
    sum->seen_ms = now_ms;
    add(sum, kind, p, first);
    tell(sum, kind, a, p);
    return 0;
}

int otlp_delta_add(struct otlp_delta *d, struct str key, enum otlp_kind kind, int64_t now_ms,
                   struct arena *a, struct otlp_point *p, struct why *why)
{
    struct shard *s = shard_of(d, key);
    pthread_mutex_lock(&s->lock);
    int err = add_locked(d, s, key, kind, now_ms, a, p, why);
    pthread_mutex_unlock(&s->lock);
    return err;
}

void otlp_delta_forget(struct otlp_delta *d, struct str key)
{
    struct shard *s = shard_of(d, key);
    pthread_mutex_lock(&s->lock);
    union map_value *at = map_get(&s->sums, key);
    if (at != NULL) {
        free_sum(at->p);
        map_drop(&s->sums, key);
        count(d, -1);
    }
    pthread_mutex_unlock(&s->lock);
}
