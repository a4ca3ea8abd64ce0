#include "serve/query_settings.h"

#define AT(member) offsetof(struct query_settings, member)

static const struct option ROWS[] = {
    {"threads", OPTION_INT, AT(threads), "0", 0, 64, NULL, 0,
     "Threads that evaluate queries; 0 is one for each core (8 at most)."},
    {"timeout_ms", OPTION_INT, AT(timeout_ms), "120000", 100, 86400000, NULL, OPTION_RELOAD,
     "The longest that one query may take, with the time that it waits for others. A request's "
     "timeout can only shorten it."},
    {"lookback_ms", OPTION_INT, AT(lookback_ms), "300000", 1, 86400000, NULL, OPTION_RELOAD,
     "How old a sample may be to stand for its series; a request's lookback_delta has precedence."},
    {"subquery_step_ms", OPTION_INT, AT(subquery_step_ms), "60000", 1, 86400000, NULL,
     OPTION_RELOAD, "The step of subqueries that name none, as [1h:]."},
    {"samples_max", OPTION_INT, AT(samples_max), "50000000", 1000, 1e12, NULL, OPTION_RELOAD,
     "Samples that one query may hold in memory at once."},
    {"samples_read_max", OPTION_INT, AT(samples_read_max), "2000000000", 1000, 1e15, NULL,
     OPTION_RELOAD,
     "Samples that one query may read. A query that would read more is refused before it begins, "
     "with an estimate."},
    {"bytes_max", OPTION_INT, AT(bytes_max), "1073741824", 1048576, 1e12, NULL, OPTION_RELOAD,
     "Memory of one query, and of its answer."},
    {"tenant_bytes_max", OPTION_INT, AT(tenant_bytes_max), "0", 0, 1e12, NULL, OPTION_RELOAD,
     "Memory of all running queries of one tenant; 0 is half of total_bytes_max."},
    {"total_bytes_max", OPTION_INT, AT(total_bytes_max), "0", 0, 1e12, NULL, OPTION_RELOAD,
     "Memory of all running queries; 0 is a quarter of the machine's memory."},
    {"concurrency", OPTION_INT, AT(concurrency), "20", 1, 1000, NULL, OPTION_RELOAD,
     "Queries of one tenant that run at once; further ones wait. Never more run than there are "
     "threads, and tenants take turns."},
    {"queue_max", OPTION_INT, AT(queue_max), "256", 0, 10000, NULL, OPTION_RELOAD,
     "Queries of one tenant that wait; the one past it is answered with 503."},
    {"queue_wait_ms", OPTION_INT, AT(queue_wait_ms), "120000", 1, 86400000, NULL, OPTION_RELOAD,
     "The longest that a query waits before it is answered with 503."},
    {"cache_bytes_max", OPTION_INT, AT(cache_bytes_max), "134217728", 0, 1e12, NULL, OPTION_RELOAD,
     "Memory for results of range queries that are kept to be used again; 0 keeps none."},
    {"slow_log_ms", OPTION_INT, AT(slow_log_ms), "1000", 0, 86400000, NULL, OPTION_RELOAD,
     "Queries that take at least this long are written to the log; 0 writes none."},
    {"nice", OPTION_INT, AT(nice), "5", 0, 19, NULL, OPTION_RELOAD,
     "How far the threads of queries stand back behind those that take samples in (nice)."},
    {"features", OPTION_LIST, AT(features), "", 0, 0, NULL, OPTION_RELOAD,
     "Features of the language under the names of Prometheus's --enable-feature, as "
     "promql-experimental-functions."},
};

const struct option_table query_settings_options = {
    "query", "Limits of queries, the cache of their results, features of the language.",
    false,   sizeof(struct query_settings),
    ROWS,    COUNTOF(ROWS),
};

void query_settings_default(struct query_settings *ret)
{
    *ret = (struct query_settings){0};
    option_defaults(&query_settings_options, ret);
}

int query_settings_check(const struct query_settings *s, struct why *why)
{
    struct promql_options options = {0};
    for (size_t i = 0; i < s->features.n; i++) {
        if (!promql_option_set(&options, str_c(s->features.v[i])))
            return why_set(why, ERR_NOENT,
                           "query.features: there is no feature \"%s\" of the query language; for "
                           "example promql-experimental-functions is one",
                           s->features.v[i]);
    }
    return 0;
}

struct promql_options query_settings_language(const struct query_settings *s)
{
    struct promql_options options = {0};
    for (size_t i = 0; i < s->features.n; i++)
        (void)promql_option_set(&options, str_c(s->features.v[i])); /* checked before */
    return options;
}
