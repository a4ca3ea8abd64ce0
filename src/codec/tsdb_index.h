/* codec/tsdb_index.h - the index of a block of Prometheus's TSDB, read from its first series to its
 * last.
 *
 * Flow:    bytes of the file "index" -> symbols; -> series with labels and chunks, by labels
 * Source:  Prometheus, tsdb/docs/format/index.md, versions 1 and 2.
 * Threads: pure functions over the caller's struct.
 */
#ifndef CODEC_TSDB_INDEX_H
#define CODEC_TSDB_INDEX_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

struct tsdb_index {
    struct str bytes; /* of the file; outlives this */
    unsigned version;
    size_t series_from, series_to;
    struct str *symbols; /* [symbols_n], owned; version 2 refers to them by number */
    size_t symbols_n;
};

/* -ERR_FORMAT with what is wrong; -ERR_CORRUPT where a checksum does not fit. */
MUST_USE int tsdb_index_open(struct str bytes, struct tsdb_index *ret, struct why *why);
void tsdb_index_done(struct tsdb_index *x);

struct tsdb_chunk {
    int64_t first_ms, last_ms;
    uint64_t ref; /* segment << 32 | offset */
};

struct tsdb_series {
    uint64_t id;               /* by which tombstones name it */
    struct tsdb_chunk *chunks; /* [chunks_n], owned; memory is used again */
    size_t chunks_n, capacity;
};

/* The series at *at, which moves behind it (begin with x->series_from): 1, its labels appended to
 * key as label bytes in the order of names; 0 at the end; -ERR_FORMAT, -ERR_CORRUPT. */
MUST_USE int tsdb_index_series(const struct tsdb_index *x, size_t *at, struct buf *key,
                               struct tsdb_series *ret, struct why *why);

/* The chunk that lies at that offset of a segment's bytes: its type and data. */
MUST_USE int tsdb_index_chunk(struct str segment, uint64_t offset, unsigned *ret_type,
                              struct str *ret, struct why *why);

/* A range of a series that was deleted. */
struct tsdb_tombstone {
    uint64_t id;
    int64_t from_ms, to_ms; /* both inclusive */
};

/* Reads the file "tombstones"; memory of *ret is the caller's (mem_free). */
MUST_USE int tsdb_index_tombstones(struct str bytes, struct tsdb_tombstone **ret, size_t *ret_n,
                                   struct why *why);

#endif
