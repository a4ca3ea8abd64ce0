/* scrape/native_limit.h - native histograms within the limits of a scrape_config.
 *
 * An exponential histogram with too many or too fine buckets is given a lower resolution: two
 * neighbours become one bucket, again and again.
 *
 * Source:  Prometheus, scrape/: native_histogram_bucket_limit, native_histogram_min_bucket_factor.
 * Threads: pure functions.
 */
#ifndef SCRAPE_NATIVE_LIMIT_H
#define SCRAPE_NATIVE_LIMIT_H

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "model/histogram.h"
#include "promfile/promfile.h"

/* *h as it is, or one of lower resolution (from a) in its place. -ERR_LIMIT where no resolution is
 * low enough, -ERR_FORMAT for a histogram that is wrong in itself. */
MUST_USE int native_limit(const struct promfile_scrape *config, struct arena *a,
                          const struct histogram **h, struct why *why);

#endif
