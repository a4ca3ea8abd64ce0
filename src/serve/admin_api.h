/* serve/admin_api.h - work that the store does by itself in time, done now: POST /api/admin/flush
 * writes what is in memory into parts, POST /api/admin/merge does that and then merges all parts
 * that can be merged. For who measures sizes, or copies the data directory of a stopped daemon.
 *
 * Answers 204 once it is done. Who does not call from this machine is refused.
 *
 * Threads: the request's loop, the work on the pool.
 */
#ifndef SERVE_ADMIN_API_H
#define SERVE_ADMIN_API_H

#include "net/http.h"

/* Context of all: struct serve. */
void admin_api_flush(struct http_request *r, void *serve);
void admin_api_merge(struct http_request *r, void *serve);

/* POST /api/v1/admin/tsdb/snapshot as Prometheus has it: {"status":"success","data":{"name":..}},
 * the name below DATA/snapshots. */
void admin_api_snapshot(struct http_request *r, void *serve);

#endif
