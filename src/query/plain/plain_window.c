#include "query/plain/plain_inside.h"

#include <stdlib.h>
#include <string.h>

/* One window of one series and what the call asks of it. */
struct window {
    const struct promql_expr *call;
    const struct plain_range *range;
    double *v;         /* [n] its floats */
    const int64_t *ts; /* [n] */
    const struct histogram **histogram;
    const int64_t *histogram_ts;
    size_t n, histograms_n;
    int64_t from_ms, to_ms, asked_ms;
    double a, b; /* the call's scalars, in their order */
};

static double seconds(int64_t ms)
{
    return (double)ms / 1000;
}

/* --- rate, increase, delta ---------------------------------------------------------------------
 */

static double extrapolated(const struct plain *p, const struct window *w, double gained,
                           double first, bool counter, bool rate)
{
    size_t n = w->n ? w->n : w->histograms_n;
    const int64_t *ts = w->n ? w->ts : w->histogram_ts;
    double sampled = seconds(ts[n - 1] - ts[0]), spacing = sampled / (double)(n - 1);
    double to_start = seconds(ts[0] - w->from_ms), to_end = seconds(w->to_ms - ts[n - 1]);
    if (to_start >= 1.1 * spacing)
        to_start = spacing / 2;
    if (counter && gained > 0 && first >= 0 && sampled * (first / gained) < to_start)
        to_start = sampled * (first / gained);
    if (to_end >= 1.1 * spacing)
        to_end = spacing / 2;
    double factor = (sampled + to_start + to_end) / sampled;
    return plain_rounded(p, 'r', factor / (rate ? seconds(w->to_ms - w->from_ms) : 1));
}

static bool rate_of_floats(const struct plain *p, const struct window *w, double *ret)
{
    bool counter = w->call->function != PROMQL_FN_DELTA;
    if (w->n < 2)
        return false;
    double gained = w->v[w->n - 1] - w->v[0], lost = 0;
    for (size_t i = 1; i < w->n && counter; i++) {
        if (w->v[i] < w->v[i - 1])
            *(p->query->noise ? &lost : &gained) += w->v[i - 1];
    }
    gained += lost;
    *ret =
        gained * extrapolated(p, w, gained, w->v[0], counter, w->call->function == PROMQL_FN_RATE);
    return true;
}

static bool last_two(const struct plain *p, const struct window *w, double *ret)
{
    bool rate = w->call->function == PROMQL_FN_IRATE;
    if (w->n < 2)
        return false;
    double v = w->v[w->n - 1], before = w->v[w->n - 2];
    double gained = rate && v < before ? v : v - before;
    double apart = seconds(w->ts[w->n - 1] - w->ts[w->n - 2]);
    *ret = rate ? plain_rounded(p, 'i', gained / apart) : gained;
    return true;
}

/* --- other functions of floats -----------------------------------------------------------------
 */

/* Which value is the least or greatest; a NaN only where there is nothing else. */
static size_t extreme(const struct window *w, bool greatest, bool latest)
{
    size_t best = 0;
    for (size_t i = 1; i < w->n; i++) {
        bool better = greatest ? w->v[i] > w->v[best] : w->v[i] < w->v[best];
        if (better || isnan(w->v[best]) || (latest && w->v[i] == w->v[best]))
            best = i;
    }
    return best;
}

static double median_deviation(struct plain *p, const struct window *w)
{
    double *v = arena_array(p->arena, w->n, sizeof *v);
    memcpy(v, w->v, w->n * sizeof *v);
    for (size_t i = 0; i < w->n; i++) {
        if (isnan(v[i]))
            return NAN;
    }
    double median = plain_quantile(p, 0.5, v, w->n);
    for (size_t i = 0; i < w->n; i++)
        v[i] = fabs(w->v[i] - median);
    return plain_quantile(p, 0.5, v, w->n);
}

static double quantile(struct plain *p, const struct window *w)
{
    double *v = arena_array(p->arena, w->n, sizeof *v);
    memcpy(v, w->v, w->n * sizeof *v);
    if (!(w->a >= 0 && w->a <= 1))
        plain_warn(p, "quantile value should be between 0 and 1");
    return plain_quantile(p, w->a, v, w->n);
}

