#include "query/promql/promql_engine.h"

#include <math.h>

bool promql_is_rate(enum promql_function f)
{
    return f == PROMQL_FN_RATE || f == PROMQL_FN_INCREASE || f == PROMQL_FN_DELTA ||
           f == PROMQL_FN_IRATE || f == PROMQL_FN_IDELTA;
}

bool promql_start_reset(int64_t before_start_ms, int64_t before_ms, int64_t start_ms, int64_t ms)
{
    if (start_ms == 0 || start_ms >= ms)
        return false; /* unknown, or nonsense */
    if (start_ms != before_ms)
        return start_ms > before_ms;
    /* It began with the sample before: a delta, unless that one's own start is not known. */
    return before_start_ms != 0 && before_start_ms < before_ms;
}

/* A start that lies before the sample before and is not that one's start. */
static bool overlaps(int64_t before_start_ms, int64_t before_ms, int64_t start_ms)
{
    return start_ms != 0 && start_ms < before_ms && start_ms != before_start_ms;
}

static void warn_overlap(struct engine *e, const struct range_call *c, const int64_t *start_ms,
                         const int64_t *ts_ms, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        if (!overlaps(start_ms[i - 1], ts_ms[i - 1], start_ms[i]))
            continue;
        promql_engine_warn(e, c->expr->arguments[0],
                           "sample has start time that overlaps with previous sample timestamp "
                           "for metric \"" STR_FMT "\"",
                           STR_ARG(c->metric));
        return;
    }
}

static bool starts_anew(const int64_t *start_ms, const int64_t *ts_ms, size_t i)
{
    return start_ms && promql_start_reset(start_ms[i - 1], ts_ms[i - 1], start_ms[i], ts_ms[i]);
}

/* Where a window's samples lie, whatever their kind. */
struct stretch {
    int64_t first_ms, last_ms;
    size_t n;
    int64_t zero_ms; /* the counter was 0 then, within the window; 0: not known */
};

static struct stretch stretch_of(const struct window *w, const int64_t *ts_ms,
                                 const int64_t *start_ms, size_t n, bool counter)
{
    struct stretch s = {ts_ms[0], ts_ms[n - 1], n, 0};
    if (counter && start_ms && start_ms[0] != 0 && start_ms[0] > w->from_ms &&
        start_ms[0] < ts_ms[0])
        s.zero_ms = start_ms[0];
    return s;
}

/* How much wider the window is than what its samples span, as Prometheus extrapolates: to the
 * edges where the gap is less than 1.1 mean spacings, else half a spacing; a counter not below 0,
 * and not to the left where it is known when it was 0. */
static double widen(const struct window *w, const struct stretch *s, bool counter, double first,
                    double gained)
{
    double to_start = (double)(s->first_ms - w->from_ms) / 1000;
    double to_end = (double)(w->to_ms - s->last_ms) / 1000;
    double sampled = (double)(s->last_ms - s->first_ms) / 1000;
    double spacing = s->n > 1 ? sampled / (double)(s->n - 1) : 0;
    double threshold = spacing * 1.1;
    if (s->zero_ms) {
        to_start = 0;
        sampled = (double)(s->last_ms - s->zero_ms) / 1000;
    } else {
        if (to_start >= threshold)
            to_start = spacing / 2;
        if (counter && gained > 0 && first >= 0) {
            double to_zero = sampled * (first / gained);
            if (to_zero < to_start)
                to_start = to_zero;
        }
    }
    if (to_end >= threshold)
        to_end = spacing / 2;
    return sampled != 0 ? (sampled + to_start + to_end) / sampled : 1;
}

static void *mixed_schemas(struct engine *e, const struct range_call *c)
{
    promql_warn_metric(e, c->expr->arguments[0], c->metric,
                       "vector contains a mix of histograms with exponential and custom "
                       "buckets schemas");
    return NULL;
}

static void warn_kind(struct engine *e, const struct range_call *c, const char *kind)
{
    promql_engine_warn(e, c->expr->arguments[0],
                       "this native histogram metric is not a %s: \"" STR_FMT "\"", kind,
                       STR_ARG(c->metric));
}

