#include "query/promql/promql_cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/must.h"
#include "base/stat.h"
#include "base/vec.h"
#include "model/labels.h"
#include "os/thread.h"
#include "query/promql/promql_reach.h"
#include "query/promql/promql_result.h"
#include "query/promql/promql_tree.h"

enum {
    RUNS_MAX = 4,     /* evaluations that fill the gaps of one query */
    EXTENT_PARTS = 2, /* an entry keeps at most so many times the steps of the last query */
    ENTRY_PART = 4,   /* no entry is larger than that part of the cache */
    KEY_MAX = 512 * 1024,
    ROW_BYTES = 160, /* of a series, beside its key and its steps */
};

static struct stat hits = STAT_COUNTER_OF("sonde_query_cache_requests_total", "result=\"hit\"",
                                          "Range queries by what the cache had of them.");
static struct stat parts = STAT_COUNTER_OF("sonde_query_cache_requests_total", "result=\"part\"",
                                           "Range queries by what the cache had of them.");
static struct stat misses = STAT_COUNTER_OF("sonde_query_cache_requests_total", "result=\"miss\"",
                                            "Range queries by what the cache had of them.");
static struct stat steps_held =
    STAT_COUNTER("sonde_query_cache_steps_total", "Steps of queries that the cache answered.");
static struct stat evictions =
    STAT_COUNTER("sonde_query_cache_evictions_total", "Results given up for room.");
static struct stat bytes_now =
    STAT_GAUGE("sonde_query_cache_bytes", "Memory of the results that are kept.");

/* One series over the steps of an entry or of a query. */
struct line {
    struct str key;
    double *value;    /* [n] */
    uint8_t *present; /* [n] 0 or 1 */
};

/* Never changes once it can be found. */
struct entry {
    struct arena arena; /* of all that it points to */
    struct str key;
    struct str text; /* of the query as it was written: infos name places in it */
    int64_t first;   /* number of its first step: time = number * step + phase */
    size_t n;
    uint64_t *mark;    /* [n] of the store, before the step was evaluated; 0: it is not there */
    struct line *line; /* [lines_n] */
    size_t lines_n;
    struct str *info; /* [infos_n] */
    size_t infos_n;
    uint64_t bytes;
    unsigned uses; /* the cache's own counts one */
    struct holder *holder;
    struct entry *newer, *older; /* of its holder */
};

/* What one tenant has. */
struct holder {
    struct tenant *tenant;
    uint64_t bytes;
    struct entry *newest, *oldest;
    struct holder *next;
};

struct promql_cache {
    pthread_mutex_t lock;
    uint64_t bytes_max, bytes;
    struct map by_key; /* -> struct entry * */
    struct holder *holders;
};

/* ---- entries under the lock */

static void entry_drop(struct entry *e)
{
    if (--e->uses > 0)
        return;
    arena_done(&e->arena);
    mem_free(e);
}

static void unlink_entry(struct entry *e)
{
    struct holder *h = e->holder;
    *(e->newer ? &e->newer->older : &h->newest) = e->older;
    *(e->older ? &e->older->newer : &h->oldest) = e->newer;
    e->newer = e->older = NULL;
}

static void link_newest(struct entry *e)
{
    struct holder *h = e->holder;
    e->older = h->newest;
    *(h->newest ? &h->newest->newer : &h->oldest) = e;
    h->newest = e;
}

static void remove_entry(struct promql_cache *c, struct entry *e)
{
    unlink_entry(e);
    e->holder->bytes -= e->bytes;
    c->bytes -= e->bytes;
    map_drop(&c->by_key, e->key);
    entry_drop(e);
}

static void shrink(struct promql_cache *c, uint64_t to)
{
    while (c->bytes > to) {
        struct holder *most = c->holders;
        for (struct holder *h = most; h; h = h->next) {
            if (h->bytes > most->bytes)
                most = h;
        }
        must(most && most->oldest);
        remove_entry(c, most->oldest);
        stat_add(&evictions, 1);
    }
    stat_set(&bytes_now, (double)c->bytes);
}

static struct holder *holder_of(struct promql_cache *c, struct tenant *t)
{
    struct holder *h = c->holders;
    while (h && h->tenant != t)
        h = h->next;
    if (h)
        return h;
    h = mem_new(sizeof *h);
    h->tenant = t;
    h->next = c->holders;
    c->holders = h;
    return h;
}

