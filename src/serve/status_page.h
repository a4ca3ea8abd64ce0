/* serve/status_page.h - /status: a page for everybody about the checks that are public, in one
 * piece, without scripts; and the same as JSON, /status.json. Off unless [status_page] says so.
 *
 * Threads: the request's loop; made on the pool.
 */
#ifndef SERVE_STATUS_PAGE_H
#define SERVE_STATUS_PAGE_H

#include "net/http.h"

/* Context: struct serve. */
void status_page_html(struct http_request *r, void *serve);
void status_page_json(struct http_request *r, void *serve);

#endif
