/* query/promql/promql_result.h - what a result is made of, for those who make one: promql_run.c
 * and promql_cache.c.
 *
 * Threads: one at a time.
 */
#ifndef QUERY_PROMQL_PROMQL_RESULT_H
#define QUERY_PROMQL_PROMQL_RESULT_H

#include "query/promql/promql.h"

/* All but the arena lies in the arena. */
struct promql_result {
    struct arena arena;
    enum promql_type type;
    int64_t time_ms;
    double scalar;
    struct str string;
    struct promql_series *series;
    size_t series_n, at;
    struct str *warnings, *infos;
    size_t warnings_n, infos_n;
    struct promql_statistics statistics;
};

#endif
