#include "client/metric/cells.h"

#include <stdlib.h>
#include <string.h>

#include "client/core/lost.h"

enum { LINE = 64 };

/* What ended threads have left, and the types: made with the first cell of a chunk, never freed.
 * `ended` is written under the mutex of slot_each(). */
struct chunk {
    _Atomic uint8_t type[CELLS_CHUNK];
    union cells_value ended[CELLS_CHUNK];
    struct buckets_sum *ended_buckets[CELLS_CHUNK];
};

static struct chunk *_Atomic chunks[CELLS_CHUNKS];
static _Atomic uint32_t used; /* cells that were given out, and gaps at the ends of chunks */

static struct chunk *chunk_of(uint32_t i)
{
    return atomic_load_explicit(&chunks[i / CELLS_CHUNK], memory_order_acquire);
}

static enum cells_type type_of(const struct chunk *k, uint32_t i)
{
    return atomic_load_explicit(&k->type[i % CELLS_CHUNK], memory_order_relaxed);
}

uint32_t cells_used(void)
{
    return atomic_load_explicit(&used, memory_order_acquire);
}

uint32_t cells_new(enum cells_type type, uint32_t n)
{
    uint32_t first = cells_used();
    if (first % CELLS_CHUNK + n > CELLS_CHUNK) {
        first = (first / CELLS_CHUNK + 1) * CELLS_CHUNK;
    }
    if (n == 0 || n > CELLS_CHUNK || first + n > CELLS_MAX) {
        return CELLS_NONE;
    }
    struct chunk *c = chunk_of(first);
    if (!c) {
        c = calloc(1, sizeof *c);
        if (!c) {
            return CELLS_NONE;
        }
        atomic_store_explicit(&chunks[first / CELLS_CHUNK], c, memory_order_release);
    }
    for (uint32_t i = 0; i < n; i++) {
        atomic_store_explicit(&c->type[first % CELLS_CHUNK + i], (uint8_t)type,
                              memory_order_relaxed);
    }
    atomic_store_explicit(&used, first + n, memory_order_release);
    return first;
}

void cells_retype(uint32_t i, enum cells_type type)
{
    atomic_store_explicit(&chunk_of(i)->type[i % CELLS_CHUNK], (uint8_t)type, memory_order_relaxed);
}

struct cells_part *cells_part_make(void)
{
    struct slot *s = slot_mine();
    if (!s) {
        return NULL;
    }
    if (!s->part[SLOT_METRIC]) {
        size_t size = (sizeof(struct cells_part) + LINE - 1) / LINE * LINE;
        struct cells_part *p = aligned_alloc(LINE, size);
        if (!p) {
            lost_add(LOST_METRIC, LOST_MEMORY, 1);
            return NULL;
        }
        memset(p, 0, size);
        slot_publish(s, SLOT_METRIC, p);
    }
    return s->part[SLOT_METRIC];
}

union cell *cells_make(uint32_t i)
{
    struct cells_part *p = cells_part();
    if (!p) {
        return NULL;
    }
    union cell *c = atomic_load_explicit(&p->chunk[i / CELLS_CHUNK], memory_order_relaxed);
    if (!c) {
        c = aligned_alloc(LINE, sizeof *c * CELLS_CHUNK);
        if (!c) {
            lost_add(LOST_METRIC, LOST_MEMORY, 1);
            return NULL;
        }
        memset(c, 0, sizeof *c * CELLS_CHUNK);
        atomic_store_explicit(&p->chunk[i / CELLS_CHUNK], c, memory_order_release);
    }
    return c + i % CELLS_CHUNK;
}

struct buckets *cells_buckets_make(union cell *c)
{
    size_t size = (sizeof(struct buckets) + LINE - 1) / LINE * LINE;
    struct buckets *b = aligned_alloc(LINE, size);
    if (!b) {
        lost_add(LOST_METRIC, LOST_MEMORY, 1);
        return NULL;
    }
    memset(b, 0, size);
    atomic_store_explicit(&c->buckets, b, memory_order_release);
    return b;
}

static void fold_buckets(struct chunk *k, uint32_t at, struct buckets *b)
{
    if (!b || atomic_load_explicit(&b->count, memory_order_relaxed) == 0) {
        return;
    }
    if (!k->ended_buckets[at]) {
        k->ended_buckets[at] = calloc(1, sizeof *k->ended_buckets[at]);
    }
    if (k->ended_buckets[at]) {
        buckets_fold(b, k->ended_buckets[at]);
    } else {
        lost_add(LOST_METRIC, LOST_MEMORY, atomic_load_explicit(&b->count, memory_order_relaxed));
    }
    buckets_clear(b);
}

