#include "query/promql/promql_histogram.h"

#include <math.h>
#include <string.h>

struct histogram *promql_histogram_scale(struct engine *e, const struct histogram *h, double f)
{
    struct histogram *r = arena_new(e->arena, sizeof *r);
    *r = *h;
    r->is_float = true;
    double *p = arena_array(e->arena, h->positive_n + 1, sizeof *p);
    double *q = arena_array(e->arena, h->negative_n + 1, sizeof *q);
    for (uint32_t i = 0; i < h->positive_n; i++)
        p[i] = h->positive[i] * f;
    for (uint32_t i = 0; i < h->negative_n; i++)
        q[i] = h->negative[i] * f;
    struct histogram_span *ps = arena_array(e->arena, h->positive_spans_n + 1, sizeof *ps);
    struct histogram_span *ns = arena_array(e->arena, h->negative_spans_n + 1, sizeof *ns);
    double *bounds = arena_array(e->arena, h->custom_n + 1, sizeof *bounds);
    if (h->positive_spans_n)
        memcpy(ps, h->positive_spans, h->positive_spans_n * sizeof *ps);
    if (h->negative_spans_n)
        memcpy(ns, h->negative_spans, h->negative_spans_n * sizeof *ns);
    if (h->custom_n)
        memcpy(bounds, h->custom_bounds, h->custom_n * sizeof *bounds);
    r->positive_spans = ps;
    r->negative_spans = ns;
    r->custom_bounds = h->custom_n ? bounds : NULL;
    r->positive = p;
    r->negative = q;
    r->count *= f;
    r->sum *= f;
    r->zero_count *= f;
    if (f < 0)
        r->reset = HISTOGRAM_RESET_GAUGE;
    return r;
}

static void add_side(struct engine *e, struct promql_side *to, const struct promql_side *from,
                     double sign)
{
    promql_side_cover(e, to, from->first, from->n);
    for (size_t i = 0; i < from->n; i++) {
        size_t at = (size_t)(from->first - to->first) + i;
        if (at < to->n)
            to->v[at] += sign * from->v[i];
    }
}

static void add_custom(struct engine *e, const struct histogram *a, const struct histogram *b,
                       double sign, struct histogram *r, unsigned *notes)
{
    struct promql_side x = promql_side_of(e, a->positive_spans, a->positive_spans_n, a->positive);
    struct promql_side y = promql_side_of(e, b->positive_spans, b->positive_spans_n, b->positive);
    r->custom_bounds = a->custom_bounds;
    r->custom_n = a->custom_n;
    if (!promql_bounds_same(a->custom_bounds, a->custom_n, b->custom_bounds, b->custom_n)) {
        *notes |= NOTE_RECONCILED;
        r->custom_bounds = promql_bounds_common(e, a->custom_bounds, a->custom_n, b->custom_bounds,
                                                b->custom_n, &r->custom_n);
        promql_side_remap(e, &x, a->custom_bounds, a->custom_n, r->custom_bounds, r->custom_n);
        promql_side_remap(e, &y, b->custom_bounds, b->custom_n, r->custom_bounds, r->custom_n);
    }
    add_side(e, &x, &y, sign);
    r->schema = HISTOGRAM_SCHEMA_CUSTOM;
    promql_side_put(e, &x, &r->positive_spans, &r->positive_spans_n, &r->positive, &r->positive_n);
}

struct histogram *promql_histogram_add(struct engine *e, const struct histogram *a,
                                       const struct histogram *b, double sign, unsigned *notes)
{
    bool custom = a->schema == HISTOGRAM_SCHEMA_CUSTOM;
    if (custom != (b->schema == HISTOGRAM_SCHEMA_CUSTOM)) {
        *notes |= NOTE_MIXED_SCHEMAS;
        return NULL;
    }
    struct histogram *r = arena_new(e->arena, sizeof *r);
    r->is_float = true;
    r->reset = promql_reset_of_sum(a->reset, b->reset, notes);
    r->count = a->count + sign * b->count;
    r->sum = a->sum + sign * b->sum;
    if (custom) {
        add_custom(e, a, b, sign, r, notes);
        return r;
    }
    struct promql_dense x, y;
    promql_dense_of(e, a, &x);
    promql_dense_of(e, b, &y);
    promql_dense_zero(&x, &y);
    promql_dense_meet(e, &x, &y);
    r->schema = x.schema;
    r->zero_threshold = x.zero_threshold;
    r->zero_count = x.zero + x.zero_c + sign * (y.zero + y.zero_c);
    add_side(e, &x.positive, &y.positive, sign);
    add_side(e, &x.negative, &y.negative, sign);
    promql_side_put(e, &x.positive, &r->positive_spans, &r->positive_spans_n, &r->positive,
                    &r->positive_n);
    promql_side_put(e, &x.negative, &r->negative_spans, &r->negative_spans_n, &r->negative,
                    &r->negative_n);
    return r;
}

