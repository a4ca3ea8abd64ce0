/* codec/prom_chunk_read.h - samples out of Prometheus's chunks: the other way of prom_chunk.h.
 *
 * Flow:    chunk bytes -> arrays of samples
 * Source:  Prometheus, tsdb/docs/format/chunks.md.
 * Threads: pure functions.
 */
#ifndef CODEC_PROM_CHUNK_READ_H
#define CODEC_PROM_CHUNK_READ_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "codec/prom_chunk.h"
#include "model/histogram.h"

enum { PROM_CHUNK_READ_MAX = 65535 }; /* samples of one chunk, as its head has two bytes for them */

/* The samples of a chunk; arrays are the caller's, of at least prom_chunk_read_n() elements. */
struct prom_chunk_read {
    int64_t *ts_ms;
    double *value;                      /* of an XOR chunk */
    const struct histogram **histogram; /* of the others; memory from the arena */
};

/* How many samples the chunk says it has. */
size_t prom_chunk_read_n(struct str bytes);

/* Reads a chunk of that type: 0, -ERR_FORMAT for a damaged one, -ERR_UNSUPPORTED for a type that is
 * not known. a may be NULL for XOR chunks. */
MUST_USE int prom_chunk_read(unsigned type, struct str bytes, struct arena *a,
                             struct prom_chunk_read *to, struct why *why);

#endif
