/* serve/target_api.h - what Prometheus tells of its scraping and of its Alertmanagers: targets,
 * their metadata and relabelling, scrape pools.
 *
 * Targets and pools are those of scrape/scrape.h; where the daemon has no Prometheus file there are
 * none. The Alertmanagers are always none.
 *
 * Source:  Prometheus's HTTP API, version 1.
 * Threads: the request's loop; the answers are made on the pool.
 */
#ifndef SERVE_TARGET_API_H
#define SERVE_TARGET_API_H

#include "net/http.h"

/* Context of all: struct serve. */
void target_api_targets(struct http_request *r, void *serve);
void target_api_metadata(struct http_request *r, void *serve);
void target_api_relabel_steps(struct http_request *r, void *serve);
void target_api_pools(struct http_request *r, void *serve);
void target_api_pool_config(struct http_request *r, void *serve);
void target_api_alertmanagers(struct http_request *r, void *serve);

#endif
