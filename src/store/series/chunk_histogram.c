#include "store/series/chunk.h"

#include <string.h>

#include "base/mem.h"
#include "store/series/chunk_int.h"

/* Histograms of one layout (schema, spans, bounds) share columns: one per bucket and one each for
 * count, sum and zero count. Absent slots have no layout. */

enum { LAYOUTS_MAX = CHUNK_MAX, SPANS_MAX = HISTOGRAM_BUCKETS_MAX };

static bool same_spans(const struct histogram_span *a, const struct histogram_span *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (a[i].offset != b[i].offset || a[i].length != b[i].length)
            return false;
    return true;
}

static bool same_layout(const struct histogram *a, const struct histogram *b)
{
    return a->schema == b->schema && a->is_float == b->is_float &&
           double_bits(a->zero_threshold) == double_bits(b->zero_threshold) &&
           a->positive_spans_n == b->positive_spans_n &&
           a->negative_spans_n == b->negative_spans_n && a->positive_n == b->positive_n &&
           a->negative_n == b->negative_n && a->custom_n == b->custom_n &&
           same_spans(a->positive_spans, b->positive_spans, a->positive_spans_n) &&
           same_spans(a->negative_spans, b->negative_spans, a->negative_spans_n) &&
           (!a->custom_n ||
            memcmp(a->custom_bounds, b->custom_bounds, a->custom_n * sizeof(double)) == 0);
}

static void put_spans(struct buf *out, const struct histogram_span *s, size_t n, size_t buckets)
{
    buf_put_varint(out, n);
    for (size_t i = 0; i < n; i++) {
        buf_put_varint(out, zigzag(s[i].offset));
        buf_put_varint(out, s[i].length);
    }
    buf_put_varint(out, buckets);
}

static void put_layout(struct buf *out, const struct histogram *h)
{
    buf_put_varint(out, zigzag(h->schema));
    buf_put_varint(out, h->is_float);
    buf_put_double_raw(out, h->zero_threshold);
    put_spans(out, h->positive_spans, h->positive_spans_n, h->positive_n);
    put_spans(out, h->negative_spans, h->negative_spans_n, h->negative_n);
    buf_put_varint(out, h->custom_n);
    for (size_t i = 0; i < h->custom_n; i++)
        buf_put_double_raw(out, h->custom_bounds[i]);
}

/* The histograms of one layout, and a column of theirs. */
struct group {
    const struct histogram *h[CHUNK_MAX];
    size_t n;
    double column[CHUNK_MAX];
};

static int put_group(struct buf *out, struct group *g)
{
    const struct histogram *first = g->h[0];
    for (size_t c = 0; c < 3; c++) {
        for (size_t i = 0; i < g->n; i++)
            g->column[i] = c == 0 ? g->h[i]->count : c == 1 ? g->h[i]->sum : g->h[i]->zero_count;
        if (chunk_encode(g->column, g->n, out))
            return -ERR_LIMIT;
    }
    for (size_t b = 0; b < first->positive_n + (size_t)first->negative_n; b++) {
        for (size_t i = 0; i < g->n; i++)
            g->column[i] = b < first->positive_n ? g->h[i]->positive[b]
                                                 : g->h[i]->negative[b - first->positive_n];
        if (chunk_encode(g->column, g->n, out))
            return -ERR_LIMIT;
    }
    return 0;
}

int chunk_histogram_encode(const struct histogram *const *h, size_t n, struct buf *out)
{
    if (n < 1 || n > CHUNK_MAX)
        return -ERR_RANGE;
    int64_t layout[CHUNK_MAX], reset[CHUNK_MAX];
    const struct histogram *first[LAYOUTS_MAX];
    size_t layouts = 0;
    for (size_t i = 0; i < n; i++) {
        reset[i] = h[i] ? h[i]->reset : 0;
        layout[i] = 0;
        if (!h[i])
            continue;
        size_t k = layouts;
        while (k > 0 && !same_layout(first[k - 1], h[i]))
            k--;
        if (k == 0) {
            first[layouts++] = h[i];
            k = layouts;
        }
        layout[i] = (int64_t)k;
    }
    chunk_int_encode(layout, n, out);
    chunk_int_encode(reset, n, out);
    buf_put_varint(out, layouts);
    struct group *g = mem_new(sizeof *g);
    int err = 0;
    for (size_t k = 1; k <= layouts && !err; k++) {
        put_layout(out, first[k - 1]);
        g->n = 0;
        for (size_t i = 0; i < n; i++)
            if (layout[i] == (int64_t)k)
                g->h[g->n++] = h[i];
        err = put_group(out, g);
    }
    mem_free(g);
    return err ? err : buf_failed(out) ? -ERR_LIMIT : 0;
}

struct cursor {
    const uint8_t *p, *end;
    struct arena *a;
};

static bool get(struct cursor *c, uint64_t *ret)
{
    const uint8_t *next = varint_get(c->p, c->end, ret);
    if (next)
        c->p = next;
    return next != NULL;
}

static bool get_double(struct cursor *c, double *ret)
{
    if (c->end - c->p < 8)
        return false;
    *ret = bits_double(load64(c->p));
    c->p += 8;
    return true;
}

