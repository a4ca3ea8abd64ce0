/* serve/threshold_api.h - custom alerts over HTTP: made, changed, listed, dropped; and backtests of
 * rules over stored data.
 *
 * Flow:    JSON -> threshold/ -> rules; a backtest is a query like any other: it waits its turn,
 * has the query's limits, is listed by /api/queries and can be canceled there Threads: the
 * request's loop; the work is done on the pool.
 */
#ifndef SERVE_THRESHOLD_API_H
#define SERVE_THRESHOLD_API_H

#include "net/http.h"

void threshold_api_list(struct http_request *r, void *serve);
void threshold_api_add(struct http_request *r, void *serve);
void threshold_api_get(struct http_request *r, void *serve);
void threshold_api_change(struct http_request *r, void *serve);
void threshold_api_drop(struct http_request *r, void *serve);
void threshold_api_backtest(struct http_request *r, void *serve);

#endif
