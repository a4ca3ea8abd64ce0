/* net/http_parse.h - bytes of a connection -> the head of a request and its chunked body.
 *
 * No sockets and no memory of its own: the connection feeds it, and so does the fuzz target. What
 * two servers could read differently (request smuggling) is refused here, more strictly than RFC
 * 9112 asks.
 *
 * Flow:    http_parse_find() until a head is whole -> http_parse_head() -> the caller takes
 *          length bytes of body, or feeds http_parse_chunks()
 * Source:  RFC 9112; llhttp does the grammar.
 * Threads: pure functions.
 */
#ifndef NET_HTTP_PARSE_H
#define NET_HTTP_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum {
    HTTP_PARSE_FIELDS_MAX = 100,
    HTTP_PARSE_STATE =
        128, /* bytes of llhttp's state, whose header has names that clash with ours */
};

struct http_field {
    struct str name, value; /* the name in lower case */
};

/* How far http_parse_find() has looked; all zero to begin with. */
struct http_find {
    size_t line, seen;
};

struct http_parse {
    _Alignas(16) char state[HTTP_PARSE_STATE];
    /* What the head says; texts point into the bytes that http_parse_head() was given. */
    struct str method;
    int minor; /* of HTTP/1.x */
    struct str target, host;
    struct http_field *fields; /* [fields_n], the caller's */
    size_t fields_n;
    bool has_length, chunked, keep_alive, wants_continue;
    uint64_t length; /* bytes of body; 0 where chunked */
    /* The rest is of the parser itself. */
    bool head_done, body_done;
    int refused; /* status that a callback asked for */
    int (*take)(void *context, const char *p, size_t n);
    void *context;
    uint64_t taken, overhead; /* bytes of a chunked body, and of what is around them */
};

/* Looks for the end of a head in the first n bytes at p: its length (> 0), 0 where more is needed,
 * or -ERR_FORMAT (bare LF, folded line, no name). An empty line before the request gives 2. */
MUST_USE int64_t http_parse_find(struct http_find *find, const char *p, size_t n);

/* Parses a whole head of n bytes, which are changed (names become lower case). fields has room for
 * HTTP_PARSE_FIELDS_MAX. 0, or the status to answer with: 400, 414, 417, 431, 501, 505. */
MUST_USE int http_parse_head(struct http_parse *h, char *p, size_t n, struct http_field *fields);

/* Feeds bytes of a chunked body: take() gets the bytes of the chunks and may refuse by returning a
 * status. 0, or a status to answer with; *ret_n bytes were used; h->body_done says it was the end
 * (trailers are read and dropped). */
MUST_USE int http_parse_chunks(struct http_parse *h, const char *p, size_t n,
                               int (*take)(void *context, const char *p, size_t n), void *context,
                               size_t *ret_n);

/* The value of a header, "" where missing. name in lower case. */
struct str http_parse_field(const struct http_parse *h, struct str name);

#endif
