#include "query/plain/plain_inside.h"

#include <string.h>

/* The elements of one group. */
struct group {
    struct plain_labels labels;
    bool drop_name;
    struct plain_vector in;
};

static struct group *group_of(struct plain *p, struct group *groups, size_t *n,
                              struct plain_labels labels)
{
    for (size_t i = 0; i < *n; i++) {
        if (plain_labels_equal(groups[i].labels, labels))
            return &groups[i];
    }
    groups[*n] = (struct group){.labels = labels};
    (void)p;
    return &groups[(*n)++];
}

static double extreme(const double *v, size_t n, bool greatest)
{
    double best = v[0];
    for (size_t i = 1; i < n; i++) {
        if (isnan(best) || (greatest ? v[i] > best : v[i] < best))
            best = v[i];
    }
    return best;
}

static double of_floats(struct plain *p, const struct promql_expr *x, double *v, size_t n,
                        double parameter)
{
    switch (x->operator) {
    case TOKEN_SUM:
        return plain_sum(p, v, n);
    case TOKEN_AVG:
        return plain_average(p, v, n);
    case TOKEN_MIN:
    case TOKEN_MAX:
        return extreme(v, n, x->operator== TOKEN_MAX);
    case TOKEN_STDDEV:
        return sqrt(plain_variance(p, v, n));
    case TOKEN_STDVAR:
        return plain_variance(p, v, n);
    default:
        return plain_quantile(p, parameter, v, n);
    }
}

static const struct histogram *of_histograms(struct plain *p, const struct promql_expr *x,
                                             const struct plain_vector *in)
{
    const struct histogram *sum = in->v[0].histogram;
    for (size_t i = 1; i < in->n; i++)
        sum = plain_native_add(p, sum, in->v[i].histogram, 1);
    return plain_native_scale(p, sum, x->operator== TOKEN_AVG ? 1 / (double)in->n : 1);
}

/* One value of a group; false: none. */
static bool reduced(struct plain *p, const struct promql_expr *x, const struct group *g,
                    double parameter, struct plain_element *e)
{
    size_t floats = 0, histograms = 0;
    double *v = arena_array(p->arena, g->in.n, sizeof *v);
    for (size_t i = 0; i < g->in.n; i++) {
        if (g->in.v[i].histogram)
            histograms++;
        else
            v[floats++] = g->in.v[i].value;
    }
    bool sums = x->operator== TOKEN_SUM || x->operator== TOKEN_AVG;
    e->histogram = NULL;
    if (x->operator== TOKEN_COUNT || x->operator== TOKEN_GROUP) {
        e->value = x->operator== TOKEN_GROUP ? 1 : (double)g->in.n;
        return true;
    }
    if (sums && floats && histograms) {
        plain_warn(p, "encountered a mix of histograms and floats for aggregation");
        return false;
    }
    if (sums && histograms) {
        e->histogram = of_histograms(p, x, &g->in);
        return true;
    }
    if (histograms)
        plain_info(p, "ignored histogram in");
    if (floats)
        e->value = of_floats(p, x, v, floats, parameter);
    return floats > 0;
}

static bool same_value(const struct plain_element *a, const struct plain_element *b)
{
    return a->value == b->value || (isnan(a->value) && isnan(b->value));
}

/* Is a before b for topk (bottomk)? */
static bool is_before(const struct plain_element *a, const struct plain_element *b, bool top)
{
    if (isnan(a->value) || isnan(b->value))
        return !isnan(a->value) && isnan(b->value);
    return top ? a->value > b->value : a->value < b->value;
}

