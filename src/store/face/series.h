/* store/face/series.h - what a store of series can be asked: the table of functions that query,
 * serve and ingest share with the store on disk and, later, with one on a cluster.
 *
 * A select gives a cursor that streams series in the order of their canonical keys (model/labels.h)
 * and, per series, either its samples or its blocks. Blocks carry aggregates, so that a long window
 * or a count needs no decoding; a tier (downsampled data) has nothing but such blocks.
 *
 * Threads: any; a cursor belongs to one thread. A cursor sees every sample whose append returned
 * before the select.
 */
#ifndef STORE_FACE_SERIES_H
#define STORE_FACE_SERIES_H

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

enum match_type { MATCH_EQUAL, MATCH_NOT_EQUAL, MATCH_REGEX, MATCH_NOT_REGEX };

/* A missing label equals the empty value. Regular expressions are RE2, anchored at both ends, and
 * '.' matches line ends. */
struct matcher {
    enum match_type type;
    struct str name, value;
};

/* Samples of one series, oldest first, times strictly ascending. Staleness markers are included
 * (sample_is_stale). Borrowed until the cursor moves. */
struct column {
    const int64_t *ts_ms;                     /* [n] */
    const double *value;                      /* [n]; undefined where histogram[i] is set */
    const struct histogram *const *histogram; /* [n], NULL for floats; NULL: floats only */
    const int64_t *start_ms; /* [n] created timestamps, or NULL where none is known */
    size_t n;
    /* Two columns of one cursor with the same non-zero ts_id have the same ts_ms: what was worked
     * out about the times of one holds for the other. */
    uint64_t ts_id;
};

/* A run of samples of one series that follow each other in time and do not overlap other blocks. */
struct block {
    int64_t first_ms, last_ms; /* of its samples */
    uint32_t n;                /* samples, staleness markers included */
    /* The aggregates below hold: floats only, neither NaN nor staleness marker among them. */
    bool summarised;
    bool tier; /* downsampled: it has no samples to decode */
    double sum, min, max, first, last;
    double reset_sum; /* what counter resets lost: sum of v[i-1] where v[i] < v[i-1] */
    uint32_t resets;
    uint64_t handle; /* the cursor's own */
};

enum select_want {
    SELECT_KEYS,    /* series that have a sample in the range; views carry no data */
    SELECT_SAMPLES, /* view.column */
    SELECT_BLOCKS,  /* view.blocks, which cover all samples of the range (maybe more around it) */
};

struct select {
    const struct matcher *matchers; /* [matchers_n], at least one that does not match "" */
    size_t matchers_n;
    int64_t from_ms, to_ms; /* both inclusive */
    enum select_want want;
    /* Only series with hash % shards == shard, so that several threads can share one select; 0, 0
     * for all. */
    uint32_t shard, shards;
    uint64_t series_max; /* more is -ERR_LIMIT; 0: no limit */
    /* Who asks looks at times only: of a run of samples without staleness markers, the values may
     * be any (but no markers). Spares decoding them. */
    bool times_only;
};

struct series_view {
    struct str key; /* canonical; borrowed until the cursor moves */
    struct column column;
    const struct block *blocks; /* [blocks_n] */
    size_t blocks_n;
};

struct series_cursor;

/* A part of the answer is missing (a damaged page, for instance): the sentence says which. */
typedef void series_warning_f(void *context, const char *text);

struct cardinality_row {
    struct str name;
    uint64_t n;
};

/* What the index holds now (the head; borrowed from the arena passed in). */
struct cardinality {
    uint64_t series, label_pairs, label_names;
    uint64_t chunks; /* runs of samples in memory */
    int64_t first_ms, last_ms;
    /* Largest first, at most top rows. by_bytes: of a label's values, in all series that have it.
     */
    struct cardinality_row *by_metric, *by_label, *by_bytes, *by_pair;
    size_t by_metric_n, by_label_n, by_bytes_n, by_pair_n;
};

struct series_store;

struct series_store_ops {
    /* The tenant of that name, or NULL where none has ever written. */
    struct tenant *(*tenant)(struct series_store *s, struct str name);

    int (*select)(struct series_store *s, struct tenant *t, const struct select *how,
                  struct series_cursor **ret, struct why *why);
    /* The next series: 1 with *ret filled, 0 at the end, -ERR_x. */
    int (*next)(struct series_cursor *c, struct series_view *ret, struct why *why);
    /* About how many series a cursor that has not moved yet will give (not less). May be NULL. */
    uint64_t (*estimate)(const struct series_cursor *c);
    /* Cuts a cursor that has not moved yet (and has no series_max) into at most n, over consecutive
     * ranges of keys: c is then the first of them, ret[0 ..] are the others in order; returns how
     * many these are, 0 .. n - 1. Each is closed for itself and may be read by a thread of its own.
     * Who calls this has an estimate of what is worth it. May be NULL. */
    size_t (*split)(struct series_cursor *c, size_t n, struct series_cursor **ret);
    /* The samples of a block of the present view; borrowed until the next decode or next. */
    int (*decode)(struct series_cursor *c, const struct block *b, struct column *ret);
    /* Tells of every gap that the answer so far has. */
    void (*warnings)(struct series_cursor *c, series_warning_f *f, void *context);
    void (*close)(struct series_cursor *c);

    /* Sorted names (values) of the series that match (all where matchers_n is 0) and have samples
     * in [from_ms, to_ms]; memory from a. */
    int (*label_names)(struct series_store *s, struct tenant *t, const struct select *how,
                       struct arena *a, struct str **ret, size_t *ret_n, struct why *why);
    int (*label_values)(struct series_store *s, struct tenant *t, struct str name,
                        const struct select *how, struct arena *a, struct str **ret, size_t *ret_n,
                        struct why *why);

    /* Exemplars of the series that match, in the order of key, then time. */
    int (*exemplars)(struct series_store *s, struct tenant *t, const struct select *how,
                     struct arena *a, struct exemplar **ret, size_t *ret_n, struct why *why);
    /* Metadata of metric (all where metric.n is 0), sorted by name. */
    int (*metadata)(struct series_store *s, struct tenant *t, struct str metric, struct arena *a,
                    struct metadata **ret, size_t *ret_n);
    int (*cardinality)(struct series_store *s, struct tenant *t, size_t top, struct arena *a,
                       struct cardinality *ret);

    /* For caches of what was read. mark() gives a number and begins the next one: read it before
     * reading samples. written() is the greatest number at which a write, deletion or retention may
     * have touched samples in [from_ms, to_ms]: what was read after a mark still holds where it is
     * not greater than that mark. Never too small, maybe too great (it is kept for minutes, hours
     * and days). Both NULL: nothing may be cached. */
    uint64_t (*mark)(struct series_store *s, struct tenant *t);
    uint64_t (*written)(struct series_store *s, struct tenant *t, int64_t from_ms, int64_t to_ms);

    /* At most how many samples and series there are in [from_ms, to_ms]; costs nothing that grows
     * with them. May be NULL. */
    void (*bound)(struct series_store *s, struct tenant *t, int64_t from_ms, int64_t to_ms,
                  uint64_t *ret_samples, uint64_t *ret_series);

    /* Hides the samples of the series that match in [from_ms, to_ms], durably; the space comes back
     * with the next merges. */
    int (*remove)(struct series_store *s, struct tenant *t, const struct matcher *matchers,
                  size_t matchers_n, int64_t from_ms, int64_t to_ms, struct why *why);
};

struct series_store {
    const struct series_store_ops *ops;
};

#endif