static struct entry *get(struct promql_cache *c, struct str key)
{
    thread_lock(&c->lock);
    union map_value *v = map_get(&c->by_key, key);
    struct entry *e = v ? v->p : NULL;
    if (e) {
        e->uses++;
        unlink_entry(e);
        link_newest(e);
    }
    thread_unlock(&c->lock);
    return e;
}

static void give_back(struct promql_cache *c, struct entry *e)
{
    if (!e)
        return;
    thread_lock(&c->lock);
    entry_drop(e);
    thread_unlock(&c->lock);
}

static void put(struct promql_cache *c, struct entry *e, struct tenant *t)
{
    thread_lock(&c->lock);
    e->uses = 1;
    e->bytes = e->arena.total + sizeof *e + e->key.n + ROW_BYTES;
    if (e->bytes > c->bytes_max / ENTRY_PART) {
        entry_drop(e);
        thread_unlock(&c->lock);
        return;
    }
    union map_value *v = map_get(&c->by_key, e->key);
    if (v)
        remove_entry(c, v->p);
    e->holder = holder_of(c, t);
    map_put(&c->by_key, e->key, NULL)->p = e;
    link_newest(e);
    e->holder->bytes += e->bytes;
    c->bytes += e->bytes;
    shrink(c, c->bytes_max);
    thread_unlock(&c->lock);
}

/* ---- one query */

struct lines {
    struct line *v;
    size_t n, capacity;
};

struct ask {
    struct promql_cache *cache;
    const struct promql_query *q;
    struct promql_reach reach;
    struct buf key;
    struct entry *entry; /* held, or NULL */
    int64_t first;       /* number of the query's first step */
    size_t n;
    uint64_t mark;  /* before anything was read */
    uint8_t *holds; /* [n] the entry has it, and it still holds */
    struct promql_result *result[RUNS_MAX];
    size_t from[RUNS_MAX], to[RUNS_MAX]; /* steps [from, to) of each run */
    unsigned runs;
    struct arena arena; /* of the lines */
    struct lines lines;
    struct map by_key; /* -> number of the line, plus 1 */
    struct str *info;  /* [infos_n] */
    size_t infos_n;
};

static int64_t phase_of(const struct promql_query *q)
{
    int64_t phase = q->start_ms % q->step_ms;
    return phase < 0 ? phase + q->step_ms : phase;
}

static int64_t time_of(const struct ask *a, size_t step)
{
    return a->q->start_ms + (int64_t)step * a->q->step_ms;
}

static bool can_be_kept(const struct promql_query *q, struct promql_reach *ret)
{
    enum { SECOND = 1000, YEAR_S = 366 * 86400 };
    const struct series_store_ops *ops = q->store ? q->store->ops : NULL;
    if (q->instant || !ops || !q->tenant || !ops->mark || !ops->written || q->count_steps ||
        q->step_ms <= 0 || q->end_ms < q->start_ms || promql_type(q->expr) > PROMQL_VECTOR ||
        (q->end_ms - q->start_ms) / q->step_ms > PROMQL_STEPS_MAX)
        return false;
    *ret = promql_reach_of(q);
    return ret->local && ret->before_ms < 100LL * YEAR_S * SECOND &&
           ret->after_ms < 100LL * YEAR_S * SECOND && !promql_reach_names_meet(q->expr);
}

static void make_key(struct ask *a)
{
    const struct promql_query *q = a->q;
    struct promql_options options = {0};
    if (q->options)
        options = *q->options;
    buf_init(&a->key, KEY_MAX);
    buf_put(&a->key, &q->tenant, sizeof(struct tenant *));
    buf_put(&a->key, &options, sizeof options);
    int64_t numbers[] = {q->step_ms, phase_of(q), q->lookback_ms, q->subquery_step_ms,
                         q->blocks_from_ms};
    buf_put(&a->key, numbers, sizeof numbers);
    promql_print(q->expr, &a->key);
}

/* Which steps does the entry have, and which of them have not been written to since? */
static size_t find_held(struct ask *a)
{
    const struct promql_query *q = a->q;
    const struct entry *e = a->entry;
    size_t held = 0;
    for (size_t i = 0; e && i < a->n; i++) {
        int64_t at = a->first + (int64_t)i - e->first;
        if (at < 0 || at >= (int64_t)e->n || e->mark[at] == 0)
            continue;
        int64_t t = time_of(a, i);
        bool looks = a->reach.before_ms > INT64_MIN; /* else it is without a selector */
        uint64_t newest = looks
                              ? q->store->ops->written(q->store, q->tenant, t - a->reach.before_ms,
                                                       t + a->reach.after_ms)
                              : 0;
        a->holds[i] = newest <= e->mark[at];
        held += a->holds[i];
    }
    return held;
}

