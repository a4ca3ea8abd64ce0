/* net/http_body.h - the memory that bodies of requests are read into.
 *
 * A server keeps a few buffers warm and hands the last one back out first, so that one that is
 * still in the processor's cache is used again. Larger ones are freed after each use.
 *
 * Threads: the server's.
 */
#ifndef NET_HTTP_BODY_H
#define NET_HTTP_BODY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"

enum {
    HTTP_BODY_KEPT = 8,                /* buffers */
    HTTP_BODY_KEPT_SIZE = 1024 * 1024, /* bytes; larger ones are not kept */
    HTTP_BODY_FIRST = 4 * 1024,        /* bytes of the smallest */
};

struct http_body {
    char *p;  /* at a multiple of 64; [capacity + HTTP_BODY_SLACK] */
    size_t n; /* bytes of the body so far */
    size_t capacity;
    void *memory; /* what to free */
};

struct http_bodies {
    struct http_body kept[HTTP_BODY_KEPT]; /* [kept_n] */
    size_t kept_n;
    size_t used, max; /* bytes given out, and the most that may be */
    bool idle;        /* none was taken since the last http_bodies_trim() */
};

/* A buffer of at least size bytes; -ERR_BUSY where that is over the server's limit. */
MUST_USE int http_bodies_take(struct http_bodies *b, size_t size, struct http_body *ret);

/* Makes body (may be empty) hold size bytes, keeping what is in it. */
MUST_USE int http_bodies_grow(struct http_bodies *b, struct http_body *body, size_t size);

/* Gives body back (an empty one is fine) and empties it. */
void http_bodies_give(struct http_bodies *b, struct http_body *body);

/* To be called now and then: frees a kept buffer where none was needed since the last call. */
void http_bodies_trim(struct http_bodies *b);
void http_bodies_done(struct http_bodies *b);

#endif
