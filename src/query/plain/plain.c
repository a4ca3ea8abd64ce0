#include "query/plain/plain_inside.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/hash.h"

void plain_fail(struct plain *p, const char *text)
{
    if (p->answer->error == PROMQL_NONE) {
        p->answer->error = PROMQL_EXECUTION;
        p->answer->error_text = text;
    }
}

static void note(struct plain_notes *notes, const char *text)
{
    for (size_t i = 0; i < notes->n; i++) {
        if (strcmp(notes->v[i], text) == 0)
            return;
    }
    if (notes->n < PLAIN_NOTES_MAX)
        notes->v[notes->n++] = text;
}

void plain_warn(struct plain *p, const char *text)
{
    note(&p->answer->warnings, text);
}

void plain_info(struct plain *p, const char *text)
{
    note(&p->answer->infos, text);
}

const struct promql_expr *plain_bare(const struct promql_expr *x)
{
    while (x->kind == EXPR_PAREN)
        x = x->left;
    return x;
}

/* --- numbers --------------------------------------------------------------------------------- */

double plain_rounded(const struct plain *p, unsigned what, double v)
{
    if (!p->query->noise || !isfinite(v))
        return v;
    uint64_t mix = hash_u64(double_bits(v) ^ hash_u64(p->query->noise + what));
    return v * (1 + ((double)(mix % 2001) - 1000) * 1e-15);
}

static void add(double v, double *sum, double *lost)
{
    double t = *sum + v;
    if (isinf(t))
        *lost = 0;
    else
        *lost += fabs(*sum) >= fabs(v) ? (*sum - t) + v : (v - t) + *sum;
    *sum = t;
}

/* The i-th of n, from the end where there is noise. */
static size_t turned(const struct plain *p, size_t i, size_t n)
{
    return p->query->noise ? n - 1 - i : i;
}

double plain_sum(const struct plain *p, const double *v, size_t n)
{
    double sum = 0, lost = 0;
    bool exact = true;
    for (size_t i = 0; i < n; i++) {
        double x = v[turned(p, i, n)];
        exact &= fabs(x) < 1e9 && x * 256 == floor(x * 256);
        add(x, &sum, &lost);
    }
    double result = isinf(sum) ? sum : sum + lost;
    return exact ? result : plain_rounded(p, 'S', result);
}

double plain_average(const struct plain *p, const double *v, size_t n)
{
    double sum = plain_sum(p, v, n), mean = 0;
    if (isfinite(sum))
        return plain_rounded(p, 'A', sum / (double)n);
    for (size_t i = 0; i < n; i++) {
        double x = v[turned(p, i, n)];
        if (isinf(mean) && isinf(x) && mean == x)
            continue;
        if (isinf(mean) && isfinite(x))
            continue;
        mean += x / (double)(i + 1) - mean / (double)(i + 1);
    }
    return plain_rounded(p, 'A', mean);
}

double plain_variance(const struct plain *p, const double *v, size_t n)
{
    double mean = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        double x = plain_rounded(p, 'v', v[turned(p, i, n)]);
        if (!isfinite(x))
            return NAN;
        double delta = x - mean;
        mean += delta / (double)(i + 1);
        squares += delta * (x - mean);
    }
    return plain_rounded(p, 'V', squares / (double)n);
}

static int value_cmp(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    if (isnan(x) || isnan(y))
        return (isnan(y) != 0) - (isnan(x) != 0);
    return (x > y) - (x < y);
}

double plain_quantile(const struct plain *p, double q, double *v, size_t n)
{
    if (n == 0 || isnan(q))
        return NAN;
    if (q < 0 || q > 1)
        return q < 0 ? -INFINITY : INFINITY;
    qsort(v, n, sizeof *v, value_cmp);
    double rank = q * (double)(n - 1);
    size_t low = (size_t)floor(rank), high = low + 1 < n ? low + 1 : n - 1;
    double weight = rank - floor(rank);
    return plain_rounded(p, 'Q', v[low] * (1 - weight) + v[high] * weight);
}

/* --- expressions ------------------------------------------------------------------------------ */

static double scalar_of(struct plain *p, const struct promql_expr *x, int64_t t,
                        const struct plain_grid *g)
{
    struct plain_vector v = plain_vector(p, x, t, g);
    double found = NAN;
    size_t n = 0;
    for (size_t i = 0; i < v.n; i++) {
        if (!v.v[i].histogram) {
            found = v.v[i].value;
            n++;
        }
    }
    return n == 1 ? found : NAN;
}

