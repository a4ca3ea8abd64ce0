/* forward/queue.h - what is still to be sent, on disk: blocks in segments, read by many.
 *
 * A block is sealed as the log's blocks are (store/disk/log_segment.h: CRC32C, or AES-256-GCM where
 * there is a key), so that a torn or damaged one is known; reading goes on with the next segment.
 * Every row has a number that counts up for ever, so that a reader knows how many it lost. The
 * whole is bounded: what would be too much drops the oldest segment.
 *
 * Appended bytes are the kernel's when queue_append() returns (they survive the death of the
 * process) and durable after queue_sync().
 *
 * Flow:    lanes -> queue_append() -> segments -> queue_read() by each destination
 * Source:  docs/format/forward.md
 * Threads: any; one lock. A struct queue_reader belongs to one.
 */
#ifndef FORWARD_QUEUE_H
#define FORWARD_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "crypt/keyring.h"
#include "os/disk.h"

enum {
    QUEUE_BLOCK_MAX = 512 * 1024, /* bytes of rows in a block */
    QUEUE_BYTES_MIN = 4 << 20,    /* least size of a queue */
};

struct queue;

/* Opens the queue in dir (made where it is missing); the first new block begins a new segment.
 * ring (NULL: in the clear) is borrowed. */
MUST_USE int queue_open(struct disk *d, const char *dir, const struct keyring *ring,
                        uint64_t bytes_max, struct queue **ret, struct why *why);
void queue_close(struct queue *q); /* syncs; NULL is fine */

/* Adds a block of a tenant's rows. An error (-ERR_FULL, -ERR_IO, ..) loses it; the next one begins
 * a new segment. */
MUST_USE int queue_append(struct queue *q, struct str tenant, struct str bytes, uint32_t rows);

/* Makes what was appended durable; lanes need not wait meanwhile. One thread at a time. */
MUST_USE int queue_sync(struct queue *q);

struct queue_facts {
    uint64_t next;    /* number of the next row */
    uint64_t bytes;   /* on disk */
    uint64_t dropped; /* segments that went because the queue was full, since it was opened */
};
struct queue_facts queue_facts(struct queue *q);

/* Where a reader is. */
struct queue_position {
    uint64_t segment, offset; /* of the next block */
    uint64_t row;             /* number of the next row */
};

/* Behind all that is there now. */
struct queue_position queue_end(struct queue *q);

/* Segments before that one are needed by nobody any more. */
void queue_trim(struct queue *q, uint64_t segment);

struct queue_reader {
    struct queue *queue;
    struct queue_position at;
    struct disk_file *file; /* of file_segment, or NULL */
    uint64_t file_segment;
    struct cipher *cipher;
    struct buf block, plain;
    uint64_t lost; /* rows that were gone before they were read */
};

void queue_reader_init(struct queue_reader *r, struct queue *q, struct queue_position at);
void queue_reader_done(struct queue_reader *r);

struct queue_block {
    struct str tenant;
    struct buf bytes; /* the rows; the caller's: buf_done() */
    uint32_t rows;
    uint64_t row;               /* number of the first */
    struct queue_position next; /* behind it */
};

/* The next block: 1, or 0 where there is none yet. tenant is valid until the next call. */
MUST_USE int queue_read(struct queue_reader *r, struct queue_block *ret);

/* Reads what a sealed block holds; for queue_fuzz.c. -ERR_CORRUPT. */
MUST_USE int queue_unpack(struct str payload, struct queue_block *ret);

#endif
