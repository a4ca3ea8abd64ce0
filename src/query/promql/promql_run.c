#include "query/promql/promql_engine.h"
#include "query/promql/promql_result.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/vec.h"
#include "query/promql/promql_parallel.h"

enum { LOOKBACK_MS = 5 * 60 * 1000, POLL_CLOCK = 16 };

int promql_engine_fail(struct engine *e, enum promql_error kind, const char *format, ...)
{
    static const int codes[] = {0,         -ERR_FORMAT, -ERR_LIMIT, -ERR_TIMEOUT, -ERR_CANCELED,
                                -ERR_STATE};
    if (e->failure->kind == PROMQL_NONE) {
        e->failure->kind = kind;
        va_list args;
        va_start(args, format);
        vsnprintf(e->failure->text, sizeof e->failure->text, format, args);
        va_end(args);
    }
    return codes[kind];
}

static int bytes_exceeded(struct engine *e, const char *whose, uint64_t limit)
{
    return promql_engine_fail(e, PROMQL_EXECUTION,
                              "query processing would use more than %llu bytes of memory in "
                              "query execution (limit of %s)",
                              (unsigned long long)limit, whose);
}

int promql_engine_room(struct engine *e, uint64_t bytes)
{
    enum { STEP = 1 << 20 }; /* what is charged at once, at least */
    const struct promql_account *full;
    uint64_t limit = e->query->limits.bytes_max, used = e->arena->total + bytes;
    if (limit &&
        atomic_load_explicit(&e->meter->bytes, memory_order_relaxed) - e->charged + used > limit)
        return bytes_exceeded(e, "one query", limit);
    if (used <= e->charged)
        return 0;
    uint64_t more = MAX(used - e->charged, limit ? MIN(STEP, limit / 16) : STEP);
    if (!promql_meter_charge(e->meter, more, &full))
        return bytes_exceeded(e, full->whose, atomic_load(&full->bytes_max));
    e->charged += more;
    return 0;
}

/* Tells the meter what has been read since it was told last. */
static void tell(struct engine *e)
{
    atomic_fetch_add_explicit(&e->meter->series, e->series - e->told_series, memory_order_relaxed);
    atomic_fetch_add_explicit(&e->meter->samples, e->samples - e->told_samples,
                              memory_order_relaxed);
    e->told_series = e->series;
    e->told_samples = e->samples;
}

int promql_engine_poll(struct engine *e)
{
    const struct promql_query *q = e->query;
    if ((q->canceled && atomic_load_explicit(q->canceled, memory_order_relaxed)) ||
        atomic_load_explicit(&e->meter->canceled, memory_order_relaxed))
        return promql_engine_fail(e, PROMQL_CANCELED,
                                  "query was canceled in expression evaluation");
    if (e->shared && atomic_load_explicit(&e->shared->stop, memory_order_relaxed))
        return promql_engine_fail(e, PROMQL_CANCELED, "another part of the query has failed");
    int err = e->arena->total > e->charged ? promql_engine_room(e, 0) : 0;
    if (err < 0 || ++e->polls % POLL_CLOCK)
        return err;
    tell(e);
    if (e->deadline_ns && clock_monotonic_ns(&clock_real) > e->deadline_ns)
        return promql_engine_fail(e, PROMQL_TIMEOUT, "query timed out in expression evaluation");
    return 0;
}

void promql_engine_count(struct engine *e, const struct grid *g, size_t step, uint64_t n)
{
    if (g->n == e->steps_n) {
        e->step_samples[step] += n;
        return;
    }
    for (size_t i = 0; i < e->steps_n; i++) /* the same at every step */
        e->step_samples[i] += n;
}

uint64_t promql_histogram_weight(const struct histogram *h)
{
    enum { FIXED = 168, POINT = 16, STAMP = 8 }; /* bytes, as Prometheus counts */
    return (FIXED + STAMP +
            8 * (h->positive_spans_n + h->negative_spans_n + h->positive_n + h->negative_n +
                 h->custom_n)) /
           POINT;
}

