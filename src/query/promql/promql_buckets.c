/* histogram_quantile and its kin: over classic buckets (series with the label le) and over native
 * histograms. */
#include "query/promql/promql_parallel.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"

struct bucket_row {
    double bound;
    const struct row_buffer *row;
};

/* One classic histogram: the rows that are equal but for le. */
struct classic {
    struct str key;
    bool drop_name;
    struct {
        struct bucket_row *v;
        size_t n, capacity;
    } buckets;
    const struct row_buffer *native;
};

struct count_at {
    double bound, count;
};

/* Which of the arguments is the vector. */
static const struct promql_expr *vector_of(const struct promql_expr *x)
{
    bool first = x->function == PROMQL_FN_HISTOGRAM_QUANTILES;
    return x->arguments[first ? 0 : x->arguments_n - 1];
}

static int bucket_cmp(const void *a, const void *b)
{
    double x = ((const struct bucket_row *)a)->bound, y = ((const struct bucket_row *)b)->bound;
    return (x > y) - (x < y);
}

/* The buckets with a value at step i, ascending, equal bounds merged. */
static size_t counts_at(const struct classic *c, size_t i, struct count_at *out)
{
    size_t n = 0;
    for (size_t k = 0; k < c->buckets.n; k++) {
        const struct bucket_row *b = &c->buckets.v[k];
        if (b->row->kind[i] != KIND_FLOAT)
            continue;
        if (n && out[n - 1].bound == b->bound)
            out[n - 1].count += b->row->value[i];
        else
            out[n++] = (struct count_at){b->bound, b->row->value[i]};
    }
    return n;
}

/* Equal but for what adding up in floating point may do? */
static bool nearly(double a, double b)
{
    double sum = fabs(a) + fabs(b), gap = fabs(a - b);
    if (a == 0 || b == 0 || sum < 2.2250738585072014e-308)
        return gap < 1e-12 * 2.2250738585072014e-308;
    return gap / fmin(sum, 1.7976931348623157e308) < 1e-12;
}

/* Makes counts monotonic: what is nearly the same as before is the same, what falls is lifted; true
 * with *ret where something fell. */
static bool mend(struct count_at *b, size_t n, struct engine_mended *ret)
{
    bool fell = false;
    for (size_t k = 1; k < n; k++) {
        double before = b[k - 1].count, now = b[k].count;
        if (nearly(before, now)) {
            b[k].count = before;
        } else if (now < before) {
            b[k].count = before;
            ret->least = fell ? fmin(ret->least, b[k].bound) : b[k].bound;
            ret->greatest = fell ? fmax(ret->greatest, b[k].bound) : b[k].bound;
            ret->diff = fmax(ret->diff, before - now);
            fell = true;
        }
    }
    return fell;
}

static double classic_quantile(struct engine *e, double q, struct count_at *b, size_t n,
                               struct engine_mended *m)
{
    if (isnan(q))
        return NAN;
    if (q < 0 || q > 1)
        return q < 0 ? -INFINITY : INFINITY;
    if (n == 0 || !isinf(b[n - 1].bound) || b[n - 1].bound < 0)
        return NAN;
    if (mend(b, n, m))
        promql_engine_mended(e, m);
    if (n < 2)
        return NAN;
    double total = b[n - 1].count;
    if (total == 0)
        return NAN;
    double rank = q * total;
    size_t k = 0;
    while (k < n - 1 && !(b[k].count >= rank))
        k++;
    if (k == n - 1)
        return b[n - 2].bound;
    if (k == 0 && b[0].bound <= 0)
        return b[0].bound;
    double lower = k ? b[k - 1].bound : 0, before = k ? b[k - 1].count : 0;
    double count = b[k].count - before;
    return lower + (b[k].bound - lower) * ((rank - before) / count);
}

/* How many observations lie below v. */
static double classic_below(double v, const struct count_at *b, size_t n)
{
    double before = 0, lower = b[0].bound > 0 ? 0 : -INFINITY;
    for (size_t k = 0; k < n; k++) {
        if (v < b[k].bound) {
            if (v <= lower || isinf(b[k].bound))
                return before;
            if (isinf(lower))
                return b[k].count;
            return before + (b[k].count - before) * (v - lower) / (b[k].bound - lower);
        }
        before = b[k].count;
        lower = b[k].bound;
    }
    return before;
}

