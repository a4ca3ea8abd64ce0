#include "query/promql/promql_reach.h"

#include "query/promql/promql_engine.h"

enum { LOOKBACK_MS = 5 * 60 * 1000, COUNT_TIMES = 8 /* the limit, then counting ends */ };

/* Of a small query: series, milliseconds that it looks at, and what its windows would look at with
 * a sample each second; about a tenth of a millisecond's work. */
enum { SMALL_SERIES = 4, SMALL_SPAN_MS = 3 * 3600 * 1000, SMALL_WORK = 200000 };

/* The times at which a node is evaluated: relative to the query's steps, or fixed by @. */
struct span {
    bool fixed;
    int64_t from, to; /* fixed: times; else distances from the first and the last step */
};

struct walk {
    const struct promql_query *q;
    int64_t lookback_ms;
    bool depends; /* on the query's start, end or range, or on a fixed time */
    void (*f)(struct walk *w, const struct promql_expr *selector, const struct span *samples);
    struct promql_reach reach;
    struct promql_estimate *estimate;
    uint64_t samples_max;
};

static int64_t add(int64_t a, int64_t b)
{
    int64_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        return a < 0 ? INT64_MIN : INT64_MAX;
    return sum;
}

static bool uses_range(const struct promql_span *s)
{
    return s && (s->kind == SPAN_RANGE || uses_range(s->left) || uses_range(s->right));
}

static int64_t ms_of(struct walk *w, const struct promql_span *s, int64_t fallback)
{
    const struct promql_query *q = w->q;
    struct why why;
    int64_t ms;
    if (!s)
        return fallback;
    w->depends |= uses_range(s);
    if (promql_span_ms(s, q->instant ? 0 : q->step_ms, q->end_ms - q->start_ms, &ms, &why) != 0) {
        w->depends = true; /* the run will say what is wrong */
        return 0;
    }
    return ms;
}

/* The times that a selector or subquery looks at, without its range. */
static struct span shifted(struct walk *w, const struct promql_expr *x, struct span at)
{
    if (x->at != AT_NONE) {
        int64_t ms = x->at == AT_START ? w->q->start_ms : x->at == AT_END ? w->q->end_ms : x->at_ms;
        w->depends = true;
        at = (struct span){true, ms, ms};
    }
    int64_t offset = ms_of(w, x->offset_span, 0);
    at.from = add(at.from, -offset);
    at.to = add(at.to, -offset);
    return at;
}

static void visit(struct walk *w, const struct promql_expr *x, const struct span *at)
{
    if (!x)
        return;
    struct span inner = *at;
    if (x->kind == EXPR_SELECTOR || x->kind == EXPR_SUBQUERY) {
        inner = shifted(w, x, inner);
        int64_t range = ms_of(w, x->range_span, w->lookback_ms);
        inner.from = add(inner.from, -range);
        if (x->anchored || x->smoothed)
            inner.from = add(inner.from, -w->lookback_ms);
        if (x->smoothed)
            inner.to = add(inner.to, w->lookback_ms);
        (void)ms_of(w, x->step_span, 0);
    }
    if (x->kind == EXPR_CALL &&
        (x->function == PROMQL_FN_START || x->function == PROMQL_FN_END ||
         x->function == PROMQL_FN_RANGE ||
         str_eq(str_c(promql_function_row(x->function)->name), STR("info"))))
        w->depends = true; /* info() looks at series that no selector of the text names */
    if (x->kind == EXPR_SELECTOR)
        w->f(w, x, &inner);
    visit(w, x->left, &inner);
    visit(w, x->right, &inner);
    for (size_t i = 0; i < x->arguments_n; i++)
        visit(w, x->arguments[i], &inner);
}

static void walk_all(struct walk *w)
{
    struct span at = {0};
    w->lookback_ms = w->q->lookback_ms ? w->q->lookback_ms : LOOKBACK_MS;
    visit(w, w->q->expr, &at);
}

static void widen(struct walk *w, const struct promql_expr *x, const struct span *samples)
{
    (void)x;
    w->reach.before_ms = MAX(w->reach.before_ms, add(0, -MAX(samples->from, -INT64_MAX)));
    w->reach.after_ms = MAX(w->reach.after_ms, samples->to);
}

struct promql_reach promql_reach_of(const struct promql_query *q)
{
    struct walk w = {.q = q, .f = widen, .reach = {.before_ms = INT64_MIN, .after_ms = INT64_MIN}};
    walk_all(&w);
    w.reach.local = !w.depends;
    return w.reach;
}

bool promql_reach_names_meet(const struct promql_expr *x)
{
    if (!x)
        return false;
    bool drops = x->kind == EXPR_UNARY || x->kind == EXPR_BINARY || x->kind == EXPR_CALL;
    if (drops && x->left && promql_names_may_meet(x->left))
        return true;
    for (size_t i = 0; i < x->arguments_n; i++) {
        const struct promql_expr *of = x->arguments[i];
        if (of->type != PROMQL_SCALAR && of->type != PROMQL_STRING &&
            (promql_names_may_meet(of) || promql_reach_names_meet(of)))
            return true;
    }
    return promql_reach_names_meet(x->left) || promql_reach_names_meet(x->right);
}

