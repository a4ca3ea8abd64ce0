/* codec/bit_out.h - bits to a buffer, the highest of each number first.
 *
 * Threads: one at a time.
 */
#ifndef CODEC_BIT_OUT_H
#define CODEC_BIT_OUT_H

#include <stdint.h>

#include "base/buf.h"

struct bit_out {
    struct buf *out;
    uint64_t held; /* the lowest `n` bits wait for a whole byte */
    unsigned n;    /* < 8 */
};

static inline void bit_out_init(struct bit_out *b, struct buf *out)
{
    *b = (struct bit_out){.out = out};
}

/* The lowest n bits of v, 1 to 64; higher ones do not matter. */
static inline void bit_out_put(struct bit_out *b, uint64_t v, unsigned n)
{
    if (n > 32) {
        bit_out_put(b, v >> 32, n - 32);
        n = 32;
    }
    b->held = b->held << n | (v & (((uint64_t)1 << n) - 1));
    b->n += n;
    while (b->n >= 8) {
        b->n -= 8;
        buf_put_c(b->out, (char)(b->held >> b->n));
    }
}

/* Fills the last byte with zeros. */
static inline void bit_out_end(struct bit_out *b)
{
    if (b->n)
        bit_out_put(b, 0, 8 - b->n);
}

#endif