static double classic_fraction(double lower, double upper, const struct count_at *b, size_t n)
{
    if (n == 0 || !isinf(b[n - 1].bound) || b[n - 1].count == 0 || isnan(lower) || isnan(upper) ||
        isnan(b[n - 1].count))
        return NAN;
    if (lower >= upper)
        return 0;
    return (classic_below(upper, b, n) - classic_below(lower, b, n)) / b[n - 1].count;
}

struct classics {
    struct classic **v;
    size_t n, capacity;
};

static struct classic *classic_of(struct engine *e, struct classics *list, struct map *by_key,
                                  struct str key, const struct row_buffer *r)
{
    bool fresh;
    union map_value *at = map_put(by_key, key, &fresh);
    if (fresh) {
        struct classic *c = arena_new(e->arena, sizeof *c);
        c->key = arena_str(e->arena, key);
        c->drop_name = r->drop_name;
        vec_push(list, c);
        at->p = c;
    }
    return at->p;
}

static void warn_bucket(struct engine *e, const struct promql_expr *where, struct str le,
                        struct str metric)
{
    struct buf b;
    buf_init(&b, PROMQL_MESSAGE_MAX);
    buf_put_str(&b, STR("bucket label \"le\" is missing or has a malformed value of "));
    promql_quote(le, &b);
    buf_put(&b, "", 1);
    promql_warn_maybe_metric(e, where, metric, b.p);
    buf_done(&b);
}

static void sort_in(struct engine *e, const struct promql_expr *x, const struct rows *in, size_t n,
                    struct classics *list)
{
    const struct promql_expr *where = vector_of(x);
    struct map by_key;
    map_init(&by_key, 0);
    for (size_t i = 0; i < in->n; i++) {
        const struct row_buffer *r = &in->v[i];
        if (memchr(r->kind, KIND_HISTOGRAM, n))
            classic_of(e, list, &by_key, r->key, r)->native = r;
        if (!memchr(r->kind, KIND_FLOAT, n))
            continue;
        struct str le = labels_get(r->key, STR("le"));
        double bound;
        bool range;
        bool minus = le.n && le.p[0] == '-';
        struct str body = str_sub(le, le.n && (minus || le.p[0] == '+'), le.n);
        if (!promql_number_read(body, &bound, &range)) {
            warn_bucket(e, where, le, labels_get(r->key, LABEL_METRIC));
            continue;
        }
        struct label_set set;
        promql_label_set_read(r->key, &set);
        promql_label_set_put(&set, STR("le"), STR(""));
        struct classic *c = classic_of(e, list, &by_key, promql_label_set_key(e, &set), r);
        struct bucket_row b = {minus ? -bound : bound, r};
        vec_push(&c->buckets, b);
    }
    map_done(&by_key);
    for (size_t i = 0; i < list->n; i++)
        if (list->v[i]->buckets.n)
            qsort(list->v[i]->buckets.v, list->v[i]->buckets.n, sizeof(struct bucket_row),
                  bucket_cmp);
}

static void nan_hint(struct engine *e, const struct promql_expr *x, const struct classic *c,
                     const struct histogram *h, double result)
{
    bool quantile = x->function != PROMQL_FN_HISTOGRAM_FRACTION;
    if (!isnan(h->sum) || h->count == 0)
        return;
    double filled = h->zero_count;
    for (uint32_t i = 0; i < h->positive_n; i++)
        filled += h->positive[i];
    for (uint32_t i = 0; i < h->negative_n; i++)
        filled += h->negative[i];
    if (filled >= h->count)
        return;
    const char *text =
        !quantile ? "input to histogram_fraction has NaN observations, which are excluded from all "
                    "fractions"
        : isnan(result)
            ? "input to histogram_quantile has NaN observations, result is NaN"
            : "input to histogram_quantile has NaN observations, result is skewed higher";
    promql_info_maybe_metric(e, vector_of(x), labels_get(c->key, LABEL_METRIC), text);
}

