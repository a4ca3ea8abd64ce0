/* store/series/lookup.h - from a fingerprint to the id of a series.
 *
 * Open addressing with linear probing. A slot keeps 96 bits of the fingerprint, which is keyed:
 * nobody can make two that collide, and by chance a billion series do so once in 10^11 stores.
 * Several fingerprints may lead to one id (label orders of different senders).
 *
 * Threads: many lookup_find() at once, or one change: the head's index lock.
 */
#ifndef STORE_SERIES_LOOKUP_H
#define STORE_SERIES_LOOKUP_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "store/series/fingerprint.h"

#define LOOKUP_NONE UINT32_MAX

struct lookup_slot {
    uint64_t hi;
    uint32_t lo;
    uint32_t id; /* LOOKUP_NONE: empty */
};

struct lookup {
    struct lookup_slot *slots; /* [capacity], a power of two */
    size_t capacity, n;
};

void lookup_init(struct lookup *l);
void lookup_done(struct lookup *l);

/* Room for n entries without growing on the way: one large table at start-up. */
void lookup_reserve(struct lookup *l, size_t n);

static inline size_t lookup_home(const struct lookup *l, struct fingerprint f)
{
    return (uint32_t)f.lo & (l->capacity - 1);
}

/* Asks for the cache line that lookup_find() will read. */
static inline void lookup_prefetch(const struct lookup *l, struct fingerprint f)
{
    __builtin_prefetch(&l->slots[lookup_home(l, f)]);
}

/* The id, or LOOKUP_NONE. */
static inline uint32_t lookup_find(const struct lookup *l, struct fingerprint f)
{
    size_t i = lookup_home(l, f);
    while (l->slots[i].id != LOOKUP_NONE) {
        if (l->slots[i].hi == f.hi && l->slots[i].lo == (uint32_t)f.lo)
            return l->slots[i].id;
        i = (i + 1) & (l->capacity - 1);
    }
    return LOOKUP_NONE;
}

/* Enters f (which must not be in it). */
void lookup_add(struct lookup *l, struct fingerprint f, uint32_t id);

/* Takes out every entry for which dead(context, id) says so. */
void lookup_sweep(struct lookup *l, int (*dead)(void *context, uint32_t id), void *context);

/* Bytes allocated. */
size_t lookup_bytes(const struct lookup *l);

#endif
