#include "serve/live_state.h"

#include <math.h>

#include "base/mem.h"
#include "base/stat.h"
#include "base/vec.h"
#include "os/pool.h"
#include "os/thread.h"
#include "serve/query_registry.h"

enum { QUERY_MAX = 16 * 1024 /* bytes */, COMPACT_FROM = 64 /* series */ };

static struct stat keys_now = STAT_GAUGE("sonde_live_keys", "Queries that are kept live.");
static struct stat ring_bytes =
    STAT_GAUGE("sonde_live_ring_bytes", "Memory of the points of live queries.");
static struct stat evaluations =
    STAT_COUNTER("sonde_live_evaluations_total", "Evaluations of live queries.");
static struct stat failures =
    STAT_COUNTER("sonde_live_failures_total", "Evaluations of live queries that failed.");
static struct stat postponed = STAT_COUNTER(
    "sonde_live_postponed_total", "Evaluations of live queries put off because the pool was full.");
static struct stat durations =
    STAT_HISTOGRAM("sonde_live_evaluation_seconds", "Time to evaluate a live query's new points.");

void live_key_open_stats(void)
{
    stat_register(&keys_now);
    stat_register(&ring_bytes);
    stat_register(&evaluations);
    stat_register(&failures);
    stat_register(&postponed);
    stat_register(&durations);
}

struct evaluation {
    struct live_key *key;
    int64_t from, to; /* buckets */
    size_t capacity;  /* of the new ring, where refill */
    bool refill;
};

static uint64_t ring_size(const struct live_key *k)
{
    return (uint64_t)k->series_n * k->capacity * sizeof(double);
}

static void series_clear(struct live_key *k)
{
    k->live->bytes -= ring_size(k);
    for (size_t i = 0; i < k->series_n; i++) {
        mem_free(k->series[i].key);
        mem_free(k->series[i].values);
    }
    k->series_n = 0;
    map_done(&k->index);
    map_init(&k->index, 0);
}

/* Takes k out of the list and the map, too. */
static void key_free(struct live_key *k)
{
    struct live *l = k->live;
    struct live_key **at = &l->keys;
    while (*at != k)
        at = &(*at)->next;
    *at = k->next;
    (void)map_drop(&l->by_id, str_of(k->id, k->id_n));
    l->keys_n--;
    series_clear(k);
    map_done(&k->index);
    mem_free(k->series);
    arena_done(&k->arena);
    mem_free(k->id);
    mem_free(k);
}

/* ---- the ring */

/* A series without labels (the sum of all) needs a name in the map as well. */
static struct str index_name(struct str key)
{
    return key.n ? key : STR("-");
}

/* The place of a series, made where it is new; -1 past the limits. */
static int64_t series_place(struct live_key *k, struct str key, bool *added)
{
    struct str name = index_name(key);
    union map_value *v = map_get(&k->index, name);
    if (v)
        return (int64_t)v->u;
    uint64_t size = k->capacity * sizeof(double);
    if (k->series_n == LIVE_SERIES_MAX || k->live->bytes + size > LIVE_BYTES_MAX)
        return -1;
    struct live_series one = {.key = mem_copy(key.n ? key.p : "", key.n),
                              .key_n = key.n,
                              .values = mem_array(k->capacity, sizeof(double)),
                              .seen = INT64_MIN};
    for (size_t i = 0; i < k->capacity; i++)
        one.values[i] = NAN;
    k->series = vec_grow(k->series, sizeof *k->series, k->series_n + 1, &k->series_capacity);
    k->series[k->series_n] = one;
    map_put(&k->index, name, NULL)->u = k->series_n;
    k->live->bytes += size;
    *added = true;
    return (int64_t)k->series_n++;
}

/* Drops the series without a value since bucket; true where there were any. */
static bool series_sweep(struct live_key *k, int64_t since)
{
    size_t kept = 0;
    uint64_t before = ring_size(k);
    for (size_t i = 0; i < k->series_n; i++) {
        if (k->series[i].seen >= since) {
            k->series[kept++] = k->series[i];
            continue;
        }
        mem_free(k->series[i].key);
        mem_free(k->series[i].values);
    }
    if (kept == k->series_n)
        return false;
    k->series_n = kept;
    k->live->bytes -= before - ring_size(k);
    map_done(&k->index);
    map_init(&k->index, 0);
    for (size_t i = 0; i < kept; i++)
        map_put(&k->index, index_name(str_of(k->series[i].key, k->series[i].key_n)), NULL)->u = i;
    return true;
}

static void ring_advance(struct live_key *k, const struct evaluation *e)
{
    if (e->refill) {
        series_clear(k);
        k->capacity = e->capacity;
        k->points = (size_t)(e->to - e->from + 1);
    } else {
        for (int64_t b = k->last + 1; b <= e->to; b++)
            for (size_t s = 0; s < k->series_n; s++)
                k->series[s].values[(uint64_t)b % k->capacity] = NAN;
        k->points = MIN(k->points + (size_t)(e->to - k->last), k->capacity);
    }
    k->last = e->to;
    k->filled = true;
}

