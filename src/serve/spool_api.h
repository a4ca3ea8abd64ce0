/* serve/spool_api.h - what applications have sent beside metrics: the spool, the newest errors.
 *
 *     GET /api/spool              facts of the queues, of what is sent on, of the helper for
 * symbols GET /api/errors/recent      ?limit=100&service=NAME: the newest first
 *
 * Threads: the request's loop, the pool.
 */
#ifndef SERVE_SPOOL_API_H
#define SERVE_SPOOL_API_H

#include "net/http.h"

void spool_api_facts(struct http_request *r, void *serve);
void spool_api_errors(struct http_request *r, void *serve);

#endif