static void evaluate_classic(struct engine *e, const struct promql_expr *x, const struct classic *c,
                             const struct grid *g, double *const *scalars, struct row_buffer *out,
                             struct count_at *scratch)
{
    bool quantile = x->function != PROMQL_FN_HISTOGRAM_FRACTION;
    for (size_t i = 0; i < g->n; i++) {
        bool native = c->native && c->native->kind[i] == KIND_HISTOGRAM;
        size_t buckets = counts_at(c, i, scratch);
        double a = scalars[0][i], b = quantile ? 0 : scalars[1][i];
        struct engine_mended m = {.where = vector_of(x), .from_ms = grid_ms(g, i)};
        m.to_ms = m.from_ms;
        if (e->delayed_names)
            m.metric = labels_get(c->key, LABEL_METRIC);
        if (native && buckets) {
            promql_warn_maybe_metric(e, vector_of(x), labels_get(c->key, LABEL_METRIC),
                                     "vector contains a mix of classic and native histograms");
            continue;
        }
        if (!native && !buckets)
            continue;
        const struct histogram *h = native ? c->native->histogram[i] : NULL;
        out->kind[i] = KIND_FLOAT;
        if (quantile)
            out->value[i] =
                h ? promql_histogram_quantile(h, a) : classic_quantile(e, a, scratch, buckets, &m);
        else
            out->value[i] =
                h ? promql_histogram_fraction(h, a, b) : classic_fraction(a, b, scratch, buckets);
        if (h)
            nan_hint(e, x, c, h, out->value[i]);
    }
}

static void check_quantile(struct engine *e, const struct promql_expr *where, const double *q,
                           size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (q[i] >= 0 && q[i] <= 1)
            continue;
        struct buf b;
        buf_init(&b, 400);
        promql_number_short(q[i], &b);
        promql_engine_warn(e, where, "quantile value should be between 0 and 1, got " STR_FMT,
                           STR_ARG(buf_str(&b)));
        buf_done(&b);
    }
}

/* key with the quantile in a label, as OpenMetrics writes numbers. */
static struct str quantile_key(struct engine *e, struct str key, struct str label, double q)
{
    struct label_set *set = mem_new(sizeof *set);
    struct buf b;
    buf_init(&b, 400);
    promql_number_short(q, &b);
    if (isfinite(q) && !memchr(b.p, '.', b.n) && !memchr(b.p, 'e', b.n))
        buf_put_str(&b, STR(".0"));
    promql_label_set_read(key, set);
    promql_label_set_put(set, label, buf_str(&b));
    key = promql_label_set_key(e, set);
    buf_done(&b);
    mem_free(set);
    return key;
}

/* Puts a row in as many as there are quantiles among its steps. */
static void split_row(struct engine *e, const struct row_buffer *r, const double *q, size_t n,
                      struct str label, struct rows *out)
{
    bool *done = arena_array(e->arena, n, 1);
    for (size_t i = 0; i < n; i++) {
        if (done[i])
            continue;
        struct row_buffer part = *r;
        part.key = quantile_key(e, r->key, label, q[i]);
        part.kind = arena_array(e->arena, n, 1);
        for (size_t k = i; k < n; k++) {
            if (memcmp(&q[k], &q[i], sizeof *q) != 0)
                continue;
            part.kind[k] = r->kind[k];
            done[k] = true;
        }
        vec_push(out, part);
    }
}

/* One row of the answer for every histogram; where label is set, the quantile stands in it. */
static void answer_all(struct engine *e, const struct promql_expr *x, const struct classics *list,
                       const struct grid *g, double *const *scalars, struct str label,
                       struct rows *out)
{
    size_t most = 1;
    for (size_t i = 0; i < list->n; i++)
        most = MAX(most, list->v[i]->buckets.n);
    struct count_at *scratch = mem_array(most, sizeof *scratch);
    for (size_t i = 0; i < list->n; i++) {
        struct classic *c = list->v[i];
        struct row_buffer r;
        promql_row_new(e, g->n, &r);
        r.key = c->key;
        r.drop_name = c->drop_name;
        evaluate_classic(e, x, c, g, scalars, &r, scratch);
        promql_row_drop_name(e, &r.key, &r.drop_name);
        if (label.n)
            split_row(e, &r, scalars[0], g->n, label, out);
        else
            vec_push(out, r);
    }
    mem_free(scratch);
}