/* Least squares over seconds since zero_ms. */
static void line_through(const struct plain *p, const struct window *w, int64_t zero_ms,
                         double *slope, double *at_zero)
{
    double n = (double)w->n, x = 0, y = 0, xy = 0, xx = 0;
    bool constant = true;
    double *terms = arena_array(p->arena, w->n * 4, sizeof *terms);
    for (size_t i = 0; i < w->n; i++) {
        double t = seconds(w->ts[i] - zero_ms), v = plain_rounded(p, 'l', w->v[i]);
        constant &= w->v[i] == w->v[0];
        terms[i] = t;
        terms[w->n + i] = v;
        terms[2 * w->n + i] = t * v;
        terms[3 * w->n + i] = t * t;
    }
    if (constant) {
        *slope = isinf(w->v[0]) ? NAN : 0;
        *at_zero = isinf(w->v[0]) ? NAN : w->v[0];
        return;
    }
    x = plain_sum(p, terms, w->n);
    y = plain_sum(p, terms + w->n, w->n);
    xy = plain_sum(p, terms + 2 * w->n, w->n);
    xx = plain_sum(p, terms + 3 * w->n, w->n);
    *slope = (xy - x * y / n) / (xx - x * x / n);
    *at_zero = y / n - *slope * x / n;
}

static double smoothed(struct plain *p, const struct window *w)
{
    if (!(w->a > 0 && w->a < 1 && w->b > 0 && w->b < 1))
        plain_fail(p, "factor");
    double before = 0, level = w->v[0], trend = w->v[1] - w->v[0];
    for (size_t i = 1; i < w->n; i++) {
        if (i > 1)
            trend = w->b * (level - before) + (1 - w->b) * trend;
        double next = w->a * w->v[i] + (1 - w->a) * (level + trend);
        before = level;
        level = next;
    }
    return plain_rounded(p, 's', level);
}

static bool trend(struct plain *p, const struct window *w, double *ret)
{
    double slope, at_zero;
    if (w->n < 2)
        return false;
    switch (w->call->function) {
    case PROMQL_FN_DERIV:
        line_through(p, w, w->ts[0], &slope, &at_zero);
        *ret = slope;
        return true;
    case PROMQL_FN_PREDICT_LINEAR:
        line_through(p, w, w->asked_ms, &slope, &at_zero);
        *ret = plain_rounded(p, 'p', slope * w->a + at_zero);
        return true;
    default:
        *ret = smoothed(p, w);
        return true;
    }
}

/* Floats and histograms by time; counts falls, or any change. */
static double changes(const struct window *w)
{
    bool falls = w->call->function == PROMQL_FN_RESETS;
    double count = 0;
    for (size_t i = 1; i < w->range->n; i++) {
        const struct plain_sample *now = &w->range->v[i], *before = now - 1;
        if (!now->histogram != !before->histogram)
            count++;
        else if (now->histogram)
            count += falls ? plain_native_reset(now->histogram, before->histogram)
                           : !plain_native_equal(now->histogram, before->histogram);
        else if (falls)
            count += now->value < before->value;
        else
            count += now->value != before->value && !(isnan(now->value) && isnan(before->value));
    }
    return count;
}

static double over_floats(struct plain *p, const struct window *w)
{
    switch (w->call->function) {
    case PROMQL_FN_SUM_OVER_TIME:
        return plain_sum(p, w->v, w->n);
    case PROMQL_FN_AVG_OVER_TIME:
        return plain_average(p, w->v, w->n);
    case PROMQL_FN_MIN_OVER_TIME:
        return w->v[extreme(w, false, false)];
    case PROMQL_FN_MAX_OVER_TIME:
        return w->v[extreme(w, true, false)];
    case PROMQL_FN_TS_OF_MIN_OVER_TIME:
        return seconds(w->ts[extreme(w, false, true)]);
    case PROMQL_FN_TS_OF_MAX_OVER_TIME:
        return seconds(w->ts[extreme(w, true, true)]);
    case PROMQL_FN_STDDEV_OVER_TIME:
        return sqrt(plain_variance(p, w->v, w->n));
    case PROMQL_FN_STDVAR_OVER_TIME:
        return plain_variance(p, w->v, w->n);
    case PROMQL_FN_QUANTILE_OVER_TIME:
        return quantile(p, w);
    default:
        return median_deviation(p, w);
    }
}

