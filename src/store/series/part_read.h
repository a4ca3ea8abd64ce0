/* store/series/part_read.h - what the files of the part's reader share.
 *
 * Threads: an opened part is constant; times and cursors belong to one thread.
 */
#ifndef STORE_SERIES_PART_READ_H
#define STORE_SERIES_PART_READ_H

#include "base/arena.h"
#include "base/buf.h"
#include "store/series/chunk.h"
#include "store/series/part.h"
#include "store/series/part_directory.h"

struct part {
    char *dir;
    struct part_info info;
    struct page_file *data, *ts, *idx;
    struct index *index;
    uint64_t columns_n, columns;     /* timestamp columns, where their entries lie in idx */
    uint64_t exemplars_n, exemplars; /* bytes, where in idx */
    uint32_t id;                     /* among the open parts; 0: there are too many */
    struct part_columns *columns_kept;
};

/* Timestamp columns of an open part that readers have decoded: kept for all who come after, as far
 * as memory for that goes (part_times.c). Threads: any. */
struct part_columns;

struct part_columns *part_columns_new(uint64_t columns_n);
void part_columns_free(struct part_columns *c); /* NULL is fine */

/* Timestamp columns as one cursor reads them. */
struct part_times;

struct part_times *part_times_new(struct part *p);
void part_times_free(struct part_times *t); /* NULL is fine */

/* Slots [first, first + n) of column ref; borrowed until the next call. */
MUST_USE int part_times_get(struct part_times *t, uint32_t ref, uint32_t first, uint32_t n,
                            const int64_t **ret);

/* Damage of what lies on disk, as opposed to a disk that does not answer? */
bool part_is_damage(int err);

/* Chunk i of the cursor's present series as its directory has it. */
const struct part_directory_entry *part_cursor_entry(const struct part_cursor *c, size_t i);

/* As part_cursor_read, but absent slots are kept (chunk_absent, NULL) and histograms are a's. */
MUST_USE int part_cursor_slots(struct part_cursor *c, size_t i, struct arena *a,
                               struct column *ret);

/* The bytes of a chunk, taken apart. */
struct part_decoded {
    double value[CHUNK_ROOM];
    int64_t start_ms[CHUNK_MAX + 64];
    const struct histogram *histogram[CHUNK_MAX];
};

/* Decodes the bytes of a chunk (not a tier's) into ret; histograms go to a. */
MUST_USE int part_decode(const struct part_directory_entry *e, const uint8_t *p, size_t len,
                         struct arena *a, struct part_decoded *ret);

/* The aggregates of a chunk from its first bytes; ret->n, times are the entry's. */
MUST_USE int part_decode_block(const struct part_directory_entry *e, const uint8_t *p, size_t len,
                               struct block *ret);

#endif
