/* client/send/queue.h - what waits to leave the process: envelopes, logs, spans, the oldest first.
 *
 * An envelope is on disk from the moment it is put (in memory only where the disk refuses); logs
 * and spans are in memory up to send.memory_bytes, then on disk. Each kind has its bounds:
 * spool.bytes, QUEUE_FILES_MAX and spool.age_s; what exceeds them goes, the oldest first, counted
 * as lost.
 *
 * There may be two takers: the daemon, and who is reached directly (a DSN, OTLP). An entry leaves
 * the queue when one of them has it, or, where queue_need() says so, when each of those has.
 *
 *     put -> waits -> queue_next() lends it to a taker -> queue_taken() | queue_back() |
 * queue_drop()
 *
 * Threads: the worker, or whoever stands for it; queue_stats(): any.
 */
#ifndef CLIENT_SEND_QUEUE_H
#define CLIENT_SEND_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/core/lost.h"
#include "client/core/outgoing.h"
#include "client/core/text.h"
#include "client/send/spool.h"

enum { QUEUE_FILES_MAX = 4096 }; /* of a kind */

enum queue_taker { QUEUE_DAEMON = 1, QUEUE_DIRECT = 2 };

struct queue_entry {
    struct queue_entry *next, *previous;
    uint64_t order; /* of arrival in this process, from 1 */
    struct spool_name name;
    size_t size;
    uint8_t lent;  /* bits: takers that are at it */
    uint8_t taken; /* and those that have it; name.taken is what the file's name says */
    bool on_disk;
    char *bytes; /* [size]; NULL: on disk alone */
};

void queue_put(const struct outgoing *what, const struct text *payload);
/* Takes over what processes before us have left, and lets go of what is too old. */
void queue_adopt(void);

/* The oldest entry of a kind that waits for this taker, now lent to it; NULL: none. */
struct queue_entry *queue_next(enum spool_kind kind, enum queue_taker taker);
/* Is there one? (Of those that were put up to an order; UINT64_MAX: of all.) Lent ones count. */
bool queue_waits(enum spool_kind kind, enum queue_taker taker, uint64_t order);
/* Appends its contents. SONDE_ERROR_NOT_FOUND: somebody has removed the file, the entry is dropped;
 * SONDE_ERROR_MEMORY: no room in ret, the entry is given back. */
int queue_read(struct queue_entry *e, enum queue_taker taker, struct text *ret);
void queue_taken(struct queue_entry *e, enum queue_taker taker);
void queue_back(struct queue_entry *e, enum queue_taker taker);
/* The taker will never have it. Gone where it is the only one left to have it. */
void queue_drop(struct queue_entry *e, enum queue_taker taker, enum lost_reason reason);
/* Who must have entries of this kind: bits of queue_taker; 0: whoever comes first. */
void queue_need(enum spool_kind kind, uint8_t takers);

/* Writes what is in memory alone to disk; all: logs and spans too, otherwise envelopes (which the
 * disk refused before) and what exceeds send.memory_bytes. */
void queue_spill(bool all);
uint64_t queue_last(void); /* order of the newest */

/* Frees entries; files stay. forked: the memory is the parent's idea of it, leave it alone. */
void queue_stop(bool forked);

struct queue_stats {
    uint64_t memory_bytes, memory_entries;
    uint64_t disk_bytes[SPOOL_KINDS], disk_files[SPOOL_KINDS];
    uint64_t disk_refused;  /* writes that failed */
    int64_t oldest_unix_ns; /* 0: nothing waits */
};
void queue_stats(struct queue_stats *ret);

enum lost_category queue_category(const struct spool_name *name);
const char *queue_kind_name(enum spool_kind kind);

#endif
