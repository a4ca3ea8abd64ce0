/* store/series/head_flush.h - what a flush takes out of the head.
 *
 *   head_flush_mark()      all slots there are now are to be flushed
 *   head_flush_times()     per group, once
 *   head_flush_series()    per series, in key order -> part_writer
 *   head_flush_trim()      the part is published: let go of what it holds
 *   head_flush_cancel()    or it failed: everything stays
 *
 * Threads: one flush per head at a time; lanes append meanwhile.
 */
#ifndef STORE_SERIES_HEAD_FLUSH_H
#define STORE_SERIES_HEAD_FLUSH_H

#include "store/series/head_read.h"

void head_flush_mark(struct head *h);

/* The timestamps below the mark of a group: number of its first slot and a copy (mem_free; NULL
 * where there are none). */
void head_flush_times(struct head *h, uint32_t group, uint32_t *ret_base, int64_t **ret_ts,
                      size_t *ret_n);

/* What is written of one series: slots below the mark and the late entries there are. */
struct head_flush {
    uint32_t group;      /* HEAD_NO_GROUP: no slots */
    uint32_t first_slot; /* of v[0] */
    const double *v;     /* [n], absent slots among them */
    size_t n;
    const struct head_late *late; /* [late_n] sorted by time, the newest of equal times only */
    size_t late_n;
    const struct head_start *starts; /* [starts_n] */
    size_t starts_n;
};

/* Everything in *ret is a copy, valid until the next call with the same reader. A flush that writes
 * several parts asks for each series several times: the late entries there are at the first time
 * are what it flushes. False where the series has nothing to flush or a group from groups_n on. */
bool head_flush_series(struct head_reader *r, uint32_t id, size_t groups_n, bool first,
                       struct head_flush *ret);

void head_flush_trim(struct head *h);
void head_flush_cancel(struct head *h);

#endif
