#include "query/promql/promql_engine.h"

#include <math.h>
#include <string.h>

void promql_warn_metric(struct engine *e, const struct promql_expr *where, struct str metric,
                        const char *text)
{
    if (metric.n)
        promql_engine_warn(e, where, "%s for metric name \"" STR_FMT "\"", text, STR_ARG(metric));
    else
        promql_engine_warn(e, where, "%s", text);
}

void promql_info_metric(struct engine *e, const struct promql_expr *where, struct str metric,
                        const char *text)
{
    if (metric.n)
        promql_engine_info(e, where, "%s for metric name \"" STR_FMT "\"", text, STR_ARG(metric));
    else
        promql_engine_info(e, where, "%s", text);
}

static double sum_of(const struct window *w)
{
    double sum = 0, c = 0;
    for (size_t i = 0; i < w->n; i++)
        promql_sum_add(w->value[i], &sum, &c);
    return isinf(sum) ? sum : sum + c;
}

/* A plain mean until the sum overflows, then an incremental one. */
static double avg_of(const struct window *w)
{
    double sum = 0, c = 0, mean = 0;
    bool incremental = false;
    for (size_t i = 0; i < w->n; i++) {
        double count = (double)(i + 1);
        if (!incremental) {
            double sum2 = sum, c2 = c;
            promql_sum_add(w->value[i], &sum2, &c2);
            if (i == 0 || !isinf(sum2)) {
                sum = sum2;
                c = c2;
                continue;
            }
            incremental = true;
            mean = sum / (count - 1);
            c /= count - 1;
        }
        double q = (count - 1) / count;
        mean *= q;
        c *= q;
        promql_sum_add(w->value[i] / count, &mean, &c);
    }
    double n = (double)w->n;
    return incremental ? mean + c : sum / n + c / n;
}

static double variance_of(const struct window *w)
{
    double mean = 0, c = 0, aux = 0, aux_c = 0;
    for (size_t i = 0; i < w->n; i++) {
        double delta = w->value[i] - (mean + c);
        promql_sum_add(delta / (double)(i + 1), &mean, &c);
        promql_sum_add(delta * (w->value[i] - (mean + c)), &aux, &aux_c);
    }
    return (aux + aux_c) / (double)w->n;
}

/* The place of the least (sign < 0) or greatest value; NaN loses. */
static size_t extreme_of(const struct window *w, int sign, bool last)
{
    size_t at = 0;
    for (size_t i = 1; i < w->n; i++) {
        double best = w->value[at], v = w->value[i];
        bool better = sign > 0 ? v > best : v < best;
        if (better || isnan(best) || (last && v == best))
            at = i;
    }
    return at;
}

static double *sorted_copy(const struct window *w)
{
    double *v = mem_raw(w->n * sizeof *v);
    memcpy(v, w->value, w->n * sizeof *v);
    promql_sort_values(v, w->n);
    return v;
}

static double quantile_of(const struct window *w, double q)
{
    double *v = sorted_copy(w);
    double result = promql_quantile_sorted(q, v, w->n);
    mem_free(v);
    return result;
}

static double mad_of(const struct window *w)
{
    double *v = sorted_copy(w);
    double median = promql_quantile_sorted(0.5, v, w->n);
    for (size_t i = 0; i < w->n; i++)
        v[i] = fabs(w->value[i] - median);
    promql_sort_values(v, w->n);
    double result = promql_quantile_sorted(0.5, v, w->n);
    mem_free(v);
    return result;
}

/* Least squares; x in seconds since zero_ms. */
static void regression(const struct window *w, int64_t zero_ms, double *slope, double *intercept)
{
    double x = 0, xc = 0, y = 0, yc = 0, xy = 0, xyc = 0, xx = 0, xxc = 0;
    bool constant = true;
    for (size_t i = 0; i < w->n; i++) {
        double t = (double)(w->ts_ms[i] - zero_ms) / 1000, v = w->value[i];
        constant &= v == w->value[0];
        promql_sum_add(t, &x, &xc);
        promql_sum_add(v, &y, &yc);
        promql_sum_add(t * v, &xy, &xyc);
        promql_sum_add(t * t, &xx, &xxc);
    }
    if (constant) {
        *slope = isinf(w->value[0]) ? NAN : 0;
        *intercept = isinf(w->value[0]) ? NAN : w->value[0];
        return;
    }
    double n = (double)w->n;
    x += xc;
    y += yc;
    xy += xyc;
    xx += xxc;
    *slope = (xy - x * y / n) / (xx - x * x / n);
    *intercept = y / n - *slope * x / n;
}

