#include "query/promql/promql_windows.h"
#include "query/promql/promql_explain.h"

#include <string.h>

#include "base/vec.h"

int64_t promql_source_ms(const struct source *s, size_t i)
{
    return (s->at == AT_NONE ? grid_ms(&s->grid, i) : s->at_ms) - s->offset_ms;
}

static int span_of(struct engine *e, const struct promql_span *span, int64_t *ret)
{
    const struct promql_query *q = e->query;
    struct why why = {0};
    int64_t step = q->instant ? 0 : q->step_ms;
    if (promql_span_ms(span, step, q->end_ms - q->start_ms, ret, &why) < 0)
        return promql_engine_fail(e, PROMQL_BAD_DATA, "%s", why.text);
    return 0;
}

int promql_offset_ms(struct engine *e, const struct promql_expr *x, int64_t *ret)
{
    return span_of(e, x->offset_span, ret);
}

static int positive_span_of(struct engine *e, const struct promql_span *span, int64_t *ret)
{
    int err = span_of(e, span, ret);
    if (err == 0 && *ret <= 0) {
        char position[32];
        promql_position(e->text, span->start, position, sizeof position);
        return promql_engine_fail(e, PROMQL_BAD_DATA,
                                  "%s: parse error: duration must be greater than 0", position);
    }
    return err;
}

static int source_times(struct engine *e, const struct promql_expr *x, const struct grid *g,
                        struct source *s)
{
    s->grid = *g;
    s->at = x->at == AT_NONE ? AT_NONE : AT_TIME;
    s->at_ms = x->at == AT_START ? e->query->start_ms
               : x->at == AT_END ? e->query->end_ms
                                 : x->at_ms;
    if (!x->offset_span)
        return 0;
    return span_of(e, x->offset_span, &s->offset_ms);
}

/* Opens a cursor over what matches in (first - behind, last]. */
static int open_cursor(struct engine *e, const struct promql_expr *x, const struct source *s,
                       int64_t behind_ms, enum select_want want, struct series_cursor **ret)
{
    const struct promql_query *q = e->query;
    bool times_only = e->times_only;
    *ret = e->given;
    e->given = NULL;
    e->times_only = false;
    if (*ret || !q->store || !q->tenant)
        return 0;
    int64_t first = promql_source_ms(s, 0), last = promql_source_ms(s, s->grid.n - 1);
    struct select how = {.matchers = x->matchers,
                         .matchers_n = x->matchers_n,
                         .from_ms = first - behind_ms,
                         .to_ms = last + s->after_ms,
                         .want = want,
                         .times_only = times_only};
    struct why why = {0};
    int err = q->store->ops->select(q->store, q->tenant, &how, ret, &why);
    if (err < 0)
        return promql_engine_fail(e, PROMQL_EXECUTION, "%s",
                                  why.text[0] ? why.text : err_text(err));
    vec_push(&e->cursors, *ret);
    return 0;
}

static int cursor_next(struct engine *e, struct series_cursor *c, struct samples *ret)
{
    if (!c)
        return 0;
    struct series_view view;
    struct why why = {0};
    int more = e->query->store->ops->next(c, &view, &why);
    if (more < 0)
        return promql_engine_fail(e, PROMQL_EXECUTION, "%s",
                                  why.text[0] ? why.text : err_text(more));
    if (more == 0)
        return 0;
    int err = promql_engine_poll(e);
    if (err < 0)
        return err;
    e->series++;
    e->samples += view.column.n;
    uint64_t limit = e->query->limits.samples_max;
    if (limit && e->alive + view.column.n > limit)
        return promql_engine_hold(e, view.column.n);
    *ret = (struct samples){
        .key = view.key, .column = view.column, .blocks = view.blocks, .blocks_n = view.blocks_n};
    return 1;
}

/* --- instant selectors ----------------------------------------------------------------------- */

