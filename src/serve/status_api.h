/* serve/status_api.h - /api/v1/status/...: what the build is, since when it runs, how it is
 * configured and what it holds; and /version.
 *
 * `features` must stay out of buildinfo: Grafana would take us for Mimir.
 *
 * Source:  Prometheus's HTTP API, version 1.
 * Threads: the request's loop; what asks the store, on the pool.
 */
#ifndef SERVE_STATUS_API_H
#define SERVE_STATUS_API_H

#include "net/http.h"

/* Context of all: struct serve. */
void status_api_build(struct http_request *r, void *serve);
void status_api_version(struct http_request *r, void *serve);
void status_api_runtime(struct http_request *r, void *serve);
void status_api_config(struct http_request *r, void *serve);
void status_api_flags(struct http_request *r, void *serve);
void status_api_replay(struct http_request *r, void *serve);

/* ---- status_api_store.c */
void status_api_tsdb(struct http_request *r, void *serve);
void status_api_blocks(struct http_request *r, void *serve);

/* ---- status_api_self.c: the daemon's own metrics as JSON, of the families whose names match
 * metric_name_pattern. */
void status_api_self(struct http_request *r, void *serve);

#endif
