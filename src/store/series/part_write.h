/* store/series/part_write.h - what merges ask of a part's writer beside part.h.
 *
 * Threads: one at a time.
 */
#ifndef STORE_SERIES_PART_WRITE_H
#define STORE_SERIES_PART_WRITE_H

#include "store/series/part_directory.h"

/* Adds a chunk of the present series as it is: e with ts_ref and ts_first of this part. */
MUST_USE int part_writer_chunk(struct part_writer *w, const struct part_directory_entry *e,
                               const uint8_t *bytes);

/* Bytes of data and times so far. */
uint64_t part_writer_bytes(const struct part_writer *w);

#endif
