/* query/plain/versus.h - one query put to the engine and to the plain evaluator; their answers must
 * be the same: series, steps, values but for rounding, kinds of errors and annotations.
 *
 * A value that changes when the plain evaluator rounds a little differently, adds up the other way
 * round or breaks ties otherwise has no one answer, and is counted as unstable.
 *
 * Threads: one.
 */
#ifndef QUERY_PLAIN_VERSUS_H
#define QUERY_PLAIN_VERSUS_H

#include "query/plain/plain.h"

struct versus {
    const struct plain_data *data; /* what the store has too */
    struct series_store *store;
    struct tenant *tenant;
    struct pool *pool; /* or NULL; else queries are cut into 1 to 5 shards */
    const char *name;  /* of the store, for the report */
    size_t asked, filled, failed, unstable, different;
    struct buf *report; /* a paragraph for each difference */
};

struct versus_query {
    struct str text;
    struct promql_options options;
    int64_t start_ms, end_ms, step_ms;
    bool instant;
    int64_t blocks_from_ms; /* 0: the engine's own choice */
};

/* Asks both. False where they differ: then it is counted and told. Text that does not parse counts
 * as different too. */
bool versus_ask(struct versus *v, const struct versus_query *q);

#endif
