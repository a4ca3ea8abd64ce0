#include "query/promql/promql_windows.h"

#include <math.h>
#include <string.h>

enum { BLOCKS_FROM_MS = 3600 * 1000 };

struct range_stream {
    struct stream stream;
    struct source *source;
    struct range_call call;
    struct grid grid;
    const double *a, *b;
    bool keep_name, counter, fast, plain, counted;
    bool starts; /* created times count */
    bool tells;  /* resets of histograms are worked out once, not for every window */
    struct windows_set windows;
    struct row_buffer row;
    double *first, *last;  /* [n] of windows that do not follow closely */
    struct blocks *blocks; /* NULL: samples */
    uint32_t *resets;      /* [resets_n] where the present column falls */
    size_t resets_n, resets_room;
    int64_t *float_ts, *histogram_ts; /* a column taken apart */
    double *float_value;
    const struct histogram **histogram;
    int64_t *float_start, *histogram_start; /* created times of both */
    struct histogram *told;
    size_t parts_n;
};

static bool has_stale(const double *v, size_t n)
{
    if (!promql_kernel()->any_nan(v, n))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (UNLIKELY(v[i] != v[i]) && sample_is_stale(v[i]))
            return true;
    }
    return false;
}

/* Every stride'th value from v on. */
static const double *spread(const double *v, size_t stride, size_t n, double *to)
{
    if (stride == 1)
        return v;
    for (size_t i = 0; i < n; i++)
        to[i] = v[i * stride];
    return to;
}

/* rate, increase and delta of the steps whose windows are alike. */
static void rate_alike(struct range_stream *s, const struct windows *w, const double *v)
{
    size_t n = w->to - w->from, at = w->low[w->from], end = at + w->width - 1;
    memset(s->row.kind + w->from, w->width >= 2 ? KIND_FLOAT : KIND_NONE, n);
    if (w->width < 2)
        return;
    const double *first = spread(v + at, w->stride, n, s->first);
    const double *last = spread(v + end, w->stride, n, s->last);
    promql_kernel()->rate(first, last, n, &w->alike, s->row.value + w->from);
    s->row.floats_from = w->from;
    s->row.floats_to = w->to;
}

/* rate, increase and delta of a column of floats without stale markers, resets left aside. */
HOT static void rate_fill(struct range_stream *s, const struct windows *w, const double *v)
{
    if (w->from < w->to)
        rate_alike(s, w, v);
    for (size_t i = 0; i < s->grid.n; i++) {
        if (i == w->from)
            i = w->to;
        if (i == s->grid.n)
            break;
        s->row.kind[i] = w->kind[i];
        if (w->kind[i] == KIND_NONE)
            continue;
        uint32_t first = w->low[i], last = w->high[i] - 1;
        s->row.value[i] = promql_extrapolated(&w->each[i], v[first], v[last] - v[first]);
    }
}

/* Finds where a counter falls. */
static void find_resets(struct engine *e, struct range_stream *s, const double *v, size_t n)
{
    if (s->resets_room < n) {
        s->resets_room = n * 2;
        s->resets = arena_array(e->arena, s->resets_room, sizeof *s->resets);
    }
    s->resets_n = 0;
    for (size_t i = 1; i < n; i++) {
        s->resets[s->resets_n] = (uint32_t)i;
        s->resets_n += v[i] < v[i - 1];
    }
}

/* Corrects the windows with resets in them: added one by one, as promql_rate() does it. */
static void rate_resets(struct range_stream *s, const struct windows *w, const double *v)
{
    const uint32_t *at = s->resets, *end = at + s->resets_n;
    for (size_t i = 0; at < end && i < s->grid.n; i++) {
        while (at < end && *at <= w->low[i])
            at++;
        if (at == end || *at >= w->high[i] || s->row.kind[i] == KIND_NONE)
            continue;
        double gained = v[w->high[i] - 1] - v[w->low[i]];
        for (const uint32_t *k = at; k < end && *k < w->high[i]; k++)
            gained += v[*k - 1];
        bool alike = i >= w->from && i < w->to;
        s->row.value[i] =
            promql_extrapolated(alike ? &w->alike : &w->each[i], v[w->low[i]], gained);
    }
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
    if (s->tells)
        s->told = arena_array(e->arena, s->parts_n, sizeof *s->told);
}

