/* store/series/column.h - putting the pieces of one series together.
 *
 * Pieces come from parts and head, each ascending in time; where two have the same timestamp the
 * later added one wins, so pieces are added from the oldest source to the newest.
 *
 * Threads: one at a time.
 */
#ifndef STORE_SERIES_COLUMN_H
#define STORE_SERIES_COLUMN_H

#include "base/arena.h"
#include "store/face/series.h"

struct column_piece {
    size_t at, n; /* in the joined arrays */
    uint64_t ts_id;
};

struct column_times {
    int64_t *v;
    size_t n, capacity;
};

struct column_values {
    double *v;
    size_t n, capacity;
};

struct column_histograms {
    const struct histogram **v;
    size_t n, capacity;
};

/* The samples of one series, one array per field. */
struct column_arrays {
    struct column_times ts, starts;
    struct column_values values;
    struct column_histograms histograms;
};

struct column_join {
    struct column_arrays a, b; /* b: what merges write into */
    struct {
        struct column_piece *v;
        size_t n, capacity;
    } pieces;
    struct arena arena; /* histograms */
    bool has_histograms, has_starts;
};

/* What of c lies in [from_ms, to_ms]; points into c. */
void column_cut(const struct column *c, int64_t from_ms, int64_t to_ms, struct column *ret);

void column_join_init(struct column_join *j);
void column_join_done(struct column_join *j);

/* Forgets all pieces. */
void column_join_reset(struct column_join *j);

/* Adds what of c lies in [from_ms, to_ms]; copies. */
void column_join_add(struct column_join *j, const struct column *c, int64_t from_ms, int64_t to_ms);

/* Leaves out the samples in [from_ms, to_ms] of all pieces added so far. */
void column_join_remove(struct column_join *j, int64_t from_ms, int64_t to_ms);

/* All of it in order; borrowed until the next reset. */
void column_join_finish(struct column_join *j, struct column *ret);

#endif
