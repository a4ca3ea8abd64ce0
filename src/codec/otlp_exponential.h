/* codec/otlp_exponential.h - OpenTelemetry's histograms as native ones, and exponential ones added
 * to each other.
 *
 * Bucket i of scale s holds (base^i, base^(i+1)], base = 2^(2^-s): Prometheus counts from one more.
 * A scale that is lowered by one joins buckets in pairs.
 *
 * Source:  OpenTelemetry metrics data model, "ExponentialHistogram"; Prometheus's OTLP receiver.
 * Threads: pure functions.
 */
#ifndef CODEC_OTLP_EXPONENTIAL_H
#define CODEC_OTLP_EXPONENTIAL_H

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "codec/otlp_point.h"
#include "model/histogram.h"

enum { OTLP_EXPONENTIAL_SUM_MAX = 160 }; /* buckets of one side of a sum */

/* A point of an exponential histogram as a native one: scales above 8 are lowered, those below -4
 * are refused (-ERR_RANGE). All memory from a. */
MUST_USE int otlp_exponential_native(const struct otlp_point *p, struct arena *a,
                                     struct histogram **ret, struct why *why);

/* A point with explicit bounds as a native histogram with custom buckets. -ERR_FORMAT where counts
 * and bounds do not fit. */
MUST_USE int otlp_exponential_custom(const struct otlp_point *p, struct arena *a,
                                     struct histogram **ret, struct why *why);

/* A sum of exponential histograms. All zero but the scale to begin with. */
struct otlp_exponential {
    int32_t scale;
    double zero_threshold;
    uint64_t zero_count;
    struct {
        int32_t offset;
        size_t n;
        uint64_t *counts; /* [n], owned */
    } sides[2];           /* positive, negative */
};

/* Adds the buckets of p at the scale that both have, or a lower one where they are too many. */
void otlp_exponential_add(struct otlp_exponential *to, const struct otlp_point *p);
void otlp_exponential_done(struct otlp_exponential *e);

#endif
