/* serve/alertmanager_api.h - Alertmanager's API v2, so that Prometheus can send here and amtool
 * works.
 *
 * Source:  Alertmanager, api/v2/openapi.yaml; wording of errors as 0.25 gives it. What newer ones
 *          have is there, too: mutedBy, annotations of silences, routeLabels, receiver_matchers
 *          (receivers have no labels here).
 * Threads: the request's loop; the work is done on the pool.
 */
#ifndef SERVE_ALERTMANAGER_API_H
#define SERVE_ALERTMANAGER_API_H

#include "net/http.h"

enum { ALERTMANAGER_API_BODY_MAX = 16 * 1024 * 1024 /* bytes of a list of alerts */ };

void alertmanager_api_status(struct http_request *r, void *serve);
void alertmanager_api_receivers(struct http_request *r, void *serve);
void alertmanager_api_alerts(struct http_request *r, void *serve);
void alertmanager_api_post(struct http_request *r, void *serve);
void alertmanager_api_groups(struct http_request *r, void *serve);
void alertmanager_api_silences(struct http_request *r, void *serve);
void alertmanager_api_silence_post(struct http_request *r, void *serve);
void alertmanager_api_silence(struct http_request *r, void *serve);
void alertmanager_api_silence_expire(struct http_request *r, void *serve);

#endif
