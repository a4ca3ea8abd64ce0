/* apps/frame_reader.h - bytes of a connection -> frames of client/wire/frame.h.
 *
 * Not a socket: who reads one puts bytes in and takes frames out. A header that cannot be is an
 * error at once, before its payload has come; after one nothing more is read.
 *
 * Flow:    frame_reader_room() -> bytes -> frame_reader_got() -> frame_reader_next() until 0
 * Source:  docs/format/libsonde.md
 * Threads: one at a time.
 */
#ifndef APPS_FRAME_READER_H
#define APPS_FRAME_READER_H

#include <stddef.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "client/wire/frame.h"

enum {
    FRAME_READER_PIECE = 16 * 1024, /* least room, bytes */
    FRAME_READER_KEEP = 256 * 1024, /* memory that an empty reader keeps, bytes */
    FRAME_READER_SLACK = 32,        /* readable bytes behind a payload, for fast decoders */
};

struct frame_reader {
    char *p;      /* [capacity] and FRAME_READER_SLACK more */
    size_t at, n; /* [at, n) has not been taken */
    size_t capacity;
    const char *bad; /* what was wrong; NULL: nothing yet */
};

struct frame {
    struct frame_header header;
    struct str payload; /* valid until the next frame_reader_room() */
};

void frame_reader_init(struct frame_reader *r);
void frame_reader_done(struct frame_reader *r);

/* Where the next bytes go, and how many fit: at least 1. */
char *frame_reader_room(struct frame_reader *r, size_t *ret);
void frame_reader_got(struct frame_reader *r, size_t n);

/* The next whole frame: 1, 0 where more bytes are needed, -ERR_FORMAT, -ERR_LIMIT (longer than
 * FRAME_PAYLOAD_MAX), -ERR_UNSUPPORTED (another version). */
MUST_USE int frame_reader_next(struct frame_reader *r, struct frame *ret, struct why *why);

/* Has a frame begun that is not whole? */
bool frame_reader_partial(const struct frame_reader *r);

#endif
