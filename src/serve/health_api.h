/* serve/health_api.h - /livez, /readyz, /health, /-/healthy, /-/ready.
 *
 * livez says that the loop turns and looks at nothing else. readyz is a probe (serve/probe.h).
 * health lists every check as application/health+json, or with our own words (?format=json, or
 * Accept: application/json); who does not call from this machine sees the status word alone.
 *
 * Source:  draft-inadarei-api-health-check-06; Prometheus's management API.
 * Threads: the request's loop.
 */
#ifndef SERVE_HEALTH_API_H
#define SERVE_HEALTH_API_H

#include <stdbool.h>

#include "net/http.h"

/* Does the caller sit on this machine, with no proxy in between? */
bool health_api_is_local(const struct http_request *r);

/* Context of all: struct serve. */
void health_api_live(struct http_request *r, void *serve);
void health_api_ready(struct http_request *r, void *serve);
void health_api_health(struct http_request *r, void *serve);
/* /api/v1/monitoring/health: {status, checks: {storage, modules, plugins}}. */
void health_api_monitoring(struct http_request *r, void *serve);
/* grpc.health.v1.Health/Check: "" is the whole daemon, else a check's name. */
void health_api_grpc(struct http_request *r, void *serve);
void health_api_healthy_text(struct http_request *r, void *serve);
void health_api_ready_text(struct http_request *r, void *serve);

#endif
