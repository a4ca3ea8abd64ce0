/* Native histograms with every bucket between the first and the last: what adding, comparing and
 * reading them in coarser buckets need. */
#include "query/promql/promql_histogram.h"

#include <math.h>
#include <string.h>

enum { DENSE_MAX = 1 << 20 }; /* buckets of one side when all between first and last are there */

double promql_bucket_bound(const struct histogram *h, int64_t index)
{
    if (h->schema != HISTOGRAM_SCHEMA_CUSTOM)
        return exp2(ldexp((double)index, -h->schema));
    if (index < 0)
        return -INFINITY;
    return index < (int64_t)h->custom_n ? h->custom_bounds[index] : INFINITY;
}

static double bound_of(int64_t index, int schema)
{
    return exp2(ldexp((double)index, -schema));
}

struct promql_side promql_side_of(struct engine *e, const struct histogram_span *spans,
                                  uint32_t spans_n, const double *counts)
{
    struct promql_side s = {0};
    int64_t index = 0, last = -1;
    bool any = false;
    for (uint32_t i = 0; i < spans_n; i++) {
        index += spans[i].offset;
        if (spans[i].length && !any) {
            s.first = index;
            any = true;
        }
        index += spans[i].length;
        last = spans[i].length ? index - 1 : last;
    }
    if (!any)
        return s;
    s.n = (size_t)MIN(last - s.first + 1, DENSE_MAX);
    s.v = arena_array(e->arena, s.n, sizeof *s.v);
    index = 0;
    for (uint32_t i = 0, at = 0; i < spans_n; i++) {
        index += spans[i].offset;
        for (uint32_t k = 0; k < spans[i].length; k++, index++, at++) {
            if (index - s.first < (int64_t)s.n)
                s.v[index - s.first] = counts[at];
        }
    }
    return s;
}

void promql_side_put(struct engine *e, const struct promql_side *s,
                     const struct histogram_span **spans, uint32_t *spans_n, const double **counts,
                     uint32_t *counts_n)
{
    struct histogram_span *out = arena_array(e->arena, s->n + 1, sizeof *out);
    double *v = arena_array(e->arena, s->n + 1, sizeof *v);
    uint32_t n = 0, m = 0;
    int64_t next = 0;
    for (size_t i = 0; i < s->n; i++) {
        if (s->v[i] == 0)
            continue;
        int64_t index = s->first + (int64_t)i;
        if (m == 0 || index != next)
            out[m++] = (struct histogram_span){(int32_t)(index - next), 0};
        out[m - 1].length++;
        next = index + 1;
        v[n++] = s->v[i];
    }
    *spans = out;
    *spans_n = m;
    *counts = v;
    *counts_n = n;
}

void promql_side_reduce(struct engine *e, struct promql_side *s, unsigned shift)
{
    if (s->n == 0 || shift == 0)
        return;
    int64_t first = ((s->first - 1) >> shift) + 1;
    int64_t last = ((s->first + (int64_t)s->n - 2) >> shift) + 1;
    struct promql_side to = {.first = first, .n = (size_t)(last - first + 1)};
    to.v = arena_array(e->arena, to.n, sizeof *to.v);
    if (s->c)
        to.c = arena_array(e->arena, to.n, sizeof *to.c);
    for (size_t i = 0; i < s->n; i++) {
        size_t at = (size_t)(((s->first + (int64_t)i - 1) >> shift) + 1 - first);
        if (!s->c) {
            to.v[at] += s->v[i];
            continue;
        }
        promql_sum_add(s->v[i], &to.v[at], &to.c[at]);
        promql_sum_add(s->c[i], &to.v[at], &to.c[at]);
    }
    *s = to;
}

void promql_side_cover(struct engine *e, struct promql_side *s, int64_t first, size_t n)
{
    if (n == 0 || (s->n && first >= s->first && first + (int64_t)n <= s->first + (int64_t)s->n))
        return;
    int64_t end = first + (int64_t)n;
    if (s->n) {
        first = MIN(first, s->first);
        end = MAX(end, s->first + (int64_t)s->n);
    }
    struct promql_side to = {.first = first, .n = (size_t)MIN(end - first, DENSE_MAX)};
    size_t at = s->n ? (size_t)(s->first - first) : 0;
    size_t copied = at < to.n ? MIN(s->n, to.n - at) : 0;
    to.v = arena_array(e->arena, to.n, sizeof *to.v);
    to.c = s->c ? arena_array(e->arena, to.n, sizeof *to.c) : NULL;
    if (copied)
        memcpy(to.v + at, s->v, copied * sizeof *to.v);
    if (copied && s->c)
        memcpy(to.c + at, s->c, copied * sizeof *to.c);
    *s = to;
}