/* The gaps; where there are too many, the shortest pieces between them are evaluated again. */
static void find_runs(struct ask *a)
{
    for (size_t keep = 0;; keep = keep ? keep * 2 : 1) {
        a->runs = 0;
        bool fits = true;
        for (size_t i = 0; i < a->n && fits; i++) {
            if (a->holds[i])
                continue;
            if (a->runs && i - a->to[a->runs - 1] <= keep) {
                a->to[a->runs - 1] = i + 1;
                continue;
            }
            fits = a->runs < RUNS_MAX;
            if (fits) {
                a->from[a->runs] = i;
                a->to[a->runs++] = i + 1;
            }
        }
        if (fits)
            break;
    }
    for (unsigned r = 0; r < a->runs; r++)
        memset(a->holds + a->from[r], 0, a->to[r] - a->from[r]);
}

static int run_gaps(struct ask *a, struct promql_failure *failure)
{
    int64_t began = clock_monotonic_ns(&clock_real);
    for (unsigned r = 0; r < a->runs; r++) {
        struct promql_query q = *a->q;
        q.start_ms = time_of(a, a->from[r]);
        q.end_ms = time_of(a, a->to[r] - 1);
        if (q.limits.timeout_ns)
            q.limits.timeout_ns =
                MAX(q.limits.timeout_ns - (clock_monotonic_ns(&clock_real) - began), 1);
        int err = promql_run(&q, &a->result[r], failure);
        if (err < 0)
            return err;
    }
    return 0;
}

/* Are the results such that they can be put together? */
static bool are_plain(const struct ask *a)
{
    for (unsigned r = 0; r < a->runs; r++) {
        const struct promql_result *result = a->result[r];
        for (size_t i = 0; i < result->series_n; i++) {
            if (result->series[i].histogram ||
                (i && str_eq(result->series[i].key, result->series[i - 1].key)))
                return false;
        }
    }
    return true;
}

static bool has_warnings(const struct ask *a)
{
    for (unsigned r = 0; r < a->runs; r++) {
        if (a->result[r]->warnings_n)
            return true;
    }
    return false;
}

/* ---- putting together */

static struct line *line_of(struct ask *a, struct str key)
{
    bool fresh;
    union map_value *v = map_put(&a->by_key, key, &fresh);
    if (!fresh)
        return &a->lines.v[v->u];
    struct line l = {arena_str(&a->arena, key), arena_array(&a->arena, a->n, sizeof(double)),
                     arena_array(&a->arena, a->n, 1)};
    v->u = a->lines.n;
    vec_push(&a->lines, l);
    return &a->lines.v[v->u];
}

static void take_entry(struct ask *a)
{
    const struct entry *e = a->entry;
    int64_t shift = e ? a->first - e->first : 0; /* step i of the query is e's i + shift */
    for (size_t k = 0; e && k < e->lines_n; k++) {
        const struct line *from = &e->line[k];
        struct line *to = NULL;
        for (size_t i = 0; i < a->n; i++) {
            if (!a->holds[i] || !from->present[(int64_t)i + shift])
                continue;
            if (!to)
                to = line_of(a, from->key);
            to->present[i] = 1;
            memcpy(&to->value[i], &from->value[(int64_t)i + shift], sizeof to->value[i]);
        }
    }
}

static void take_result(struct ask *a, const struct promql_result *r)
{
    for (size_t k = 0; k < r->series_n; k++) {
        const struct promql_series *s = &r->series[k];
        struct line *to = line_of(a, s->key);
        for (size_t i = 0; i < s->n; i++) {
            size_t at = (size_t)((s->ts_ms[i] - a->q->start_ms) / a->q->step_ms);
            to->present[at] = 1;
            memcpy(&to->value[at], &s->value[i], sizeof to->value[at]);
        }
    }
}

static void add_info(struct ask *a, struct str text)
{
    for (size_t i = 0; i < a->infos_n; i++) {
        if (str_eq(a->info[i], text))
            return;
    }
    a->info[a->infos_n++] = text;
}

