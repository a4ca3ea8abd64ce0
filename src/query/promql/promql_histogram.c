#include "query/promql/promql_engine.h"

#include <math.h>
#include <string.h>

enum { DENSE_MAX = 1 << 20 }; /* buckets of one side when all between first and last are there */

/* One side with every bucket between its first and last index. */
struct side {
    int64_t first;
    size_t n;
    double *v;
};

static struct side side_of(struct engine *e, const struct histogram_span *spans, uint32_t spans_n,
                           const double *counts, unsigned shift)
{
    struct side s = {0};
    int64_t index = 0, last = 0;
    bool any = false;
    for (int pass = 0; pass < 2; pass++) {
        size_t at = 0;
        index = 0;
        for (uint32_t i = 0; i < spans_n; i++) {
            index += spans[i].offset;
            for (uint32_t k = 0; k < spans[i].length; k++, index++, at++) {
                int64_t to = shift ? ((index - 1) >> shift) + 1 : index;
                if (pass == 0) {
                    s.first = any ? MIN(s.first, to) : to;
                    last = any ? MAX(last, to) : to;
                    any = true;
                } else if (to - s.first < (int64_t)s.n) {
                    s.v[to - s.first] += counts[at];
                }
            }
        }
        if (!any)
            return s;
        if (pass == 0) {
            s.n = (size_t)MIN(last - s.first + 1, DENSE_MAX);
            s.v = arena_array(e->arena, s.n, sizeof *s.v);
        }
    }
    return s;
}

/* Spans and counts of what is not zero. */
static void side_put(struct engine *e, const struct side *s, const struct histogram_span **spans,
                     uint32_t *spans_n, const double **counts, uint32_t *counts_n)
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

static double exponential_bound(int64_t index, int schema)
{
    return exp2(ldexp((double)index, -schema));
}

static bool same_bounds(const struct histogram *a, const struct histogram *b)
{
    return a->custom_n == b->custom_n &&
           (a->custom_n == 0 ||
            memcmp(a->custom_bounds, b->custom_bounds, a->custom_n * sizeof(double)) == 0);
}

/* A histogram that can be added to: sides are dense. */
struct work {
    struct side positive, negative;
    double zero_threshold, zero_count;
};

static struct work work_of(struct engine *e, const struct histogram *h, int schema)
{
    unsigned shift = (unsigned)(h->schema - schema);
    return (struct work){side_of(e, h->positive_spans, h->positive_spans_n, h->positive, shift),
                         side_of(e, h->negative_spans, h->negative_spans_n, h->negative, shift),
                         h->zero_threshold, h->zero_count};
}

/* Takes the buckets at or below the threshold into the zero bucket; the threshold grows where it
 * would cut a filled bucket. */
static double widen_zero(struct work *w, double threshold, int schema)
{
    struct side *sides[] = {&w->positive, &w->negative};
    for (int k = 0; k < 2; k++) {
        for (size_t i = 0; i < sides[k]->n; i++) {
            int64_t index = sides[k]->first + (int64_t)i;
            double upper = exponential_bound(index, schema);
            double lower = exponential_bound(index - 1, schema);
            if (lower >= threshold || sides[k]->v[i] == 0)
                continue;
            if (upper > threshold)
                threshold = upper;
            w->zero_count += sides[k]->v[i];
            sides[k]->v[i] = 0;
        }
    }
    w->zero_threshold = threshold;
    return threshold;
}

static struct side add_sides(struct engine *e, const struct side *a, const struct side *b,
                             double sign)
{
    struct side s = {0};
    if (a->n + b->n == 0)
        return s;
    int64_t first = !a->n ? b->first : !b->n ? a->first : MIN(a->first, b->first);
    int64_t a_end = a->n ? a->first + (int64_t)a->n : first;
    int64_t b_end = b->n ? b->first + (int64_t)b->n : first;
    s.first = first;
    s.n = (size_t)MIN(MAX(a_end, b_end) - first, DENSE_MAX);
    s.v = arena_array(e->arena, s.n + 1, sizeof *s.v);
    for (size_t i = 0; i < a->n && (size_t)(a->first - first) + i < s.n; i++)
        s.v[(size_t)(a->first - first) + i] += a->v[i];
    for (size_t i = 0; i < b->n && (size_t)(b->first - first) + i < s.n; i++)
        s.v[(size_t)(b->first - first) + i] += sign * b->v[i];
    return s;
}

/* The side of a histogram with custom bounds, told in fewer bounds. */
static struct side remap(struct engine *e, const struct histogram *h, const double *bounds,
                         uint32_t n)
{
    struct side from = side_of(e, h->positive_spans, h->positive_spans_n, h->positive, 0);
    struct side to = {0, n + 1, arena_array(e->arena, n + 2, sizeof(double))};
    for (size_t i = 0; i < from.n; i++) {
        int64_t index = from.first + (int64_t)i;
        uint32_t k = 0;
        double upper = index < (int64_t)h->custom_n ? h->custom_bounds[index] : INFINITY;
        while (k < n && bounds[k] < upper)
            k++;
        to.v[k] += from.v[i];
    }
    return to;
}

