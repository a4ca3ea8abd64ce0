#include "query/promql/promql_histogram.h"
#include "query/promql/promql_kernel.h"
#include "query/promql/promql_parallel.h"

#include <math.h>
#include <string.h>

#include "base/vec.h"

enum { MIXED = 1, INCREMENTAL = 2 }; /* flags of one step of a group */

/* What has been added up of one group: one row of each. */
struct group {
    struct str key;
    bool drop_name;
    double *value; /* sum, mean, extreme */
    double *extra; /* compensation of a sum; sum of squares */
    uint32_t *count;
    uint32_t whole; /* rows with a float at every step that count does not hold yet */
    bool partial;   /* count holds something */
    uint8_t *flags;
    struct promql_total *total; /* of histograms; NULL until the first */
    struct str metric;          /* of the first histogram */
};

struct aggregate {
    struct stream stream;
    const struct promql_expr *expr;
    enum promql_token_kind operator;
    struct grid grid;
    size_t n; /* steps */
    struct stream *result;
};

/* The groups of some of the rows, in the order of their first ones. */
struct groups {
    struct map by_key;
    struct group **v;
    size_t n, capacity;
};

static struct str group_key(const struct promql_expr *x, struct str key, struct buf *scratch)
{
    buf_clear(scratch);
    if (x->without || x->grouping.n)
        promql_key_project(key, &x->grouping, !x->without, scratch);
    return buf_str(scratch);
}

static struct group *group_of(struct engine *e, const struct aggregate *a, struct groups *groups,
                              const struct row *r, struct buf *scratch)
{
    struct str key = group_key(a->expr, r->key, scratch);
    bool fresh;
    union map_value *at = map_put(&groups->by_key, key, &fresh);
    if (!fresh) {
        struct group *known = at->p;
        known->drop_name |= r->drop_name;
        return known;
    }
    struct group *g = arena_new(e->arena, sizeof *g);
    g->key = arena_str(e->arena, key);
    g->drop_name = r->drop_name;
    g->value = arena_array(e->arena, a->n, sizeof *g->value);
    g->extra = arena_array(e->arena, a->n, sizeof *g->extra);
    g->count = arena_array(e->arena, a->n, sizeof *g->count);
    g->flags = arena_array(e->arena, a->n, 1);
    at->p = g;
    vec_push(groups, g);
    return g;
}

/* Has the row a float at every step? */
static bool is_whole(const struct aggregate *a, const struct row *r)
{
    return r->floats_from == 0 && r->floats_to == a->n;
}

/* Puts all into count. */
static void settle(const struct aggregate *a, struct group *g)
{
    for (size_t i = 0; g->whole && i < a->n; i++)
        g->count[i] += g->whole;
    g->whole = 0;
}

HOT static void add_sum(const struct aggregate *a, struct group *g, const struct row *r)
{
    size_t from = r->floats_from, to = r->floats_to;
    promql_kernel()->add(r->value + from, to - from, g->value + from, g->extra + from);
    if (to - from == a->n) {
        g->whole++;
        return;
    }
    for (size_t i = 0; i < a->n; i++) {
        if (i >= from && i < to) {
            g->count[i]++;
        } else if (r->kind[i] == KIND_FLOAT) {
            promql_sum_add(r->value[i], &g->value[i], &g->extra[i]);
            g->count[i]++;
        }
    }
}

static void add_avg(const struct aggregate *a, struct group *g, const struct row *r)
{
    for (size_t i = 0; i < a->n; i++) {
        if (r->kind[i] != KIND_FLOAT)
            continue;
        double v = r->value[i], count = ++g->count[i];
        if (!(g->flags[i] & INCREMENTAL)) {
            double sum = g->value[i], c = g->extra[i];
            promql_sum_add(v, &sum, &c);
            if (count == 1 || !isinf(sum)) {
                g->value[i] = sum;
                g->extra[i] = c;
                continue;
            }
            g->flags[i] |= INCREMENTAL;
            g->value[i] /= count - 1;
            g->extra[i] /= count - 1;
        }
        double q = (count - 1) / count;
        g->value[i] *= q;
        g->extra[i] *= q;
        promql_sum_add(v / count, &g->value[i], &g->extra[i]);
    }
}

