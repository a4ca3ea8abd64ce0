/* serve/custom_api.h - GET /api/custom: the rows of custom metrics and how they are doing.
 *
 * docs/api.md shows an answer.
 *
 * Threads: the request's loop.
 */
#ifndef SERVE_CUSTOM_API_H
#define SERVE_CUSTOM_API_H

#include "net/http.h"

void custom_api_list(struct http_request *r, void *serve);

#endif
