/* serve/metric_api.h - /api/metrics/query and /api/metrics/search: metrics without PromQL.
 *
 * The answer of a query names the PromQL that it stands for, so that its reader can go on from
 * there. docs/api.md has the parameters.
 *
 * Threads: handlers run on the request's loop, the work on the pool.
 */
#ifndef SERVE_METRIC_API_H
#define SERVE_METRIC_API_H

#include "net/http.h"

/* Context of both: struct serve. */
void metric_api_query(struct http_request *r, void *serve);
void metric_api_search(struct http_request *r, void *serve);

#endif