/* The filled buckets of a side, one after the other, without memory. */
struct filled {
    const struct histogram_span *spans;
    uint32_t n, at, in;
    const double *count;
    int64_t next; /* index of *count */
    int64_t index;
    double v;
};

static struct filled filled_of(const struct histogram_span *spans, uint32_t n, const double *counts)
{
    return (struct filled){
        .spans = spans, .n = n, .count = counts, .next = n ? spans[0].offset : 0};
}

static bool filled_next(struct filled *f)
{
    while (f->at < f->n) {
        if (f->in == f->spans[f->at].length) {
            f->in = 0;
            if (++f->at < f->n)
                f->next += f->spans[f->at].offset;
            continue;
        }
        f->index = f->next++;
        f->v = *f->count++;
        f->in++;
        if (f->v != 0)
            return true;
    }
    return false;
}

/* Did a bucket of a side with the same bounds fall? */
static bool buckets_fell(const struct histogram_span *now, uint32_t now_n, const double *now_counts,
                         const struct histogram_span *before, uint32_t before_n,
                         const double *before_counts)
{
    struct filled x = filled_of(now, now_n, now_counts);
    struct filled y = filled_of(before, before_n, before_counts);
    bool more = filled_next(&x);
    while (filled_next(&y)) {
        while (more && x.index < y.index)
            more = filled_next(&x);
        double v = more && x.index == y.index ? x.v : 0;
        if (y.v > v)
            return true;
    }
    return false;
}

static bool fell_alike(const struct histogram *now, const struct histogram *before)
{
    return buckets_fell(now->positive_spans, now->positive_spans_n, now->positive,
                        before->positive_spans, before->positive_spans_n, before->positive) ||
           buckets_fell(now->negative_spans, now->negative_spans_n, now->negative,
                        before->negative_spans, before->negative_spans_n, before->negative);
}

static bool side_fell(const struct promql_side *now, const struct promql_side *before)
{
    for (size_t i = 0; i < before->n; i++) {
        int64_t at = before->first + (int64_t)i - now->first;
        double v = at >= 0 && at < (int64_t)now->n ? now->v[at] : 0;
        if (before->v[i] > v)
            return true;
    }
    return false;
}

/* Buckets with other bounds are no reset by themselves: those that both have decide. */
static bool custom_fell(struct engine *e, const struct histogram *now,
                        const struct histogram *before)
{
    const double *a = now->custom_bounds, *b = before->custom_bounds;
    if (promql_bounds_same(a, now->custom_n, b, before->custom_n))
        return fell_alike(now, before);
    struct promql_side x =
        promql_side_of(e, now->positive_spans, now->positive_spans_n, now->positive);
    struct promql_side y =
        promql_side_of(e, before->positive_spans, before->positive_spans_n, before->positive);
    uint32_t n;
    const double *common = promql_bounds_common(e, a, now->custom_n, b, before->custom_n, &n);
    promql_side_remap(e, &x, a, now->custom_n, common, n);
    promql_side_remap(e, &y, b, before->custom_n, common, n);
    return side_fell(&x, &y);
}

bool promql_histogram_reset(struct engine *e, const struct histogram *now,
                            const struct histogram *before)
{
    if (now->reset == HISTOGRAM_RESET_YES)
        return true;
    if (now->reset == HISTOGRAM_RESET_NO)
        return false;
    bool custom = now->schema == HISTOGRAM_SCHEMA_CUSTOM;
    if (now->count < before->count || custom != (before->schema == HISTOGRAM_SCHEMA_CUSTOM))
        return true;
    if (custom)
        return custom_fell(e, now, before);
    if (now->schema > before->schema || now->zero_threshold < before->zero_threshold)
        return true;
    if (now->schema == before->schema && now->zero_threshold == before->zero_threshold)
        return now->zero_count < before->zero_count || fell_alike(now, before);
    struct promql_dense x, y;
    promql_dense_of(e, now, &x);
    promql_dense_of(e, before, &y);
    if (y.zero_threshold < x.zero_threshold &&
        promql_dense_widen(&y, x.zero_threshold) != x.zero_threshold)
        return true;
    promql_dense_meet(e, &x, &y);
    return x.zero < y.zero + y.zero_c || side_fell(&x.positive, &y.positive) ||
           side_fell(&x.negative, &y.negative);
}

/* Do both have the same count in every bucket? Empty ones need not be there. */
static bool same_buckets(const struct histogram_span *as, uint32_t an, const double *a,
                         const struct histogram_span *bs, uint32_t bn, const double *b)
{
    struct filled x = filled_of(as, an, a), y = filled_of(bs, bn, b);
    for (;;) {
        bool more_x = filled_next(&x), more_y = filled_next(&y);
        if (!more_x || !more_y)
            return more_x == more_y;
        if (x.index != y.index || x.v != y.v)
            return false;
    }
}

