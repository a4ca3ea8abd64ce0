/* store/series/head.h - the newest samples of one tenant, in memory.
 *
 * Series of one target form a group: one column of timestamps, whose positions ("slots") number
 * the values of its series. The open values of a series are plain doubles, none at all while they
 * are constant; 512 of them become a chunk, if no flush comes before. What does not fit the column
 * (out of order, overwriting, histograms) goes into a late list. A flush writes all slots below a
 * mark into a part and then trims them here; between the two, readers see them twice and the merge
 * drops the second.
 *
 * Flow:    batch -> head_append -> slots and log record; head_read -> cursor; flush -> part
 * Threads: lanes append at once. index_lock guards the set of series (readers: lookups; one
 *          writer: new series, sweeps); each group's lock guards the values of its series. Order:
 *          index_lock, then group.
 */
#ifndef STORE_SERIES_HEAD_H
#define STORE_SERIES_HEAD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/map.h"
#include "model/batch.h"
#include "store/face/series.h"
#include "store/series/fingerprint.h"
#include "store/series/lookup.h"
#include "store/series/pairs.h"
#include "store/series/record.h"
#include "store/series/slab.h"

enum {
    HEAD_OPEN_MAX = 512,        /* values in an open block */
    HEAD_ABSENT_MAX = 8,        /* slots missed in a row that are filled with absent markers */
    HEAD_STRIKES = 3,           /* misfits with its group after which a series is moved */
    HEAD_ID_JUMP_MAX = 1 << 26, /* ids left out before a defined one: more is damage */
};

#define HEAD_NO_GROUP UINT32_MAX

struct head_chunk {
    union {
        uint8_t *bytes; /* owned; chunk.h */
        double constant;
    } of;
    uint32_t first_slot;
    uint16_t n;
    uint16_t len; /* 0: constant */
};

struct head_sealed {
    uint32_t n, capacity;
    struct head_chunk v[];
};

/* A sample beside the column: histogram is NULL for floats. */
struct head_late {
    int64_t ts_ms;
    double value;
    struct histogram *histogram; /* owned */
};

struct head_start {
    int64_t ts_ms, start_ms;
};

/* What few series have. */
struct head_extra {
    struct head_late *late; /* [late_n], in the order of arrival */
    uint32_t late_n, late_capacity, late_flushed;
    struct head_start *starts; /* [starts_n] ascending */
    uint32_t starts_n, starts_capacity;
};

enum head_catalogued { HEAD_UNSAVED, HEAD_SAVING, HEAD_SAVED };

struct head_series {
    const uint32_t *pairs;      /* [pairs_n] in canonical order; NULL: a free id */
    double *values;             /* [capacity] of the open block; NULL while all are last */
    struct head_sealed *sealed; /* NULL: none */
    struct head_extra *extra;   /* NULL: nothing of that */
    double last;                /* newest value in order */
    uint32_t group;
    uint32_t first_slot;  /* of the open block */
    uint32_t log_epoch;   /* of the writer that logged last */
    uint32_t seen_minute; /* of the clock, when samples of it were last flushed or it was made */
    uint16_t n;           /* slots in the open block */
    uint16_t capacity;    /* of values */
    uint8_t pairs_n, strikes, gap, catalogued; /* catalogued: enum head_catalogued */
};

struct head_group {
    atomic_uint lock;
    uint32_t base; /* slot number of ts_ms[0] */
    uint32_t n, capacity;
    uint32_t flush_end; /* slots below are being flushed: never changed in place */
    uint32_t unused;
    int64_t *ts_ms;  /* [n] ascending */
    int64_t last_ms; /* newest slot ever; INT64_MIN before the first */
};

struct head_limits {
    uint64_t series_max;            /* of the tenant; 0: none */
    uint64_t series_per_metric_max; /* 0: none */
};

/* How many samples were taken, and their times. Never less than what is there: a flush forgets the
 * span before it as a whole, when all of it has been written. */
struct head_span {
    atomic_ullong samples;
    atomic_llong first_ms, last_ms; /* first > last: none */
};

/* A metric that met a limit, and how often. */
struct head_excess {
    struct str metric; /* owned */
    uint64_t refused;
};

enum { HEAD_EXCESS_MAX = 64 };

/* Called under index_lock for each new series, before anybody can append to it: logs it. */
typedef void head_define_f(void *context, uint32_t lane, uint32_t id, struct str key);

