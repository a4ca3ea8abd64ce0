/* query/promql/promql_reach.h - which times an expression looks at, and how much that may be.
 *
 * The cache of results asks how far around a step the samples lie that it depends on; budgets ask
 * how many samples a query would read before it is run.
 *
 * Threads: pure functions.
 */
#ifndef QUERY_PROMQL_PROMQL_REACH_H
#define QUERY_PROMQL_PROMQL_REACH_H

#include "query/promql/promql.h"

struct promql_reach {
    /* A step at t depends on samples in [t - before_ms, t + after_ms] and on t, on nothing else. */
    bool local;
    int64_t before_ms, after_ms; /* after_ms may be negative: all of it lies back */
};

/* Of the query's expression with its step and look-back. */
struct promql_reach promql_reach_of(const struct promql_query *q);

/* May two series of any node of the expression become one when names go? Then whether a query fails
 * depends on all of its steps together. */
bool promql_reach_names_meet(const struct promql_expr *x);

struct promql_estimate {
    uint64_t samples, series; /* about, or no more than */
    bool more;                /* the count was ended: it is more than that */
};

/* How much the query would read: a bound from the store that costs next to nothing; only where that
 * is above the limit are the selectors' blocks counted, as far as some times the limit. Errors of
 * the store are left to the run. */
void promql_reach_estimate(const struct promql_query *q, uint64_t samples_max,
                           struct promql_estimate *ret);

/* Is the query so small that it may be run where others wait meanwhile (on a loop): no subqueries,
 * every selector's matchers are equalities that few series have, a short time, few steps? Asks the
 * index, not the samples; memory from a. */
bool promql_reach_small(const struct promql_query *q, struct arena *a);

#endif
