/* apps/signal_record.h - a signal and who sent it, as rows of a queue on disk (forward/queue.h).
 *
 * A block of the queue is smaller than a signal may be: a long one is written as several parts, of
 * which only the last counts as a row, so that half a signal is never read.
 *
 * Source:  docs/format/spool.md
 * Threads: one at a time for each reader.
 */
#ifndef APPS_SIGNAL_RECORD_H
#define APPS_SIGNAL_RECORD_H

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "forward/queue.h"
#include "model/signal_sink.h"

enum { SIGNAL_RECORD_BYTES_MAX = 16 << 20 };

/* Appends s; *ret_row is its number. On an error nothing of it will be read. */
MUST_USE int signal_record_append(struct queue *q, const struct signal *s, uint64_t *ret_row);

struct signal_record {
    struct signal signal; /* texts and bytes live until the next read */
    uint64_t row;
    struct queue_position next;
};

struct signal_record_reader {
    struct queue_reader queue;
    struct buf bytes; /* of the parts so far, the header first */
    struct arena arena;
    size_t header_n;
    unsigned part, parts; /* that comes next, of how many; 0 of 0: none has begun */
    uint8_t kind;
};

void signal_record_reader_init(struct signal_record_reader *r, struct queue *q,
                               struct queue_position at);
void signal_record_reader_done(struct signal_record_reader *r);

/* The next record: 1, or 0 where there is none yet. What is damaged is left out. */
MUST_USE int signal_record_read(struct signal_record_reader *r, struct signal_record *ret);

/* Takes the bytes of one block in: 1 where a record is whole, 0 where more parts belong to it,
 * -ERR_CORRUPT; for the reader, and for signal_record_fuzz.c. */
MUST_USE int signal_record_part(struct signal_record_reader *r, struct str block,
                                struct signal_record *ret);

#endif
