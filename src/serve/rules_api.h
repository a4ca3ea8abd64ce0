/* serve/rules_api.h - /api/v1/rules and /api/v1/alerts: what the rules are and how they stand.
 *
 * Flow:    rules_view() (serve_config.rules) -> filters of the request -> JSON
 * Source:  Prometheus's HTTP API, version 1.
 * Threads: handlers run on the request's loop, the rest on the pool.
 */
#ifndef SERVE_RULES_API_H
#define SERVE_RULES_API_H

#include "net/http.h"

/* Context of both: struct serve. */
void rules_api_rules(struct http_request *r, void *serve);
void rules_api_alerts(struct http_request *r, void *serve);

#endif
