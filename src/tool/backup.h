/* tool/backup.h - backups of a store in another directory, and what is made of them again.
 *
 * parts/KEY/ holds the files of a part once, whatever number of backups need it (a part never
 * changes; KEY has its tenant, its name and a checksum of its meta and its files' identities).
 * backups/NAME/ holds the small files of one backup and its index, which names every file with size
 * and CRC32C. Both appear under their names when they are complete. docs/format/backup.md.
 *
 * Flow:    snapshot -> backup_make() -> directory -> backup_restore() -> data directory
 * Threads: one.
 */
#ifndef TOOL_BACKUP_H
#define TOOL_BACKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "crypt/keyring.h"
#include "os/disk.h"

struct backup_job {
    struct disk *from;    /* the data directory */
    const char *snapshot; /* "snapshots/NAME" in it */
    struct disk *to;
    const struct keyring *ring; /* to check what is copied; NULL: only what is not encrypted */
    bool full;                  /* copy parts anew that are there already */
    void (*say)(void *context, const char *text); /* damage that is met; may be NULL */
    void *context;
};

struct backup_result {
    char name[128];
    uint64_t parts, parts_copied, bytes_copied;
    uint64_t unchecked; /* files whose key is missing */
    uint64_t problems;  /* damaged files: they are in the backup as they are */
};

MUST_USE int backup_make(const struct backup_job *job, struct backup_result *ret, struct why *why);

struct backup_info {
    const char *name;
    uint64_t parts, files, bytes; /* bytes: of all files that a restore writes */
    bool sound;                   /* false: its index is damaged */
};

/* Oldest first. */
MUST_USE int backup_list(struct disk *d, void (*f)(void *context, const struct backup_info *),
                         void *context, struct why *why);

/* Removes all backups but the newest keep, then the parts that no other needs. Where an index is
 * damaged no part is removed (-ERR_CORRUPT). */
MUST_USE int backup_prune(struct disk *d, size_t keep, uint64_t *ret_removed, struct why *why);

/* Writes backup name (NULL: the newest) into directory dir of disk to, which must be empty or not
 * there. It appears as a whole: first under dir.restore. Every file is checked on its way. */
MUST_USE int backup_restore(struct disk *from, const char *name, struct disk *to, const char *dir,
                            char ret_name[128], struct why *why);

#endif