struct head {
    uint32_t tenant;
    pthread_rwlock_t index_lock;
    struct fingerprint_key key;
    struct lookup lookup;
    struct pairs pairs;
    struct slab series;         /* struct head_series */
    struct slab groups;         /* struct head_group */
    struct map by_target;       /* job, instance, stride -> group */
    pthread_mutex_t group_lock; /* making groups */
    uint32_t *free_ids;
    uint32_t free_n, free_capacity;
    uint64_t alive;      /* series */
    uint64_t orphan_end; /* behind the largest id that the log's samples name without a series */
    bool opening; /* definitions go into neither lookup nor postings: head_index_all() will */
    struct head_limits limits;
    struct head_excess excess[HEAD_EXCESS_MAX];
    size_t excess_n;
    uint64_t excess_other;
    struct head_span spans[2];  /* what was appended before and after the newest flush began */
    atomic_uint span;           /* the one that appends are noted in; index_lock to change it */
    atomic_ullong bytes_values; /* of open blocks, chunks and late entries */
    _Atomic uint32_t minute;    /* of the clock, kept by the owner */
    uint32_t *order;            /* [order_n] ids in key order, for flush and select */
    uint32_t order_n, order_capacity;
    uint32_t *fresh; /* [fresh_n] series made since order was last brought up to date */
    uint32_t fresh_n, fresh_capacity;
    head_define_f *define;
    void *define_context;
};

struct head *head_new(uint32_t tenant, const struct head_limits *limits, head_define_f *define,
                      void *context);
void head_free(struct head *h); /* NULL is fine */

static inline struct head_series *head_series_at(const struct head *h, uint32_t id)
{
    return slab_at(&h->series, id);
}

static inline struct head_group *head_group_at(const struct head *h, uint32_t i)
{
    return slab_at(&h->groups, i);
}

/* Samples that no flush has taken yet (or a few more), and the range of their times. */
uint64_t head_samples(const struct head *h);
int64_t head_first_ms(const struct head *h);
int64_t head_last_ms(const struct head *h);

void head_span_clear(struct head_span *span);

/* Notes samples that were taken; index_lock is held for reading. */
void head_note(struct head *h, uint64_t samples, int64_t first_ms, int64_t last_ms);

void head_group_lock(struct head_group *g);
void head_group_unlock(struct head_group *g);

/* Appends the canonical key of a series to out. */
void head_key(const struct head *h, uint32_t id, struct buf *out);

/* Enters a series at a given id: from the catalogue or the log. A second definition of the same
 * series is fine. index_lock must be held for writing, or nobody else may use h yet. */
MUST_USE int head_define(struct head *h, uint32_t id, struct str key);

/* Enters all series into lookup and postings: ends the time of definitions with opening set. */
void head_index_all(struct head *h);

/* The same for a series whose pairs are interned already, in canonical order; known to be new, and
 * only while the head is being opened. */
void head_define_pairs(struct head *h, uint32_t id, const uint32_t *pairs, uint8_t n);

/* Never gives this id to a new series: something on disk stands under it whose series is not known
 * any more. An id that is out of all proportion is left alone. */
void head_reserve(struct head *h, uint32_t id);

/* head_reserve() for all that head_apply() met: head_index_all() may run beside that one, so
 * nothing grows before both are over. */
void head_reserve_orphans(struct head *h);

/* Lets all ids without a series be used again: when nothing on disk names them. */
void head_free_holes(struct head *h);

/* What a lane keeps between batches. */
struct head_writer {
    uint32_t lane;
    uint32_t epoch;    /* stands for (lane, log segment): a value logged in another is not known */
    uint64_t sequence; /* of the next record, set by the caller of head_append() */
    struct record record; /* what the log is to take after an append */
    struct buf key, scratch;
    uint32_t run_group; /* group of the sample before */
    int64_t run_ts_ms;
};

void head_writer_init(struct head_writer *w, uint32_t lane);
void head_writer_done(struct head_writer *w);

/* Begins another epoch: after a change of segment, or when records were lost. */
void head_writer_forget(struct head_writer *w);

/* Takes the samples of b whose err is 0; sets err of those it refuses (a bad key, a limit).
 * Returns how many it took. w->record then holds what must be logged on w's lane. */
int head_append(struct head *h, struct head_writer *w, struct batch *b, struct why *why);

/* What replay remembers of a lane: the last logged value of each series. */
struct head_replay {
    uint64_t *bits;    /* [n] */
    uint32_t *segment; /* [n] */
    size_t n;
};

void head_replay_done(struct head_replay *r);

/* Applies a RECORD_SAMPLES record (behind record_read). Samples of series that are not defined are
 * counted into *ret_orphans, and their ids are reserved. */
MUST_USE int head_apply(struct head *h, struct head_replay *r, uint32_t segment,
                        struct record_reader *record, uint64_t *ret_orphans);

/* Takes out the series that had no samples since before minute; their ids are added to
 * ids[*n] (as far as max) and may be used again once no catalogue or log names them. */
void head_sweep(struct head *h, uint32_t minute, uint32_t *ids, size_t max, size_t *n);

/* Brings order up to date with fresh. index_lock must be held for writing. */
void head_sort(struct head *h);

/* The order of two series by key; both must have been seen by head_sort(). */
int head_compare(const struct head *h, uint32_t a, uint32_t b);

/* Bytes of memory, roughly. */
size_t head_bytes(const struct head *h);

#endif
