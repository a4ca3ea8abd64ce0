/* model/sample.h - one point of a series, and the two NaNs that mean something.
 *
 * Times are int64_t milliseconds since 1970 and may be negative. A float value is copied as its 64
 * bits wherever it is kept: two NaNs differ by their bits alone.
 *
 * Source:  Prometheus, model/value: the bit patterns.
 * Threads: plain data.
 */
#ifndef MODEL_SAMPLE_H
#define MODEL_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bits.h"

/* "This series has ended": the staleness marker. */
#define SAMPLE_STALE_BITS 0x7ff0000000000002ULL

/* The NaN that arithmetic gives and exposition formats mean by NaN. */
#define SAMPLE_NAN_BITS 0x7ff8000000000001ULL

struct sample {
    int64_t ts_ms;
    double value;
};

static inline double sample_stale(void)
{
    return bits_double(SAMPLE_STALE_BITS);
}

static inline bool sample_is_stale(double value)
{
    return double_bits(value) == SAMPLE_STALE_BITS;
}

/* The first of ascending times ts[n] that is at least wanted, or n. */
static inline size_t sample_at_least(const int64_t *ts, size_t n, int64_t wanted)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ts[middle] < wanted)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

#endif
