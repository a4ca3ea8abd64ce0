/* query/promql/promql_parallel.h - one expression on several threads, a range of series each.
 *
 * An expression whose every row comes from one series of one selector (a selector, a function over
 * it, arithmetic with numbers) gives the same rows in the same order when its select is cut into
 * ranges of keys: promql_parallel() cuts, lets the threads of the query's pool consume the streams,
 * each with an engine of its own, and joins what the engines hold. Into how many ranges depends on
 * the series and steps alone, never on which threads are free, so that neither do the answers.
 *
 * Flow:    expression -> cursor -> split -> shards (engine, stream, part) -> parts in order
 * Threads: the caller's and the pool's; when it returns, all of it is the caller's again.
 */
#ifndef QUERY_PROMQL_PROMQL_PARALLEL_H
#define QUERY_PROMQL_PROMQL_PARALLEL_H

#include <stdatomic.h>

#include "query/promql/promql_engine.h"

enum { PROMQL_SHARDS_MAX = 32 };

/* What the engines of one query share while several threads work for it. */
struct promql_shared {
    _Atomic uint64_t alive; /* samples that all of them hold */
    atomic_bool stop;       /* one has failed */
};

/* Takes all rows of s into part (zeroed memory of the size that was asked for). */
typedef int promql_consume_f(struct engine *e, struct stream *s, const void *context, void *part);

/* Consumes the rows of x: *ret is an array of *ret_n parts of part_size bytes in the order of the
 * series; one where it is not worth cutting. After a failure parts may be filled too. */
MUST_USE int promql_parallel(struct engine *e, const struct promql_expr *x, const struct grid *g,
                             promql_consume_f *consume, const void *context, size_t part_size,
                             void *ret, size_t *ret_n);

/* The rows of x. */
MUST_USE int promql_parallel_rows(struct engine *e, const struct promql_expr *x,
                                  const struct grid *g, struct rows *ret);

#endif
