/* Sums and means of many native histograms with Kahan-Neumaier compensation in every bucket. */
#include "query/promql/promql_histogram.h"

#include <math.h>
#include <string.h>

static void *copy_of(struct engine *e, const void *p, size_t n)
{
    double *to = arena_array(e->arena, n + 1, sizeof(double));
    if (n)
        memcpy(to, p, n * sizeof(double));
    return to;
}

static void begin(struct engine *e, struct promql_total *t, const struct histogram *h)
{
    promql_dense_of(e, h, &t->dense);
    struct promql_side *sides[] = {&t->dense.positive, &t->dense.negative};
    for (int k = 0; k < 2; k++)
        sides[k]->c = arena_array(e->arena, sides[k]->n + 1, sizeof(double));
    t->custom = h->schema == HISTOGRAM_SCHEMA_CUSTOM;
    t->bounds = h->custom_bounds;
    t->bounds_n = h->custom_n;
    t->count = h->count;
    t->sum = h->sum;
    t->reset = h->reset;
}

/* All buckets of one side of h, divided by d. The spans lie within s. */
static void add_spans(struct promql_side *s, const struct histogram_span *spans, uint32_t n,
                      const double *counts, double d)
{
    int64_t at = -s->first;
    for (uint32_t i = 0, k = 0; i < n; i++) {
        at += spans[i].offset;
        for (uint32_t j = 0; j < spans[i].length; j++, at++, k++) {
            if (at >= 0 && at < (int64_t)s->n)
                promql_sum_add(counts[k] / d, &s->v[at], &s->c[at]);
        }
    }
}

static void cover_spans(struct engine *e, struct promql_side *s, const struct histogram_span *spans,
                        uint32_t n)
{
    int64_t first = 0, end = 0;
    bool any = false;
    for (uint32_t i = 0; i < n; i++) {
        end += spans[i].offset;
        if (!any && spans[i].length)
            first = end;
        any |= spans[i].length > 0;
        end += spans[i].length;
    }
    if (any && !s->c)
        s->c = arena_array(e->arena, s->n + 1, sizeof(double));
    if (any)
        promql_side_cover(e, s, first, (size_t)(end - first));
}

static void add_dense(struct engine *e, struct promql_side *s, const struct promql_side *from,
                      double d)
{
    promql_side_cover(e, s, from->first, from->n);
    for (size_t i = 0; i < from->n; i++) {
        size_t at = (size_t)(from->first - s->first) + i;
        if (at < s->n && from->v[i] != 0)
            promql_sum_add(from->v[i] / d, &s->v[at], &s->c[at]);
    }
}

static void add_custom(struct engine *e, struct promql_total *t, const struct histogram *h,
                       double d, unsigned *notes)
{
    struct promql_side *s = &t->dense.positive;
    if (promql_bounds_same(t->bounds, t->bounds_n, h->custom_bounds, h->custom_n)) {
        cover_spans(e, s, h->positive_spans, h->positive_spans_n);
        add_spans(s, h->positive_spans, h->positive_spans_n, h->positive, d);
        return;
    }
    uint32_t n;
    const double *common =
        promql_bounds_common(e, t->bounds, t->bounds_n, h->custom_bounds, h->custom_n, &n);
    struct promql_side from =
        promql_side_of(e, h->positive_spans, h->positive_spans_n, h->positive);
    promql_side_remap(e, s, t->bounds, t->bounds_n, common, n);
    promql_side_remap(e, &from, h->custom_bounds, h->custom_n, common, n);
    add_dense(e, s, &from, d);
    t->bounds = common;
    t->bounds_n = n;
    *notes |= NOTE_RECONCILED;
}