static bool of_floats(struct plain *p, const struct window *w, double *ret)
{
    switch (w->call->function) {
    case PROMQL_FN_RATE:
    case PROMQL_FN_INCREASE:
    case PROMQL_FN_DELTA:
        return rate_of_floats(p, w, ret);
    case PROMQL_FN_IRATE:
    case PROMQL_FN_IDELTA:
        return last_two(p, w, ret);
    case PROMQL_FN_DERIV:
    case PROMQL_FN_PREDICT_LINEAR:
    case PROMQL_FN_DOUBLE_EXPONENTIAL_SMOOTHING:
        return trend(p, w, ret);
    default:
        if (w->n)
            *ret = over_floats(p, w);
        return w->n > 0;
    }
}

/* --- histograms --------------------------------------------------------------------------------
 */

static const struct histogram *rate_of_histograms(struct plain *p, const struct window *w)
{
    enum promql_function f = w->call->function;
    bool counter = f != PROMQL_FN_DELTA;
    size_t n = w->histograms_n;
    if (n < 2)
        return NULL;
    const struct histogram *first = w->histogram[0];
    bool alone = counter && plain_native_reset(w->histogram[1], first);
    const struct histogram *gain = w->histogram[n - 1];
    if (!alone)
        gain = plain_native_add(p, gain, first, -1);
    for (size_t i = alone ? 2 : 1; i < n && counter; i++) {
        if (plain_native_reset(w->histogram[i], w->histogram[i - 1]))
            gain = plain_native_add(p, gain, w->histogram[i - 1], 1);
    }
    double factor = extrapolated(p, w, gain->count, first->count, counter, f == PROMQL_FN_RATE);
    if (!counter)
        plain_warn(p, "this native histogram metric is not a gauge");
    return plain_native_scale(p, gain, factor);
}

static const struct histogram *sum_of_histograms(struct plain *p, const struct window *w)
{
    const struct histogram *sum = w->histogram[0];
    for (size_t i = 1; i < w->histograms_n; i++)
        sum = plain_native_add(p, sum, w->histogram[i], 1);
    bool average = w->call->function == PROMQL_FN_AVG_OVER_TIME;
    return plain_native_scale(p, sum, average ? 1 / (double)w->histograms_n : 1);
}

static const struct histogram *of_histograms(struct plain *p, const struct window *w)
{
    switch (w->call->function) {
    case PROMQL_FN_RATE:
    case PROMQL_FN_INCREASE:
    case PROMQL_FN_DELTA:
        return rate_of_histograms(p, w);
    case PROMQL_FN_SUM_OVER_TIME:
    case PROMQL_FN_AVG_OVER_TIME:
        return sum_of_histograms(p, w);
    default:
        return NULL;
    }
}

/* --- any function ------------------------------------------------------------------------------
 */

/* Functions to which it does not matter what a sample is; false for the others. */
static bool of_any(const struct window *w, struct plain_element *e)
{
    const struct plain_range *r = w->range;
    switch (w->call->function) {
    case PROMQL_FN_COUNT_OVER_TIME:
        e->value = (double)r->n;
        return true;
    case PROMQL_FN_PRESENT_OVER_TIME:
        e->value = 1;
        return true;
    case PROMQL_FN_CHANGES:
    case PROMQL_FN_RESETS:
        e->value = changes(w);
        return true;
    case PROMQL_FN_LAST_OVER_TIME:
        e->value = r->v[r->n - 1].value;
        e->histogram = r->v[r->n - 1].histogram;
        return true;
    case PROMQL_FN_FIRST_OVER_TIME:
        e->value = r->v[0].value;
        e->histogram = r->v[0].histogram;
        return true;
    case PROMQL_FN_TS_OF_FIRST_OVER_TIME:
        e->value = seconds(r->v[0].ts_ms);
        return true;
    case PROMQL_FN_TS_OF_LAST_OVER_TIME:
        e->value = seconds(r->v[r->n - 1].ts_ms);
        return true;
    default:
        return false;
    }
}

