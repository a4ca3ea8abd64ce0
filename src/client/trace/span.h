/* client/trace/span.h - spans from start to end: their memory, what a thread works in.
 *
 * A node of 1 KiB is an open span, a trace that is not kept (so that its children know), or an
 * attached context. Each thread has nodes of its own (its part of SLOT_TRACE), a list of those that
 * it works in (the innermost is `top`), and a list of free ones. Another thread that ends a span
 * pushes its node on the owner's list `returned`; the owner takes it out of its list later. A
 * handle is the node's address with, in its low bits, whether it records and a piece of the node's
 * generation, so that a handle of a span that has ended is known.
 *
 * Nodes are never freed. When trace.open_max of them are open, a thread that wants another one
 * gives up one of its oldest (it was forgotten; counted).
 *
 * Flow:    start -> node -> end -> record in the ring of the thread that ended it
 * Threads: a node is written by who uses the span; its `state` says whether what a reader saw
 *          belonged together (client/trace/word.h).
 */
#ifndef CLIENT_TRACE_SPAN_H
#define CLIENT_TRACE_SPAN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "client/core/slot.h"
#include "client/trace/item.h"
#include "client/trace/propagation.h"
#include "sonde/span.h"

enum {
    SPAN_BYTES = 1024, /* of a node, and its alignment */
    SPAN_NAME_MAX = 127,
    SPAN_NAME_WORDS = (SPAN_NAME_MAX + 1) / 8,
    SPAN_WORDS = 88,        /* for items within the node */
    SPAN_MORE_WORDS = 2048, /* for those that do not fit there */
    SPAN_CHUNK = 8,         /* nodes of a thread's first piece of memory */
    SPAN_CHUNKS_MAX = 18,
};

enum span_phase { SPAN_FREE, SPAN_OPEN, SPAN_CLOSING }; /* the low bits of `state` */
enum span_role { SPAN_RECORDS, SPAN_QUIET, SPAN_SCOPE };
enum span_mark {
    SPAN_START_UNIX = 1,    /* start is in nanoseconds since 1970, not in ticks */
    SPAN_END_UNIX = 2,      /* and so is the end */
    SPAN_PARENT = 4,        /* it has one */
    SPAN_PARENT_REMOTE = 8, /* in another process */
};

struct span_part;

struct sonde_span {
    _Atomic uint32_t state; /* generation << 2 | phase */
    uint8_t role, kind, marks;
    bool quiet;  /* of a trace that is not kept */
    bool linked; /* in the list of what the owner works in */
    uint8_t status;
    uint16_t name_n;         /* read by others too, as all from here to items: with the atomics */
    uint32_t tid;            /* of the thread that began it */
    struct span_part *owner; /* never changes */
    uint64_t context[4];     /* sonde_context */
    uint64_t start;
    uint64_t parent;
    sonde_span *older, *newer; /* the owner's */
    sonde_span *next_free;
    sonde_propagation *carried; /* held; NULL: none */
    uint16_t attributes_n, events_n, links_n;
    uint16_t attributes_lost, events_lost, links_lost;
    _Atomic uint16_t used, more_used; /* words */
    uint64_t *_Atomic more;           /* [SPAN_MORE_WORDS], kept for the next span */
    uint64_t name[SPAN_NAME_WORDS];
    uint64_t items[SPAN_WORDS];
};
_Static_assert(sizeof(struct sonde_span) <= SPAN_BYTES, "a span fits its node");

/* What each thread has. */
struct span_part {
    sonde_span *top; /* the owner's, as the next two */
    sonde_span *free;
    size_t hand;  /* where it looks for a forgotten span */
    size_t fresh; /* bytes in the ring since the worker was last woken */
    sonde_span *_Atomic returned;
    _Atomic uint64_t started, roots, sampled, dropped, forgotten;
    _Atomic uint32_t chunks;
    sonde_span *_Atomic chunk[SPAN_CHUNKS_MAX]; /* the first two of SPAN_CHUNK, then doubling */
};

/* A span that ended, in a ring: this, then words of the name, of the tracestate, of the items. */
struct span_record {
    sonde_context context;
    uint8_t parent[8];
    uint64_t start, end; /* ticks, or as `marks` says */
    uint32_t items;      /* words */
    uint16_t name_n, state_n;
    uint16_t attributes_lost, events_lost, links_lost;
    uint8_t kind, status, marks, pad;
};