static double smooth(const struct window *w)
{
    double s0 = 0, s1 = w->value[0], b = w->value[1] - w->value[0];
    for (size_t i = 1; i < w->n; i++) {
        if (i > 1)
            b = w->b * (s1 - s0) + (1 - w->b) * b;
        double next = w->a * w->value[i] + (1 - w->a) * (s1 + b);
        s0 = s1;
        s1 = next;
    }
    return s1;
}

static bool same_value(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

/* changes and resets walk floats and histograms in the order of time. */
static double count_steps(struct engine *e, enum promql_function f, const struct window *w)
{
    size_t i = 0, j = 0, count = 0;
    bool first = true, was_float = false;
    double value = 0;
    const struct histogram *histogram = NULL;
    while (i < w->n || j < w->histograms_n) {
        bool is_float = j == w->histograms_n || (i < w->n && w->ts_ms[i] < w->histogram_ts_ms[j]);
        double v = is_float ? w->value[i++] : 0;
        const struct histogram *h = is_float ? NULL : w->histogram[j++];
        bool changed = first || is_float != was_float;
        if (!changed && is_float)
            changed = f == PROMQL_FN_RESETS ? v < value : !same_value(v, value);
        else if (!changed)
            changed = f == PROMQL_FN_RESETS ? promql_histogram_reset(e, h, histogram)
                                            : !promql_histogram_equal(h, histogram);
        count += !first && changed;
        first = false;
        was_float = is_float;
        value = v;
        histogram = h;
    }
    return (double)count;
}

/* The sum (or mean) of histograms; NULL where they cannot be put together. */
static const struct histogram *sum_histograms(struct engine *e, const struct range_call *c,
                                              const struct window *w, bool mean)
{
    const struct promql_expr *where = c->expr->arguments[0];
    struct histogram *sum = promql_histogram_scale(e, w->histogram[0], 1);
    unsigned notes = 0;
    for (size_t i = 0; i < w->histograms_n; i++) {
        if (i == 0)
            continue;
        sum = promql_histogram_add(e, sum, w->histogram[i], 1, &notes);
        if (!sum) {
            promql_warn_metric(e, where, c->metric,
                               "vector contains a mix of histograms with exponential and custom "
                               "buckets schemas");
            return NULL;
        }
    }
    if (notes & NOTE_RESET_CONFLICT)
        promql_engine_warn(e, where, "conflicting counter resets during histogram aggregation");
    if (notes & NOTE_RECONCILED)
        promql_engine_info(e, where, "mismatched custom buckets were reconciled during %s",
                           "aggregation");
    return mean ? promql_histogram_scale(e, sum, 1 / (double)w->histograms_n) : sum;
}

static int over_histograms(struct engine *e, const struct range_call *c, const struct window *w,
                           double *ret, const struct histogram **ret_histogram)
{
    enum promql_function f = c->function;
    bool first_is_histogram = w->n == 0 || w->histogram_ts_ms[0] < w->ts_ms[0];
    bool last_is_histogram =
        w->n == 0 || w->histogram_ts_ms[w->histograms_n - 1] > w->ts_ms[w->n - 1];
    switch (f) {
    case PROMQL_FN_LAST_OVER_TIME:
        *ret_histogram = w->histogram[w->histograms_n - 1];
        return last_is_histogram ? KIND_HISTOGRAM : -1;
    case PROMQL_FN_FIRST_OVER_TIME:
        *ret_histogram = w->histogram[0];
        return first_is_histogram ? KIND_HISTOGRAM : -1;
    case PROMQL_FN_TS_OF_LAST_OVER_TIME:
        *ret = (double)w->histogram_ts_ms[w->histograms_n - 1] / 1000;
        return last_is_histogram ? KIND_FLOAT : -1;
    case PROMQL_FN_TS_OF_FIRST_OVER_TIME:
        *ret = (double)w->histogram_ts_ms[0] / 1000;
        return first_is_histogram ? KIND_FLOAT : -1;
    case PROMQL_FN_SUM_OVER_TIME:
    case PROMQL_FN_AVG_OVER_TIME:
        if (w->n) {
            promql_warn_metric(e, c->expr->arguments[0], c->metric,
                               "encountered a mix of histograms and floats");
            return KIND_NONE;
        }
        *ret_histogram = sum_histograms(e, c, w, f == PROMQL_FN_AVG_OVER_TIME);
        return *ret_histogram ? KIND_HISTOGRAM : KIND_NONE;
    case PROMQL_FN_COUNT_OVER_TIME:
    case PROMQL_FN_PRESENT_OVER_TIME:
    case PROMQL_FN_CHANGES:
    case PROMQL_FN_RESETS:
        return -1;
    default:
        if (w->n)
            promql_info_metric(e, c->expr->arguments[0], c->metric,
                               "ignored histograms in a range containing both floats and "
                               "histograms");
        return w->n ? -1 : KIND_NONE;
    }
}

static double over_floats(struct engine *e, enum promql_function f, const struct window *w)
{
    switch (f) {
    case PROMQL_FN_SUM_OVER_TIME:
        return sum_of(w);
    case PROMQL_FN_AVG_OVER_TIME:
        return avg_of(w);
    case PROMQL_FN_MIN_OVER_TIME:
        return w->value[extreme_of(w, -1, false)];
    case PROMQL_FN_MAX_OVER_TIME:
        return w->value[extreme_of(w, 1, false)];
    case PROMQL_FN_TS_OF_MIN_OVER_TIME:
        return (double)w->ts_ms[extreme_of(w, -1, true)] / 1000;
    case PROMQL_FN_TS_OF_MAX_OVER_TIME:
        return (double)w->ts_ms[extreme_of(w, 1, true)] / 1000;
    case PROMQL_FN_TS_OF_FIRST_OVER_TIME:
        return (double)w->ts_ms[0] / 1000;
    case PROMQL_FN_TS_OF_LAST_OVER_TIME:
        return (double)w->ts_ms[w->n - 1] / 1000;
    case PROMQL_FN_FIRST_OVER_TIME:
        return w->value[0];
    case PROMQL_FN_LAST_OVER_TIME:
        return w->value[w->n - 1];
    case PROMQL_FN_STDVAR_OVER_TIME:
        return variance_of(w);
    case PROMQL_FN_STDDEV_OVER_TIME:
        return sqrt(variance_of(w));
    case PROMQL_FN_QUANTILE_OVER_TIME:
        return quantile_of(w, w->a);
    case PROMQL_FN_MAD_OVER_TIME:
        return mad_of(w);
    case PROMQL_FN_COUNT_OVER_TIME:
        return (double)(w->n + w->histograms_n);
    case PROMQL_FN_PRESENT_OVER_TIME:
        return 1;
    default:
        return count_steps(e, f, w);
    }
}

static int trend(struct engine *e, const struct range_call *c, const struct window *w, double *ret)
{
    double slope, intercept;
    if (w->n < 2)
        return KIND_NONE;
    switch (c->function) {
    case PROMQL_FN_DERIV:
        regression(w, w->ts_ms[0], &slope, &intercept);
        *ret = slope;
        return KIND_FLOAT;
    case PROMQL_FN_PREDICT_LINEAR:
        regression(w, w->eval_ms, &slope, &intercept);
        *ret = intercept + slope * w->a;
        return KIND_FLOAT;
    default:
        if (!(w->a > 0 && w->a < 1))
            return promql_engine_fail(e, PROMQL_EXECUTION,
                                      "invalid smoothing factor. Expected: 0 < sf < 1, got: %f",
                                      w->a);
        if (!(w->b > 0 && w->b < 1))
            return promql_engine_fail(e, PROMQL_EXECUTION,
                                      "invalid trend factor. Expected: 0 < tf < 1, got: %f", w->b);
        *ret = smooth(w);
        return KIND_FLOAT;
    }
}

int promql_over_time(struct engine *e, const struct range_call *c, const struct window *w,
                     double *ret, const struct histogram **ret_histogram)
{
    enum promql_function f = c->function;
    if (w->n + w->histograms_n == 0)
        return KIND_NONE;
    if (w->histograms_n) {
        int kind = over_histograms(e, c, w, ret, ret_histogram);
        if (kind >= 0)
            return kind;
    }
    if (f == PROMQL_FN_DERIV || f == PROMQL_FN_PREDICT_LINEAR ||
        f == PROMQL_FN_DOUBLE_EXPONENTIAL_SMOOTHING)
        return trend(e, c, w, ret);
    if (f == PROMQL_FN_QUANTILE_OVER_TIME && !(w->a >= 0 && w->a <= 1)) {
        struct buf b;
        buf_init(&b, 400);
        promql_number_short(w->a, &b);
        promql_engine_warn(e, c->expr->arguments[0],
                           "quantile value should be between 0 and 1, got " STR_FMT,
                           STR_ARG(buf_str(&b)));
        buf_done(&b);
    }
    *ret = over_floats(e, f, w);
    return KIND_FLOAT;
}
