/* The modifiers anchored (the window begins with the last sample before it) and smoothed (values at
 * both edges are interpolated): no extrapolation. */
#include "query/promql/promql_engine.h"

#include <math.h>

/* Between two samples at time t; a counter that falls starts again from zero. */
static double between(const struct window *w, size_t i, int64_t t, bool counter, bool left_edge)
{
    double a = w->value[i], b = w->value[i + 1];
    if (counter && b < a) {
        if (left_edge)
            a = 0;
        else
            b += a;
    }
    return a + (b - a) * (double)(t - w->ts_ms[i]) / (double)(w->ts_ms[i + 1] - w->ts_ms[i]);
}

struct edges {
    size_t first, last; /* samples that the edges were taken from */
    double left, right;
};

/* The values at both edges; false where nothing lies in the window. */
static bool find_edges(const struct window *w, bool smoothed, bool counter, struct edges *ret)
{
    size_t last = w->n - 1, first = 0;
    while (first < last && w->ts_ms[first] <= w->from_ms)
        first++;
    first = first ? first - 1 : 0;
    if (smoothed) {
        size_t i = 0;
        while (i < last && w->ts_ms[i] < w->to_ms)
            i++;
        last = i;
    }
    if (w->ts_ms[last] <= w->from_ms)
        return false;
    *ret = (struct edges){first, last, w->value[first], w->value[last]};
    if (smoothed && w->ts_ms[first] < w->from_ms)
        ret->left = between(w, first, w->from_ms, counter, true);
    if (smoothed && last > 0 && w->ts_ms[last] > w->to_ms)
        ret->right = between(w, last - 1, w->to_ms, counter, false);
    return true;
}

/* What lies strictly inside the window: [*low, *high). */
static void inside(const struct window *w, const struct edges *x, size_t *low, size_t *high)
{
    *low = x->first + (w->ts_ms[x->first] <= w->from_ms);
    *high = x->last + 1 - (w->ts_ms[x->last] >= w->to_ms);
}

static double lost(const struct window *w, const struct edges *x)
{
    size_t low, high;
    double before = x->left, sum = 0;
    inside(w, x, &low, &high);
    for (size_t i = low; i < high; i++) {
        if (w->value[i] < before)
            sum += before;
        before = w->value[i];
    }
    return x->right < before ? sum + before : sum;
}

static double count_steps(const struct window *w, const struct edges *x, bool resets)
{
    size_t low, high, n = 0;
    double before = x->left;
    inside(w, x, &low, &high);
    for (size_t i = low; i <= high; i++) {
        double v = i < high ? w->value[i] : x->right;
        bool same = v == before || (isnan(v) && isnan(before));
        n += resets ? v < before : !same;
        before = v;
    }
    return (double)n;
}

/* An instant selector that is smoothed. */
static int smooth_at(const struct window *w, double *ret)
{
    size_t i = 0;
    while (i < w->n && w->ts_ms[i] < w->to_ms)
        i++;
    if (i < w->n && w->ts_ms[i] == w->to_ms)
        *ret = w->value[i];
    else if (i > 0 && i < w->n)
        *ret = between(w, i - 1, w->to_ms, false, false);
    else if (i > 0)
        *ret = w->value[i - 1];
    else
        return KIND_NONE;
    return KIND_FLOAT;
}

int promql_extended(struct engine *e, const struct range_call *c, const struct window *w,
                    double *ret)
{
    enum promql_function f = c->function;
    struct edges x;
    bool counter = f == PROMQL_FN_RATE || f == PROMQL_FN_INCREASE;
    (void)e;
    if (f == PROMQL_FN_LAST_OVER_TIME)
        return smooth_at(w, ret);
    if (w->n == 0 || !find_edges(w, c->smoothed, counter, &x))
        return KIND_NONE;
    if (f == PROMQL_FN_CHANGES || f == PROMQL_FN_RESETS) {
        *ret = count_steps(w, &x, f == PROMQL_FN_RESETS);
        return KIND_FLOAT;
    }
    *ret = x.right - x.left + (counter ? lost(w, &x) : 0);
    if (f == PROMQL_FN_RATE)
        *ret /= (double)w->range_ms / 1000;
    return KIND_FLOAT;
}

int promql_extended_check(struct engine *e, const struct promql_expr *call,
                          const struct promql_expr *selector)
{
    if (call->kind != EXPR_CALL || (!selector->anchored && !selector->smoothed))
        return 0;
    enum promql_function f = call->function;
    if (f == PROMQL_FN_DELTA || f == PROMQL_FN_INCREASE || f == PROMQL_FN_RATE)
        return 0;
    const char *name = promql_function_row(f)->name;
    if (selector->smoothed)
        return promql_engine_fail(e, PROMQL_EXECUTION,
                                  "smoothed modifier can only be used with: delta, increase, rate "
                                  "- not with %s",
                                  name);
    if (f == PROMQL_FN_CHANGES || f == PROMQL_FN_RESETS)
        return 0;
    return promql_engine_fail(e, PROMQL_EXECUTION,
                              "anchored modifier can only be used with: changes, delta, increase, "
                              "rate, resets - not with %s",
                              name);
}
