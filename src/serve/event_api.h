/* serve/event_api.h - /api/events: deployments, changes and notes, from pipelines and people; and
 * /api/annotations, for who speaks to Grafana.
 *
 * Threads: handlers on the request's loop; the work is the pool's.
 */
#ifndef SERVE_EVENT_API_H
#define SERVE_EVENT_API_H

#include "net/http.h"

enum { EVENT_API_BODY_MAX = 4 << 20 /* bytes */ };

void event_api_list(struct http_request *r, void *serve);
void event_api_add(struct http_request *r, void *serve);
void event_api_delete(struct http_request *r, void *serve);
void event_api_annotations(struct http_request *r, void *serve);
void event_api_annotate(struct http_request *r, void *serve);

#endif
