/* store/series/part_directory.h - what a part's index says of the chunks of 64 series: columns of
 * numbers, so that chunks which are alike cost next to nothing.
 *
 * Flow:    part_writer -> part_directory_encode -> idx -> part_directory_decode -> cursor
 * Threads: one at a time.
 */
#ifndef STORE_SERIES_PART_DIRECTORY_H
#define STORE_SERIES_PART_DIRECTORY_H

#include "base/buf.h"
#include "store/series/part.h"

enum { PART_DIRECTORY_CHUNKS_MAX = 1 << 24 }; /* of the series of one block */

struct part_directory_entry {
    int64_t first_ms, last_ms;
    uint32_t ts_ref, ts_first, slots, absent, bytes;
    uint8_t kind; /* enum part_kind */
    bool has_start, summarised;
    double value;
};

struct part_directory {
    uint32_t series;                /* of this block */
    uint32_t chunks[INDEX_BLOCK];   /* of each series */
    uint64_t offset;                /* in data, of the first chunk's bytes */
    struct part_directory_entry *v; /* [n] */
    size_t n, capacity;
};

void part_directory_done(struct part_directory *d);

void part_directory_encode(const struct part_directory *d, struct buf *out);

/* Reads the directory of `series` series; every entry is within its limits. */
MUST_USE int part_directory_decode(const uint8_t *p, size_t len, uint32_t series,
                                   struct part_directory *ret);

#endif
