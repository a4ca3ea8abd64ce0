/* Aggregations that need all series of a group at once: topk, bottomk, limitk, limit_ratio,
 * quantile, count_values. */
#include "query/promql/promql_parallel.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/vec.h"

struct member {
    double value;
    size_t row;
    bool descending;
};

struct choose {
    const struct promql_expr *expr;
    const double *parameter; /* [n] */
    size_t n;
    struct rows in;
    size_t *group; /* [in.n] */
    size_t *order; /* [in.n] rows, group by group */
    size_t *first; /* [groups_n + 1] where a group begins in order */
    size_t groups_n;
    struct rows out; /* one row a group, or a row each */
    double *place;   /* [in.n] of limit_ratio */
};

static int member_cmp(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    if (isnan(x->value) || isnan(y->value)) {
        if (isnan(x->value) != isnan(y->value))
            return isnan(x->value) ? 1 : -1;
    } else if (x->value != y->value) {
        return (x->value < y->value) != x->descending ? -1 : 1;
    }
    return x->row < y->row ? -1 : 1;
}

static void find_groups(struct engine *e, struct choose *c, struct rows *keys)
{
    struct buf scratch;
    buf_init(&scratch, 1 << 22);
    c->group = arena_array(e->arena, c->in.n + 1, sizeof *c->group);
    for (size_t i = 0; i < c->in.n; i++) {
        buf_clear(&scratch);
        if (c->expr->without || c->expr->grouping.n)
            promql_key_project(c->in.v[i].key, &c->expr->grouping, !c->expr->without, &scratch);
        struct row_buffer *r = promql_rows_of(e, keys, buf_str(&scratch), c->n);
        r->drop_name = c->in.v[i].drop_name && labels_get(r->key, LABEL_METRIC).n;
        c->group[i] = (size_t)(r - keys->v);
    }
    c->groups_n = keys->n;
    buf_done(&scratch);
    c->order = arena_array(e->arena, c->in.n + 1, sizeof *c->order);
    c->first = arena_array(e->arena, c->groups_n + 2, sizeof *c->first);
    for (size_t i = 0; i < c->in.n; i++)
        c->first[c->group[i] + 2]++;
    for (size_t g = 0; g < c->groups_n; g++)
        c->first[g + 2] += c->first[g + 1];
    for (size_t i = 0; i < c->in.n; i++)
        c->order[c->first[c->group[i] + 1]++] = i;
}

/* v as Go prints it. */
static const char *number_text(struct engine *e, double v)
{
    struct buf b;
    buf_init(&b, 400);
    promql_number_short(v, &b);
    const char *text = arena_str(e->arena, buf_str(&b)).p;
    buf_done(&b);
    return text;
}

static int whole_parameter(struct engine *e, const struct choose *c, size_t step, size_t *ret)
{
    double k = c->parameter[step];
    if (isnan(k))
        return promql_engine_fail(e, PROMQL_EXECUTION, "Parameter value is NaN");
    if (k >= 9223372036854775807.0 || k <= -9223372036854775808.0)
        return promql_engine_fail(e, PROMQL_EXECUTION, "Scalar value %s overflows int64",
                                  number_text(e, k));
    *ret = k < 1 ? 0 : (size_t)MIN(k, (double)c->in.n);
    return 0;
}

/* The members of group g at a step, in the order of the rows. */
static size_t members_of(struct engine *e, const struct choose *c, size_t g, size_t step,
                         bool histograms, struct member *ret)
{
    size_t n = 0;
    bool descending = c->expr->operator== TOKEN_TOPK;
    for (size_t k = c->first[g]; k < c->first[g + 1]; k++) {
        size_t i = c->order[k];
        const struct row_buffer *r = &c->in.v[i];
        if (r->kind[step] == KIND_NONE)
            continue;
        if (r->kind[step] == KIND_HISTOGRAM && !histograms) {
            promql_engine_info(e, c->expr->left, "ignored histogram in %s aggregation",
                               promql_token_text(c->expr->operator));
            continue;
        }
        ret[n++] = (struct member){r->value[step], i, descending};
    }
    return n;
}

static void keep_member(struct engine *e, struct choose *c, size_t row, size_t step)
{
    struct row_buffer *to = &c->out.v[row];
    const struct row_buffer *from = &c->in.v[row];
    if (from->kind[step] == KIND_HISTOGRAM) {
        promql_row_histogram(e, to, c->n, step, from->histogram[step]);
        return;
    }
    to->kind[step] = KIND_FLOAT;
    to->value[step] = from->value[step];
}

static void put_length(struct buf *out, size_t n)
{
    uint8_t size[] = {(uint8_t)MIN(n, 255U), (uint8_t)n, (uint8_t)(n >> 8), (uint8_t)(n >> 16)};
    buf_put(out, size, n < 255 ? 1 : sizeof size);
}

