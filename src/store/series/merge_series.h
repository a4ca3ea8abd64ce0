/* store/series/merge_series.h - the samples of one series on their way from several parts into one.
 *
 * Flow:    merge_run -> merge_series_add per chunk, oldest first -> merge_series_end -> part_writer
 * Threads: one at a time.
 */
#ifndef STORE_SERIES_MERGE_SERIES_H
#define STORE_SERIES_MERGE_SERIES_H

#include "base/arena.h"
#include "base/map.h"
#include "store/series/merge.h"
#include "store/series/part_read.h"

/* A chunk of the present series in one of the parts. */
struct merge_source {
    struct part_cursor *cursor;
    size_t chunk;
    const struct part_directory_entry *entry;
    uint32_t rank; /* of the part: larger is newer */
};

/* One sample. */
struct merge_point {
    int64_t ts_ms, start_ms;
    double value; /* chunk_absent: none */
    const struct histogram *histogram;
    uint32_t rank;
};

struct merge_points {
    struct merge_point *v;
    size_t n, capacity;
};

/* A range of time that is gone from the present series in parts of rank <= rank. */
struct merge_gap {
    int64_t from_ms, to_ms;
    uint32_t rank;
};

struct merge_series {
    const struct merge *merge;
    struct part_writer *writer; /* of the present series */
    struct map *columns;        /* times written to writer: 16 bytes of hash -> ref */
    uint64_t seed[2];
    struct merge_gap *gaps; /* [gaps_n] of the present series */
    size_t gaps_n, gaps_capacity;

    struct merge_points open;  /* what later chunks may still overlap, by time */
    struct merge_points ready; /* final, by time */
    struct {
        struct block *v;
        size_t n, capacity;
    } blocks; /* of a tier */
    struct arena histograms;
};

void merge_series_init(struct merge_series *s, const struct merge *m);
void merge_series_done(struct merge_series *s);

/* Begins the next series. */
MUST_USE int merge_series_begin(struct merge_series *s, struct part_writer *w, struct map *columns,
                                struct str key);

/* The next chunk by first_ms; next_ms is the first_ms of the one behind it (INT64_MAX: none). */
MUST_USE int merge_series_add(struct merge_series *s, const struct merge_source *from,
                              int64_t next_ms);

MUST_USE int merge_series_end(struct merge_series *s);

/* Is a sample of this time and rank gone? */
bool merge_series_gone(const struct merge_series *s, int64_t ts_ms, uint32_t rank);

#endif
