#include "query/promql/promqltest.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/map.h"
#include "base/vec.h"
#include "model/labels.h"
#include "model/sample.h"
#include "query/promql/promql_engine.h"

enum { BLOCK_SAMPLES = 4 };

struct memory_series {
    struct str key;
    struct {
        int64_t *v;
        size_t n, capacity;
    } ts;
    struct {
        double *v;
        size_t n, capacity;
    } value;
    struct {
        const struct histogram **v;
        size_t n, capacity;
    } histogram;
    struct {
        int64_t *v;
        size_t n, capacity;
    } start;
    bool histograms, starts;
};

/* A run of times that one epoch wrote. */
struct memory_write {
    int64_t from_ms, to_ms;
    uint64_t epoch;
};

struct promqltest_store {
    struct series_store face;
    atomic_ullong epoch;
    struct {
        struct memory_write *v;
        size_t n, capacity;
    } writes;
    struct arena arena;
    struct map by_key;
    struct {
        struct memory_series **v;
        size_t n, capacity;
    } series;
};

struct series_cursor {
    struct promqltest_store *store;
    struct {
        struct memory_series **v;
        size_t n, capacity;
    } found;
    size_t at;
    int64_t from_ms, to_ms;
    enum select_want want;
    struct block *blocks; /* of the present series, where they are asked for */
    bool times_only;
    double *junk; /* what stands for the values where nobody looks at them */
    const struct memory_series *present;
};

static bool matches(const struct matcher *m, struct regex *re, struct str key)
{
    struct str value = labels_get(key, m->name);
    switch (m->type) {
    case MATCH_EQUAL:
        return str_eq(value, m->value);
    case MATCH_NOT_EQUAL:
        return !str_eq(value, m->value);
    case MATCH_REGEX:
        return regex_match(re, value);
    default:
        return !regex_match(re, value);
    }
}

static int key_cmp(const void *a, const void *b)
{
    return labels_cmp((*(struct memory_series *const *)a)->key,
                      (*(struct memory_series *const *)b)->key);
}

static int memory_select(struct series_store *face, struct tenant *t, const struct select *how,
                         struct series_cursor **ret, struct why *why)
{
    struct promqltest_store *s = (struct promqltest_store *)face;
    (void)t;
    struct series_cursor *c = mem_new(sizeof *c);
    c->store = s;
    c->from_ms = how->from_ms;
    c->to_ms = how->to_ms;
    c->want = how->want;
    c->times_only = how->times_only;
    struct regex **re = mem_array(how->matchers_n + 1, sizeof(struct regex *));
    int err = 0;
    for (size_t i = 0; i < how->matchers_n && err == 0; i++) {
        if (how->matchers[i].type >= MATCH_REGEX)
            err = regex_new(how->matchers[i].value, &re[i], why);
    }
    for (size_t k = 0; k < s->series.n && err == 0; k++) {
        bool good = true;
        for (size_t i = 0; i < how->matchers_n && good; i++)
            good = matches(&how->matchers[i], re[i], s->series.v[k]->key);
        if (good)
            vec_push(&c->found, s->series.v[k]);
    }
    for (size_t i = 0; i < how->matchers_n; i++)
        regex_free(re[i]);
    mem_free(re);
    if (c->found.n)
        qsort(c->found.v, c->found.n, sizeof *c->found.v, key_cmp);
    *ret = c;
    return err;
}

/* One block of m's samples [from, to). */
static struct block block_of(const struct memory_series *m, size_t from, size_t to)
{
    struct block b = {.first_ms = m->ts.v[from],
                      .last_ms = m->ts.v[to - 1],
                      .n = (uint32_t)(to - from),
                      .summarised = !m->histograms,
                      .min = m->value.v[from],
                      .max = m->value.v[from],
                      .first = m->value.v[from],
                      .last = m->value.v[to - 1],
                      .handle = from};
    for (size_t i = from; i < to; i++) {
        double v = m->value.v[i];
        b.summarised &= v == v;
        b.sum += v;
        b.min = v < b.min ? v : b.min;
        b.max = v > b.max ? v : b.max;
        if (i > from && v < m->value.v[i - 1]) {
            b.reset_sum += m->value.v[i - 1];
            b.resets++;
        }
    }
    return b;
}

