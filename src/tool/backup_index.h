/* tool/backup_index.h - the list of files of a backup (or of a part in it): one line a file,
 * "CRC32C BYTES KEY PATH" with "-" for no key, and a last line "end CRC32C" over all before.
 *
 * Threads: one.
 */
#ifndef TOOL_BACKUP_INDEX_H
#define TOOL_BACKUP_INDEX_H

#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "os/disk.h"

enum { BACKUP_KEY_MAX = 256 };

struct backup_file {
    uint32_t crc;
    uint64_t bytes;
    struct str key;  /* directory in parts/; "" for a file of the backup itself */
    struct str path; /* in the data directory */
};

struct backup_index {
    struct buf text;
};

void backup_index_init(struct backup_index *x);
void backup_index_done(struct backup_index *x);

/* Adds a line; key and path of f are not looked at. */
void backup_index_put(struct backup_index *x, const struct backup_file *f, const char *key,
                      const char *path);

/* -ERR_CORRUPT where a line is malformed. */
MUST_USE int backup_index_each(const struct backup_index *x,
                               void (*f)(void *context, const struct backup_file *), void *context);

/* Writes (reads) dir/name. -ERR_CORRUPT where the sum does not match. why may be NULL. */
MUST_USE int backup_index_write(const struct backup_index *x, struct disk *d, const char *dir,
                                const char *name);
MUST_USE int backup_index_read(struct backup_index *x, struct disk *d, const char *dir,
                               const char *name, struct why *why);

#endif