void promql_dense_of(struct engine *e, const struct histogram *h, struct promql_dense *ret)
{
    *ret = (struct promql_dense){
        .schema = h->schema,
        .zero_threshold = h->zero_threshold,
        .zero = h->zero_count,
        .positive = promql_side_of(e, h->positive_spans, h->positive_spans_n, h->positive),
        .negative = promql_side_of(e, h->negative_spans, h->negative_spans_n, h->negative)};
}

double promql_dense_widen(struct promql_dense *d, double threshold)
{
    struct promql_side *sides[] = {&d->positive, &d->negative};
    for (int k = 0; k < 2; k++) {
        struct promql_side *s = sides[k];
        for (size_t i = 0; i < s->n; i++) {
            int64_t index = s->first + (int64_t)i;
            if (bound_of(index - 1, d->schema) >= threshold)
                break;
            double lacks = s->c ? s->c[i] : 0;
            if (s->v[i] == 0 && lacks == 0)
                continue;
            double upper = bound_of(index, d->schema);
            if (upper > threshold) {
                threshold = upper;
                k = -1; /* the other side may reach below it now */
            }
            promql_sum_add(s->v[i], &d->zero, &d->zero_c);
            promql_sum_add(lacks, &d->zero, &d->zero_c);
            s->v[i] = 0;
            if (s->c)
                s->c[i] = 0;
        }
    }
    d->zero_threshold = threshold;
    return threshold;
}

void promql_dense_zero(struct promql_dense *a, struct promql_dense *b)
{
    while (a->zero_threshold < b->zero_threshold || b->zero_threshold < a->zero_threshold) {
        if (a->zero_threshold < b->zero_threshold)
            promql_dense_widen(a, b->zero_threshold);
        else
            promql_dense_widen(b, a->zero_threshold);
    }
}

void promql_dense_meet(struct engine *e, struct promql_dense *a, struct promql_dense *b)
{
    struct promql_dense *fine = a->schema > b->schema ? a : b, *coarse = fine == a ? b : a;
    unsigned shift = (unsigned)(fine->schema - coarse->schema);
    promql_side_reduce(e, &fine->positive, shift);
    promql_side_reduce(e, &fine->negative, shift);
    fine->schema = coarse->schema;
}

bool promql_bounds_same(const double *a, size_t a_n, const double *b, size_t b_n)
{
    return a_n == b_n && (a_n == 0 || memcmp(a, b, a_n * sizeof *a) == 0);
}

const double *promql_bounds_common(struct engine *e, const double *a, size_t a_n, const double *b,
                                   size_t b_n, uint32_t *ret_n)
{
    double *v = arena_array(e->arena, a_n + 1, sizeof *v);
    uint32_t n = 0;
    for (size_t i = 0, k = 0; i < a_n; i++) {
        while (k < b_n && b[k] < a[i])
            k++;
        if (k < b_n && b[k] == a[i])
            v[n++] = a[i];
    }
    *ret_n = n;
    return v;
}

void promql_side_remap(struct engine *e, struct promql_side *s, const double *from, size_t from_n,
                       const double *to, size_t to_n)
{
    struct promql_side r = {.n = to_n + 1};
    r.v = arena_array(e->arena, r.n, sizeof *r.v);
    r.c = s->c ? arena_array(e->arena, r.n, sizeof *r.c) : NULL;
    size_t at = 0;
    for (size_t i = 0; i < s->n; i++) {
        int64_t index = s->first + (int64_t)i;
        if (index < 0 || index >= (int64_t)from_n)
            at = to_n;
        while (at < to_n && to[at] < from[index])
            at++;
        if (!s->c) {
            r.v[at] += s->v[i];
            continue;
        }
        promql_sum_add(s->v[i], &r.v[at], &r.c[at]);
        promql_sum_add(s->c[i], &r.v[at], &r.c[at]);
    }
    *s = r;
}

uint8_t promql_reset_of_sum(uint8_t a, uint8_t b, unsigned *notes)
{
    if (a == b)
        return a;
    if (a == HISTOGRAM_RESET_GAUGE || b == HISTOGRAM_RESET_GAUGE)
        return HISTOGRAM_RESET_GAUGE;
    if (a != HISTOGRAM_RESET_UNKNOWN && b != HISTOGRAM_RESET_UNKNOWN)
        *notes |= NOTE_RESET_CONFLICT;
    return HISTOGRAM_RESET_UNKNOWN;
}
