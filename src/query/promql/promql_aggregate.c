#include "query/promql/promql_histogram.h"

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
    uint8_t *flags;
    struct promql_total *total; /* of histograms; NULL until the first */
};

struct aggregate {
    struct stream stream;
    struct stream *from;
    const struct promql_expr *expr;
    enum promql_token_kind operator;
    size_t n;
    struct map by_key;
    struct {
        struct group **v;
        size_t n, capacity;
    } groups;
    struct stream *result;
};

static struct str group_key(const struct promql_expr *x, struct str key, struct buf *scratch)
{
    buf_clear(scratch);
    if (x->without || x->grouping.n)
        promql_key_project(key, &x->grouping, !x->without, scratch);
    return buf_str(scratch);
}

static struct group *group_of(struct engine *e, struct aggregate *a, const struct row *r,
                              struct buf *scratch)
{
    struct str key = group_key(a->expr, r->key, scratch);
    bool fresh;
    union map_value *at = map_put(&a->by_key, key, &fresh);
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
    vec_push(&a->groups, g);
    return g;
}

HOT static void add_sum(const struct aggregate *a, struct group *g, const struct row *r)
{
    for (size_t i = 0; i < a->n; i++) {
        if (r->kind[i] != KIND_FLOAT)
            continue;
        promql_sum_add(r->value[i], &g->value[i], &g->extra[i]);
        g->count[i]++;
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
    for (size_t i = 0; i < a->n; i++)
        g->count[i] += r->kind[i] != KIND_NONE;
}

static void add_histograms(struct engine *e, const struct aggregate *a, struct group *g,
                           const struct row *r)
{
    const struct promql_expr *where = a->expr->left;
    bool mean = a->operator== TOKEN_AVG;
    if (!g->total)
        g->total = arena_array(e->arena, a->n, sizeof *g->total);
    for (size_t i = 0; i < a->n; i++) {
        if (r->kind[i] != KIND_HISTOGRAM || (g->flags[i] & MIXED))
            continue;
        unsigned notes = 0;
        bool fits = promql_total_add(e, &g->total[i], r->histogram[i], mean, &notes);
        if (notes & NOTE_RESET_CONFLICT)
            promql_engine_warn(e, where, "conflicting counter resets during histogram aggregation");
        if (notes & NOTE_RECONCILED)
            promql_engine_info(e, where, "mismatched custom buckets were reconciled during %s",
                               "aggregation");
        if (fits)
            continue;
        promql_warn_metric(e, where, labels_get(r->key, LABEL_METRIC),
                           "vector contains a mix of histograms with exponential and custom "
                           "buckets schemas");
        g->flags[i] |= MIXED;
    }
}

static bool has_histograms(const struct row *r, size_t n)
{
    return r->histogram && memchr(r->kind, KIND_HISTOGRAM, n);
}

static void add_row(struct engine *e, struct aggregate *a, struct group *g, const struct row *r)
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

static int accumulate(struct engine *e, struct aggregate *a)
{
    struct buf scratch;
    buf_init(&scratch, 1 << 22);
    map_init(&a->by_key, 0);
    struct row r;
    int more;
    while ((more = a->from->next(e, a->from, &r)) > 0) {
        add_row(e, a, group_of(e, a, &r, &scratch), &r);
        if ((more = promql_engine_poll(e)) < 0)
            break;
    }
    buf_done(&scratch);
    map_done(&a->by_key);
    return more;
}

static int aggregate_next(struct engine *e, struct stream *stream, struct row *ret)
{
    struct aggregate *a = (struct aggregate *)stream;
    if (!a->result) {
        struct rows t = {0};
        int err = accumulate(e, a);
        for (size_t i = 0; err == 0 && i < a->groups.n; i++) {
            struct group *g = a->groups.v[i];
            struct row_buffer *r = promql_rows_of(e, &t, g->key, a->n);
            r->drop_name = g->drop_name && labels_get(g->key, LABEL_METRIC).n;
            finish_group(e, a, g, r);
            err = promql_engine_hold(e, a->n);
        }
        vec_free(&a->groups);
        if (err == 0)
            a->result = promql_rows_stream(e, &t);
        promql_rows_done(&t);
        if (err < 0)
            return err;
    }
    return a->result->next(e, a->result, ret);
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
    a->n = g->n;
    *ret = &a->stream;
    return promql_stream(e, x->left, g, &a->from);
}
