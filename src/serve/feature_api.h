/* serve/feature_api.h - /api/v1/features: what this server can do, under Prometheus's names.
 *
 * Source:  features.tbl.h, the functions of query/promql.
 * Threads: the request's loop.
 */
#ifndef SERVE_FEATURE_API_H
#define SERVE_FEATURE_API_H

#include "net/http.h"

/* Context: struct serve. */
void feature_api_list(struct http_request *r, void *serve);

#endif
