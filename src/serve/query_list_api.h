/* serve/query_list_api.h - GET /api/queries: what waits and runs now, and what was slow; DELETE
 * /api/queries/ID cancels.
 *
 * A tenant sees and cancels its own; all=true, which only this machine itself may ask for, is for
 * those of all.
 *
 * Threads: the request's loop.
 */
#ifndef SERVE_QUERY_LIST_API_H
#define SERVE_QUERY_LIST_API_H

#include "net/http.h"

/* Context of both: struct serve. */
void query_list_api_list(struct http_request *r, void *serve);
void query_list_api_cancel(struct http_request *r, void *serve);

#endif
