#include "query/promql/promql_engine.h"

#include <math.h>
#include <string.h>

enum { BLOCKS_FROM_MS = 3600 * 1000 };

static const double NEARLY = 1 + 1e-9;

/* What is the same for all series with the same times: where each step's window lies, and how far
 * rate extrapolates there. */
struct windows {
    uint64_t ts_id;       /* 0: worked out for the present column only */
    uint32_t *low, *high; /* [n] samples low..high-1 */
    uint8_t *kind;        /* [n] KIND_FLOAT where there are two samples or more */
    double *to_start;     /* [n] seconds before the first sample */
    double *sampled;      /* [n] seconds from first to last */
    double *factor;       /* [n] of the whole, unless the counter's zero is nearer */
    double *to_end;       /* [n] seconds to the end that count */
};

struct range_stream {
    struct stream stream;
    struct source *source;
    struct range_call call;
    struct grid grid;
    const double *a, *b;
    bool keep_name, counter, fast, counted;
    bool starts; /* created times count */
    struct windows windows;
    struct row_buffer row;
    struct blocks *blocks; /* NULL: samples */
    double *adjusted;      /* what resets have lost before each sample */
    size_t adjusted_n;
    int64_t *float_ts, *histogram_ts; /* a column taken apart */
    double *float_value;
    const struct histogram **histogram;
    int64_t *float_start, *histogram_start; /* created times of both */
    size_t parts_n;
};

typedef double pair __attribute__((vector_size(16)));
typedef int64_t pair_mask __attribute__((vector_size(16)));

/* Is no value NaN, and none below the one before it? Two values at a time. */
static bool is_rising(const double *v, size_t n)
{
    pair_mask bad = {0, 0};
    size_t i = 1;
    for (; i + 8 <= n; i += 8) {
        for (size_t k = 0; k < 8; k += 2) {
            pair now, before;
            memcpy(&now, v + i + k, sizeof now);
            memcpy(&before, v + i + k - 1, sizeof before);
            bad |= ~(now >= before);
        }
    }
    bool rising = !(bad[0] | bad[1]) && (n == 0 || v[0] == v[0]);
    for (; i < n && rising; i++)
        rising = v[i] >= v[i - 1];
    return rising;
}

static bool has_stale(const double *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (UNLIKELY(v[i] != v[i]) && sample_is_stale(v[i]))
            return true;
    }
    return false;
}

static void windows_find(const struct source *s, const int64_t *ts, size_t n, uint32_t *low,
                         uint32_t *high)
{
    size_t lo = 0, hi = 0;
    for (size_t i = 0; i < s->grid.n; i++) {
        int64_t to = promql_source_ms(s, i) + s->after_ms;
        int64_t from = to - s->after_ms - s->range_ms - s->before_ms;
        while (lo < n && ts[lo] <= from)
            lo++;
        while (hi < n && ts[hi] <= to)
            hi++;
        low[i] = (uint32_t)lo;
        high[i] = (uint32_t)hi;
    }
}

static void windows_extrapolate(struct range_stream *s, const int64_t *ts)
{
    struct windows *w = &s->windows;
    double range = s->call.function == PROMQL_FN_RATE ? (double)s->source->range_ms / 1000 : 1;
    for (size_t i = 0; i < s->grid.n; i++) {
        w->kind[i] = KIND_NONE;
        if (w->high[i] < w->low[i] + 2)
            continue;
        int64_t to = promql_source_ms(s->source, i), from = to - s->source->range_ms;
        int64_t first = ts[w->low[i]], last = ts[w->high[i] - 1];
        double sampled = (double)(last - first) / 1000;
        double spacing = sampled / (double)(w->high[i] - w->low[i] - 1);
        double to_start = (double)(first - from) / 1000, to_end = (double)(to - last) / 1000;
        if (to_start >= spacing * 1.1)
            to_start = spacing / 2;
        if (to_end >= spacing * 1.1)
            to_end = spacing / 2;
        w->kind[i] = KIND_FLOAT;
        w->to_start[i] = to_start;
        w->sampled[i] = sampled;
        w->to_end[i] = to_end;
        w->factor[i] = (sampled + to_start + to_end) / sampled / range;
    }
}

static void windows_of(struct range_stream *s, const int64_t *ts, size_t n, uint64_t ts_id)
{
    if (ts_id && s->windows.ts_id == ts_id)
        return;
    s->windows.ts_id = ts_id;
    windows_find(s->source, ts, n, s->windows.low, s->windows.high);
    if (s->fast)
        windows_extrapolate(s, ts);
}

/* rate, increase and delta of a column of floats without stale markers. lost is NULL where the
 * column never falls. */
