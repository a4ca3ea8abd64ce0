/* serve/serve.h - what clients can ask over HTTP: the page, Prometheus's query API, our own query
 * API, /metrics, the live WebSocket and the health endpoints.
 *
 * It knows the store and the sink by their tables of functions only. The daemon makes one struct
 * serve, hands its routes (with those of receive/) to every http_server and its guard to
 * http_config.
 *
 * Flow:    http_request -> handler -> pool thread: query/promql over store/face -> loop -> JSON
 * Threads: serve_new() and serve_free() while no server runs; the rest is the servers' business.
 */
#ifndef SERVE_SERVE_H
#define SERVE_SERVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "health/health.h"
#include "model/batch.h"
#include "model/sink.h"
#include "net/http.h"
#include "os/pool.h"
#include "rules/rules.h"
#include "scrape/scrape.h"
#include "serve/asset.h"
#include "serve/query_settings.h"
#include "store/face/series.h"

struct apps;
struct checkins;
struct checkup;
struct custom;
struct events;
struct incidents;
struct remedies;
struct alerting;
struct custom;
struct outbox;
struct plan;
struct registry;
struct send;
struct serve;
struct signal_relay;
struct signal_spool;
struct symbols;
struct threshold_list;

/* One series of /metrics. */
struct serve_row {
    struct str family; /* its name without _bucket, _sum, _count */
    struct str help;
    enum metric_type type;
    struct str text; /* name{labels} as the exposition formats have it */
    double value;
};

/* Where /metrics gets last values from: the collectors. each() calls f for every series, family by
 * family, in the same order as long as the set of series is the same. Called from a loop's thread,
 * it must not block for long. */
struct serve_source {
    void *context;
    void (*each)(void *context, void (*f)(void *f_context, const struct serve_row *row),
                 void *f_context);
};

/* What an operator can have done at once (serve/admin_api.h). flush NULL: nothing. Called on the
 * pool's threads. */
struct serve_admin {
    void *context;
    int (*flush)(void *context, struct why *why);
    int (*merge)(void *context, struct why *why);
    int (*snapshot)(void *context, struct arena *a, struct str *ret_path, struct why *why);
};

/* The rules: rules_view() of rules/rules.h with its module. view NULL: there are none. Called on
 * the pool's threads. */
struct serve_rules {
    struct rules *rules;
    void (*view)(struct rules *r, struct arena *a, struct rules_view *ret);
    const char *tenant; /* whose rules they are: others see none; NULL: all see them */
};

/* Alerts and who is told of them; all NULL: none. */
struct serve_alerts {
    struct alerting *alerting;
    struct outbox *outbox;
    /* Calls f with the plan in force, which stays as long as f runs. The pool's threads. */
    void (*plan)(void *context, void (*f)(void *f_context, const struct plan *plan),
                 void *f_context);
    void *context;
    struct send *send;             /* to other Alertmanagers */
    struct threshold_list *custom; /* custom alerts */
};

/* A setting under the name of Prometheus's flag. */
struct serve_flag {
    struct str name, value;
};

/* What the status endpoints tell; memory from the arena. */
struct serve_facts {
    struct str config;          /* in Prometheus's form (YAML) */
    struct serve_flag *flags;   /* [flags_n] */
    struct str external_labels; /* a bare key; added to what /federate and remote read give */
    struct str folder;          /* working directory */
    struct str retention;       /* "15d" */
    const char *reload_problem; /* of the last reload; "" where it went well */
    int64_t reload_ms;          /* wall time of the last reload that went well */
    uint64_t corruptions;       /* damaged places met since the start */
    size_t flags_n, threads, cores;
    struct promql_options language; /* that queries are answered with */
    uint64_t memory_max;            /* bytes that the process may take; 0: no limit */
};

/* A part of the store, for /api/v1/status/tsdb/blocks. */
struct serve_block {
    struct str name;
    int64_t first_ms, last_ms;
    uint64_t samples, series, chunks;
    unsigned level;
};

