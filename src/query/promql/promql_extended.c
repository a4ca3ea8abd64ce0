/* The modifiers anchored (the window begins with the last sample before it) and smoothed (values at
 * both edges are interpolated): no extrapolation. Of floats and of native histograms. */
#include "query/promql/promql_engine.h"

#include <math.h>

/* Between two samples at time t; a counter that falls starts again from zero. */
static double between(const struct window *w, size_t i, int64_t t, bool counter)
{
    double a = w->value[i], b = w->value[i + 1];
    if (counter && b < a)
        a = 0;
    return a + (b - a) * (double)(t - w->ts_ms[i]) / (double)(w->ts_ms[i + 1] - w->ts_ms[i]);
}

static const struct histogram *mixed_schemas(struct engine *e, const struct range_call *c)
{
    const struct promql_expr *x = c->expr;
    promql_warn_metric(e, x->kind == EXPR_CALL ? x->arguments[0] : x, c->metric,
                       "vector contains a mix of histograms with exponential and custom buckets "
                       "schemas");
    return NULL;
}

static const struct promql_expr *place(const struct range_call *c)
{
    return c->expr->kind == EXPR_CALL ? c->expr->arguments[0] : c->expr;
}

/* a + sign * b with its annotations, or NULL. */
static const struct histogram *add(struct engine *e, const struct range_call *c,
                                   const struct histogram *a, const struct histogram *b,
                                   double sign)
{
    unsigned notes = 0;
    const struct histogram *r = promql_histogram_add(e, a, b, sign, &notes);
    if (!r)
        return mixed_schemas(e, c);
    if (notes & NOTE_RECONCILED)
        promql_engine_info(e, place(c), "mismatched custom buckets were reconciled during %s",
                           sign > 0 ? "addition" : "subtraction");
    return r;
}

/* As between(), of histograms; NULL with its warning where they do not fit. */
static const struct histogram *between_histograms(struct engine *e, const struct range_call *c,
                                                  const struct window *w, size_t i, int64_t t,
                                                  bool counter)
{
    const struct histogram *a = w->histogram[i], *b = w->histogram[i + 1];
    int64_t from = w->histogram_ts_ms[i], to = w->histogram_ts_ms[i + 1];
    if (t == from || t == to)
        return t == from ? a : b;
    double part = (double)(t - from) / (double)(to - from);
    if (counter && promql_histogram_reset(e, b, a))
        return promql_histogram_scale(e, b, part);
    const struct histogram *gap = add(e, c, b, a, -1);
    return gap ? add(e, c, promql_histogram_scale(e, gap, part), a, 1) : NULL;
}

/* The samples that stand for the edges of a window: the last one at or before its beginning (else
 * the first), and the last, or the first at or behind its end where it is smoothed. False where
 * nothing lies in it. */
static bool find_edges(const int64_t *ts, size_t n, const struct window *w, bool smoothed,
                       size_t *ret_first, size_t *ret_last)
{
    size_t last = n - 1, first = 0;
    while (first < last && ts[first] <= w->from_ms)
        first++;
    first = first ? first - 1 : 0;
    if (smoothed) {
        size_t i = 0;
        while (i < last && ts[i] < w->to_ms)
            i++;
        last = i;
    }
    *ret_first = first;
    *ret_last = last;
    return ts[last] > w->from_ms && !(smoothed && ts[first] > w->to_ms);
}

/* What a counter lost strictly inside the window. */
static double lost(const struct window *w, size_t first, size_t last, double left, double right)
{
    size_t low = first + (w->ts_ms[first] <= w->from_ms);
    size_t high = last + 1 - (w->ts_ms[last] >= w->to_ms);
    double before = left, sum = 0;
    for (size_t i = low; i < high; i++) {
        if (w->value[i] < before)
            sum += before;
        before = w->value[i];
    }
    return right < before ? sum + before : sum;
}

static int rate_of_floats(const struct range_call *c, const struct window *w, double *ret)
{
    bool counter = c->function != PROMQL_FN_DELTA;
    size_t first, last;
    if (!find_edges(w->ts_ms, w->n, w, c->smoothed, &first, &last))
        return KIND_NONE;
    double left = w->value[first], right = w->value[last];
    if (c->smoothed && w->ts_ms[first] < w->from_ms)
        left = between(w, first, w->from_ms, counter);
    if (c->smoothed && last > 0 && w->ts_ms[last] > w->to_ms)
        right = between(w, last - 1, w->to_ms, counter);
    *ret = right - left + (counter ? lost(w, first, last, left, right) : 0);
    if (c->function == PROMQL_FN_RATE)
        *ret /= (double)w->range_ms / 1000;
    return KIND_FLOAT;
}

static bool check_histograms(struct engine *e, const struct range_call *c, const struct window *w,
                             size_t first, size_t last, bool counter)
{
    bool custom = w->histogram[first]->schema == HISTOGRAM_SCHEMA_CUSTOM;
    for (size_t i = first; i <= last; i++) {
        if ((w->histogram[i]->schema == HISTOGRAM_SCHEMA_CUSTOM) != custom)
            return mixed_schemas(e, c);
        if (counter && w->histogram[i]->reset == HISTOGRAM_RESET_GAUGE)
            promql_engine_warn(e, place(c),
                               "this native histogram metric is not a counter: \"" STR_FMT "\"",
                               STR_ARG(c->metric));
    }
    return true;
}

/* Adds to *gain what the counter lost between the edges; false with its warning. An edge that was
 * interpolated over a reset has taken that one into account. */
