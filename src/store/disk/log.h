/* store/disk/log.h - the write-ahead log: records of many lanes, made durable by group commit.
 *
 * It knows no sample and no series: a record is a type and bytes. See docs/format/log.md.
 *
 * The protocol of a lane (a lane belongs to one thread at a time; log_enter() waits for its turn):
 *
 *   err = log_enter(l, lane, &segment)  refused while the disk is full or broken: answer that
 *   if (segment != state.segment) forget what values were XORed against;
 *   define new series:    log_append_first()   is written before all lanes' other records
 *   their samples:        log_append()         of the same commit
 *   apply to memory
 *   log_commit(l, lane, done, context); done() on the commit thread when all that is durable
 *   log_leave(l, lane);
 *
 * - Records of a lane come back from log_replay() in order within a segment (those appended first
 *   before those of the same commit), segments in order of their numbers.
 * - A definition that was made for segment s may be relied on by any lane whose segment is >= s.
 *   A lane that is still in an older segment has to repeat it there.
 * - After a failed commit its records may or may not be on disk. Every lane gets a new segment
 *   number, greater than log_floor() - 1: definitions that were made for segments below log_floor()
 *   and that nothing else keeps (a catalogue on disk) have to be repeated before they are used.
 * - log_rotate() returns when no lane is inside an older segment any more: what those hold has
 *   then been applied to memory, and once memory has been flushed log_drop_before() may be called.
 *
 * Full disks: segments are preallocated and the next one is kept ready; where free space is below
 * the reserve, or no new segment can be made after a failure, log_enter() refuses at once
 * (-ERR_FULL, -ERR_IO) and the commit thread looks every 100 ms whether that is over.
 *
 * Flow:    lanes -> chunks in memory -> blocks (CRC32C or AES-256-GCM) -> segment file -> sync
 *          -> done()
 * Threads: any; one commit thread inside.
 */
#ifndef STORE_DISK_LOG_H
#define STORE_DISK_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "crypt/keyring.h"
#include "os/disk.h"

enum {
    LOG_RECORD_MAX = (1 << 20) - 128, /* bytes of one record */
    LOG_LANES_MAX = 64,
    LOG_RETRY_MS = 100,
};

struct log_settings {
    uint32_t lanes;             /* 1 .. LOG_LANES_MAX */
    uint64_t segment_bytes;     /* 0: 64 MiB; made smaller on a small disk */
    int64_t commit_interval_ms; /* 0: 100; records that nobody waits for are written after this */
    bool unsynced;              /* call back after write(); sync on the interval only */
    size_t lane_bytes_max;      /* that wait; 0: 16 MiB */
    uint64_t reserve_bytes;     /* of free space; 0: max(1 %, 16 MiB), at most 1/16 of the disk */
    uint64_t first_segment;     /* numbers begin here at least: what the flush has noted down */
    bool manual;                /* no thread: log_step() commits (tests and offline tools) */
};

struct log;

/* Opens the log in directory dir (made where it is missing). Segments that are there are synced,
 * the torn end of the last one is cut off, and a new segment is begun; replay before. Succeeds on
 * a full disk too, and then refuses records until there is room. ring (NULL: in the clear) is
 * borrowed as long as the log lives. */
MUST_USE int log_open(struct disk *d, const char *dir, const struct keyring *ring,
                      const struct log_settings *settings, struct log **ret, struct why *why);

/* Commits what was appended, answers everybody, ends the thread. No lane may be inside. NULL is
 * fine. */
void log_close(struct log *l);

/* ---- lanes */

/* Waits for the lane's turn and gives the number of the segment in which all that is appended until
 * log_leave() will be written. While the log refuses (-ERR_FULL, -ERR_IO) or too much of the lane
 * waits to be written (-ERR_BUSY) the lane is not entered: do not call log_leave() then. */
MUST_USE int log_enter(struct log *l, uint32_t lane, uint64_t *ret_segment);
void log_leave(struct log *l, uint32_t lane);

/* Copies a record. -ERR_LIMIT above LOG_RECORD_MAX. Another error says that a commit failed since
 * log_enter(): all that the lane appended since then is lost, and the next log_enter() gives a new
 * segment. After any error leave the lane and forget its state. */
MUST_USE int log_append(struct log *l, uint32_t lane, uint8_t type, const void *p, size_t n);
MUST_USE int log_append_first(struct log *l, uint32_t lane, uint8_t type, const void *p, size_t n);

/* Calls done(context, err) on the commit thread once everything that was appended on the lane is
 * durable (err 0), or not (-ERR_x). Between log_enter() and log_leave(). */
void log_commit(struct log *l, uint32_t lane, void (*done)(void *context, int err), void *context);

/* 0, or why records are refused at present (-ERR_FULL, -ERR_IO ...). Cheap. */
int log_ready(const struct log *l);

/* Definitions that were made for segments below this number may be lost. Cheap. */
uint64_t log_floor(const struct log *l);

/* ---- segments */

/* Begins a new segment and returns its number N; every record of older segments has been appended
 * and its lane has left when this returns. Not from inside a lane. */
uint64_t log_rotate(struct log *l);

/* Removes the segments before number n (never the newest one). */
MUST_USE int log_drop_before(struct log *l, uint64_t n);

struct log_stats {
    uint64_t first_segment, segment; /* oldest on disk; the one that is written (0: none) */
    uint64_t segments;               /* files on disk */
    uint64_t bytes;                  /* in them, without what is only preallocated */
    uint64_t commits, failures, records, waiting_bytes;
};
struct log_stats log_stats(struct log *l);

/* manual only: one round of the commit thread; true where it wrote or answered anything. */
bool log_step(struct log *l);

/* ---- replay */
struct log_record {
    uint64_t segment;
    uint32_t lane;
    uint8_t type;
    /* Records of this lane that came before it in this segment may have been lost to damage: what
     * refers to them cannot be decoded. */
    bool after_gap;
    const uint8_t *p; /* [n], borrowed for the call */
    size_t n;
};

struct log_replay {
    uint64_t from_segment;                                    /* older ones are left out */
    int (*record)(void *context, const struct log_record *r); /* non-zero ends the replay with it */
    void (*warn)(void *context, const char *text); /* may be NULL; one sentence about damage */
    void *context;
};

struct log_replay_result {
    uint64_t segments, records, bytes;
    uint64_t last_segment; /* greatest number there is, 0: none */
    uint64_t damaged_blocks, damaged_bytes;
};

/* Reads all segments in order. Only the end of the last one may be torn without a warning; damage
 * elsewhere costs the blocks it hits, is told to warn(), and does not end the replay. Changes
 * nothing on disk. -ERR_KEY where the key of a segment is missing; -ERR_NOENT never: no directory
 * is an empty log. */
MUST_USE int log_replay(struct disk *d, const char *dir, const struct keyring *ring,
                        const struct log_replay *replay, struct log_replay_result *ret,
                        struct why *why);

/* Replays the bytes of one segment as if they were a file (fuzzing, tools). */
MUST_USE int log_replay_bytes(const void *p, size_t n, uint64_t segment,
                              const struct log_replay *replay, struct log_replay_result *ret);

#endif
