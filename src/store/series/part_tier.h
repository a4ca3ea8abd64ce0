/* store/series/part_tier.h - a run of aggregates of a tier, as columns.
 *
 * Threads: pure functions.
 */
#ifndef STORE_SERIES_PART_TIER_H
#define STORE_SERIES_PART_TIER_H

#include "base/attr.h"
#include "base/buf.h"
#include "store/face/series.h"

/* Appends b[n], 1 <= n <= CHUNK_MAX. */
MUST_USE int part_tier_encode(const struct block *b, size_t n, struct buf *out);

MUST_USE int part_tier_decode(const uint8_t *p, size_t len, size_t n, struct block *ret,
                              size_t *ret_used);

#endif
