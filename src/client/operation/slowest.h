/* client/operation/slowest.h - the slowest calls of one operation, and when they were.
 *
 * A call that is faster than all that are kept costs its thread one comparison (with floor_ns);
 * only one that may be among them takes the latch. Where it cannot be had the call is left out and
 * counted.
 *
 * Threads: any.
 */
#ifndef CLIENT_OPERATION_SLOWEST_H
#define CLIENT_OPERATION_SLOWEST_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "client/operation/latch.h"

enum { SLOWEST_MAX = 100 }; /* the setting operation.slowest may go so far */

struct slowest_call {
    uint64_t ns, end_ticks;
    pid_t tid;
    int outcome;
};

struct slowest {
    struct latch latch;
    unsigned n, cap;
    _Atomic uint64_t missed;    /* calls that did not get the latch */
    struct slowest_call *calls; /* [cap], a heap: the fastest of them first */
};

int slowest_init(struct slowest *s, unsigned cap); /* SONDE_ERROR_MEMORY */
void slowest_done(struct slowest *s);
/* Keeps a call where it belongs to them; *floor_ns becomes what a later one must exceed. */
void slowest_offer(struct slowest *s, const struct slowest_call *call, _Atomic uint64_t *floor_ns);
/* Copies at most cap of them, the slowest first; returns how many. */
size_t slowest_read(struct slowest *s, struct slowest_call *ret, size_t cap);
void slowest_clear(struct slowest *s, _Atomic uint64_t *floor_ns);
void slowest_fork_child(struct slowest *s); /* nobody holds the latch */

#endif
