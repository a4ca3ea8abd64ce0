#include "query/promql/promql_engine.h"

#include <math.h>

bool promql_is_rate(enum promql_function f)
{
    return f == PROMQL_FN_RATE || f == PROMQL_FN_INCREASE || f == PROMQL_FN_DELTA ||
           f == PROMQL_FN_IRATE || f == PROMQL_FN_IDELTA;
}

/* How much wider the window is than what its samples span, as Prometheus extrapolates: to the
 * edges where the gap is less than 1.1 mean spacings, else half a spacing; a counter not below 0.
 */
static double widen(const struct window *w, int64_t first_ms, int64_t last_ms, size_t n,
                    bool counter, double first, double gained)
{
    double to_start = (double)(first_ms - w->from_ms) / 1000;
    double to_end = (double)(w->to_ms - last_ms) / 1000;
    double sampled = (double)(last_ms - first_ms) / 1000;
    double spacing = sampled / (double)(n - 1);
    double threshold = spacing * 1.1;
    if (to_start >= threshold)
        to_start = spacing / 2;
    if (counter && gained > 0 && first >= 0) {
        double to_zero = sampled * (first / gained);
        if (to_zero < to_start)
            to_start = to_zero;
    }
    if (to_end >= threshold)
        to_end = spacing / 2;
    return (sampled + to_start + to_end) / sampled;
}

/* A mix of schemas, or NULL with its warning: the last less the first, plus what resets lost. */
static struct histogram *gain_of_histograms(struct engine *e, const struct range_call *c,
                                            const struct window *w, bool counter)
{
    const struct promql_expr *where = c->expr->arguments[0];
    size_t n = w->histograms_n;
    unsigned notes = 0;
    /* Where the second is a reset, nothing of the first remains to be taken off. */
    bool alone = counter && promql_histogram_reset(e, w->histogram[1], w->histogram[0]);
    struct histogram *gain =
        alone ? promql_histogram_scale(e, w->histogram[n - 1], 1)
              : promql_histogram_add(e, w->histogram[n - 1], w->histogram[0], -1, &notes);
    for (size_t i = 0; i < n; i++) {
        bool gauge = w->histogram[i]->reset == HISTOGRAM_RESET_GAUGE;
        if (gauge && counter)
            promql_engine_warn(e, where,
                               "this native histogram metric is not a counter: \"" STR_FMT "\"",
                               STR_ARG(c->metric));
        if (!gauge && !counter && (i == 0 || i == n - 1))
            promql_engine_warn(e, where,
                               "this native histogram metric is not a gauge: \"" STR_FMT "\"",
                               STR_ARG(c->metric));
        if (gain && counter && i > (alone ? 1 : 0) &&
            promql_histogram_reset(e, w->histogram[i], w->histogram[i - 1]))
            gain = promql_histogram_add(e, gain, w->histogram[i - 1], 1, &notes);
    }
    if (!gain || (notes & NOTE_MIXED_SCHEMAS)) {
        promql_warn_metric(e, where, c->metric,
                           "vector contains a mix of histograms with exponential and custom "
                           "buckets schemas");
        return NULL;
    }
    if (notes & NOTE_RECONCILED)
        promql_engine_info(e, where, "mismatched custom buckets were reconciled during %s",
                           "subtraction");
    gain->reset = HISTOGRAM_RESET_GAUGE;
    return gain;
}

static int rate_of_histograms(struct engine *e, const struct range_call *c, const struct window *w,
                              const struct histogram **ret)
{
    bool counter = c->function != PROMQL_FN_DELTA;
    size_t n = w->histograms_n;
    if (n < 2)
        return KIND_NONE;
    struct histogram *gain = gain_of_histograms(e, c, w, counter);
    if (!gain)
        return KIND_NONE;
    double factor = widen(w, w->histogram_ts_ms[0], w->histogram_ts_ms[n - 1], n, counter,
                          w->histogram[0]->count, gain->count);
    if (c->function == PROMQL_FN_RATE)
        factor /= (double)w->range_ms / 1000;
    struct histogram *scaled = promql_histogram_scale(e, gain, factor);
    scaled->reset = HISTOGRAM_RESET_GAUGE;
    *ret = scaled;
    return KIND_HISTOGRAM;
}

