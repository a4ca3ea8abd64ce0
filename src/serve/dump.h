/* serve/dump.h - GET /api/metrics/dump: all samples of a range as OpenMetrics, for other stores and
 * for people; and the same for `sonde dump` of a data directory.
 *
 * Series come metric by metric, each with its samples in the order of time; backfilling tools such
 * as promtool read that. What OpenMetrics cannot say is left out and counted: native histograms and
 * staleness markers.
 *
 * Flow:    store/face -> dump_series() -> codec/exposition_write
 * Threads: dump_series(): one per struct; the handler runs on its loop, the work on the pool.
 */
#ifndef SERVE_DUMP_H
#define SERVE_DUMP_H

#include <stdint.h>

#include "base/buf.h"
#include "codec/exposition_write.h"
#include "net/http.h"
#include "store/face/series.h"

struct dump {
    struct exposition_writer writer;
    struct buf name; /* of the metric being written */
    uint64_t samples, histograms, markers;
};

void dump_begin(struct dump *d, struct buf *out);

/* A series with its column; series of one metric come together. */
void dump_series(struct dump *d, const struct series_view *view);

/* The end of the text. */
void dump_end(struct dump *d);

/* Context: struct serve. */
void dump_handle(struct http_request *r, void *serve);

#endif
