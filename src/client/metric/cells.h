/* client/metric/cells.h - where threads count: a cell of each thread for each thing that is
 * counted.
 *
 * A cell has a number; each thread has its own table of cells (at its slot), in chunks that are
 * made when it first touches them, so that no two threads ever write one cache line. A thread that
 * ends adds what it has to the cells of those that ended before. A value is the sum over all of
 * them.
 *
 * Cost:    cells_at(): four loads that hit the first cache
 * Threads: cells_at() gives cells of the calling thread alone; cells_new(): under the registry's
 * lock; the readers: any.
 */
#ifndef CLIENT_METRIC_CELLS_H
#define CLIENT_METRIC_CELLS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/core/slot.h"
#include "client/metric/buckets.h"

enum { CELLS_CHUNK = 512, CELLS_CHUNKS = 512, CELLS_MAX = CELLS_CHUNK * CELLS_CHUNKS };
enum { CELLS_NONE = UINT32_MAX, CELLS_CACHE = 256 };

enum cells_type { CELLS_DOUBLE, CELLS_U64, CELLS_BUCKETS };

union cell {
    _Atomic double number;
    _Atomic uint64_t count;
    struct buckets *_Atomic buckets; /* made at the thread's first observation; never freed */
};

struct series;
struct cells_part {
    union cell *_Atomic chunk[CELLS_CHUNKS];
    struct { /* what this thread looked up: the owner's alone */
        uint64_t hash;
        struct series *series;
    } cache[CELLS_CACHE];
};

/* n cells of a type, one behind the other in one chunk (n <= CELLS_CHUNK): the number of the first,
 * or CELLS_NONE where there are no more. */
uint32_t cells_new(enum cells_type type, uint32_t n);
void cells_retype(uint32_t i, enum cells_type type); /* before anybody counts in it */
uint32_t cells_used(void);

/* The slow path: makes what is missing; NULL where there is no memory (counted), or no slot. */
union cell *cells_make(uint32_t i);
struct cells_part *cells_part_make(void);

/* The calling thread's cell, or NULL where it can have none. */
static inline union cell *cells_at(uint32_t i)
{
    struct slot *s = slot_mine();
    if (__builtin_expect(s != NULL, 1)) {
        struct cells_part *p = s->part[SLOT_METRIC];
        if (__builtin_expect(p != NULL, 1)) {
            union cell *c = atomic_load_explicit(&p->chunk[i / CELLS_CHUNK], memory_order_relaxed);
            if (__builtin_expect(c != NULL, 1)) {
                return c + i % CELLS_CHUNK;
            }
        }
    }
    return cells_make(i);
}

static inline struct cells_part *cells_part(void)
{
    struct slot *s = slot_mine();
    struct cells_part *p = s ? s->part[SLOT_METRIC] : NULL;
    return __builtin_expect(p != NULL, 1) ? p : cells_part_make();
}

/* The buckets of a cell, made where missing; NULL: no memory (counted). */
struct buckets *cells_buckets_make(union cell *c);
static inline struct buckets *cells_buckets(union cell *c)
{
    struct buckets *b = atomic_load_explicit(&c->buckets, memory_order_relaxed);
    return __builtin_expect(b != NULL, 1) ? b : cells_buckets_make(c);
}

/* A sum over all threads: double for CELLS_DOUBLE, uint64_t for CELLS_U64. */
union cells_value {
    double number;
    uint64_t count;
};
/* All sums at once, into [n] (by cell number; those of CELLS_BUCKETS stay 0). */
void cells_sum_all(union cells_value *ret, uint32_t n);
/* Those of [n] cells of one type from `first` on. */
void cells_sum(uint32_t first, uint32_t n, union cells_value *ret);
void cells_sum_buckets(uint32_t cell, struct buckets_sum *ret); /* ret is set */

void cells_start(void);

#endif
