/* client/metric/http_request.h - one request of HTTP/1.1, as the /metrics listener takes it.
 *
 * Strict: what RFC 9112 allows to refuse is refused (bare LF, folded lines, blanks before a colon,
 * bodies), so that nothing can be smuggled past a proxy.
 *
 * Source:  RFC 9110, RFC 9112
 * Threads: pure functions.
 */
#ifndef CLIENT_METRIC_HTTP_REQUEST_H
#define CLIENT_METRIC_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

enum { HTTP_REQUEST_MAX = 8192 };

struct http_request {
    bool get, head;   /* neither: another method */
    const char *path; /* [path_n], without the query; points into the bytes */
    size_t path_n;
    bool keep_alive;
    bool openmetrics; /* the Accept header prefers it */
    size_t used;      /* bytes that it takes */
};

/* 0: *ret is filled. 1: there is more to come. Otherwise the status to refuse it with: 400, 413,
 * 414, 431, 505; the connection must be closed then. */
int http_request_read(const char *bytes, size_t n, struct http_request *ret);

#endif
