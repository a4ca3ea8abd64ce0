/* serve/checkup_api.h - /api/checks and /api/maintenance: how components are, and what programs and
 * people say of them.
 *
 * Who changes anything needs what a registration of targets needs: a token, or to sit here.
 *
 * Threads: the request's loop; what waits runs on the pool.
 */
#ifndef SERVE_CHECKUP_API_H
#define SERVE_CHECKUP_API_H

#include "net/http.h"

enum { CHECKUP_API_BODY_MAX = 128 * 1024 };

/* Context of all: struct serve. */
void checkup_api_list(struct http_request *r, void *serve);
void checkup_api_add(struct http_request *r, void *serve);
void checkup_api_one(struct http_request *r, void *serve);
void checkup_api_put(struct http_request *r, void *serve);
void checkup_api_drop(struct http_request *r, void *serve);
void checkup_api_run(struct http_request *r, void *serve);
void checkup_api_history(struct http_request *r, void *serve);
void checkup_api_uptime(struct http_request *r, void *serve);
void checkup_api_components(struct http_request *r, void *serve);
void checkup_api_maintenance(struct http_request *r, void *serve);
void checkup_api_maintenance_add(struct http_request *r, void *serve);
void checkup_api_maintenance_drop(struct http_request *r, void *serve);

#endif
