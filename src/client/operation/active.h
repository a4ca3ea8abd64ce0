/* client/operation/active.h - operations that have begun and not ended, for frames, crash records
 * and the debug interface.
 *
 * Each thread has ACTIVE_PLACES places, of which a begin takes a free one near the last (an
 * operation that finds none is counted as active and not listed). A place has a number that is
 * never used again: whoever ends the operation, on any thread, finds out by it whether it still
 * goes on, and so it ends once. Those that were detached from their thread have places of their
 * own.
 *
 * Threads: active_enter(), active_mine(): the owner of the places; active_leave(): any; any reader;
 * active_raw(): signal handlers.
 */
#ifndef CLIENT_OPERATION_ACTIVE_H
#define CLIENT_OPERATION_ACTIVE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "sonde/operation.h"

struct active_operation {
    const char *service, *operation; /* names of the registry: live for ever */
    uint64_t start_ticks;
    pid_t tid; /* of the thread that began it */
};
/* Those that go on; returns how many there are, of which at most cap are written. tid 0: of all
 * threads. */
size_t active_each(struct active_operation *ret, size_t cap, pid_t tid);
size_t active_raw(struct active_operation *ret, size_t cap);
/* Those of the calling thread, without a lock; writes at most cap, returns how many it wrote. */
size_t active_mine(struct active_operation *ret, size_t cap);

enum {
    ACTIVE_PLACES = 256, /* of a thread */
    ACTIVE_TRIES = 8,
    ACTIVE_DETACHED = 1024, /* of the process */
    ACTIVE_RESERVED = 1,    /* a number: taken, and not filled yet */
};

struct active_place {
    _Atomic uint64_t number; /* 0: free */
    sonde_operation *_Atomic operation;
    _Atomic uint64_t start_ticks;
};

struct tally_part;

/* Lists what begins: fills the tracker's place, which stays NULL where none is free. */
void active_enter(struct tally_part *p, sonde_tracker *t);
/* Frees the tracker's place; false where its operation has ended already. p: of the calling thread;
 * may be NULL. */
bool active_leave(struct tally_part *p, const sonde_tracker *t);
int active_detach(sonde_tracker *t, pid_t tid); /* SONDE_ERROR_LIMIT, SONDE_ERROR_STATE */
void active_forget_detached(void);              /* in a child */

#endif
