/* model/histogram_builder.h - counts values one by one into an exponential histogram.
 *
 * It begins with buckets that grow by 2^(1/8) (schema 3, about 9 %) and halves their resolution
 * where the values of one side spread over more than HISTOGRAM_BUILDER_WIDTH_MAX of them. Counting
 * a value is a few comparisons and allocates only where the range of values grows.
 *
 * Flow:    values -> histogram_builder_add() -> histogram_builder_view() -> a sample
 * Source:  Prometheus, "Native histograms": which bucket a value belongs to, the zero bucket.
 * Threads: one at a time.
 */
#ifndef MODEL_HISTOGRAM_BUILDER_H
#define MODEL_HISTOGRAM_BUILDER_H

#include "base/arena.h"
#include "base/attr.h"
#include "model/histogram.h"

enum {
    HISTOGRAM_BUILDER_SCHEMA = 3,
    HISTOGRAM_BUILDER_WIDTH_MAX = 512, /* buckets from the first to the last of one side */
};

struct histogram_builder {
    struct histogram_builder_side {
        double *v;     /* [n], owned: counts of the buckets first, first + 1, .. */
        int32_t first; /* index of v[0] */
        uint32_t n, capacity;
    } positive, negative;
    int32_t schema;
    double zero, count, sum;
};

/* Empty; nothing is allocated yet. */
void histogram_builder_init(struct histogram_builder *b);
void histogram_builder_done(struct histogram_builder *b);

/* Counts a finite value times times. */
HOT void histogram_builder_add(struct histogram_builder *b, double value, double times);

/* What was counted so far, with memory from a. */
void histogram_builder_view(const struct histogram_builder *b, struct arena *a,
                            struct histogram *ret);

#endif
