/* serve/expression_api.h - /api/v1/format_query and /parse_query: what an expression is, without
 * asking for data. All features of the language are known here, also those that queries must not
 * use.
 *
 * Source:  Prometheus's HTTP API, version 1.
 * Threads: handlers run on the request's loop, the work on the pool.
 */
#ifndef SERVE_EXPRESSION_API_H
#define SERVE_EXPRESSION_API_H

#include "net/http.h"

/* Context of both: struct serve. */
void expression_api_format(struct http_request *r, void *serve);
void expression_api_parse(struct http_request *r, void *serve);

#endif
