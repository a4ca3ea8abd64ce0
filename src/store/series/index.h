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
#include "base/err.h"
#include "base/str.h"
#include "store/face/series.h"

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

#endif
