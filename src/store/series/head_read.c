#include "store/series/head_read.h"

#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "base/hash.h"
#include "model/sample.h"
#include "store/series/chunk.h"

/* ---- selecting */

/* One row of the matchers against the pairs of this head. */
struct test {
    const struct pair_name *name; /* NULL: no series has such a label */
    uint8_t *accepted;            /* [pairs of the name], in the order of name->pairs */
    bool accepts_empty;
    uint64_t postings; /* of the accepted pairs together */
};

static void make_test(const struct head *h, const struct index_matchers *m, size_t i,
                      struct test *ret)
{
    *ret = (struct test){.name = pairs_name(&h->pairs, index_matchers_name(m, i)),
                         .accepts_empty = index_matchers_accept(m, i, STR(""))};
    if (!ret->name)
        return;

    struct index_hint hint = index_matchers_hint(m, i);
    ret->accepted = mem_new(ret->name->n);
    for (uint32_t k = 0; k < ret->name->n; k++) {
        const struct pair *pair = pairs_at(&h->pairs, ret->name->pairs[k]);
        struct str value = pairs_value(pair);
        if (hint.prefix.n && !str_starts(value, hint.prefix))
            continue;
        ret->accepted[k] = index_matchers_accept(m, i, value);
        if (ret->accepted[k])
            ret->postings += pair->series.n;
    }
}

/* Index of the pair of s that has the test's name, among the pairs of the name; or the name's n. */
static uint32_t pair_in_name(const struct head *h, const struct head_series *s,
                             const struct test *t)
{
    for (uint8_t i = 0; i < s->pairs_n; i++) {
        const struct pair *pair = pairs_at(&h->pairs, s->pairs[i]);
        if (slab_at(&h->pairs.names, pair->name) == t->name)
            return pair->in_name;
    }
    return t->name->n;
}

static bool passes(const struct head *h, const struct head_series *s, const struct test *t)
{
    if (!t->name)
        return t->accepts_empty;
    uint32_t at = pair_in_name(h, s, t);
    return at == t->name->n ? t->accepts_empty : t->accepted[at];
}

/* The test that leaves fewest series and needs a label that is there; NULL: none. */
static const struct test *narrowest(const struct test *tests, size_t n)
{
    const struct test *best = NULL;
    for (size_t i = 0; i < n; i++)
        if (!tests[i].accepts_empty && (!best || tests[i].postings < best->postings))
            best = &tests[i];
    return best;
}

struct id_list {
    uint32_t *v;
    size_t n, capacity;
};

static void add_if_passes(const struct head *h, uint32_t id, const struct test *tests, size_t n,
                          const struct test *except, struct id_list *out)
{
    const struct head_series *s = head_series_at(h, id);
    if (!s->pairs)
        return;
    for (size_t i = 0; i < n; i++)
        if (&tests[i] != except && !passes(h, s, &tests[i]))
            return;
    vec_push(out, id);
}

static void collect(const struct head *h, const struct test *tests, size_t n, struct id_list *out)
{
    const struct test *best = narrowest(tests, n);
    if (!best) {
        for (uint32_t id = 0; id < h->series.n; id++)
            add_if_passes(h, id, tests, n, NULL, out);
        return;
    }
    for (uint32_t k = 0; best->name && k < best->name->n; k++) {
        if (!best->accepted[k])
            continue;
        const struct postings *list = &pairs_at(&h->pairs, best->name->pairs[k])->series;
        for (uint32_t i = 0; i < list->n; i++)
            add_if_passes(h, list->v[i], tests, n, best, out);
    }
}

static int by_order(const void *a, const void *b, void *context)
{
    return head_compare(context, *(const uint32_t *)a, *(const uint32_t *)b);
}