static uint8_t reset_of_sum(const struct histogram *a, const struct histogram *b, double sign,
                            unsigned *notes)
{
    if (a->reset == HISTOGRAM_RESET_GAUGE || b->reset == HISTOGRAM_RESET_GAUGE || sign < 0)
        return sign < 0 || a->reset == HISTOGRAM_RESET_GAUGE || b->reset == HISTOGRAM_RESET_GAUGE
                   ? HISTOGRAM_RESET_GAUGE
                   : HISTOGRAM_RESET_UNKNOWN;
    bool yes = a->reset == HISTOGRAM_RESET_YES || b->reset == HISTOGRAM_RESET_YES;
    bool no = a->reset == HISTOGRAM_RESET_NO || b->reset == HISTOGRAM_RESET_NO;
    if (yes && no)
        *notes |= NOTE_RESET_CONFLICT;
    return a->reset == b->reset ? a->reset : HISTOGRAM_RESET_UNKNOWN;
}

static void add_custom(struct engine *e, const struct histogram *a, const struct histogram *b,
                       double sign, struct histogram *r, unsigned *notes)
{
    double *bounds = arena_array(e->arena, a->custom_n + 1, sizeof *bounds);
    uint32_t n = 0;
    for (uint32_t i = 0, k = 0; i < a->custom_n; i++) {
        while (k < b->custom_n && b->custom_bounds[k] < a->custom_bounds[i])
            k++;
        if (k < b->custom_n && b->custom_bounds[k] == a->custom_bounds[i])
            bounds[n++] = a->custom_bounds[i];
    }
    if (!same_bounds(a, b))
        *notes |= NOTE_RECONCILED;
    struct side x = remap(e, a, bounds, n), y = remap(e, b, bounds, n);
    struct side s = add_sides(e, &x, &y, sign);
    side_put(e, &s, &r->positive_spans, &r->positive_spans_n, &r->positive, &r->positive_n);
    r->schema = HISTOGRAM_SCHEMA_CUSTOM;
    r->custom_bounds = bounds;
    r->custom_n = n;
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
    r->reset = reset_of_sum(a, b, sign, notes);
    r->count = a->count + sign * b->count;
    r->sum = a->sum + sign * b->sum;
    if (custom) {
        add_custom(e, a, b, sign, r, notes);
        return r;
    }
    r->schema = MIN(a->schema, b->schema);
    struct work x = work_of(e, a, r->schema), y = work_of(e, b, r->schema);
    double threshold = MAX(a->zero_threshold, b->zero_threshold);
    while (x.zero_threshold != threshold || y.zero_threshold != threshold) {
        threshold = widen_zero(&x, threshold, r->schema);
        threshold = widen_zero(&y, threshold, r->schema);
    }
    r->zero_threshold = threshold;
    r->zero_count = x.zero_count + sign * y.zero_count;
    struct side p = add_sides(e, &x.positive, &y.positive, sign);
    struct side q = add_sides(e, &x.negative, &y.negative, sign);
    side_put(e, &p, &r->positive_spans, &r->positive_spans_n, &r->positive, &r->positive_n);
    side_put(e, &q, &r->negative_spans, &r->negative_spans_n, &r->negative, &r->negative_n);
    return r;
}

static bool side_fell(const struct side *now, const struct side *before)
{
    for (size_t i = 0; i < before->n; i++) {
        int64_t at = before->first + (int64_t)i - now->first;
        double v = at >= 0 && at < (int64_t)now->n ? now->v[at] : 0;
        if (before->v[i] > v)
            return true;
    }
    return false;
}

bool promql_histogram_reset(struct engine *e, const struct histogram *now,
                            const struct histogram *before)
{
    if (now->reset == HISTOGRAM_RESET_YES)
        return true;
    if (now->reset == HISTOGRAM_RESET_NO || now->reset == HISTOGRAM_RESET_GAUGE)
        return false;
    bool custom = now->schema == HISTOGRAM_SCHEMA_CUSTOM;
    if (now->count < before->count || custom != (before->schema == HISTOGRAM_SCHEMA_CUSTOM))
        return true;
    if (custom) {
        if (!same_bounds(now, before))
            return true;
        struct side x = side_of(e, now->positive_spans, now->positive_spans_n, now->positive, 0);
        struct side y =
            side_of(e, before->positive_spans, before->positive_spans_n, before->positive, 0);
        return side_fell(&x, &y);
    }
    if (now->schema > before->schema || now->zero_threshold < before->zero_threshold)
        return true;
    struct work x = work_of(e, now, now->schema), y = work_of(e, before, now->schema);
    if (widen_zero(&y, now->zero_threshold, now->schema) != now->zero_threshold)
        return true;
    return x.zero_count < y.zero_count || side_fell(&x.positive, &y.positive) ||
           side_fell(&x.negative, &y.negative);
}