/* h with a hint, in *to, which shares its buckets. */
static const struct histogram *tell_reset(struct engine *e, struct histogram *to,
                                          const struct histogram *h, const struct histogram *before)
{
    *to = *h;
    to->reset = promql_histogram_reset(e, h, before) ? HISTOGRAM_RESET_YES : HISTOGRAM_RESET_NO;
    return to;
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
            if (s->tells && m && h->reset == HISTOGRAM_RESET_UNKNOWN)
                h = tell_reset(e, &s->told[m], h, s->histogram[m - 1]);
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

/* The sum of values of one sign, in any order: where signs differ, digits may cancel out, and then
 * the order is seen. */
static bool sum_of_one_sign(const double *v, size_t n, double *sum, double *c)
{
    const struct promql_kernel *k = promql_kernel();
    if (k->window_least(v, n) < 0 && k->window_greatest(v, n) > 0)
        return false;
    k->window_sum(v, n, sum, c);
    return isfinite(*sum);
}

/* One window of n floats, none NaN; false where it needs more than this. */
static bool plain_window(enum promql_function f, const double *v, size_t n, double *ret)
{
    const struct promql_kernel *k = promql_kernel();
    double sum, c;
    switch (f) {
    case PROMQL_FN_COUNT_OVER_TIME:
        *ret = (double)n;
        return true;
    case PROMQL_FN_PRESENT_OVER_TIME:
        *ret = 1;
        return true;
    case PROMQL_FN_LAST_OVER_TIME:
        *ret = v[n - 1];
        return true;
    case PROMQL_FN_MAX_OVER_TIME:
        *ret = k->window_greatest(v, n);
        return true;
    case PROMQL_FN_MIN_OVER_TIME:
        *ret = k->window_least(v, n);
        return true;
    case PROMQL_FN_SUM_OVER_TIME:
        if (!sum_of_one_sign(v, n, &sum, &c))
            return false;
        *ret = sum + c;
        return true;
    case PROMQL_FN_AVG_OVER_TIME:
        if (!sum_of_one_sign(v, n, &sum, &c))
            return false;
        *ret = sum / (double)n + c / (double)n;
        return true;
    default:
        return false;
    }
}

/* Functions that look at values only, over floats without NaN: 1; 0 where a window needs more. */
static int fill_plainly(struct engine *e, struct range_stream *s, const struct windows *w,
                        const struct parts *p)
{
    if (s->source->before_ms || p->histograms_n || !s->plain ||
        promql_kernel()->any_nan(p->value, p->n))
        return 0;
    for (size_t i = 0; i < s->grid.n; i++) {
        size_t n = w->high[i] - w->low[i];
        s->row.kind[i] = n ? KIND_FLOAT : KIND_NONE;
        if (n && !plain_window(s->call.function, p->value + w->low[i], n, &s->row.value[i]))
            return 0;
        int err = promql_engine_work(e, n);
        if (err < 0)
            return err;
    }
    return 1;
}

static int fill_windows(struct engine *e, struct range_stream *s, const struct windows *windows,
                        const struct parts *p)
{
    size_t n = s->grid.n;
    int done = fill_plainly(e, s, windows, p);
    if (done != 0)
        return MIN(done, 0);
    int (*f)(struct engine *, const struct range_call *, const struct window *, double *,
             const struct histogram **) = s->source->before_ms               ? promql_extended
                                          : promql_is_rate(s->call.function) ? promql_rate
                                                                             : promql_over_time;
    size_t lo = 0, hi = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t low = windows->low[i], high = windows->high[i];
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

static void count_windows(struct engine *e, const struct range_stream *s, const struct windows *w,
                          const struct parts *p)
{
    for (size_t i = 0; i < s->grid.n; i++) {
        uint64_t n = w->high[i] - w->low[i];
        int64_t to = promql_source_ms(s->source, i), from = to - s->source->range_ms;
        for (size_t k = 0; k < p->histograms_n; k++) {
            if (p->histogram_ts_ms[k] > from && p->histogram_ts_ms[k] <= to)
                n += promql_histogram_weight(p->histogram[k]);
        }
        promql_engine_count(e, &s->grid, i, n);
    }
}

/* Do the created times say nothing: one life that began before the first window, or none known? */
static bool is_one_life(const struct range_stream *s, const int64_t *start_ms, size_t n)
{
    int64_t other = 0;
    for (size_t i = 0; i < n; i++)
        other |= start_ms[i] ^ start_ms[0];
    return other == 0 && (n == 0 || start_ms[0] == 0 ||
                          start_ms[0] <= promql_source_ms(s->source, 0) - s->source->range_ms);
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
    bool lives = s->starts && c->start_ms && !is_one_life(s, c->start_ms, c->n);
    bool plain = s->fast && !c->histogram && !lives;
    bool rising = plain && promql_kernel()->rising(c->value, c->n);
    struct parts p = {.ts_ms = c->ts_ms, .value = c->value, .n = c->n, .ts_id = c->ts_id};
    s->row.floats_from = s->row.floats_to = 0;
    if (!rising)
        p = take_apart(e, s, c);
    struct windows *w = promql_windows_of(e, &s->windows, p.ts_ms, p.n, p.ts_id);
    if (s->counted)
        count_windows(e, s, w, &p);
    if (!plain || p.histograms_n)
        return fill_windows(e, s, w, &p);
    promql_windows_extrapolate(e, &s->windows, w, p.ts_ms, s->call.function == PROMQL_FN_RATE,
                               s->counter);
    rate_fill(s, w, p.value);
    if (!rising && s->counter) {
        find_resets(e, s, p.value, p.n);
        rate_resets(s, w, p.value);
    }
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

/* Does plain_window() know f? */
static bool is_plain(enum promql_function f)
{
    double v = 0, ret;
    return plain_window(f, &v, 1, &ret);
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
    s->plain = is_plain(f);
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
    if (err < 0)
        return err;
    e->times_only = promql_bare(over)->kind == EXPR_SELECTOR &&
                    (f == PROMQL_FN_COUNT_OVER_TIME || f == PROMQL_FN_PRESENT_OVER_TIME) &&
                    !s->counted;
    err = promql_source(e, over, g, blocks, &s->source);
    e->times_only = false;
    if (err < 0)
        return err;
    if (blocks)
        s->blocks = promql_blocks_new(e, s->source, f);
    s->call.smoothed = s->source->smoothed;
    s->fast &= !s->source->before_ms;
    s->tells = !s->source->before_ms && (f == PROMQL_FN_RATE || f == PROMQL_FN_INCREASE ||
                                         f == PROMQL_FN_IRATE || f == PROMQL_FN_RESETS);
    promql_windows_init(e, s->source, s->source->range_ms + s->source->before_ms,
                        s->source->after_ms, &s->windows);
    size_t n = g->n;
    if (s->fast) {
        s->first = arena_array(e->arena, 2 * n, sizeof *s->first);
        s->last = s->first + n;
    }
    promql_row_new(e, n, &s->row);
    *ret = &s->stream;
    return 0;
}