/* A counter's first sample is not looked at where the second begins anew; NULL with its warning for
 * a mix of schemas. */
static bool check_histograms(struct engine *e, const struct range_call *c, const struct window *w,
                             bool counter, bool *ret_alone)
{
    size_t n = w->histograms_n;
    const struct histogram *const *h = w->histogram;
    bool gauge_ends =
        h[0]->reset == HISTOGRAM_RESET_GAUGE || h[n - 1]->reset == HISTOGRAM_RESET_GAUGE;
    if (counter && gauge_ends)
        warn_kind(e, c, "counter");
    *ret_alone = counter && (starts_anew(w->histogram_start_ms, w->histogram_ts_ms, 1) ||
                             promql_histogram_reset(e, h[1], h[0]));
    bool custom = h[*ret_alone]->schema == HISTOGRAM_SCHEMA_CUSTOM;
    if ((h[n - 1]->schema == HISTOGRAM_SCHEMA_CUSTOM) != custom)
        return mixed_schemas(e, c);
    for (size_t i = 1; counter && i + 1 < n; i++) {
        if (h[i]->reset == HISTOGRAM_RESET_GAUGE)
            warn_kind(e, c, "counter");
        if ((h[i]->schema == HISTOGRAM_SCHEMA_CUSTOM) != custom)
            return mixed_schemas(e, c);
    }
    return true;
}

/* A histogram without observations that takes a sum to the buckets of h. */
static struct histogram empty_like(const struct histogram *h)
{
    return (struct histogram){.schema = h->schema,
                              .is_float = true,
                              .reset = h->reset,
                              .custom_bounds = h->custom_bounds,
                              .custom_n = h->custom_n};
}

/* The last less the first, plus what resets lost; in the coarsest buckets of all. */
static struct histogram *gain_of_histograms(struct engine *e, const struct range_call *c,
                                            const struct window *w, bool counter)
{
    const struct promql_expr *where = c->expr->arguments[0];
    const struct histogram *const *h = w->histogram;
    size_t n = w->histograms_n;
    unsigned notes = 0, added = 0;
    bool alone;
    if (!check_histograms(e, c, w, counter, &alone))
        return NULL;
    struct histogram coarsest = empty_like(h[alone]), none = empty_like(h[alone]);
    struct histogram *gain = promql_histogram_add(e, h[n - 1], alone ? &none : h[0], -1, &notes);
    for (size_t i = 1; counter && i < n; i++) {
        if (h[i]->schema < coarsest.schema)
            coarsest = empty_like(h[i]);
    }
    if (gain && gain->schema > coarsest.schema)
        gain = promql_histogram_add(e, gain, &coarsest, 1, &added);
    for (size_t i = 1 + alone; gain && counter && i < n; i++) {
        if (starts_anew(w->histogram_start_ms, w->histogram_ts_ms, i) ||
            promql_histogram_reset(e, h[i], h[i - 1]))
            gain = promql_histogram_add(e, gain, h[i - 1], 1, &added);
    }
    if (!gain)
        return mixed_schemas(e, c);
    if (counter && w->histogram_start_ms)
        warn_overlap(e, c, w->histogram_start_ms, w->histogram_ts_ms, n);
    if (!counter &&
        (h[0]->reset != HISTOGRAM_RESET_GAUGE || h[n - 1]->reset != HISTOGRAM_RESET_GAUGE))
        warn_kind(e, c, "gauge");
    if (notes & NOTE_RECONCILED)
        promql_engine_info(e, where, "mismatched custom buckets were reconciled during %s",
                           "subtraction");
    if (added & NOTE_RECONCILED)
        promql_engine_info(e, where, "mismatched custom buckets were reconciled during %s",
                           "addition");
    gain->reset = HISTOGRAM_RESET_GAUGE;
    return gain;
}

