/* store/series/index_read.h - what the files of the index's reader share.
 *
 * Threads: an opened index is constant.
 */
#ifndef STORE_SERIES_INDEX_READ_H
#define STORE_SERIES_INDEX_READ_H

#include "base/arena.h"
#include "store/series/index.h"

struct index_read_name {
    struct str text;
    uint64_t values; /* how many */
    uint64_t series; /* how many have the name */
    uint64_t table;  /* where the table of its value blocks lies */
};

struct index {
    struct arena a;
    struct page_file *file; /* borrowed */
    uint32_t series;
    uint64_t blocks;               /* where the table of series blocks lies */
    struct index_read_name *names; /* [names_n] sorted */
    size_t names_n;
};

/* One block of values of a name, unfolded. */
struct index_read_values {
    size_t n;
    struct str text[INDEX_VALUES_BLOCK]; /* within bytes */
    uint64_t handle[INDEX_VALUES_BLOCK]; /* where its postings lie */
    size_t postings[INDEX_VALUES_BLOCK]; /* bytes of them */
    struct buf bytes;
};

void index_read_values_init(struct index_read_values *v);
void index_read_values_done(struct index_read_values *v);

/* Reads block b of name i. */
MUST_USE int index_read_block(const struct index *x, size_t i, uint64_t b,
                              struct index_read_values *ret);

/* How many blocks of values name i has. */
uint64_t index_read_blocks(const struct index *x, size_t i);

/* The block that text is in if it is there: the last whose first value is not greater. */
MUST_USE int index_read_seek(const struct index *x, size_t i, struct str text,
                             struct index_read_values *v, uint64_t *ret);

#endif
