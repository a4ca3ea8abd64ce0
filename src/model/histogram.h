/* model/histogram.h - a native histogram: one sample that is a whole distribution.
 *
 * Buckets are sparse: spans say which indexes are present, counts hold them in the spans' order.
 * Counts are always kept as absolute doubles (an integer histogram has is_float false and whole
 * numbers up to 2^53; larger counts come from floats only).
 *
 * Bucket i of schema s (-4..8) holds (base^(i-1), base^i] with base = 2^(2^-s), mirrored for the
 * negative side; schema -53 has the upper bounds of its buckets in custom_bounds.
 *
 * Source:  Prometheus, model/histogram and the remote-write protobuf.
 * Threads: plain data; a struct histogram with all its arrays is one allocation or an arena's.
 */
#ifndef MODEL_HISTOGRAM_H
#define MODEL_HISTOGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"

enum {
    HISTOGRAM_SCHEMA_MIN = -4,
    HISTOGRAM_SCHEMA_MAX = 8,
    HISTOGRAM_SCHEMA_CUSTOM = -53,
    HISTOGRAM_BUCKETS_MAX = 8192, /* of one histogram, both sides together */
};

enum histogram_reset {
    HISTOGRAM_RESET_UNKNOWN,
    HISTOGRAM_RESET_YES,
    HISTOGRAM_RESET_NO,
    HISTOGRAM_RESET_GAUGE,
};

struct histogram_span {
    int32_t offset;  /* first span: its first index; later ones: indexes left out before it */
    uint32_t length; /* buckets */
};

struct histogram {
    int32_t schema;
    bool is_float;
    uint8_t reset; /* enum histogram_reset */
    double zero_threshold, zero_count, count, sum;
    const struct histogram_span *positive_spans, *negative_spans;
    const double *positive, *negative; /* absolute counts, in the spans' order */
    const double *custom_bounds;       /* ascending, without +Inf; schema -53 only */
    uint32_t positive_spans_n, negative_spans_n, positive_n, negative_n, custom_n;
};

/* Is it what it says: schema known, spans match counts, counts >= 0, total = sum of the buckets
 * (integer histograms), bounds ascending, not too many? */
MUST_USE int histogram_check(const struct histogram *h, struct why *why);

/* A staleness marker in histogram form (sum is the stale NaN)? */
bool histogram_is_stale(const struct histogram *h);

/* The same in one allocation, freed by mem_free(). */
MUST_USE struct histogram *histogram_copy(const struct histogram *h);

/* The same with memory from a. */
MUST_USE struct histogram *histogram_clone(const struct histogram *h, struct arena *a);

/* Equal to the last bit? */
bool histogram_same(const struct histogram *a, const struct histogram *b);

/* Our own bytes for log and disk (docs/format/histogram.md). */
void histogram_encode(const struct histogram *h, struct buf *out);

/* Reads one from p[n]; all memory from a. *ret_used says how many bytes it took. */
MUST_USE int histogram_decode(const uint8_t *p, size_t n, struct arena *a, struct histogram **ret,
                              size_t *ret_used);

#endif
