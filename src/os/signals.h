/* os/signals.h - signals as something to read, for processes without an event loop.
 *
 * Threads: opened by the main thread before any other is started, so that all inherit the mask.
 */
#ifndef OS_SIGNALS_H
#define OS_SIGNALS_H

#include <stddef.h>

#include "base/attr.h"
#include "base/err.h"

/* Blocks these signals [n] and gives a descriptor that tells of them; SIGPIPE is ignored. */
MUST_USE int signals_open(const int *signums, size_t n, int *ret_fd);

/* The next signal that came, or 0. */
int signals_next(int fd);

#endif