static void take_infos(struct ask *a)
{
    size_t most = a->entry ? a->entry->infos_n : 0;
    for (unsigned r = 0; r < a->runs; r++)
        most += a->result[r]->infos_n;
    a->info = arena_array(&a->arena, most + 1, sizeof *a->info);
    for (size_t i = 0; a->entry && i < a->entry->infos_n; i++)
        add_info(a, a->entry->info[i]);
    for (unsigned r = 0; r < a->runs; r++) {
        for (size_t i = 0; i < a->result[r]->infos_n; i++)
            add_info(a, a->result[r]->infos[i]);
    }
}

static int by_labels(const void *a, const void *b)
{
    return labels_cmp(((const struct line *)a)->key, ((const struct line *)b)->key);
}

/* Is there room for the lines? At most as many as all sources have together. */
static int charge(const struct ask *a, struct promql_failure *failure)
{
    const struct promql_query *q = a->q;
    const struct promql_account *full;
    uint64_t lines = a->entry ? a->entry->lines_n : 0;
    for (unsigned r = 0; r < a->runs; r++)
        lines += a->result[r]->series_n;
    uint64_t bytes = lines * (a->n * (2 * sizeof(double) + 1 + sizeof(int64_t)) + ROW_BYTES);
    uint64_t limit = q->limits.bytes_max, max = 0;
    const char *whose = "one query";
    if (limit && bytes > limit)
        max = limit;
    else if (q->meter && !promql_meter_charge(q->meter, bytes, &full)) {
        max = atomic_load(&full->bytes_max);
        whose = full->whose;
    }
    if (max == 0)
        return 0;
    failure->kind = PROMQL_EXECUTION;
    snprintf(failure->text, sizeof failure->text,
             "query processing would use more than %llu bytes of memory in query execution "
             "(limit of %s)",
             (unsigned long long)max, whose);
    return -ERR_LIMIT;
}

static void make_series(const struct ask *a, const struct line *l, struct promql_result *r)
{
    size_t n = 0;
    for (size_t i = 0; i < a->n; i++)
        n += l->present[i];
    if (n == 0)
        return;
    int64_t *ts = arena_array(&r->arena, n, sizeof *ts);
    double *value = arena_array(&r->arena, n, sizeof *value);
    n = 0;
    for (size_t i = 0; i < a->n; i++) {
        if (!l->present[i])
            continue;
        ts[n] = time_of(a, i);
        memcpy(&value[n++], &l->value[i], sizeof *value);
    }
    r->series[r->series_n++] =
        (struct promql_series){arena_str(&r->arena, l->key), ts, value, NULL, n};
}

static struct str *copy_texts(struct arena *to, const struct str *from, size_t n)
{
    struct str *v = arena_array(to, n + 1, sizeof *v);
    for (size_t i = 0; i < n; i++)
        v[i] = arena_str(to, from[i]);
    return v;
}

static void add_statistics(struct promql_statistics *to, const struct promql_statistics *more)
{
    to->series += more->series;
    to->samples += more->samples;
    to->samples_peak = MAX(to->samples_peak, more->samples_peak);
    to->bytes_peak += more->bytes_peak;
    to->elapsed_ns += more->elapsed_ns;
    to->prepare_ns += more->prepare_ns;
    to->eval_ns += more->eval_ns;
    to->sort_ns += more->sort_ns;
}

static struct promql_result *make_result(struct ask *a)
{
    struct promql_result *r = mem_new(sizeof *r);
    arena_init(&r->arena);
    r->type = PROMQL_MATRIX;
    r->time_ms = a->q->start_ms;
    r->series = arena_array(&r->arena, a->lines.n + 1, sizeof *r->series);
    for (size_t i = 0; i < a->lines.n; i++)
        make_series(a, &a->lines.v[i], r);
    r->infos = copy_texts(&r->arena, a->info, a->infos_n);
    r->infos_n = a->infos_n;
    for (unsigned i = 0; i < a->runs; i++) {
        const struct promql_result *from = a->result[i];
        if (from->warnings_n && r->warnings_n == 0) {
            r->warnings = copy_texts(&r->arena, from->warnings, from->warnings_n);
            r->warnings_n = from->warnings_n;
        }
        add_statistics(&r->statistics, &from->statistics);
    }
    return r;
}

