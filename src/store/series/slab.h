/* store/series/slab.h - an array that grows without moving.
 *
 * Chunk k holds SLAB_FIRST << k elements, so that a small tenant costs little and a large one has
 * few chunks; an element keeps its address for life.
 *
 * Threads: slab_at() from any; slab_grow() one at a time, and an index is published to other
 * threads only after it.
 */
#ifndef STORE_SERIES_SLAB_H
#define STORE_SERIES_SLAB_H

#include <stddef.h>
#include <stdint.h>

#include "base/must.h"
#include "os/huge.h"

enum { SLAB_FIRST_BITS = 5, SLAB_FIRST = 1 << SLAB_FIRST_BITS, SLAB_CHUNKS = 32 - SLAB_FIRST_BITS };

struct slab {
    char *chunks[SLAB_CHUNKS]; /* [SLAB_FIRST << k] elements each, 64-byte aligned */
    size_t size;               /* of one element, bytes */
    uint32_t n;                /* elements in use */
    size_t bytes;              /* allocated */
};

static inline void slab_init(struct slab *s, size_t size)
{
    *s = (struct slab){.size = size};
}

static inline void slab_done(struct slab *s)
{
    for (size_t k = 0; k < SLAB_CHUNKS; k++)
        huge_free(s->chunks[k], ((size_t)SLAB_FIRST << k) * s->size);
    slab_init(s, s->size);
}

static inline void *slab_at(const struct slab *s, uint32_t i)
{
    uint64_t biased = (uint64_t)i + SLAB_FIRST;
    unsigned k = 63u - (unsigned)__builtin_clzll(biased);
    return s->chunks[k - SLAB_FIRST_BITS] + (biased - (1ULL << k)) * s->size;
}

/* Makes element n (zeroed) and returns it; its index was s->n before. */
static inline void *slab_grow(struct slab *s)
{
    must(s->n < UINT32_MAX - SLAB_FIRST);
    uint64_t biased = (uint64_t)s->n + SLAB_FIRST;
    unsigned k = 63u - (unsigned)__builtin_clzll(biased);
    char **chunk = &s->chunks[k - SLAB_FIRST_BITS];
    if (!*chunk) {
        size_t bytes = ((size_t)1 << k) * s->size;
        *chunk = huge_new(bytes);
        s->bytes += bytes;
    }
    s->n++;
    return slab_at(s, s->n - 1);
}

#endif
