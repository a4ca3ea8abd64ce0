/* serve/incident_api.h - /api/incidents: failures in their context.
 *
 * Threads: handlers on the request's loop; the work is the pool's.
 */
#ifndef SERVE_INCIDENT_API_H
#define SERVE_INCIDENT_API_H

#include "net/http.h"

enum { INCIDENT_API_BODY_MAX = 256 * 1024 /* bytes */ };

void incident_api_list(struct http_request *r, void *serve);
void incident_api_one(struct http_request *r, void *serve);
void incident_api_note(struct http_request *r, void *serve);
void incident_api_close(struct http_request *r, void *serve);
void incident_api_merge(struct http_request *r, void *serve);

#endif