static void add_extreme(const struct aggregate *a, struct group *g, const struct row *r)
{
    bool max = a->operator== TOKEN_MAX;
    if (is_whole(a, r) && !g->partial) { /* every step has a best one, or this is the first row */
        if (g->whole == 0)
            memcpy(g->value, r->value, a->n * sizeof *g->value);
        else
            (max ? promql_kernel()->greatest : promql_kernel()->least)(r->value, a->n, g->value);
        g->whole++;
        return;
    }
    settle(a, g);
    g->partial = true;
    for (size_t i = 0; i < a->n; i++) {
        if (r->kind[i] != KIND_FLOAT)
            continue;
        double v = r->value[i], best = g->value[i];
        if (g->count[i]++ == 0 || isnan(best) || (max ? v > best : v < best))
            g->value[i] = v;
    }
}

static void add_variance(const struct aggregate *a, struct group *g, const struct row *r)
{
    for (size_t i = 0; i < a->n; i++) {
        if (r->kind[i] != KIND_FLOAT)
            continue;
        double v = r->value[i], count = ++g->count[i];
        if (count == 1 && !isfinite(v))
            g->extra[i] = NAN;
        double delta = v - g->value[i];
        g->value[i] += delta / count;
        g->extra[i] += delta * (v - g->value[i]);
    }
}

static void add_count(const struct aggregate *a, struct group *g, const struct row *r)
{
    if (is_whole(a, r)) {
        g->whole++;
        return;
    }
    for (size_t i = 0; i < a->n; i++)
        g->count[i] += r->kind[i] != KIND_NONE;
}

static void note_histograms(struct engine *e, const struct aggregate *a, struct str metric,
                            unsigned notes)
{
    const struct promql_expr *where = a->expr->left;
    if (notes & NOTE_RESET_CONFLICT)
        promql_engine_warn(e, where, "conflicting counter resets during histogram aggregation");
    if (notes & NOTE_RECONCILED)
        promql_engine_info(e, where, "mismatched custom buckets were reconciled during %s",
                           "aggregation");
    if (notes & NOTE_MIXED_SCHEMAS)
        promql_warn_metric(e, where, metric,
                           "vector contains a mix of histograms with exponential and custom "
                           "buckets schemas");
}

static void add_histograms(struct engine *e, const struct aggregate *a, struct group *g,
                           const struct row *r)
{
    bool mean = a->operator== TOKEN_AVG;
    if (!g->total) {
        g->total = arena_array(e->arena, a->n, sizeof *g->total);
        g->metric = arena_str(e->arena, labels_get(r->key, LABEL_METRIC));
    }
    for (size_t i = 0; i < a->n; i++) {
        if (r->kind[i] != KIND_HISTOGRAM || (g->flags[i] & MIXED))
            continue;
        unsigned notes = 0;
        if (!promql_total_add(e, &g->total[i], r->histogram[i], mean, &notes))
            g->flags[i] |= MIXED;
        note_histograms(e, a, labels_get(r->key, LABEL_METRIC), notes);
    }
}

static bool has_histograms(const struct row *r, size_t n)
{
    return r->histogram && memchr(r->kind, KIND_HISTOGRAM, n);
}

static void add_row(struct engine *e, const struct aggregate *a, struct group *g,
                    const struct row *r)
{
    bool sums = a->operator== TOKEN_SUM || a->operator== TOKEN_AVG;
    bool counts = a->operator== TOKEN_COUNT || a->operator== TOKEN_GROUP;
    if (!counts && has_histograms(r, a->n)) {
        if (sums)
            add_histograms(e, a, g, r);
        else
            promql_engine_info(e, a->expr->left, "ignored histogram in %s aggregation",
                               promql_token_text(a->operator));
    }
    switch (a->operator) {
    case TOKEN_SUM:
        add_sum(a, g, r);
        break;
    case TOKEN_AVG:
        add_avg(a, g, r);
        break;
    case TOKEN_MIN:
    case TOKEN_MAX:
        add_extreme(a, g, r);
        break;
    case TOKEN_STDDEV:
    case TOKEN_STDVAR:
        add_variance(a, g, r);
        break;
    default:
        add_count(a, g, r);
    }
}

