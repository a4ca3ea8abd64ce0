/* net/http_conn.h - one connection of the server, and the request that it is busy with.
 *
 * Private to net/. The connection reads heads and bodies, finds the route and calls its handler;
 * http_reply.c answers; http_server.c owns the connections and looks after their times.
 *
 * Flow:    HEAD -> (BODY | CHUNKS) -> READY -> BUSY -> answered -> HEAD
 * Threads: the server's; request.gone is read by any.
 */
#ifndef NET_HTTP_CONN_H
#define NET_HTTP_CONN_H

#include <stdatomic.h>
#include <stdint.h>
#include <zlib.h>

#include "base/buf.h"
#include "base/stat.h"
#include "net/http.h"
#include "net/http_body.h"
#include "net/http_parse.h"
#include "net/http_target.h"

enum http_state {
    HTTP_STATE_HEAD,
    HTTP_STATE_BODY, /* of known length */
    HTTP_STATE_CHUNKS,
    HTTP_STATE_READY,  /* whole, the handler is to be called */
    HTTP_STATE_BUSY,   /* the handler has it */
    HTTP_STATE_SPILL,  /* the body of a refused request is thrown away: its answer is to be read */
    HTTP_STATE_HTTP2,  /* the client speaks HTTP/2: the stream goes to http2.c */
    HTTP_STATE_CLOSED, /* nothing is read any more */
};

struct http_answer {
    int status;
    struct buf headers;  /* what http_reply_header() added, ready to send */
    struct buf trailers; /* likewise of http_reply_trailer() */
    bool encoded;        /* it has a Content-Encoding of its own */
    bool streaming, head_sent, chunked;
    struct str content_type;
    struct buf out; /* of a streamed answer, not sent yet */
    z_stream *gzip; /* of a streamed answer */
};

struct http_request {
    struct http_conn *conn;
    struct loop *loop;
    size_t lane;
    enum http_method method;
    struct http_parse head;
    struct http_target target;
    struct http_params params;
    const struct http_route *route;
    struct http_body body;
    struct arena arena;
    int64_t began_ns;
    _Atomic bool gone;
    bool keep_alive;
    struct http_answer answer;
};

struct http2_stream;

/* A connection, or a stream of an HTTP/2 connection: then http2.c owns it, and of the members only
 * server, stream (the whole connection's), state and request are used. */
struct http_conn {
    struct http_server *server; /* NULL after http_server_free() */
    struct http2_stream *http2; /* NULL: HTTP/1 */
    struct http_conn *prev, *next;
    struct stream *stream; /* NULL when it is gone but the request is not answered yet */
    enum http_state state;
    bool running;          /* http_conn_run() is on the stack */
    bool ended;            /* the client sends no more */
    bool spoken;           /* a request has come: no HTTP/2 any more */
    struct buf pending;    /* read, but not used yet */
    struct http_find find; /* in pending */
    uint64_t spill;        /* bytes to throw away after a refusal */
    int64_t began_ms;      /* the first byte of the head or body, 0: none yet */
    int64_t heard_ms;      /* the last byte, or the last answer */
    size_t queued_before;  /* at the last look, for slow readers */
    int64_t queued_ms;     /* when it last became less */
    struct http_request request;
};

/* A connection that is no longer HTTP's (a WebSocket) but counts and ends with the server. */
struct http_upgraded {
    struct http_server *server;
    struct http_upgraded *prev, *next;
    void (*leave)(struct http_upgraded *u);                /* the server drains: say goodbye */
    void (*drop)(struct http_upgraded *u);                 /* the server is freed: close at once */
    void (*look)(struct http_upgraded *u, int64_t now_ms); /* twice a second */
};

enum http_refusal {
    HTTP_REFUSAL_CONNECTIONS,
    HTTP_REFUSAL_HEAD,
    HTTP_REFUSAL_BODY_SIZE,
    HTTP_REFUSAL_BODY_BUDGET,
    HTTP_REFUSAL_TIMEOUT,
    HTTP_REFUSAL_SLOW_READER,
    HTTP_REFUSAL_GUARD,
    HTTP_REFUSAL_COUNT
};