bool promql_histogram_equal(const struct histogram *a, const struct histogram *b)
{
    struct histogram x = *a, y = *b;
    x.is_float = y.is_float = true;
    x.reset = y.reset = 0;
    return histogram_same(&x, &y);
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
            struct bucket b = {-exponential_bound(index, h->schema),
                               -exponential_bound(index - 1, h->schema), h->negative[--at], false,
                               true};
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
                b.lower = exponential_bound(index - 1, h->schema);
                b.upper = exponential_bound(index, h->schema);
            }
            if (b.count != 0 && !f(context, &b))
                return;
        }
    }
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

/* --- trimming --------------------------------------------------------------------------------- */

struct trim_walk {
    const struct histogram *h;
    double limit;
    bool upper;
    double sum, count;
};

/* How much of a bucket stays, 0..1. */
static double share(const struct trim_walk *t, const struct bucket *b)
{
    if (t->upper ? b->upper <= t->limit : b->lower >= t->limit)
        return 1;
    if (t->upper ? b->lower >= t->limit : b->upper <= t->limit)
        return 0;
    struct fraction_walk f = {t->h, t->limit, 0};
    fraction_step(&f, b);
    double below = f.below / b->count;
    return t->upper ? below : 1 - below;
}

static double trim_middle(const struct trim_walk *t, const struct bucket *b, double part)
{
    double lower = b->lower, upper = b->upper;
    if (part < 1 && t->upper)
        upper = t->limit;
    else if (part < 1)
        lower = t->limit;
    if (t->h->schema == HISTOGRAM_SCHEMA_CUSTOM) {
        if (isinf(lower))
            return upper > 0 ? upper / 2 : upper;
        return isinf(upper) ? lower : (lower + upper) / 2;
    }
    if (b->zero)
        return (lower + upper) / 2;
    return b->negative ? -sqrt(lower * upper) : sqrt(lower * upper);
}

static bool trim_step(void *context, const struct bucket *b)
{
    struct trim_walk *t = context;
    double part = share(t, b);
    if (part > 0) {
        t->count += b->count * part;
        t->sum += b->count * part * trim_middle(t, b, part);
    }
    return true;
}

static void trim_side(const struct histogram *h, const struct trim_walk *t, bool negative,
                      double *counts)
{
    const struct histogram_span *spans = negative ? h->negative_spans : h->positive_spans;
    uint32_t n = negative ? h->negative_spans_n : h->positive_spans_n;
    bool custom = h->schema == HISTOGRAM_SCHEMA_CUSTOM;
    int64_t index = 0;
    for (uint32_t i = 0, at = 0; i < n; i++) {
        index += spans[i].offset;
        for (uint32_t k = 0; k < spans[i].length; k++, index++, at++) {
            struct bucket b = {.count = counts[at], .negative = negative};
            if (custom) {
                b.lower = index == 0 ? -INFINITY : h->custom_bounds[index - 1];
                b.upper = index < (int64_t)h->custom_n ? h->custom_bounds[index] : INFINITY;
            } else {
                double low = exponential_bound(index - 1, h->schema);
                double high = exponential_bound(index, h->schema);
                b.lower = negative ? -high : low;
                b.upper = negative ? -low : high;
            }
            if (b.count != 0)
                counts[at] *= share(t, &b);
        }
    }
}

struct histogram *promql_histogram_trim(struct engine *e, const struct histogram *h, double limit,
                                        bool upper)
{
    struct histogram *r = promql_histogram_scale(e, h, 1);
    struct trim_walk t = {.h = h, .limit = limit, .upper = upper};
    walk(h, trim_step, &t);
    if (t.count == h->count)
        return r;
    double *p = arena_array(e->arena, h->positive_n + 1, sizeof *p);
    double *q = arena_array(e->arena, h->negative_n + 1, sizeof *q);
    if (h->positive_n)
        memcpy(p, h->positive, h->positive_n * sizeof *p);
    if (h->negative_n)
        memcpy(q, h->negative, h->negative_n * sizeof *q);
    trim_side(h, &t, false, p);
    trim_side(h, &t, true, q);
    struct bucket zero = {-h->zero_threshold, h->zero_threshold, h->zero_count, true, false};
    if (h->negative_n == 0 && h->positive_n > 0)
        zero.lower = 0;
    else if (h->positive_n == 0 && h->negative_n > 0)
        zero.upper = 0;
    if (zero.count != 0)
        r->zero_count *= share(&t, &zero);
    r->positive = p;
    r->negative = q;
    r->count = t.count;
    r->sum = t.sum;
    struct side x = side_of(e, r->positive_spans, r->positive_spans_n, r->positive, 0);
    struct side y = side_of(e, r->negative_spans, r->negative_spans_n, r->negative, 0);
    side_put(e, &x, &r->positive_spans, &r->positive_spans_n, &r->positive, &r->positive_n);
    side_put(e, &y, &r->negative_spans, &r->negative_spans_n, &r->negative, &r->negative_n);
    return r;
}
