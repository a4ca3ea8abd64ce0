/* codec/otlp_cache.h - what has been translated before, found by the bytes that it came in.
 *
 * One table for resources, scopes, metrics and series. An entry is named by the entry above it and
 * its own bytes; it has an id that is never used again. Since senders say the same things in the
 * same order, each entry remembers which one was asked for after it: nearly always that is a
 * comparison and no search.
 *
 * When the memory is spent all is forgotten at once (otlp_cache_spent() says so): entries that are
 * held then are gone.
 *
 * Threads: one per cache.
 */
#ifndef CODEC_OTLP_CACHE_H
#define CODEC_OTLP_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

struct otlp_cache_entry {
    struct otlp_cache_entry *chain, *next; /* of the same slot; asked for after this one */
    uint64_t hash, id, parent;
    uint32_t level;
    uint32_t keys_n;
    struct str a, b; /* its bytes */
    union {
        void *payload;    /* of resources, scopes and metrics */
        struct str *keys; /* [keys_n]: of series */
    };
};

struct otlp_cache {
    struct otlp_cache_entry **slots; /* [capacity], a power of two */
    size_t n, capacity, bytes_max;
    uint64_t seed, last_id, hits, misses;
    struct otlp_cache_entry *last; /* the one asked for last */
    struct arena arena;            /* of all entries */
};

void otlp_cache_init(struct otlp_cache *c, size_t bytes_max);
void otlp_cache_done(struct otlp_cache *c);

/* More memory than it may have? */
bool otlp_cache_spent(const struct otlp_cache *c);
void otlp_cache_forget(struct otlp_cache *c);

/* An entry of that level, below parent (an id, or any number), that came in as a and b; made, with
 * no payload and no keys, where it is new. */
struct otlp_cache_entry *otlp_cache_get(struct otlp_cache *c, uint32_t level, uint64_t parent,
                                        struct str a, struct str b, bool *ret_new);

/* Takes out an entry that has just been made. */
void otlp_cache_drop(struct otlp_cache *c, struct otlp_cache_entry *e);

#endif
