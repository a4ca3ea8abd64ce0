#include "client/trace/span.h"

#include <string.h>

#include "client/core/id.h"
#include "client/core/lost.h"
#include "client/core/module.h"
#include "client/core/ring.h"
#include "client/core/setting.h"
#include "client/core/ticks.h"
#include "client/trace/sampler.h"
#include "client/trace/trace.h"

unsigned char sonde_span_enabled;
span_end_f *_Atomic span_end_hook;

/* Where a span begins: what its node is filled with. */
struct beginning {
    const char *name;
    size_t name_n;
    int kind;
    const sonde_context *parent; /* NULL: none */
    const sonde_propagation *carried;
    bool remote;
};

static void begin_fields(sonde_span *n, enum span_role role, const sonde_propagation *carried)
{
    __atomic_store_n(&n->role, (uint8_t)role, __ATOMIC_RELEASE);
    __atomic_store_n(&n->status, (uint8_t)SONDE_SPAN_UNSET, __ATOMIC_RELEASE);
    n->linked = false;
    n->attributes_n = n->events_n = n->links_n = 0;
    n->attributes_lost = n->events_lost = n->links_lost = 0;
    atomic_store_explicit(&n->used, 0, memory_order_release);
    atomic_store_explicit(&n->more_used, 0, memory_order_release);
    n->carried = propagation_hold(carried);
}

static void put_context(sonde_span *n, const sonde_context *c)
{
    uint64_t words[4];
    memcpy(words, c, sizeof words);
    for (size_t i = 0; i < 4; i++) {
        word_put(&n->context[i], words[i]);
    }
}

/* Everybody may see it from now on. */
static sonde_span *open_node(sonde_span *n)
{
    uint32_t state = atomic_load_explicit(&n->state, memory_order_relaxed) | SPAN_OPEN;
    atomic_store_explicit(&n->state, state, memory_order_release);
    return span_handle(n, state);
}

sonde_scope *span_place(const sonde_context *c, const sonde_propagation *carried, uint8_t marks)
{
    struct slot *s;
    struct span_part *p = span_mine(&s);
    sonde_span *n = p ? span_take(p) : NULL;
    if (!n) {
        return NULL;
    }
    begin_fields(n, SPAN_SCOPE, carried);
    put_context(n, c);
    word_put(&n->start, ticks_now());
    __atomic_store_n(&n->marks, marks, __ATOMIC_RELEASE);
    n->quiet = sonde_context_valid(c) && !(c->flags & SONDE_CONTEXT_SAMPLED);
    span_link(p, n);
    return (sonde_scope *)open_node(n);
}

/* New ids, and whether the trace is kept. */
static void new_trace(sonde_context *c)
{
    uint64_t words[3] = {id_u64() | 1, id_u64() | 1, id_u64() | 1};
    memcpy(c->trace_id, words, sizeof c->trace_id);
    memcpy(c->span_id, words + 2, sizeof c->span_id);
    uint64_t threshold = sampler_threshold();
    bool kept = sampler_random(c->trace_id) >= threshold;
    c->flags = kept ? SONDE_CONTEXT_SAMPLED | SONDE_CONTEXT_RANDOM : SONDE_CONTEXT_RANDOM;
    if (kept) {
        sampler_into(c, threshold);
    }
}

static void fill(sonde_span *n, const struct beginning *b, struct slot *s)
{
    sonde_context c = {0};
    uint64_t parent = 0;
    uint8_t marks = 0;
    if (b->parent) {
        c = *b->parent;
        memcpy(&parent, c.span_id, sizeof parent);
        uint64_t id = id_u64() | 1;
        memcpy(c.span_id, &id, sizeof id);
        marks = (uint8_t)(b->remote ? SPAN_PARENT | SPAN_PARENT_REMOTE : SPAN_PARENT);
    } else {
        new_trace(&c);
    }
    put_context(n, &c);
    n->quiet = !(c.flags & SONDE_CONTEXT_SAMPLED);
    begin_fields(n, n->quiet ? SPAN_QUIET : SPAN_RECORDS, b->carried);
    if (n->quiet) {
        return;
    }
    size_t name_n =
        b->name_n <= SPAN_NAME_MAX ? b->name_n : item_cut(b->name, b->name_n, SPAN_NAME_MAX);
    word_put(&n->parent, parent);
    __atomic_store_n(&n->marks, marks, __ATOMIC_RELEASE);
    __atomic_store_n(&n->kind, (uint8_t)b->kind, __ATOMIC_RELEASE);
    __atomic_store_n(&n->tid, (uint32_t)s->tid, __ATOMIC_RELEASE);
    __atomic_store_n(&n->name_n, (uint16_t)name_n, __ATOMIC_RELEASE);
    word_write(n->name, b->name, name_n);
    word_put(&n->start, ticks_now());
}