static bool add_lost(struct engine *e, const struct range_call *c, const struct window *w,
                     size_t first, size_t last, const struct histogram *left,
                     const struct histogram *right, const struct histogram **gain)
{
    const struct histogram *before = left, *const *h = w->histogram;
    size_t i = first + 1;
    if (c->smoothed && w->histogram_ts_ms[first] < w->from_ms &&
        promql_histogram_reset(e, h[first + 1], h[first])) {
        before = h[first + 1];
        i++;
    }
    if (i > last)
        return true;
    for (; i < last; i++) {
        if (promql_histogram_reset(e, h[i], before) && !(*gain = add(e, c, *gain, before, 1)))
            return false;
        before = h[i];
    }
    if (promql_histogram_reset(e, right, before))
        *gain = add(e, c, *gain, before, 1);
    return *gain != NULL;
}

static int rate_of_histograms(struct engine *e, const struct range_call *c, const struct window *w,
                              const struct histogram **ret)
{
    bool counter = c->function != PROMQL_FN_DELTA;
    const int64_t *ts = w->histogram_ts_ms;
    size_t first, last;
    if (!find_edges(ts, w->histograms_n, w, c->smoothed, &first, &last) ||
        !check_histograms(e, c, w, first, last, counter))
        return KIND_NONE;
    const struct histogram *left = w->histogram[first], *right = w->histogram[last];
    if (c->smoothed && ts[first] < w->from_ms)
        left = between_histograms(e, c, w, first, w->from_ms, counter);
    if (left && c->smoothed && last > 0 && ts[last] > w->to_ms)
        right = between_histograms(e, c, w, last - 1, w->to_ms, counter);
    if (!left || !right)
        return KIND_NONE;
    if (!counter && (left->reset != HISTOGRAM_RESET_GAUGE || right->reset != HISTOGRAM_RESET_GAUGE))
        promql_engine_warn(e, place(c),
                           "this native histogram metric is not a gauge: \"" STR_FMT "\"",
                           STR_ARG(c->metric));
    const struct histogram *gain = add(e, c, right, left, -1);
    if (!gain || (counter && !add_lost(e, c, w, first, last, left, right, &gain)))
        return KIND_NONE;
    double factor = c->function == PROMQL_FN_RATE ? 1000 / (double)w->range_ms : 1;
    struct histogram *scaled = promql_histogram_scale(e, gain, factor);
    scaled->reset = HISTOGRAM_RESET_GAUGE;
    *ret = scaled;
    return KIND_HISTOGRAM;
}

static size_t at_or_before(const int64_t *ts, size_t n, int64_t t)
{
    size_t i = 0;
    while (i < n && ts[i] <= t)
        i++;
    return i;
}

/* changes and resets of an anchored window: of what lies in it and the one sample before. */
static int count_steps(struct engine *e, const struct range_call *c, const struct window *w,
                       double *ret)
{
    struct window in = *w;
    size_t i = at_or_before(w->ts_ms, w->n, w->from_ms);
    size_t j = at_or_before(w->histogram_ts_ms, w->histograms_n, w->from_ms);
    if (i == w->n && j == w->histograms_n)
        return KIND_NONE;
    bool is_float = i > 0 && (j == 0 || w->ts_ms[i - 1] >= w->histogram_ts_ms[j - 1]);
    i -= is_float;
    j -= !is_float && j > 0;
    in.ts_ms += i;
    in.value += i;
    in.n -= i;
    in.start_ms = w->start_ms ? w->start_ms + i : NULL;
    if (j) {
        in.histogram_ts_ms += j;
        in.histogram += j;
        in.histograms_n -= j;
        in.histogram_start_ms = w->histogram_start_ms ? w->histogram_start_ms + j : NULL;
    }
    *ret = promql_count_steps(e, c->function, &in);
    return KIND_FLOAT;
}

/* An instant selector that is smoothed. */
static int smooth_histogram(struct engine *e, const struct range_call *c, const struct window *w,
                            const struct histogram **ret)
{
    size_t i = at_or_before(w->histogram_ts_ms, w->histograms_n, w->to_ms);
    if (i == 0)
        return KIND_NONE;
    *ret = w->histogram[i - 1];
    if (i < w->histograms_n && w->histogram_ts_ms[i - 1] < w->to_ms) {
        if (!check_histograms(e, c, w, i - 1, i, false))
            return KIND_NONE;
        bool counter = w->histogram[i - 1]->reset != HISTOGRAM_RESET_GAUGE &&
                       w->histogram[i]->reset != HISTOGRAM_RESET_GAUGE;
        *ret = between_histograms(e, c, w, i - 1, w->to_ms, counter);
    }
    return *ret ? KIND_HISTOGRAM : KIND_NONE;
}

static int smooth_float(const struct window *w, double *ret)
{
    size_t i = at_or_before(w->ts_ms, w->n, w->to_ms);
    if (i == 0)
        return KIND_NONE;
    *ret = w->value[i - 1];
    if (i < w->n && w->ts_ms[i - 1] < w->to_ms)
        *ret = between(w, i - 1, w->to_ms, false);
    return KIND_FLOAT;
}

int promql_extended(struct engine *e, const struct range_call *c, const struct window *w,
                    double *ret, const struct histogram **ret_histogram)
{
    enum promql_function f = c->function;
    if (w->n + w->histograms_n == 0)
        return KIND_NONE;
    if (f == PROMQL_FN_CHANGES || f == PROMQL_FN_RESETS)
        return count_steps(e, c, w, ret);
    if (w->n && w->histograms_n) {
        promql_warn_metric(e, place(c), c->metric, "encountered a mix of histograms and floats");
        return KIND_NONE;
    }
    if (f == PROMQL_FN_LAST_OVER_TIME)
        return w->n ? smooth_float(w, ret) : smooth_histogram(e, c, w, ret_histogram);
    return w->n ? rate_of_floats(c, w, ret) : rate_of_histograms(e, c, w, ret_histogram);
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
