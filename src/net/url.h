/* net/url.h - the parts of a URL.
 *
 * Source:  RFC 3986, as far as URLs of servers go: SCHEME://[USER@]HOST[:PORT][/PATH][?QUERY];
 *          refusals in the words of Go's net/url.
 * Threads: pure functions.
 */
#ifndef NET_URL_H
#define NET_URL_H

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"

struct url {
    struct str scheme; /* "" where there is none */
    struct str user;   /* "name:password", as written */
    struct str host;   /* without port; "[::1]" keeps its brackets */
    struct str port;   /* "" where there is none */
    struct str path;   /* from its first slash; may be empty */
    struct str query;  /* without "?" */
};

/* Splits text, whose parts ret points into. -ERR_FORMAT for control characters, a missing scheme
 * before ":" and a port that is no number. */
MUST_USE int url_split(struct str text, struct url *ret, struct why *why);

/* Is it one of a server that speaks HTTP? -ERR_FORMAT in Alertmanager's words. */
MUST_USE int url_check_http(struct str text, struct why *why);

#endif