static void add_exponential(struct engine *e, struct promql_total *t, const struct histogram *h,
                            double d)
{
    struct promql_dense *to = &t->dense;
    if (h->schema == to->schema && h->zero_threshold == to->zero_threshold) {
        cover_spans(e, &to->positive, h->positive_spans, h->positive_spans_n);
        cover_spans(e, &to->negative, h->negative_spans, h->negative_spans_n);
        add_spans(&to->positive, h->positive_spans, h->positive_spans_n, h->positive, d);
        add_spans(&to->negative, h->negative_spans, h->negative_spans_n, h->negative, d);
        promql_sum_add(h->zero_count / d, &to->zero, &to->zero_c);
        return;
    }
    struct promql_dense from;
    promql_dense_of(e, h, &from);
    promql_dense_zero(to, &from);
    promql_dense_meet(e, to, &from);
    add_dense(e, &to->positive, &from.positive, d);
    add_dense(e, &to->negative, &from.negative, d);
    promql_sum_add(from.zero / d, &to->zero, &to->zero_c);
    promql_sum_add(from.zero_c / d, &to->zero, &to->zero_c);
}

static void add(struct engine *e, struct promql_total *t, const struct histogram *h, double d,
                unsigned *notes)
{
    promql_sum_add(h->count / d, &t->count, &t->count_c);
    promql_sum_add(h->sum / d, &t->sum, &t->sum_c);
    if (t->custom)
        add_custom(e, t, h, d, notes);
    else
        add_exponential(e, t, h, d);
}

static double largest(const double *v, size_t n, double so_far)
{
    for (size_t i = 0; i < n; i++)
        so_far = fmax(so_far, fabs(v[i]));
    return so_far;
}

/* Can adding h overflow? Above a quarter of what a double holds it may. */
static bool may_overflow(const struct promql_total *t, const struct histogram *h)
{
    double most = fmax(fmax(fabs(t->count), fabs(t->sum)), fabs(t->dense.zero));
    most = fmax(most, fmax(fmax(fabs(h->count), fabs(h->sum)), fabs(h->zero_count)));
    most = largest(t->dense.positive.v, t->dense.positive.n, most);
    most = largest(t->dense.negative.v, t->dense.negative.n, most);
    most = largest(h->positive, h->positive_n, most);
    most = largest(h->negative, h->negative_n, most);
    return most > 4e307;
}

static bool overflows(const struct promql_total *t)
{
    double most = fmax(fmax(fabs(t->count), fabs(t->sum)), fabs(t->dense.zero));
    most = largest(t->dense.positive.v, t->dense.positive.n, most);
    return isinf(largest(t->dense.negative.v, t->dense.negative.n, most));
}

static struct promql_total copy_total(struct engine *e, const struct promql_total *t)
{
    struct promql_total c = *t;
    struct promql_side *sides[] = {&c.dense.positive, &c.dense.negative};
    for (int k = 0; k < 2; k++) {
        sides[k]->v = copy_of(e, sides[k]->v, sides[k]->n);
        sides[k]->c = copy_of(e, sides[k]->c, sides[k]->c ? sides[k]->n : 0);
    }
    return c;
}

/* Multiplies by f, or divides by divisor: one of them is 1. */
static void scale(struct promql_total *t, double f, double divisor)
{
    double *cells[] = {&t->count, &t->count_c,    &t->sum,
                       &t->sum_c, &t->dense.zero, &t->dense.zero_c};
    for (size_t i = 0; i < COUNTOF(cells); i++)
        *cells[i] = *cells[i] * f / divisor;
    struct promql_side *sides[] = {&t->dense.positive, &t->dense.negative};
    for (int k = 0; k < 2; k++) {
        for (size_t i = 0; i < sides[k]->n; i++) {
            sides[k]->v[i] = sides[k]->v[i] * f / divisor;
            sides[k]->c[i] = sides[k]->c[i] * f / divisor;
        }
    }
}

bool promql_total_add(struct engine *e, struct promql_total *t, const struct histogram *h,
                      bool mean, unsigned *notes)
{
    unsigned conflict = 0; /* told of by what was seen, not by pairs */
    t->seen_reset |= h->reset == HISTOGRAM_RESET_YES;
    t->seen_no_reset |= h->reset == HISTOGRAM_RESET_NO;
    if (t->seen_reset && t->seen_no_reset)
        *notes |= NOTE_RESET_CONFLICT;
    if (t->n++ == 0) {
        begin(e, t, h);
        return true;
    }
    if (t->custom != (h->schema == HISTOGRAM_SCHEMA_CUSTOM)) {
        *notes |= NOTE_MIXED_SCHEMAS;
        return false;
    }
    t->reset = promql_reset_of_sum(t->reset, h->reset, &conflict);
    if (!t->incremental) {
        struct promql_total before = {0};
        bool risk = mean && may_overflow(t, h);
        if (risk)
            before = copy_total(e, t);
        add(e, t, h, 1, notes);
        if (!risk || !overflows(t))
            return true;
        *t = before;
        t->incremental = true;
        scale(t, 1, (double)(t->n - 1));
    }
    double n = (double)t->n;
    scale(t, (n - 1) / n, 1);
    add(e, t, h, n, notes);
    return true;
}

