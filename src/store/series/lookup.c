#include "store/series/lookup.h"

#include "base/must.h"
#include "os/huge.h"

enum { FIRST_CAPACITY = 64 };

static struct lookup_slot *new_slots(size_t capacity)
{
    struct lookup_slot *slots = huge_new(capacity * sizeof *slots);
    for (size_t i = 0; i < capacity; i++)
        slots[i].id = LOOKUP_NONE;
    return slots;
}

void lookup_init(struct lookup *l)
{
    *l = (struct lookup){new_slots(FIRST_CAPACITY), FIRST_CAPACITY, 0};
}

void lookup_done(struct lookup *l)
{
    huge_free(l->slots, l->capacity * sizeof *l->slots);
    *l = (struct lookup){0};
}

static void put(struct lookup *l, struct lookup_slot slot)
{
    size_t i = slot.lo & (l->capacity - 1);
    while (l->slots[i].id != LOOKUP_NONE)
        i = (i + 1) & (l->capacity - 1);
    l->slots[i] = slot;
    l->n++;
}

/* Moves the entries that stay into a table of that capacity. */
static void rebuild(struct lookup *l, size_t capacity, int (*dead)(void *context, uint32_t id),
                    void *context)
{
    struct lookup old = *l;
    *l = (struct lookup){new_slots(capacity), capacity, 0};
    for (size_t i = 0; i < old.capacity; i++)
        if (old.slots[i].id != LOOKUP_NONE && !(dead && dead(context, old.slots[i].id)))
            put(l, old.slots[i]);
    huge_free(old.slots, old.capacity * sizeof *old.slots);
}

void lookup_reserve(struct lookup *l, size_t n)
{
    size_t capacity = l->capacity;
    while (n > capacity / 10 * 7)
        capacity *= 2;
    must(capacity <= (size_t)1 << 32);
    if (capacity != l->capacity)
        rebuild(l, capacity, NULL, NULL);
}

void lookup_add(struct lookup *l, struct fingerprint f, uint32_t id)
{
    lookup_reserve(l, l->n + 1);
    put(l, (struct lookup_slot){f.hi, (uint32_t)f.lo, id});
}

void lookup_sweep(struct lookup *l, int (*dead)(void *context, uint32_t id), void *context)
{
    rebuild(l, l->capacity, dead, context);
}

size_t lookup_bytes(const struct lookup *l)
{
    return l->capacity * sizeof *l->slots;
}