/* No node: a bound is reached and none was forgotten, or there is no memory. */
static sonde_span *no_room(struct span_part *p)
{
    slot_add_u64(&p->dropped, 1);
    lost_add(LOST_SPAN, LOST_QUEUE_FULL, 1);
    return NULL;
}

/* What is behind the quick look of sonde_span_begin(): apart, so that the look needs no frame. */
static __attribute__((noinline)) sonde_span *begin(struct slot *s, const char *name, size_t name_n,
                                                   int kind)
{
    struct span_part *p = s->part[SLOT_TRACE];
    const sonde_span *top = span_top(p);
    struct beginning b = {.name = name, .name_n = name_n, .kind = kind};
    sonde_span *n = span_take(p);
    if (!n) {
        return no_room(p);
    }
    sonde_context parent;
    if (top) {
        parent = span_context_of(top);
        if (top->role != SPAN_SCOPE || sonde_context_valid(&parent)) {
            b.parent = &parent;
        }
        b.carried = top->carried;
        b.remote = top->role == SPAN_SCOPE && (top->marks & SPAN_PARENT_REMOTE);
    }
    if (!b.parent) {
        slot_add_u64(&p->roots, 1);
    }
    fill(n, &b, s);
    span_link(p, n);
    return open_node(n);
}

sonde_span *sonde_span_begin(const char *name, size_t name_n, int kind)
{
    struct slot *s = slot_mine();
    struct span_part *p = s ? s->part[SLOT_TRACE] : NULL;
    if (__builtin_expect(!p, 0)) {
        p = s ? span_part_new(s) : NULL;
        if (!p) {
            return NULL;
        }
    }
    slot_add_u64(&p->started, 1);
    const sonde_span *top = p->top;
    /* quick, and right: one that ended elsewhere is looked at again behind this */
    if (top && top->quiet &&
        span_phase(atomic_load_explicit(&top->state, memory_order_relaxed)) == SPAN_OPEN) {
        return NULL;
    }
    top = span_top(p);
    return top && top->quiet ? NULL : begin(s, name, name_n, kind);
}

/* Whose child a span with options is. */
static void find_parent(struct span_part *p, const sonde_span_options *o, struct beginning *b,
                        sonde_context *room)
{
    sonde_span *top = o->root ? NULL : span_top(p);
    if (o->remote) {
        b->carried = o->remote;
    }
    if (o->parent) {
        *room = *o->parent;
        b->carried = b->carried ? b->carried : top ? top->carried : NULL;
    } else if (o->remote && o->remote->found) {
        *room = o->remote->context;
        b->remote = o->remote->remote;
    } else if (top) {
        *room = span_context_of(top);
        b->carried = b->carried ? b->carried : top->carried;
        b->remote = top->role == SPAN_SCOPE && (top->marks & SPAN_PARENT_REMOTE);
    } else {
        return;
    }
    b->parent = sonde_context_valid(room) && !o->root ? room : NULL;
}

static int kind_of(int kind)
{
    return kind >= SONDE_SPAN_INTERNAL && kind <= SONDE_SPAN_CONSUMER ? kind : SONDE_SPAN_INTERNAL;
}

sonde_span *sonde_span_begin_with(const char *name, const sonde_span_options *o)
{
    if (!o || o->struct_size < sizeof *o) {
        return sonde_span_begin(name, sonde_span_length(name), SONDE_SPAN_INTERNAL);
    }
    struct slot *s;
    struct span_part *p = span_mine(&s);
    if (!p) {
        return NULL;
    }
    slot_add_u64(&p->started, 1);
    struct beginning b = {
        .name = name, .name_n = sonde_span_length(name), .kind = kind_of(o->kind)};
    sonde_context room;
    find_parent(p, o, &b, &room);
    sonde_span *n = span_take(p);
    if (!n) {
        return no_room(p);
    }
    if (!b.parent) {
        slot_add_u64(&p->roots, 1);
    }
    fill(n, &b, s);
    if (o->start_unix_ns > 0 && n->role == SPAN_RECORDS) {
        word_put(&n->start, (uint64_t)o->start_unix_ns);
        __atomic_store_n(&n->marks, (uint8_t)(n->marks | SPAN_START_UNIX), __ATOMIC_RELEASE);
    }
    if (!o->detached) {
        span_link(p, n);
    }
    sonde_span *handle = open_node(n);
    sonde_span_set_attrs(handle, o->attrs, o->attrs_n);
    for (size_t i = 0; o->links && i < o->links_n; i++) {
        sonde_span_link(handle, &o->links[i]);
    }
    return handle;
}

static struct ring *ring_of(struct slot *s)
{
    struct ring *r = s->part[SLOT_SPANS];
    if (__builtin_expect(!r, 0)) {
        r = ring_new(atomic_load_explicit(&setting.trace_ring_bytes, memory_order_relaxed));
        if (r) {
            slot_publish(s, SLOT_SPANS, r);
        }
    }
    return r;
}

