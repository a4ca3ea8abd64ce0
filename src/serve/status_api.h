/* serve/status_api.h - /api/v1/status/{buildinfo,runtimeinfo,tsdb}.
 *
 * Source:  Prometheus's HTTP API, version 1. "features" is left out of buildinfo on purpose: its
 *          presence makes Grafana take the server for Mimir.
 * Threads: handlers run on the request's loop, the count of series on the pool.
 */
#ifndef SERVE_STATUS_API_H
#define SERVE_STATUS_API_H

#include "net/http.h"

/* Context of all: struct serve. */
void status_api_build(struct http_request *r, void *serve);
void status_api_runtime(struct http_request *r, void *serve);
void status_api_tsdb(struct http_request *r, void *serve);

#endif