/* Puts the points of a result into the ring. */
static void ring_put(struct live_key *k, struct promql_result *result, bool *added)
{
    struct promql_series one;
    if (promql_result_type(result) != PROMQL_MATRIX)
        return;
    while (promql_result_next(result, &one)) {
        int64_t place = series_place(k, one.key, added);
        if (place < 0)
            continue;
        struct live_series *s = &k->series[place];
        for (size_t i = 0; i < one.n; i++) {
            int64_t bucket = one.ts_ms[i] / k->step_ms;
            bool histogram = one.histogram && one.histogram[i];
            s->values[(uint64_t)bucket % k->capacity] =
                histogram ? one.histogram[i]->count : one.value[i];
            s->seen = MAX(s->seen, bucket);
        }
    }
}

/* ---- evaluation */

static int evaluate(struct live_key *k, const struct evaluation *e, struct promql_result **ret,
                    struct promql_failure *failure)
{
    const struct serve_config *config = &k->live->serve->config;
    struct promql_query q = {
        .expr = k->expr,
        .store = config->store,
        .tenant = config->store->ops->tenant(config->store, k->tenant),
        .start_ms = e->from * k->step_ms,
        .end_ms = e->to * k->step_ms,
        .step_ms = k->step_ms,
    };
    struct query_rules rules;
    query_registry_rules(k->live->serve->queries, &rules);
    query_registry_limits(&rules, &q);
    q.limits.timeout_ns = (int64_t)LIVE_TIMEOUT_MS * 1000000;
    struct promql_meter meter = {.account = query_registry_account(k->live->serve->queries)};
    q.meter = &meter;
    int err = promql_run(&q, ret, failure);
    promql_meter_done(&meter);
    return err;
}

/* Hands the news to every loop that has clients. Under live.lock. */
static void publish(struct live_key *k, const struct live_news *news)
{
    struct live *l = k->live;
    for (size_t lane = 0; lane < LIVE_LANES_MAX; lane++) {
        if (!l->running[lane])
            continue;
        struct live_news *own = mem_copy(news, sizeof *news);
        own->lane = lane;
        own->error = news->error ? mem_text(news->error, strlen(news->error)) : NULL;
        if (own->labels)
            live_blob_hold(own->labels);
        if (own->delta)
            live_blob_hold(own->delta);
        k->holds++;
        loop_post(l->lanes[lane].loop, live_deliver, own);
    }
}

/* Takes a result in and tells the subscribers. Under live.lock. */
static void take_result(struct live_key *k, const struct evaluation *e,
                        struct promql_result *result)
{
    struct live_news news = {.key = k, .from = e->from, .to = e->to, .replaced = e->refill};
    bool added = false;
    ring_advance(k, e);
    ring_put(k, result, &added);
    /* A list of one point shows what is there now; a chart forgets what has left its window. */
    bool table = k->capacity == 1;
    if (table || k->series_n > COMPACT_FROM)
        news.replaced |= series_sweep(k, k->last - (int64_t)k->points + 1);
    if (table && added)
        news.replaced = true;
    if (added || news.replaced)
        k->generation++;
    news.generation = k->generation;
    k->failing = false;
    if (!news.replaced) {
        news.delta = live_blob_new();
        live_frame_points(k, LIVE_DELTA, e->from, e->to, &news.delta->bytes);
        if (added) {
            news.labels = live_blob_new();
            live_frame_labels(k, true, &news.labels->bytes);
        }
    }
    publish(k, &news);
    live_blob_drop(news.delta);
    live_blob_drop(news.labels);
    stat_set(&ring_bytes, (double)k->live->bytes);
}

static void run(void *context)
{
    struct evaluation *e = context;
    struct live_key *k = e->key;
    struct live *l = k->live;
    struct promql_failure failure;
    struct promql_result *result;
    int64_t began = clock_monotonic_ns(l->serve->config.clock);
    int err = evaluate(k, e, &result, &failure);
    stat_add(&evaluations, 1);
    stat_observe(&durations, clock_monotonic_ns(l->serve->config.clock) - began);
    thread_lock(&l->lock);
    if (err) {
        struct live_news news = {.key = k, .error = failure.text};
        stat_add(&failures, 1);
        if (!k->failing)
            publish(k, &news);
        k->failing = true;
    } else {
        take_result(k, e, result);
    }
    k->evaluating = false;
    k->holds--;
    thread_unlock(&l->lock);
    if (!err)
        promql_result_free(result);
    mem_free(e);
}

/* The newest bucket whose time is far enough behind. */
static int64_t bucket_due(const struct live_key *k)
{
    int64_t now = clock_wall_ms(k->live->serve->config.clock) - LIVE_LAG_MS;
    return now / k->step_ms;
}

