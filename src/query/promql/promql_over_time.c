#include "query/promql/promql_histogram.h"

#include <math.h>
#include <string.h>

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
    for (size_t i = 0; i < w->n; i++) {
        if (isnan(w->value[i]))
            return NAN; /* no median */
    }
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

/* One sample of a window, of either kind. */
struct step {
    int64_t ms, start_ms;
    double value;
    const struct histogram *histogram; /* NULL: a float */
};

/* The next in the order of time. */
static struct step step_at(const struct window *w, size_t *i, size_t *j)
{
    bool is_float = *j == w->histograms_n || (*i < w->n && w->ts_ms[*i] < w->histogram_ts_ms[*j]);
    size_t k = is_float ? (*i)++ : (*j)++;
    const int64_t *starts = is_float ? w->start_ms : w->histogram_start_ms;
    int64_t start = starts ? starts[k] : 0;
    if (is_float)
        return (struct step){w->ts_ms[k], start, w->value[k], NULL};
    return (struct step){w->histogram_ts_ms[k], start, 0, w->histogram[k]};
}

static bool is_step(struct engine *e, bool resets, const struct step *before,
                    const struct step *now)
{
    if (!before->histogram != !now->histogram)
        return true;
    if (resets && promql_start_reset(before->start_ms, before->ms, now->start_ms, now->ms))
        return true;
    if (now->histogram)
        return resets ? promql_histogram_reset(e, now->histogram, before->histogram)
                      : !promql_histogram_equal(now->histogram, before->histogram);
    return resets ? now->value < before->value : !same_value(now->value, before->value);
}

double promql_count_steps(struct engine *e, enum promql_function f, const struct window *w)
{
    size_t i = 0, j = 0, count = 0;
    struct step before = step_at(w, &i, &j);
    while (i < w->n || j < w->histograms_n) {
        struct step now = step_at(w, &i, &j);
        count += is_step(e, f == PROMQL_FN_RESETS, &before, &now);
        before = now;
    }
    return (double)count;
}

/* The sum (or mean) of histograms; NULL where they cannot be put together. */
static const struct histogram *sum_histograms(struct engine *e, const struct range_call *c,
                                              const struct window *w, bool mean)
{
    const struct promql_expr *where = c->expr->arguments[0];
    struct promql_total total = {0};
    unsigned notes = 0;
    for (size_t i = 0; i < w->histograms_n; i++) {
        if (promql_total_add(e, &total, w->histogram[i], mean, &notes))
            continue;
        promql_warn_metric(e, where, c->metric,
                           "vector contains a mix of histograms with exponential and custom "
                           "buckets schemas");
        return NULL;
    }
    if (notes & NOTE_RESET_CONFLICT)
        promql_engine_warn(e, where, "conflicting counter resets during histogram aggregation");
    if (notes & NOTE_RECONCILED)
        promql_engine_info(e, where, "mismatched custom buckets were reconciled during %s",
                           "aggregation");
    return promql_total_histogram(e, &total, mean);
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
        return promql_count_steps(e, f, w);
    }
}

/* Factors of double_exponential_smoothing; NaN passes, as it does in Prometheus. */
static int check_factors(struct engine *e, const struct window *w)
{
    if (w->a <= 0 || w->a >= 1)
        return promql_engine_fail(e, PROMQL_EXECUTION,
                                  "invalid smoothing factor. Expected: 0 < sf < 1, got: %f", w->a);
    if (w->b <= 0 || w->b >= 1)
        return promql_engine_fail(e, PROMQL_EXECUTION,
                                  "invalid trend factor. Expected: 0 < tf < 1, got: %f", w->b);
    return 0;
}

static int trend(const struct range_call *c, const struct window *w, double *ret)
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
    int err = f == PROMQL_FN_DOUBLE_EXPONENTIAL_SMOOTHING ? check_factors(e, w) : 0;
    if (err < 0)
        return err;
    if (w->histograms_n) {
        int kind = over_histograms(e, c, w, ret, ret_histogram);
        if (kind >= 0)
            return kind;
    }
    if (f == PROMQL_FN_DERIV || f == PROMQL_FN_PREDICT_LINEAR ||
        f == PROMQL_FN_DOUBLE_EXPONENTIAL_SMOOTHING)
        return trend(c, w, ret);
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
