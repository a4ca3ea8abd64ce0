/* store/series/chunk_value.h - doubles as integers: what chunk_encode and chunk_decode share.
 *
 * Threads: pure functions.
 */
#ifndef STORE_SERIES_CHUNK_VALUE_H
#define STORE_SERIES_CHUNK_VALUE_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/bits.h"
#include "store/series/chunk.h"
#include "store/series/chunk_int.h"

enum {
    CHUNK_VALUE_EXPONENT_MAX = 22, /* 10^22 is the last power of ten that a double holds exactly */
    /* Integers of one chunk, with room for the decoder's whole mini-blocks and the first value. */
    CHUNK_VALUE_ROOM = CHUNK_ROOM,
};

/* The first byte: kind | exceptions | exponent. */
enum chunk_value_kind {
    CHUNK_VALUE_DECIMAL, /* k / 10^exponent */
    CHUNK_VALUE_BITS,    /* the double's bits as an integer */
    CHUNK_VALUE_NEAR,    /* k / 10^exponent, then so many units in the last place away */
};

enum {
    CHUNK_VALUE_KIND = 3,       /* mask */
    CHUNK_VALUE_EXCEPTIONS = 4, /* flag: a list of exceptions follows */
    CHUNK_VALUE_FACTOR = 8,     /* flag: a common factor follows */
    CHUNK_VALUE_EXPONENT = 4,   /* shift; 15: the exponent is in the next byte */
};

/* What an exception is. */
enum chunk_value_special {
    CHUNK_VALUE_STALE,
    CHUNK_VALUE_ABSENT,
    CHUNK_VALUE_NAN,
    CHUNK_VALUE_RAW, /* its bits follow */
};

extern const double chunk_value_power[CHUNK_VALUE_EXPONENT_MAX + 1];

/* The nearest integer of |v| < 2^62 (ties away from zero), without a call. */
static inline int64_t chunk_value_round(double v)
{
    int64_t k = (int64_t)v;
    return (double)k == v ? k : (int64_t)(v < 0 ? v - 0.5 : v + 0.5);
}

/* v as k with k / 10^exponent == v to the last bit; false where there is none below 2^62. */
static inline bool chunk_value_decimal(double v, unsigned exponent, int64_t *ret)
{
    double scaled = v * chunk_value_power[exponent];
    if (!(fabs(scaled) < 0x1p62))
        return false;
    int64_t k = chunk_value_round(scaled);
    double back = exponent ? (double)k / chunk_value_power[exponent] : (double)k;
    if (double_bits(back) != double_bits(v))
        return false;
    *ret = k;
    return true;
}

#endif
