/* store/series/head_slot.h - where one sample goes within its group.
 *
 * Inside of head.h; nobody else uses it.
 *
 * Threads: the group's lock is held, but for head_slot_group() (no group lock held).
 */
#ifndef STORE_SERIES_HEAD_SLOT_H
#define STORE_SERIES_HEAD_SLOT_H

#include "store/series/head.h"

enum head_slot_result {
    HEAD_SLOT_IN_ORDER, /* the newest value of the series: s->last */
    HEAD_SLOT_FILLED,   /* written into a slot of the open block that was there already */
    HEAD_SLOT_SAME,     /* that very value was there already */
    HEAD_SLOT_BESIDE,   /* not done: it belongs into the late list */
};

/* Puts a float into the column. */
enum head_slot_result head_slot_put(struct head *h, struct head_group *g, struct head_series *s,
                                    int64_t ts_ms, double value);

/* Adds to the late list; takes the histogram. */
void head_slot_late(struct head *h, struct head_series *s, int64_t ts_ms, double value,
                    struct histogram *histogram);

/* Notes a created timestamp from ts_ms on; false where it is the one that held already. */
bool head_slot_start(struct head *h, struct head_series *s, int64_t ts_ms, int64_t start_ms);

/* Gives a series its group: that of its target, else of the sample before it (neighbour, may be
 * HEAD_NO_GROUP), else a new one. index_lock is held for reading. */
uint32_t head_slot_group(struct head *h, struct head_series *s, uint32_t neighbour);

/* Gives the values of the open block back. */
void head_slot_free_values(struct head *h, struct head_series *s);

/* Closes the open block into a chunk. */
void head_slot_seal(struct head *h, struct head_series *s);

#endif
