/* serve/series_api.h - what is there to ask for: series, label names and values, metadata,
 * exemplars; and deleting series. Prometheus's endpoints.
 *
 * Source:  Prometheus's HTTP API, version 1.
 * Threads: handlers run on the request's loop, the work on the pool.
 */
#ifndef SERVE_SERIES_API_H
#define SERVE_SERIES_API_H

#include "net/http.h"

/* Context of all: struct serve. */
void series_api_series(struct http_request *r, void *serve);
void series_api_labels(struct http_request *r, void *serve);
void series_api_values(struct http_request *r, void *serve);
void series_api_metadata(struct http_request *r, void *serve);
void series_api_exemplars(struct http_request *r, void *serve);
void series_api_delete(struct http_request *r, void *serve);

#endif
