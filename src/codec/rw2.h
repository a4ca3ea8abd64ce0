/* codec/rw2.h - a remote write 2.0 request (io.prometheus.write.v2.Request).
 *
 * Labels are pairs of numbers of symbols; the reader puts the keys of the rows together. A series
 * with a bad reference, no labels or nothing in it costs itself alone (sides.bad).
 *
 * Flow:    unpacked bytes -> batch + sides, again and again
 * Source:  Prometheus, prompb/io/prometheus/write/v2/types.proto; Remote-Write 2.0.
 * Threads: one per reader.
 */
#ifndef CODEC_RW2_H
#define CODEC_RW2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "codec/sides.h"
#include "model/batch.h"

enum { RW2_SYMBOLS_MAX = 1 << 20 };

/* A symbol as it lies in the request: its length as a varint, then its bytes. */
struct rw2_symbol {
    uint32_t at; /* of the varint, from the start of the request */
    uint32_t n;  /* bytes of varint and text together */
};

struct rw2_reader {
    const uint8_t *start, *p, *end; /* the request; p: its next field */
    const uint8_t *at, *series_end; /* the present series; at: its next field */
    struct str refs;                /* its label references */
    struct str key;                 /* put together from them in the arena */
    size_t series_n;                /* series begun */
    struct rw2_symbol *symbols;     /* [symbols_capacity], owned */
    size_t symbols_n, symbols_capacity;
    struct str last_metadata; /* to leave out repetitions */
    struct str last_metric;
    struct arena arena; /* of what the present batch points to */
};

void rw2_init(struct rw2_reader *r);
void rw2_done(struct rw2_reader *r);

/* Starts with a request and reads its symbols; CODEC_SLACK bytes behind it are readable and it
 * outlives the batches. -ERR_FORMAT, -ERR_LIMIT for too many symbols. */
MUST_USE int rw2_begin(struct rw2_reader *r, struct str request, struct why *why);

/* As rw1_next(). */
MUST_USE int rw2_next(struct rw2_reader *r, struct batch *b, struct sides *s, struct why *why);

#endif