static double finish(const struct aggregate *a, const struct group *g, size_t i)
{
    double v = g->value[i], c = g->extra[i], n = g->count[i];
    switch (a->operator) {
    case TOKEN_SUM:
        return isinf(v) ? v : v + c;
    case TOKEN_AVG:
        return g->flags[i] & INCREMENTAL ? v + c : v / n + c / n;
    case TOKEN_MIN:
    case TOKEN_MAX:
        return v;
    case TOKEN_STDVAR:
        return c / n;
    case TOKEN_STDDEV:
        return sqrt(c / n);
    case TOKEN_GROUP:
        return 1;
    default:
        return n;
    }
}

static void finish_group(struct engine *e, const struct aggregate *a, const struct group *g,
                         struct row_buffer *r)
{
    for (size_t i = 0; i < a->n; i++) {
        uint64_t histograms = g->total ? g->total[i].n : 0;
        if (histograms && g->count[i]) {
            promql_engine_warn(e, a->expr->left,
                               "encountered a mix of histograms and floats for aggregation");
            continue;
        }
        if (g->flags[i] & MIXED)
            continue;
        if (histograms) {
            bool mean = a->operator== TOKEN_AVG;
            promql_row_histogram(e, r, a->n, i, promql_total_histogram(e, &g->total[i], mean));
        } else if (g->count[i]) {
            r->kind[i] = KIND_FLOAT;
            r->value[i] = finish(a, g, i);
        }
    }
}

/* All rows of a stream into groups. */
static int accumulate(struct engine *e, struct stream *s, const void *context, void *part)
{
    const struct aggregate *a = context;
    struct groups *groups = part;
    struct buf scratch;
    struct row r;
    int more;
    buf_init(&scratch, 1 << 22);
    map_init(&groups->by_key, 0);
    while ((more = s->next(e, s, &r)) > 0) {
        add_row(e, a, group_of(e, a, groups, &r, &scratch), &r);
        if ((more = promql_engine_poll(e)) < 0)
            break;
    }
    for (size_t i = 0; i < groups->n; i++)
        settle(a, groups->v[i]);
    buf_done(&scratch);
    return more;
}

/* ---- groups of the same key from two parts of the series: the latter one into the former */

static void join_sum(struct group *to, const struct group *g, size_t i)
{
    promql_sum_add(g->value[i], &to->value[i], &to->extra[i]);
    to->extra[i] += g->extra[i];
}

static void join_avg(struct group *to, const struct group *g, size_t i)
{
    double n = to->count[i], m = g->count[i], sum = to->value[i], c = to->extra[i];
    bool means = (to->flags[i] | g->flags[i]) & INCREMENTAL;
    if (!means) {
        promql_sum_add(g->value[i], &sum, &c);
        if (!isinf(sum)) {
            to->value[i] = sum;
            to->extra[i] = c + g->extra[i];
            return;
        }
    }
    /* The mean of the means, by their counts. */
    double mine = (to->flags[i] & INCREMENTAL ? 1 : 1 / n) * (n / (n + m));
    double other = (g->flags[i] & INCREMENTAL ? 1 : 1 / m) * (m / (n + m));
    sum = to->value[i] * mine;
    c = to->extra[i] * mine + g->extra[i] * other;
    promql_sum_add(g->value[i] * other, &sum, &c);
    to->value[i] = sum;
    to->extra[i] = c;
    to->flags[i] |= INCREMENTAL;
}

static void join_extreme(const struct aggregate *a, struct group *to, const struct group *g,
                         size_t i)
{
    double v = g->value[i], best = to->value[i];
    if (isnan(best) || (a->operator== TOKEN_MAX ? v > best : v<best))
        to->value[i] = v;
}

/* Chan, Golub & LeVeque: the variance of two samples together. */
static void join_variance(struct group *to, const struct group *g, size_t i)
{
    double n = to->count[i], m = g->count[i], delta = g->value[i] - to->value[i];
    to->value[i] += delta * (m / (n + m));
    to->extra[i] += g->extra[i] + delta * delta * (n * m / (n + m));
}