static double scalar_call(struct plain *p, const struct promql_expr *x, int64_t t,
                          const struct plain_grid *g)
{
    const struct plain_query *q = p->query;
    double a, b;
    switch (x->function) {
    case PROMQL_FN_TIME:
        return (double)t / 1000;
    case PROMQL_FN_PI:
        return M_PI;
    case PROMQL_FN_SCALAR:
        return scalar_of(p, x->arguments[0], t, g);
    case PROMQL_FN_START:
        return (double)q->start_ms / 1000;
    case PROMQL_FN_END:
        return (double)q->end_ms / 1000;
    case PROMQL_FN_STEP:
        return q->instant ? 0 : (double)q->step_ms / 1000;
    case PROMQL_FN_RANGE:
        return (double)(q->end_ms - q->start_ms) / 1000;
    default:
        a = plain_scalar(p, x->arguments[0], t, g);
        b = plain_scalar(p, x->arguments[1], t, g);
        if (isnan(a) || isnan(b))
            return NAN;
        return (x->function == PROMQL_FN_MAX_OF ? a > b : a < b) ? a : b;
    }
}

double plain_scalar(struct plain *p, const struct promql_expr *x, int64_t t,
                    const struct plain_grid *g)
{
    double l, r;
    switch (x->kind) {
    case EXPR_NUMBER:
        return x->number;
    case EXPR_PAREN:
        return plain_scalar(p, x->left, t, g);
    case EXPR_UNARY:
        l = plain_scalar(p, x->left, t, g);
        return x->operator== TOKEN_SUB ? -l : l;
    case EXPR_BINARY:
        l = plain_scalar(p, x->left, t, g);
        r = plain_scalar(p, x->right, t, g);
        return plain_operate(p, x->operator, l, r);
    default:
        return scalar_call(p, x, t, g);
    }
}

static struct plain_vector negated(struct plain *p, const struct promql_expr *x, int64_t t,
                                   const struct plain_grid *g)
{
    struct plain_vector v = plain_vector(p, x->left, t, g);
    for (size_t i = 0; i < v.n && x->operator== TOKEN_SUB; i++) {
        v.v[i].value = -v.v[i].value;
        if (v.v[i].histogram)
            v.v[i].histogram = plain_native_scale(p, v.v[i].histogram, -1);
        plain_drop_name(p, &v.v[i]);
    }
    plain_unique(p, &v);
    return v;
}

struct plain_vector plain_vector(struct plain *p, const struct promql_expr *x, int64_t t,
                                 const struct plain_grid *g)
{
    if (p->answer->error)
        return (struct plain_vector){0};
    switch (x->kind) {
    case EXPR_PAREN:
        return plain_vector(p, x->left, t, g);
    case EXPR_SELECTOR:
        return x->smoothed ? plain_smoothed(p, x, t) : plain_selector(p, x, t, false);
    case EXPR_UNARY:
        return negated(p, x, t, g);
    case EXPR_BINARY:
        return plain_binary(p, x, t, g);
    case EXPR_AGGREGATE:
        return plain_aggregate(p, x, t, g);
    default:
        return plain_call(p, x, t, g);
    }
}

/* --- the answer ------------------------------------------------------------------------------- */

static struct plain_series *series_of(struct plain *p, struct str key)
{
    struct plain_answer *a = p->answer;
    for (size_t i = 0; i < a->n; i++) {
        if (str_eq(a->series[i].key, key))
            return &a->series[i];
    }
    struct plain_series *v = arena_array(p->arena, a->n + 1, sizeof *v);
    if (a->n)
        memcpy(v, a->series, a->n * sizeof *v);
    a->series = v;
    v[a->n].key = key;
    return &v[a->n++];
}

static void put_sample(struct plain *p, struct plain_series *s, struct plain_sample sample)
{
    if (s->n == s->capacity) {
        struct plain_sample *v = arena_array(p->arena, s->n * 2 + 8, sizeof *v);
        if (s->n)
            memcpy(v, s->v, s->n * sizeof *v);
        s->v = v;
        s->capacity = s->n * 2 + 8;
    }
    s->v[s->n++] = sample;
}