static void give_blocks(struct series_cursor *c, const struct memory_series *m,
                        struct series_view *ret)
{
    size_t n = 0;
    c->blocks = mem_resize(c->blocks, (m->ts.n / BLOCK_SAMPLES + 1) * sizeof *c->blocks);
    for (size_t i = 0; i < m->ts.n; i += BLOCK_SAMPLES)
        c->blocks[n++] = block_of(m, i, MIN(i + BLOCK_SAMPLES, m->ts.n));
    c->present = m;
    ret->column = (struct column){0};
    ret->blocks = c->blocks;
    ret->blocks_n = n;
}

/* Columns with the same times have the same number, as a store on disk has them. */
static uint64_t times_id(const struct column *c)
{
    return hash_xxh3(c->ts_ms, c->n * sizeof *c->ts_ms, c->n) | 1;
}

/* Takes the values away from who does not look at them. */
static void hide_values(struct series_cursor *c, const struct memory_series *m, struct column *ret)
{
    bool plain = c->times_only && !m->histograms;
    for (size_t i = 0; i < ret->n && plain; i++)
        plain = ret->value[i] == ret->value[i];
    if (!plain)
        return;
    mem_free(c->junk);
    c->junk = mem_array(ret->n + 1, sizeof *c->junk);
    ret->value = c->junk;
}

static int memory_decode(struct series_cursor *c, const struct block *b, struct column *ret)
{
    const struct memory_series *m = c->present;
    *ret = (struct column){.ts_ms = m->ts.v + b->handle,
                           .value = m->value.v + b->handle,
                           .histogram = m->histograms ? m->histogram.v + b->handle : NULL,
                           .start_ms = m->starts ? m->start.v + b->handle : NULL,
                           .n = b->n};
    ret->ts_id = times_id(ret);
    hide_values(c, m, ret);
    return 0;
}

static int memory_next(struct series_cursor *c, struct series_view *ret, struct why *why)
{
    (void)why;
    while (c->at < c->found.n) {
        struct memory_series *m = c->found.v[c->at++];
        size_t lo = 0, hi = m->ts.n;
        while (lo < hi && m->ts.v[lo] < c->from_ms)
            lo++;
        while (hi > lo && m->ts.v[hi - 1] > c->to_ms)
            hi--;
        if (lo == hi)
            continue;
        *ret = (struct series_view){.key = m->key};
        ret->column = (struct column){.ts_ms = m->ts.v + lo,
                                      .value = m->value.v + lo,
                                      .histogram = m->histograms ? m->histogram.v + lo : NULL,
                                      .start_ms = m->starts ? m->start.v + lo : NULL,
                                      .n = hi - lo};
        ret->column.ts_id = times_id(&ret->column);
        hide_values(c, m, &ret->column);
        if (c->want == SELECT_BLOCKS)
            give_blocks(c, m, ret);
        return 1;
    }
    return 0;
}

static uint64_t memory_estimate(const struct series_cursor *c)
{
    return c->found.n;
}

static size_t memory_split(struct series_cursor *c, size_t n, struct series_cursor **ret)
{
    size_t made = 0, whole = c->found.n;
    for (size_t i = 1; i < n; i++) {
        size_t from = whole * i / n, to = whole * (i + 1) / n;
        if (from == to)
            continue;
        struct series_cursor *part = mem_new(sizeof *part);
        part->store = c->store;
        part->from_ms = c->from_ms;
        part->to_ms = c->to_ms;
        part->want = c->want;
        part->times_only = c->times_only;
        for (size_t k = from; k < to; k++)
            vec_push(&part->found, c->found.v[k]);
        ret[made++] = part;
    }
    c->found.n = whole / n;
    return made;
}

static void memory_close(struct series_cursor *c)
{
    mem_free(c->junk);
    vec_free(&c->found);
    mem_free(c->blocks);
    mem_free(c);
}

