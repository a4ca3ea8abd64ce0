/* serve/registry_api.h - targets that programs register themselves, and exporters of this machine
 * that are offered.
 *
 * POST /api/targets registers or prolongs, GET lists, DELETE /api/targets/ID ends one;
 * GET /api/targets/offers looks for exporters on well-known ports of loopback, at most once a
 * minute, and takes none of them.
 *
 * Threads: the request's loop; the work on the pool's threads.
 */
#ifndef SERVE_REGISTRY_API_H
#define SERVE_REGISTRY_API_H

#include "discover/registry.h"
#include "net/http.h"

struct registry_offers;

struct registry_offers *registry_api_offers_new(void);
void registry_api_offers_free(struct registry_offers *o); /* NULL is fine */

/* Context of all: struct serve. */
void registry_api_add(struct http_request *r, void *serve);
void registry_api_list(struct http_request *r, void *serve);
void registry_api_drop(struct http_request *r, void *serve);
void registry_api_offers(struct http_request *r, void *serve);

#endif
