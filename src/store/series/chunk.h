/* store/series/chunk.h - one column of up to 512 values, compressed without loss.
 *
 * Values are turned into integers (decimal digits, decimal digits and a distance in units of the
 * last place, or the bits themselves), and integers into mini-blocks of 64 of the cheapest of nine
 * forms (chunk_int.h). The encoder decodes what it wrote and falls back to the bits where one
 * differs, so that every NaN, -0 and infinity comes back as it was. n is not in the bytes: who
 * keeps a chunk keeps its count. docs/format/chunk.md draws the bytes.
 *
 * Flow:    head, merge -> chunk_encode -> part's data pages -> chunk_decode -> cursor
 * Source:  ALP (Afroozeh & Boncz 2023), FastLanes and PFOR for the ideas; the format is our own.
 * Threads: pure functions.
 */
#ifndef STORE_SERIES_CHUNK_H
#define STORE_SERIES_CHUNK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/bits.h"
#include "base/buf.h"
#include "model/histogram.h"
#include "store/face/series.h"

enum {
    CHUNK_MAX = 512,                     /* values of one chunk */
    CHUNK_ROOM = CHUNK_MAX + 72,         /* values that decoding may write */
    CHUNK_BYTES_MAX = 3 * 8 * CHUNK_MAX, /* no encoded column of doubles or integers is longer */
    CHUNK_HISTOGRAM_BYTES_MAX = 64 * 1024 * 1024,
};

/* "No sample at this timestamp of the group": one more NaN, which no client can send (the sink
 * makes a plain NaN of it). */
#define CHUNK_ABSENT_BITS 0x7ff0000000000003ULL

static inline double chunk_absent(void)
{
    return bits_double(CHUNK_ABSENT_BITS);
}

static inline bool chunk_is_absent(double value)
{
    return double_bits(value) == CHUNK_ABSENT_BITS;
}

/* Appends v[n] (1 <= n <= CHUNK_MAX) to out; -ERR_LIMIT where out's cap is in the way. About
 * 20 ns a value. */
MUST_USE int chunk_encode(const double *v, size_t n, struct buf *out);

/* Reads the n values of the chunk p[len] into ret[n]. -ERR_FORMAT for bytes that no encoder wrote
 * (never a crash; ret is then undefined). *ret_used (may be NULL) says how many bytes it took. */
MUST_USE int chunk_decode(const void *p, size_t len, size_t n, double *ret, size_t *ret_used);

/* As chunk_decode(), into ret[CHUNK_ROOM]: what lies behind the n values is undefined. */
MUST_USE int chunk_decode_roomy(const void *p, size_t len, size_t n, double *ret, size_t *ret_used);

/* Are all n values the same bits? Then a chunk needs no bytes beside that value. */
bool chunk_is_const(const double *v, size_t n);

/* Aggregates of v[n] (absent slots left out) with the times of the first and last sample: fills
 * all of *ret but handle. summarised is false where a NaN or staleness marker is among them. */
void chunk_summarise(const int64_t *ts, const double *v, size_t n, struct block *ret);

/* Appends the aggregates (not times, n or handle) of a summarised block, 2 to 60 bytes. */
void chunk_block_encode(const struct block *b, struct buf *out);

/* Reads them back into *ret (other fields stay), exactly. */
MUST_USE int chunk_block_decode(const void *p, size_t len, struct block *ret, size_t *ret_used);

/* A column of timestamps, 1 <= n <= 65536: a regular one takes about ten bytes per 1024. */
MUST_USE int chunk_ts_encode(const int64_t *ts, size_t n, struct buf *out);
MUST_USE int chunk_ts_decode(const void *p, size_t len, size_t n, int64_t *ret, size_t *ret_used);

/* A sequence of native histograms (1 <= n <= CHUNK_MAX); memory of the answer from a. NULL
 * entries are absent slots. */
MUST_USE int chunk_histogram_encode(const struct histogram *const *h, size_t n, struct buf *out);
MUST_USE int chunk_histogram_decode(const void *p, size_t len, size_t n, struct arena *a,
                                    const struct histogram **ret, size_t *ret_used);

#endif
