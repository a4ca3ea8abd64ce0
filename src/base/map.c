#include "base/map.h"

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

enum { FIRST_CAPACITY = 16 };

void map_init(struct map *m, uint64_t seed)
{
    *m = (struct map){.seed = seed};
}

void map_done(struct map *m)
{
    for (size_t i = 0; i < m->capacity; i++)
        mem_free((void *)(uintptr_t)m->slots[i].key.p);
    mem_free(m->slots);
    map_init(m, m->seed);
}

/* The slot that holds key, or the empty one where it would go. */
static struct map_slot *find(const struct map *m, struct str key, uint64_t hash)
{
    size_t i = hash & (m->capacity - 1);
    while (m->slots[i].key.p && !(m->slots[i].hash == hash && str_eq(m->slots[i].key, key)))
        i = (i + 1) & (m->capacity - 1);
    return &m->slots[i];
}

static void grow(struct map *m)
{
    struct map old = *m;
    m->capacity = old.capacity ? old.capacity * 2 : FIRST_CAPACITY;
    m->slots = mem_array(m->capacity, sizeof *m->slots);
    for (size_t i = 0; i < old.capacity; i++)
        if (old.slots[i].key.p)
            *find(m, old.slots[i].key, old.slots[i].hash) = old.slots[i];
    mem_free(old.slots);
}

union map_value *map_get(const struct map *m, struct str key)
{
    if (m->n == 0)
        return NULL;
    struct map_slot *slot = find(m, key, hash_xxh3(key.p, key.n, m->seed));
    return slot->key.p ? &slot->value : NULL;
}

union map_value *map_put(struct map *m, struct str key, bool *ret_new)
{
    if (m->n + 1 > m->capacity / 4 * 3)
        grow(m);
    uint64_t hash = hash_xxh3(key.p, key.n, m->seed);
    struct map_slot *slot = find(m, key, hash);
    bool is_new = !slot->key.p;
    if (is_new) {
        slot->hash = hash;
        slot->key = (struct str){mem_text(key.p, key.n), key.n};
        slot->value = (union map_value){0};
        m->n++;
    }
    if (ret_new)
        *ret_new = is_new;
    return &slot->value;
}

bool map_drop(struct map *m, struct str key)
{
    if (m->n == 0)
        return false;
    struct map_slot *slot = find(m, key, hash_xxh3(key.p, key.n, m->seed));
    if (!slot->key.p)
        return false;
    mem_free((void *)(uintptr_t)slot->key.p);
    slot->key.p = NULL;
    m->n--;

    /* Linear probing has no tombstones: what follows in the same run moves up. */
    size_t hole = (size_t)(slot - m->slots), i = hole;
    for (;;) {
        i = (i + 1) & (m->capacity - 1);
        if (!m->slots[i].key.p)
            return true;
        size_t home = m->slots[i].hash & (m->capacity - 1);
        if (((i - home) & (m->capacity - 1)) >= ((i - hole) & (m->capacity - 1))) {
            m->slots[hole] = m->slots[i];
            m->slots[i].key.p = NULL;
            hole = i;
        }
    }
}

struct map_slot *map_next(const struct map *m, size_t *at)
{
    while (*at < m->capacity) {
        struct map_slot *slot = &m->slots[(*at)++];
        if (slot->key.p)
            return slot;
    }
    return NULL;
}
