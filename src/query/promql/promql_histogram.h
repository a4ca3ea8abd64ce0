/* query/promql/promql_histogram.h - native histograms in a form that can be calculated with: every
 * bucket between the first and the last of a side is there.
 *
 * Flow:    struct histogram (spans) -> struct promql_dense -> added, widened, told in fewer buckets
 *          -> struct histogram. A struct promql_total adds many with Kahan-Neumaier compensation.
 * Source:  The rules are those of Prometheus's FloatHistogram: to the coarser schema, to the wider
 *          zero bucket, to the bounds that both have.
 * Threads: one query, one thread; memory from the engine's arena.
 */
#ifndef QUERY_PROMQL_PROMQL_HISTOGRAM_H
#define QUERY_PROMQL_PROMQL_HISTOGRAM_H

#include "query/promql/promql_engine.h"

/* One side: bucket first + i has v[i], and c[i] is what v[i] lacks (NULL: nothing). */
struct promql_side {
    int64_t first;
    size_t n;
    double *v, *c;
};

struct promql_dense {
    int schema;
    double zero_threshold, zero, zero_c;
    struct promql_side positive, negative;
};

/* The upper bound of bucket index. */
double promql_bucket_bound(const struct histogram *h, int64_t index);

struct promql_side promql_side_of(struct engine *e, const struct histogram_span *spans,
                                  uint32_t spans_n, const double *counts);

/* Spans and counts of what is not zero. */
void promql_side_put(struct engine *e, const struct promql_side *s,
                     const struct histogram_span **spans, uint32_t *spans_n, const double **counts,
                     uint32_t *counts_n);

/* Two neighbours become one, shift times over. */
void promql_side_reduce(struct engine *e, struct promql_side *s, unsigned shift);

/* Makes room for buckets first .. first + n - 1. */
void promql_side_cover(struct engine *e, struct promql_side *s, int64_t first, size_t n);

void promql_dense_of(struct engine *e, const struct histogram *h, struct promql_dense *ret);

/* Takes both to the same zero bucket, which no filled bucket of either reaches into. */
void promql_dense_zero(struct promql_dense *a, struct promql_dense *b);

/* The zero bucket takes in what lies below threshold; it grows where that would cut a filled
 * bucket. Returns the threshold then. */
double promql_dense_widen(struct promql_dense *d, double threshold);

/* Both to the coarser schema. */
void promql_dense_meet(struct engine *e, struct promql_dense *a, struct promql_dense *b);

/* The bounds that both have, ascending; *ret_n of them. */
const double *promql_bounds_common(struct engine *e, const double *a, size_t a_n, const double *b,
                                   size_t b_n, uint32_t *ret_n);
bool promql_bounds_same(const double *a, size_t a_n, const double *b, size_t b_n);

/* Buckets with the bounds from[from_n], told in the fewer bounds to[to_n]. */
void promql_side_remap(struct engine *e, struct promql_side *s, const double *from, size_t from_n,
                       const double *to, size_t to_n);

/* The hint of a sum of histograms with hints a and b; NOTE_RESET_CONFLICT where they contradict. */
uint8_t promql_reset_of_sum(uint8_t a, uint8_t b, unsigned *notes);

/* --- sums and means of many ------------------------------------------------------------------ */

struct promql_total {
    uint64_t n;
    bool custom, incremental;
    struct promql_dense dense;
    const double *bounds; /* [bounds_n] of custom buckets */
    uint32_t bounds_n;
    double count, count_c, sum, sum_c;
    uint8_t reset;
    bool seen_reset, seen_no_reset;
};

/* Adds h; with mean it goes over to a running mean where the sum would overflow. Notes are added to
 * *notes; false with NOTE_MIXED_SCHEMAS where h does not fit. */
bool promql_total_add(struct engine *e, struct promql_total *t, const struct histogram *h,
                      bool mean, unsigned *notes);

/* Adds what another total holds, likewise. */
bool promql_total_join(struct engine *e, struct promql_total *t, const struct promql_total *from,
                       bool mean, unsigned *notes);

/* The sum, or the mean. */
struct histogram *promql_total_histogram(struct engine *e, const struct promql_total *t, bool mean);

#endif
