/* store/series/part_meta.h - the small file that makes a directory a part.
 *
 * Threads: pure functions.
 */
#ifndef STORE_SERIES_PART_META_H
#define STORE_SERIES_PART_META_H

#include "base/buf.h"
#include "store/series/part.h"

enum {
    PART_META_VERSION = 1,
    PART_META_BYTES_MAX = 4096,
};

struct part_meta {
    struct part_info info;
    uint64_t top, top_bytes; /* where in idx the table of names and its companions lie */
};

void part_meta_encode(const struct part_meta *m, struct buf *out);

/* -ERR_CORRUPT, -ERR_UNSUPPORTED for another version. */
MUST_USE int part_meta_decode(const uint8_t *p, size_t n, struct part_meta *ret);

#endif
