/* os/disk_sim.h - a disk in memory for tests, which tears, loses and refuses as real ones may.
 *
 * Bytes that were not synced live apart from those that were. Cutting the power keeps a random
 * subset of the unsynced 512-byte sectors of each file, and of each directory's unsynced creates,
 * renames, links and removes a random prefix. Everything follows from one seed, so a failure is
 * repeated by its seed (as long as one thread at a time uses the disk).
 *
 * Not simulated: reordering between directories, permissions, times.
 *
 * Threads: any; one lock.
 */
#ifndef OS_DISK_SIM_H
#define OS_DISK_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include "os/disk.h"

enum { DISK_SIM_SECTOR = 512 }; /* bytes that are written wholly or not at all */

/* What a power cut does to what was not synced. */
enum disk_sim_crash {
    DISK_SIM_TORN, /* a random part of it survives */
    DISK_SIM_LOSE, /* nothing survives */
    DISK_SIM_KEEP, /* everything survives: as when only the process died */
};

struct disk_sim_stats {
    uint64_t calls, bytes_written, bytes_read, writes, syncs, dir_syncs;
};

/* An empty disk that is free of errors. capacity 0: no limit. disk_free() frees it. */
struct disk *disk_sim_new(uint64_t seed, uint64_t capacity_bytes);

/* From now on every call fails with -ERR_IO, as if the power were off. */
void disk_sim_power_off(struct disk *d);

/* Decides what survived and answers calls again. Files that were open before stay dead (-ERR_IO);
 * they must still be closed. Locks are released. Fault settings are cleared. */
void disk_sim_power_on(struct disk *d, enum disk_sim_crash how);

/* disk_sim_power_off() and _on() at once. */
void disk_sim_crash(struct disk *d, enum disk_sim_crash how);

/* The power goes off at the n-th call from now that changes anything (1: the next); a write at
 * that point is torn. 0 forgets it. */
void disk_sim_power_off_at(struct disk *d, uint64_t n);

/* Was the power cut? */
bool disk_sim_is_off(struct disk *d);

void disk_sim_set_capacity(struct disk *d, uint64_t capacity_bytes); /* 0: no limit */

/* The n-th call from now that changes or syncs anything (1: the next) fails with -code; with
 * lasting set, so do all after it until disk_sim_heal(). A failed sync drops the unsynced bytes
 * for good while reads still show them (Linux's page cache); a failed write leaves a part. */
void disk_sim_fail_at(struct disk *d, uint64_t n, enum err code, bool lasting);

/* Only syncs count for the rule above. */
void disk_sim_fail_sync_at(struct disk *d, uint64_t n, enum err code, bool lasting);

void disk_sim_heal(struct disk *d);

/* Flips one bit of a file, on disk and as read; false where the file or byte is not there. */
bool disk_sim_flip(struct disk *d, const char *path, uint64_t bit);

struct disk_sim_stats disk_sim_stats(struct disk *d);

#endif