static void take_apart(struct plain *p, const struct plain_range *r, struct window *w)
{
    int64_t *ts = arena_array(p->arena, r->n + 1, sizeof *ts);
    int64_t *histogram_ts = arena_array(p->arena, r->n + 1, sizeof *ts);
    w->v = arena_array(p->arena, r->n + 1, sizeof *w->v);
    w->histogram = arena_array(p->arena, r->n + 1, sizeof(struct histogram *));
    w->ts = ts;
    w->histogram_ts = histogram_ts;
    w->n = w->histograms_n = 0;
    w->range = r;
    for (size_t i = 0; i < r->n; i++) {
        if (r->v[i].histogram) {
            histogram_ts[w->histograms_n] = r->v[i].ts_ms;
            w->histogram[w->histograms_n++] = r->v[i].histogram;
        } else {
            ts[w->n] = r->v[i].ts_ms;
            w->v[w->n++] = r->v[i].value;
        }
    }
}

void plain_name_hint(struct plain *p, const struct promql_expr *call, struct plain_labels labels)
{
    static const char *const ends[] = {"_total", "_sum", "_count", "_bucket"};
    struct str name = plain_labels_get(labels, LABEL_METRIC);
    enum promql_function f = call->function;
    bool good = name.n == 0;
    for (size_t i = 0; i < COUNTOF(ends); i++)
        good |= str_ends(name, str_c(ends[i]));
    if (!good && (f == PROMQL_FN_RATE || f == PROMQL_FN_INCREASE))
        plain_info(p, "metric might not be a counter");
}

/* Is f defined for floats and for histograms, but not for a mix? */
static bool is_of_both(enum promql_function f)
{
    return f == PROMQL_FN_RATE || f == PROMQL_FN_INCREASE || f == PROMQL_FN_DELTA ||
           f == PROMQL_FN_SUM_OVER_TIME || f == PROMQL_FN_AVG_OVER_TIME;
}

static bool element_of(struct plain *p, const struct window *w, struct plain_element *e)
{
    if (of_any(w, e))
        return true;
    if (w->n == 0) {
        e->histogram = of_histograms(p, w);
        return e->histogram != NULL;
    }
    if (w->histograms_n && is_of_both(w->call->function)) {
        plain_warn(p, "encountered a mix of histograms and floats");
        return false;
    }
    if (w->histograms_n)
        plain_info(p, "ignored histograms in a range containing both floats and histograms");
    if (!of_floats(p, w, &e->value))
        return false;
    plain_name_hint(p, w->call, w->range->labels);
    return true;
}

struct plain_vector plain_window(struct plain *p, const struct promql_expr *x, int64_t t,
                                 const struct plain_grid *g)
{
    struct window w = {.call = x, .asked_ms = t};
    const struct promql_expr *over = plain_bare(x->arguments[0]);
    if (over->anchored || over->smoothed)
        return plain_extended(p, x, t);
    struct plain_matrix m = {0};
    double *places[] = {&w.a, &w.b};
    size_t scalars = 0;
    for (size_t i = 0; i < x->arguments_n; i++) {
        if (x->arguments[i]->type == PROMQL_MATRIX)
            m = plain_matrix(p, x->arguments[i], t, g);
        else
            *places[scalars++] = plain_scalar(p, x->arguments[i], t, g);
    }
    bool keep = x->function == PROMQL_FN_LAST_OVER_TIME || x->function == PROMQL_FN_FIRST_OVER_TIME;
    struct plain_vector out = {0};
    w.from_ms = m.from_ms;
    w.to_ms = m.to_ms;
    for (size_t i = 0; i < m.n && !p->answer->error; i++) {
        struct plain_element e = {m.v[i].labels, m.v[i].drop_name, 0, NULL};
        take_apart(p, &m.v[i], &w);
        if (!element_of(p, &w, &e))
            continue;
        if (!keep)
            plain_drop_name(p, &e);
        plain_push(p, &out, e);
    }
    plain_unique(p, &out);
    return out;
}