int promql_engine_hold(struct engine *e, uint64_t n)
{
    e->alive = e->shared ? atomic_fetch_add(&e->shared->alive, n) + n : e->alive + n;
    if (e->alive > e->alive_peak)
        e->alive_peak = e->alive;
    uint64_t limit = e->query->limits.samples_max;
    if (limit && e->alive > limit)
        return promql_engine_fail(e, PROMQL_EXECUTION,
                                  "query processing would load too many samples into memory in "
                                  "query execution");
    return 0;
}

const struct promql_expr *promql_bare(const struct promql_expr *e)
{
    while (e->kind == EXPR_PAREN)
        e = e->left;
    return e;
}

struct str promql_string(const struct promql_expr *x)
{
    return promql_bare(x)->string;
}

static bool names_of_selector(const struct promql_expr *e)
{
    for (size_t i = 0; i < e->matchers_n; i++) {
        if (e->matchers[i].type == MATCH_EQUAL && str_eq(e->matchers[i].name, LABEL_METRIC))
            return false;
    }
    return true;
}

bool promql_names_may_meet(const struct promql_expr *e)
{
    e = promql_bare(e);
    switch (e->kind) {
    case EXPR_NUMBER:
    case EXPR_STRING:
        return false;
    case EXPR_SELECTOR:
        return names_of_selector(e);
    case EXPR_UNARY:
    case EXPR_SUBQUERY:
        return promql_names_may_meet(e->left);
    case EXPR_AGGREGATE:
        for (size_t i = 0; i < e->grouping.n; i++) {
            if (str_eq(e->grouping.v[i], LABEL_METRIC))
                return true;
        }
        return e->operator>= TOKEN_TOPK ? promql_names_may_meet(e->left) : false;
    case EXPR_CALL:
        if (e->function == PROMQL_FN_LABEL_REPLACE || e->function == PROMQL_FN_LABEL_JOIN)
            return true;
        for (size_t i = 0; i < e->arguments_n; i++) {
            if (e->arguments[i]->type != PROMQL_SCALAR && promql_names_may_meet(e->arguments[i]))
                return true;
        }
        return false;
    default:
        return true;
    }
}

bool promql_is_fixed(const struct promql_expr *e)
{
    switch (e->kind) {
    case EXPR_NUMBER:
    case EXPR_STRING:
        return true;
    case EXPR_SELECTOR:
    case EXPR_SUBQUERY:
        return e->at != AT_NONE;
    case EXPR_PAREN:
    case EXPR_UNARY:
        return promql_is_fixed(e->left);
    case EXPR_BINARY:
        return promql_is_fixed(e->left) && promql_is_fixed(e->right);
    case EXPR_AGGREGATE:
        return promql_is_fixed(e->left) && (!e->right || promql_is_fixed(e->right));
    case EXPR_CALL:
        if (promql_function_row(e->function)->flags & FUNCTION_AT_UNSAFE)
            return false;
        for (size_t i = 0; i < e->arguments_n; i++) {
            if (!promql_is_fixed(e->arguments[i]))
                return false;
        }
        return true;
    }
    return false;
}

/* --- result ---------------------------------------------------------------------------------- */

void promql_result_free(struct promql_result *r)
{
    if (!r)
        return;
    arena_done(&r->arena);
    mem_free(r);
}

enum promql_type promql_result_type(const struct promql_result *r)
{
    return r->type;
}

double promql_result_scalar(const struct promql_result *r, int64_t *ret_ms)
{
    *ret_ms = r->time_ms;
    return r->scalar;
}

struct str promql_result_string(const struct promql_result *r, int64_t *ret_ms)
{
    *ret_ms = r->time_ms;
    return r->string;
}

size_t promql_result_count(const struct promql_result *r)
{
    return r->series_n;
}

uint64_t promql_result_points(const struct promql_result *r)
{
    uint64_t n = 0;
    for (size_t i = 0; i < r->series_n; i++)
        n += r->series[i].n;
    return n;
}

