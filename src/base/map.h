/* base/map.h - a hash map from bytes to a pointer or a number.
 *
 * Keys are copied. Not for the hot path of ingest, which has a table of its own.
 *
 * Threads: one at a time.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

union map_value {
    void *p;
    uint64_t u;
};

struct map_slot {
    uint64_t hash;
    struct str key; /* owned copy; p is NULL in an empty slot */
    union map_value value;
};

struct map {
    struct map_slot *slots; /* [capacity], a power of two or 0 */
    size_t n, capacity;
    uint64_t seed;
};

/* Empty; seed 0 is fine for keys that no stranger chooses. */
void map_init(struct map *m, uint64_t seed);

/* Frees the keys and the table, not what the values point to. */
void map_done(struct map *m);

/* The value of key, or NULL. Valid until the next map_put() or map_drop(). */
union map_value *map_get(const struct map *m, struct str key);

/* The value of key, made (all zero) where it is missing; *ret_new (may be NULL) says which. */
union map_value *map_put(struct map *m, struct str key, bool *ret_new);

/* Takes key out; false where it is not there. */
bool map_drop(struct map *m, struct str key);

/* The next filled slot at or after *at, which moves behind it; NULL at the end. Start with 0. */
struct map_slot *map_next(const struct map *m, size_t *at);

#endif
