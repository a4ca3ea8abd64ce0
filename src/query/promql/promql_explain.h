/* query/promql/promql_explain.h - what each node of an expression took: `explain=true` of the HTTP
 * API.
 *
 * A profile is made for one expression and given to the runs of it; streams and sources are then
 * wrapped in ones that count and look at the clock. Without a profile nothing is wrapped and
 * nothing costs. What a node took includes what is below it; with several threads it is the sum of
 * theirs.
 *
 * Threads: any may count; printed after the runs have ended.
 */
#ifndef QUERY_PROMQL_PROMQL_EXPLAIN_H
#define QUERY_PROMQL_PROMQL_EXPLAIN_H

#include "query/promql/promql_engine.h"

enum promql_profile_flag {
    PROFILE_BLOCKS = 1, /* aggregates of blocks answered windows */
    PROFILE_TIERS = 2,  /* downsampled data was read */
    PROFILE_SHARDS = 4, /* several threads shared the work */
};

struct promql_profile *promql_profile_new(const struct promql_expr *x);
void promql_profile_free(struct promql_profile *p); /* NULL is fine */

/* The tree as JSON: {"expression","kind","series","samples","rows","seconds","bytes","used":[..],
 * "nodes":[..]}; no figures where the node was evaluated as a part of the one above it. */
void promql_profile_put(const struct promql_profile *p, struct buf *out);

/* For the engine. Wraps the stream (source) of a node; the same one where there is no profile. */
struct stream *promql_profile_stream(struct engine *e, const struct promql_expr *x,
                                     struct stream *s);
struct source *promql_profile_source(struct engine *e, const struct promql_expr *x,
                                     struct source *s);
/* Notes that something was used for the node. */
void promql_profile_note(struct engine *e, const struct promql_expr *x,
                         enum promql_profile_flag flag);

#endif
