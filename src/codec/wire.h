/* codec/wire.h - protobuf's fields, one after the other.
 *
 * Source:  https://protobuf.dev/programming-guides/encoding/. Groups are refused.
 * Threads: pure functions.
 */
#ifndef CODEC_WIRE_H
#define CODEC_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/bits.h"
#include "base/str.h"
#include "model/histogram.h"

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

struct wire_field {
    uint32_t number;
    uint32_t type;    /* enum wire_type */
    uint64_t v;       /* varint, fixed */
    const uint8_t *p; /* WIRE_BYTES: [n] */
    size_t n;
};

/* number << 3 | type: one comparison for both. */
#define WIRE_TAG(number, type) ((uint32_t)(number) << 3 | (uint32_t)(type))

static inline uint32_t wire_tag(const struct wire_field *f)
{
    return WIRE_TAG(f->number, f->type);
}

/* Reads the field at p into *ret and returns the byte behind it, NULL where it is malformed. */
static inline const uint8_t *wire_next(const uint8_t *p, const uint8_t *end, struct wire_field *ret)
{
    uint64_t tag = 0, v = 0;
    *ret = (struct wire_field){0};
    p = varint_get(p, end, &tag);
    if (!p || tag > UINT32_MAX || tag < 8)
        return NULL;
    ret->number = (uint32_t)(tag >> 3);
    ret->type = (uint32_t)(tag & 7);
    switch (ret->type) {
    case WIRE_VARINT:
        p = varint_get(p, end, &ret->v);
        return p;
    case WIRE_FIXED64:
        if (end - p < 8)
            return NULL;
        ret->v = load64(p);
        return p + 8;
    case WIRE_FIXED32:
        if (end - p < 4)
            return NULL;
        ret->v = load32(p);
        return p + 4;
    case WIRE_BYTES:
        p = varint_get(p, end, &v);
        if (!p || v > (size_t)(end - p))
            return NULL;
        ret->p = p;
        ret->n = (size_t)v;
        return p + v;
    default:
        return NULL;
    }
}

/* A length of one or two bytes, which nearly all are; reads up to two bytes of slack. */
static inline const uint8_t *wire_short_length(const uint8_t *p, const uint8_t *end, uint64_t *ret)
{
    if (LIKELY(p[0] < 0x80)) {
        *ret = p[0];
        return p + 1;
    }
    if (LIKELY(p[1] < 0x80)) {
        *ret = (uint64_t)(p[0] & 0x7f) | (uint64_t)p[1] << 7;
        return p + 2;
    }
    return varint_get(p, end, ret);
}

/* A varint of up to eight bytes without a loop: the seven bits of each byte are moved together.
 * Reads eight bytes. NULL where it is longer. */
static inline const uint8_t *wire_eight(const uint8_t *p, uint64_t *ret)
{
    uint64_t v = load64(p), stop = ~v & 0x8080808080808080ULL;
    if (UNLIKELY(!stop))
        return NULL;
    unsigned n = (unsigned)__builtin_ctzll(stop) / 8 + 1;
    v &= (stop ^ (stop - 1)) & 0x7f7f7f7f7f7f7f7fULL;
    v = (v & 0x007f007f007f007fULL) | (v & 0x7f007f007f007f00ULL) >> 1;
    v = (v & 0x00003fff00003fffULL) | (v & 0x3fff00003fff0000ULL) >> 2;
    v = (v & 0x000000000fffffffULL) | (v & 0x0fffffff00000000ULL) >> 4;
    *ret = v;
    return p + n;
}

/* A Sample message [p, end) of either version (1.0 has no start_ms: 0), with eight bytes of slack
 * behind it. False for a malformed one. */
static inline bool wire_sample(const uint8_t *p, const uint8_t *end, double *value, int64_t *ts_ms,
                               int64_t *start_ms)
{
    enum {
        VALUE = WIRE_TAG(1, WIRE_FIXED64),
        TIME = WIRE_TAG(2, WIRE_VARINT),
        START = WIRE_TAG(3, WIRE_VARINT)
    };
    uint64_t v;
    if (LIKELY(end - p >= 11 && p[0] == VALUE && p[9] == TIME)) {
        const uint8_t *behind = wire_eight(p + 10, &v);
        if (LIKELY(behind == end)) {
            *value = bits_double(load64(p + 1));
            *ts_ms = (int64_t)v;
            *start_ms = 0;
            return true;
        }
    }
    /* A zero may be left out, and the order is free. */
    *value = 0;
    *ts_ms = *start_ms = 0;
    while (p < end) {
        struct wire_field f;
        p = wire_next(p, end, &f);
        if (!p)
            return false;
        if (wire_tag(&f) == VALUE)
            *value = bits_double(f.v);
        else if (wire_tag(&f) == TIME)
            *ts_ms = (int64_t)f.v;
        else if (wire_tag(&f) == START)
            *start_ms = (int64_t)f.v;
    }
    return true;
}

/* The buckets of a histogram that is being read: capacities double inside the arena. */
struct wire_growing {
    void *v;
    size_t n, capacity;
};

struct wire_side {
    struct wire_growing spans, deltas, counts;
};

struct wire_buckets {
    struct arena *arena;
    struct wire_side positive, negative;
    struct wire_growing custom;
    bool too_many;
};

/* Adds what a field has: a BucketSpan (WIRE_BYTES), differences of counts (zigzag) or doubles, both
 * packed or one by one. False for malformed ones. */
bool wire_span(struct wire_buckets *h, struct wire_growing *spans, const struct wire_field *f);
bool wire_deltas(struct wire_buckets *h, struct wire_growing *to, const struct wire_field *f);
bool wire_reals(struct wire_buckets *h, struct wire_growing *to, const struct wire_field *f);

/* Puts them into to, whose is_float is known by now. Too many come out as a histogram that
 * histogram_check() refuses for just that. */
void wire_buckets_finish(const struct wire_buckets *h, struct histogram *to);

/* A Histogram message (the same in remote write 1.0 and 2.0), with its time. All memory from a.
 * False for a malformed one. One with too many buckets comes out as one that histogram_check()
 * refuses for just that. */
MUST_USE bool wire_histogram(const uint8_t *p, size_t n, struct arena *a, struct histogram **ret,
                             int64_t *ret_ts_ms, int64_t *ret_start_ms);

#endif
