/* query/promql/promql_cache.h - results of range queries that are used again.
 *
 * A dashboard asks for the same expression again and again, over a window that moves. What was
 * answered at a step still holds as long as nobody has written into the times that the step looks
 * at, which the store tells (mark(), written() of store/face/series.h). A query evaluates only the
 * steps that are missing or do not hold any more, and is put together with the rest.
 *
 * Kept are results of one tenant, text, step, phase (start modulo step), look-back and set of
 * features. Not kept are: what depends on more than the times around a step (@, start(), range()),
 * results with warnings (an answer with a gap is never kept), with native histograms, and where
 * equal labels of several series could make a query fail. Infos are kept with the steps that gave
 * them, as a whole: a query over some of those steps gets them all.
 *
 * Flow:    promql_cache_run() -> entry -> which steps hold -> promql_run() for the others ->
 *          result, and a new entry
 * Threads: any; entries never change, a newer one takes their place.
 */
#ifndef QUERY_PROMQL_PROMQL_CACHE_H
#define QUERY_PROMQL_PROMQL_CACHE_H

#include "query/promql/promql.h"

struct promql_cache;

/* Keeps at most that many bytes; 0: nothing. Above it the tenant that has the most gives what it
 * has not used for longest. */
struct promql_cache *promql_cache_new(uint64_t bytes_max);
void promql_cache_limit(struct promql_cache *c, uint64_t bytes_max);
void promql_cache_free(struct promql_cache *c); /* NULL is fine */

/* What a run took from the cache. */
struct promql_cache_use {
    bool asked;         /* this query's results can be kept at all */
    size_t steps, held; /* of the query, and how many of them were there */
    unsigned runs;      /* evaluations that were needed */
};

/* As promql_run(). The statistics are those of what was evaluated. */
MUST_USE int promql_cache_run(struct promql_cache *c, const struct promql_query *q,
                              struct promql_cache_use *ret_use, struct promql_result **ret,
                              struct promql_failure *failure);

/* Bytes that are kept now. */
uint64_t promql_cache_bytes(struct promql_cache *c);

#endif
