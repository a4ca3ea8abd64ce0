#include <stdlib.h>
#include <string.h>

#include "client/core/lost.h"
#include "client/core/module.h"
#include "client/core/setting.h"
#include "client/trace/span.h"

enum { FORGOTTEN_LOOKED_AT = 8 };

static _Atomic uint64_t nodes_made; /* of the process */

size_t span_chunk_size(size_t chunk)
{
    return chunk ? (size_t)SPAN_CHUNK << (chunk - 1) : SPAN_CHUNK;
}

/* Another piece of memory for nodes; the first one of a thread is had in any case. */
static bool grow(struct span_part *p)
{
    uint32_t chunk = atomic_load_explicit(&p->chunks, memory_order_relaxed);
    size_t n = span_chunk_size(chunk);
    uint64_t most = atomic_load_explicit(&setting.trace_open_max, memory_order_relaxed);
    uint64_t made = atomic_load_explicit(&nodes_made, memory_order_relaxed);
    if (chunk == SPAN_CHUNKS_MAX || (chunk && made + n > most)) {
        return false;
    }
    sonde_span *nodes = aligned_alloc(SPAN_BYTES, n * SPAN_BYTES);
    if (!nodes) {
        return false;
    }
    memset(nodes, 0, n * SPAN_BYTES);
    atomic_fetch_add_explicit(&nodes_made, n, memory_order_relaxed);
    for (size_t i = n; i--;) {
        sonde_span *node = (sonde_span *)(void *)((char *)nodes + i * SPAN_BYTES);
        node->owner = p;
        node->next_free = p->free;
        p->free = node;
    }
    atomic_store_explicit(&p->chunk[chunk], nodes, memory_order_release);
    atomic_store_explicit(&p->chunks, chunk + 1, memory_order_release);
    return true;
}

struct span_part *span_part_new(struct slot *s)
{
    struct span_part *p = calloc(1, sizeof *p);
    if (!p || !grow(p)) {
        free(p);
        return NULL;
    }
    slot_publish(s, SLOT_TRACE, p);
    return p;
}

void span_link(struct span_part *p, sonde_span *n)
{
    n->older = p->top;
    n->newer = NULL;
    if (p->top) {
        p->top->newer = n;
    }
    p->top = n;
    n->linked = true;
}

void span_unlink(struct span_part *p, sonde_span *n)
{
    if (!n->linked) {
        return;
    }
    n->linked = false;
    if (n->newer) {
        n->newer->older = n->older;
    } else {
        p->top = n->older;
    }
    if (n->older) {
        n->older->newer = n->newer;
    }
}

/* By the owner: the node is free from now on. */
static void reclaim(struct span_part *p, sonde_span *n)
{
    span_unlink(p, n);
    uint32_t state = atomic_load_explicit(&n->state, memory_order_relaxed);
    atomic_store_explicit(&n->state, ((state >> 2) + 1) << 2 | SPAN_FREE, memory_order_release);
    n->next_free = p->free;
    p->free = n;
}

/* Takes back what other threads have ended. */
static void take_returned(struct span_part *p)
{
    sonde_span *n = atomic_exchange_explicit(&p->returned, NULL, memory_order_acquire);
    while (n) {
        sonde_span *next = n->next_free;
        reclaim(p, n);
        n = next;
    }
}

void span_give(sonde_span *n, struct span_part *mine)
{
    if (n->carried) {
        sonde_propagation_free(n->carried);
        n->carried = NULL;
    }
    struct span_part *p = n->owner;
    if (p == mine) {
        reclaim(p, n);
        return;
    }
    sonde_span *head = atomic_load_explicit(&p->returned, memory_order_relaxed);
    do {
        n->next_free = head;
    } while (!atomic_compare_exchange_weak_explicit(&p->returned, &head, n, memory_order_release,
                                                    memory_order_relaxed));
}

sonde_span *span_settle(struct span_part *p)
{
    take_returned(p);
    sonde_span *n = p->top;
    /* one that is about to be returned is passed over: it leaves the list when it has come */
    while (n && span_phase(atomic_load_explicit(&n->state, memory_order_relaxed)) != SPAN_OPEN) {
        n = n->older;
    }
    return n;
}

bool span_close(sonde_span *n, uint32_t state)
{
    return atomic_compare_exchange_strong_explicit(&n->state, &state,
                                                   (state & ~(uint32_t)3) | SPAN_CLOSING,
                                                   memory_order_acq_rel, memory_order_relaxed);
}

static sonde_span *node_at(const struct span_part *p, size_t i)
{
    for (size_t chunk = 0; chunk < SPAN_CHUNKS_MAX; chunk++) {
        size_t n = span_chunk_size(chunk);
        if (i < n) {
            char *first = (char *)atomic_load_explicit(&p->chunk[chunk], memory_order_acquire);
            return first ? (sonde_span *)(void *)(first + i * SPAN_BYTES) : NULL;
        }
        i -= n;
    }
    return NULL;
}

/* Gives up the oldest of a few of the thread's nodes; true where one is free then. */
static bool forget_one(struct span_part *p)
{
    sonde_span *oldest = NULL;
    uint32_t state_of = 0;
    for (size_t tries = 0; tries < FORGOTTEN_LOOKED_AT; tries++) {
        sonde_span *n = node_at(p, p->hand);
        if (!n) {
            p->hand = 0;
            n = node_at(p, 0);
        }
        p->hand++;
        uint32_t state = atomic_load_explicit(&n->state, memory_order_relaxed);
        if (span_phase(state) == SPAN_OPEN && (!oldest || n->start < oldest->start)) {
            oldest = n;
            state_of = state;
        }
    }
    if (!oldest || !span_close(oldest, state_of)) {
        return false;
    }
    slot_add_u64(&p->forgotten, 1);
    if (oldest->role == SPAN_RECORDS) {
        slot_add_u64(&p->dropped, 1);
        lost_add(LOST_SPAN, LOST_QUEUE_FULL, 1);
    }
    span_give(oldest, p);
    return true;
}