/* The daemon around the server; each function may be NULL. */
struct serve_daemon {
    void *context;
    /* Any thread. */
    void (*facts)(void *context, struct arena *a, struct serve_facts *ret);
    /* The pool's threads. */
    int (*blocks)(void *context, struct str tenant, struct arena *a, struct serve_block **ret,
                  size_t *ret_n);
    /* Asks for what SIGHUP does; serve_reloaded() tells how it went. A loop's thread. */
    void (*reload)(void *context);
    /* Asks for the end of the daemon. A loop's thread. */
    void (*quit)(void *context);
};

struct serve_config {
    struct series_store *store;
    struct sink *sink;
    size_t probe_lane; /* a lane of the sink that nobody else writes on */
    struct pool *pool; /* threads for queries */
    const struct clock *clock;
    struct health *health;
    struct serve_source source; /* each may be NULL: only the daemon's own metrics */
    struct serve_admin admin;
    const struct asset *assets; /* [assets_n] */
    size_t assets_n;
    const char *job, *instance; /* labels of this host's own series, for the page; "" where none */
    const char *listen_host;    /* as configured: accepted as Host beside the loopback names */
    bool loopback;              /* listening on loopback only: Host and Origin are checked */
    const struct query_settings *query; /* NULL: the defaults; its lists live as long as serve */
    int64_t start_ms;                   /* wall time of the start, for runtimeinfo */
    const char *revision;               /* source revision, "" where not known */
    bool admin_api;                     /* /api/v1/admin/tsdb/ is on */
    bool lifecycle;                     /* POST /-/reload and /-/quit are on */
    const char *cors_origin; /* expression for the origins of other sites that may read answers;
                              * "" or NULL: none */
    struct serve_rules rules;
    struct scrape *scrape;     /* the targets; NULL: there are none */
    struct checkup *checkup;   /* checks of components; NULL: there are none */
    struct custom *custom;     /* metrics of one's own; NULL: there are none */
    struct registry *registry; /* that programs register with; NULL: there is none */
    struct events *events; /* what happened; NULL: none are kept */
    struct checkins *checkins; /* of cron jobs; NULL: there are none */
    struct incidents *incidents; /* NULL: none are kept */
    struct remedies *remedies; /* the runbook; NULL: there is none */
    const char *watch_socket; /* of sonde-watch; NULL: none */
    struct apps *apps;          /* that are connected; NULL: there are none */
    struct signal_spool *spool; /* of what they send; NULL: there is none */
    struct symbols *symbols;    /* likewise */
    struct signal_relay *relay; /* NULL: nothing is sent on */
    struct serve_alerts alerts;
    struct serve_daemon daemon;
};

MUST_USE int serve_new(const struct serve_config *config, struct serve **ret, struct why *why);

/* New settings of queries; those of the cache, the limits and the language take effect at once. */
void serve_reload(struct serve *s, const struct query_settings *query);

/* Cancels running queries and answers those that wait: before the pool's end. */
void serve_stop(struct serve *s);

/* After the servers, the pool's jobs and the loops have ended. NULL is fine. */
void serve_free(struct serve *s);

/* The routes; they live as long as s. */
const struct http_route *serve_routes(const struct serve *s, size_t *ret_n);

/* Tells requests for a reload how it went: problem is "" or NULL where it went well. Any thread. */
void serve_reloaded(struct serve *s, const char *problem);

/* Tells who asks for notifications that text holds from now on, or no longer. Any thread. */
#define SERVE_RELOAD_FAILED "Configuration reload has failed."
void serve_notify(struct serve *s, const char *text, bool active);

/* Ends the answers that would go on for ever, before the servers drain. Any thread. */
void serve_drain(struct serve *s);

/* The probe of the store, as a reading: a write and a query. Any thread. */
void serve_probe(struct serve *s, struct health_reading *ret);

/* For http_config.cors, with s as its context: the origins of server.cors_origin. */
enum http_cors serve_cors(void *s, struct str origin);

/* For http_config.guard, with s as its context: refuses foreign Hosts (DNS rebinding) on loopback
 * and requests that another site's page makes. */
int serve_guard(void *s, struct http_request *r);

#endif
