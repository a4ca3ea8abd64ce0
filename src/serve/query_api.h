/* serve/query_api.h - /api/v1/query and /query_range: PromQL in, JSON out.
 *
 * Source:  Prometheus's HTTP API, version 1.
 * Threads: handlers run on the request's loop, queries on the pool.
 */
#ifndef SERVE_QUERY_API_H
#define SERVE_QUERY_API_H

#include "net/http.h"
#include "serve/answer.h"

struct serve;

/* Context of all handlers: struct serve. */
void query_api_instant(struct http_request *r, void *serve);
void query_api_range(struct http_request *r, void *serve);

/* {"resultType":..,"result":..} of a result; at most limit series (0: all). True where it cut. */
bool query_api_result(struct buf *b, struct promql_result *result, uint64_t limit);

/* Registers the statistics. */
void query_api_open(void);

#endif
