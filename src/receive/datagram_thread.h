/* receive/datagram_thread.h - a thread that reads datagrams and ticks on an interval.
 *
 * What is to be written at a tick is written in pieces, with datagrams read in between, so that the
 * kernel's queue does not run over meanwhile.
 *
 * Flow:    sockets -> os/datagram.h -> take() .. tick() step() .. -> sink
 * Threads: started and ended by one; the functions of ops are called on the thread alone.
 */
#ifndef RECEIVE_DATAGRAM_THREAD_H
#define RECEIVE_DATAGRAM_THREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/stat.h"
#include "base/str.h"

struct datagram_thread_ops {
    void (*take)(void *context, struct str datagram);
    /* The interval ends at ts_ms, a multiple of its length; also when the thread ends. */
    void (*tick)(void *context, int64_t ts_ms);
    /* Does a piece of what the tick has brought; false where nothing is left. */
    bool (*step)(void *context);
};

struct datagram_thread_plan {
    const struct datagram_thread_ops *ops;
    void *context;
    const char *name; /* of the thread */
    int64_t interval_ms;
    const struct clock *clock;
    struct stat *datagrams, *cut, *dropped; /* counters: read, too long, lost in the kernel */
};

struct datagram_thread;

/* Reads the sockets, which it borrows, from now on. */
MUST_USE int datagram_thread_start(const struct datagram_thread_plan *plan, const int *fds,
                                   size_t n, struct datagram_thread **ret, struct why *why);

/* Ticks a last time and ends the thread; NULL is fine. */
void datagram_thread_stop(struct datagram_thread *t);

#endif
