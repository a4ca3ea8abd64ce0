/* incident/incident_inside.h - what the files of incident/ share.
 *
 * Threads: as said at each member.
 */
#ifndef INCIDENT_INCIDENT_INSIDE_H
#define INCIDENT_INCIDENT_INSIDE_H

#include "incident/incident.h"
#include "incident/incident_live.h"
#include "incident/incident_store.h"
#include "os/thread.h"

struct incidents {
    struct incident_config config;
    const struct incident_settings *_Atomic settings; /* in force */
    struct thread thread;
    int64_t expired_ms; /* the thread's */

    pthread_mutex_t lock; /* of live and scratch; held while they are written */
    struct arena scratch; /* of what is let go before the lock is */
    struct {
        struct incident_live **v; /* owned, the oldest first */
        size_t n, capacity;
    } live;

    pthread_mutex_t queue_lock; /* of what is below; taken last, never held for long */
    pthread_cond_t woken;
    bool ending;
    struct {
        struct alert **v; /* owned, each one block */
        size_t n, capacity;
    } queue;
};

/* Takes what waits. Under the lock. */
void incident_drain(struct incidents *i);

/* Closes and frees it. Under the lock. */
void incident_shut(struct incidents *i, struct incident_live *l, int64_t now_ms);

/* Looks for what changed, and writes it. Without the lock; waits for the store. */
void incident_look(struct incidents *i, int64_t id);

/* Events that may have been its cause, the likeliest first. */
MUST_USE int incident_causes(struct incidents *i, const struct incident *row, struct arena *a,
                             struct event **ret, size_t *ret_n, struct why *why);

#endif
