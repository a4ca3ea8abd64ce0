/* supervise/worker.h - the worker's end of the channel to its parent.
 *
 * Threads: the main thread's, which waits here while the others work.
 */
#ifndef SUPERVISE_WORKER_H
#define SUPERVISE_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"

struct worker {
    int channel, signals;  /* fds */
    unsigned restarts;     /* before this worker */
    char last[WHY_MAX];    /* how the one before ended */
    char problem[WHY_MAX]; /* of a configuration that was refused, "" where there is none */
};

/* Takes over the channel (descriptor 3) and the signals, before other threads start. */
MUST_USE int worker_open(struct worker *w, struct why *why);
void worker_close(struct worker *w);

/* The parent counts from now on the heartbeats. */
void worker_ready(struct worker *w);

/* The loops turn: to be said every second or so. */
void worker_beat(struct worker *w);

/* Ask the parent for a reload, which ends with WORKER_PROBLEM (a text: it was refused),
 * WORKER_RELOAD or WORKER_STOP (another worker takes over); and for the end of the daemon. Any
 * thread. */
void worker_ask_reload(const struct worker *w);
void worker_ask_quit(const struct worker *w);

enum worker_order { WORKER_NOTHING, WORKER_STOP, WORKER_RELOAD, WORKER_PROBLEM };

/* Waits for an order for at most timeout_ms. WORKER_PROBLEM: w->problem is that of the last reload.
 * A parent that is gone is WORKER_STOP. */
enum worker_order worker_wait(struct worker *w, int64_t timeout_ms);

#endif