static struct tenant *memory_tenant(struct series_store *face, struct str name)
{
    (void)name;
    return promqltest_store_tenant((struct promqltest_store *)face);
}

static uint64_t memory_mark(struct series_store *face, struct tenant *t)
{
    (void)t;
    return atomic_fetch_add(&((struct promqltest_store *)face)->epoch, 1) + 1;
}

static uint64_t memory_written(struct series_store *face, struct tenant *t, int64_t from_ms,
                               int64_t to_ms)
{
    const struct promqltest_store *s = (const struct promqltest_store *)face;
    uint64_t newest = 0;
    (void)t;
    for (size_t i = 0; i < s->writes.n; i++) {
        const struct memory_write *w = &s->writes.v[i];
        if (w->from_ms <= to_ms && w->to_ms >= from_ms)
            newest = MAX(newest, w->epoch);
    }
    return newest;
}

static void note_write(struct promqltest_store *s, int64_t from_ms, int64_t to_ms)
{
    struct memory_write *last = s->writes.n ? &s->writes.v[s->writes.n - 1] : NULL;
    if (last && last->epoch == s->epoch + 1) {
        last->from_ms = MIN(last->from_ms, from_ms);
        last->to_ms = MAX(last->to_ms, to_ms);
        return;
    }
    struct memory_write w = {from_ms, to_ms, s->epoch + 1};
    vec_push(&s->writes, w);
}

static void memory_bound(struct series_store *face, struct tenant *t, int64_t from_ms,
                         int64_t to_ms, uint64_t *ret_samples, uint64_t *ret_series)
{
    const struct promqltest_store *s = (const struct promqltest_store *)face;
    (void)t, (void)from_ms, (void)to_ms;
    *ret_series = s->series.n;
    *ret_samples = 0;
    for (size_t i = 0; i < s->series.n; i++)
        *ret_samples += s->series.v[i]->ts.n;
}

void promqltest_store_remove(struct promqltest_store *s, struct str key, int64_t from_ms,
                             int64_t to_ms)
{
    union map_value *at = map_get(&s->by_key, key);
    if (!at)
        return;
    struct memory_series *m = at->p;
    size_t n = 0;
    for (size_t i = 0; i < m->ts.n; i++) {
        if (m->ts.v[i] >= from_ms && m->ts.v[i] <= to_ms)
            continue;
        m->ts.v[n] = m->ts.v[i];
        m->value.v[n] = m->value.v[i];
        m->start.v[n] = m->start.v[i];
        m->histogram.v[n++] = m->histogram.v[i];
    }
    m->ts.n = m->value.n = m->histogram.n = m->start.n = n;
    note_write(s, from_ms, to_ms);
}

static const struct series_store_ops ops = {.mark = memory_mark,
                                            .written = memory_written,
                                            .bound = memory_bound,
                                            .tenant = memory_tenant,
                                            .select = memory_select,
                                            .next = memory_next,
                                            .estimate = memory_estimate,
                                            .split = memory_split,
                                            .decode = memory_decode,
                                            .close = memory_close};

struct promqltest_store *promqltest_store_new(void)
{
    struct promqltest_store *s = mem_new(sizeof *s);
    s->face.ops = &ops;
    arena_init(&s->arena);
    map_init(&s->by_key, 0);
    return s;
}

void promqltest_store_clear(struct promqltest_store *s)
{
    for (size_t i = 0; i < s->series.n; i++) {
        struct memory_series *m = s->series.v[i];
        vec_free(&m->ts);
        vec_free(&m->value);
        vec_free(&m->histogram);
        vec_free(&m->start);
    }
    vec_free(&s->series);
    vec_free(&s->writes);
    map_done(&s->by_key);
    map_init(&s->by_key, 0);
    arena_done(&s->arena);
    arena_init(&s->arena);
}

void promqltest_store_free(struct promqltest_store *s)
{
    if (!s)
        return;
    promqltest_store_clear(s);
    map_done(&s->by_key);
    arena_done(&s->arena);
    mem_free(s);
}

