/* scrape/writing.h - rows of a reading -> batches of the sink, and staleness markers for series
 * that are gone.
 *
 * Flow:    scrape/reading.h -> sink
 * Source:  Prometheus, scrape/: duplicates, staleness, what counts as added.
 * Threads: one per writing: its lane's.
 */
#ifndef SCRAPE_WRITING_H
#define SCRAPE_WRITING_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "model/sink.h"
#include "scrape/reading.h"

struct writing {
    struct sink *sink;
    size_t lane;
    struct tenant *tenant;
    struct batch *batch;
    size_t refused; /* samples that the store did not take, since the start */
    int err;        /* of the last append that took none; 0: there was no such */
    struct why why; /* of err, or of the last sample refused */
};

void writing_init(struct writing *w, struct sink *s, size_t lane, struct tenant *t);
void writing_done(struct writing *w);

struct writing_count {
    size_t kept;       /* samples behind relabelling */
    size_t added;      /* series that the last good answer did not have */
    size_t duplicates; /* samples of a series that was there before in the same answer */
    size_t gone;       /* series that ended */
};

/* Writes all of r; series of the answer before that are not in it get a staleness marker at
 * r->now_ms. All keys that it wrote are the recall's until then. -ERR_x where the store takes
 * nothing: then what was written before stays. */
MUST_USE int writing_take(struct writing *w, struct reading *r, struct writing_count *ret,
                          struct why *why);

/* Ends all live series of recall; returns how many. */
size_t writing_end_all(struct writing *w, struct recall *recall, int64_t ts_ms);

/* One sample; key lives until writing_flush(). */
void writing_put(struct writing *w, struct str key, int64_t ts_ms, double value);

/* Hands over what has not been; -ERR_x where the store takes nothing. */
int writing_flush(struct writing *w);

#endif
