#include "store/series/column.h"

#include <string.h>

#include "base/hash.h"
#include "base/vec.h"
#include "model/sample.h"

void column_join_init(struct column_join *j)
{
    *j = (struct column_join){0};
    arena_init(&j->arena);
}

static void free_arrays(struct column_arrays *a)
{
    vec_free(&a->ts);
    vec_free(&a->starts);
    vec_free(&a->values);
    vec_free(&a->histograms);
}

void column_join_done(struct column_join *j)
{
    free_arrays(&j->a);
    free_arrays(&j->b);
    vec_free(&j->pieces);
    arena_done(&j->arena);
}

void column_join_reset(struct column_join *j)
{
    j->a.ts.n = j->pieces.n = 0;
    j->has_histograms = j->has_starts = false;
    arena_reset(&j->arena);
}

static void reserve(struct column_arrays *a, size_t n)
{
    vec_reserve(&a->ts, n);
    vec_reserve(&a->starts, n);
    vec_reserve(&a->values, n);
    vec_reserve(&a->histograms, n);
}

/* Histograms and created timestamps are rare: their arrays are filled from the first one on. */
static void add_rest(struct column_join *j, const struct column *c)
{
    struct column_arrays *a = &j->a;
    if (c->histogram && !j->has_histograms) {
        memset(a->histograms.v, 0, a->ts.n * sizeof *a->histograms.v);
        j->has_histograms = true;
    }
    if (c->start_ms && !j->has_starts) {
        memset(a->starts.v, 0, a->ts.n * sizeof *a->starts.v);
        j->has_starts = true;
    }
    for (size_t i = 0; j->has_histograms && i < c->n; i++) {
        const struct histogram *h = c->histogram ? c->histogram[i] : NULL;
        a->histograms.v[a->ts.n + i] = h ? histogram_clone(h, &j->arena) : NULL;
    }
    for (size_t i = 0; j->has_starts && i < c->n; i++)
        a->starts.v[a->ts.n + i] = c->start_ms ? c->start_ms[i] : 0;
}

void column_cut(const struct column *c, int64_t from_ms, int64_t to_ms, struct column *ret)
{
    *ret = (struct column){0};
    if (c->n == 0)
        return;
    size_t from = c->ts_ms[0] >= from_ms ? 0 : sample_at_least(c->ts_ms, c->n, from_ms);
    size_t to = c->ts_ms[c->n - 1] <= to_ms ? c->n : sample_at_least(c->ts_ms, c->n, to_ms + 1);
    if (from >= to)
        return;
    *ret = (struct column){
        .ts_ms = c->ts_ms + from,
        .value = c->value + from,
        .histogram = c->histogram ? c->histogram + from : NULL,
        .start_ms = c->start_ms ? c->start_ms + from : NULL,
        .n = to - from,
        /* The same cut of the same times is the same column. */
        .ts_id = c->ts_id ? hash_u64(c->ts_id ^ hash_u64(from << 20 ^ (to - from))) | 1 : 0,
    };
}

void column_join_add(struct column_join *j, const struct column *all, int64_t from_ms,
                     int64_t to_ms)
{
    struct column some, *c = &some;
    column_cut(all, from_ms, to_ms, c);
    if (c->n == 0)
        return;
    size_t n = c->n;
    struct column_arrays *a = &j->a;
    reserve(a, a->ts.n + n);
    memcpy(a->ts.v + a->ts.n, c->ts_ms, n * sizeof *a->ts.v);
    memcpy(a->values.v + a->ts.n, c->value, n * sizeof *a->values.v);
    if (c->histogram || c->start_ms || j->has_histograms || j->has_starts)
        add_rest(j, c);
    vec_push(&j->pieces, ((struct column_piece){a->ts.n, n, c->ts_id}));
    a->ts.n += n;
}

static void copy_one(struct column_join *j, const struct column_arrays *from, size_t i,
                     struct column_arrays *to, size_t k)
{
    to->ts.v[k] = from->ts.v[i];
    to->values.v[k] = from->values.v[i];
    if (j->has_histograms)
        to->histograms.v[k] = from->histograms.v[i];
    if (j->has_starts)
        to->starts.v[k] = from->starts.v[i];
}

void column_join_remove(struct column_join *j, int64_t from_ms, int64_t to_ms)
{
    size_t n = 0;
    for (size_t p = 0; p < j->pieces.n; p++) {
        struct column_piece *piece = &j->pieces.v[p];
        size_t begin = n;
        for (size_t i = piece->at; i < piece->at + piece->n; i++)
            if (j->a.ts.v[i] < from_ms || j->a.ts.v[i] > to_ms)
                copy_one(j, &j->a, i, &j->a, n++);
        if (n - begin != piece->n)
            piece->ts_id = 0;
        *piece = (struct column_piece){begin, n - begin, piece->ts_id};
    }
    j->a.ts.n = n;
}

/* Do the pieces follow each other in time as they lie? */
static bool in_order(const struct column_join *j)
{
    const int64_t *ts = j->a.ts.v;
    for (size_t p = 1; p < j->pieces.n; p++) {
        size_t at = j->pieces.v[p].at;
        if (at > 0 && at < j->a.ts.n && ts[at - 1] >= ts[at])
            return false;
    }
    return true;
}

/* Merges a[x, x+xn) and a[y, y+yn) into b from k on; y wins. Returns the end. */
static size_t merge_two(struct column_join *j, size_t x, size_t xn, size_t y, size_t yn, size_t k)
{
    size_t x_end = x + xn, y_end = y + yn;
    const int64_t *ts = j->a.ts.v;
    while (x < x_end || y < y_end) {
        if (y == y_end || (x < x_end && ts[x] < ts[y])) {
            copy_one(j, &j->a, x++, &j->b, k++);
        } else {
            if (x < x_end && ts[x] == ts[y])
                x++;
            copy_one(j, &j->a, y++, &j->b, k++);
        }
    }
    return k;
}

/* Merges neighbours (so that later pieces keep winning) until one is left. */
static void merge_all(struct column_join *j)
{
    while (j->pieces.n > 1) {
        size_t k = 0, n = 0;
        reserve(&j->b, j->a.ts.n);
        for (size_t p = 0; p < j->pieces.n; p += 2) {
            const struct column_piece *x = &j->pieces.v[p];
            size_t begin = k;
            bool pair = p + 1 < j->pieces.n;
            k = merge_two(j, x->at, x->n, pair ? x[1].at : 0, pair ? x[1].n : 0, k);
            j->pieces.v[n++] = (struct column_piece){begin, k - begin, 0};
        }
        j->pieces.n = n;
        struct column_arrays spare = j->a;
        j->a = j->b;
        j->b = spare;
        j->a.ts.n = k;
    }
}

static uint64_t joined_id(const struct column_join *j)
{
    uint64_t id = 0;
    for (size_t p = 0; p < j->pieces.n; p++) {
        if (j->pieces.v[p].ts_id == 0)
            return 0;
        id = hash_u64(id ^ j->pieces.v[p].ts_id) | 1;
    }
    return id;
}

void column_join_finish(struct column_join *j, struct column *ret)
{
    uint64_t id = 0;
    if (in_order(j))
        id = joined_id(j);
    else
        merge_all(j);
    *ret = (struct column){
        .ts_ms = j->a.ts.v,
        .value = j->a.values.v,
        .histogram = j->has_histograms ? j->a.histograms.v : NULL,
        .start_ms = j->has_starts ? j->a.starts.v : NULL,
        .n = j->a.ts.n,
        .ts_id = id,
    };
}