bool promql_result_next(struct promql_result *r, struct promql_series *ret)
{
    if (r->at == r->series_n)
        return false;
    *ret = r->series[r->at++];
    return true;
}

bool promql_result_warning(const struct promql_result *r, size_t *at, struct str *ret)
{
    if (*at >= r->warnings_n)
        return false;
    *ret = r->warnings[(*at)++];
    return true;
}

bool promql_result_info(const struct promql_result *r, size_t *at, struct str *ret)
{
    if (*at >= r->infos_n)
        return false;
    *ret = r->infos[(*at)++];
    return true;
}

struct promql_statistics promql_result_statistics(const struct promql_result *r)
{
    return r->statistics;
}

static int series_cmp(const void *a, const void *b)
{
    return labels_cmp(((const struct promql_series *)a)->key,
                      ((const struct promql_series *)b)->key);
}

struct series_list {
    struct promql_series *v;
    size_t n, capacity;
};

/* The times of all steps, once for all series that have them. */
static const int64_t *all_times(struct engine *e, const struct grid *g)
{
    if (e->all_times)
        return e->all_times;
    int64_t *ts = arena_raw(e->arena, g->n * sizeof *ts);
    for (size_t i = 0; i < g->n; i++)
        ts[i] = grid_ms(g, i);
    return e->all_times = ts;
}

/* The steps of a row that have a value, as a series in the arena. */
static bool series_of_row(struct engine *e, const struct row *r, const struct grid *g,
                          struct promql_series *ret)
{
    size_t n = 0;
    if (r->floats_from == 0 && r->floats_to == g->n) {
        double *copy = arena_raw(e->arena, g->n * sizeof *copy);
        memcpy(copy, r->value, g->n * sizeof *copy);
        *ret =
            (struct promql_series){arena_str(e->arena, r->key), all_times(e, g), copy, NULL, g->n};
        return true;
    }
    for (size_t i = 0; i < g->n; i++)
        n += r->kind[i] != KIND_NONE;
    if (n == 0)
        return false;
    int64_t *ts = arena_array(e->arena, n, sizeof *ts);
    double *value = arena_array(e->arena, n, sizeof *value);
    const struct histogram **histogram = NULL;
    size_t at = 0;
    for (size_t i = 0; i < g->n; i++) {
        if (r->kind[i] == KIND_NONE)
            continue;
        ts[at] = grid_ms(g, i);
        if (r->kind[i] == KIND_FLOAT) {
            value[at] = r->value[i];
        } else {
            if (!histogram)
                histogram = arena_array(e->arena, n, sizeof(struct histogram *));
            histogram[at] = promql_histogram_scale(e, r->histogram[i], 1);
        }
        at++;
    }
    *ret = (struct promql_series){arena_str(e->arena, r->key), ts, value, histogram, n};
    return true;
}

/* Rows that have no name any more and may meet: they are all gathered first. */
static int gather_delayed(struct engine *e, const struct promql_expr *x, const struct grid *g,
                          struct series_list *list)
{
    struct stream *s;
    int err = promql_stream(e, x, g, &s);
    if (err < 0)
        return err;
    e->prepared_ns = clock_monotonic_ns(&clock_real);
    s = promql_stream_unique(e, s, g->n);
    struct rows dropped = {0};
    struct row r;
    int more;
    while ((more = s->next(e, s, &r)) > 0) {
        if (r.drop_name)
            r.key = promql_key_nameless(e, r.key);
        r.drop_name = false;
        more = promql_rows_merge(e, &dropped, &r, g->n);
        if (more < 0 || (more = promql_engine_poll(e)) < 0)
            break;
    }
    for (size_t i = 0; more == 0 && i < dropped.n; i++) {
        struct promql_series series;
        promql_row_view(&dropped.v[i], &r);
        if (series_of_row(e, &r, g, &series))
            vec_push(list, series);
    }
    promql_rows_done(&dropped);
    return more;
}

