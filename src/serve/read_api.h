/* serve/read_api.h - Prometheus's remote read: POST /api/v1/read.
 *
 * Flow:    snappy -> codec/remote_read -> store/face -> samples or streamed chunks
 * Threads: as serve.h.
 */
#ifndef SERVE_READ_API_H
#define SERVE_READ_API_H

#include "net/http.h"

enum { READ_API_BODY_MAX = 1024 * 1024 /* bytes of a packed request */ };

void read_api_handle(struct http_request *r, void *serve);

#endif
