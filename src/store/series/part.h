/* store/series/part.h - an immutable directory of series: {data, ts, idx, meta}.
 *
 * `data` has the chunks in the order of the series' keys, `ts` the timestamp columns (shared by the
 * series of a group), `idx` keys, label values, postings and the directory of chunks; `meta` is
 * written and synced last: a directory without it is no part. All are page files, so that one bad
 * page loses what lies on it and no more. docs/format/part.md draws the bytes.
 *
 * Flow:    head, merge -> part_writer -> directory -> part -> part_cursor -> the store's cursor
 * Threads: a writer and a cursor belong to one thread each; a part may be read by any number.
 */
#ifndef STORE_SERIES_PART_H
#define STORE_SERIES_PART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "model/batch.h"
#include "model/histogram.h"
#include "model/sink.h"
#include "os/disk.h"
#include "store/disk/page.h"
#include "store/face/series.h"
#include "store/series/index.h"

enum {
    PART_SERIES_MAX = 1u << 28,
    PART_TS_MAX = 1u << 16, /* slots of one timestamp column */
    PART_PATH_MAX = 512,    /* bytes of a part's path */
    PART_CLASS_MAX = 63,    /* bytes of a retention class */
};

/* Where parts live and how their pages are read. Borrowed for the life of what is made with it. */
struct part_place {
    struct disk *disk;
    struct page_cache *cache;   /* NULL: none */
    const struct keyring *ring; /* NULL: no encryption, CRC32C */
};

enum part_tier { PART_RAW, PART_5M, PART_1H }; /* width in part_tier_ms() */

/* Bucket width of a tier in milliseconds; 0 for raw. */
int64_t part_tier_ms(enum part_tier tier);

/* What a part says of itself. The caller of the writer gives the first group. */
struct part_info {
    char tenant[TENANT_NAME_MAX + 1];
    char retention_class[PART_CLASS_MAX + 1];
    enum part_tier tier;
    uint32_t level;    /* 0 from the head, +1 per merge */
    uint64_t sequence; /* larger is newer: wins where two have the same timestamp */

    int64_t first_ms, last_ms; /* of the samples; first > last where there is none */
    uint64_t series, chunks, samples, ts_columns, exemplars;
    uint64_t data_bytes, ts_bytes, idx_bytes; /* payload */
    uint64_t disk_bytes;                      /* all files as they lie on disk */
};

/* ---- writing ---- */

struct part_writer;

/* Begins a part in the directory dir (made here; must be new or empty). */
MUST_USE int part_writer_new(const struct part_place *at, const char *dir,
                             const struct part_info *info, struct part_writer **ret,
                             struct why *why);

/* A column of ascending timestamps (1 <= n <= PART_TS_MAX) that chunks can refer to. */
MUST_USE int part_writer_ts(struct part_writer *w, const int64_t *ts, size_t n, uint32_t *ret_ref);

/* Begins the next series; key is canonical and greater than the one before. A series that gets no
 * sample is left out. */
MUST_USE int part_writer_series(struct part_writer *w, struct str key);

/* Samples of the present series, after all before them: slots [first, first + n) of the column ref,
 * ts[n] being those slots' times. Any n; absent slots may be among v (chunk_absent), and slots at
 * both ends that are absent are cut off. start_ms[n] are created timestamps (0: unknown) or
 * NULL. Encodes, summarises and cuts into chunks of up to CHUNK_MAX. */
MUST_USE int part_writer_floats(struct part_writer *w, uint32_t ref, size_t first,
                                const int64_t *ts, const double *v, size_t n,
                                const int64_t *start_ms);

/* As part_writer_floats; a NULL histogram is an absent slot. */
MUST_USE int part_writer_histograms(struct part_writer *w, uint32_t ref, size_t first,
                                    const int64_t *ts, const struct histogram *const *h, size_t n,
                                    const int64_t *start_ms);

/* As part_writer_floats with a column of the series' own. */
MUST_USE int part_writer_own(struct part_writer *w, const int64_t *ts, const double *v,
                             const struct histogram *const *h, size_t n, const int64_t *start_ms);

/* Blocks of a tier, one per bucket, ascending (parts with tier != PART_RAW). */
MUST_USE int part_writer_tier(struct part_writer *w, const struct block *blocks, size_t n);

/* An exemplar of the present series (key is ignored), in the order of time. */
MUST_USE int part_writer_exemplar(struct part_writer *w, const struct exemplar *e);

/* Writes the rest, syncs the files and the directory. -ERR_SPARSE where the part would be empty
 * (nothing is left behind then but the directory). */
MUST_USE int part_writer_finish(struct part_writer *w, struct part_info *ret, struct why *why);

/* Ends the writer; what was not finished stays behind as a directory without meta. NULL is fine. */
void part_writer_free(struct part_writer *w);

/* ---- reading ---- */

struct part;

/* Reads meta and small tables only. -ERR_NOENT: no part there (no meta); -ERR_CORRUPT; -ERR_KEY. */
MUST_USE int part_open(const struct part_place *at, const char *dir, struct part **ret,
                       struct why *why);
