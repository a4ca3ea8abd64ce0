/* net/client.h - a small blocking HTTP client, for the command line and for tests.
 *
 * Not for the daemon's loops. No redirects are followed, no proxy is used.
 *
 * Threads: each call is on its own; any.
 */
#ifndef NET_CLIENT_H
#define NET_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum { CLIENT_BODY_MAX = 256 * 1024 * 1024 }; /* bytes of an answer, the default cap */

struct client_request {
    const char *method;         /* NULL: GET, or POST where there is a body */
    const char *url;            /* "http://127.0.0.1:7663/api/v1/query?query=up" */
    const char *unix_path;      /* connect to this socket instead of the URL's host; NULL: no */
    const char *const *headers; /* [headers_n] "Name: value" */
    size_t headers_n;
    struct str body;
    int64_t timeout_ms; /* for everything; 0: 30 s */
    size_t body_max;    /* bytes of the answer; 0: CLIENT_BODY_MAX */
};

struct client_reply {
    int status;         /* 200, ... */
    struct buf headers; /* as sent, "Name: value\r\n" lines of the last answer */
    struct buf body;    /* decoded where it was gzipped */
};

/* 0 with any status that the server gave; -ERR_CLOSED where nobody listens or the connection broke,
 * -ERR_TIMEOUT, -ERR_LIMIT where the answer is too long, -ERR_FORMAT for a bad URL. On success ret
 * belongs to the caller: client_reply_done(). */
MUST_USE int client_send(const struct client_request *request, struct client_reply *ret,
                         struct why *why);

/* The usual two. */
MUST_USE int client_get(const char *url, struct client_reply *ret, struct why *why);
MUST_USE int client_post(const char *url, const char *content_type, struct str body,
                         struct client_reply *ret, struct why *why);

/* The value of a header of the answer, "" where missing; case does not matter. */
struct str client_reply_header(const struct client_reply *reply, struct str name);
void client_reply_done(struct client_reply *reply);

#endif
