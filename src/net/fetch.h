/* net/fetch.h - HTTP requests to others, many at once, without holding up a loop.
 *
 * A fetcher belongs to a loop and keeps connections alive between requests. A client is a fetcher's
 * way to one kind of server: struct fetch_settings made ready (TLS, credentials, tokens, proxies).
 * A request is answered exactly once, with an answer or with why there is none, unless it is
 * canceled before.
 *
 * Flow:    fetch_start() -> libcurl on the loop's sockets and timers -> done()
 * Source:  libcurl's multi interface (socket action); one multi handle for each few hundred
 *          requests in progress, as its cost a request grows with their number.
 * Threads: the loop's.
 */
#ifndef NET_FETCH_H
#define NET_FETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "net/fetch_settings.h"
#include "os/loop.h"

struct fetcher;
struct fetch_client;
struct fetch; /* a request in progress */

struct fetcher_limits {
    size_t connections_max;      /* kept alive, all clients together; 0: 4000 */
    size_t connections_host_max; /* 0: no limit */
};

MUST_USE int fetcher_new(struct loop *l, const struct fetcher_limits *limits, struct fetcher **ret);

/* All clients must be free. NULL is fine. */
void fetcher_free(struct fetcher *f);

/* settings outlive the client (NULL: the defaults). Files that they name are read with the first
 * request, not here. -ERR_FORMAT where they contradict each other. */
MUST_USE int fetch_client_new(struct fetcher *f, const struct fetch_settings *settings,
                              struct fetch_client **ret, struct why *why);

/* Cancels what is in progress. NULL is fine. */
void fetch_client_free(struct fetch_client *c);

/* All of it lives until done(). */
struct fetch_answer {
    int err;         /* 0 for any status that the server gave; -ERR_CLOSED (refused, reset, no such
                      * host), -ERR_TIMEOUT, -ERR_LIMIT (body too long), -ERR_DENIED (TLS),
                      * -ERR_FORMAT (URL, damaged body) */
    const char *why; /* a sentence where err is not 0 */
    int status;      /* 200, ...; 0 where there was no answer */
    struct str content_type;
    struct str body;    /* unpacked; BATCH readers may read CODEC_SLACK (32) bytes behind it */
    struct str headers; /* "Name: value\r\n" lines of the last answer */
    struct str url;     /* after redirects */
    int64_t duration_ns;
    size_t wire_bytes; /* of the body, as sent */
    int64_t certificate_ends_ms; /* wall time; of the server's, where it was asked for; 0: none */
};

struct fetch_request {
    const char *method; /* NULL: GET, or POST where there is a body */
    const char *url;
    const char *unix_path;      /* connect to this socket instead of the URL's host; NULL: no */
    const char *const *headers; /* [headers_n] "Name: value" */
    size_t headers_n;
    struct str body;    /* must live until done() */
    int64_t timeout_ms; /* for everything; 0: 10 s */
    size_t body_max;    /* bytes of the answer, unpacked; 0: 64 MiB */
    bool gzip;          /* accept it */
    bool certificate;   /* tell when the server's ends; connects anew */
    /* Gets the answer's body as it comes, instead of answer.body: for streams that do not end.
     * Not 0 breaks off. NULL: the whole body at the end. */
    int (*piece)(void *context, struct str bytes);
    void (*done)(void *context, const struct fetch_answer *answer);
    void *context;
};

/* Sends a request; done() comes later, never from within. *ret (may be NULL) is for
 * fetch_cancel(). request itself and its URL and headers are copied. */
void fetch_start(struct fetch_client *c, const struct fetch_request *request, struct fetch **ret);

/* done() will not come. NULL is fine. */
void fetch_cancel(struct fetch *f);

/* How long Retry-After asks to wait from now_ms (of the wall) on: seconds or a date; -1 where the
 * answer has none. */
int64_t fetch_retry_after_ms(const struct fetch_answer *a, int64_t now_ms);

/* The value of a header of the answer, "" where missing; case does not matter. */
struct str fetch_header_of(const struct fetch_answer *a, struct str name);

#endif
