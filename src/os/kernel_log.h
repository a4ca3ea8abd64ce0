/* os/kernel_log.h - what the kernel has said lately of processes that it killed.
 *
 * Source:  Linux: /dev/kmsg (Documentation/ABI/testing/dev-kmsg).
 * Threads: one.
 */
#ifndef OS_KERNEL_LOG_H
#define OS_KERNEL_LOG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"

/* A descriptor that stands at the end of the kernel's log; -1 where it may not be read. */
int kernel_log_open(void);
void kernel_log_close(int fd);

/* Reads what came since the last call and looks for "Out of memory" about that process: true, and
 * its line in ret [n]. */
MUST_USE bool kernel_log_killed(int fd, int pid, char *ret, size_t n);

/* Where the kernel puts core dumps of that process, if there is one now: true, and its path. */
MUST_USE bool kernel_log_core(int pid, const char *name, const char *folder, char *ret, size_t n);

#endif