HOT static void rate_fill(struct range_stream *s, const double *v, const double *lost)
{
    const struct windows *w = &s->windows;
    double *out = s->row.value;
    double range = s->call.function == PROMQL_FN_RATE ? (double)s->source->range_ms / 1000 : 1;
    for (size_t i = 0; i < s->grid.n; i++) {
        if (w->kind[i] == KIND_NONE)
            continue;
        uint32_t first = w->low[i], last = w->high[i] - 1;
        double gained = v[last] - v[first];
        if (lost)
            gained += lost[last] - lost[first];
        double factor = w->factor[i];
        /* Without the division, unless sampled * (v / gained) may be less than to_start. In the
         * order of promql_rate(), so that both give the same to the last bit. */
        if (s->counter && gained > 0 && v[first] >= 0 &&
            w->sampled[i] * v[first] < w->to_start[i] * gained * NEARLY) {
            double sampled = w->sampled[i], to_zero = sampled * (v[first] / gained);
            if (to_zero < w->to_start[i])
                factor = (sampled + to_zero + w->to_end[i]) / sampled / range;
        }
        out[i] = gained * factor;
    }
}

/* What resets have lost before each sample; NULL where differences of it are not exact. */
static const double *lost_of(struct engine *e, struct range_stream *s, const double *v, size_t n)
{
    if (s->adjusted_n < n) {
        s->adjusted_n = n * 2;
        s->adjusted = arena_array(e->arena, s->adjusted_n, sizeof *s->adjusted);
    }
    double lost = 0;
    bool whole = true; /* differences of sums of whole numbers are exact, wherever they begin */
    for (size_t i = 0; i < n; i++) {
        if (i && v[i] < v[i - 1])
            lost += v[i - 1];
        s->adjusted[i] = lost;
        whole &= v[i] == trunc(v[i]);
        if (!(fabs(lost) < 1e15) || (lost != 0 && !whole))
            return NULL;
    }
    return s->adjusted;
}

static void need_parts(struct engine *e, struct range_stream *s, size_t n)
{
    if (s->parts_n >= n)
        return;
    s->parts_n = n * 2;
    s->float_ts = arena_array(e->arena, s->parts_n, sizeof *s->float_ts);
    s->histogram_ts = arena_array(e->arena, s->parts_n, sizeof *s->histogram_ts);
    s->float_value = arena_array(e->arena, s->parts_n, sizeof *s->float_value);
    s->histogram = arena_array(e->arena, s->parts_n, sizeof(struct histogram *));
    s->float_start = arena_array(e->arena, s->parts_n, sizeof *s->float_start);
    s->histogram_start = arena_array(e->arena, s->parts_n, sizeof *s->histogram_start);
}

struct parts {
    const int64_t *ts_ms, *histogram_ts_ms;
    const double *value;
    const struct histogram **histogram;
    size_t n, histograms_n;
    uint64_t ts_id;
    const int64_t *start_ms, *histogram_start_ms; /* NULL: not looked at */
};

/* Floats and histograms apart, without stale markers. */
static struct parts take_apart(struct engine *e, struct range_stream *s, const struct column *c)
{
    const int64_t *start = s->starts ? c->start_ms : NULL;
    struct parts p = {
        .ts_ms = c->ts_ms, .value = c->value, .n = c->n, .ts_id = c->ts_id, .start_ms = start};
    if (!c->histogram && !has_stale(c->value, c->n))
        return p;
    need_parts(e, s, c->n);
    size_t n = 0, m = 0;
    for (size_t i = 0; i < c->n; i++) {
        const struct histogram *h = c->histogram ? c->histogram[i] : NULL;
        if (h && !histogram_is_stale(h)) {
            s->histogram_ts[m] = c->ts_ms[i];
            s->histogram_start[m] = start ? start[i] : 0;
            s->histogram[m++] = h;
        } else if (!h && !sample_is_stale(c->value[i])) {
            s->float_ts[n] = c->ts_ms[i];
            s->float_start[n] = start ? start[i] : 0;
            s->float_value[n++] = c->value[i];
        }
    }
    return (struct parts){.ts_ms = s->float_ts,
                          .histogram_ts_ms = s->histogram_ts,
                          .value = s->float_value,
                          .histogram = s->histogram,
                          .n = n,
                          .histograms_n = m,
                          .start_ms = start ? s->float_start : NULL,
                          .histogram_start_ms = start ? s->histogram_start : NULL};
}

