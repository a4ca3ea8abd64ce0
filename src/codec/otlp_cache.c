#include "codec/otlp_cache.h"

#include <string.h>

#include "base/attr.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/rand.h"

enum {
    FIRST_CAPACITY = 1024,
    AHEAD_LINES = 6 /* of 64 bytes: what an entry of one series has */
};

void otlp_cache_init(struct otlp_cache *c, size_t bytes_max)
{
    *c = (struct otlp_cache){.capacity = FIRST_CAPACITY,
                             .slots = mem_array(FIRST_CAPACITY, sizeof *c->slots),
                             .bytes_max = bytes_max,
                             .seed = rand_seed()};
    arena_init(&c->arena);
}

void otlp_cache_done(struct otlp_cache *c)
{
    mem_free(c->slots);
    arena_done(&c->arena);
    *c = (struct otlp_cache){0};
}

bool otlp_cache_spent(const struct otlp_cache *c)
{
    return c->arena.total + c->capacity * sizeof *c->slots > c->bytes_max;
}

void otlp_cache_forget(struct otlp_cache *c)
{
    arena_done(&c->arena);
    mem_free(c->slots);
    c->capacity = FIRST_CAPACITY;
    c->slots = mem_array(FIRST_CAPACITY, sizeof *c->slots);
    c->n = 0;
    c->last = NULL;
}

static bool same(const struct otlp_cache_entry *e, uint32_t level, uint64_t parent, struct str a,
                 struct str b)
{
    return e->parent == parent && e->level == level && e->a.n == a.n && e->b.n == b.n &&
           memcmp(e->a.p, a.n ? a.p : "", a.n) == 0 && memcmp(e->b.p, b.n ? b.p : "", b.n) == 0;
}

static void grow(struct otlp_cache *c)
{
    size_t capacity = c->capacity * 2;
    struct otlp_cache_entry **slots = mem_array(capacity, sizeof *slots);
    for (size_t i = 0; i < c->capacity; i++)
        for (struct otlp_cache_entry *e = c->slots[i], *next; e; e = next) {
            struct otlp_cache_entry **slot = &slots[e->hash & (capacity - 1)];
            next = e->chain;
            e->chain = *slot;
            *slot = e;
        }
    mem_free(c->slots);
    c->slots = slots;
    c->capacity = capacity;
}

static struct otlp_cache_entry *make(struct otlp_cache *c, uint64_t hash, struct str a,
                                     struct str b)
{
    if (c->n >= c->capacity)
        grow(c);
    struct otlp_cache_entry *e = arena_new(&c->arena, sizeof *e + a.n + b.n);
    char *bytes = (char *)(e + 1);
    if (a.n)
        memcpy(bytes, a.p, a.n);
    if (b.n)
        memcpy(bytes + a.n, b.p, b.n);
    struct otlp_cache_entry **slot = &c->slots[hash & (c->capacity - 1)];
    e->a = str_of(bytes, a.n);
    e->b = str_of(bytes + a.n, b.n);
    e->hash = hash;
    e->id = ++c->last_id;
    e->chain = *slot;
    *slot = e;
    c->n++;
    return e;
}

/* As otlp_cache_get(), by the hash. */
static struct otlp_cache_entry *search(struct otlp_cache *c, uint32_t level, uint64_t parent,
                                       struct str a, struct str b, bool *ret_new)
{
    uint64_t hash = hash_xxh3(a.p, a.n, c->seed + hash_u64(parent + level));
    if (b.n)
        hash = hash_xxh3(b.p, b.n, hash);
    struct otlp_cache_entry *e = c->slots[hash & (c->capacity - 1)];
    while (e && !(e->hash == hash && same(e, level, parent, a, b)))
        e = e->chain;
    *ret_new = e == NULL;
    if (e == NULL) {
        e = make(c, hash, a, b);
        e->level = level;
        e->parent = parent;
        c->misses++;
    } else {
        c->hits++;
    }
    if (c->last)
        c->last->next = e;
    c->last = e;
    return e;
}

/* The one after the next, with its bytes and keys, which lie behind it. */
static inline void prefetch(const struct otlp_cache_entry *next)
{
    const char *at = next ? (const char *)next->next : NULL;
    for (size_t i = 0; at && i < AHEAD_LINES; i++)
        __builtin_prefetch(at + i * 64);
}

struct otlp_cache_entry *otlp_cache_get(struct otlp_cache *c, uint32_t level, uint64_t parent,
                                        struct str a, struct str b, bool *ret_new)
{
    struct otlp_cache_entry *e = c->last ? c->last->next : NULL;
    if (LIKELY(e && same(e, level, parent, a, b))) {
        prefetch(e->next);
        c->last = e;
        c->hits++;
        *ret_new = false;
        return e;
    }
    return search(c, level, parent, a, b, ret_new);
}

void otlp_cache_drop(struct otlp_cache *c, struct otlp_cache_entry *e)
{
    struct otlp_cache_entry **at = &c->slots[e->hash & (c->capacity - 1)];
    while (*at != e)
        at = &(*at)->chain;
    *at = e->chain;
    c->n--;
    c->last = NULL;
    e->level = UINT32_MAX; /* whoever has it as the next one does not find it */
}
