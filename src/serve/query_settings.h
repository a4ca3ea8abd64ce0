/* serve/query_settings.h - what can be set about queries: [query].
 *
 * Threads: plain data.
 */
#ifndef SERVE_QUERY_SETTINGS_H
#define SERVE_QUERY_SETTINGS_H

#include "base/attr.h"
#include "base/err.h"
#include "base/option.h"
#include "query/promql/promql.h"

struct query_settings {
    int64_t threads; /* 0: one for each core */
    int64_t timeout_ms, lookback_ms, subquery_step_ms;
    int64_t samples_max, samples_read_max;
    int64_t bytes_max, tenant_bytes_max, total_bytes_max; /* the last two 0: as is fit */
    int64_t concurrency, queue_max, queue_wait_ms;        /* of one tenant */
    int64_t cache_bytes_max;
    int64_t slow_log_ms;
    int64_t nice;
    struct option_list features;
};

extern const struct option_table query_settings_options;

/* The defaults of the table. */
void query_settings_default(struct query_settings *ret);

/* Features known? */
MUST_USE int query_settings_check(const struct query_settings *s, struct why *why);

/* The features as the language's options. */
struct promql_options query_settings_language(const struct query_settings *s);

#endif