void part_free(struct part *p); /* NULL is fine */
const struct part_info *part_info(const struct part *p);

enum part_kind { PART_FLOATS, PART_CONST, PART_HISTOGRAMS, PART_TIER };

/* One chunk of a series, as its directory knows it. */
struct part_chunk {
    int64_t first_ms, last_ms; /* of the samples in it */
    uint32_t slots;            /* samples and absent slots; of a tier: blocks */
    uint32_t n;                /* samples; of a tier: blocks */
    enum part_kind kind;
    bool has_start;
    double value;              /* PART_CONST */
    uint64_t ts_id;            /* equal for chunks of this part with the same times; never 0 */
    uint32_t ts_ref, ts_first; /* column and first slot in it */
    uint64_t offset;           /* in data */
    uint32_t bytes;            /* there */
};

struct part_series {
    uint32_t ordinal;
    struct str key;                  /* borrowed until the cursor moves */
    const struct part_chunk *chunks; /* [chunks_n], oldest first; those that overlap the range */
    size_t chunks_n;
};

struct part_cursor;

/* The series that match and have a chunk in [from_ms, to_ms] (both inclusive), by key. how must
 * live as long as the cursor; NULL matches everything. Damage that the cursor meets is told to
 * warn (may be NULL), the rest is read on. */
MUST_USE int part_select(struct part *p, const struct index_matchers *how, int64_t from_ms,
                         int64_t to_ms, series_warning_f *warn, void *context,
                         struct part_cursor **ret, struct why *why);

/* Only series with hash % shards == shard (0, 0: all), as in struct select. */
void part_cursor_shard(struct part_cursor *c, uint32_t shard, uint32_t shards);

/* How many series match before the range of time is looked at. */
uint64_t part_cursor_matches(const struct part_cursor *c);

/* The values will not be looked at (see times_only in store/face/series.h). */
void part_cursor_times_only(struct part_cursor *c);

/* Of a cursor that has not moved: a key before which about one of n parts of its matches lie.
 * Borrowed until the cursor is used again; -ERR_RANGE where they are too few. */
MUST_USE int part_cursor_share(struct part_cursor *c, size_t n, struct str *ret);

/* Of a cursor that has not moved: the first ordinal whose key is not before key. */
MUST_USE int part_cursor_place(struct part_cursor *c, struct str key, uint32_t *ret);

/* Takes the series from ordinal at on out of a cursor that has not moved, as a cursor of its own.
 */
struct part_cursor *part_cursor_cut(struct part_cursor *c, uint32_t at, series_warning_f *warning,
                                    void *context);

/* 1 with *ret filled, 0 at the end. Damage is told to warn and passed over; -ERR_x is a disk that
 * does not answer. */
MUST_USE int part_cursor_next(struct part_cursor *c, struct part_series *ret);

/* Chunk i of the present series as a block with its aggregates (not for PART_TIER); decodes no
 * samples. */
MUST_USE int part_cursor_block(struct part_cursor *c, size_t i, struct block *ret);

/* The samples of chunk i (not for PART_TIER), absent ones left out; whole chunk, not cut to the
 * range. Borrowed until the next read or next. -ERR_CORRUPT (warned of) where its page is bad. */
MUST_USE int part_cursor_read(struct part_cursor *c, size_t i, struct column *ret);

/* The blocks of chunk i of kind PART_TIER. Borrowed likewise. */
MUST_USE int part_cursor_tier(struct part_cursor *c, size_t i, const struct block **ret,
                              size_t *ret_n);

void part_cursor_free(struct part_cursor *c); /* NULL is fine */

/* The shard of a series, as part_cursor_shard() means it: XXH3 of its canonical key. */
uint32_t part_shard(struct str key, uint32_t shards);

/* For merges: the bytes of chunk i as they are (to be released), and slots of a column of times
 * (borrowed until the next call that reads). */
MUST_USE int part_cursor_bytes(struct part_cursor *c, size_t i, struct page_ref *ret);
MUST_USE int part_cursor_times(struct part_cursor *c, uint32_t ref, uint32_t first, uint32_t n,
                               const int64_t **ret);

/* Calls f with each label name (value of name) of the series that match and have a chunk in the
 * range, sorted. how NULL or without matchers: those of the whole part where it meets the range. */
MUST_USE int part_label_names(struct part *p, const struct index_matchers *how, int64_t from_ms,
                              int64_t to_ms, void (*f)(void *context, struct str), void *context);
MUST_USE int part_label_values(struct part *p, struct str name, const struct index_matchers *how,
                               int64_t from_ms, int64_t to_ms, void (*f)(void *context, struct str),
                               void *context);

/* Exemplars in the range by key, then time; borrowed for the call of f. */
MUST_USE int part_exemplars(struct part *p, const struct index_matchers *how, int64_t from_ms,
                            int64_t to_ms, void (*f)(void *context, const struct exemplar *),
                            void *context);

/* Reads everything: checksums, structure, every chunk. Calls f with a sentence per problem and
 * returns how many there were. */
uint64_t part_verify(struct part *p, void (*f)(void *context, const char *text), void *context);

#endif
