/* codec/otlp_delta.h - points of delta temporality added up to cumulative ones.
 *
 * A series begins with its first delta: its start time is the start of the sum. A delta that began
 * before the sum, or ends no later than the last one, is refused; one that leaves a gap is added.
 * So does OpenTelemetry's deltatocumulative processor. A series without a delta for a while is
 * forgotten and begins anew, as all do when the daemon starts: a reset, with its start time.
 *
 * Source:  OpenTelemetry metrics data model, "Sums: Delta-to-Cumulative".
 * Threads: any; series are spread over shards with a lock each.
 */
#ifndef CODEC_OTLP_DELTA_H
#define CODEC_OTLP_DELTA_H

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "codec/otlp_point.h"

struct otlp_delta;

struct otlp_delta *otlp_delta_new(size_t series_max, int64_t max_stale_ms);
void otlp_delta_free(struct otlp_delta *d); /* NULL is fine */

/* Adds p to the series of that key and makes a cumulative point of it, with memory from a.
 * -ERR_OLD for a delta that comes too late, -ERR_LIMIT for a series too many. */
MUST_USE int otlp_delta_add(struct otlp_delta *d, struct str key, enum otlp_kind kind,
                            int64_t now_ms, struct arena *a, struct otlp_point *p, struct why *why);

/* The series has ended: the next delta begins anew. */
void otlp_delta_forget(struct otlp_delta *d, struct str key);

size_t otlp_delta_count(const struct otlp_delta *d);

#endif