static bool same_bits(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

bool promql_histogram_equal(const struct histogram *a, const struct histogram *b)
{
    if (a->schema != b->schema || !same_bits(a->count, b->count) || !same_bits(a->sum, b->sum))
        return false;
    if (a->schema == HISTOGRAM_SCHEMA_CUSTOM) {
        if (!promql_bounds_same(a->custom_bounds, a->custom_n, b->custom_bounds, b->custom_n))
            return false;
    } else if (a->zero_threshold != b->zero_threshold || !same_bits(a->zero_count, b->zero_count)) {
        return false;
    }
    return same_buckets(a->positive_spans, a->positive_spans_n, a->positive, b->positive_spans,
                        b->positive_spans_n, b->positive) &&
           same_buckets(a->negative_spans, a->negative_spans_n, a->negative, b->negative_spans,
                        b->negative_spans_n, b->negative);
}

/* --- buckets one by one ----------------------------------------------------------------------- */

struct bucket {
    double lower, upper, count;
    bool zero, negative;
};

/* Calls f for every filled bucket in ascending order until it returns false. */
static void walk(const struct histogram *h, bool (*f)(void *, const struct bucket *), void *context)
{
    bool custom = h->schema == HISTOGRAM_SCHEMA_CUSTOM;
    int64_t index = 0;
    for (uint32_t i = 0; i < h->negative_spans_n; i++)
        index += h->negative_spans[i].offset + (int64_t)h->negative_spans[i].length;
    size_t at = h->negative_n;
    for (uint32_t i = h->negative_spans_n; i-- > 0;) {
        for (uint32_t k = h->negative_spans[i].length; k-- > 0;) {
            index--;
            struct bucket b = {-promql_bucket_bound(h, index), -promql_bucket_bound(h, index - 1),
                               h->negative[--at], false, true};
            if (b.count != 0 && !f(context, &b))
                return;
        }
        index -= h->negative_spans[i].offset;
    }
    if (h->zero_count != 0) {
        struct bucket b = {-h->zero_threshold, h->zero_threshold, h->zero_count, true, false};
        if (h->negative_n == 0 && h->positive_n > 0)
            b.lower = 0;
        else if (h->positive_n == 0 && h->negative_n > 0)
            b.upper = 0;
        if (!f(context, &b))
            return;
    }
    index = 0;
    at = 0;
    for (uint32_t i = 0; i < h->positive_spans_n; i++) {
        index += h->positive_spans[i].offset;
        for (uint32_t k = 0; k < h->positive_spans[i].length; k++, index++) {
            struct bucket b = {.count = h->positive[at++]};
            if (custom) {
                b.lower = index == 0 ? -INFINITY : h->custom_bounds[index - 1];
                b.upper = index < (int64_t)h->custom_n ? h->custom_bounds[index] : INFINITY;
            } else {
                b.lower = promql_bucket_bound(h, index - 1);
                b.upper = promql_bucket_bound(h, index);
            }
            if (b.count != 0 && !f(context, &b))
                return;
        }
    }
}

struct print_walk {
    const struct histogram *h;
    struct buf *out;
};

static bool print_step(void *context, const struct bucket *b)
{
    const struct print_walk *w = context;
    bool custom = w->h->schema == HISTOGRAM_SCHEMA_CUSTOM;
    bool low = custom ? isinf(b->lower) : b->zero || b->lower < 0;
    bool high = custom || b->zero || b->upper > 0;
    buf_put_str(w->out, low ? STR(", [") : STR(", ("));
    promql_number_short(b->zero ? -w->h->zero_threshold : b->lower, w->out);
    buf_put_str(w->out, STR(","));
    promql_number_short(b->zero ? w->h->zero_threshold : b->upper, w->out);
    buf_put_str(w->out, high ? STR("]:") : STR("):"));
    promql_number_short(b->count, w->out);
    return true;
}

void promql_histogram_print(const struct histogram *h, struct buf *out)
{
    struct print_walk w = {h, out};
    buf_put_str(out, STR("{count:"));
    promql_number_short(h->count, out);
    buf_put_str(out, STR(", sum:"));
    promql_number_short(h->sum, out);
    walk(h, print_step, &w);
    buf_put_str(out, STR("}"));
}

struct quantile_walk {
    double rank, seen;
    struct bucket at;
};

static bool quantile_step(void *context, const struct bucket *b)
{
    struct quantile_walk *w = context;
    w->seen += b->count;
    w->at = *b;
    return w->seen < w->rank;
}

/* From the top: the lowest bucket above which less than rank lies. */
struct reverse_walk {
    struct bucket v[HISTOGRAM_BUCKETS_MAX + 1];
    size_t n;
};

static bool reverse_step(void *context, const struct bucket *b)
{
    struct reverse_walk *w = context;
    w->v[w->n++] = *b;
    return w->n < COUNTOF(w->v);
}

static double within(const struct histogram *h, struct bucket b, double part)
{
    if (h->schema == HISTOGRAM_SCHEMA_CUSTOM || (b.lower <= 0 && b.upper >= 0))
        return b.lower + (b.upper - b.lower) * part;
    double l = log2(fabs(b.lower)), u = log2(fabs(b.upper));
    return b.lower > 0 ? exp2(l + (u - l) * part) : -exp2(u + (l - u) * (1 - part));
}

double promql_histogram_quantile(const struct histogram *h, double q)
{
    if (isnan(q))
        return NAN;
    if (q < 0 || q > 1)
        return q < 0 ? -INFINITY : INFINITY;
    if (h->count == 0)
        return NAN;
    bool forward = isnan(h->sum) || q < 0.5;
    struct quantile_walk w = {.rank = (forward ? q : 1 - q) * h->count};
    if (forward) {
        walk(h, quantile_step, &w);
    } else {
        struct reverse_walk *all = mem_new(sizeof *all);
        walk(h, reverse_step, all);
        for (size_t i = all->n; i-- > 0;) {
            if (!quantile_step(&w, &all->v[i]))
                break;
        }
        mem_free(all);
    }
    struct bucket b = w.at;
    if (h->schema == HISTOGRAM_SCHEMA_CUSTOM) {
        if (isinf(b.lower) && b.lower < 0) {
            if (b.upper <= 0)
                return b.upper;
            b.lower = 0;
        } else if (isinf(b.upper)) {
            return b.lower;
        }
    }
    double seen = fmin(w.seen, h->count);
    if (seen < w.rank)
        return isnan(h->sum) ? NAN : b.upper;
    double part = forward ? w.rank - (seen - b.count) : seen - w.rank;
    return within(h, b, part / b.count);
}

struct fraction_walk {
    const struct histogram *h;
    double value, below;
};

static bool fraction_step(void *context, const struct bucket *b)
{
    struct fraction_walk *w = context;
    if (b->upper <= w->value) {
        w->below += b->count;
        return true;
    }
    if (b->lower >= w->value)
        return false;
    bool custom = w->h->schema == HISTOGRAM_SCHEMA_CUSTOM;
    double lower = custom && isinf(b->lower) && b->upper > 0 ? 0 : b->lower;
    double part;
    if (isinf(lower) || isinf(b->upper) || w->value <= lower)
        part = isinf(lower) && !isinf(b->upper) ? 1 : 0;
    else if (custom || b->zero)
        part = (w->value - lower) / (b->upper - lower);
    else
        part =
            (log2(fabs(w->value)) - log2(fabs(lower))) / (log2(fabs(b->upper)) - log2(fabs(lower)));
    w->below += b->count * part;
    return false;
}

double promql_histogram_fraction(const struct histogram *h, double lower, double upper)
{
    if (h->count == 0 || isnan(lower) || isnan(upper))
        return NAN;
    if (lower >= upper)
        return 0;
    struct fraction_walk l = {h, lower, 0}, u = {h, upper, 0};
    if (!isinf(lower))
        walk(h, fraction_step, &l);
    if (isinf(upper) && upper > 0) {
        u.value = INFINITY;
        double total = h->zero_count;
        for (uint32_t i = 0; i < h->positive_n; i++)
            total += h->positive[i];
        for (uint32_t i = 0; i < h->negative_n; i++)
            total += h->negative[i];
        u.below = total;
    } else {
        walk(h, fraction_step, &u);
    }
    return (u.below - l.below) / h->count;
}

struct variance_walk {
    const struct histogram *h;
    double mean, sum, c;
};

static bool variance_step(void *context, const struct bucket *b)
{
    struct variance_walk *w = context;
    double middle;
    if (w->h->schema == HISTOGRAM_SCHEMA_CUSTOM) {
        middle = isinf(b->lower)   ? b->upper
                 : isinf(b->upper) ? b->lower
                                   : (b->lower + b->upper) / 2;
        if (isinf(b->lower) && b->upper > 0)
            middle = b->upper / 2;
    } else if (b->zero) {
        middle = 0;
    } else {
        middle = sqrt(b->upper * b->lower);
        if (b->negative)
            middle = -middle;
    }
    double delta = middle - w->mean;
    promql_sum_add(b->count * delta * delta, &w->sum, &w->c);
    return true;
}

double promql_histogram_variance(const struct histogram *h)
{
    struct variance_walk w = {h, h->sum / h->count, 0, 0};
    walk(h, variance_step, &w);
    return (w.sum + w.c) / h->count;
}
