/* client/operation/tally.h - what one thread has counted of one operation.
 *
 * A thread that uses an operation for the first time gets a tally for it out of memory that is
 * mapped in steps (never given back). It writes it alone, without locked instructions; readers add
 * up the tallies of all threads. A thread that ends moves its tallies into that of the operation,
 * `ended`, and leaves them empty for the next thread of its slot.
 *
 * The histogram has the buckets of client/metric/buckets.h, in blocks of four octaves that are made
 * when a duration first falls into them: a call whose durations lie within a factor of 256 takes
 * two blocks, so a tally about 1 KiB instead of 4.
 *
 * A reset adds one to the operation's epoch: tallies of an older one count for nothing but what is
 * active, and their owner replaces them with a new one at his next call. The old ones are used
 * again at the reset after: readers hold the mutex of slot_each(), and so does a reset, so no
 * reader can hold a tally over two resets.
 *
 * Threads: tally_part(), tally_of(), tally_add(): the owner; the others: any.
 */
#ifndef CLIENT_OPERATION_TALLY_H
#define CLIENT_OPERATION_TALLY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/core/slot.h"
#include "client/core/ticks.h"
#include "client/metric/buckets.h"
#include "client/operation/active.h"
#include "client/operation/operation.h"

enum {
    TALLY_BLOCK = 32, /* buckets: four octaves */
    TALLY_BLOCKS = BUCKETS_N / TALLY_BLOCK,
    TALLY_HISTORY_ENDED = 4, /* times as many are kept of threads that ended */
    TALLY_OUTCOME_BITS = 2,
};

struct tally_block {
    _Atomic uint64_t bucket[TALLY_BLOCK];
};

/* One call that ended: how it did in the lowest bits of its nanoseconds. */
struct tally_call {
    _Atomic uint64_t end_ticks, ns_and_outcome;
};

/* Memory for tallies: what is left of what was mapped last. */
struct tally_room {
    char *at, *end;
};

struct tally {
    _Alignas(OPERATION_LINE) _Atomic uint64_t begun;
    _Atomic uint64_t ended[SONDE_OPERATION_OUTCOMES];
    _Atomic uint64_t total_ns, least_ns, most_ns; /* least_ns is UINT64_MAX where nothing ended */

    _Alignas(OPERATION_LINE) _Atomic uint64_t last_ticks; /* of the last begin */
    _Atomic uint64_t calls_n; /* that were ever put into the ring `calls` */
    struct tally_call *calls; /* [calls_mask + 1], NULL: none are kept */
    uint32_t calls_mask;
    _Atomic uint32_t epoch;
    sonde_operation *operation;
    struct tally *spare; /* of an older epoch, for the next */
    struct tally_block *_Atomic block[TALLY_BLOCKS];
};

/* A thread's part, SLOT_OPERATION. Mapped: what is not used takes no memory. */
struct tally_part {
    const struct slot *slot;
    struct tally_room room;
    uint32_t place_hint;
    uint64_t place_number;
    struct active_place places[ACTIVE_PLACES];
    struct tally *_Atomic of[OPERATION_MAX + 1]; /* by the operation's index */
};

/* The part of the calling thread, made at its first use; NULL where there is none to be had. */
struct tally_part *tally_part_make(void);
static inline struct tally_part *tally_part(void)
{
    struct slot *s = slot_mine();
    if (__builtin_expect(!s, 0)) {
        return NULL;
    }
    struct tally_part *p = s->part[SLOT_OPERATION];
    return __builtin_expect(p != NULL, 1) ? p : tally_part_make();
}

/* The tally of an operation; NULL where there is no memory. */
struct tally *tally_make(struct tally_part *p, sonde_operation *o);
static inline struct tally *tally_of(struct tally_part *p, sonde_operation *o)
{
    struct tally *t = atomic_load_explicit(&p->of[o->index], memory_order_relaxed);
    if (__builtin_expect(t && atomic_load_explicit(&t->epoch, memory_order_relaxed) ==
                                  atomic_load_explicit(&o->epoch, memory_order_acquire),
                         1)) {
        return t;
    }
    return tally_make(p, o);
}

/* Counts a call that ended. */
void tally_add(struct tally_part *p, struct tally *t, uint64_t end_ticks, uint64_t ns, int outcome);

/* The sums over all threads; buckets may be NULL. */
struct tally_sum {
    uint64_t ended[SONDE_OPERATION_OUTCOMES], total_ns, least_ns, most_ns, active, last_ticks;
};
uint64_t tally_count(const struct tally_sum *s); /* of those that ended */
void tally_sum(sonde_operation *o, struct tally_sum *ret, struct buckets_sum *ret_buckets);
void tally_sum_add(struct tally_sum *into, const struct tally_sum *other);

/* The calls that threads remember, in no order: writes at most cap and returns how many; how many
 * there are where cap is 0. */
struct tally_memory {
    sonde_operation *operation;
    uint64_t end_ticks, ns;
    int outcome;
};
size_t tally_calls(sonde_operation *o, struct tally_memory *ret, size_t cap);
/* Those of the calling thread that ended at since_ticks or later, the latest of each operation
 * first; without a lock. Writes at most cap, returns how many it wrote. */
size_t tally_calls_mine(uint64_t since_ticks, struct tally_memory *ret, size_t cap);

/* Everything but what is active begins again at nothing. */
void tally_reset(sonde_operation *o);

void tally_start(void);                    /* what happens to the part of a thread that ends */
void tally_fork_child(sonde_operation *o); /* nothing is active either */

#endif
