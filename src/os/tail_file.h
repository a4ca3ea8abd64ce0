/* os/tail_file.h - a file that others write, read where one likes.
 *
 * Source:  open(2), pread(2), fstat(2).
 * Threads: one at a time.
 */
#ifndef OS_TAIL_FILE_H
#define OS_TAIL_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"

struct tail_file {
    int fd;         /* -1: not open */
    uint64_t inode; /* of the file that is or was open */
};

/* -ERR_NOENT, -ERR_DENIED; -ERR_UNSUPPORTED for what is no file (a pipe would block). */
MUST_USE int tail_file_open(const char *path, struct tail_file *ret);
void tail_file_close(struct tail_file *f);

/* At most n bytes from offset on; *ret_n is 0 at the end. */
MUST_USE int tail_file_read(struct tail_file *f, uint64_t offset, char *p, size_t n, size_t *ret_n);
MUST_USE int tail_file_size(struct tail_file *f, uint64_t *ret);

#endif
