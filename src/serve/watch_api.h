/* serve/watch_api.h - /api/watch: the programs that sonde-watch keeps running, and orders to it.
 *
 * sonde-watch is asked over its control socket by a thread of the pool.
 *
 * Threads: as serve/job.h.
 */
#ifndef SERVE_WATCH_API_H
#define SERVE_WATCH_API_H

#include "base/arena.h"
#include "net/http.h"
#include "serve/serve.h"
#include "text/json.h"

/* GET /api/watch, /api/watch/{name}, /api/watch/{name}/history, /api/watch/{name}/logs */
void watch_api_list(struct http_request *r, void *serve);
void watch_api_one(struct http_request *r, void *serve);
void watch_api_history(struct http_request *r, void *serve);
void watch_api_logs(struct http_request *r, void *serve);

/* POST /api/watch/{name}/{start|stop|restart|reload|check} */
void watch_api_do(struct http_request *r, void *serve);

/* The part of /api/v1/system/status that is the programs': a value, an array of objects {name,
 * program, group, state, ready, pid, uptime_seconds, restarts, memory_bytes, cpu_percent, reason};
 * null where no sonde-watch runs. Waits at most a second. */
void watch_api_put(const char *socket, struct json_writer *w);

#endif
