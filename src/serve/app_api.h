/* serve/app_api.h - applications that link libsonde: who is connected, questions to them, their
 * services.
 *
 *     GET      /api/apps                       connected and gone
 *     GET      /api/apps/INSTANCE              one of them
 *     GET|POST /api/apps/INSTANCE/ask          ?command=LINE: its answer as it is
 *     GET      /api/services                   of all applications
 *     GET      /api/services/NAME[/WHAT]       WHAT: slowest, errors, active, recent, prometheus
 *     POST     /api/services/NAME/reset
 *
 * GET asks as a viewer, POST as an operator. No thread waits for an application: the answer goes
 * out when it comes, at most APPS_ASK_MS later.
 *
 * Threads: the request's loop; answers are put together on the pool.
 */
#ifndef SERVE_APP_API_H
#define SERVE_APP_API_H

#include "net/http.h"

void app_api_list(struct http_request *r, void *serve);
void app_api_one(struct http_request *r, void *serve);
void app_api_ask(struct http_request *r, void *serve);
void app_api_services(struct http_request *r, void *serve);
void app_api_service(struct http_request *r, void *serve);
void app_api_service_part(struct http_request *r, void *serve);
void app_api_service_reset(struct http_request *r, void *serve);

#endif