/* Starts an evaluation where one is due. Under live.lock. */
static void start_due(struct live_key *k)
{
    int64_t due = bucket_due(k);
    bool jumped = k->filled && (due < k->last - 5 || due - k->last > (int64_t)k->capacity);
    bool refill = !k->filled || k->capacity < k->wanted || jumped;
    if (k->evaluating || k->users == 0 || (!refill && due <= k->last))
        return;
    struct evaluation *e = mem_new(sizeof *e);
    e->key = k;
    e->to = due;
    e->refill = refill;
    e->capacity = k->wanted;
    e->from = refill ? due - (int64_t)k->wanted + 1 : k->last + 1;
    k->evaluating = true;
    k->holds++;
    if (pool_run(k->live->serve->config.pool, run, e) != 0) {
        stat_add(&postponed, 1);
        k->evaluating = false;
        k->holds--;
        mem_free(e);
    }
}

/* ---- keys */

/* Parses a query and writes the name of its key to id. */
static int parse(struct str query, struct str tenant, int64_t step_ms, bool list, struct arena *a,
                 struct buf *id, const struct promql_expr **ret, struct why *why)
{
    struct promql_failure failure;
    struct promql_expr *expr;
    if (query.n > QUERY_MAX)
        return why_set(why, ERR_LIMIT, "the query is longer than %d bytes", QUERY_MAX);
    if (promql_parse(query, NULL, a, &expr, &failure) != 0)
        return why_set(why, ERR_FORMAT, "%s", failure.text);
    if (promql_type(expr) != PROMQL_VECTOR && promql_type(expr) != PROMQL_SCALAR)
        return why_set(why, ERR_FORMAT,
                       "a live query must give a vector or a scalar, this one gives a %s",
                       promql_type_text(promql_type(expr)));
    buf_printf(id, "%s %lld " STR_FMT " ", list ? "list" : "line", (long long)step_ms,
               STR_ARG(tenant));
    promql_print(expr, id);
    *ret = expr;
    return 0;
}

static struct live_key *key_new(struct live *l, struct buf *id, struct arena *a,
                                const struct promql_expr *expr, struct str tenant, int64_t step_ms)
{
    struct live_key *k = mem_new(sizeof *k);
    k->live = l;
    k->id = mem_copy(id->p, id->n);
    k->id_n = id->n;
    k->number = ++l->next_number;
    k->tenant = arena_str(a, tenant);
    k->arena = *a;
    k->expr = expr;
    k->step_ms = step_ms;
    map_init(&k->index, 0);
    k->next = l->keys;
    l->keys = k;
    l->keys_n++;
    map_put(&l->by_id, str_of(k->id, k->id_n), NULL)->p = k;
    stat_set(&keys_now, (double)l->keys_n);
    return k;
}

int live_key_open(struct live *l, struct str tenant, struct str query, int64_t step_ms,
                  size_t points, struct live_key **ret, struct why *why)
{
    const struct promql_expr *expr;
    struct arena arena;
    struct buf id;
    struct live_key *k = NULL;
    arena_init(&arena);
    buf_init(&id, (size_t)QUERY_MAX * 8);
    /* A single point is a list of what is there now, which has a ring of its own. */
    int err = parse(query, tenant, step_ms, points == 1, &arena, &id, &expr, why);
    if (!err) {
        thread_lock(&l->lock);
        union map_value *v = map_get(&l->by_id, buf_str(&id));
        k = v ? v->p : NULL;
        if (!k && l->keys_n >= LIVE_KEYS_MAX)
            err =
                why_set(why, ERR_LIMIT, "the server keeps %d queries live already", LIVE_KEYS_MAX);
        if (!k && !err) {
            k = key_new(l, &id, &arena, expr, tenant, step_ms);
            arena_init(&arena);
        }
        if (!err) {
            k->users++;
            k->wanted = MAX(k->wanted, points);
            start_due(k);
            *ret = k;
        }
        thread_unlock(&l->lock);
    }
    arena_done(&arena);
    buf_done(&id);
    return err;
}

void live_key_close(struct live_key *k, int64_t now_ms)
{
    struct live *l = k->live;
    thread_lock(&l->lock);
    if (--k->users == 0)
        k->idle_since_ms = now_ms;
    thread_unlock(&l->lock);
}

void live_key_release(struct live_key *k)
{
    struct live *l = k->live;
    thread_lock(&l->lock);
    k->holds--;
    thread_unlock(&l->lock);
}

void live_key_tick(struct live *l, int64_t now_ms)
{
    thread_lock(&l->lock);
    for (struct live_key *k = l->keys, *next; k; k = next) {
        next = k->next;
        if (k->users > 0)
            start_due(k);
        else if (k->holds == 0 && now_ms - k->idle_since_ms > LIVE_LINGER_MS)
            key_free(k);
    }
    stat_set(&keys_now, (double)l->keys_n);
    thread_unlock(&l->lock);
}

void live_key_free_all(struct live *l)
{
    while (l->keys)
        key_free(l->keys);
}