/* Puts the ids into key order: by walking the order where they are many, else by comparing. */
static void sort_ids(const struct head *h, struct id_list *list)
{
    if (list->n < h->order_n / 16) {
        if (list->n)
            qsort_r(list->v, list->n, sizeof *list->v, by_order, (void *)(uintptr_t)h);
        return;
    }
    uint8_t *in = mem_new((size_t)h->series.n / 8 + 1);
    for (size_t i = 0; i < list->n; i++)
        in[list->v[i] / 8] |= (uint8_t)(1u << list->v[i] % 8);
    size_t n = 0;
    for (uint32_t i = 0; i < h->order_n; i++)
        if (in[h->order[i] / 8] >> h->order[i] % 8 & 1)
            list->v[n++] = h->order[i];
    must(n == list->n);
    mem_free(in);
}

void head_read_select(struct head *h, const struct index_matchers *m, uint32_t **ret, size_t *ret_n)
{
    struct id_list list = {0};
    size_t n = index_matchers_n(m);
    struct test *tests = mem_array(n, sizeof *tests);

    /* Most selects find the order up to date and get by with a read lock. */
    must(pthread_rwlock_rdlock(&h->index_lock) == 0);
    while (h->fresh_n) {
        must(pthread_rwlock_unlock(&h->index_lock) == 0);
        must(pthread_rwlock_wrlock(&h->index_lock) == 0);
        head_sort(h);
        must(pthread_rwlock_unlock(&h->index_lock) == 0);
        must(pthread_rwlock_rdlock(&h->index_lock) == 0);
    }
    bool possible = true;
    for (size_t i = 0; i < n && possible; i++) {
        make_test(h, m, i, &tests[i]);
        possible = tests[i].accepts_empty || tests[i].postings;
    }
    if (possible) {
        collect(h, tests, n, &list);
        sort_ids(h, &list);
    }
    must(pthread_rwlock_unlock(&h->index_lock) == 0);

    for (size_t i = 0; i < n; i++)
        mem_free(tests[i].accepted);
    mem_free(tests);
    *ret = list.v;
    *ret_n = list.n;
}

/* ---- reading */

/* The slots of a group within the range, copied when the group is first met. */
struct head_column {
    uint32_t first_slot;
    size_t n;
    uint64_t ts_id;
    int64_t ts_ms[];
};

void head_reader_init(struct head_reader *r, struct head *h, int64_t from_ms, int64_t to_ms)
{
    *r = (struct head_reader){.head = h, .from_ms = from_ms, .to_ms = to_ms};
    arena_init(&r->arena);
    arena_init(&r->of_series);
    map_init(&r->columns, 0);
}

void head_reader_done(struct head_reader *r)
{
    arena_done(&r->arena);
    arena_done(&r->of_series);
    map_done(&r->columns);
    vec_free(&r->ts);
    vec_free(&r->values);
    vec_free(&r->late);
    vec_free(&r->histograms);
}

bool head_reader_key(struct head_reader *r, uint32_t id, struct buf *out)
{
    must(pthread_rwlock_rdlock(&r->head->index_lock) == 0);
    bool alive = head_series_at(r->head, id)->pairs != NULL;
    if (alive)
        head_key(r->head, id, out);
    must(pthread_rwlock_unlock(&r->head->index_lock) == 0);
    return alive;
}

/* The group's lock is held. */
static const struct head_column *column_of(struct head_reader *r, uint32_t group,
                                           const struct head_group *g)
{
    bool is_new;
    union map_value *v = map_put(&r->columns, str_of((const char *)&group, sizeof group), &is_new);
    if (!is_new)
        return v->p;

    uint32_t from = (uint32_t)sample_at_least(g->ts_ms, g->n, r->from_ms), to = from;
    while (to < g->n && g->ts_ms[to] <= r->to_ms)
        to++;
    struct head_column *c = arena_new(&r->arena, sizeof *c + (to - from) * sizeof *c->ts_ms);
    c->first_slot = g->base + from;
    c->n = to - from;
    c->ts_id = hash_u64(((uint64_t)group << 32 | c->first_slot) ^ hash_u64(c->n)) | 1;
    if (c->n)
        memcpy(c->ts_ms, g->ts_ms + from, c->n * sizeof *c->ts_ms);
    v->p = c;
    return c;
}

