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

#include <stdbool.h>

#include "net/http.h"

struct serve;

/* Context of all: struct serve. */
void admin_api_flush(struct http_request *r, void *serve);
void admin_api_merge(struct http_request *r, void *serve);

/* POST /api/admin/snapshot: answers as Prometheus's endpoint does, for our own backup. */
void admin_api_snapshot_here(struct http_request *r, void *serve);

/* POST /api/v1/admin/tsdb/snapshot as Prometheus has it: {"status":"success","data":{"name":..}},
 * the name below DATA/snapshots; and clean_tombstones, which answers once what was deleted is off
 * the disk. */
void admin_api_snapshot(struct http_request *r, void *serve);
void admin_api_clean(struct http_request *r, void *serve);

/* Is server.admin_api on? Where it is not, the request is refused as Prometheus does. */
bool admin_api_enabled(const struct serve *s, struct http_request *r);

#endif
