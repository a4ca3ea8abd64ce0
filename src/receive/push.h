/* receive/push.h - what all pushes have in common: batches into the sink, bad samples remembered,
 * the answer after the commit.
 *
 * Flow:    codec -> push_take() .. -> push_commit() -> answer() on the request's loop
 * Threads: the request's loop.
 */
#ifndef RECEIVE_PUSH_H
#define RECEIVE_PUSH_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "codec/sides.h"
#include "model/batch.h"
#include "model/sink.h"
#include "net/http.h"

enum { PUSH_BAD_MAX = 100 };

struct push_bad {
    size_t index; /* of the item (JSON), line (text) or sample (protobuf) */
    struct str series, reason;
};

struct push {
    struct http_request *request;
    struct loop *loop;
    struct sink *sink;
    struct tenant *tenant;
    size_t lane;
    struct arena *arena;                     /* the request's */
    void (*answer)(struct push *p, int err); /* err: of the commit */
    void *context;                           /* of who answers */
    int commit_err;
    uint64_t samples, histograms, exemplars; /* taken */
    uint64_t rows;                           /* seen */
    uint64_t refused;                        /* bad for good */
    int store_err;                           /* a refusal that a retry may cure, or 0 */
    struct why why;                          /* of store_err, or of what ended the reading */
    size_t bad_max, bad_n;
    struct push_bad bad[PUSH_BAD_MAX];
};

/* A push of r into s (memory of the request), for the tenant that X-Scope-OrgID names. -ERR_FORMAT
 * for a bad name, -ERR_LIMIT for too many tenants. At most bad_max bad samples are named. */
MUST_USE int push_new(struct http_request *r, struct sink *s, size_t bad_max, struct push **ret,
                      struct why *why);

/* Who pushes, where it is no request of HTTP. */
struct push_from {
    struct sink *sink;
    struct str tenant; /* empty: the default */
    struct loop *loop;
    size_t lane;
    struct arena *arena; /* lives until the answer */
};

/* The same without a request: p->request is NULL. */
MUST_USE int push_open(const struct push_from *from, size_t bad_max, struct push **ret,
                       struct why *why);

/* Will the same bytes be welcome later, where the store refused them so? */
bool push_curable(int err);

/* Appends a batch and its sides. index[i] is what row i is called in the answer (NULL: its number
 * in the request). Not 0 where the store takes nothing more: stop reading. */
MUST_USE int push_take(struct push *p, struct batch *b, const struct sides *s, const size_t *index);

/* Commits the lane and calls p->answer on the request's loop. */
void push_commit(struct push *p);

/* The status for an error of the store: 507, 503, 429 or 400; and sets Retry-After where sending
 * again helps. */
int push_status(struct push *p, int err);

/* The media type of a Content-Type without its parameters. */
struct str push_media_type(struct str content_type);

/* The value of a parameter of a Content-Type, unquoted; p NULL where it is missing. */
struct str push_media_param(struct str content_type, struct str name);

/* Equal but for the case of ASCII letters? */
bool push_same_text(struct str a, struct str b);

#endif
