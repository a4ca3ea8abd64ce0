/* serve/watch_api.h - /api/watch: the programs that sonde-watch keeps running, and orders to it.
 *
 * sonde-watch is asked over its control socket by a thread of the pool.
 *
 * Threads: as serve/job.h.
 */
#ifndef SERVE_WATCH_API_H
#define SERVE_WATCH_API_H

#include "net/http.h"

/* GET /api/watch, /api/watch/{name}, /api/watch/{name}/history, /api/watch/{name}/logs */
void watch_api_list(struct http_request *r, void *serve);
void watch_api_one(struct http_request *r, void *serve);
void watch_api_history(struct http_request *r, void *serve);
void watch_api_logs(struct http_request *r, void *serve);

/* POST /api/watch/{name}/{start|stop|restart|reload|check} */
void watch_api_do(struct http_request *r, void *serve);

#endif