static void chosen(struct plain *p, const struct promql_expr *x, const struct group *g, double k,
                   struct plain_vector *out)
{
    struct plain_vector order = {0};
    bool limit = x->operator== TOKEN_LIMITK;
    for (size_t i = 0; i < g->in.n; i++) {
        if (g->in.v[i].histogram && !limit) {
            plain_info(p, "ignored histogram in");
            continue;
        }
        plain_push(p, &order, g->in.v[i]);
        for (size_t at = order.n - 1; at > 0 && !limit; at--) {
            struct plain_element e = order.v[at];
            if (!is_before(&e, &order.v[at - 1], x->operator== TOKEN_TOPK))
                break;
            order.v[at] = order.v[at - 1];
            order.v[at - 1] = e;
        }
    }
    size_t n = 0;
    while (n < order.n && (double)n + 1 <= k)
        n++;
    /* Which of several equals the last place goes to is open: with noise, to none or to all. */
    const struct plain_element *next = n > 0 && n < order.n ? &order.v[n] : NULL;
    bool open = p->query->noise && !limit && next && same_value(&order.v[n - 1], next);
    for (size_t i = 0; i < order.n; i++) {
        if (open && same_value(&order.v[i], next) ? p->query->noise % 2 : i < n)
            plain_push(p, out, order.v[i]);
    }
}

static void counted_values(struct plain *p, const struct promql_expr *x, const struct group *g,
                           struct plain_vector *out)
{
    struct str name = plain_bare(x->right)->string;
    if (name.n == 0)
        plain_fail(p, "invalid label name");
    for (size_t i = 0; i < g->in.n; i++) {
        struct buf b;
        if (g->in.v[i].histogram)
            continue;
        buf_init(&b, 1024);
        promql_number_put(g->in.v[i].value, &b);
        struct plain_labels l =
            plain_labels_set(p, g->labels, name, arena_str(p->arena, buf_str(&b)));
        buf_done(&b);
        size_t at = 0;
        while (at < out->n && !plain_labels_equal(out->v[at].labels, l))
            at++;
        if (at == out->n)
            plain_push(p, out, (struct plain_element){l, false, 0, NULL});
        out->v[at].value++;
    }
}

static void check_parameter(struct plain *p, const struct promql_expr *x, double v)
{
    if (x->operator== TOKEN_QUANTILE && !(v >= 0 && v <= 1))
        plain_warn(p, "quantile value should be between 0 and 1");
    bool whole =
        x->operator== TOKEN_TOPK || x->operator== TOKEN_BOTTOMK || x->operator== TOKEN_LIMITK;
    if (whole && isnan(v))
        plain_fail(p, "Parameter value is NaN");
    if (whole && (v >= 0x1p63 || v <= -0x1p63))
        plain_fail(p, "overflows int64");
}

struct plain_vector plain_aggregate(struct plain *p, const struct promql_expr *x, int64_t t,
                                    const struct plain_grid *g)
{
    double parameter = 0;
    if (x->right && x->right->type == PROMQL_SCALAR) {
        parameter = plain_scalar(p, x->right, t, g);
        check_parameter(p, x, parameter);
    }
    struct plain_vector in = plain_vector(p, x->left, t, g), out = {0};
    struct group *groups = arena_array(p->arena, in.n + 1, sizeof *groups);
    size_t n = 0;
    for (size_t i = 0; i < in.n; i++) {
        struct plain_labels l = plain_labels_some(p, in.v[i].labels, &x->grouping, !x->without);
        struct group *to = group_of(p, groups, &n, l);
        plain_push(p, &to->in, in.v[i]);
        to->drop_name |= in.v[i].drop_name && plain_labels_get(l, LABEL_METRIC).n;
    }
    for (size_t i = 0; i < n; i++) {
        struct plain_element e = {groups[i].labels, groups[i].drop_name, 0, NULL};
        if (x->operator== TOKEN_COUNT_VALUES)
            counted_values(p, x, &groups[i], &out);
        else if (x->operator== TOKEN_TOPK || x->operator== TOKEN_BOTTOMK || x->operator==
                 TOKEN_LIMITK)
            chosen(p, x, &groups[i], parameter, &out);
        else if (reduced(p, x, &groups[i], parameter, &e))
            plain_push(p, &out, e);
    }
    return out;
}
