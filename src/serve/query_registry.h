/* serve/query_registry.h - the queries that wait, run and have run: who may run when, with which
 * budgets, and what can be seen of it.
 *
 * A query is a job with a ticket. It waits in its tenant's queue; tenants take turns, and no more
 * run than there are threads (of one tenant: query.concurrency). What a query holds is charged to
 * its tenant and to all queries together. A watcher answers those that have waited too long.
 *
 * Flow:    query_registry_start() -> queue -> pool thread: work(job) -> answer; the list of the
 *          slowest and the log keep what was slow
 * Threads: any; one lock.
 */
#ifndef SERVE_QUERY_REGISTRY_H
#define SERVE_QUERY_REGISTRY_H

#include "query/promql/promql_cache.h"
#include "serve/job.h"
#include "serve/query_settings.h"

struct query_registry;

enum { QUERY_TEXT_MAX = 4096 /* bytes of a query's text that are kept */ };

/* What a query's run needs to know of the settings, as they were when it began. */
struct query_rules {
    struct query_settings settings;
    struct promql_options language;
};

/* What everybody may see of a query. */
struct query_view {
    uint64_t id;
    struct str tenant, text, client;
    const char *kind;
    int64_t since_ms; /* wall time of its arrival */
    int64_t waited_ns, elapsed_ns;
    bool running; /* else it waits, or has ended */
    uint64_t series, samples, bytes;
    const char *outcome; /* of one that has ended: "success" or the type of the error */
};

/* Of a query while it is there. */
struct query_ticket;

struct query_registry *query_registry_new(const struct serve_config *config,
                                          const struct query_settings *settings);

/* Ends the waiting ones with 503 and cancels those that run: before the pool ends. */
void query_registry_stop(struct query_registry *r);
void query_registry_free(struct query_registry *r); /* NULL is fine */

/* New settings; threads and nice stay as they were. */
void query_registry_set(struct query_registry *r, const struct query_settings *settings);
void query_registry_rules(struct query_registry *r, struct query_rules *ret);
struct promql_cache *query_registry_cache(struct query_registry *r);

/* The account of all queries, for those without a ticket. */
struct promql_account *query_registry_account(struct query_registry *r);

/* What is asked. */
struct query_order {
    void (*work)(struct job *j);
    void *context;
    const char *kind;   /* a constant text */
    struct str text;    /* copied */
    int64_t timeout_ms; /* at most query.timeout_ms; the time of waiting is part of it */
    bool small; /* takes so little that it is run on the request's loop where it need not wait */
};

/* As job_start(), in its turn. */
void query_registry_start(struct serve *s, struct http_request *r, const struct query_order *order);

/* In work(): the query's limits, account, meter and flags from the rules; the time that is left. */
void query_registry_fill(const struct query_ticket *t, const struct query_rules *rules,
                         struct promql_query *q);

/* The same for a query without a ticket (the live socket): limits and the language alone. */
void query_registry_limits(const struct query_rules *rules, struct promql_query *q);

/* In work(): what became of it ("success" where this is not called). */
void query_registry_outcome(struct query_ticket *t, const char *outcome);

int64_t query_registry_waited_ns(const struct query_ticket *t);

/* Cancels a query of that tenant (of any where the name is empty): false where there is none. */
bool query_registry_cancel(struct query_registry *r, uint64_t id, struct str tenant);

/* Calls f for all that wait or run (slow: for the slowest that have ended in the last hour, slowest
 * first), under the lock. tenant empty: of all. */
typedef void query_view_f(void *context, const struct query_view *v);
void query_registry_each(struct query_registry *r, struct str tenant, bool slow, query_view_f *f,
                         void *context);

#endif
