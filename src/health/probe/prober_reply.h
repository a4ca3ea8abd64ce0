/* health/probe/prober_reply.h - an HTTP answer, read as it comes.
 *
 * Takes bytes in pieces of any size; keeps the headers and the first bytes of the body.
 *
 * Source:  RFC 9112: status line, fields, lengths, chunks.
 * Threads: one at a time.
 */
#ifndef HEALTH_PROBE_PROBER_REPLY_H
#define HEALTH_PROBE_PROBER_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

struct prober_reply {
    struct buf head; /* status line and fields, each line ended by \r\n or \n */
    struct buf body;
    bool bodiless;  /* set by who asks: the answer to HEAD has none */
    int status;     /* 0: not known yet */
    size_t fields;  /* where the fields begin in head */
    bool keep;      /* the connection may be used again */
    int phase;      /* the rest is its own */
    uint64_t left;  /* bytes of the body or the chunk that are to come */
    uint64_t read;  /* bytes of the body so far */
    size_t line;    /* bytes of a line of chunks so far */
    bool digits;    /* a chunk's length has begun */
    bool extension; /* and ended */
};

void prober_reply_init(struct prober_reply *r);
void prober_reply_done(struct prober_reply *r);

/* Empty again for the next answer. */
void prober_reply_clear(struct prober_reply *r);

/* 1: it is whole, 0: more is to come, -ERR_FORMAT or -ERR_LIMIT with why. Bytes behind a whole
 * answer clear keep. */
MUST_USE int prober_reply_feed(struct prober_reply *r, struct str bytes, struct why *why);

/* The other end has closed: 0 where that ends the answer, -ERR_CLOSED where it is cut off. */
MUST_USE int prober_reply_closed(struct prober_reply *r, struct why *why);

/* The lines of fields. */
struct str prober_reply_fields(const struct prober_reply *r);

#endif
