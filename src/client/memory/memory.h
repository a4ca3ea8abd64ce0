/* client/memory/memory.h - subsystems: cells of threads -> what each holds, its peak, its rates.
 *
 *   counted allocators (memory_alloc.c) -> cells of the thread, by subsystem and by call site
 *   record, add, sub                    -> one atomic of the subsystem
 *   each second, on the worker          -> rates, thresholds
 *
 * Peaks: a thread collects what it allocates and frees in `pending`, and adds it to the subsystem's
 * `flushed` once that is 16 KiB; with it goes the highest that pending was since the last time. So
 * a peak is exact for one thread, and otherwise off by at most 16 KiB for each other thread.
 * Where a thread has no slot (it ends, the library has stopped, there are too many), the
 * subsystem's shared cell is added to atomically, so that what is held is right at all times.
 *
 * Threads: as said; the table of subsystems only grows.
 */
#ifndef CLIENT_MEMORY_MEMORY_H
#define CLIENT_MEMORY_MEMORY_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/alarm/alarm.h"
#include "client/alarm/window.h"
#include "client/core/jot.h"
#include "client/core/module.h"
#include "client/metric/source.h"
#include "sonde/memory.h"

enum {
    MEMORY_MAX = 255, /* names; then "other" */
    MEMORY_NAME_MAX = 64,
    MEMORY_CHUNK = 16, /* cells that a thread allocates at once */
    MEMORY_CHUNKS = (MEMORY_MAX + 1) / MEMORY_CHUNK,
    MEMORY_PENDING_MAX = 16 * 1024, /* bytes */
    MEMORY_SECONDS = 60,
    MEMORY_SITES_MAX = 8192, /* call sites and sampled stacks; then one for each subsystem */
    MEMORY_SITE_CHUNK = 64,
    MEMORY_SITE_CHUNKS = MEMORY_SITES_MAX / MEMORY_SITE_CHUNK,
};

struct memory_cell {
    _Atomic uint64_t allocations, frees, allocated, freed; /* of counted allocators */
    _Atomic uint64_t adds, subs, added, subbed;            /* of sonde_memory_add(), _sub() */
    _Atomic int64_t pending, pending_peak;                 /* bytes */
};

struct memory_site_cell {
    _Atomic uint64_t allocations, frees, allocated, freed;
};

/* A thread's part (client/core/slot.h). */
struct memory_part {
    struct memory_cell *_Atomic cell[MEMORY_CHUNKS];
    struct memory_site_cell *_Atomic site[MEMORY_SITE_CHUNKS];
    uint64_t until_sample; /* allocations before the next backtrace; the owner's */
    bool unwinding;
};

struct memory {
    char name[MEMORY_NAME_MAX];
    uint32_t number;
    _Atomic int64_t recorded, flushed, peak, reserved;
    _Atomic uint64_t failures;
    struct memory_cell shared; /* of threads without a slot and of threads that ended */

    pthread_mutex_t lock; /* what follows */
    uint64_t seen_bytes, seen_blocks;
    struct window seconds; /* bytes and blocks allocated */
    struct window_cell second[MEMORY_SECONDS];
    struct alarm *over;
};

size_t memory_count(void);
struct memory *memory_at(size_t i);

/* Plain sums over all threads. */
struct memory_totals {
    uint64_t allocations, frees, allocated, freed;
    int64_t now, peak;
};
void memory_sum(struct memory *m, struct memory_totals *ret);
void memory_tick(struct memory *m, uint64_t now_ns);
/* As sonde_memory_snapshot(), as of now_ns. */
void memory_stats(struct memory *m, uint64_t now_ns, sonde_memory_stats *ret);

/* What a counted allocator says; site 0: none. */
void memory_count_alloc(uint32_t number, uint32_t site, size_t size);
void memory_count_free(uint32_t number, uint32_t site, size_t size);
/* This thread's part, made where missing; NULL: it has none. */
struct memory_part *memory_part_mine(void);

/* memory_alloc.c: pointers that were not ours, or of another subsystem. */
enum memory_mismatch { MEMORY_FOREIGN, MEMORY_OTHER_SUBSYSTEM, MEMORY_MISMATCHES };
uint64_t memory_mismatches(enum memory_mismatch kind);

/* memory_site.c: the number of a call site of a subsystem; with a backtrace where one is due. */
uint32_t memory_site(uint32_t number, uintptr_t address, struct memory_part *part);
void memory_site_count(struct memory_part *part, uint32_t site, size_t size, bool freed);
void memory_site_retire(struct memory_part *part);
void memory_site_fork_child(void);
struct command_call;
int memory_site_answer(const struct command_call *call, struct jot *j, char *problem); /* leaks */

/* memory_report.c */
void memory_write(struct source_writer *w, void *unused);
int memory_answer(const struct command_call *call, struct jot *j, char *problem);

extern const struct module memory_module;

#endif
