/* serve/remedy_api.h - /api/remedies: the runbook, what it did, and doing it by hand.
 *
 * Threads: handlers on the request's loop; the work is the pool's.
 */
#ifndef SERVE_REMEDY_API_H
#define SERVE_REMEDY_API_H

#include "net/http.h"

void remedy_api_list(struct http_request *r, void *serve);
void remedy_api_history(struct http_request *r, void *serve);
void remedy_api_run(struct http_request *r, void *serve);

#endif