static int rate_of_histograms(struct engine *e, const struct range_call *c, const struct window *w,
                              const struct histogram **ret)
{
    bool counter = c->function != PROMQL_FN_DELTA;
    size_t n = w->histograms_n;
    struct stretch s = stretch_of(w, w->histogram_ts_ms, w->histogram_start_ms, n, counter);
    struct histogram *gain = NULL;
    if (n < 2 && !s.zero_ms)
        return KIND_NONE;
    if (n > 1 && !(gain = gain_of_histograms(e, c, w, counter)))
        return KIND_NONE;
    unsigned notes = 0;
    if (s.zero_ms)
        gain = gain ? promql_histogram_add(e, gain, w->histogram[0], 1, &notes)
                    : promql_histogram_scale(e, w->histogram[0], 1);
    if (!gain) {
        mixed_schemas(e, c);
        return KIND_NONE;
    }
    if (notes & NOTE_RECONCILED)
        promql_engine_info(e, c->expr->arguments[0],
                           "mismatched custom buckets were reconciled during addition");
    double factor = widen(w, &s, counter, w->histogram[0]->count, gain->count);
    if (c->function == PROMQL_FN_RATE)
        factor /= (double)w->range_ms / 1000;
    struct histogram *scaled = promql_histogram_scale(e, gain, factor);
    scaled->reset = HISTOGRAM_RESET_GAUGE;
    *ret = scaled;
    return KIND_HISTOGRAM;
}

static int rate_of_floats(struct engine *e, const struct range_call *c, const struct window *w,
                          double *ret)
{
    size_t n = w->n;
    bool counter = c->function != PROMQL_FN_DELTA;
    if (n == 0)
        return KIND_NONE;
    struct stretch s = stretch_of(w, w->ts_ms, w->start_ms, n, counter);
    if (n < 2 && !s.zero_ms)
        return KIND_NONE;
    double gained = w->value[n - 1] - w->value[0];
    for (size_t i = 1; counter && i < n; i++) {
        if (w->value[i] < w->value[i - 1] || starts_anew(w->start_ms, w->ts_ms, i))
            gained += w->value[i - 1];
    }
    if (counter && w->start_ms)
        warn_overlap(e, c, w->start_ms, w->ts_ms, n);
    if (s.zero_ms)
        gained += w->value[0];
    double factor = widen(w, &s, counter, w->value[0], gained);
    if (c->function == PROMQL_FN_RATE)
        factor /= (double)w->range_ms / 1000;
    *ret = gained * factor;
    return KIND_FLOAT;
}

/* Of two histograms in a row. */
static int instant_of_histograms(struct engine *e, const struct range_call *c,
                                 const struct window *w, const struct histogram **ret)
{
    bool rate = c->function == PROMQL_FN_IRATE;
    size_t n = w->histograms_n;
    const struct histogram *last = w->histogram[n - 1], *before = w->histogram[n - 2];
    bool gauge = last->reset == HISTOGRAM_RESET_GAUGE || before->reset == HISTOGRAM_RESET_GAUGE;
    bool both = last->reset == HISTOGRAM_RESET_GAUGE && before->reset == HISTOGRAM_RESET_GAUGE;
    if (rate ? gauge : !both)
        warn_kind(e, c, rate ? "counter" : "gauge");
    unsigned notes = 0;
    bool anew = rate && (starts_anew(w->histogram_start_ms, w->histogram_ts_ms, n - 1) ||
                         promql_histogram_reset(e, last, before));
    struct histogram *h = anew ? promql_histogram_scale(e, last, 1)
                               : promql_histogram_add(e, last, before, -1, &notes);
    if (!h) {
        mixed_schemas(e, c);
        return KIND_NONE;
    }
    if (notes & NOTE_RECONCILED)
        promql_engine_info(e, c->expr->arguments[0],
                           "mismatched custom buckets were reconciled during subtraction");
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
    bool anew = rate && (v < u || starts_anew(w->start_ms, w->ts_ms, w->n - 1));
    double gained = anew ? v : v - u;
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
    return w->histograms_n ? rate_of_histograms(e, c, w, ret_histogram)
                           : rate_of_floats(e, c, w, ret);
}
