/* client/core/slot.h - what each thread of the host has of its own: the ground of all hot paths.
 *
 * A thread that records for the first time gets a slot: one cache-aligned struct, found by one
 * thread-local pointer (initial-exec, 8 bytes). Modules keep their part of it under an index of
 * enum slot_part: a pointer that the module allocates at the thread's first use. Only the owning
 * thread writes its parts; readers (the one thread, exporters) walk all slots with slot_each() and
 * read with relaxed atomics. When a thread ends, each module's retire function folds the part into
 * the module's own sums and the slot is kept for the next thread: slots and what hangs at them are
 * never freed while the library runs, so that a reader needs no lock against an ending thread.
 *
 * Threads: slot_mine(): any; slot_each(): any, under one mutex that hot paths never take.
 */
#ifndef CLIENT_CORE_SLOT_H
#define CLIENT_CORE_SLOT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum slot_part {
    SLOT_METRIC,    /* cells of counters, histograms, .. */
    SLOT_OPERATION, /* cells of operations, and those active now */
    SLOT_HISTORY,   /* ring of operations that ended */
    SLOT_TRACE,     /* current context, spans that are open */
    SLOT_SPANS,     /* ring of spans that ended */
    SLOT_LOG,       /* ring of log records */
    SLOT_FRAME,
    SLOT_CACHE,
    SLOT_MEMORY,
    SLOT_ERROR,
    SLOT_CRASH, /* the alternative stack */
    SLOT_BUS,
    SLOT_PARTS
};

enum { SLOT_THREADS_MAX = 4096 }; /* more threads at once record nothing (counted) */

struct slot {
    void *part[SLOT_PARTS]; /* written by the owner with release, read by others with acquire */
    pid_t tid;              /* 0: free */
    struct slot *next;      /* all slots; immutable */
    bool used;              /* under the mutex */
};

extern _Thread_local struct slot *slot_pointer __attribute__((tls_model("initial-exec")));

struct slot *slot_join(void); /* the slow path of slot_mine() */

/* This thread's slot; NULL where the library does not run, there are too many threads, or the
 * thread is ending. */
static inline struct slot *slot_mine(void)
{
    struct slot *s = slot_pointer;
    return __builtin_expect(s != NULL, 1) ? s : slot_join();
}

/* Folds a part of a thread that ends (on that thread) or that a fork left behind (in the child),
 * under the mutex of slot_each(). Must leave the part empty and reusable. */
typedef void slot_retire_f(void *part);
void slot_on_retire(enum slot_part part, slot_retire_f *retire);

/* Called on each thread that gets a slot, when it has it (client/crash: its alternative stack). */
void slot_on_join(void (*join)(struct slot *s));

/* Publishes a part that the calling thread has made for itself. */
void slot_publish(struct slot *s, enum slot_part part, void *pointer);

/* Calls visit for each slot that has that part, in use or free (its retired part is empty then),
 * under the mutex. visit must not call slot_each(). */
void slot_each(enum slot_part part, void (*visit)(void *part, const struct slot *s, void *context),
               void *context);

/* The same without the mutex, for signal handlers: what other threads do meanwhile may be seen
 * halfway. */
void slot_each_raw(enum slot_part part,
                   void (*visit)(void *part, const struct slot *s, void *context), void *context);

size_t slot_count(void);      /* threads that have one now */
void slot_fork_prepare(void); /* hold the mutex over a fork */
void slot_fork_parent(void);
/* All slots are retired, the caller's too: its next use takes a new one, and wakes the library. */
void slot_fork_child(void);

/* Single-writer counters: the owner adds without a locked instruction, others read. */
static inline void slot_add_u64(_Atomic uint64_t *cell, uint64_t n)
{
    atomic_store_explicit(cell, atomic_load_explicit(cell, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

static inline void slot_add_double(_Atomic double *cell, double n)
{
    atomic_store_explicit(cell, atomic_load_explicit(cell, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

#endif