struct selector_stream {
    struct stream stream;
    struct source source;
    bool counted;
    enum selector_values want;
    struct windows_set windows; /* a step's sample is the last one of its window */
    struct row_buffer row;
    const struct promql_expr *expr;
};

static double seconds_of(const struct selector_stream *s, const struct column *c, size_t at)
{
    if (s->want == SELECTOR_STARTS)
        return c->start_ms ? (double)c->start_ms[at] / 1000 : 0;
    return (double)c->ts_ms[at] / 1000;
}

/* Fills the steps whose windows are alike from a column of floats; false where one may be stale. */
static bool fill_alike(struct selector_stream *s, const struct column *c, const struct windows *w)
{
    if (w->from == w->to || w->width == 0 || c->histogram || s->want)
        return false;
    size_t n = w->to - w->from;
    const double *from = c->value + w->low[w->from] + w->width - 1;
    double *to = s->row.value + w->from;
    if (w->stride == 1)
        memcpy(to, from, n * sizeof *to);
    for (size_t i = 0; w->stride != 1 && i < n; i++)
        to[i] = from[i * w->stride];
    if (promql_kernel()->any_nan(to, n))
        return false;
    memset(s->row.kind + w->from, KIND_FLOAT, n);
    s->row.floats_from = w->from;
    s->row.floats_to = w->to;
    return true;
}

static bool fill_step(struct engine *e, struct selector_stream *s, const struct column *c, size_t i,
                      size_t at)
{
    if (c->histogram && c->histogram[at]) {
        if (histogram_is_stale(c->histogram[at]))
            return false;
        if (s->want != SELECTOR_TIMES && s->want != SELECTOR_STARTS) {
            promql_row_histogram(e, &s->row, s->source.grid.n, i, c->histogram[at]);
            return true;
        }
    } else if (sample_is_stale(c->value[at])) {
        return false;
    }
    s->row.kind[i] = KIND_FLOAT;
    s->row.value[i] = s->want ? seconds_of(s, c, at) : c->value[at];
    return true;
}

/* Fills the row; false where no step has a value. */
static bool selector_fill(struct engine *e, struct selector_stream *s, const struct column *c)
{
    struct windows *w = promql_windows_of(e, &s->windows, c->ts_ms, c->n, c->ts_id);
    s->row.floats_from = s->row.floats_to = 0;
    bool any = fill_alike(s, c, w);
    size_t from = s->row.floats_from, to = s->row.floats_to;
    for (size_t i = 0; i < s->source.grid.n; i++) {
        if (i == from)
            i = to;
        if (i == s->source.grid.n)
            break;
        s->row.kind[i] = KIND_NONE;
        if (w->high[i] > w->low[i])
            any |= fill_step(e, s, c, i, w->high[i] - 1);
    }
    return any;
}

static void selector_count(struct engine *e, const struct selector_stream *s)
{
    const struct row_buffer *r = &s->row;
    for (size_t i = 0; i < s->source.grid.n; i++) {
        if (r->kind[i] == KIND_NONE)
            continue;
        uint64_t n = r->kind[i] == KIND_HISTOGRAM ? promql_histogram_weight(r->histogram[i]) : 1;
        promql_engine_count(e, &s->source.grid, i, n);
    }
}

/* Where only counts and sums are looked at, Prometheus tells resets while it reads: a sample whose
 * hint says nothing is compared with the one before it. */
static void tell_resets(struct engine *e, struct column *c)
{
    const struct histogram **out = arena_array(e->arena, c->n, sizeof(struct histogram *));
    const struct histogram *before = NULL;
    for (size_t i = 0; i < c->n; i++) {
        const struct histogram *h = c->histogram[i];
        out[i] = h;
        if (!h || histogram_is_stale(h))
            continue;
        if (before && h->reset == HISTOGRAM_RESET_UNKNOWN) {
            struct histogram *copy = arena_new(e->arena, sizeof *copy);
            *copy = *h;
            copy->reset =
                promql_histogram_reset(e, h, before) ? HISTOGRAM_RESET_YES : HISTOGRAM_RESET_NO;
            out[i] = copy;
        }
        before = h;
    }
    c->histogram = out;
}