/* span_pool.c: nodes and lists of the calling thread. */
struct span_part *span_part_new(struct slot *s); /* the slow path of span_mine() */
sonde_span *span_take(struct span_part *p);      /* a free node, or NULL */
void span_link(struct span_part *p, sonde_span *n);
void span_unlink(struct span_part *p, sonde_span *n);
/* Gives a node back that is SPAN_CLOSING; mine: the calling thread's part or NULL. */
void span_give(sonde_span *n, struct span_part *mine);
sonde_span *span_settle(struct span_part *p); /* the innermost one that is open */
void span_retire(void *part);                 /* slot_retire_f */
void span_forget_all(void);                   /* in a forked child */
size_t span_chunk_size(size_t chunk);

/* The calling thread's part; NULL: nothing can be recorded. */
static inline struct span_part *span_mine(struct slot **ret_slot)
{
    struct slot *s = slot_mine();
    *ret_slot = s;
    if (__builtin_expect(!s, 0)) {
        return NULL;
    }
    struct span_part *p = s->part[SLOT_TRACE];
    return __builtin_expect(p != NULL, 1) ? p : span_part_new(s);
}

static inline enum span_phase span_phase(uint32_t state)
{
    return (enum span_phase)(state & 3);
}

static inline sonde_span *span_handle(sonde_span *n, uint32_t state)
{
    uintptr_t low = (uintptr_t)(state >> 2 & 0x1ff) << 1 | (n->role == SPAN_RECORDS);
    return (sonde_span *)((uintptr_t)n | low);
}

/* The node of a handle, where it is still open; NULL otherwise. */
static inline sonde_span *span_of(const void *handle, uint32_t *ret_state)
{
    sonde_span *n = (sonde_span *)((uintptr_t)handle & ~(uintptr_t)(SPAN_BYTES - 1));
    if (!n) {
        return NULL;
    }
    *ret_state = atomic_load_explicit(&n->state, memory_order_relaxed);
    bool same = ((uintptr_t)handle >> 1 & 0x1ff) == (*ret_state >> 2 & 0x1ff);
    return same && span_phase(*ret_state) == SPAN_OPEN ? n : NULL;
}

static inline sonde_context span_context_of(const sonde_span *n)
{
    sonde_context c;
    memcpy(&c, n->context, sizeof c);
    return c;
}

/* The innermost node that the thread works in, or NULL. */
static inline sonde_span *span_top(struct span_part *p)
{
    sonde_span *n = p->top;
    if (n &&
        __builtin_expect(
            span_phase(atomic_load_explicit(&n->state, memory_order_relaxed)) != SPAN_OPEN, 0)) {
        n = span_settle(p);
    }
    return n;
}

/* A node for an attached context, innermost from now on; its handle. NULL: none. */
sonde_scope *span_place(const sonde_context *c, const sonde_propagation *carried, uint8_t marks);

/* Ends one whose state is `state`; true where the caller may give it back. */
bool span_close(sonde_span *n, uint32_t state);

/* Called when a span that records ends, before it is given back; NULL: nobody. */
typedef void span_end_f(const sonde_span *n, uint64_t end);
extern span_end_f *_Atomic span_end_hook;

/* A span that is open, as copied by a reader. */
struct span_copy {
    sonde_context context;
    uint64_t parent, start;
    pid_t tid;
    uint8_t kind, marks, status;
    size_t name_n, words_n;
    char name[SPAN_NAME_MAX + 1];
};
enum { SPAN_COPY_WORDS = SPAN_WORDS + SPAN_MORE_WORDS };
/* False: it is not open, does not record, or changed meanwhile. Its items go into words
 * [SPAN_COPY_WORDS]; NULL: without them. */
bool span_copy(const sonde_span *n, struct span_copy *ret, uint64_t *words);
/* Visits each node of a part. */
void span_each(struct span_part *p, void (*visit)(const sonde_span *n, void *context),
               void *context);

/* Sums over all threads. */
struct span_counts {
    uint64_t started, roots, sampled, dropped, forgotten;
};
struct span_counts span_counts(void);

#endif
