/* query/plain/plain.h - the query language once more, as directly as its definition reads: for each
 * step alone, by recursion, over arrays that are scanned from end to end. It is slow and shares
 * with the engine nothing but the parsed tree, so that tests can hold one against the other.
 *
 * Left out (plain_knows() says so): info(), start timestamps, anchored and smoothed native
 * histograms, limit_ratio, histogram_quantiles, histogram_stddev and its square, trim operators,
 * custom buckets.
 *
 * Source:  Prometheus's documentation of the language and docs/manual.
 * Threads: one at a time; nothing is shared between calls.
 */
#ifndef QUERY_PLAIN_PLAIN_H
#define QUERY_PLAIN_PLAIN_H

#include "query/promql/promql_tree.h"

struct plain_sample {
    int64_t ts_ms;
    double value;
    const struct histogram *histogram; /* NULL: a float */
};

/* All data that there is: series in any order, their samples by time. */
struct plain_series {
    struct str key; /* canonical */
    struct plain_sample *v;
    size_t n, capacity;
};

struct plain_data {
    struct plain_series *v;
    size_t n, capacity;
};

struct plain_query {
    const struct promql_expr *expr;
    const struct promql_options *options;
    const struct plain_data *data;
    int64_t start_ms, end_ms, step_ms;
    bool instant;
    int64_t lookback_ms, subquery_step_ms; /* 0: as struct promql_query */
    /* Not 0: every rounded value is moved by about 1e-12 of itself, sums run the other way round
     * and ties fall differently. What changes then has no exact answer. */
    uint64_t noise;
};

/* Annotations are told by a part of their text. */
enum { PLAIN_NOTES_MAX = 64 };

struct plain_notes {
    const char *v[PLAIN_NOTES_MAX];
    size_t n;
};

struct plain_answer {
    enum promql_error error;
    const char *error_text; /* a part of the text */
    enum promql_type type;
    double scalar;
    struct str string;
    struct plain_series *series; /* [n], in the order of the expression or by labels */
    size_t n;
    struct plain_notes warnings, infos;
};

/* Answers; memory from a. */
void plain_evaluate(const struct plain_query *q, struct arena *a, struct plain_answer *ret);

/* Can plain_evaluate() answer x? */
bool plain_knows(const struct promql_expr *x);

#endif