static uint64_t *copy_bytes(uint64_t *to, const void *bytes, size_t n)
{
    to[word_count(n) - (n ? 1 : 0)] = 0; /* what stands behind a text is nothing */
    memcpy(to, bytes, n);
    return to + word_count(n);
}

static void write_record(void *memory, const sonde_span *n, uint64_t end, uint8_t end_mark,
                         const char *state, size_t state_n)
{
    size_t used = atomic_load_explicit(&n->used, memory_order_relaxed);
    size_t more = atomic_load_explicit(&n->more_used, memory_order_relaxed);
    struct span_record *r = memory;
    *r = (struct span_record){.context = span_context_of(n),
                              .start = n->start,
                              .end = end,
                              .items = (uint32_t)(used + more),
                              .name_n = n->name_n,
                              .state_n = (uint16_t)state_n,
                              .attributes_lost = n->attributes_lost,
                              .events_lost = n->events_lost,
                              .links_lost = n->links_lost,
                              .kind = n->kind,
                              .status = n->status,
                              .marks = n->marks | end_mark};
    memcpy(r->parent, &n->parent, sizeof r->parent);
    uint64_t *to = (uint64_t *)(r + 1);
    memcpy(to, n->name, word_count(n->name_n) * sizeof *to);
    to += word_count(n->name_n);
    if (state_n) {
        to = copy_bytes(to, state, state_n);
    }
    memcpy(to, n->items, used * sizeof *to);
    if (more) {
        memcpy(to + used, atomic_load_explicit(&n->more, memory_order_relaxed), more * sizeof *to);
    }
}

static void record(struct slot *s, struct span_part *p, sonde_span *n, int64_t end_unix_ns)
{
    uint64_t end = end_unix_ns > 0 ? (uint64_t)end_unix_ns : ticks_now();
    char state[TRACESTATE_MAX];
    size_t state_n = 0;
    if (n->carried) { /* without, the worker writes our own */
        sonde_context c = span_context_of(n);
        state_n = propagation_state(&c, n->carried, state);
    }
    size_t words = word_count(n->name_n) + word_count(state_n) +
                   atomic_load_explicit(&n->used, memory_order_relaxed) +
                   atomic_load_explicit(&n->more_used, memory_order_relaxed);
    size_t bytes = sizeof(struct span_record) + words * sizeof(uint64_t);
    struct ring *r = ring_of(s);
    void *memory = r ? ring_reserve(r, bytes) : NULL;
    if (!memory) {
        slot_add_u64(&p->dropped, 1);
        lost_add(LOST_SPAN, r ? LOST_RING_FULL : LOST_MEMORY, 1);
        trace_drain_now();
        return;
    }
    write_record(memory, n, end, end_unix_ns > 0 ? SPAN_END_UNIX : 0, state, state_n);
    ring_commit(r, memory, bytes);
    slot_add_u64(&p->sampled, 1);
    p->fresh += bytes;
    if (p->fresh > r->size / 2) {
        p->fresh = 0;
        trace_drain_now();
    }
    span_end_f *hook = atomic_load_explicit(&span_end_hook, memory_order_acquire);
    if (__builtin_expect(hook != NULL, 0)) {
        hook(n, end);
    }
}

void sonde_span_finish(sonde_span *span, int64_t end_unix_ns)
{
    struct slot *s;
    struct span_part *p = span_mine(&s); /* before the node is looked at: a fork may end it */
    uint32_t state;
    sonde_span *n = span_of(span, &state);
    if (!n || n->role == SPAN_SCOPE || !span_close(n, state)) {
        return;
    }
    if (n->role == SPAN_RECORDS) {
        bool on = atomic_load_explicit(&module_on, memory_order_relaxed);
        if (p && on) {
            record(s, p, n, end_unix_ns);
        } else {
            lost_add(LOST_SPAN, LOST_MEMORY, on ? 1 : 0);
        }
    }
    span_give(n, p);
}

sonde_context sonde_span_context(const sonde_span *span)
{
    uint32_t state;
    const sonde_span *n = span_of(span, &state);
    return n ? span_context_of(n) : sonde_context_current();
}

void sonde_span_detach(sonde_span *span)
{
    struct slot *s;
    struct span_part *p = span_mine(&s);
    uint32_t state;
    sonde_span *n = span_of(span, &state);
    if (n && p == n->owner && n->role != SPAN_SCOPE) {
        span_unlink(p, n);
    }
}

sonde_scope *sonde_span_attach(const sonde_span *span)
{
    uint32_t state;
    const sonde_span *n = span_of(span, &state);
    if (!n) {
        return NULL;
    }
    sonde_context c = span_context_of(n);
    return span_place(&c, n->carried, 0);
}
