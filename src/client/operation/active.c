#include "client/operation/active.h"

#include "client/core/slot.h"
#include "client/operation/operation.h"
#include "client/operation/tally.h"

static struct active_place detached[ACTIVE_DETACHED];
static _Atomic pid_t detached_tid[ACTIVE_DETACHED];
static _Atomic uint64_t detached_next;

/* The operation and its time are stored with release, so that who reads them and then the old
 * number once more is not deceived: see read_place(). */
static void fill(struct active_place *place, const sonde_tracker *t, uint64_t number)
{
    atomic_store_explicit(&place->operation, t->operation, memory_order_release);
    atomic_store_explicit(&place->start_ticks, t->start, memory_order_release);
    atomic_store_explicit(&place->number, number, memory_order_release);
}

void active_enter(struct tally_part *p, sonde_tracker *t)
{
    for (uint32_t i = 0; i < ACTIVE_TRIES; i++) {
        uint32_t at = (p->place_hint + i) % ACTIVE_PLACES;
        struct active_place *place = &p->places[at];
        if (atomic_load_explicit(&place->number, memory_order_relaxed) == 0) {
            t->place = place;
            t->number = ++p->place_number;
            fill(place, t, t->number);
            p->place_hint = at + 1;
            return;
        }
    }
    p->place_hint += ACTIVE_TRIES;
}

bool active_leave(struct tally_part *p, const sonde_tracker *t)
{
    struct active_place *place = t->place;
    if (!place) {
        return true;
    }
    uint64_t number = atomic_load_explicit(&place->number, memory_order_relaxed);
    if (number != t->number) {
        return false;
    }
    if (p && place >= p->places && place < p->places + ACTIVE_PLACES) {
        atomic_store_explicit(&place->number, 0, memory_order_release);
        p->place_hint = (uint32_t)(place - p->places);
        return true;
    }
    return atomic_compare_exchange_strong(&place->number, &number, 0);
}

int active_detach(sonde_tracker *t, pid_t tid)
{
    uint64_t first = atomic_fetch_add_explicit(&detached_next, 1, memory_order_relaxed);
    for (uint64_t i = 0; i < ACTIVE_DETACHED; i++) {
        size_t at = (size_t)((first + i) % ACTIVE_DETACHED);
        struct active_place *place = &detached[at];
        uint64_t free_number = 0;
        if (!atomic_compare_exchange_strong(&place->number, &free_number, ACTIVE_RESERVED)) {
            continue;
        }
        if (!active_leave(NULL, t)) { /* it has ended */
            atomic_store_explicit(&place->number, 0, memory_order_release);
            return SONDE_ERROR_STATE;
        }
        atomic_store_explicit(&detached_tid[at], tid, memory_order_relaxed);
        t->place = place;
        t->number = ACTIVE_RESERVED + 1 + first;
        fill(place, t, t->number);
        return 0;
    }
    return SONDE_ERROR_LIMIT;
}

void active_forget_detached(void)
{
    for (size_t i = 0; i < ACTIVE_DETACHED; i++) {
        atomic_store_explicit(&detached[i].number, 0, memory_order_relaxed);
    }
}

static bool read_place(const struct active_place *place, struct active_operation *ret)
{
    uint64_t number = atomic_load_explicit(&place->number, memory_order_acquire);
    if (number <= ACTIVE_RESERVED) {
        return false;
    }
    const sonde_operation *o = atomic_load_explicit(&place->operation, memory_order_acquire);
    ret->start_ticks = atomic_load_explicit(&place->start_ticks, memory_order_acquire);
    if (atomic_load_explicit(&place->number, memory_order_relaxed) != number) {
        return false;
    }
    ret->service = o->service->name;
    ret->operation = o->name;
    return true;
}

struct list {
    struct active_operation *ret;
    size_t n, cap;
    pid_t tid; /* 0: all */
};

static void add(struct list *l, const struct active_place *place, pid_t tid)
{
    struct active_operation one = {.tid = tid};
    if ((l->tid == 0 || l->tid == tid) && read_place(place, &one)) {
        if (l->n < l->cap) {
            l->ret[l->n] = one;
        }
        l->n++;
    }
}

static void add_part(void *part, const struct slot *s, void *context)
{
    const struct tally_part *p = part;
    struct list *l = context;
    pid_t tid = __atomic_load_n(&s->tid, __ATOMIC_RELAXED);
    for (size_t i = 0; (l->tid == 0 || l->tid == tid) && i < ACTIVE_PLACES; i++) {
        add(l, &p->places[i], tid);
    }
}

static void add_detached(struct list *l)
{
    for (size_t i = 0; i < ACTIVE_DETACHED; i++) {
        add(l, &detached[i], atomic_load_explicit(&detached_tid[i], memory_order_relaxed));
    }
}

size_t active_each(struct active_operation *ret, size_t cap, pid_t tid)
{
    struct list l = {.ret = ret, .cap = cap, .tid = tid};
    slot_each(SLOT_OPERATION, add_part, &l);
    add_detached(&l);
    return l.n;
}

size_t active_raw(struct active_operation *ret, size_t cap)
{
    struct list l = {.ret = ret, .cap = cap};
    slot_each_raw(SLOT_OPERATION, add_part, &l);
    add_detached(&l);
    return l.n;
}

size_t active_mine(struct active_operation *ret, size_t cap)
{
    const struct slot *s = slot_pointer;
    struct list l = {.ret = ret, .cap = cap};
    if (s && s->part[SLOT_OPERATION]) {
        add_part(s->part[SLOT_OPERATION], s, &l);
    }
    return l.n < cap ? l.n : cap;
}