static int selector_next(struct engine *e, struct stream *stream, struct row *ret)
{
    struct selector_stream *s = (struct selector_stream *)stream;
    struct samples in;
    int more;
    while ((more = cursor_next(e, s->source.cursor, &in)) > 0) {
        if (in.column.histogram && s->expr->counts_only)
            tell_resets(e, &in.column);
        if (!selector_fill(e, s, &in.column))
            continue;
        if (s->counted)
            selector_count(e, s);
        s->row.key = in.key;
        s->row.drop_name = false;
        if (s->want == SELECTOR_TIMES || s->want == SELECTOR_STARTS)
            promql_row_drop_name(e, &s->row.key, &s->row.drop_name);
        promql_row_view(&s->row, ret);
        return 1;
    }
    return more;
}

int promql_stream_selector(struct engine *e, const struct promql_expr *x, const struct grid *g,
                           enum selector_values want, struct stream **ret)
{
    struct selector_stream *s = arena_new(e->arena, sizeof *s);
    s->stream.next = selector_next;
    s->want = want;
    s->counted = promql_engine_counts(e);
    s->expr = x;
    e->times_only |= want == SELECTOR_TIMES;
    int err = source_times(e, x, g, &s->source);
    if (err == 0)
        err = open_cursor(e, x, &s->source, e->lookback_ms - 1, SELECT_SAMPLES, &s->source.cursor);
    if (err < 0)
        return err;
    promql_windows_init(e, &s->source, e->lookback_ms, 0, &s->windows);
    promql_row_new(e, g->n, &s->row);
    *ret = &s->stream;
    return 0;
}

/* --- range vectors --------------------------------------------------------------------------- */

static int selector_source_next(struct engine *e, struct source *s, struct samples *ret)
{
    int more = cursor_next(e, s->cursor, ret);
    if (more > 0 && s->counts_only && ret->column.histogram)
        tell_resets(e, &ret->column);
    return more;
}

struct subquery_source {
    struct source source;
    struct stream *inner;
    struct grid grid;
    int64_t *ts_ms, *all_ts_ms;
    double *value;
    const struct histogram **histogram;
};

/* The hint speaks of the sample stored before, which a subquery may have passed over. */
static const struct histogram *unhinted(struct engine *e, const struct histogram *h)
{
    if (h->reset == HISTOGRAM_RESET_GAUGE || h->reset == HISTOGRAM_RESET_UNKNOWN)
        return h;
    struct histogram *copy = arena_new(e->arena, sizeof *copy);
    *copy = *h;
    copy->reset = HISTOGRAM_RESET_UNKNOWN;
    return copy;
}

static int subquery_next(struct engine *e, struct source *source, struct samples *ret)
{
    struct subquery_source *s = (struct subquery_source *)source;
    struct row r;
    int more = s->inner->next(e, s->inner, &r);
    if (more <= 0)
        return more;
    size_t n = 0;
    bool histograms = false;
    for (size_t i = 0; i < s->grid.n; i++) {
        if (r.kind[i] == KIND_NONE)
            continue;
        s->ts_ms[n] = s->all_ts_ms[i];
        s->value[n] = r.value[i];
        s->histogram[n] = r.kind[i] == KIND_HISTOGRAM ? unhinted(e, r.histogram[i]) : NULL;
        histograms |= r.kind[i] == KIND_HISTOGRAM;
        n++;
    }
    *ret = (struct samples){.key = r.key, .drop_name = r.drop_name};
    ret->column = (struct column){.ts_ms = s->ts_ms,
                                  .value = s->value,
                                  .histogram = histograms ? s->histogram : NULL,
                                  .n = n,
                                  .ts_id = n == s->grid.n ? 1 : 0};
    return 1;
}

