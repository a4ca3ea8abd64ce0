/* serve/target_api.h - what Prometheus tells of its scraping and of its Alertmanagers: targets,
 * their metadata and relabelling, scrape pools.
 *
 * This daemon scrapes nobody (its collectors read this host without HTTP, and what others push has
 * no target here), so there are no pools and no targets; the parameters are checked as Prometheus
 * checks them, and the answers have its form.
 *
 * Source:  Prometheus's HTTP API, version 1.
 * Threads: the request's loop.
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