static struct promql_side whole_side(struct engine *e, const struct promql_side *s, double divisor)
{
    struct promql_side r = {.first = s->first, .n = s->n};
    r.v = arena_array(e->arena, s->n + 1, sizeof *r.v);
    for (size_t i = 0; i < s->n; i++)
        r.v[i] = s->v[i] / divisor + (s->c ? s->c[i] / divisor : 0);
    return r;
}

struct histogram *promql_total_histogram(struct engine *e, const struct promql_total *t, bool mean)
{
    double divisor = mean && !t->incremental ? (double)t->n : 1;
    const struct promql_dense *d = &t->dense;
    struct promql_side p = whole_side(e, &d->positive, divisor);
    struct promql_side q = whole_side(e, &d->negative, divisor);
    struct histogram *r = arena_new(e->arena, sizeof *r);
    r->is_float = true;
    r->schema = d->schema;
    r->reset = t->reset;
    r->count = t->count / divisor + t->count_c / divisor;
    r->sum = t->sum / divisor + t->sum_c / divisor;
    r->zero_threshold = d->zero_threshold;
    r->zero_count = d->zero / divisor + d->zero_c / divisor;
    promql_side_put(e, &p, &r->positive_spans, &r->positive_spans_n, &r->positive, &r->positive_n);
    promql_side_put(e, &q, &r->negative_spans, &r->negative_spans_n, &r->negative, &r->negative_n);
    if (t->custom) {
        r->custom_bounds = copy_of(e, t->bounds, t->bounds_n);
        r->custom_n = t->bounds_n;
    }
    return r;
}

/* The sums of t alone, or what they lack. */
static const struct histogram *half_of(struct engine *e, const struct promql_total *t, bool rest)
{
    struct promql_total half = *t;
    struct promql_dense *d = &half.dense;
    struct promql_side *sides[] = {&d->positive, &d->negative};
    for (int k = 0; k < 2; k++) {
        if (rest)
            sides[k]->v = copy_of(e, sides[k]->c, sides[k]->c ? sides[k]->n : 0);
        if (rest && !sides[k]->c)
            sides[k]->n = 0;
        sides[k]->c = NULL;
    }
    half.count = rest ? t->count_c : t->count;
    half.sum = rest ? t->sum_c : t->sum;
    d->zero = rest ? d->zero_c : d->zero;
    half.count_c = half.sum_c = d->zero_c = 0;
    return promql_total_histogram(e, &half, false);
}

bool promql_total_join(struct engine *e, struct promql_total *t, const struct promql_total *from,
                       bool mean, unsigned *notes)
{
    unsigned conflict = 0;
    if (t->n == 0) {
        *t = *from;
        return true;
    }
    t->seen_reset |= from->seen_reset;
    t->seen_no_reset |= from->seen_no_reset;
    if (t->seen_reset && t->seen_no_reset)
        *notes |= NOTE_RESET_CONFLICT;
    if (t->custom != from->custom) {
        *notes |= NOTE_MIXED_SCHEMAS;
        return false;
    }
    t->reset = promql_reset_of_sum(t->reset, from->reset, &conflict);
    const struct histogram *h = half_of(e, from, false);
    double n = (double)(t->n + from->n), share = (double)from->n / n;
    bool incremental = t->incremental || from->incremental || (mean && may_overflow(t, h));
    if (incremental) { /* the mean of both means */
        scale(t, (double)t->n / n, t->incremental ? 1 : (double)t->n);
        t->incremental = true;
        h = promql_total_histogram(e, from, true);
        add(e, t, h, 1 / share, notes);
    } else {
        add(e, t, h, 1, notes);
        add(e, t, half_of(e, from, true), 1, notes);
    }
    t->n += from->n;
    return true;
}
