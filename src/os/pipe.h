/* os/pipe.h - reading and writing the pipes to other programs, and waiting for many of them.
 *
 * Threads: any; each descriptor is one thread's at a time.
 */
#ifndef OS_PIPE_H
#define OS_PIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum { PIPE_WAIT_MAX = 128 };

/* Reads at most n bytes; 0 where there are none now. At the end *fd is closed and becomes -1. */
size_t pipe_read(int *fd, char *p, size_t n);

/* Writes what the pipe takes now, which must not block; how many bytes. At an error *fd is closed
 * and becomes -1. */
size_t pipe_write(int *fd, struct str bytes);

/* Waits until one of the descriptors (negative ones are skipped) can be read or has ended, for at
 * most timeout_ms (negative: for ever); which ones is in ret_ready [n]. */
void pipe_wait(const int *fds, size_t n, int64_t timeout_ms, bool *ret_ready);

/* Makes reading and writing return at once. */
void pipe_set_nonblocking(int fd);

#endif