/* The scalars that an answer needs: a quantile, or the two ends of a fraction. */
static int answer_rows(struct engine *e, const struct promql_expr *x, const struct grid *g,
                       const struct classics *list, struct rows *out)
{
    double *scalars[2] = {NULL, NULL};
    bool many = x->function == PROMQL_FN_HISTOGRAM_QUANTILES;
    bool fraction = x->function == PROMQL_FN_HISTOGRAM_FRACTION;
    int err = 0;
    for (size_t i = many ? 2 : 0; err == 0 && i < (many ? x->arguments_n : 1); i++) {
        err = promql_scalar(e, x->arguments[i], g, &scalars[0]);
        if (err == 0 && fraction)
            err = promql_scalar(e, x->arguments[1], g, &scalars[1]);
        if (err == 0 && !fraction)
            check_quantile(e, x->arguments[i], scalars[0], g->n);
        if (err == 0)
            answer_all(e, x, list, g, scalars, many ? promql_string(x->arguments[1]) : STR(""),
                       out);
    }
    return err;
}

static int from_buckets(struct engine *e, const struct promql_expr *x, const struct grid *g,
                        struct stream **ret)
{
    struct rows in = {0}, out = {0};
    struct classics list = {0};
    int err = promql_parallel_rows(e, vector_of(x), g, &in);
    if (err == 0)
        sort_in(e, x, &in, g->n, &list);
    if (err == 0)
        err = answer_rows(e, x, g, &list, &out);
    for (size_t i = 0; i < list.n; i++)
        vec_free(&list.v[i]->buckets);
    vec_free(&list);
    *ret = promql_rows_stream(e, &out);
    promql_rows_done(&in);
    promql_rows_done(&out);
    return err;
}

/* --- functions of one native histogram ---------------------------------------------------------
 */

struct native_stream {
    struct stream stream;
    struct stream *from;
    enum promql_function function;
    size_t n;
    struct row_buffer row;
};

static double native_value(enum promql_function f, const struct histogram *h)
{
    switch (f) {
    case PROMQL_FN_HISTOGRAM_COUNT:
        return h->count;
    case PROMQL_FN_HISTOGRAM_SUM:
        return h->sum;
    case PROMQL_FN_HISTOGRAM_AVG:
        return h->sum / h->count;
    case PROMQL_FN_HISTOGRAM_STDVAR:
        return promql_histogram_variance(h);
    default:
        return sqrt(promql_histogram_variance(h));
    }
}

static int native_next(struct engine *e, struct stream *stream, struct row *ret)
{
    struct native_stream *s = (struct native_stream *)stream;
    struct row in;
    int more = s->from->next(e, s->from, &in);
    if (more <= 0)
        return more;
    for (size_t i = 0; i < s->n; i++) {
        s->row.kind[i] = in.kind[i] == KIND_HISTOGRAM ? KIND_FLOAT : KIND_NONE;
        if (s->row.kind[i])
            s->row.value[i] = native_value(s->function, in.histogram[i]);
    }
    s->row.key = in.key;
    s->row.drop_name = in.drop_name;
    promql_row_drop_name(e, &s->row.key, &s->row.drop_name);
    promql_row_view(&s->row, ret);
    return 1;
}

int promql_stream_histogram(struct engine *e, const struct promql_expr *x, const struct grid *g,
                            struct stream **ret)
{
    if (x->function == PROMQL_FN_HISTOGRAM_QUANTILE ||
        x->function == PROMQL_FN_HISTOGRAM_QUANTILES || x->function == PROMQL_FN_HISTOGRAM_FRACTION)
        return from_buckets(e, x, g, ret);
    struct native_stream *s = arena_new(e->arena, sizeof *s);
    s->stream.next = native_next;
    s->function = x->function;
    s->n = g->n;
    promql_row_new(e, g->n, &s->row);
    *ret = &s->stream;
    return promql_stream(e, x->arguments[0], g, &s->from);
}