static bool get_spans(struct cursor *c, const struct histogram_span **ret, uint32_t *ret_n,
                      uint32_t *ret_buckets)
{
    uint64_t n, offset, length, buckets;
    if (!get(c, &n) || n > SPANS_MAX || n > (uint64_t)(c->end - c->p))
        return false;
    struct histogram_span *s = arena_array(c->a, n + 1, sizeof *s);
    for (uint64_t i = 0; i < n; i++) {
        if (!get(c, &offset) || !get(c, &length) || length > UINT32_MAX)
            return false;
        int64_t o = unzigzag(offset);
        if (o < INT32_MIN || o > INT32_MAX)
            return false;
        s[i] = (struct histogram_span){(int32_t)o, (uint32_t)length};
    }
    if (!get(c, &buckets) || buckets > HISTOGRAM_BUCKETS_MAX)
        return false;
    *ret = n ? s : NULL;
    *ret_n = (uint32_t)n;
    *ret_buckets = (uint32_t)buckets;
    return true;
}

static bool get_layout(struct cursor *c, struct histogram *h)
{
    uint64_t schema, is_float, custom;
    if (!get(c, &schema) || !get(c, &is_float) || is_float > 1 ||
        !get_double(c, &h->zero_threshold))
        return false;
    int64_t s = unzigzag(schema);
    if (s < INT32_MIN || s > INT32_MAX)
        return false;
    h->schema = (int32_t)s;
    h->is_float = is_float;
    if (!get_spans(c, &h->positive_spans, &h->positive_spans_n, &h->positive_n) ||
        !get_spans(c, &h->negative_spans, &h->negative_spans_n, &h->negative_n))
        return false;
    if (!get(c, &custom) || custom > HISTOGRAM_BUCKETS_MAX ||
        custom * 8 > (uint64_t)(c->end - c->p))
        return false;
    double *bounds = arena_array(c->a, custom + 1, sizeof *bounds);
    for (uint64_t i = 0; i < custom; i++)
        if (!get_double(c, &bounds[i]))
            return false;
    h->custom_bounds = custom ? bounds : NULL;
    h->custom_n = (uint32_t)custom;
    return true;
}

static bool get_column(struct cursor *c, size_t n, double *column)
{
    size_t used;
    if (chunk_decode(c->p, (size_t)(c->end - c->p), n, column, &used))
        return false;
    c->p += used;
    return true;
}

/* All histograms h[n] of one layout. */
static bool get_group(struct cursor *c, struct histogram **h, size_t n)
{
    struct histogram like = {0};
    double column[CHUNK_MAX];
    if (!n || !get_layout(c, &like))
        return false;
    size_t buckets = like.positive_n + (size_t)like.negative_n;
    /* A column has at least three bytes: no huge allocation for a few bytes of input. */
    if (buckets * 3 > (size_t)(c->end - c->p))
        return false;
    for (size_t i = 0; i < n; i++) {
        uint8_t reset = h[i]->reset;
        double *counts = arena_array(c->a, buckets + 1, sizeof *counts);
        *h[i] = like;
        h[i]->reset = reset;
        h[i]->positive = like.positive_n ? counts : NULL;
        h[i]->negative = like.negative_n ? counts + like.positive_n : NULL;
    }
    for (size_t k = 0; k < 3 + buckets; k++) {
        if (!get_column(c, n, column))
            return false;
        for (size_t i = 0; i < n; i++) {
            if (k == 0)
                h[i]->count = column[i];
            else if (k == 1)
                h[i]->sum = column[i];
            else if (k == 2)
                h[i]->zero_count = column[i];
            else if (k - 3 < like.positive_n)
                ((double *)(uintptr_t)h[i]->positive)[k - 3] = column[i];
            else
                ((double *)(uintptr_t)h[i]->negative)[k - 3 - like.positive_n] = column[i];
        }
    }
    return true;
}

static bool get_all(struct cursor *c, const int64_t *layout, struct histogram **h, size_t n)
{
    uint64_t layouts;
    if (!get(c, &layouts) || layouts > n)
        return false;
    for (uint64_t k = 1; k <= layouts; k++) {
        struct histogram *of[CHUNK_MAX];
        size_t m = 0;
        for (size_t i = 0; i < n; i++)
            if (layout[i] == (int64_t)k)
                of[m++] = h[i];
        if (!get_group(c, of, m))
            return false;
    }
    for (size_t i = 0; i < n; i++)
        if (layout[i] < 0 || layout[i] > (int64_t)layouts)
            return false;
    return true;
}

static bool get_integers(struct cursor *c, size_t n, int64_t *x)
{
    size_t used;
    if (chunk_int_decode_copy(c->p, (size_t)(c->end - c->p), n, x, &used))
        return false;
    c->p += used;
    return true;
}

int chunk_histogram_decode(const void *p, size_t len, size_t n, struct arena *a,
                           const struct histogram **ret, size_t *ret_used)
{
    struct cursor c = {p, (const uint8_t *)p + len, a};
    int64_t layout[CHUNK_MAX + CHUNK_INT_BLOCK], reset[CHUNK_MAX + CHUNK_INT_BLOCK];
    struct histogram *h[CHUNK_MAX];
    if (n < 1 || n > CHUNK_MAX || !get_integers(&c, n, layout) || !get_integers(&c, n, reset))
        return -ERR_FORMAT;
    for (size_t i = 0; i < n; i++) {
        h[i] = layout[i] ? arena_new(a, sizeof **h) : NULL;
        if (h[i])
            h[i]->reset = (uint8_t)reset[i];
    }
    if (!get_all(&c, layout, h, n))
        return -ERR_FORMAT;
    for (size_t i = 0; i < n; i++)
        ret[i] = h[i];
    if (ret_used)
        *ret_used = (size_t)(c.p - (const uint8_t *)p);
    return 0;
}
