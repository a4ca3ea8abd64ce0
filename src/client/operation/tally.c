#include "client/operation/tally.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "client/core/lost.h"
#include "client/core/setting.h"

enum { ROOM_STEP = 1 << 16 };

static const uint64_t ns_max = UINT64_MAX >> TALLY_OUTCOME_BITS;

/* What was counted by threads that ended; under the mutex of slot_each(). */
static struct tally_room ended_room;

static void *map(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

/* size bytes of zeros at a multiple of a cache line; NULL: no memory. */
static void *take(struct tally_room *r, size_t size)
{
    size = (size + OPERATION_LINE - 1) / OPERATION_LINE * OPERATION_LINE;
    if (size > (size_t)(r->end - r->at)) {
        char *p = map(ROOM_STEP);
        if (!p) {
            return NULL;
        }
        *r = (struct tally_room){p, p + ROOM_STEP};
    }
    void *p = r->at;
    r->at += size;
    return p;
}

struct tally_part *tally_part_make(void)
{
    struct slot *s = slot_mine();
    if (!s) {
        return NULL;
    }
    if (!s->part[SLOT_OPERATION]) {
        struct tally_part *p = map(sizeof *p);
        if (!p) {
            return NULL;
        }
        p->slot = s;
        p->place_number = ACTIVE_RESERVED;
        slot_publish(s, SLOT_OPERATION, p);
    }
    return s->part[SLOT_OPERATION];
}

static uint64_t read_u64(const _Atomic uint64_t *from)
{
    return atomic_load_explicit(from, memory_order_relaxed);
}

static void write_u64(_Atomic uint64_t *to, uint64_t n)
{
    atomic_store_explicit(to, n, memory_order_relaxed);
}

/* Those of a tally that go on: begun by its thread and not ended by it, modulo 2^64. */
static uint64_t open_of(const struct tally *t)
{
    uint64_t ended = 0;
    for (int i = 0; i < SONDE_OPERATION_OUTCOMES; i++) {
        ended += read_u64(&t->ended[i]);
    }
    return read_u64(&t->begun) - ended;
}

static void clear(struct tally *t, uint64_t open)
{
    for (int i = 0; i < SONDE_OPERATION_OUTCOMES; i++) {
        write_u64(&t->ended[i], 0);
    }
    write_u64(&t->begun, open);
    write_u64(&t->total_ns, 0);
    write_u64(&t->least_ns, UINT64_MAX);
    write_u64(&t->most_ns, 0);
    write_u64(&t->last_ticks, 0);
    write_u64(&t->calls_n, 0);
    for (size_t i = 0; i < TALLY_BLOCKS; i++) {
        struct tally_block *b = atomic_load_explicit(&t->block[i], memory_order_relaxed);
        for (size_t k = 0; b && k < TALLY_BLOCK; k++) {
            write_u64(&b->bucket[k], 0);
        }
    }
}

static struct tally *make(struct tally_room *r, sonde_operation *o, size_t history)
{
    struct tally *t = take(r, sizeof *t);
    if (!t) {
        return NULL;
    }
    t->operation = o;
    atomic_store_explicit(&t->epoch, atomic_load_explicit(&o->epoch, memory_order_acquire),
                          memory_order_relaxed);
    write_u64(&t->least_ns, UINT64_MAX);
    size_t n = 2; /* one more than are kept: that which is being written */
    while (n <= history) {
        n *= 2;
    }
    t->calls = history ? take(r, n * sizeof *t->calls) : NULL;
    t->calls_mask = (uint32_t)n - 1;
    return t;
}

static uint32_t epoch_of(const struct tally *t)
{
    return atomic_load_explicit(&t->epoch, memory_order_relaxed);
}

/* Publishes a tally in which nothing is counted yet. Whoever resets from now on finds it, so that
 * the one before it is held by no reader after the next reset. */
static void publish(struct tally_part *p, struct tally *t)
{
    sonde_operation *o = t->operation;
    atomic_store(&p->of[o->index], t);
    for (uint32_t epoch = atomic_load(&o->epoch); epoch_of(t) != epoch;
         epoch = atomic_load(&o->epoch)) {
        atomic_store_explicit(&t->epoch, epoch, memory_order_relaxed);
    }
}

struct tally *tally_make(struct tally_part *p, sonde_operation *o)
{
    struct tally *old = atomic_load_explicit(&p->of[o->index], memory_order_relaxed), *t = NULL;
    if (old && old->spare) {
        t = old->spare;
        old->spare = NULL;
    } else {
        t = make(&p->room, o, (size_t)setting.operation_history);
    }
    if (!t) {
        return NULL;
    }
    clear(t, old ? open_of(old) : 0);
    atomic_store_explicit(&t->epoch, atomic_load_explicit(&o->epoch, memory_order_acquire),
                          memory_order_relaxed);
    t->spare = old;
    publish(p, t);
    return t;
}

static struct tally_block *block_of(struct tally_room *r, struct tally *t, size_t bucket)
{
    struct tally_block *_Atomic *at = &t->block[bucket / TALLY_BLOCK];
    struct tally_block *b = atomic_load_explicit(at, memory_order_relaxed);
    if (__builtin_expect(!b, 0)) {
        b = take(r, sizeof *b);
        atomic_store_explicit(at, b, memory_order_release);
    }
    return b;
}

/* Stored with release, each after the last count: see tally_calls(). */
static void remember(struct tally *t, uint64_t end_ticks, uint64_t ns_and_outcome)
{
    uint64_t n = read_u64(&t->calls_n);
    struct tally_call *c = &t->calls[n & t->calls_mask];
    atomic_store_explicit(&c->end_ticks, end_ticks, memory_order_release);
    atomic_store_explicit(&c->ns_and_outcome, ns_and_outcome, memory_order_release);
    atomic_store_explicit(&t->calls_n, n + 1, memory_order_release);
}

static __attribute__((noinline)) void offer(struct tally_part *p, sonde_operation *o,
                                            uint64_t end_ticks, uint64_t ns, int outcome)
{
    struct slowest_call call = {.ns = ns,
                                .end_ticks = end_ticks,
                                .tid = __atomic_load_n(&p->slot->tid, __ATOMIC_RELAXED),
                                .outcome = outcome};
    slowest_offer(&o->slowest, &call, &o->slow_ns);
}

void tally_add(struct tally_part *p, struct tally *t, uint64_t end_ticks, uint64_t ns, int outcome)
{
    ns = ns < ns_max ? ns : ns_max;
    slot_add_u64(&t->total_ns, ns);
    if (ns < read_u64(&t->least_ns)) {
        write_u64(&t->least_ns, ns);
    }
    if (ns > read_u64(&t->most_ns)) {
        write_u64(&t->most_ns, ns);
    }
    size_t i = ns ? buckets_index((double)ns * 1e-9) : 0;
    struct tally_block *b = block_of(&p->room, t, i);
    if (__builtin_expect(b != NULL, 1)) {
        slot_add_u64(&b->bucket[i % TALLY_BLOCK], 1);
    }
    if (t->calls) {
        remember(t, end_ticks, ns << TALLY_OUTCOME_BITS | (unsigned)outcome);
    }
    /* the count last: what a reader has counted is in everything else */
    atomic_store_explicit(&t->ended[outcome], read_u64(&t->ended[outcome]) + 1,
                          memory_order_release);
    if (__builtin_expect(ns > read_u64(&t->operation->slow_ns), 0)) {
        offer(p, t->operation, end_ticks, ns, outcome);
    }
}

/* Moves what is fresh of one tally into that of threads that ended, and leaves it empty. */
static void move(struct tally *from, struct tally *into)
{
    for (int i = 0; i < SONDE_OPERATION_OUTCOMES; i++) {
        slot_add_u64(&into->ended[i], read_u64(&from->ended[i]));
    }
    slot_add_u64(&into->begun, read_u64(&from->begun));
    slot_add_u64(&into->total_ns, read_u64(&from->total_ns));
    uint64_t least = read_u64(&from->least_ns), most = read_u64(&from->most_ns);
    uint64_t last = read_u64(&from->last_ticks);
    write_u64(&into->least_ns, least < read_u64(&into->least_ns) ? least : into->least_ns);
    write_u64(&into->most_ns, most > read_u64(&into->most_ns) ? most : into->most_ns);
    write_u64(&into->last_ticks, last > read_u64(&into->last_ticks) ? last : into->last_ticks);
    for (size_t i = 0; i < BUCKETS_N; i++) {
        struct tally_block *b =
            atomic_load_explicit(&from->block[i / TALLY_BLOCK], memory_order_relaxed);
        uint64_t n = b ? read_u64(&b->bucket[i % TALLY_BLOCK]) : 0;
        struct tally_block *to = n ? block_of(&ended_room, into, i) : NULL;
        if (to) {
            slot_add_u64(&to->bucket[i % TALLY_BLOCK], n);
        }
    }
    uint64_t n = read_u64(&from->calls_n), i = n > from->calls_mask ? n - from->calls_mask - 1 : 0;
    for (; into->calls && from->calls && i < n; i++) {
        const struct tally_call *c = &from->calls[i & from->calls_mask];
        remember(into, read_u64(&c->end_ticks), read_u64(&c->ns_and_outcome));
    }
    clear(from, 0);
}

/* What nobody will end any more: abandoned now. */
static void abandon_open(struct tally_part *p)
{
    uint64_t now = ticks_now();
    for (size_t i = 0; i < ACTIVE_PLACES; i++) {
        struct active_place *place = &p->places[i];
        uint64_t start = read_u64(&place->start_ticks);
        sonde_operation *o = atomic_load_explicit(&place->operation, memory_order_relaxed);
        if (!read_u64(&place->number) || !atomic_exchange(&place->number, 0)) {
            continue;
        }
        struct tally *t = tally_of(p, o);
        if (t) {
            tally_add(p, t, now, now > start ? ticks_ns(now - start) : 0,
                      SONDE_OPERATION_ABANDONED);
        }
    }
}

static void retire(void *part)
{
    struct tally_part *p = part;
    abandon_open(p);
    for (size_t i = 0, n = operation_count(); i < n; i++) {
        sonde_operation *o = operation_at(i);
        struct tally *t = atomic_load_explicit(&p->of[o->index], memory_order_relaxed);
        if (!t || (read_u64(&t->begun) == 0 && open_of(t) == 0)) {
            continue;
        }
        if (!o->ended) {
            o->ended =
                make(&ended_room, o, (size_t)setting.operation_history * TALLY_HISTORY_ENDED);
        }
        if (!o->ended) {
            lost_add(LOST_OPERATION, LOST_MEMORY, 1);
            continue;
        }
        if (epoch_of(t) != atomic_load_explicit(&o->epoch, memory_order_relaxed)) {
            clear(t, open_of(t)); /* nothing else of it counts */
        }
        move(t, o->ended);
    }
}

void tally_start(void)
{
    slot_on_retire(SLOT_OPERATION, retire);
}

struct walk {
    sonde_operation *operation;
    struct tally_sum *sum;
    struct buckets_sum *buckets;
    struct tally_memory *calls; /* [cap] */
    size_t calls_n, cap;
    bool ended_done;
};

static void add_blocks(const struct tally *t, struct buckets_sum *into)
{
    for (size_t i = 0; i < TALLY_BLOCKS; i++) {
        const struct tally_block *b = atomic_load_explicit(&t->block[i], memory_order_acquire);
        for (size_t k = 0; b && k < TALLY_BLOCK; k++) {
            uint64_t n = read_u64(&b->bucket[k]);
            into->bucket[i * TALLY_BLOCK + k] += n;
            into->count += n;
        }
    }
}

static void add_tally(struct walk *w, const struct tally *t)
{
    w->sum->active += open_of(t);
    if (epoch_of(t) != atomic_load_explicit(&w->operation->epoch, memory_order_relaxed)) {
        return;
    }
    struct tally_sum one = {0};
    for (int i = 0; i < SONDE_OPERATION_OUTCOMES; i++) {
        one.ended[i] = atomic_load_explicit(&t->ended[i], memory_order_acquire);
    }
    one.total_ns = read_u64(&t->total_ns);
    one.least_ns = read_u64(&t->least_ns);
    one.most_ns = read_u64(&t->most_ns);
    one.last_ticks = read_u64(&t->last_ticks);
    tally_sum_add(w->sum, &one);
    if (w->buckets) {
        add_blocks(t, w->buckets);
    }
}

/* What ended threads left is read under the mutex too, so within the first visit: without any part
 * nothing was ever counted. */
static void visit(void *part, struct walk *w, void (*each)(struct walk *w, const struct tally *t))
{
    const struct tally_part *p = part;
    if (!w->ended_done && w->operation->ended) {
        each(w, w->operation->ended);
    }
    w->ended_done = true;
    const struct tally *t = atomic_load_explicit(&p->of[w->operation->index], memory_order_acquire);
    if (t) {
        each(w, t);
    }
}

static void visit_sum(void *part, const struct slot *s, void *context)
{
    visit(part, context, add_tally);
}

void tally_sum(sonde_operation *o, struct tally_sum *ret, struct buckets_sum *ret_buckets)
{
    *ret = (struct tally_sum){.least_ns = UINT64_MAX};
    if (ret_buckets) {
        memset(ret_buckets, 0, sizeof *ret_buckets);
    }
    struct walk w = {.operation = o, .sum = ret, .buckets = ret_buckets};
    slot_each(SLOT_OPERATION, visit_sum, &w);
    /* A thread may end what another begins while both are read: none is active then. */
    int64_t active = (int64_t)(ret->active - read_u64(&o->unkept));
    ret->active = active > 0 ? (uint64_t)active : 0;
    if (ret_buckets) {
        ret_buckets->sum = (double)ret->total_ns * 1e-9;
    }
}

uint64_t tally_count(const struct tally_sum *s)
{
    uint64_t n = 0;
    for (int i = 0; i < SONDE_OPERATION_OUTCOMES; i++) {
        n += s->ended[i];
    }
    return n;
}

void tally_sum_add(struct tally_sum *into, const struct tally_sum *other)
{
    for (int i = 0; i < SONDE_OPERATION_OUTCOMES; i++) {
        into->ended[i] += other->ended[i];
    }
    into->total_ns += other->total_ns;
    into->active += other->active;
    into->least_ns = other->least_ns < into->least_ns ? other->least_ns : into->least_ns;
    into->most_ns = other->most_ns > into->most_ns ? other->most_ns : into->most_ns;
    into->last_ticks = other->last_ticks > into->last_ticks ? other->last_ticks : into->last_ticks;
}

/* A call may be overwritten while it is read: what its writer may have reached by then is left
 * out. */
static void add_calls(struct walk *w, const struct tally *t)
{
    if (!t->calls ||
        epoch_of(t) != atomic_load_explicit(&w->operation->epoch, memory_order_relaxed)) {
        return;
    }
    size_t before = w->calls_n;
    uint64_t n = atomic_load_explicit(&t->calls_n, memory_order_acquire), size = t->calls_mask + 1;
    uint64_t first = n > t->calls_mask ? n - t->calls_mask : 0;
    for (uint64_t i = first; i < n && w->calls_n < w->cap; i++) {
        const struct tally_call *c = &t->calls[i & t->calls_mask];
        uint64_t end = atomic_load_explicit(&c->end_ticks, memory_order_acquire);
        uint64_t rest = atomic_load_explicit(&c->ns_and_outcome, memory_order_acquire);
        if (i + size <= atomic_load_explicit(&t->calls_n, memory_order_relaxed)) {
            continue;
        }
        w->calls[w->calls_n++] =
            (struct tally_memory){.operation = w->operation,
                                  .end_ticks = end,
                                  .ns = rest >> TALLY_OUTCOME_BITS,
                                  .outcome = rest & ((1 << TALLY_OUTCOME_BITS) - 1)};
    }
    if (w->cap == 0) {
        w->calls_n = before + (size_t)(n - first);
    }
}

static void visit_calls(void *part, const struct slot *s, void *context)
{
    visit(part, context, add_calls);
}

size_t tally_calls(sonde_operation *o, struct tally_memory *ret, size_t cap)
{
    struct walk w = {.operation = o, .calls = ret, .cap = cap};
    slot_each(SLOT_OPERATION, visit_calls, &w);
    return w.calls_n;
}

/* Puts those of one tally behind n others; returns how many there are then. */
static size_t add_since(const struct tally *t, uint64_t since_ticks, struct tally_memory *ret,
                        size_t n, size_t cap)
{
    uint64_t last = read_u64(&t->calls_n);
    uint64_t first = last > t->calls_mask ? last - t->calls_mask : 0;
    for (uint64_t i = last; t->calls && i > first && n < cap; i--) {
        const struct tally_call *c = &t->calls[(i - 1) & t->calls_mask];
        uint64_t end = read_u64(&c->end_ticks), rest = read_u64(&c->ns_and_outcome);
        if (end < since_ticks) {
            break;
        }
        ret[n++] = (struct tally_memory){.operation = t->operation,
                                         .end_ticks = end,
                                         .ns = rest >> TALLY_OUTCOME_BITS,
                                         .outcome = rest & ((1 << TALLY_OUTCOME_BITS) - 1)};
    }
    return n;
}

size_t tally_calls_mine(uint64_t since_ticks, struct tally_memory *ret, size_t cap)
{
    const struct slot *s = slot_pointer;
    const struct tally_part *p = s ? s->part[SLOT_OPERATION] : NULL;
    size_t n = 0;
    for (size_t i = 0, all = operation_count(); p && i < all && n < cap; i++) {
        const struct tally *t = atomic_load_explicit(&p->of[i], memory_order_relaxed);
        if (t) {
            n = add_since(t, since_ticks, ret, n, cap);
        }
    }
    return n;
}

static void visit_reset(void *part, const struct slot *s, void *context)
{
    struct walk *w = context;
    sonde_operation *o = w->operation;
    if (!w->ended_done) {
        w->ended_done = true;
        uint32_t epoch = atomic_load_explicit(&o->epoch, memory_order_relaxed) + 1;
        if (o->ended) {
            clear(o->ended, open_of(o->ended));
            atomic_store_explicit(&o->ended->epoch, epoch, memory_order_relaxed);
        }
        atomic_store(&o->epoch, epoch);
    }
}

void tally_reset(sonde_operation *o)
{
    struct walk w = {.operation = o};
    slot_each(SLOT_OPERATION, visit_reset, &w);
}

void tally_fork_child(sonde_operation *o)
{
    tally_reset(o);
    atomic_store_explicit(&o->unkept, 0, memory_order_relaxed);
    if (o->ended) { /* into which all other tallies have been moved by now */
        write_u64(&o->ended->begun, 0);
    }
}
