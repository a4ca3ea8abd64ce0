/* query/plain/plain_inside.h - what the files of this folder share: values at one step.
 *
 * Threads: one.
 */
#ifndef QUERY_PLAIN_PLAIN_INSIDE_H
#define QUERY_PLAIN_PLAIN_INSIDE_H

#include <math.h>

#include "base/vec.h"
#include "query/plain/plain.h"

enum { MINUTE_MS = 60000 };

/* By name, bytewise; no empty values. */
struct plain_labels {
    struct label *v;
    size_t n;
};

struct plain_element {
    struct plain_labels labels;
    bool drop_name; /* its name goes at the end */
    double value;
    const struct histogram *histogram; /* NULL: a float */
};

struct plain_vector {
    struct plain_element *v; /* in the arena */
    size_t n, capacity;
};

/* One series of a range vector: what lies in the window, staleness markers taken out. */
struct plain_range {
    struct plain_labels labels;
    bool drop_name;
    struct plain_sample *v; /* in the arena */
    size_t n, capacity;
};

struct plain_matrix {
    struct plain_range *v;
    size_t n, capacity;
    int64_t from_ms, to_ms; /* the window: (from_ms, to_ms] */
};

/* The times at which an expression is asked for: those of the query, or of a subquery. */
struct plain_grid {
    int64_t start_ms, step_ms, end_ms;
};

struct plain_inner;   /* a subquery's vectors */
struct plain_fitting; /* a selector's series */

struct plain {
    const struct plain_query *query;
    struct arena *arena;
    struct plain_answer *answer;
    bool delayed;
    struct plain_inner *inner;
    struct plain_fitting *fitting;
};

/* plain.c */
struct plain_vector plain_vector(struct plain *p, const struct promql_expr *x, int64_t t,
                                 const struct plain_grid *g);
double plain_scalar(struct plain *p, const struct promql_expr *x, int64_t t,
                    const struct plain_grid *g);
void plain_fail(struct plain *p, const char *text);
void plain_warn(struct plain *p, const char *text);
void plain_info(struct plain *p, const char *text);
const struct promql_expr *plain_bare(const struct promql_expr *x);

/* v, moved a little where the query has noise; equal values that what gave move alike. */
double plain_rounded(const struct plain *p, unsigned what, double v);

/* The sum of v[n]: compensated. */
double plain_sum(const struct plain *p, const double *v, size_t n);
double plain_average(const struct plain *p, const double *v, size_t n);
double plain_variance(const struct plain *p, const double *v, size_t n);
double plain_quantile(const struct plain *p, double q, double *v, size_t n);

/* plain_labels.c */
struct plain_labels plain_labels_read(struct plain *p, struct str key);
struct str plain_labels_key(struct plain *p, struct plain_labels l);
struct str plain_labels_get(struct plain_labels l, struct str name);
struct plain_labels plain_labels_set(struct plain *p, struct plain_labels l, struct str name,
                                     struct str value);
bool plain_labels_equal(struct plain_labels a, struct plain_labels b);
/* Those that names has (keep) or has not (!keep; then without the metric's name too). */
struct plain_labels plain_labels_some(struct plain *p, struct plain_labels l,
                                      const struct promql_labels *names, bool keep);
void plain_push(struct plain *p, struct plain_vector *to, struct plain_element e);
/* The metric's name goes: now, or at the end where the options say so. */
void plain_drop_name(struct plain *p, struct plain_element *e);
/* An error where two elements have the same labels. */
void plain_unique(struct plain *p, const struct plain_vector *v);

/* plain_select.c */
struct plain_vector plain_selector(struct plain *p, const struct promql_expr *x, int64_t t,
                                   bool times);
struct plain_matrix plain_matrix(struct plain *p, const struct promql_expr *x, int64_t t,
                                 const struct plain_grid *g);

/* As plain_matrix() of a selector with anchored or smoothed: samples of a look-back before the
 * window and, where it is smoothed, behind it too. */
struct plain_matrix plain_around(struct plain *p, const struct promql_expr *x, int64_t t);

/* plain_extended.c: calls over such selectors; an instant selector that is smoothed. */
struct plain_vector plain_extended(struct plain *p, const struct promql_expr *x, int64_t t);
struct plain_vector plain_smoothed(struct plain *p, const struct promql_expr *x, int64_t t);

/* The hint about the name of a series that came out of rate or increase. */
void plain_name_hint(struct plain *p, const struct promql_expr *call, struct plain_labels labels);

/* plain_window.c: functions over range vectors; plain_call.c: all the others. */
struct plain_vector plain_window(struct plain *p, const struct promql_expr *x, int64_t t,
                                 const struct plain_grid *g);
struct plain_vector plain_call(struct plain *p, const struct promql_expr *x, int64_t t,
                               const struct plain_grid *g);
struct plain_vector plain_buckets(struct plain *p, const struct promql_expr *x, int64_t t,
                                  const struct plain_grid *g);

/* plain_aggregate.c, plain_binary.c */
struct plain_vector plain_aggregate(struct plain *p, const struct promql_expr *x, int64_t t,
                                    const struct plain_grid *g);
struct plain_vector plain_binary(struct plain *p, const struct promql_expr *x, int64_t t,
                                 const struct plain_grid *g);
double plain_operate(const struct plain *p, enum promql_token_kind operator, double l, double r);

/* plain_native.c: native histograms with exponential buckets. */
const struct histogram *plain_native_scale(struct plain *p, const struct histogram *h, double f);
const struct histogram *plain_native_add(struct plain *p, const struct histogram *a,
                                         const struct histogram *b, double sign);
bool plain_native_reset(const struct histogram *now, const struct histogram *before);
bool plain_native_equal(const struct histogram *a, const struct histogram *b);
double plain_native_quantile(const struct histogram *h, double q);

#endif
