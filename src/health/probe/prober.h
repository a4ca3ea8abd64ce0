/* health/probe/prober.h - asks other programs whether they live: HTTP, TCP and conversations, many
 * at once on one loop, without a library.
 *
 * A probe is made once for a place and asked again and again; connections are kept open between
 * asks where the other end allows it, so that one costs a write and a read. Connections are shared
 * by all probes of one place. No TLS, no redirects, no proxies: net/fetch does those.
 *
 * Flow:    prober_http_new() | prober_tcp_new() | prober_talk_new() -> prober_ask() -> done()
 * Source:  RFC 9112, as far as an answer's status, headers and body go.
 * Threads: the loop's.
 */
#ifndef HEALTH_PROBE_PROBER_H
#define HEALTH_PROBE_PROBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "os/loop.h"

enum {
    PROBER_WHY_MAX = 200,            /* bytes of a reason, with the NUL */
    PROBER_HEAD_MAX = 32 * 1024,     /* bytes of an answer's headers */
    PROBER_BODY_MAX = 64 * 1024,     /* bytes of a body that are kept; the rest is passed over */
    PROBER_BODY_READ_MAX = 16 << 20, /* bytes of a body that are read at all */
    PROBER_IDLE_MAX = 4096,          /* connections that are kept open */
    PROBER_TIMEOUT_MS = 10000,       /* where none is given */
};

struct prober;
struct prober_probe;

MUST_USE int prober_new(struct loop *l, struct prober **ret);

/* All probes must be free. NULL is fine. */
void prober_free(struct prober *p);

/* All of it lives until done() returns. */
struct prober_answer {
    int err;             /* 0: there was an answer, whatever it says; -ERR_CLOSED (refused, reset),
                          * -ERR_TIMEOUT, -ERR_NOENT (no such host), -ERR_FORMAT (not HTTP),
                          * -ERR_LIMIT (too long), -ERR_STATE (not what was expected) */
    const char *why;     /* a sentence where err is not 0, else "" */
    int status;          /* of HTTP; else 0 */
    struct str head;     /* "Name: value\r\n" lines of an HTTP answer */
    struct str body;     /* the first PROBER_BODY_MAX bytes, or what was read of TCP */
    bool reused;         /* a connection that was open already */
    int64_t duration_ns; /* from the ask to the end of the answer */
};

/* Where: a name or an address ("127.0.0.1", "::1", "[::1]", "db.example") and a port, or the path
 * of a Unix socket. */
struct prober_place {
    struct str host;
    uint16_t port;
    const char *unix_path; /* instead; NULL: none */
    bool no_link_local;    /* os/link_local.h's are refused, -ERR_DENIED, behind names too */
};

struct prober_http {
    struct str url;             /* http://HOST[:PORT][/PATH][?QUERY] */
    const char *unix_path;      /* connect to this socket instead; NULL: none */
    const char *method;         /* NULL: GET, or POST where there is a body */
    const char *const *headers; /* [headers_n] "Name: value" */
    size_t headers_n;
    struct str body;
    int64_t timeout_ms; /* 0: PROBER_TIMEOUT_MS */
    bool fresh;         /* a new connection for each ask */
    bool no_link_local; /* as of a place */
};

/* Copies all of it. -ERR_FORMAT for a URL that is none, -ERR_UNSUPPORTED for https://. */
MUST_USE int prober_http_new(struct prober *p, const struct prober_http *how,
                             struct prober_probe **ret, struct why *why);

struct prober_tcp {
    struct prober_place place;
    struct str send;   /* after connecting; "": nothing */
    struct str expect; /* bytes that have to come; "": to be connected is enough */
    int64_t timeout_ms;
};
MUST_USE int prober_tcp_new(struct prober *p, const struct prober_tcp *how,
                            struct prober_probe **ret, struct why *why);

/* A conversation of one's own over a fresh connection. step() is called when it is connected
 * (received is empty, first is true) and whenever something came: received is all that came since
 * the begin. It puts into send what is to be sent and says PROBER_MORE or PROBER_DONE, or -ERR_x
 * with why. The connection is closed afterwards. */
enum prober_step { PROBER_DONE = 0, PROBER_MORE = 1 };
struct prober_talk {
    struct prober_place place;
    int (*step)(void *context, bool first, struct str received, struct buf *send, struct why *why);
    void *context;
    int64_t timeout_ms;
};
MUST_USE int prober_talk_new(struct prober *p, const struct prober_talk *how,
                             struct prober_probe **ret, struct why *why);

/* Asks; done() comes once and never from within. Not while one is in progress. */
void prober_ask(struct prober_probe *probe,
                void (*done)(void *context, const struct prober_answer *answer), void *context);

/* Is an answer awaited? */
bool prober_busy(const struct prober_probe *probe);

/* done() will not come. */
void prober_cancel(struct prober_probe *probe);

/* Cancels. Not from within done(). NULL is fine. */
void prober_probe_free(struct prober_probe *probe);

/* The value of a header of the answer, "" where missing; case does not matter. */
struct str prober_header(const struct prober_answer *answer, struct str name);

#endif
