/* serve/alert_api.h - our own API of alerting: what people do with alerts (acknowledge, assign,
 * comment), their history, what a silence would hide, how notifications go, and a test of one.
 *
 * There are no accounts: who acts says so in the member `who`.
 *
 * Flow:    JSON -> alert/alert.h, notify/outbox.h -> JSON
 * Threads: the request's loop; the work is done on the pool.
 */
#ifndef SERVE_ALERT_API_H
#define SERVE_ALERT_API_H

#include "net/http.h"

void alert_api_list(struct http_request *r, void *serve);
void alert_api_history(struct http_request *r, void *serve);
void alert_api_acknowledge(struct http_request *r, void *serve);
void alert_api_unacknowledge(struct http_request *r, void *serve);
void alert_api_assign(struct http_request *r, void *serve);
void alert_api_comment(struct http_request *r, void *serve);
void alert_api_preview(struct http_request *r, void *serve);
void alert_api_notify(struct http_request *r, void *serve);
void alert_api_notify_test(struct http_request *r, void *serve);

#endif