static int gather_part(struct engine *e, struct stream *s, const void *grid, void *part)
{
    const struct grid *g = grid;
    struct series_list *list = part;
    struct row r;
    int more;
    while ((more = s->next(e, s, &r)) > 0) {
        struct promql_series series;
        if (r.drop_name)
            r.key = promql_key_nameless(e, r.key);
        if (series_of_row(e, &r, g, &series)) {
            vec_push(list, series);
            more = promql_engine_hold(e, series.n);
        }
        if (more < 0 || (more = promql_engine_poll(e)) < 0)
            break;
    }
    return more;
}

static int gather(struct engine *e, const struct promql_expr *x, const struct grid *g,
                  struct series_list *list)
{
    struct series_list *parts = NULL;
    size_t n = 0;
    if (e->delayed_names)
        return gather_delayed(e, x, g, list);
    int err = promql_parallel(e, x, g, gather_part, g, sizeof *parts, &parts, &n);
    for (size_t i = 0; i < n; i++) {
        vec_reserve(list, list->n + parts[i].n);
        if (parts[i].n)
            memcpy(list->v + list->n, parts[i].v, parts[i].n * sizeof *list->v);
        list->n += parts[i].n;
        vec_free(&parts[i]);
    }
    return err;
}

static int gather_scalar(struct engine *e, const struct promql_expr *x, const struct grid *g,
                         struct promql_result *r, struct series_list *list)
{
    double *value;
    int err = promql_scalar(e, x, g, &value);
    if (err < 0)
        return err;
    r->scalar = value[0];
    if (e->query->instant)
        return 0;
    int64_t *ts = arena_array(e->arena, g->n, sizeof *ts);
    for (size_t i = 0; i < g->n; i++)
        ts[i] = grid_ms(g, i);
    struct promql_series series = {{"", 0}, ts, value, NULL, g->n};
    vec_push(list, series);
    return promql_engine_hold(e, g->n);
}

/* Two series that have the same labels since they lost their names: one, by time. */
static int merge_two(struct engine *e, const struct promql_series *a, const struct promql_series *b,
                     struct promql_series *ret)
{
    size_t n = a->n + b->n, i = 0, k = 0;
    int64_t *ts = arena_array(e->arena, n, sizeof *ts);
    double *value = arena_array(e->arena, n, sizeof *value);
    const struct histogram **histogram = arena_array(e->arena, n, sizeof(struct histogram *));
    for (size_t at = 0; at < n; at++) {
        if (i < a->n && k < b->n && a->ts_ms[i] == b->ts_ms[k])
            return promql_engine_fail(e, PROMQL_EXECUTION,
                                      "vector cannot contain metrics with the same labelset");
        bool first = k == b->n || (i < a->n && a->ts_ms[i] < b->ts_ms[k]);
        const struct promql_series *from = first ? a : b;
        size_t j = first ? i++ : k++;
        ts[at] = from->ts_ms[j];
        value[at] = from->value[j];
        histogram[at] = from->histogram ? from->histogram[j] : NULL;
    }
    *ret = (struct promql_series){a->key, ts, value, histogram, n};
    if (!a->histogram && !b->histogram)
        ret->histogram = NULL;
    return 0;
}

static int merge_equal(struct engine *e, struct series_list *list)
{
    size_t n = 0;
    if (list->n)
        qsort(list->v, list->n, sizeof *list->v, series_cmp);
    for (size_t i = 0; i < list->n; i++) {
        if (n == 0 || !str_eq(list->v[n - 1].key, list->v[i].key)) {
            list->v[n++] = list->v[i];
            continue;
        }
        int err = merge_two(e, &list->v[n - 1], &list->v[i], &list->v[n - 1]);
        if (err < 0)
            return err;
    }
    list->n = n;
    return 0;
}

