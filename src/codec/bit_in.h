/* codec/bit_in.h - bits from bytes, the highest of each number first.
 *
 * Behind the end come zeros, and the reader remembers that it went there.
 *
 * Threads: one at a time.
 */
#ifndef CODEC_BIT_IN_H
#define CODEC_BIT_IN_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/attr.h"

struct bit_in {
    const uint8_t *p, *end;
    uint64_t held; /* the highest `n` bits are next */
    unsigned n;
    bool past; /* more was asked for than there is */
};

static inline void bit_in_init(struct bit_in *b, const void *p, size_t n)
{
    *b = (struct bit_in){.p = p, .end = (const uint8_t *)p + n};
}

/* Makes at least 56 bits ready, as far as there are any. */
static inline void bit_in_fill(struct bit_in *b)
{
    if (LIKELY(b->end - b->p >= 8)) {
        uint64_t next;
        memcpy(&next, b->p, sizeof next);
        b->held |= __builtin_bswap64(next) >> b->n;
        b->p += (63 - b->n) >> 3;
        b->n |= 56;
        return;
    }
    while (b->n <= 56 && b->p < b->end) {
        b->held |= (uint64_t)*b->p++ << (56 - b->n);
        b->n += 8;
    }
}

/* The next n bits, 1 to 56. */
static inline uint64_t bit_in_few(struct bit_in *b, unsigned n)
{
    if (b->n < n)
        bit_in_fill(b);
    if (UNLIKELY(b->n < n)) {
        b->past = true;
        b->n = 0;
        b->held = 0;
        return 0;
    }
    uint64_t v = b->held >> (64 - n);
    b->held <<= n;
    b->n -= n;
    return v;
}

/* The next n bits, 1 to 64. */
static inline uint64_t bit_in_take(struct bit_in *b, unsigned n)
{
    if (n <= 56)
        return bit_in_few(b, n);
    uint64_t high = bit_in_few(b, n - 32);
    return high << 32 | bit_in_few(b, 32);
}

/* How many ones follow, at most max (< 56); a zero that ends them is taken too. */
static inline unsigned bit_in_ones(struct bit_in *b, unsigned max)
{
    unsigned n = 0;
    while (n < max && bit_in_few(b, 1) == 1)
        n++;
    return n;
}

#endif
