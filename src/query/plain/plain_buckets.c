/* histogram_quantile over series with the label le, and over native histograms. */
#include "query/plain/plain_inside.h"

#include <stdio.h>
#include <stdlib.h>

struct bucket {
    double bound, count;
};

/* The buckets of one histogram: series equal but for le. */
struct bucket_group {
    struct plain_labels labels;
    bool drop_name;
    struct bucket *v; /* [n] */
    size_t n;
    const struct histogram *native;
};

static int bound_cmp(const void *a, const void *b)
{
    double x = ((const struct bucket *)a)->bound, y = ((const struct bucket *)b)->bound;
    return (x > y) - (x < y);
}

static void merge_equal(struct bucket_group *b)
{
    size_t n = 1;
    for (size_t i = 1; i < b->n; i++) {
        if (b->v[i].bound == b->v[n - 1].bound)
            b->v[n - 1].count += b->v[i].count;
        else
            b->v[n++] = b->v[i];
    }
    b->n = n;
}

static void make_monotonic(struct plain *p, struct bucket_group *b)
{
    for (size_t i = 1; i < b->n; i++) {
        double before = b->v[i - 1].count, now = b->v[i].count;
        bool close = fabs(before - now) <= 1e-12 * (fabs(before) + fabs(now));
        if (!close && now < before)
            plain_info(p, "input to histogram_quantile needed to be fixed for monotonicity");
        if (close || now < before)
            b->v[i].count = before;
    }
}

static double quantile(struct plain *p, double q, struct bucket_group *b)
{
    if (isnan(q))
        return NAN;
    if (q < 0 || q > 1)
        return q < 0 ? -INFINITY : INFINITY;
    if (b->v[b->n - 1].bound != INFINITY)
        return NAN;
    merge_equal(b);
    make_monotonic(p, b);
    size_t n = b->n, k = 0;
    double all = b->v[n - 1].count;
    if (n < 2 || all == 0)
        return NAN;
    double rank = q * all;
    while (k < n - 1 && !(b->v[k].count >= rank))
        k++;
    if (k == n - 1)
        return b->v[n - 2].bound;
    if (k == 0 && b->v[0].bound <= 0)
        return b->v[0].bound;
    double low = k ? b->v[k - 1].bound : 0, below = k ? b->v[k - 1].count : 0;
    double part = (rank - below) / (b->v[k].count - below);
    return plain_rounded(p, 'q', low + (b->v[k].bound - low) * part);
}

static bool read_bound(struct str le, double *ret)
{
    char text[64], *end;
    if (le.n == 0 || le.n >= sizeof text)
        return false;
    snprintf(text, sizeof text, STR_FMT, STR_ARG(le));
    *ret = strtod(text, &end);
    return end == text + le.n;
}

static void group_in(struct plain *p, struct bucket_group *groups, size_t *n, size_t most,
                     const struct plain_element *e)
{
    double bound = 0;
    struct str le = plain_labels_get(e->labels, STR("le"));
    if (!e->histogram && !read_bound(le, &bound)) {
        plain_warn(p, "bucket label \"le\" is missing or has a malformed value");
        return;
    }
    struct plain_labels rest = e->labels;
    if (!e->histogram)
        rest = plain_labels_set(p, rest, STR("le"), STR(""));
    struct bucket_group *b = groups;
    while (b < groups + *n && !plain_labels_equal(b->labels, rest))
        b++;
    if (b == groups + *n) {
        *b = (struct bucket_group){.labels = rest, .drop_name = e->drop_name};
        b->v = arena_array(p->arena, most, sizeof *b->v);
        ++*n;
    }
    if (e->histogram)
        b->native = e->histogram;
    else
        b->v[b->n++] = (struct bucket){bound, e->value};
}

struct plain_vector plain_buckets(struct plain *p, const struct promql_expr *x, int64_t t,
                                  const struct plain_grid *g)
{
    double q = plain_scalar(p, x->arguments[0], t, g);
    struct plain_vector in = plain_vector(p, x->arguments[1], t, g), out = {0};
    struct bucket_group *groups = arena_array(p->arena, in.n + 1, sizeof *groups);
    size_t n = 0;
    if (!(q >= 0 && q <= 1))
        plain_warn(p, "quantile value should be between 0 and 1");
    for (size_t i = 0; i < in.n; i++)
        group_in(p, groups, &n, in.n, &in.v[i]);
    for (size_t i = 0; i < n; i++) {
        struct bucket_group *b = &groups[i];
        struct plain_element e = {b->labels, b->drop_name, 0, NULL};
        if (b->n && b->native) {
            plain_warn(p, "vector contains a mix of classic and native histograms");
            continue;
        }
        if (b->n)
            qsort(b->v, b->n, sizeof *b->v, bound_cmp);
        e.value = b->native ? plain_rounded(p, 'n', plain_native_quantile(b->native, q))
                            : quantile(p, q, b);
        plain_drop_name(p, &e);
        plain_push(p, &out, e);
    }
    plain_unique(p, &out);
    return out;
}
