/* store/series/merge.h - several parts become one (or one per retention class), or a tier.
 *
 * Chunks that are full enough and overlap nothing are copied as they are; small and overlapping
 * ones are decoded, joined (the newest part wins where two have the same timestamp) and encoded
 * again in chunks of up to CHUNK_MAX. Deleted ranges go.
 *
 * Flow:    parts (oldest first) -> merge -> parts under the paths that the caller gives
 * Threads: one at a time; the parts may be read by others meanwhile.
 */
#ifndef STORE_SERIES_MERGE_H
#define STORE_SERIES_MERGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "store/series/index.h"
#include "store/series/part.h"

enum { MERGE_CLASSES_MAX = 32, MERGE_PARTS_MAX = 256 };

/* Samples of the series that match in [from_ms, to_ms] are gone from parts whose sequence is at
 * most sequence (what is written later is not hidden). */
struct merge_tombstone {
    const struct index_matchers *matchers;
    int64_t from_ms, to_ms;
    uint64_t sequence;
};

struct merge_output {
    size_t class_at;       /* the class it is for */
    struct part_info info; /* as written */
};

struct merge {
    const struct part_place *at;
    struct part *const *parts; /* [parts_n], oldest first (ascending sequence) */
    size_t parts_n;
    int64_t from_ms, to_ms; /* samples outside (both inclusive) are left out */
    enum part_tier tier;    /* of the output; inputs are raw or of a finer (or the same) tier */
    uint32_t level;
    uint64_t sequence;
    const char *tenant;
    const struct merge_tombstone *tombstones; /* [tombstones_n] */
    size_t tombstones_n;

    /* Retention class of a key, 0 .. classes_n - 1, or SIZE_MAX to drop the series; NULL: all 0. */
    size_t (*class_of)(void *context, struct str key);
    const char *const *classes; /* [classes_n] names; NULL: one without a name */
    size_t classes_n;
    const char *const *dirs; /* [classes_n] where each class's part is written (new) */

    /* Called after about every 256 KiB written or 64 series with the bytes since; may sleep; not
     * zero stops the merge with -ERR_CANCELED. NULL: never asked. */
    int (*budget)(void *context, uint64_t bytes);
    series_warning_f *warn; /* damage met in the inputs; NULL: not told */
    void *context;          /* of the three */
};

/* Merges. ret[MERGE_CLASSES_MAX] takes the parts written; *ret_n may be 0 where nothing is left.
 * On failure the directories begun are removed. */
MUST_USE int merge_run(const struct merge *m, struct merge_output *ret, size_t *ret_n,
                       struct why *why);

/* Folds samples v[n] (raw) into aligned blocks of width_ms: a bucket holds (end - width, end] with
 * end a multiple of width. Staleness markers and absent slots are left out. Appends to blocks from
 * *blocks_n on; a last block that ends in the same bucket is continued. blocks has room for n more.
 */
void merge_fold(const int64_t *ts, const double *v, size_t n, int64_t width_ms,
                struct block *blocks, size_t *blocks_n);

/* The same from blocks of a finer tier. */
void merge_fold_blocks(const struct block *in, size_t n, int64_t width_ms, struct block *blocks,
                       size_t *blocks_n);

#endif