/* Copies what of run v[n] (or constant) at slot first lies in [at, at + out_n). */
static void copy_run(uint32_t first, size_t n, const double *v, double constant, uint32_t at,
                     double *out, size_t out_n)
{
    uint64_t from = MAX((uint64_t)first, (uint64_t)at);
    uint64_t to = MIN((uint64_t)first + n, (uint64_t)at + out_n);
    for (uint64_t slot = from; slot < to; slot++)
        out[slot - at] = v ? v[slot - first] : constant;
}

void head_gather(const struct head_series *s, uint32_t at, double *out, size_t n)
{
    double decoded[CHUNK_MAX];
    for (size_t i = 0; i < n; i++)
        out[i] = chunk_absent();
    for (uint32_t i = 0; s->sealed && i < s->sealed->n; i++) {
        const struct head_chunk *c = &s->sealed->v[i];
        if (c->first_slot >= (uint64_t)at + n || (uint64_t)c->first_slot + c->n <= at)
            continue;
        if (c->len)
            must(chunk_decode(c->of.bytes, c->len, c->n, decoded, NULL) == 0);
        copy_run(c->first_slot, c->n, c->len ? decoded : NULL, c->of.constant, at, out, n);
    }
    copy_run(s->first_slot, s->n, s->values, s->last, at, out, n);
}

static int by_time(const void *a, const void *b)
{
    const struct head_late *x = a, *y = b;
    return (x->ts_ms > y->ts_ms) - (x->ts_ms < y->ts_ms);
}

size_t head_late_sort(struct head_late *late, size_t n)
{
    /* A merge sort, since qsort() does not promise to be stable. */
    struct head_late *spare = mem_array(n, sizeof *spare);
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t at = 0; at < n; at += 2 * width) {
            size_t i = at, k = MIN(at + width, n), i_end = k, k_end = MIN(at + 2 * width, n),
                   o = at;
            while (i < i_end || k < k_end)
                spare[o++] = k == k_end || (i < i_end && by_time(&late[i], &late[k]) <= 0)
                                 ? late[i++]
                                 : late[k++];
        }
        memcpy(late, spare, n * sizeof *late);
    }
    mem_free(spare);

    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (kept && late[kept - 1].ts_ms == late[i].ts_ms)
            kept--;
        late[kept++] = late[i];
    }
    return kept;
}

/* Copies the late entries of the range, histograms into of_series. Group lock held. */
static void copy_late(struct head_reader *r, const struct head_series *s, uint32_t from)
{
    arena_reset(&r->of_series);
    r->late.n = 0;
    for (uint32_t i = from; s->extra && i < s->extra->late_n; i++) {
        struct head_late entry = s->extra->late[i];
        if (entry.ts_ms < r->from_ms || entry.ts_ms > r->to_ms)
            continue;
        if (entry.histogram)
            entry.histogram = histogram_clone(entry.histogram, &r->of_series);
        vec_push(&r->late, entry);
    }
}

static void late_column(struct head_reader *r, size_t offset, struct column *ret)
{
    size_t n = r->late.n = r->late.n ? head_late_sort(r->late.v, r->late.n) : 0;
    bool any = false;
    *ret = (struct column){0};
    if (n == 0)
        return;
    vec_reserve(&r->ts, offset + n);
    vec_reserve(&r->values, offset + n);
    vec_reserve(&r->histograms, n);
    for (size_t i = 0; i < n; i++) {
        r->ts.v[offset + i] = r->late.v[i].ts_ms;
        r->values.v[offset + i] = r->late.v[i].value;
        r->histograms.v[i] = r->late.v[i].histogram;
        any |= r->late.v[i].histogram != NULL;
    }
    *ret = (struct column){.ts_ms = r->ts.v + offset,
                           .value = r->values.v + offset,
                           .n = n,
                           .histogram = any ? r->histograms.v : NULL};
}

