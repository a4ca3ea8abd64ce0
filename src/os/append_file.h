/* os/append_file.h - a file that grows at its end and is rotated: NAME, NAME.1, NAME.2, ..
 *
 * Each rotation is renames and a sync of the folder, so that no name is lost in a power cut.
 *
 * Source:  open(2) O_APPEND, rename(2), fsync(2).
 * Threads: one at a time.
 */
#ifndef OS_APPEND_FILE_H
#define OS_APPEND_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

struct append_file {
    char *path; /* owned */
    int fd;     /* -1: not open */
    int64_t size, size_max;
    int64_t files; /* kept, with the present one */
};

/* Nothing is opened before the first write. */
void append_file_init(struct append_file *f, const char *path, int64_t size_max, int64_t files);
void append_file_done(struct append_file *f);

/* Appends what there is room for; *ret_n bytes were taken. -ERR_FULL, -ERR_IO, .. with less. */
MUST_USE int append_file_write(struct append_file *f, struct str bytes, size_t *ret_n);

/* Appends the last bytes of path and of path.1 before it, at most n. */
void append_file_tail(const char *path, size_t n, struct buf *ret);

/* Writes a file whole or not at all: NAME.new, rename, sync of both where durable. */
MUST_USE int append_file_replace(const char *path, struct str bytes, bool durable);

#endif
