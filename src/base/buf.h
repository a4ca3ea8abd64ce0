/* base/buf.h - a growing run of bytes with a cap.
 *
 * A buffer is made with the most it may ever hold. What would go past that is not written and the
 * buffer remembers it (buf_failed), so that a long chain of puts needs one check at its end.
 *
 * Threads: one at a time.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/str.h"

struct buf {
    char *p;         /* owned */
    size_t n;        /* bytes written */
    size_t capacity; /* bytes allocated */
    size_t max;      /* bytes it may hold */
    bool failed;     /* something did not fit */
};

/* Empty, nothing allocated yet. */
void buf_init(struct buf *b, size_t max);

/* Frees the bytes; the buffer is empty and usable again. */
void buf_done(struct buf *b);

/* Empty again, memory kept, failure forgotten. */
void buf_clear(struct buf *b);

/* Room for n more bytes at the end: where to write them, or NULL (and failed) past the cap.
 * buf_commit() then says how many were written. */
MUST_USE char *buf_reserve(struct buf *b, size_t n);
void buf_commit(struct buf *b, size_t n);

void buf_put(struct buf *b, const void *p, size_t n);
void buf_put_str(struct buf *b, struct str s);
void buf_put_c(struct buf *b, char c);
void buf_put_u64(struct buf *b, uint64_t v);      /* decimal text */
void buf_put_i64(struct buf *b, int64_t v);       /* decimal text */
void buf_put_varint(struct buf *b, uint64_t v);   /* of base/bits.h */
void buf_put_double_raw(struct buf *b, double v); /* its eight bytes, little-endian */
void buf_printf(struct buf *b, const char *format, ...) PRINTF(2, 3);

/* Takes n bytes off the front. */
void buf_shift(struct buf *b, size_t n);

static inline bool buf_failed(const struct buf *b)
{
    return b->failed;
}

static inline struct str buf_str(const struct buf *b)
{
    return (struct str){b->p, b->n};
}

#endif