static int name_cmp(const void *a, const void *b)
{
    return str_cmp(((const struct label *)a)->name, ((const struct label *)b)->name);
}

/* Where in [0, 1) a series stands for limit_ratio: Prometheus's hash of its labels, so that both
 * choose the same series. */
static double place_of(struct str key)
{
    struct label_set *set = mem_new(sizeof *set);
    struct buf bytes;
    promql_label_set_read(key, set);
    qsort(set->v, set->n, sizeof *set->v, name_cmp);
    buf_init(&bytes, LABELS_KEY_MAX * 2);
    for (size_t i = 0; i < set->n; i++) {
        put_length(&bytes, set->v[i].name.n);
        buf_put_str(&bytes, set->v[i].name);
        put_length(&bytes, set->v[i].value.n);
        buf_put_str(&bytes, set->v[i].value);
    }
    double place = (double)hash_xxh64(bytes.p, bytes.n) / 18446744073709551615.0;
    buf_done(&bytes);
    mem_free(set);
    return place;
}

static int choose_ratio(struct engine *e, struct choose *c, size_t step)
{
    double r = c->parameter[step];
    if (isnan(r))
        return promql_engine_fail(e, PROMQL_EXECUTION, "Ratio value is NaN");
    if (r > 1 || r < -1) {
        promql_engine_warn(e, c->expr->right,
                           "ratio value should be between -1 and 1, got %s, capping to %d",
                           number_text(e, r), r > 1 ? 1 : -1);
        r = r > 1 ? 1 : -1;
    }
    for (size_t i = 0; i < c->in.n; i++) {
        double place = c->place[i];
        if (c->in.v[i].kind[step] != KIND_NONE && (r >= 0 ? place < r : place >= 1 + r))
            keep_member(e, c, i, step);
    }
    return 0;
}

/* Rows of the result in the order of the instant answer: groups, and in them the members. */
static void order_rows(struct engine *e, struct choose *c, struct rows *ordered,
                       const struct member *m, size_t n)
{
    for (size_t i = 0; i < n; i++)
        vec_push(ordered, c->out.v[m[i].row]);
    (void)e;
}

static int choose_k(struct engine *e, struct choose *c, size_t step, struct member *members,
                    struct rows *ordered)
{
    size_t k = 0;
    int err = whole_parameter(e, c, step, &k);
    bool limit = c->expr->operator== TOKEN_LIMITK;
    for (size_t g = 0; err == 0 && k > 0 && g < c->groups_n; g++) {
        size_t n = members_of(e, c, g, step, limit, members);
        if (!limit)
            qsort(members, n, sizeof *members, member_cmp);
        n = MIN(n, k);
        for (size_t i = 0; i < n; i++)
            keep_member(e, c, members[i].row, step);
        if (c->n == 1)
            order_rows(e, c, ordered, members, n);
    }
    return err;
}

static int choose_rows(struct engine *e, struct choose *c, struct rows *ordered)
{
    for (size_t i = 0; i < c->in.n; i++) {
        struct row_buffer r;
        promql_row_new(e, c->n, &r);
        r.key = c->in.v[i].key;
        r.drop_name = c->in.v[i].drop_name;
        vec_push(&c->out, r);
    }
    struct member *members = mem_array(c->in.n + 1, sizeof *members);
    bool ratio = c->expr->operator== TOKEN_LIMIT_RATIO;
    int err = 0;
    if (ratio)
        c->place = arena_array(e->arena, c->in.n + 1, sizeof *c->place);
    for (size_t i = 0; ratio && i < c->in.n; i++)
        c->place[i] = place_of(c->in.v[i].key);
    for (size_t step = 0; err == 0 && step < c->n; step++) {
        err = ratio ? choose_ratio(e, c, step) : choose_k(e, c, step, members, ordered);
        if (err == 0)
            err = promql_engine_poll(e);
    }
    if (c->n > 1 || ratio) {
        for (size_t i = 0; i < c->out.n; i++)
            vec_push(ordered, c->out.v[i]);
    }
    mem_free(members);
    return err;
}

enum { TILE = 8 }; /* steps whose values are gathered together, as they lie together in memory */

