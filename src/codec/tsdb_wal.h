/* codec/tsdb_wal.h - the log of Prometheus's TSDB: records out of its segments, samples out of
 * records.
 *
 * A segment is cut into pages of 32 KiB; a record lies in one fragment, or in several in a row,
 * over segments too. Samples name their series by a number that a record before them defines.
 *
 * Flow:    bytes of segments, in their order -> tsdb_wal_record() -> tsdb_wal_series(), _samples()
 * Source:  Prometheus, tsdb/docs/format/wal.md; tsdb/record.
 * Threads: one per reader.
 */
#ifndef CODEC_TSDB_WAL_H
#define CODEC_TSDB_WAL_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "model/histogram.h"

enum tsdb_wal_type {
    TSDB_WAL_SERIES = 1,
    TSDB_WAL_SAMPLES = 2,
    TSDB_WAL_TOMBSTONES = 3,
    TSDB_WAL_EXEMPLARS = 4,
    TSDB_WAL_MMAP_MARKERS = 5,
    TSDB_WAL_METADATA = 6,
    TSDB_WAL_HISTOGRAMS = 7,
    TSDB_WAL_FLOAT_HISTOGRAMS = 8,
    TSDB_WAL_CUSTOM_HISTOGRAMS = 9,
    TSDB_WAL_CUSTOM_FLOAT_HISTOGRAMS = 10,
};

struct tsdb_wal {
    struct buf record; /* fragments put together */
    struct buf unpacked;
    bool torn; /* record has the begin of one */
};

void tsdb_wal_init(struct tsdb_wal *w);
void tsdb_wal_done(struct tsdb_wal *w);

/* The next record of a segment from *at on: 1 with its bytes (valid until the next call), 0 at the
 * segment's end (zeros fill its last page). -ERR_CORRUPT, -ERR_FORMAT for damage: what follows in
 * this segment is not to be trusted. */
MUST_USE int tsdb_wal_record(struct tsdb_wal *w, struct str segment, size_t *at, struct str *ret,
                             struct why *why);

/* ---- what is in a record; its first byte is its type */

/* Calls f for each series that a record defines; key is label bytes in the order of names. */
MUST_USE int tsdb_wal_series(struct str record,
                             void (*f)(void *context, uint64_t ref, struct str key), void *context);

struct tsdb_wal_sample {
    uint64_t ref;
    int64_t ts_ms;
    double value;
    const struct histogram *histogram; /* NULL: a float; memory from the arena */
};

/* Calls f for each sample of a record of samples or histograms; not 0 from it ends the reading and
 * is returned. -ERR_UNSUPPORTED for other types. */
MUST_USE int tsdb_wal_samples(struct str record, struct arena *a,
                              int (*f)(void *context, const struct tsdb_wal_sample *s),
                              void *context);

#endif
