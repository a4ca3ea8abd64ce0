/* query/plain/world.h - made-up series that have everything which is hard: gaps, staleness markers,
 * NaN, infinities, -0, resets, times off the beat, series that begin and end, buckets.
 *
 * Values are small multiples of a quarter where nothing else is wanted, so that sums are exact in
 * any order.
 *
 * Threads: one.
 */
#ifndef QUERY_PLAIN_WORLD_H
#define QUERY_PLAIN_WORLD_H

#include "query/plain/dice.h"
#include "query/plain/plain.h"

struct world_shape {
    int64_t start_ms;
    int64_t length_ms;
    int64_t interval_ms; /* of most series; some have multiples of it */
    bool histograms;     /* native ones too, as the metric waiting */
    uint64_t seed;
};

/* Fills data; keys and histograms from a. */
void world_make(const struct world_shape *shape, struct arena *a, struct plain_data *data);
void world_done(struct plain_data *data);

#endif
