#include "client/core/ring.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { RING_MIN = 4096, RING_ALIGN = 8, RING_FILLER = 1 };

/* Before each record: what it takes with its head, rounded up, and the bytes that are its own. */
struct head {
    uint32_t step; /* a multiple of 8; the lowest bit: nothing but filling */
    uint32_t n;
};

static size_t step_of(size_t n)
{
    return (sizeof(struct head) + n + RING_ALIGN - 1) / RING_ALIGN * RING_ALIGN;
}

struct ring *ring_new(size_t size)
{
    size_t whole = RING_MIN;
    while (whole < size && whole < (size_t)1 << 30) {
        whole *= 2;
    }
    struct ring *r = aligned_alloc(_Alignof(struct ring), sizeof *r);
    if (!r) {
        return NULL;
    }
    *r = (struct ring){.size = whole};
    r->bytes = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (r->bytes == MAP_FAILED) {
        free(r);
        return NULL;
    }
    return r;
}

void ring_free(struct ring *r)
{
    if (r) {
        munmap(r->bytes, r->size);
        free(r);
    }
}

static struct head *at(const struct ring *r, uint64_t position)
{
    return (struct head *)(void *)(r->bytes + (position & (r->size - 1)));
}

/* Is there room for n bytes behind head? Looks at the reader's place only where it must. */
static bool room(struct ring *r, uint64_t head, size_t n)
{
    if (head + n - r->tail_seen <= r->size) {
        return true;
    }
    r->tail_seen = atomic_load_explicit(&r->tail, memory_order_acquire);
    return head + n - r->tail_seen <= r->size;
}

void *ring_reserve(struct ring *r, size_t n)
{
    uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    size_t step = step_of(n), left = r->size - (head & (r->size - 1));
    size_t fill = left < step ? left : 0;
    if (n > r->size / 4 || !room(r, head, step + fill)) {
        atomic_fetch_add_explicit(&r->lost, 1, memory_order_relaxed);
        return NULL;
    }
    if (fill) {
        *at(r, head) = (struct head){.step = (uint32_t)fill | RING_FILLER};
        head += fill;
        atomic_store_explicit(&r->head, head, memory_order_release);
    }
    return at(r, head) + 1;
}

void ring_commit(struct ring *r, void *record, size_t n)
{
    struct head *h = (struct head *)record - 1;
    *h = (struct head){.step = (uint32_t)step_of(n), .n = (uint32_t)n};
    uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    atomic_store_explicit(&r->head, head + h->step, memory_order_release);
}

const void *ring_peek(struct ring *r, size_t *ret_n)
{
    uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
    while (tail != atomic_load_explicit(&r->head, memory_order_acquire)) {
        const struct head *h = at(r, tail);
        if (!(h->step & RING_FILLER)) {
            *ret_n = h->n;
            return h + 1;
        }
        tail += h->step & ~(uint32_t)RING_FILLER;
        atomic_store_explicit(&r->tail, tail, memory_order_release);
    }
    return NULL;
}

void ring_release(struct ring *r)
{
    uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
    if (tail != atomic_load_explicit(&r->head, memory_order_acquire)) {
        tail += at(r, tail)->step & ~(uint32_t)RING_FILLER;
        atomic_store_explicit(&r->tail, tail, memory_order_release);
    }
}

size_t ring_used(const struct ring *r)
{
    return (size_t)(atomic_load_explicit(&r->head, memory_order_relaxed) -
                    atomic_load_explicit(&r->tail, memory_order_relaxed));
}
