#include "client/metric/buckets.h"

#include <math.h>
#include <string.h>

#include "client/core/slot.h"
#include "client/metric/source.h"

enum { PER_OCTAVE = 1 << BUCKETS_SCHEMA, EXPONENT_BIAS = 1023, MANTISSA_BITS = 52 };

/* By the four leading bits of a mantissa: how many of the eight boundaries 2^(k/8) of an octave lie
 * below all mantissas of that cell, and the one that lies inside of it (they are further apart than
 * a sixteenth, so there is one at most), as the bits of its mantissa; none: all ones. */
static const struct cell {
    uint64_t bound;
    int64_t below;
} cells[16] = {
    {0x0, 0},
    {0x172b83c7d517b, 1},
    {UINT64_MAX, 2},
    {0x306fe0a31b715, 2},
    {0x4bfdad5362a27, 3},
    {UINT64_MAX, 4},
    {0x6a09e667f3bcc, 4},
    {UINT64_MAX, 5},
    {0x8ace5422aa0db, 5},
    {UINT64_MAX, 6},
    {0xae89f995ad3ac, 6},
    {UINT64_MAX, 7},
    {UINT64_MAX, 7},
    {0xd5818dcfba486, 7},
    {UINT64_MAX, 8},
    {UINT64_MAX, 8},
};

size_t buckets_index(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint64_t mantissa = bits & ((UINT64_C(1) << MANTISSA_BITS) - 1);
    const struct cell *c = &cells[mantissa >> (MANTISSA_BITS - 4)];
    int64_t octave = (int64_t)(bits >> MANTISSA_BITS & 0x7ff) - EXPONENT_BIAS;
    int64_t i = octave * PER_OCTAVE + c->below + (mantissa > c->bound) - BUCKETS_FIRST;
    if (i < 0) {
        return 0;
    }
    return i < BUCKETS_N ? (size_t)i : BUCKETS_N - 1;
}

void buckets_observe(struct buckets *b, double value)
{
    if (value > 0) {
        if (value > 0x1p1000) { /* infinite, or on the way to make the sum so */
            return;
        }
        slot_add_u64(&b->bucket[buckets_index(value)], 1);
    } else if (value <= 0 && value >= -0x1p1000) {
        slot_add_u64(&b->zero, 1);
    } else { /* no number */
        return;
    }
    slot_add_u64(&b->count, 1);
    slot_add_double(&b->sum, value);
}

void buckets_fold(const struct buckets *b, struct buckets_sum *into)
{
    if (atomic_load_explicit(&b->count, memory_order_relaxed) == 0) {
        return;
    }
    /* The count is what the buckets hold, so that it fits them whatever the writer does meanwhile.
     */
    uint64_t zero = atomic_load_explicit(&b->zero, memory_order_relaxed), count = zero;
    for (size_t i = 0; i < BUCKETS_N; i++) {
        uint64_t n = atomic_load_explicit(&b->bucket[i], memory_order_relaxed);
        into->bucket[i] += n;
        count += n;
    }
    into->zero += zero;
    into->count += count;
    into->sum += atomic_load_explicit(&b->sum, memory_order_relaxed);
}

void buckets_clear(struct buckets *b)
{
    atomic_store_explicit(&b->count, 0, memory_order_relaxed);
    atomic_store_explicit(&b->zero, 0, memory_order_relaxed);
    atomic_store_explicit(&b->sum, 0, memory_order_relaxed);
    for (size_t i = 0; i < BUCKETS_N; i++) {
        atomic_store_explicit(&b->bucket[i], 0, memory_order_relaxed);
    }
}

void buckets_less(struct buckets_sum *b, const struct buckets_sum *base)
{
    b->count -= base->count;
    b->zero -= base->zero;
    b->sum -= base->sum;
    for (size_t i = 0; i < BUCKETS_N; i++) {
        b->bucket[i] -= base->bucket[i];
    }
}

double buckets_quantile(const struct buckets_sum *b, double q)
{
    if (b->count == 0 || !(q >= 0 && q <= 1)) {
        return NAN;
    }
    double rank = q * (double)b->count, before = (double)b->zero;
    if (rank <= before && b->zero > 0) {
        return 0;
    }
    double last = 0;
    for (size_t i = 0; i < BUCKETS_N; i++) {
        double n = (double)b->bucket[i];
        if (b->bucket[i] == 0) {
            continue;
        }
        double upper = (double)((int)i + BUCKETS_FIRST) / PER_OCTAVE;
        if (before + n >= rank) {
            double share = (rank - before) / n;
            return exp2(upper - (1 - share) / PER_OCTAVE);
        }
        before += n;
        last = exp2(upper);
    }
    return last;
}

void buckets_native(const struct buckets_sum *b, struct source_histogram *ret)
{
    size_t first = 0, end = BUCKETS_N;
    while (first < BUCKETS_N && b->bucket[first] == 0) {
        first++;
    }
    while (end > first && b->bucket[end - 1] == 0) {
        end--;
    }
    *ret = (struct source_histogram){
        .schema = BUCKETS_SCHEMA,
        .zero_count = b->zero,
        .count = b->count,
        .sum = b->sum,
        .positive_offset = (int)first + BUCKETS_FIRST,
        .positive = b->bucket + first,
        .positive_n = end - first,
    };
}