/* ---- how much */

static void times_of(const struct walk *w, const struct span *s, int64_t *ret_from, int64_t *ret_to)
{
    *ret_from = s->fixed ? s->from : add(w->q->start_ms, s->from);
    *ret_to = s->fixed ? s->to : add(w->q->end_ms, s->to);
}

static void bound(struct walk *w, const struct promql_expr *x, const struct span *span)
{
    const struct promql_query *q = w->q;
    uint64_t samples, series;
    int64_t from, to;
    (void)x;
    times_of(w, span, &from, &to);
    q->store->ops->bound(q->store, q->tenant, from, to, &samples, &series);
    w->estimate->samples += samples;
    w->estimate->series += series;
}

static void count_view(struct walk *w, const struct series_view *v, int64_t from, int64_t to)
{
    w->estimate->series++;
    for (size_t i = 0; i < v->blocks_n; i++) {
        const struct block *b = &v->blocks[i];
        uint64_t n = b->n;
        int64_t length = b->last_ms - b->first_ms, first = MAX(from, b->first_ms);
        int64_t inside = MIN(to, b->last_ms) - first;
        if (inside < 0)
            continue;
        if (length >
            0) /* the part of it that lies in the range, if its samples are evenly spread */
            n = (uint64_t)((double)n * (double)inside / (double)length);
        w->estimate->samples += MAX(n, 1);
    }
}

static void count(struct walk *w, const struct promql_expr *x, const struct span *span)
{
    const struct promql_query *q = w->q;
    const struct series_store_ops *ops = q->store->ops;
    struct series_cursor *cursor;
    struct series_view view;
    struct why why;
    int64_t from, to;
    if (w->estimate->more)
        return;
    times_of(w, span, &from, &to);
    struct select how = {.matchers = x->matchers,
                         .matchers_n = x->matchers_n,
                         .from_ms = from,
                         .to_ms = to,
                         .want = SELECT_BLOCKS};
    if (ops->select(q->store, q->tenant, &how, &cursor, &why) != 0)
        return; /* the run will say why */
    while (!w->estimate->more && ops->next(cursor, &view, &why) == 1) {
        count_view(w, &view, from, to);
        w->estimate->more = w->estimate->samples / COUNT_TIMES > w->samples_max ||
                            (q->canceled && atomic_load(q->canceled));
    }
    ops->close(cursor);
}

void promql_reach_estimate(const struct promql_query *q, uint64_t samples_max,
                           struct promql_estimate *ret)
{
    struct walk w = {.q = q, .f = bound, .estimate = ret, .samples_max = samples_max};
    *ret = (struct promql_estimate){0};
    if (!q->store || !q->tenant || !q->store->ops->bound)
        return;
    walk_all(&w);
    if (ret->samples <= samples_max)
        return;
    *ret = (struct promql_estimate){0};
    w.f = count;
    walk_all(&w);
}

/* ---- small queries */

static bool has_subquery(const struct promql_expr *x)
{
    if (x->kind == EXPR_SUBQUERY || (x->left && has_subquery(x->left)) ||
        (x->right && has_subquery(x->right)))
        return true;
    for (size_t i = 0; i < x->arguments_n; i++)
        if (has_subquery(x->arguments[i]))
            return true;
    return false;
}

static bool all_equal(const struct promql_selector *s)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->matchers[i].type != MATCH_EQUAL || s->matchers[i].value.n == 0)
            return false;
    return s->n > 0;
}

/* How many series the selector has in these times, or more than a small query's. */
static uint64_t series_of(const struct promql_query *q, const struct promql_selector *s,
                          int64_t from_ms, int64_t to_ms)
{
    const struct series_store_ops *ops = q->store->ops;
    struct select how = {.matchers = s->matchers,
                         .matchers_n = s->n,
                         .from_ms = from_ms,
                         .to_ms = to_ms,
                         .want = SELECT_KEYS};
    struct series_cursor *c;
    struct why why;
    if (!all_equal(s) || !ops->estimate || ops->select(q->store, q->tenant, &how, &c, &why) != 0)
        return SMALL_SERIES + 1;
    uint64_t n = ops->estimate(c);
    ops->close(c);
    return n;
}

bool promql_reach_small(const struct promql_query *q, struct arena *a)
{
    struct promql_selectors selectors;
    struct promql_reach reach = promql_reach_of(q);
    int64_t span = add(q->end_ms, -q->start_ms);
    int64_t steps = q->instant ? 1 : span / q->step_ms + 1;
    promql_selectors(q->expr, a, &selectors);
    if (selectors.n == 0)
        reach.before_ms = reach.after_ms = 0;
    if (!reach.local || reach.before_ms < 0 || reach.after_ms > 0 || has_subquery(q->expr) ||
        add(span, reach.before_ms) > SMALL_SPAN_MS || steps > SMALL_WORK ||
        steps * (reach.before_ms / 1000 + 1) > SMALL_WORK)
        return false;
    uint64_t series = 0;
    for (size_t i = 0; i < selectors.n && q->tenant && series <= SMALL_SERIES; i++)
        series += series_of(q, &selectors.v[i], add(q->start_ms, -reach.before_ms), q->end_ms);
    return series <= SMALL_SERIES;
}