/* The multiples of the step in (first - range, last]. */
static int subquery_grid(struct engine *e, struct subquery_source *s, int64_t step_ms)
{
    int64_t from = promql_source_ms(&s->source, 0) - s->source.range_ms;
    int64_t to = promql_source_ms(&s->source, s->source.grid.n - 1);
    int64_t start = from / step_ms * step_ms;
    while (start <= from)
        start += step_ms;
    if (start - step_ms > from)
        start -= step_ms;
    enum { STEP_BYTES = 64 }; /* of the arrays here and of a row below */
    s->grid = (struct grid){start, step_ms, 0};
    if (to >= start)
        s->grid.n = (size_t)((to - start) / step_ms) + 1;
    int err = promql_engine_room(e, s->grid.n * STEP_BYTES);
    if (err < 0)
        return err;
    uint64_t limit = e->query->limits.samples_max;
    if (limit && s->grid.n > limit)
        return promql_engine_hold(e, s->grid.n);
    return 0;
}

static int subquery_new(struct engine *e, const struct promql_expr *x, const struct grid *g,
                        struct source **ret)
{
    struct subquery_source *s = arena_new(e->arena, sizeof *s);
    s->source.next = subquery_next;
    int err = source_times(e, x, g, &s->source);
    if (err == 0)
        err = positive_span_of(e, x->range_span, &s->source.range_ms);
    int64_t step = e->query->subquery_step_ms ? e->query->subquery_step_ms : 60000;
    if (err == 0 && x->step_span)
        err = positive_span_of(e, x->step_span, &step);
    if (err == 0)
        err = subquery_grid(e, s, step);
    if (err < 0)
        return err;
    *ret = &s->source;
    if (s->grid.n == 0) {
        s->source.next = selector_source_next; /* without a cursor: nothing */
        return 0;
    }
    s->ts_ms = arena_array(e->arena, s->grid.n, sizeof *s->ts_ms);
    s->all_ts_ms = arena_array(e->arena, s->grid.n, sizeof *s->ts_ms);
    s->value = arena_array(e->arena, s->grid.n, sizeof *s->value);
    s->histogram = arena_array(e->arena, s->grid.n, sizeof(struct histogram *));
    for (size_t i = 0; i < s->grid.n; i++)
        s->all_ts_ms[i] = grid_ms(&s->grid, i);
    e->subqueries++;
    err = promql_stream(e, x->left, &s->grid, &s->inner);
    e->subqueries--;
    return err;
}

static int source_of(struct engine *e, const struct promql_expr *x, const struct grid *g,
                     bool blocks, struct source **ret)
{
    if (x->kind == EXPR_SUBQUERY)
        return subquery_new(e, x, g, ret);
    struct source *s = arena_new(e->arena, sizeof *s);
    s->next = selector_source_next;
    int err = source_times(e, x, g, s);
    if (err == 0 && x->range_span)
        err = positive_span_of(e, x->range_span, &s->range_ms);
    if (err < 0)
        return err;
    if (x->anchored || x->smoothed)
        s->before_ms = e->lookback_ms;
    if (x->smoothed)
        s->after_ms = e->lookback_ms;
    s->smoothed = x->smoothed;
    s->counts_only = x->counts_only;
    err = open_cursor(e, x, s, s->range_ms + s->before_ms - 1,
                      blocks ? SELECT_BLOCKS : SELECT_SAMPLES, &s->cursor);
    if (err < 0)
        return err;
    *ret = s;
    return 0;
}

int promql_source(struct engine *e, const struct promql_expr *x, const struct grid *g, bool blocks,
                  struct source **ret)
{
    x = promql_bare(x);
    int err = source_of(e, x, g, blocks, ret);
    if (err == 0 && e->profile)
        *ret = promql_profile_source(e, x, *ret);
    return err;
}