static int too_many(const struct ask *a, const struct promql_result *r,
                    struct promql_failure *failure)
{
    uint64_t points = 0, limit = a->q->limits.samples_max;
    for (size_t i = 0; i < r->series_n; i++)
        points += r->series[i].n;
    if (limit == 0 || points <= limit)
        return 0;
    failure->kind = PROMQL_EXECUTION;
    snprintf(failure->text, sizeof failure->text,
             "query processing would load too many samples into memory in query execution");
    return -ERR_LIMIT;
}

/* ---- the new entry */

/* Steps before the query's that the entry had are kept, as far as there is room. */
static size_t steps_before(const struct ask *a)
{
    const struct entry *e = a->entry;
    if (!e || e->first >= a->first || e->first + (int64_t)e->n < a->first)
        return 0;
    return MIN((size_t)(a->first - e->first), a->n * (EXTENT_PARTS - 1));
}

static size_t steps_after(const struct ask *a)
{
    const struct entry *e = a->entry;
    int64_t end = a->first + (int64_t)a->n;
    if (!e || e->first > end || e->first + (int64_t)e->n <= end)
        return 0;
    return MIN((size_t)(e->first + (int64_t)e->n - end), a->n * (EXTENT_PARTS - 1));
}

/* Copies steps of the old entry that lie outside of the query. */
static void keep_outside(const struct ask *a, struct entry *to, struct line *l,
                         const struct line *old)
{
    int64_t shift = to->first - a->entry->first;
    size_t from = (size_t)(a->first - to->first), end = from + a->n;
    for (size_t i = 0; i < to->n; i++) {
        if (i == from)
            i = end;
        if (i >= to->n)
            break;
        l->present[i] = old->present[(int64_t)i + shift];
        memcpy(&l->value[i], &old->value[(int64_t)i + shift], sizeof l->value[i]);
    }
}

static void keep_lines(struct ask *a, struct entry *to)
{
    size_t from = (size_t)(a->first - to->first);
    size_t old_n = to->n > a->n ? a->entry->lines_n : 0;
    to->line = arena_array(&to->arena, a->lines.n + old_n + 1, sizeof *to->line);
    size_t new_n = a->lines.n;
    for (size_t i = 0; i < old_n; i++) /* series that are nowhere in the query's steps too */
        line_of(a, a->entry->line[i].key);
    for (size_t i = 0; i < a->lines.n; i++) {
        struct line *l = &to->line[to->lines_n++];
        *l = (struct line){arena_str(&to->arena, a->lines.v[i].key),
                           arena_array(&to->arena, to->n, sizeof(double)),
                           arena_array(&to->arena, to->n, 1)};
        if (i < new_n) {
            memcpy(l->value + from, a->lines.v[i].value, a->n * sizeof *l->value);
            memcpy(l->present + from, a->lines.v[i].present, a->n);
        }
    }
    for (size_t i = 0; i < old_n; i++) {
        const struct line *old = &a->entry->line[i];
        keep_outside(a, to, &to->line[map_get(&a->by_key, old->key)->u], old);
    }
}

static void keep_marks(const struct ask *a, struct entry *to)
{
    size_t from = (size_t)(a->first - to->first);
    for (size_t i = 0; i < to->n; i++) {
        bool asked = i >= from && i < from + a->n;
        bool old = !asked || a->holds[i - from];
        to->mark[i] = old ? a->entry->mark[(int64_t)i + to->first - a->entry->first] : a->mark;
    }
}

static void keep(struct ask *a)
{
    struct entry *e = mem_new(sizeof *e);
    arena_init(&e->arena);
    size_t before = steps_before(a), after = steps_after(a);
    e->key = arena_str(&e->arena, buf_str(&a->key));
    e->text = arena_str(&e->arena, a->q->expr->text);
    e->first = a->first - (int64_t)before;
    e->n = before + a->n + after;
    e->mark = arena_array(&e->arena, e->n, sizeof *e->mark);
    keep_marks(a, e);
    keep_lines(a, e);
    e->info = copy_texts(&e->arena, a->info, a->infos_n);
    e->infos_n = a->infos_n;
    put(a->cache, e, a->q->tenant);
}

/* ---- running */

static int assemble(struct ask *a, struct promql_result **ret, struct promql_failure *failure)
{
    int err = charge(a, failure);
    if (err < 0)
        return err;
    map_init(&a->by_key, 0);
    take_entry(a);
    for (unsigned r = 0; r < a->runs; r++)
        take_result(a, a->result[r]);
    take_infos(a);
    if (a->lines.n) {
        qsort(a->lines.v, a->lines.n, sizeof *a->lines.v, by_labels);
        for (size_t i = 0; i < a->lines.n; i++)
            map_get(&a->by_key, a->lines.v[i].key)->u = i;
    }
    struct promql_result *r = make_result(a);
    err = too_many(a, r, failure);
    if (err < 0)
        promql_result_free(r);
    else
        *ret = r;
    return err;
}