/* The floats of group g at steps [from, to), each step's in a place of its own; how many. */
static void gather_tile(struct engine *e, const struct choose *c, size_t g, size_t from, size_t to,
                        double *const *ret, size_t *ret_n)
{
    bool histograms = false;
    memset(ret_n, 0, TILE * sizeof *ret_n);
    for (size_t k = c->first[g]; k < c->first[g + 1]; k++) {
        const struct row_buffer *r = &c->in.v[c->order[k]];
        for (size_t step = from; step < to; step++) {
            size_t t = step - from;
            ret[t][ret_n[t]] = r->value[step];
            ret_n[t] += r->kind[step] == KIND_FLOAT;
            histograms |= r->kind[step] == KIND_HISTOGRAM;
        }
    }
    if (histograms)
        promql_engine_info(e, c->expr->left, "ignored histogram in %s aggregation",
                           promql_token_text(c->expr->operator));
}

static void check_quantile(struct engine *e, const struct choose *c, double q)
{
    if (!(q >= 0 && q <= 1))
        promql_engine_warn(e, c->expr->right, "quantile value should be between 0 and 1, got %s",
                           number_text(e, q));
}

static int quantile_rows(struct engine *e, struct choose *c, struct rows *keys)
{
    double *values = mem_array(TILE * (c->in.n + 1), sizeof *values), *tile[TILE];
    size_t n[TILE];
    int err = 0;
    for (size_t t = 0; t < TILE; t++)
        tile[t] = values + t * (c->in.n + 1);
    for (size_t step = 0; step < c->n; step++)
        check_quantile(e, c, c->parameter[step]);
    for (size_t from = 0; err == 0 && from < c->n; from += TILE) {
        size_t to = MIN(from + TILE, c->n);
        for (size_t g = 0; g < c->groups_n; g++) {
            gather_tile(e, c, g, from, to, tile, n);
            for (size_t t = 0; t < to - from; t++) {
                keys->v[g].kind[from + t] = n[t] ? KIND_FLOAT : KIND_NONE;
                keys->v[g].value[from + t] =
                    promql_quantile_of(c->parameter[from + t], tile[t], n[t]);
            }
        }
        err = promql_engine_work(e, TILE * c->in.n);
    }
    mem_free(values);
    return err;
}

static int count_values(struct engine *e, struct choose *c, const struct rows *keys,
                        struct rows *out)
{
    struct str name = promql_string(c->expr->right);
    if (name.n == 0 || !str_utf8(name)) {
        struct buf b;
        buf_init(&b, 4096);
        promql_quote(name, &b);
        int err = promql_engine_fail(e, PROMQL_EXECUTION, "invalid label name " STR_FMT,
                                     STR_ARG(buf_str(&b)));
        buf_done(&b);
        return err;
    }
    struct label_set set;
    struct buf text;
    buf_init(&text, 4096);
    int err = 0;
    for (size_t i = 0; i < c->in.n && err == 0; i++) {
        const struct row_buffer *in = &c->in.v[i];
        for (size_t step = 0; step < c->n && err == 0; step++) {
            if (in->kind[step] == KIND_NONE)
                continue;
            buf_clear(&text);
            if (in->kind[step] == KIND_FLOAT)
                promql_number_put(in->value[step], &text);
            else
                promql_histogram_print(in->histogram[step], &text);
            promql_label_set_read(keys->v[c->group[i]].key, &set);
            promql_label_set_put(&set, name, buf_str(&text));
            struct str key = promql_label_set_key(e, &set);
            struct row_buffer *r = promql_rows_of(e, out, key, c->n);
            r->value[step] = r->kind[step] == KIND_FLOAT ? r->value[step] + 1 : 1;
            r->kind[step] = KIND_FLOAT;
            err = promql_engine_poll(e); /* each value of a step may be a new row */
        }
    }
    buf_done(&text);
    return err;
}

static int choose_run(struct engine *e, struct choose *c, struct stream **ret)
{
    struct rows keys = {0}, result = {0};
    find_groups(e, c, &keys);
    int err = 0;
    const struct rows *from = &result;
    if (c->expr->operator== TOKEN_QUANTILE) {
        err = quantile_rows(e, c, &keys);
        from = &keys;
    } else if (c->expr->operator== TOKEN_COUNT_VALUES) {
        err = count_values(e, c, &keys, &result);
    } else {
        err = choose_rows(e, c, &result);
    }
    *ret = promql_rows_stream(e, from);
    promql_rows_done(&keys);
    promql_rows_done(&result);
    return err;
}

int promql_stream_choose(struct engine *e, const struct promql_expr *x, const struct grid *g,
                         struct stream **ret)
{
    struct choose c = {.expr = x, .n = g->n};
    double *parameter = NULL;
    int err = promql_parallel_rows(e, x->left, g, &c.in);
    if (err == 0 && x->right->type == PROMQL_SCALAR)
        err = promql_scalar(e, x->right, g, &parameter);
    c.parameter = parameter;
    if (err == 0)
        err = choose_run(e, &c, ret);
    promql_rows_done(&c.in);
    promql_rows_done(&c.out);
    return err;
}
