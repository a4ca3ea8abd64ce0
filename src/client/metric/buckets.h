/* client/metric/buckets.h - a histogram of one thread: observe in a few nanoseconds, read by
 * others.
 *
 * Logarithmic buckets of base 2^(1/8) (schema 3 of Prometheus's native histograms: values are known
 * within 4.5 %) over the range that a struct covers; what lies outside goes into the first or last.
 * A bucket's number comes from the exponent and the leading bits of the mantissa by one table.
 * Used for operations, caches, frames and the metric type native histogram; sums over threads are
 * made by buckets_fold().
 *
 * Threads: one writer, any readers (relaxed).
 */
#ifndef CLIENT_METRIC_BUCKETS_H
#define CLIENT_METRIC_BUCKETS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BUCKETS_SCHEMA = 3,
    BUCKETS_FIRST = -240, /* index of the first bucket: up to 2^-30 (about a nanosecond) */
    BUCKETS_N = 512,      /* so the last reaches 2^34 */
};

struct buckets {
    _Atomic uint64_t count;
    _Atomic uint64_t zero; /* of values <= 0 */
    _Atomic double sum;
    _Atomic uint64_t bucket[BUCKETS_N];
};

/* Plain sums of several. */
struct buckets_sum {
    uint64_t count, zero;
    double sum;
    uint64_t bucket[BUCKETS_N];
};

/* A value <= 0 counts as zero; one that is no number, or infinite, is left out. */
void buckets_observe(struct buckets *b, double value);
/* The bucket of a value > 0. */
size_t buckets_index(double value);
void buckets_fold(const struct buckets *b, struct buckets_sum *into);
/* Takes away what was there before. */
void buckets_less(struct buckets_sum *b, const struct buckets_sum *base);
/* The value below which the share q of the observations lies, by Prometheus's exponential
 * interpolation; NaN where there are none. */
double buckets_quantile(const struct buckets_sum *b, double q);
void buckets_clear(struct buckets *b); /* by the writer */

struct source_histogram;
/* As a source writes it: trimmed to the buckets in use; points into b. */
void buckets_native(const struct buckets_sum *b, struct source_histogram *ret);

#endif
