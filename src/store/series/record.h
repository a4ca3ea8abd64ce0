/* store/series/record.h - the log's records of samples: about two bytes each.
 *
 * A record holds samples of one tenant in the order of arrival. Ids are differences, values are
 * XORed with the last value that the same lane logged for the series in the same log segment (the
 * writer says "absolute" where there is none), equal values come in runs. docs/format/record.md.
 *
 * Threads: one at a time.
 */
#ifndef STORE_SERIES_RECORD_H
#define STORE_SERIES_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"

enum record_type {
    RECORD_SAMPLES = 1,  /* this file */
    RECORD_SERIES = 2,   /* tenant number, id, canonical key */
    RECORD_TENANT = 3,   /* number, name */
    RECORD_EXEMPLAR = 4, /* tenant number, key, labels, ts, value */
    RECORD_METADATA = 5, /* tenant number, type, metric, help, unit */
};

enum { RECORD_SAMPLE_MAX = 48 }; /* bytes of one float sample at most */

struct record {
    struct buf bytes;
    uint32_t next_id; /* the id that needs no jump */
    int64_t ts_ms;
    uint64_t run; /* equal values not yet written */
};

/* Empty, with memory for a whole batch. */
void record_init(struct record *r);
void record_done(struct record *r);

/* Begins a record. sequence grows with every record of all lanes: replay applies them in its order,
 * so that the last write of two lanes wins there too. */
void record_begin(struct record *r, uint32_t tenant, uint64_t sequence);

/* A sample in order: bits is the value, before the one to XOR with (0 where absolute). */
void record_sample(struct record *r, uint32_t id, int64_t ts_ms, uint64_t before, bool absolute,
                   uint64_t bits);

/* A sample whose value is not to be remembered: out of order or overwriting. */
void record_late(struct record *r, uint32_t id, int64_t ts_ms, uint64_t bits);

/* A native histogram, as bytes of histogram_encode(). */
void record_histogram(struct record *r, uint32_t id, int64_t ts_ms, struct str bytes);

/* A created timestamp that holds for the series from ts_ms on. */
void record_start(struct record *r, uint32_t id, int64_t ts_ms, int64_t start_ms);

/* Ends the record; its bytes are what the log takes. */
struct str record_finish(struct record *r);

enum record_kind { RECORD_IN_ORDER, RECORD_LATE, RECORD_HISTOGRAM, RECORD_START };

struct record_entry {
    enum record_kind kind;
    uint32_t id;
    int64_t ts_ms;
    bool absolute;    /* RECORD_IN_ORDER: change is the value itself */
    uint64_t change;  /* RECORD_IN_ORDER: XOR; RECORD_LATE: the value's bits */
    int64_t start_ms; /* RECORD_START */
    struct str bytes; /* RECORD_HISTOGRAM */
};

struct record_reader {
    const uint8_t *p, *end;
    uint32_t tenant, next_id;
    uint64_t sequence;
    int64_t ts_ms;
    uint64_t run;
};

/* Starts reading; -ERR_FORMAT where even tenant and sequence are missing. */
MUST_USE int record_read(struct record_reader *r, struct str bytes);

/* The next entry: 1, 0 at the end, -ERR_FORMAT. */
MUST_USE int record_next(struct record_reader *r, struct record_entry *ret);

#endif
