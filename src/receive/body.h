/* receive/body.h - a request's body, unpacked within its limit and the budget of all lanes.
 *
 * Threads: one per lane.
 */
#ifndef RECEIVE_BODY_H
#define RECEIVE_BODY_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "pack/pack.h"

enum {
    BODY_SLACK = 64,        /* readable bytes behind what body_unpack() gives */
    BODY_KEEP_MAX = 4 << 20 /* bytes of the buffer that are kept between requests */
};

struct body {
    struct buf buf;
    uint64_t reserved; /* of the budget */
};

void body_init(struct body *b);
void body_done(struct body *b);

/* Unpacks in into *ret, which is b's until body_release(). A size that in declares is checked
 * before anything is allocated. -ERR_LIMIT past max, -ERR_FORMAT for damage, -ERR_BUSY where the
 * budget is spent. */
MUST_USE int body_unpack(struct body *b, enum pack_codec codec, struct str in, size_t max,
                         struct str *ret, struct why *why);

/* Gives the budget back, and the memory where it is large. */
void body_release(struct body *b);

#endif
