/* serve/system_api.h - /api/v1/monitoring/metrics, /api/system/metrics, /api/v1/system/status, and
 * the last of them as a file.
 *
 * Threads: handlers on the request's loop; the work is the pool's.
 */
#ifndef SERVE_SYSTEM_API_H
#define SERVE_SYSTEM_API_H

#include "base/buf.h"
#include "net/http.h"

struct serve;

void system_api_own(struct http_request *r, void *serve);
void system_api_host(struct http_request *r, void *serve);
void system_api_status(struct http_request *r, void *serve);

/* The object of /api/v1/system/status, with a line end. Any thread; waits for sonde-watch. */
void system_api_write(struct serve *s, struct buf *out);

#endif
