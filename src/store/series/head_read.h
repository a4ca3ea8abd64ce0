/* store/series/head_read.h - the samples of the head for a select.
 *
 * A reader belongs to one select. It copies what it reads, so that no lock outlives a call.
 *
 * Threads: a reader belongs to one thread; lanes may append meanwhile.
 */
#ifndef STORE_SERIES_HEAD_READ_H
#define STORE_SERIES_HEAD_READ_H

#include "base/arena.h"
#include "base/map.h"
#include "store/series/index.h"
#include "store/series/head.h"

/* Ids of the series that match, in key order (or NULL where there is none); *ret is the caller's
 * (mem_free). */
void head_read_select(struct head *h, const struct index_matchers *m, uint32_t **ret,
                      size_t *ret_n);

struct head_reader {
    struct head *head;
    int64_t from_ms, to_ms;
    struct arena arena; /* timestamp columns */
    struct map columns; /* group -> struct head_column */
    struct {
        int64_t *v;
        size_t n, capacity;
    } ts;
    struct {
        double *v;
        size_t n, capacity;
    } values;
    struct {
        struct head_late *v;
        size_t n, capacity;
    } late;
    struct {
        const struct histogram **v;
        size_t n, capacity;
    } histograms;
    struct arena of_series; /* histograms of the present series */
};

void head_reader_init(struct head_reader *r, struct head *h, int64_t from_ms, int64_t to_ms);
void head_reader_done(struct head_reader *r);

/* Appends the key of a series; false where it has been swept since the select. */
bool head_reader_key(struct head_reader *r, uint32_t id, struct buf *out);

/* Has the series a sample in the range (roughly: a hole counts as one)? */
bool head_reader_any(struct head_reader *r, uint32_t id);

/* The series' samples in the range: those of the column into *ret_main, those beside it (sorted,
 * newest arrival kept) into *ret_late; n is 0 where there are none. Borrowed until the next call.
 */
void head_reader_samples(struct head_reader *r, uint32_t id, struct column *ret_main,
                         struct column *ret_late);

/* The created timestamps of a series for n ascending times; false where it has none. */
bool head_reader_starts(struct head_reader *r, uint32_t id, const int64_t *ts, size_t n,
                        int64_t *ret);

/* ---- shared with the flush */

/* The values of slots [at, at + n) into out, absent where the series has none. Group lock held. */
void head_gather(const struct head_series *s, uint32_t at, double *out, size_t n);

/* Sorts by time, stable, and keeps the last arrival of each time; returns how many stay. */
size_t head_late_sort(struct head_late *late, size_t n);

#endif
