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
#include "serve/asset.h"
#include "store/face/series.h"

struct serve;

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
    int64_t query_timeout_ms;   /* 0: 120 s */
    uint64_t query_samples_max; /* 0: 50 million */
    int64_t start_ms;           /* wall time of the start, for runtimeinfo */
    const char *revision;       /* source revision, "" where not known */
    bool admin_deletes;         /* POST /api/v1/admin/tsdb/delete_series is allowed */
};

MUST_USE int serve_new(const struct serve_config *config, struct serve **ret, struct why *why);

/* After the servers, the pool's jobs and the loops have ended. NULL is fine. */
void serve_free(struct serve *s);

/* The routes; they live as long as s. */
const struct http_route *serve_routes(const struct serve *s, size_t *ret_n);

/* For http_config.guard, with s as its context: refuses foreign Hosts (DNS rebinding) on loopback
 * and requests that another site's page makes. */
int serve_guard(void *s, struct http_request *r);

#endif