/* Leaves out absent slots; a full column is shared, another one gets times of its own. */
static void main_column(struct head_reader *r, const struct head_column *c, struct column *ret)
{
    size_t n = 0;
    for (size_t i = 0; i < c->n; i++)
        n += !chunk_is_absent(r->values.v[i]);
    if (n == c->n) {
        *ret = (struct column){.ts_ms = c->ts_ms, .value = r->values.v, .n = n, .ts_id = c->ts_id};
        return;
    }
    vec_reserve(&r->ts, n);
    size_t k = 0;
    for (size_t i = 0; i < c->n; i++) {
        if (chunk_is_absent(r->values.v[i]))
            continue;
        r->ts.v[k] = c->ts_ms[i];
        r->values.v[k++] = r->values.v[i];
    }
    *ret = (struct column){.ts_ms = r->ts.v, .value = r->values.v, .n = n};
}

/* Locks the index (for reading) and the group of s; NULL and nothing locked where it has none. */
static struct head_group *lock_group(struct head *h, const struct head_series *s)
{
    must(pthread_rwlock_rdlock(&h->index_lock) == 0);
    uint32_t group = __atomic_load_n(&s->group, __ATOMIC_ACQUIRE);
    if (group == HEAD_NO_GROUP) {
        must(pthread_rwlock_unlock(&h->index_lock) == 0);
        return NULL;
    }
    struct head_group *g = head_group_at(h, group);
    head_group_lock(g);
    if (__atomic_load_n(&s->group, __ATOMIC_RELAXED) == group)
        return g;
    head_group_unlock(g); /* moved to no group just now: it has no samples then */
    must(pthread_rwlock_unlock(&h->index_lock) == 0);
    return NULL;
}

static void unlock_group(struct head *h, struct head_group *g)
{
    head_group_unlock(g);
    must(pthread_rwlock_unlock(&h->index_lock) == 0);
}

void head_reader_samples(struct head_reader *r, uint32_t id, struct column *ret_main,
                         struct column *ret_late)
{
    struct head_series *s = head_series_at(r->head, id);
    *ret_main = *ret_late = (struct column){0};

    struct head_group *g = lock_group(r->head, s);
    if (!g)
        return;
    const struct head_column *c = column_of(r, s->group, g);
    /* One reserve for both columns: the late one lies behind the other and must not move it. */
    size_t late_n = s->extra ? s->extra->late_n : 0;
    vec_reserve(&r->values, c->n + late_n);
    vec_reserve(&r->ts, c->n + late_n);
    if (c->n)
        head_gather(s, c->first_slot, r->values.v, c->n);
    copy_late(r, s, 0);
    unlock_group(r->head, g);
    main_column(r, c, ret_main);
    late_column(r, c->n, ret_late);
}

bool head_reader_any(struct head_reader *r, uint32_t id)
{
    struct head_series *s = head_series_at(r->head, id);
    struct head_group *g = lock_group(r->head, s);
    if (!g)
        return false;
    bool any = false;
    const struct head_column *c = column_of(r, s->group, g);
    uint64_t first = s->sealed && s->sealed->n ? s->sealed->v[0].first_slot : s->first_slot;
    uint64_t end = (uint64_t)s->first_slot + s->n;
    any = c->n && first < c->first_slot + (uint64_t)c->n && end > c->first_slot;
    for (uint32_t i = 0; !any && s->extra && i < s->extra->late_n; i++)
        any = s->extra->late[i].ts_ms >= r->from_ms && s->extra->late[i].ts_ms <= r->to_ms;
    unlock_group(r->head, g);
    return any;
}

bool head_reader_starts(struct head_reader *r, uint32_t id, const int64_t *ts, size_t n,
                        int64_t *ret)
{
    struct head_series *s = head_series_at(r->head, id);
    struct head_group *g = lock_group(r->head, s);
    if (!g)
        return false;
    const struct head_extra *x = s->extra;
    bool has = x && x->starts_n;
    for (size_t i = 0, k = 0; has && i < n; i++) {
        while (k < x->starts_n && x->starts[k].ts_ms <= ts[i])
            k++;
        ret[i] = k ? x->starts[k - 1].start_ms : 0;
    }
    unlock_group(r->head, g);
    return has;
}