enum {
    HTTP_READ_SIZE = 16 * 1024, /* bytes read at once, but into a body of known length */
    HTTP_READ_HEAD = 4 * 1024,  /* and where a head is awaited: what comes behind it is copied */
};

struct http_server {
    struct loop *loop;
    struct http_config config;   /* limits filled in */
    struct listener **listeners; /* [listeners_n] */
    size_t listeners_n;
    struct http_conn *conns;
    struct http_upgraded *upgraded;
    size_t conns_n, upgraded_n;
    struct timer *sweep;
    int64_t trimmed_ms;
    struct http_bodies bodies;
    struct buf head;   /* scratch: of the answer being sent */
    struct buf packed; /* scratch: its gzipped body */
    z_stream *gzip;    /* kept for the next answer; NULL while in use */
    char date[40];     /* as a header shows it, of date_s */
    int64_t date_s;
    bool draining;
    void (*drained)(void *context);
    void *drained_context;
    char room[HTTP_READ_SIZE];
};

/* ---- http_conn.c */
void http_conn_open(struct http_server *s, struct stream *stream);

/* Goes on with what has been read; frees c where it is done for. */
void http_conn_run(struct http_conn *c);

/* Drops the stream at once; c is freed, or later when its request is answered. */
void http_conn_drop(struct http_conn *c);

/* Times, slow readers; may free c. */
void http_conn_look(struct http_conn *c, int64_t now_ms);

/* The answer has been written: the request ends. */
void http_conn_answered(struct http_conn *c);

/* Lets the stream go out of a request that is not answered yet, to a new owner; what the client has
 * sent behind it is put into *ret_rest. The request is freed when its handler returns or at once.
 */
void http_conn_take(struct http_request *r, struct buf *ret_rest);

/* ---- for http2.c */
/* A whole head in the form of HTTP/1.1: the request begins. 0, or the status to refuse it with. */
MUST_USE int http_conn_head(struct http_conn *c, const char *p, size_t n);

/* More of a body whose length is not known. 0, or the status to refuse the request with. */
MUST_USE int http_conn_body(struct http_conn *c, const char *p, size_t n);

/* The request is whole: calls its handler. */
void http_conn_dispatch(struct http_conn *c);

/* Frees what the request has. */
void http_conn_done(struct http_conn *c);

/* ---- http2.c */
enum { HTTP2_PREFACE = 24 /* bytes that an HTTP/2 client begins with */ };

/* Do the first n bytes of a connection begin like HTTP/2's preface (as far as they go)? */
bool http2_begins(const char *p, size_t n);

/* Takes the connection over; pending begins with the preface. */
void http2_take(struct http_conn *c);

/* Sends the head of an answer. fields: "Name: value\r\n" lines. */
void http2_head(struct http_request *r, struct str fields);

/* Adds bytes to the body of the answer, after its head; last ends it, with the trailers. Returns
 * how many bytes wait to be sent. */
size_t http2_data(struct http_request *r, struct str bytes, bool last);

/* The request of a stream is answered. */
void http2_answered(struct http_conn *c);

/* Gives the stream up: its client does not read. */
void http2_reset(struct http_request *r);

/* ---- http_server.c */
void http_server_joined(struct http_server *s, struct http_upgraded *u);
void http_server_left(struct http_server *s, struct http_upgraded *u);
void http_server_removed(struct http_server *s, struct http_conn *c);
void http_server_refused(enum http_refusal what);
void http_server_counted(const struct http_request *r, size_t bytes_out);
void http_server_heard(size_t bytes_in);
const char *http_server_date(struct http_server *s);

/* ---- http_reply.c */
/* A plain text answer of the server itself; the connection is closed after it where close is set.
 */
void http_reply_plain(struct http_request *r, int status, bool close);
void http_reply_free(struct http_answer *a);

#endif
