/* net/http.h - the HTTP server: sockets in, requests to handlers, replies out.
 *
 * One struct http_server per loop, all with the same routes. A handler is called on the loop's
 * thread with the whole body and must answer the request exactly once, at once or later, always
 * on that thread (work elsewhere comes back by loop_post()). Requests of one connection are
 * answered in order (no pipelining ahead of an answer). WebSockets: net/ws.h. A client that begins
 * with HTTP/2's preface (prior knowledge, as gRPC does) is served over HTTP/2, by the same
 * handlers.
 *
 * Flow:    os/loop stream -> llhttp -> route -> handler -> http_reply() -> stream
 * Source:  RFC 9110, 9112, 9113. Refused: two lengths, length with chunked, bare CR or LF, missing
 * Host. Threads: one per server.
 */
#ifndef NET_HTTP_H
#define NET_HTTP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "os/loop.h"

struct http_server;
struct http_request;

enum http_method {
    HTTP_GET = 1,
    HTTP_POST = 2,
    HTTP_PUT = 4,
    HTTP_DELETE = 8,
    HTTP_HEAD = 16,
    HTTP_OPTIONS = 32, /* answered by the server itself: 204 */
    HTTP_RAW = 64,     /* of a route: a body is no form, whatever its Content-Type says, as that of
                        * curl --data-binary does not speak of it */
};

enum {
    HTTP_BODY_SLACK = 64,   /* readable bytes behind a body, of any content; a body begins at a
                             * multiple of 64 */
    HTTP_GZIP_MIN = 1024,   /* shorter answers are not gzipped */
    HTTP_PIECE = 64 * 1024, /* bytes of a streamed answer that are sent at once */
};

typedef void http_handler_f(struct http_request *r, void *context);

struct http_route {
    unsigned methods; /* bits of enum http_method; GET serves HEAD too */
    const char *path; /* "/api/v1/query", or with wildcards for one segment each:
                       * "/api/v1/label/(*)/values" (http_segment(r, 0)); a path that ends in
                       * "/" stands for all below it that no other row names */
    size_t body_max;  /* bytes of body accepted before decompression; 0: none */
    http_handler_f *handler;
    void *context;
};

struct http_limits {
    size_t header_bytes_max;     /* request line and headers */
    size_t connections_max;      /* per server; the one past it gets 503 and is closed */
    size_t body_bytes_total_max; /* bodies in memory, all connections of the server together */
    int64_t header_timeout_ms;   /* from the first byte to the end of the headers */
    int64_t body_timeout_ms;     /* without a byte while the body is coming */
    int64_t idle_timeout_ms;     /* between requests */
    size_t write_queue_max;      /* bytes that may wait for a slow reader before it is dropped */
};

enum http_cors {
    HTTP_CORS_NONE,
    HTTP_CORS_ORIGIN, /* it is told by its name */
    HTTP_CORS_ANY,    /* so may everybody: "*" */
};

struct http_config {
    const struct http_route *routes; /* [routes_n], lives as long as the server */
    size_t routes_n;
    struct http_limits limits; /* 0: the default of each */
    /* Asked before any handler: 0, or -ERR_DENIED to refuse with 403 (Host and Origin checks). */
    int (*guard)(void *context, struct http_request *r);
    void *guard_context;
    size_t lane; /* number of the loop, for http_lane() */
    /* May pages of that origin, another site's, read answers? NULL: none may. */
    enum http_cors (*cors)(void *context, struct str origin);
    void *cors_context;
};

MUST_USE int http_server_new(struct loop *l, const struct http_config *config,
                             struct http_server **ret);

/* Accepts connections from a listening socket. */
MUST_USE int http_server_listen(struct http_server *s, int fd);

/* Stops accepting, answers what is in progress, then calls done(context). */
void http_server_drain(struct http_server *s, void (*done)(void *context), void *context);

/* Drops all connections. Requests that are not answered yet stay valid until they are, and their
 * answers go nowhere. NULL is fine. */
void http_server_free(struct http_server *s);

/* ---- the request; all borrowed until it is answered */
enum http_method http_method(const struct http_request *r);
struct str http_path(const struct http_request *r); /* percent-decoded */
struct str http_segment(const struct http_request *r, size_t i);
struct str http_header(const struct http_request *r, struct str name); /* "" where missing */
struct str http_host(const struct http_request *r); /* "name:port" that the client wants */
struct str http_body(const struct http_request *r); /* as sent, see pack/ for encodings */
const char *http_peer(const struct http_request *r);
size_t http_lane(const struct http_request *r);
struct loop *http_loop(const struct http_request *r);
struct arena *http_arena(struct http_request *r); /* lives until the answer is sent */

/* The first value of a parameter of an urlencoded body or of the query string (both are merged, the
 * body first); false where it is missing. */
bool http_param(struct http_request *r, struct str name, struct str *ret);
/* The i-th value of a repeated parameter. */
bool http_param_at(struct http_request *r, struct str name, size_t i, struct str *ret);

/* True when the client went away before the answer: long work may stop early (and still answers).
 * Any thread, until the request is answered. */
bool http_gone(const struct http_request *r);

/* The flag behind it, for work that polls one. */
const atomic_bool *http_gone_flag(const struct http_request *r);

/* ---- the answer */
/* Adds a header to the answer; before http_reply() or http_reply_begin(). */
void http_reply_header(struct http_request *r, struct str name, struct str value);

/* Adds a field that follows the body, over HTTP/2; HTTP/1 clients do not get it. */
void http_reply_trailer(struct http_request *r, struct str name, struct str value);

/* True where the request came over HTTP/2. */
bool http_is_http2(const struct http_request *r);

/* Answers with a whole body (copied). It is gzipped where the client accepts it and it is larger
 * than 1 KiB and of a text type. Content-Type "" sends none. */
void http_reply(struct http_request *r, int status, struct str content_type, struct str body);

/* Answers in pieces (chunked, gzipped where accepted): begin, put as often as wanted, end. The
 * bytes are buffered and sent when they are 64 KiB or at the end. */
void http_reply_begin(struct http_request *r, int status, struct str content_type);
void http_reply_put(struct http_request *r, struct str bytes);
/* Sends what has gathered at once: for answers whose end is far away. */
void http_reply_flush(struct http_request *r);
void http_reply_end(struct http_request *r);

/* Our JSON error: {"status":"error","errorType":TYPE,"error":SENTENCE,"code":CODE}, where TYPE is
 * Prometheus' word for the status and CODE is ours for err; sentence NULL: what err means in
 * general. Status 0 picks the usual one for the error (400, 404, 422, 429, 503, 507, ...). */
void http_reply_error(struct http_request *r, int status, int err, const char *sentence);

/* Statuses' usual reason phrase. */
const char *http_reason(int status);

#endif
