/* client/trace/current.h - what a thread is in the middle of: its context, its open spans.
 *
 * Threads: current_context(): the thread's own; current_each(): any reader; current_raw(): signal
 * handlers.
 */
#ifndef CLIENT_TRACE_CURRENT_H
#define CLIENT_TRACE_CURRENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "sonde/core.h"

enum { CURRENT_NAME_MAX = 64 };

/* The calling thread's context; all zero where it has none. */
sonde_context current_context(void);

/* An open span or operation, for the debug interface, worst frames and crash records. */
struct current_span {
    char name[CURRENT_NAME_MAX];
    sonde_context context;
    uint64_t start_ticks;
    pid_t tid;
};
/* Those open now, the outermost first within a thread; returns how many there are, of which at most
 * cap are written. tid 0: of all threads. */
size_t current_each(struct current_span *ret, size_t cap, pid_t tid);
/* The same in a signal handler: no locks. */
size_t current_raw(struct current_span *ret, size_t cap);
/* Those of the calling thread, without a lock. */
size_t current_mine(struct current_span *ret, size_t cap);

#endif
