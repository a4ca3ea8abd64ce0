/* net/http_target.h - what is percent-encoded in a request: its path and its parameters.
 *
 * Source:  RFC 3986; WHATWG URL, application/x-www-form-urlencoded.
 * Threads: pure functions.
 */
#ifndef NET_HTTP_TARGET_H
#define NET_HTTP_TARGET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/str.h"

enum { HTTP_TARGET_SEGMENTS_MAX = 32, HTTP_TARGET_PARAMS_MAX = 4096 };

struct http_target {
    struct str path;                               /* decoded */
    struct str query;                              /* as sent, without the "?" */
    struct str segments[HTTP_TARGET_SEGMENTS_MAX]; /* [segments_n] of the path, decoded */
    size_t segments_n;
    bool slashed; /* a segment has a "/" in it, which was sent as %2F */
};

struct http_param {
    struct str name, value;
};

struct http_params {
    struct http_param *v; /* [n], in the arena */
    size_t n, capacity;
};

/* Splits and decodes "/path?query"; texts are in the arena. -ERR_FORMAT for a bad escape, control
 * characters, or a segment "." or ".."; -ERR_LIMIT for too many segments. */
MUST_USE int http_target_parse(struct arena *arena, struct str target, struct http_target *ret);

/* Appends the parameters of "a=1&b=2" to *params. -ERR_FORMAT for a bad escape, -ERR_LIMIT for too
 * many; what came before stays. */
MUST_USE int http_target_params(struct arena *arena, struct str form, struct http_params *params);

/* Does the path belong to a route's path (see http.h)? 0 for no, otherwise the more exact the
 * greater. */
unsigned http_target_match(const struct http_target *t, struct str route);

/* The i-th segment that route has a wildcard for, "" where there is none. */
struct str http_target_wildcard(const struct http_target *t, struct str route, size_t i);

#endif