static sonde_span *take_slowly(struct span_part *p)
{
    take_returned(p);
    if (!p->free && !grow(p) && !forget_one(p)) {
        return NULL;
    }
    return p->free;
}

sonde_span *span_take(struct span_part *p)
{
    sonde_span *n = p->free;
    if (__builtin_expect(!n, 0)) {
        n = take_slowly(p);
        if (!n) {
            return NULL;
        }
    }
    p->free = n->next_free;
    return n;
}

/* A thread ends: its contexts end with it; spans stay open, for others to end. */
void span_retire(void *part)
{
    struct span_part *p = part;
    take_returned(p);
    while (p->top) {
        sonde_span *n = p->top;
        if (!n->linked) { /* a fork found the thread amid a change of its list */
            p->top = n->older;
            continue;
        }
        span_unlink(p, n);
        uint32_t state = atomic_load_explicit(&n->state, memory_order_relaxed);
        if (n->role != SPAN_RECORDS && span_phase(state) == SPAN_OPEN && span_close(n, state)) {
            span_give(n, p);
        }
    }
}

static void forget_part(void *part, const struct slot *s, void *context)
{
    struct span_part *p = part;
    p->top = NULL;
    p->free = NULL;
    atomic_store_explicit(&p->returned, NULL, memory_order_relaxed);
    for (size_t i = 0;; i++) {
        sonde_span *n = node_at(p, i);
        if (!n) {
            return;
        }
        n->linked = false;
        n->carried = NULL; /* a thread of the parent may have been about to free it: left alone */
        reclaim(p, n);
    }
}

void span_forget_all(void)
{
    slot_each(SLOT_TRACE, forget_part, NULL);
}

static void add_counts(void *part, const struct slot *s, void *context)
{
    const struct span_part *p = part;
    struct span_counts *c = context;
    c->started += atomic_load_explicit(&p->started, memory_order_relaxed);
    c->roots += atomic_load_explicit(&p->roots, memory_order_relaxed);
    c->sampled += atomic_load_explicit(&p->sampled, memory_order_relaxed);
    c->dropped += atomic_load_explicit(&p->dropped, memory_order_relaxed);
    c->forgotten += atomic_load_explicit(&p->forgotten, memory_order_relaxed);
}

struct span_counts span_counts(void)
{
    struct span_counts c = {0};
    slot_each(SLOT_TRACE, add_counts, &c);
    return c;
}

static void copy_words(const sonde_span *n, struct span_copy *ret, uint64_t *words)
{
    size_t used = atomic_load_explicit(&n->used, memory_order_acquire);
    size_t more = atomic_load_explicit(&n->more_used, memory_order_acquire);
    uint64_t *at = atomic_load_explicit(&n->more, memory_order_acquire);
    used = used <= SPAN_WORDS ? used : SPAN_WORDS;
    more = at && more <= SPAN_MORE_WORDS ? more : 0;
    word_read(words, n->items, used);
    if (more) {
        word_read(words + used, at, more);
    }
    ret->words_n = used + more;
}

bool span_copy(const sonde_span *n, struct span_copy *ret, uint64_t *words)
{
    uint32_t state = atomic_load_explicit(&n->state, memory_order_acquire);
    if (span_phase(state) != SPAN_OPEN) {
        return false;
    }
    uint64_t context[4], name[SPAN_NAME_WORDS];
    bool records = __atomic_load_n(&n->role, __ATOMIC_ACQUIRE) == SPAN_RECORDS;
    word_read(context, n->context, 4);
    memcpy(&ret->context, context, sizeof ret->context);
    ret->parent = word_get(&n->parent);
    ret->start = word_get(&n->start);
    ret->tid = (pid_t)__atomic_load_n(&n->tid, __ATOMIC_ACQUIRE);
    ret->kind = __atomic_load_n(&n->kind, __ATOMIC_ACQUIRE);
    ret->marks = __atomic_load_n(&n->marks, __ATOMIC_ACQUIRE);
    ret->status = __atomic_load_n(&n->status, __ATOMIC_ACQUIRE);
    ret->name_n = __atomic_load_n(&n->name_n, __ATOMIC_ACQUIRE);
    ret->name_n = ret->name_n <= SPAN_NAME_MAX ? ret->name_n : SPAN_NAME_MAX;
    word_read(name, n->name, word_count(ret->name_n));
    memcpy(ret->name, name, ret->name_n);
    ret->name[ret->name_n] = 0;
    ret->words_n = 0;
    if (words) {
        copy_words(n, ret, words);
    }
    return records && atomic_load_explicit(&n->state, memory_order_relaxed) == state;
}

void span_each(struct span_part *p, void (*visit)(const sonde_span *n, void *context),
               void *context)
{
    for (size_t chunk = 0; chunk < SPAN_CHUNKS_MAX; chunk++) {
        const char *nodes =
            (const char *)atomic_load_explicit(&p->chunk[chunk], memory_order_acquire);
        for (size_t i = 0; nodes && i < span_chunk_size(chunk); i++) {
            visit((const sonde_span *)(const void *)(nodes + i * SPAN_BYTES), context);
        }
    }
}