/* Does Prometheus's storage begin a new chunk with h? It does for a reset, and where the buckets
 * are laid out anew. */
static bool begins_chunk(struct arena *a, const struct histogram *h, const struct histogram *before)
{
    struct engine e = {.arena = a};
    struct histogram unknown = *h;
    if (!before || before->reset == HISTOGRAM_RESET_GAUGE || h->reset == HISTOGRAM_RESET_YES)
        return true;
    if (h->schema != before->schema || h->zero_threshold != before->zero_threshold ||
        h->custom_n != before->custom_n)
        return true;
    for (uint32_t i = 0; i < h->custom_n; i++) {
        if (h->custom_bounds[i] != before->custom_bounds[i])
            return true;
    }
    unknown.reset = HISTOGRAM_RESET_UNKNOWN;
    return promql_histogram_reset(&e, &unknown, before);
}

/* A copy whose hint says what Prometheus reads back: of the first of a chunk nothing is known, the
 * others are no resets. */
static const struct histogram *keep_histogram(struct promqltest_store *s, const struct histogram *h,
                                              const struct histogram *before)
{
    struct arena *a = &s->arena;
    struct buf b;
    buf_init(&b, 1 << 24);
    histogram_encode(h, &b);
    struct str bytes = arena_str(a, buf_str(&b));
    buf_done(&b);
    struct histogram *copy = NULL;
    size_t used;
    if (histogram_decode((const uint8_t *)bytes.p, bytes.n, a, &copy, &used) < 0)
        return NULL;
    if (copy->reset != HISTOGRAM_RESET_GAUGE)
        copy->reset = begins_chunk(a, copy, before) ? HISTOGRAM_RESET_UNKNOWN : HISTOGRAM_RESET_NO;
    return copy;
}

void promqltest_store_put(struct promqltest_store *s, struct str key, int64_t ts_ms, double value,
                          const struct histogram *h)
{
    promqltest_store_put_from(s, key, 0, ts_ms, value, h);
}

void promqltest_store_put_from(struct promqltest_store *s, struct str key, int64_t start_ms,
                               int64_t ts_ms, double value, const struct histogram *h)
{
    bool fresh;
    union map_value *at = map_put(&s->by_key, key, &fresh);
    if (fresh) {
        struct memory_series *m = arena_new(&s->arena, sizeof *m);
        m->key = arena_str(&s->arena, key);
        vec_push(&s->series, m);
        at->p = m;
    }
    struct memory_series *m = at->p;
    size_t i = m->ts.n;
    while (i > 0 && m->ts.v[i - 1] >= ts_ms)
        i--;
    if (i == m->ts.n || m->ts.v[i] != ts_ms) {
        vec_push(&m->ts, 0);
        vec_push(&m->value, 0);
        vec_push(&m->histogram, NULL);
        vec_push(&m->start, 0);
        size_t move = m->ts.n - 1 - i;
        memmove(m->ts.v + i + 1, m->ts.v + i, move * sizeof *m->ts.v);
        memmove(m->value.v + i + 1, m->value.v + i, move * sizeof *m->value.v);
        memmove(m->histogram.v + i + 1, m->histogram.v + i, move * sizeof *m->histogram.v);
        memmove(m->start.v + i + 1, m->start.v + i, move * sizeof *m->start.v);
    }
    m->ts.v[i] = ts_ms;
    memcpy(&m->value.v[i], &value, sizeof value);
    m->histogram.v[i] = h ? keep_histogram(s, h, i ? m->histogram.v[i - 1] : NULL) : NULL;
    m->histograms |= h != NULL;
    m->start.v[i] = start_ms;
    m->starts |= start_ms != 0;
    note_write(s, ts_ms, ts_ms);
}

struct series_store *promqltest_store_face(struct promqltest_store *s)
{
    return &s->face;
}

struct tenant *promqltest_store_tenant(struct promqltest_store *s)
{
    return (struct tenant *)(void *)s;
}