static void join_step(const struct aggregate *a, struct group *to, const struct group *g, size_t i)
{
    if (to->count[i] == 0) {
        to->value[i] = g->value[i];
        to->extra[i] = g->extra[i];
        to->flags[i] |= g->flags[i] & INCREMENTAL;
        return;
    }
    switch (a->operator) {
    case TOKEN_SUM:
        join_sum(to, g, i);
        break;
    case TOKEN_AVG:
        join_avg(to, g, i);
        break;
    case TOKEN_MIN:
    case TOKEN_MAX:
        join_extreme(a, to, g, i);
        break;
    case TOKEN_STDDEV:
    case TOKEN_STDVAR:
        join_variance(to, g, i);
        break;
    default: /* counts only */
        break;
    }
}

static void join_histograms(struct engine *e, const struct aggregate *a, struct group *to,
                            const struct group *g)
{
    bool mean = a->operator== TOKEN_AVG;
    if (!to->total)
        to->total = arena_array(e->arena, a->n, sizeof *to->total);
    for (size_t i = 0; i < a->n; i++) {
        unsigned notes = 0;
        to->flags[i] |= g->flags[i] & MIXED;
        if (g->total[i].n == 0 || (to->flags[i] & MIXED))
            continue;
        if (!promql_total_join(e, &to->total[i], &g->total[i], mean, &notes))
            to->flags[i] |= MIXED;
        note_histograms(e, a, g->metric, notes);
    }
}

static void join_group(struct engine *e, const struct aggregate *a, struct group *to,
                       const struct group *g)
{
    to->drop_name |= g->drop_name;
    for (size_t i = 0; i < a->n; i++) {
        if (g->count[i] == 0)
            continue;
        join_step(a, to, g, i);
        to->count[i] += g->count[i];
    }
    if (g->total)
        join_histograms(e, a, to, g);
}

static void join_groups(struct engine *e, const struct aggregate *a, struct groups *to,
                        const struct groups *from)
{
    for (size_t i = 0; i < from->n; i++) {
        bool fresh;
        union map_value *at = map_put(&to->by_key, from->v[i]->key, &fresh);
        if (fresh) {
            at->p = from->v[i];
            vec_push(to, from->v[i]);
        } else {
            join_group(e, a, at->p, from->v[i]);
        }
    }
}

static int finish_groups(struct engine *e, struct aggregate *a, const struct groups *groups)
{
    struct rows t = {0};
    int err = 0;
    for (size_t i = 0; err == 0 && i < groups->n; i++) {
        struct group *g = groups->v[i];
        struct row_buffer *r = promql_rows_of(e, &t, g->key, a->n);
        r->drop_name = g->drop_name && labels_get(g->key, LABEL_METRIC).n;
        finish_group(e, a, g, r);
        err = promql_engine_hold(e, a->n);
    }
    if (err == 0)
        a->result = promql_rows_stream(e, &t);
    promql_rows_done(&t);
    return err;
}

static int aggregate_run(struct engine *e, struct aggregate *a)
{
    struct groups *parts = NULL;
    size_t n = 0;
    const struct promql_expr *from = promql_bare(a->expr->left);
    bool counts = a->operator== TOKEN_COUNT || a->operator== TOKEN_GROUP;
    e->times_only = counts && from->kind == EXPR_SELECTOR && !from->smoothed && !from->anchored;
    int err = promql_parallel(e, from, &a->grid, accumulate, a, sizeof *parts, &parts, &n);
    e->times_only = false;
    for (size_t i = 1; err == 0 && i < n; i++)
        join_groups(e, a, &parts[0], &parts[i]);
    if (err == 0)
        err = finish_groups(e, a, &parts[0]);
    for (size_t i = 0; i < n; i++) {
        map_done(&parts[i].by_key);
        vec_free(&parts[i]);
    }
    return err;
}

static int aggregate_next(struct engine *e, struct stream *stream, struct row *ret)
{
    struct aggregate *a = (struct aggregate *)stream;
    int err = a->result ? 0 : aggregate_run(e, a);
    return err < 0 ? err : a->result->next(e, a->result, ret);
}

int promql_stream_aggregate(struct engine *e, const struct promql_expr *x, const struct grid *g,
                            struct stream **ret)
{
    if (x->operator>= TOKEN_TOPK)
        return promql_stream_choose(e, x, g, ret);
    struct aggregate *a = arena_new(e->arena, sizeof *a);
    a->stream.next = aggregate_next;
    a->expr = x;
    a->operator= x->operator;
    a->grid = *g;
    a->n = g->n;
    *ret = &a->stream;
    return 0;
}