static int rate_of_floats(const struct range_call *c, const struct window *w, double *ret)
{
    size_t n = w->n;
    bool counter = c->function != PROMQL_FN_DELTA;
    if (n < 2)
        return KIND_NONE;
    double gained = w->value[n - 1] - w->value[0];
    for (size_t i = 1; counter && i < n; i++) {
        if (w->value[i] < w->value[i - 1])
            gained += w->value[i - 1];
    }
    double factor = widen(w, w->ts_ms[0], w->ts_ms[n - 1], n, counter, w->value[0], gained);
    if (c->function == PROMQL_FN_RATE)
        factor /= (double)w->range_ms / 1000;
    *ret = gained * factor;
    return KIND_FLOAT;
}

static int instant_of_histograms(struct engine *e, const struct range_call *c,
                                 const struct window *w, const struct histogram **ret)
{
    bool rate = c->function == PROMQL_FN_IRATE;
    size_t n = w->histograms_n;
    const struct histogram *last = w->histogram[n - 1], *before = w->histogram[n - 2];
    const struct promql_expr *where = c->expr->arguments[0];
    bool gauge = last->reset == HISTOGRAM_RESET_GAUGE || before->reset == HISTOGRAM_RESET_GAUGE;
    bool both = last->reset == HISTOGRAM_RESET_GAUGE && before->reset == HISTOGRAM_RESET_GAUGE;
    if (rate ? gauge : !both)
        promql_engine_warn(e, where, "this native histogram metric is not a %s: \"" STR_FMT "\"",
                           rate ? "counter" : "gauge", STR_ARG(c->metric));
    unsigned notes = 0;
    struct histogram *h = rate && promql_histogram_reset(e, last, before)
                              ? promql_histogram_scale(e, last, 1)
                              : promql_histogram_add(e, last, before, -1, &notes);
    if (!h) {
        promql_warn_metric(e, where, c->metric,
                           "vector contains a mix of histograms with exponential and custom "
                           "buckets schemas");
        return KIND_NONE;
    }
    if (notes & NOTE_RECONCILED)
        promql_engine_info(e, where, "mismatched custom buckets were reconciled during %s",
                           "subtraction");
    double seconds = (double)(w->histogram_ts_ms[n - 1] - w->histogram_ts_ms[n - 2]) / 1000;
    h = promql_histogram_scale(e, h, rate ? 1 / seconds : 1);
    h->reset = HISTOGRAM_RESET_GAUGE;
    *ret = h;
    return KIND_HISTOGRAM;
}

/* The kind of the k-th sample from the end, floats and histograms together. */
static int kind_from_end(const struct window *w, size_t k)
{
    size_t i = w->n, j = w->histograms_n;
    int kind = KIND_NONE;
    for (size_t step = 0; step <= k && (i || j); step++) {
        bool is_float = j == 0 || (i > 0 && w->ts_ms[i - 1] > w->histogram_ts_ms[j - 1]);
        kind = is_float ? KIND_FLOAT : KIND_HISTOGRAM;
        is_float ? i-- : j--;
    }
    return kind;
}

static int instant_rate(struct engine *e, const struct range_call *c, const struct window *w,
                        double *ret, const struct histogram **ret_histogram)
{
    if (w->n + w->histograms_n < 2)
        return KIND_NONE;
    int last = kind_from_end(w, 0), before = kind_from_end(w, 1);
    if (last != before) {
        promql_warn_metric(e, c->expr->arguments[0], c->metric,
                           "encountered a mix of histograms and floats");
        return KIND_NONE;
    }
    if (last == KIND_HISTOGRAM)
        return instant_of_histograms(e, c, w, ret_histogram);
    double v = w->value[w->n - 1], u = w->value[w->n - 2];
    bool rate = c->function == PROMQL_FN_IRATE;
    double gained = rate && v < u ? v : v - u;
    double seconds = (double)(w->ts_ms[w->n - 1] - w->ts_ms[w->n - 2]) / 1000;
    *ret = rate ? gained / seconds : gained;
    return KIND_FLOAT;
}

int promql_rate(struct engine *e, const struct range_call *c, const struct window *w, double *ret,
                const struct histogram **ret_histogram)
{
    if (c->function == PROMQL_FN_IRATE || c->function == PROMQL_FN_IDELTA)
        return instant_rate(e, c, w, ret, ret_histogram);
    if (w->n && w->histograms_n) {
        promql_warn_metric(e, c->expr->arguments[0], c->metric,
                           "encountered a mix of histograms and floats");
        return KIND_NONE;
    }
    return w->histograms_n ? rate_of_histograms(e, c, w, ret_histogram) : rate_of_floats(c, w, ret);
}