/* Moves a chunk of a thread that ended to what ended threads left. */
static void fold_chunk(struct chunk *k, union cell *c)
{
    for (uint32_t i = 0; i < CELLS_CHUNK; i++) {
        if (type_of(k, i) == CELLS_BUCKETS) {
            fold_buckets(k, i, atomic_load_explicit(&c[i].buckets, memory_order_relaxed));
            continue;
        }
        uint64_t bits = atomic_load_explicit(&c[i].count, memory_order_relaxed);
        if (bits == 0) {
            continue;
        }
        if (type_of(k, i) == CELLS_U64) {
            k->ended[i].count += bits;
        } else {
            k->ended[i].number += atomic_load_explicit(&c[i].number, memory_order_relaxed);
        }
        atomic_store_explicit(&c[i].count, 0, memory_order_relaxed);
    }
}

static void retire(void *part)
{
    struct cells_part *p = part;
    for (uint32_t i = 0; i < CELLS_CHUNKS; i++) {
        union cell *c = atomic_load_explicit(&p->chunk[i], memory_order_relaxed);
        struct chunk *k = chunk_of(i * CELLS_CHUNK);
        if (c && k) {
            fold_chunk(k, c);
        }
    }
    memset(p->cache, 0, sizeof p->cache);
}

void cells_start(void)
{
    slot_on_retire(SLOT_METRIC, retire);
}

struct range {
    uint32_t first, n;
    union cells_value *ret;
    bool ended_done;
};

/* What ended threads left belongs to the sum; read under the mutex too, so within the first visit,
 * and without any thread by a walk of its own: see add_ended(). */
static void add_ended(struct range *r)
{
    for (uint32_t i = 0; i < r->n; i++) {
        uint32_t at = r->first + i;
        const struct chunk *k = chunk_of(at);
        if (!k) {
            i += CELLS_CHUNK - at % CELLS_CHUNK - 1;
        } else if (type_of(k, at) != CELLS_BUCKETS) {
            r->ret[i] = k->ended[at % CELLS_CHUNK];
        }
    }
    r->ended_done = true;
}

static void add_part(void *part, const struct slot *s, void *context)
{
    const struct cells_part *p = part;
    struct range *r = context;
    if (!r->ended_done) {
        add_ended(r);
    }
    for (uint32_t i = 0; i < r->n; i++) {
        uint32_t at = r->first + i;
        const struct chunk *k = chunk_of(at);
        union cell *c = atomic_load_explicit(&p->chunk[at / CELLS_CHUNK], memory_order_acquire);
        if (!c || !k) {
            i += CELLS_CHUNK - at % CELLS_CHUNK - 1;
            continue;
        }
        union cell *cell = c + at % CELLS_CHUNK;
        if (type_of(k, at) == CELLS_DOUBLE) {
            r->ret[i].number += atomic_load_explicit(&cell->number, memory_order_relaxed);
        } else if (type_of(k, at) == CELLS_U64) {
            r->ret[i].count += atomic_load_explicit(&cell->count, memory_order_relaxed);
        }
    }
}

void cells_sum(uint32_t first, uint32_t n, union cells_value *ret)
{
    memset(ret, 0, sizeof *ret * n);
    struct range r = {.first = first, .n = n, .ret = ret};
    slot_each(SLOT_METRIC, add_part, &r); /* without any part nothing was ever counted */
}

void cells_sum_all(union cells_value *ret, uint32_t n)
{
    cells_sum(0, n, ret);
}

struct bucket_range {
    uint32_t cell;
    struct buckets_sum *ret;
    bool ended_done;
};

static void add_buckets(void *part, const struct slot *s, void *context)
{
    const struct cells_part *p = part;
    struct bucket_range *r = context;
    const struct chunk *k = chunk_of(r->cell);
    if (!r->ended_done) {
        r->ended_done = true;
        const struct buckets_sum *ended = k ? k->ended_buckets[r->cell % CELLS_CHUNK] : NULL;
        if (ended) {
            *r->ret = *ended;
        }
    }
    union cell *c = atomic_load_explicit(&p->chunk[r->cell / CELLS_CHUNK], memory_order_acquire);
    if (c) {
        const struct buckets *b =
            atomic_load_explicit(&c[r->cell % CELLS_CHUNK].buckets, memory_order_acquire);
        if (b) {
            buckets_fold(b, r->ret);
        }
    }
}

void cells_sum_buckets(uint32_t cell, struct buckets_sum *ret)
{
    memset(ret, 0, sizeof *ret);
    struct bucket_range r = {.cell = cell, .ret = ret};
    slot_each(SLOT_METRIC, add_buckets, &r);
}
