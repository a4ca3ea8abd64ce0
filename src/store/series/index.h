/* store/series/index.h - which series carry which labels: the sorted tables of a part's idx file.
 *
 * Series have ordinals in the order of their keys. The index has label names, per name its sorted
 * values, per value the ordinals of its series (postings), and keys as differences to the key
 * before. docs/format/part.md draws the bytes.
 *
 * Flow:    part_writer -> index_writer -> bytes; part -> index -> sets of ordinals, keys
 * Threads: matchers and an opened index may be read by any number of threads.
 */
#ifndef STORE_SERIES_INDEX_H
#define STORE_SERIES_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "store/disk/page.h"
#include "store/face/series.h"

enum {
    INDEX_BLOCK = 64,         /* series of one block of keys and directory */
    INDEX_VALUES_BLOCK = 32,  /* values of one front-coded block */
    INDEX_TOP_MAX = 64 << 20, /* bytes of the table of names */
    INDEX_LABELS_MAX = 4096,  /* labels of one series that can be read back */
};

/* Matchers made ready once (regular expressions compiled, cheap ones first) for many parts. */
struct index_matchers;

/* -ERR_FORMAT with a sentence for a bad regular expression. Copies what it needs. n may be 0: all
 * series match. */
MUST_USE int index_matchers_new(const struct matcher *m, size_t n, struct index_matchers **ret,
                                struct why *why);
void index_matchers_free(struct index_matchers *m); /* NULL is fine */

/* Does a canonical key match? For the head and for tombstones. */
bool index_matchers_match(const struct index_matchers *m, struct str key);

/* How many there are, and the name that row i looks at. */
size_t index_matchers_n(const struct index_matchers *m);
struct str index_matchers_name(const struct index_matchers *m, size_t i);

/* Does row i accept this value ("" for a missing label)? */
bool index_matchers_accept(const struct index_matchers *m, size_t i, struct str value);

/* What row i asks, for indexes: exact texts (sorted) if the row accepts these values and no other,
 * else a prefix that every accepted value begins with (may be empty). */
struct index_hint {
    const struct str *texts; /* [n]; NULL where they are not known */
    size_t n;
    struct str prefix;
};
struct index_hint index_matchers_hint(const struct index_matchers *m, size_t i);

/* Does at least one of them not match the empty value (so that it does not name every series)? */
bool index_matchers_narrow(const struct index_matchers *m);

/* ---- writing ---- */

struct index_writer;

struct index_writer *index_writer_new(void);
void index_writer_free(struct index_writer *w); /* NULL is fine */

/* The next series; its key is canonical and greater than the one before. -ERR_FORMAT where it is
 * not. */
MUST_USE int index_writer_add(struct index_writer *w, struct str key);

/* Series so far. */
uint32_t index_writer_n(const struct index_writer *w);

/* Writes names, values, postings and the blocks of series to out. Block b gets behind its keys the
 * bytes [directory_at[b], directory_at[b + 1]) of directory. Appends the table that index_open()
 * wants to top. */
MUST_USE int index_writer_finish(struct index_writer *w, const struct buf *directory,
                                 const uint64_t *directory_at, struct page_writer *out,
                                 struct buf *top);

/* ---- reading ---- */

struct index;

/* Reads the table top[n] of names; file is borrowed. */
MUST_USE int index_open(struct page_file *file, const uint8_t *top, size_t n, struct index **ret,
                        size_t *ret_used);
void index_free(struct index *x); /* NULL is fine */

uint32_t index_series(const struct index *x);
size_t index_names(const struct index *x);
struct str index_name(const struct index *x, size_t i);      /* sorted */
uint64_t index_name_values(const struct index *x, size_t i); /* how many */
bool index_name_find(const struct index *x, struct str name, size_t *ret);

/* A set of ordinals: bit i of word i / 64. */
size_t index_words(const struct index *x);

/* Sets bits to the series that may match: all that do, and where *ret_check is true, others too:
 * then each key has to be looked at (index_matchers_match). */
MUST_USE int index_select(struct index *x, const struct index_matchers *m, uint64_t *bits,
                          bool *ret_check);

/* Calls f with each value of name i, sorted, and a handle for index_postings(); f returns not zero
 * to stop (which is the answer). */
MUST_USE int index_values(struct index *x, size_t i,
                          int (*f)(void *context, struct str value, uint64_t handle, size_t bytes),
                          void *context);

/* Adds the series of a value (handle and bytes from index_values) to bits. */
MUST_USE int index_postings(struct index *x, uint64_t handle, size_t bytes, uint64_t *bits);

/* Walks keys; one per thread. */
struct index_keys;

struct index_keys *index_keys_new(struct index *x);
void index_keys_free(struct index_keys *k); /* NULL is fine */

/* The key of a series, borrowed until the next call. Cheap when ordinals ascend. */
MUST_USE int index_keys_at(struct index_keys *k, uint32_t ordinal, struct str *ret);

/* Its labels as places in the tables of names and values: cheaper where no text is wanted. */
struct index_label {
    uint32_t name;
    uint64_t rank;
};
MUST_USE int index_keys_labels(struct index_keys *k, uint32_t ordinal,
                               const struct index_label **ret, size_t *ret_n);

/* The directory bytes of the block that ordinal is in; borrowed until another block is asked for.
 */
MUST_USE int index_keys_directory(struct index_keys *k, uint32_t ordinal, struct str *ret);

#endif
