/* anchored: a window begins with the last sample before it. smoothed: values at both edges lie on
 * the line between their neighbours. Of floats; nothing is extrapolated. */
#include "query/plain/plain_inside.h"

/* How many of r's samples are at or before t. */
static size_t until(const struct plain_range *r, int64_t t)
{
    size_t n = 0;
    while (n < r->n && r->v[n].ts_ms <= t)
        n++;
    return n;
}

/* The value at t between sample i - 1 and sample i; a counter that falls begins again at zero. */
static double between(const struct plain *p, const struct plain_range *r, size_t i, int64_t t,
                      bool counter)
{
    const struct plain_sample *a = &r->v[i - 1], *b = &r->v[i];
    double from = counter && b->value < a->value ? 0 : a->value;
    double part = (double)(t - a->ts_ms) / (double)(b->ts_ms - a->ts_ms);
    return plain_rounded(p, 'b', from + (b->value - from) * part);
}

static bool has_histograms(const struct plain_range *r)
{
    for (size_t i = 0; i < r->n; i++) {
        if (r->v[i].histogram)
            return true;
    }
    return false;
}

/* The values that count in the window, first and last included; returns how many. */
static size_t values_of(struct plain *p, const struct plain_matrix *m, const struct plain_range *r,
                        bool smoothed, bool counter, double *v)
{
    size_t before = until(r, m->from_ms), within = until(r, m->to_ms), n = 0;
    if (before == r->n || (within == 0 && r->v[0].ts_ms > m->to_ms))
        return 0;
    if (before && r->v[before - 1].ts_ms < m->from_ms && smoothed)
        v[n++] = between(p, r, before, m->from_ms, counter);
    else if (before)
        v[n++] = r->v[before - 1].value;
    for (size_t i = before; i < within; i++)
        v[n++] = r->v[i].value;
    if (smoothed && within < r->n && within && r->v[within - 1].ts_ms < m->to_ms)
        v[n++] = between(p, r, within, m->to_ms, counter);
    return n;
}

static double gained(const struct plain *p, const double *v, size_t n, bool counter)
{
    double gain = v[n - 1] - v[0], lost = 0;
    for (size_t i = 1; i < n && counter; i++) {
        if (v[i] < v[i - 1])
            *(p->query->noise ? &gain : &lost) += v[i - 1];
    }
    return gain + lost;
}

static double steps(const double *v, size_t n, bool falls)
{
    double count = 0;
    for (size_t i = 1; i < n; i++) {
        bool same = v[i] == v[i - 1] || (isnan(v[i]) && isnan(v[i - 1]));
        count += falls ? v[i] < v[i - 1] : !same;
    }
    return count;
}

struct plain_vector plain_extended(struct plain *p, const struct promql_expr *x, int64_t t)
{
    const struct promql_expr *over = plain_bare(x->arguments[0]);
    struct plain_matrix m = plain_around(p, over, t);
    struct plain_vector out = {0};
    enum promql_function f = x->function;
    bool counter = f != PROMQL_FN_DELTA, counts = f == PROMQL_FN_CHANGES || f == PROMQL_FN_RESETS;
    for (size_t i = 0; i < m.n; i++) {
        double *v = arena_array(p->arena, m.v[i].n + 2, sizeof *v);
        size_t n = values_of(p, &m, &m.v[i], over->smoothed, counter, v);
        struct plain_element e = {m.v[i].labels, m.v[i].drop_name, 0, NULL};
        if (n == 0 || has_histograms(&m.v[i]))
            continue;
        e.value = counts ? steps(v, n, f == PROMQL_FN_RESETS) : gained(p, v, n, counter);
        if (f == PROMQL_FN_RATE)
            e.value = plain_rounded(p, 'e', e.value / ((double)(m.to_ms - m.from_ms) / 1000));
        plain_name_hint(p, x, e.labels);
        plain_drop_name(p, &e);
        plain_push(p, &out, e);
    }
    plain_unique(p, &out);
    return out;
}

struct plain_vector plain_smoothed(struct plain *p, const struct promql_expr *x, int64_t t)
{
    struct plain_matrix m = plain_around(p, x, t);
    struct plain_vector out = {0};
    for (size_t i = 0; i < m.n; i++) {
        const struct plain_range *r = &m.v[i];
        size_t within = until(r, m.to_ms);
        if (within == 0 || has_histograms(r))
            continue;
        struct plain_element e = {r->labels, r->drop_name, r->v[within - 1].value, NULL};
        if (within < r->n && r->v[within - 1].ts_ms < m.to_ms)
            e.value = between(p, r, within, m.to_ms, false);
        plain_push(p, &out, e);
    }
    return out;
}
