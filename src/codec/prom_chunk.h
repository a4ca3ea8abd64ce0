/* codec/prom_chunk.h - Prometheus's chunks: what its remote read streams instead of samples.
 *
 * A chunk has up to 120 samples of one kind. Floats are XOR chunks (Gorilla's coding); native
 * histograms are chunks whose samples share one layout (schema, zero threshold, spans, bounds), so
 * that a chunk ends where the layout changes, where a counter was reset and behind a staleness
 * marker.
 *
 * Flow:    arrays of samples -> prom_chunk_take, again and again -> chunk bytes
 * Source:  Prometheus, tsdb/docs/format/chunks.md; Pelkonen et al., "Gorilla", VLDB 2015.
 * Threads: pure functions.
 */
#ifndef CODEC_PROM_CHUNK_H
#define CODEC_PROM_CHUNK_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "model/histogram.h"

enum { PROM_CHUNK_SAMPLES_MAX = 120 };

enum prom_chunk_type {
    PROM_CHUNK_XOR = 1,
    PROM_CHUNK_HISTOGRAM = 2,
    PROM_CHUNK_FLOAT_HISTOGRAM = 3,
};

/* Samples of one series, oldest first. */
struct prom_chunk_samples {
    const int64_t *ts_ms;                     /* [n] */
    const double *value;                      /* [n] where histogram[i] is NULL */
    const struct histogram *const *histogram; /* [n], or NULL: floats only */
    size_t n;
};

/* Appends to out a chunk of the samples from index at on and returns how many it took (at least
 * one; at < n). */
size_t prom_chunk_take(const struct prom_chunk_samples *s, size_t at, struct buf *out,
                       enum prom_chunk_type *ret_type);

#endif
