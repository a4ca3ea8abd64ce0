/* store/series/chunk_int.h - a run of 64-bit integers in mini-blocks of 64.
 *
 * Everything that parts keep as numbers goes through here: values, timestamps, postings, the
 * columns of the directory. Each mini-block takes the cheapest of: same as before, frame of
 * reference, deltas (framed or zigzag), deltas of deltas, dictionary, sparse changes; with patches
 * for outliers. Arithmetic wraps, so that any 64 bits survive.
 *
 * Flow:    chunk, part, index -> bytes -> back
 * Source:  Zukowski et al. 2006 (PFOR), Lemire & Boytsov 2015; the format is docs/format/chunk.md.
 * Threads: pure functions; the unpacking loops are picked once by processor (AVX-512, AVX2, plain).
 */
#ifndef STORE_SERIES_CHUNK_INT_H
#define STORE_SERIES_CHUNK_INT_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"

enum {
    CHUNK_INT_BLOCK = 64, /* integers of one mini-block */
    CHUNK_INT_PAD = 128,  /* readable bytes that a decoder wants behind its input */
};

/* Appends x[n] to out. */
void chunk_int_encode(const int64_t *x, size_t n, struct buf *out);

/* How many bytes chunk_int_encode would append. */
size_t chunk_int_cost(const int64_t *x, size_t n);

/* Reads n integers from p[len] into ret, which has room for n rounded up to a multiple of
 * CHUNK_INT_BLOCK. CHUNK_INT_PAD bytes behind p[len] must be readable (any content). -ERR_FORMAT
 * for bytes that no encoder wrote. */
MUST_USE int chunk_int_decode(const uint8_t *p, size_t len, size_t n, int64_t *ret,
                              size_t *ret_used);

/* The same from bytes without room behind them. */
MUST_USE int chunk_int_decode_copy(const uint8_t *p, size_t len, size_t n, int64_t *ret,
                                   size_t *ret_used);

#endif