static void put_vector(struct plain *p, const struct plain_vector *v, int64_t t)
{
    for (size_t i = 0; i < v->n; i++) {
        struct plain_element e = v->v[i];
        if (e.drop_name)
            e.labels = plain_labels_set(p, e.labels, LABEL_METRIC, STR(""));
        struct plain_series *s = series_of(p, plain_labels_key(p, e.labels));
        if (s->n && s->v[s->n - 1].ts_ms == t)
            plain_fail(p, "vector cannot contain metrics with the same labelset");
        put_sample(p, s, (struct plain_sample){t, e.value, e.histogram});
    }
}

static int sample_cmp(const void *a, const void *b)
{
    int64_t x = ((const struct plain_sample *)a)->ts_ms;
    int64_t y = ((const struct plain_sample *)b)->ts_ms;
    return (x > y) - (x < y);
}

static void put_matrix(struct plain *p, const struct plain_matrix *m)
{
    for (size_t i = 0; i < m->n; i++) {
        struct plain_labels l = m->v[i].labels;
        if (m->v[i].drop_name)
            l = plain_labels_set(p, l, LABEL_METRIC, STR(""));
        struct plain_series *s = series_of(p, plain_labels_key(p, l));
        bool again = s->n > 0; /* another series lost its name and has its labels now */
        for (size_t k = 0; k < m->v[i].n; k++)
            put_sample(p, s, m->v[i].v[k]);
        if (again)
            qsort(s->v, s->n, sizeof *s->v, sample_cmp);
        for (size_t k = 1; k < s->n; k++) {
            if (s->v[k].ts_ms == s->v[k - 1].ts_ms)
                plain_fail(p, "vector cannot contain metrics with the same labelset");
        }
    }
}

static int series_cmp(const void *a, const void *b)
{
    return labels_cmp(((const struct plain_series *)a)->key, ((const struct plain_series *)b)->key);
}

static void answer(struct plain *p, const struct plain_grid *g)
{
    const struct promql_expr *x = p->query->expr;
    struct plain_answer *a = p->answer;
    if (x->type == PROMQL_STRING) {
        a->string = plain_bare(x)->string;
        return;
    }
    for (int64_t t = g->start_ms; t <= g->end_ms && !a->error; t += g->step_ms) {
        if (x->type == PROMQL_SCALAR) {
            a->scalar = plain_scalar(p, x, t, g);
            if (!p->query->instant)
                put_sample(p, series_of(p, STR("")), (struct plain_sample){t, a->scalar, NULL});
        } else if (x->type == PROMQL_MATRIX) {
            struct plain_matrix m = plain_matrix(p, x, t, g);
            put_matrix(p, &m);
        } else {
            struct plain_vector v = plain_vector(p, x, t, g);
            put_vector(p, &v, t);
        }
    }
    if (a->n && (!p->query->instant || x->type == PROMQL_MATRIX))
        qsort(a->series, a->n, sizeof *a->series, series_cmp);
}

void plain_evaluate(const struct plain_query *q, struct arena *a, struct plain_answer *ret)
{
    *ret = (struct plain_answer){.type = q->instant ? q->expr->type : PROMQL_MATRIX};
    struct plain p = {
        .query = q, .arena = a, .answer = ret, .delayed = q->options && q->options->delayed_names};
    struct plain_grid g = {q->start_ms, q->instant ? 1 : q->step_ms,
                           q->instant ? q->start_ms : q->end_ms};
    answer(&p, &g);
}

static bool knows_function(enum promql_function f)
{
    static const char *const left_out[] = {
        "info",
        "histogram_quantiles",
        "histogram_stddev",
        "histogram_stdvar",
        "start_timestamp",
        "histogram_fraction",
    };
    for (size_t i = 0; i < COUNTOF(left_out); i++) {
        if (strcmp(promql_function_row(f)->name, left_out[i]) == 0)
            return false;
    }
    return true;
}

bool plain_knows(const struct promql_expr *x)
{
    if (!x)
        return true;
    if (x->kind == EXPR_CALL && !knows_function(x->function))
        return false;
    if (x->kind == EXPR_AGGREGATE && x->operator== TOKEN_LIMIT_RATIO)
        return false;
    if (x->kind == EXPR_BINARY &&
        (x->operator== TOKEN_TRIM_UPPER || x->operator== TOKEN_TRIM_LOWER))
        return false;
    for (size_t i = 0; i < x->arguments_n; i++) {
        if (!plain_knows(x->arguments[i]))
            return false;
    }
    return plain_knows(x->left) && plain_knows(x->right);
}
