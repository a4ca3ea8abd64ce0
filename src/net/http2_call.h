/* net/http2_call.h - one request over HTTP/2 with prior knowledge, from bytes to bytes: for unary
 * calls of gRPC to servers without TLS.
 *
 * It opens no socket: who calls moves the bytes.
 *
 * Flow:    http2_call_new() -> what is to be sent; bytes that come -> http2_call_take() -> answer
 * Source:  RFC 9113 by nghttp2; gRPC over HTTP/2.
 * Threads: one at a time.
 */
#ifndef NET_HTTP2_CALL_H
#define NET_HTTP2_CALL_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum { HTTP2_CALL_BODY_MAX = 64 * 1024 };

struct http2_call;

struct http2_call_plan {
    const char *authority, *path; /* "host:port", "/package.Service/Method" */
    const char *content_type;
    struct str body; /* copied */
};

struct http2_call_answer {
    int status;              /* of HTTP */
    int grpc_status;         /* -1: there was none */
    struct str grpc_message; /* percent-encoded, as it came */
    struct str body;
};

MUST_USE int http2_call_new(const struct http2_call_plan *plan, struct http2_call **ret);
void http2_call_free(struct http2_call *c); /* NULL is fine */

/* Takes what came ("" at first) and appends what is to be sent. 1: the answer is whole, 0: more is
 * to come, -ERR_FORMAT: it is no HTTP/2, -ERR_CLOSED: the other end refused or broke off. */
MUST_USE int http2_call_take(struct http2_call *c, struct str bytes, struct buf *send,
                             struct why *why);

/* Lives as long as c. */
struct http2_call_answer http2_call_answer(const struct http2_call *c);

#endif
