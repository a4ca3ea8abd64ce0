/* serve/search_api.h - /api/v1/search/metric_names, /label_names and /label_values: names that fit
 * what somebody types, as lines of JSON.
 *
 * Source:  Prometheus's HTTP API, version 1 (there behind a feature).
 * Threads: handlers run on the request's loop, the work on the pool.
 */
#ifndef SERVE_SEARCH_API_H
#define SERVE_SEARCH_API_H

#include "net/http.h"

/* Context of all: struct serve. */
void search_api_metrics(struct http_request *r, void *serve);
void search_api_names(struct http_request *r, void *serve);
void search_api_values(struct http_request *r, void *serve);

#endif
