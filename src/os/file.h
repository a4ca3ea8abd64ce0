/* os/file.h - files that are not the store's: configuration, pages that are written for people.
 *
 * What the store keeps goes through os/disk.h instead.
 *
 * Threads: any.
 */
#ifndef OS_FILE_H
#define OS_FILE_H

#include <stddef.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* Appends the whole file (at most out's cap) to out; why names the path and the reason. */
MUST_USE int file_read(const char *path, struct buf *out, struct why *why);

/* The bytes of a file, mapped; file_unmap() lets them go. An empty file gives none. */
MUST_USE int file_map(const char *path, struct str *ret, struct why *why);
void file_unmap(struct str bytes);

/* Writes a file anew. */
MUST_USE int file_write(const char *path, struct str bytes, struct why *why);

/* Makes the directory and those above it that are missing (0750), and sees that files can be made
 * in it. */
MUST_USE int file_make_dir(const char *path, struct why *why);

/* The absolute path of a file or directory that is there, into ret [n]. */
MUST_USE int file_absolute(const char *path, char *ret, size_t n, struct why *why);

/* The paths that a shell pattern (*, ?, [..]) names now, sorted; memory from a. None is fine. */
MUST_USE int file_glob(const char *pattern, struct arena *a, struct str **ret, size_t *ret_n,
                       struct why *why);

/* A file in memory alone, for another process to read: closed on exec. */
MUST_USE int file_memory(const char *name, int *ret_fd);

/* Its whole content, replaced and read. */
MUST_USE int file_memory_write(int fd, struct str bytes);
MUST_USE int file_memory_read(int fd, struct buf *out);

#endif