static int fill_windows(struct engine *e, struct range_stream *s, const struct parts *p)
{
    size_t n = s->grid.n;
    int (*f)(struct engine *, const struct range_call *, const struct window *, double *,
             const struct histogram **) = s->source->before_ms               ? promql_extended
                                          : promql_is_rate(s->call.function) ? promql_rate
                                                                             : promql_over_time;
    size_t lo = 0, hi = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t low = s->windows.low[i], high = s->windows.high[i];
        struct window w = {.ts_ms = p->ts_ms + low,
                           .value = p->value + low,
                           .n = high - low,
                           .to_ms = promql_source_ms(s->source, i),
                           .eval_ms = grid_ms(&s->grid, i),
                           .range_ms = s->source->range_ms,
                           .a = s->a ? s->a[i] : 0,
                           .b = s->b ? s->b[i] : 0};
        w.from_ms = w.to_ms - w.range_ms;
        w.start_ms = p->start_ms ? p->start_ms + low : NULL;
        while (lo < p->histograms_n && p->histogram_ts_ms[lo] <= w.from_ms - s->source->before_ms)
            lo++;
        while (hi < p->histograms_n && p->histogram_ts_ms[hi] <= w.to_ms + s->source->after_ms)
            hi++;
        if (p->histograms_n) {
            w.histogram_ts_ms = p->histogram_ts_ms + lo;
            w.histogram = p->histogram + lo;
            w.histogram_start_ms = p->histogram_start_ms ? p->histogram_start_ms + lo : NULL;
            w.histograms_n = hi - lo;
        }
        const struct histogram *h = NULL;
        int kind = f(e, &s->call, &w, &s->row.value[i], &h);
        if (kind < 0)
            return kind;
        s->row.kind[i] = (uint8_t)kind;
        if (kind == KIND_HISTOGRAM)
            promql_row_histogram(e, &s->row, n, i, h);
        int err = promql_engine_work(e, w.n + w.histograms_n);
        if (err < 0)
            return err;
    }
    return 0;
}

static bool ends_like_counter(struct str name)
{
    static const char *const ends[] = {"_total", "_sum", "_count", "_bucket"};
    for (size_t i = 0; i < COUNTOF(ends); i++) {
        if (str_ends(name, str_c(ends[i])))
            return true;
    }
    return false;
}

/* rate and increase gave a float for what does not look like a counter. */
static void name_hint(struct engine *e, const struct range_stream *s, struct str key)
{
    enum promql_function f = s->call.function;
    struct str metric = s->call.metric, type;
    if ((f != PROMQL_FN_RATE && f != PROMQL_FN_INCREASE) || metric.n == 0 ||
        (!e->type_and_unit && ends_like_counter(metric)) ||
        !memchr(s->row.kind, KIND_FLOAT, s->grid.n))
        return;
    const struct promql_expr *where = s->call.expr->arguments[0];
    if (!e->type_and_unit) {
        promql_engine_info(e, where,
                           "metric might not be a counter, name does not end in "
                           "_total/_sum/_count/_bucket: \"" STR_FMT "\"",
                           STR_ARG(metric));
        return;
    }
    type = labels_get(key, STR("__type__"));
    if (!str_eq(type, STR("counter")) && !str_eq(type, STR("histogram")))
        promql_engine_info(e, where,
                           "metric might not be a counter, __type__ label is not set to "
                           "\"counter\" or \"histogram\", got \"" STR_FMT "\": \"" STR_FMT "\"",
                           STR_ARG(type), STR_ARG(metric));
}

static void count_windows(struct engine *e, const struct range_stream *s, const struct parts *p)
{
    for (size_t i = 0; i < s->grid.n; i++) {
        uint64_t n = s->windows.high[i] - s->windows.low[i];
        int64_t to = promql_source_ms(s->source, i), from = to - s->source->range_ms;
        for (size_t k = 0; k < p->histograms_n; k++) {
            if (p->histogram_ts_ms[k] > from && p->histogram_ts_ms[k] <= to)
                n += promql_histogram_weight(p->histogram[k]);
        }
        promql_engine_count(e, &s->grid, i, n);
    }
}

static int range_fill(struct engine *e, struct range_stream *s, const struct samples *in)
{
    const struct column *c = &in->column;
    struct column whole;
    s->call.metric = labels_get(in->key, LABEL_METRIC);
    if (s->blocks) {
        int done = promql_blocks_fill(e, s->blocks, in, &s->row, &whole);
        if (done != 0)
            return done;
        c = &whole;
    }
    bool plain = s->fast && !c->histogram && !(s->starts && c->start_ms);
    bool rising = plain && is_rising(c->value, c->n);
    struct parts p = {.ts_ms = c->ts_ms, .value = c->value, .n = c->n, .ts_id = c->ts_id};
    if (!rising)
        p = take_apart(e, s, c);
    windows_of(s, p.ts_ms, p.n, p.ts_id);
    if (s->counted)
        count_windows(e, s, &p);
    if (!plain || p.histograms_n)
        return fill_windows(e, s, &p);
    const double *lost = NULL;
    if (!rising && s->counter && !(lost = lost_of(e, s, p.value, p.n)))
        return fill_windows(e, s, &p);
    rate_fill(s, p.value, lost);
    memcpy(s->row.kind, s->windows.kind, s->grid.n);
    return 0;
}