/* x[5m] by itself: the samples as they are. */
static int gather_matrix(struct engine *e, const struct promql_expr *x, const struct grid *g,
                         struct series_list *list)
{
    struct source *s;
    int err = promql_source(e, x, g, false, &s);
    struct samples in;
    while (err == 0 && (err = s->next(e, s, &in)) > 0) {
        const struct column *c = &in.column;
        int64_t to = promql_source_ms(s, 0), from = to - s->range_ms;
        int64_t *ts = arena_array(e->arena, c->n + 1, sizeof *ts);
        double *value = arena_array(e->arena, c->n + 1, sizeof *value);
        const struct histogram **histogram =
            c->histogram ? arena_array(e->arena, c->n + 1, sizeof(struct histogram *)) : NULL;
        size_t n = 0;
        for (size_t i = 0; i < c->n; i++) {
            const struct histogram *h = c->histogram ? c->histogram[i] : NULL;
            bool stale = h ? histogram_is_stale(h) : sample_is_stale(c->value[i]);
            if (c->ts_ms[i] <= from || c->ts_ms[i] > to || stale)
                continue;
            ts[n] = c->ts_ms[i];
            if (h)
                histogram[n] = promql_histogram_scale(e, h, 1);
            else
                value[n] = c->value[i];
            if (promql_engine_counts(e))
                promql_engine_count(e, g, 0, h ? promql_histogram_weight(h) : 1);
            n++;
        }
        struct str key = in.drop_name ? promql_key_nameless(e, in.key) : in.key;
        struct promql_series series = {arena_str(e->arena, key), ts, value, histogram, n};
        if (n)
            vec_push(list, series);
        err = promql_engine_hold(e, n);
        if (err == 0)
            err = promql_engine_poll(e);
    }
    if (err == 0 && e->delayed_names)
        err = merge_equal(e, list);
    return err;
}

static int evaluate(struct engine *e, struct promql_result *r, struct series_list *list)
{
    const struct promql_query *q = e->query;
    const struct promql_expr *x = q->expr;
    struct grid g = {q->start_ms, q->instant ? 1 : q->step_ms, 1};
    if (!q->instant)
        g.n = (size_t)((q->end_ms - q->start_ms) / q->step_ms) + 1;
    r->type = q->instant ? x->type : PROMQL_MATRIX;
    r->time_ms = q->start_ms;
    if (q->count_steps) {
        e->steps_n = g.n;
        e->step_samples = arena_array(e->arena, g.n, sizeof *e->step_samples);
    }
    switch (x->type) {
    case PROMQL_STRING:
        r->string = arena_str(&r->arena, promql_string(x));
        return 0;
    case PROMQL_SCALAR:
        return gather_scalar(e, x, &g, r, list);
    case PROMQL_MATRIX:
        return gather_matrix(e, x, &g, list);
    default:
        return gather(e, x, &g, list);
    }
}

static int check_query(const struct promql_query *q, struct engine *e)
{
    const struct promql_expr *x = q->expr;
    if (q->instant)
        return 0;
    if (x->type != PROMQL_SCALAR && x->type != PROMQL_VECTOR)
        return promql_engine_fail(e, PROMQL_BAD_DATA,
                                  "invalid parameter \"query\": invalid expression type \"%s\" for "
                                  "range query, must be Scalar or instant Vector",
                                  x->type == PROMQL_MATRIX ? "range vector" : "string");
    if (q->step_ms <= 0)
        return promql_engine_fail(e, PROMQL_BAD_DATA,
                                  "invalid parameter \"step\": zero or negative query resolution "
                                  "step widths are not accepted. Try a positive integer");
    if (q->end_ms < q->start_ms)
        return promql_engine_fail(e, PROMQL_BAD_DATA,
                                  "invalid parameter \"end\": end timestamp must not be before "
                                  "start time");
    if ((q->end_ms - q->start_ms) / q->step_ms > PROMQL_STEPS_MAX)
        return promql_engine_fail(e, PROMQL_BAD_DATA,
                                  "exceeded maximum resolution of 11,000 points per timeseries. "
                                  "Try decreasing the query resolution (?step=XX)");
    return 0;
}

static void store_warning(void *context, const char *text)
{
    promql_engine_store_warning(context, text);
}