static void done(struct ask *a)
{
    for (unsigned r = 0; r < RUNS_MAX; r++)
        promql_result_free(a->result[r]);
    give_back(a->cache, a->entry);
    map_done(&a->by_key);
    vec_free(&a->lines);
    arena_done(&a->arena);
    buf_done(&a->key);
    mem_free(a->holds);
}

static int run(struct ask *a, struct promql_cache_use *use, struct promql_result **ret,
               struct promql_failure *failure)
{
    a->n = (size_t)((a->q->end_ms - a->q->start_ms) / a->q->step_ms) + 1;
    a->first = (a->q->start_ms - phase_of(a->q)) / a->q->step_ms;
    a->holds = mem_array(a->n, 1);
    make_key(a);
    a->entry = get(a->cache, buf_str(&a->key));
    if (a->entry && a->entry->infos_n && !str_eq(a->entry->text, a->q->expr->text)) {
        give_back(a->cache, a->entry); /* its infos name places in another text */
        a->entry = NULL;
    }
    a->mark = a->q->store->ops->mark(a->q->store, a->q->tenant);
    (void)find_held(a);
    find_runs(a);
    use->steps = a->n;
    for (size_t i = 0; i < a->n; i++)
        use->held += a->holds[i];
    use->runs = a->runs;
    stat_add(a->runs == 0 ? &hits : use->held ? &parts : &misses, 1);
    stat_add(&steps_held, use->held);
    int err = run_gaps(a, failure);
    if (err < 0)
        return err;
    if (!are_plain(a)) {
        if (use->held == 0) {
            *ret = a->result[0];
            a->result[0] = NULL;
            return 0;
        }
        use->held = 0;
        return promql_run(a->q, ret, failure);
    }
    err = assemble(a, ret, failure);
    if (err == 0 && a->runs && !has_warnings(a))
        keep(a);
    return err;
}

int promql_cache_run(struct promql_cache *c, const struct promql_query *q,
                     struct promql_cache_use *ret_use, struct promql_result **ret,
                     struct promql_failure *failure)
{
    struct ask a = {.cache = c, .q = q};
    *ret_use = (struct promql_cache_use){0};
    thread_lock(&c->lock);
    bool on = c->bytes_max > 0;
    thread_unlock(&c->lock);
    if (!on || !can_be_kept(q, &a.reach))
        return promql_run(q, ret, failure);
    int64_t began = clock_monotonic_ns(&clock_real);
    failure->kind = PROMQL_NONE;
    ret_use->asked = true;
    arena_init(&a.arena);
    int err = run(&a, ret_use, ret, failure);
    done(&a);
    if (err == 0)
        (*ret)->statistics.elapsed_ns = clock_monotonic_ns(&clock_real) - began;
    return err;
}

/* ---- life */

struct promql_cache *promql_cache_new(uint64_t bytes_max)
{
    struct promql_cache *c = mem_new(sizeof *c);
    thread_lock_init(&c->lock);
    map_init(&c->by_key, 0);
    c->bytes_max = bytes_max;
    stat_register(&hits);
    stat_register(&parts);
    stat_register(&misses);
    stat_register(&steps_held);
    stat_register(&evictions);
    stat_register(&bytes_now);
    return c;
}

void promql_cache_limit(struct promql_cache *c, uint64_t bytes_max)
{
    thread_lock(&c->lock);
    c->bytes_max = bytes_max;
    shrink(c, bytes_max);
    thread_unlock(&c->lock);
}

void promql_cache_free(struct promql_cache *c)
{
    if (!c)
        return;
    promql_cache_limit(c, 0);
    while (c->holders) {
        struct holder *next = c->holders->next;
        mem_free(c->holders);
        c->holders = next;
    }
    map_done(&c->by_key);
    must(pthread_mutex_destroy(&c->lock) == 0);
    mem_free(c);
}

uint64_t promql_cache_bytes(struct promql_cache *c)
{
    thread_lock(&c->lock);
    uint64_t n = c->bytes;
    thread_unlock(&c->lock);
    return n;
}