static int range_next(struct engine *e, struct stream *stream, struct row *ret)
{
    struct range_stream *s = (struct range_stream *)stream;
    struct samples in;
    int more = s->source->next(e, s->source, &in);
    if (more > 0) {
        int err = range_fill(e, s, &in);
        more = err < 0 ? err : more;
    }
    if (more <= 0)
        return more;
    name_hint(e, s, in.key);
    s->row.key = in.key;
    s->row.drop_name = in.drop_name;
    if (!s->keep_name)
        promql_row_drop_name(e, &s->row.key, &s->row.drop_name);
    promql_row_view(&s->row, ret);
    return 1;
}

bool promql_is_range_function(enum promql_function f)
{
    return strchr(promql_function_row(f)->arguments, 'm') && f != PROMQL_FN_ABSENT_OVER_TIME;
}

static int range_arguments(struct engine *e, const struct promql_expr *x, const struct grid *g,
                           struct range_stream *s)
{
    double *v;
    int err = 0;
    const double **places[] = {&s->a, &s->b};
    size_t n = 0;
    for (size_t i = 0; err == 0 && i < x->arguments_n; i++) {
        if (x->arguments[i]->type != PROMQL_SCALAR)
            continue;
        err = promql_scalar(e, x->arguments[i], g, &v);
        if (err == 0)
            *places[n++] = v;
    }
    return err;
}

/* Do created times change what f says? */
static bool looks_at_starts(const struct engine *e, enum promql_function f)
{
    return e->start_timestamps && (f == PROMQL_FN_RATE || f == PROMQL_FN_INCREASE ||
                                   f == PROMQL_FN_IRATE || f == PROMQL_FN_RESETS);
}

/* Are the windows so long that aggregates of blocks pay? */
static bool long_windows(const struct engine *e, const struct promql_expr *over,
                         enum promql_function f)
{
    const struct promql_query *q = e->query;
    int64_t least = q->blocks_from_ms ? q->blocks_from_ms : BLOCKS_FROM_MS, range_ms;
    struct why why;
    if (over->kind != EXPR_SELECTOR || over->anchored || over->smoothed || over->counts_only ||
        !promql_blocks_answer(f))
        return false;
    if (!q->store || !q->store->ops->decode || promql_engine_counts(e) || looks_at_starts(e, f))
        return false;
    return promql_span_ms(over->range_span, q->instant ? 0 : q->step_ms, q->end_ms - q->start_ms,
                          &range_ms, &why) == 0 &&
           range_ms >= least;
}

int promql_stream_range(struct engine *e, const struct promql_expr *x, const struct grid *g,
                        struct stream **ret)
{
    struct range_stream *s = arena_new(e->arena, sizeof *s);
    s->stream.next = range_next;
    s->grid = *g;
    s->counted = promql_engine_counts(e);
    s->call.expr = x;
    enum promql_function f = x->kind == EXPR_CALL ? x->function : PROMQL_FN_LAST_OVER_TIME;
    s->call.function = f;
    s->keep_name = f == PROMQL_FN_LAST_OVER_TIME || f == PROMQL_FN_FIRST_OVER_TIME;
    s->counter = f != PROMQL_FN_DELTA;
    s->fast = f == PROMQL_FN_RATE || f == PROMQL_FN_INCREASE || f == PROMQL_FN_DELTA;
    s->starts = looks_at_starts(e, f);
    int err = range_arguments(e, x, g, s);
    const struct promql_expr *over = x->kind == EXPR_CALL ? x->arguments[0] : x;
    for (size_t i = 0; i < x->arguments_n; i++) {
        if (x->arguments[i]->type == PROMQL_MATRIX)
            over = x->arguments[i];
    }
    bool blocks = x->kind == EXPR_CALL && long_windows(e, promql_bare(over), f);
    if (err == 0)
        err = promql_extended_check(e, x, promql_bare(over));
    if (err == 0)
        err = promql_source(e, over, g, blocks, &s->source);
    if (err < 0)
        return err;
    if (blocks)
        s->blocks = promql_blocks_new(e, s->source, f);
    s->call.smoothed = s->source->smoothed;
    s->fast &= !s->source->before_ms;
    size_t n = g->n;
    struct windows *w = &s->windows;
    w->low = arena_array(e->arena, n, sizeof *w->low);
    w->high = arena_array(e->arena, n, sizeof *w->high);
    w->kind = arena_array(e->arena, n, 1);
    if (s->fast) {
        w->to_start = arena_array(e->arena, n, sizeof(double));
        w->sampled = arena_array(e->arena, n, sizeof(double));
        w->factor = arena_array(e->arena, n, sizeof(double));
        w->to_end = arena_array(e->arena, n, sizeof(double));
    }
    promql_row_new(e, n, &s->row);
    *ret = &s->stream;
    return 0;
}
