/* codec/byte_in.h - numbers and texts from bytes; a read past the end is remembered and gives 0.
 *
 * Threads: one at a time.
 */
#ifndef CODEC_BYTE_IN_H
#define CODEC_BYTE_IN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct byte_in {
    const uint8_t *p, *end;
    bool past;
};

static inline struct byte_in byte_in_of(struct str s)
{
    return (struct byte_in){(const uint8_t *)s.p, (const uint8_t *)s.p + s.n, false};
}

static inline size_t byte_in_left(const struct byte_in *b)
{
    return (size_t)(b->end - b->p);
}

/* A number of n bytes, the highest first. */
static inline uint64_t byte_in_be(struct byte_in *b, size_t n)
{
    uint64_t v = 0;
    if (byte_in_left(b) < n) {
        b->past = true;
        b->p = b->end;
        return 0;
    }
    while (n-- > 0)
        v = v << 8 | *b->p++;
    return v;
}

static inline uint64_t byte_in_varint(struct byte_in *b)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64 && b->p < b->end; shift += 7) {
        uint8_t byte = *b->p++;
        v |= (uint64_t)(byte & 127) << shift;
        if (byte < 128)
            return v;
    }
    b->past = true;
    return 0;
}

/* A length as a varint, and so many bytes. */
static inline struct str byte_in_text(struct byte_in *b)
{
    uint64_t n = byte_in_varint(b);
    struct str s = {(const char *)b->p, (size_t)n};
    if (b->past || n > byte_in_left(b)) {
        b->past = true;
        return STR("");
    }
    b->p += n;
    return s;
}

#endif
