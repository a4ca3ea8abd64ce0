/* store/series/written.h - when samples of which times were written last, in constant memory.
 *
 * Readers mark: each mark ends an epoch. A writer notes the epoch in the buckets of the times that
 * it has written: rings of minutes, hours and days without tags, so that a bucket stands for all
 * times that fall on it and says the newest of their epochs. A time's epoch is the least of its
 * three buckets, which is never too small. What lies back is told apart by hours and days, while
 * its minutes have long been overwritten.
 *
 * A reader marks, then reads samples; a writer makes samples visible, then notes. A sample that the
 * reader missed was therefore noted in a later epoch than the mark.
 *
 * Threads: any; no locks. A write in the epoch that its buckets have already changes nothing.
 */
#ifndef STORE_SERIES_WRITTEN_H
#define STORE_SERIES_WRITTEN_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum { WRITTEN_MINUTES = 256, WRITTEN_HOURS = 1024, WRITTEN_DAYS = 1024 };

struct written {
    atomic_ullong epoch; /* the present one, minus 1 */
    atomic_ullong minutes[WRITTEN_MINUTES], hours[WRITTEN_HOURS], days[WRITTEN_DAYS];
};

/* The mark of a reader that begins now, at least 1. */
uint64_t written_mark(struct written *w);

/* Notes samples of these times, after they can be read. */
void written_note(struct written *w, const int64_t *ts_ms, size_t n);

/* Notes all times in [from_ms, to_ms]. */
void written_note_range(struct written *w, int64_t from_ms, int64_t to_ms);

/* The newest epoch in [from_ms, to_ms]; 0: nothing was written there. */
uint64_t written_newest(const struct written *w, int64_t from_ms, int64_t to_ms);

#endif
