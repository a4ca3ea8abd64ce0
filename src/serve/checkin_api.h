/* serve/checkin_api.h - /api/checkin/NAME: jobs say that they have run; /api/checkins: how they
 * are.
 *
 * Threads: handlers on the request's loop; the work is the pool's.
 */
#ifndef SERVE_CHECKIN_API_H
#define SERVE_CHECKIN_API_H

#include "net/http.h"

enum { CHECKIN_API_BODY_MAX = 256 * 1024 /* bytes; the end of it is kept */ };

/* /api/checkin/NAME, and with /start, /fail or /EXIT_CODE behind it. */
void checkin_api_ping(struct http_request *r, void *serve);
void checkin_api_list(struct http_request *r, void *serve);
void checkin_api_one(struct http_request *r, void *serve);
void checkin_api_delete(struct http_request *r, void *serve);

#endif