static void close_cursors(struct engine *e)
{
    const struct series_store_ops *ops = e->query->store ? e->query->store->ops : NULL;
    for (size_t i = 0; i < e->cursors.n; i++) {
        if (ops->warnings)
            ops->warnings(e->cursors.v[i], store_warning, e);
        ops->close(e->cursors.v[i]);
    }
    vec_free(&e->cursors);
}

static struct str *keep_texts(struct arena *a, const struct engine_texts *t)
{
    struct str *v = arena_array(a, t->n + 1, sizeof *v);
    for (size_t i = 0; i < t->n; i++)
        v[i] = t->v[i];
    return v;
}

static void fill_statistics(struct engine *e, struct promql_statistics *s, int64_t eval_end_ns)
{
    int64_t now = clock_monotonic_ns(&clock_real);
    int64_t prepared = e->prepared_ns ? e->prepared_ns : e->began_ns;
    s->series = e->series;
    s->samples = e->samples;
    s->samples_peak = e->alive_peak;
    s->bytes_peak = e->arena->total;
    s->prepare_ns = prepared - e->began_ns;
    s->eval_ns = eval_end_ns - prepared;
    s->sort_ns = now - eval_end_ns;
    s->elapsed_ns = now - e->began_ns;
    s->step_samples = e->step_samples;
    s->steps_n = e->steps_n;
    for (size_t i = 0; i < e->steps_n; i++)
        s->queryable_samples += e->step_samples[i];
}

static void fill_result(struct engine *e, struct promql_result *r, struct series_list *list)
{
    int64_t eval_end_ns = clock_monotonic_ns(&clock_real);
    if (list->n && r->type == PROMQL_MATRIX)
        qsort(list->v, list->n, sizeof *list->v, series_cmp);
    r->series = arena_array(&r->arena, list->n + 1, sizeof *r->series);
    if (list->n)
        memcpy(r->series, list->v, list->n * sizeof *list->v);
    r->series_n = list->n;
    r->warnings = keep_texts(&r->arena, &e->warnings);
    r->warnings_n = e->warnings.n;
    r->infos = keep_texts(&r->arena, &e->infos);
    r->infos_n = e->infos.n;
    fill_statistics(e, &r->statistics, eval_end_ns);
}

/* What the run holds stays charged as long as its result is there. */
static void end(struct engine *e, struct series_list *list)
{
    tell(e);
    for (size_t i = 0; i < e->regexes.n; i++)
        regex_free(e->regexes.v[i]);
    vec_free(&e->regexes);
    vec_free(list);
    vec_free(&e->warnings);
    vec_free(&e->infos);
}

int promql_run(const struct promql_query *q, struct promql_result **ret,
               struct promql_failure *failure)
{
    int64_t began = clock_monotonic_ns(&clock_real);
    struct promql_meter own = {0};
    struct promql_result *r = mem_new(sizeof *r);
    arena_init(&r->arena);
    failure->kind = PROMQL_NONE;
    struct engine e = {.query = q,
                       .arena = &r->arena,
                       .failure = failure,
                       .text = q->expr->text,
                       .began_ns = began,
                       .meter = q->meter ? q->meter : &own,
                       .profile = q->profile};
    if (q->options) {
        e.delayed_names = q->options->delayed_names;
        e.start_timestamps = q->options->start_timestamps;
        e.type_and_unit = q->options->type_and_unit;
    }
    e.deadline_ns = q->limits.timeout_ns ? began + q->limits.timeout_ns : 0;
    e.lookback_ms = q->lookback_ms ? q->lookback_ms : LOOKBACK_MS;
    struct series_list list = {0};
    int err = check_query(q, &e);
    if (err == 0)
        err = evaluate(&e, r, &list);
    close_cursors(&e);
    promql_engine_notes_end(&e);
    if (err == 0)
        fill_result(&e, r, &list);
    end(&e, &list);
    if (err < 0) {
        promql_result_free(r);
        return err;
    }
    *ret = r;
    return 0;
}
