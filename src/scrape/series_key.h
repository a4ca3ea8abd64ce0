/* scrape/series_key.h - what a target calls a series -> what it is stored as.
 *
 * The target's own labels are put to those that it exposes, metric_relabel_configs are applied, and
 * the limits of the scrape_config are held.
 *
 * Flow:    exposed labels + target's labels -> relabel -> limits -> canonical key
 * Source:  Prometheus, scrape/: honor_labels, exported_ labels, order and words of the checks.
 * Threads: pure functions.
 */
#ifndef SCRAPE_SERIES_KEY_H
#define SCRAPE_SERIES_KEY_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "model/labels.h"
#include "promfile/promfile.h"

/* Makes the key of a series from labels [n] that a target exposed (__name__ among them, empty
 * values too); target is its own labels, a bare key. 1: *ret (from a) is the key; 0: relabelling
 * drops it; -ERR_FORMAT, -ERR_LIMIT: the scrape fails, why says so. */
MUST_USE int series_key_make(const struct promfile_scrape *config, struct str target,
                             const struct label *labels, size_t n, struct arena *a, struct str *ret,
                             struct why *why);

/* The key of one of the scrape's own series (up): exposed labels of the name cannot clash. */
struct str series_key_report(struct str target, struct str name, struct arena *a);

#endif
