/* store/series/store_import.h - writes series straight into parts, past head and log: for data of
 * other stores that is there already.
 *
 * Each import becomes parts of one day (UTC), one for each class of retention, which are published
 * together. Where the store has samples of the same series and time, the imported ones win.
 *
 * Flow:    sorted series with their samples -> part_writer -> manifest
 * Threads: one; it holds up flushes and merges of the store while it is open.
 */
#ifndef STORE_SERIES_STORE_IMPORT_H
#define STORE_SERIES_STORE_IMPORT_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "model/histogram.h"
#include "store/series/store.h"

struct store_import;

/* t is of s->tenant(). */
MUST_USE int store_import_new(struct store *s, struct tenant *t, struct store_import **ret,
                              struct why *why);

/* Begins the next series; key is canonical and greater (memcmp) than the one before. */
MUST_USE int store_import_series(struct store_import *im, struct str key, struct why *why);

/* Samples of it, all of one day and after those before: floats v [n], or histograms h [n]. */
MUST_USE int store_import_samples(struct store_import *im, const int64_t *ts, const double *v,
                                  const struct histogram *const *h, size_t n, struct why *why);

/* Publishes what was written and adds its samples to *samples. Nothing at all is fine. */
MUST_USE int store_import_finish(struct store_import *im, uint64_t *samples, struct why *why);

/* Ends it; what was not finished is gone. NULL is fine. */
void store_import_free(struct store_import *im);

#endif
