/* The counted allocators. Before each block stand 16 bytes: its size, its alignment, its subsystem,
 * its call site, and a check over them and the block's address, by which a pointer that is none of
 * ours is known. The check is wiped before the memory is given back. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/core/lost.h"
#include "client/memory/memory.h"
#include "client/stack/peek.h"

#define NO_SANITIZER __attribute__((no_sanitize("address"), no_sanitize("thread"), noinline))

enum {
    HEADER = 16,
    HEADER_LOG2 = 4,
    ALIGNMENT_MAX = 1 << 20,
    ALIGNMENT_SHIFT = 48, /* of the alignment's logarithm in `size` */
    NOBODY = 0xffff,      /* subsystem of a block that is not counted */
};
static const uint64_t SIZE_MASK = (1ull << ALIGNMENT_SHIFT) - 1;
static const size_t SIZE_MAX_BYTES = (size_t)1 << 46;

struct header {
    uint64_t size; /* bytes that were asked for; above them the alignment */
    uint16_t subsystem, site;
    uint32_t check;
};
_Static_assert(sizeof(struct header) == HEADER, "blocks stay aligned to 16 bytes");

static _Atomic uint64_t mismatches[MEMORY_MISMATCHES];

uint64_t memory_mismatches(enum memory_mismatch kind)
{
    return atomic_load_explicit(&mismatches[kind], memory_order_relaxed);
}

static void mismatch(enum memory_mismatch kind)
{
    atomic_fetch_add_explicit(&mismatches[kind], 1, memory_order_relaxed);
}

static uint32_t check_of(const void *block, const struct header *h)
{
    uint64_t x = (uint64_t)(uintptr_t)block ^ h->size * 0x9e3779b97f4a7c15ull;
    x ^= ((uint64_t)h->subsystem << 16 | h->site) * 0xc2b2ae3d27d4eb4full;
    x *= 0xd6e8feb86659fd93ull;
    return (uint32_t)(x >> 32) | 1;
}

/* What stands before a block; false where it is none of ours. What it reads may be another
 * allocator's own bytes, or freed. */
static NO_SANITIZER bool read_header(const void *block, struct header *ret)
{
    if ((uintptr_t)block % HEADER) {
        return false;
    }
    if ((uintptr_t)block % PEEK_PAGE == 0) { /* the page before it may not be there */
        return peek_once((uintptr_t)block - HEADER, ret, sizeof *ret) &&
               ret->check == check_of(block, ret);
    }
    const volatile struct header *at = (const volatile struct header *)((uintptr_t)block - HEADER);
    ret->size = at->size;
    ret->subsystem = at->subsystem;
    ret->site = at->site;
    ret->check = at->check;
    return ret->check == check_of(block, ret);
}

static struct header *header_of(void *block)
{
    return (struct header *)((char *)block - HEADER);
}

static void wipe(void *block)
{
    *(volatile uint32_t *)&header_of(block)->check = 0; /* a plain store before free() is dropped */
}

static unsigned alignment_log2(const struct header *h)
{
    return (unsigned)(h->size >> ALIGNMENT_SHIFT);
}

/* Where the memory begins that a block lies in. */
static void *base_of(void *block, const struct header *h)
{
    return (char *)block - ((size_t)1 << alignment_log2(h));
}

/* Puts the header before a new block and counts it. */
static void *dress(struct memory *m, void *base, size_t size, unsigned log2, uintptr_t from)
{
    char *block = (char *)base + ((size_t)1 << log2);
    struct header h = {.size = size | (uint64_t)log2 << ALIGNMENT_SHIFT, .subsystem = NOBODY};
    if (m && atomic_load_explicit(&module_on, memory_order_relaxed)) {
        h.subsystem = (uint16_t)m->number;
        h.site = (uint16_t)memory_site(m->number, from, memory_part_mine());
        memory_count_alloc(m->number, h.site, size);
    }
    h.check = check_of(block, &h);
    memcpy(block - HEADER, &h, sizeof h);
    return block;
}

static void *failed(struct memory *m)
{
    if (m) {
        atomic_fetch_add_explicit(&m->failures, 1, memory_order_relaxed);
    }
    errno = ENOMEM;
    return NULL;
}

static inline void *new_block(struct memory *m, size_t size, bool zeroed, uintptr_t from)
{
    if (size > SIZE_MAX_BYTES) {
        return failed(m);
    }
    void *base = zeroed ? calloc(1, size + HEADER) : malloc(size + HEADER);
    return base ? dress(m, base, size, HEADER_LOG2, from) : failed(m);
}

static void *new_aligned(struct memory *m, unsigned log2, size_t size, uintptr_t from)
{
    if (log2 <= HEADER_LOG2) {
        return new_block(m, size, false, from);
    }
    size_t alignment = (size_t)1 << log2;
    if (size > SIZE_MAX_BYTES) {
        return failed(m);
    }
    size_t whole = (size + 2 * alignment - 1) & ~(alignment - 1);
    void *base = aligned_alloc(alignment, whole);
    return base ? dress(m, base, size, log2, from) : failed(m);
}

static void uncount(const struct header *h)
{
    if (h->subsystem != NOBODY) {
        memory_count_free(h->subsystem, h->site, h->size & SIZE_MASK);
    }
}

static void free_block(struct memory *m, void *block)
{
    struct header h;
    if (!block) {
        return;
    }
    if (!read_header(block, &h)) {
        mismatch(MEMORY_FOREIGN);
        return;
    }
    if (m && h.subsystem != NOBODY && h.subsystem != m->number) {
        mismatch(MEMORY_OTHER_SUBSYSTEM);
    }
    uncount(&h);
    wipe(block);
    free(base_of(block, &h));
}

/* A block of another size with an alignment beyond malloc()'s. */
static void *move_aligned(struct memory *m, void *block, const struct header *h, size_t size,
                          uintptr_t from)
{
    void *next = new_aligned(m, alignment_log2(h), size, from);
    if (next) {
        size_t old = h->size & SIZE_MASK;
        memcpy(next, block, old < size ? old : size);
        uncount(h);
        wipe(block);
        free(base_of(block, h));
    }
    return next;
}

static void *resize_block(struct memory *m, void *block, size_t size, uintptr_t from)
{
    struct header h;
    if (!block) {
        return new_block(m, size, false, from);
    }
    if (!size) {
        free_block(m, block);
        return NULL;
    }
    if (!read_header(block, &h)) {
        mismatch(MEMORY_FOREIGN);
        errno = EINVAL;
        return NULL;
    }
    if (!m && h.subsystem != NOBODY) {
        m = memory_at(h.subsystem);
    } else if (m && h.subsystem != NOBODY && h.subsystem != m->number) {
        mismatch(MEMORY_OTHER_SUBSYSTEM);
    }
    if (size > SIZE_MAX_BYTES) {
        return failed(m);
    }
    if (alignment_log2(&h) > HEADER_LOG2) {
        return move_aligned(m, block, &h, size, from);
    }
    wipe(block); /* the old place may be left without our coming by again */
    void *base = realloc(header_of(block), size + HEADER);
    if (!base) {
        header_of(block)->check = h.check;
        return failed(m);
    }
    uncount(&h);
    return dress(m, base, size, HEADER_LOG2, from);
}

#define CALLER ((uintptr_t)__builtin_return_address(0))

void *sonde_memory_alloc(sonde_memory *memory, size_t size)
{
    return new_block((struct memory *)memory, size, false, CALLER);
}

static void *zeroed(struct memory *m, size_t n, size_t size, uintptr_t from)
{
    size_t whole;
    return __builtin_mul_overflow(n, size, &whole) ? failed(m) : new_block(m, whole, true, from);
}

void *sonde_memory_calloc(sonde_memory *memory, size_t n, size_t size)
{
    return zeroed((struct memory *)memory, n, size, CALLER);
}

void *sonde_memory_realloc(sonde_memory *memory, void *block, size_t size)
{
    return resize_block((struct memory *)memory, block, size, CALLER);
}

static void *aligned(struct memory *m, size_t alignment, size_t size, uintptr_t from)
{
    if (!alignment || (alignment & (alignment - 1)) || alignment > ALIGNMENT_MAX) {
        errno = EINVAL;
        return NULL;
    }
    return new_aligned(m, (unsigned)__builtin_ctzll(alignment), size, from);
}

void *sonde_memory_aligned(sonde_memory *memory, size_t alignment, size_t size)
{
    return aligned((struct memory *)memory, alignment, size, CALLER);
}

void sonde_memory_free(sonde_memory *memory, void *block)
{
    free_block((struct memory *)memory, block);
}

size_t sonde_memory_size(const void *block)
{
    struct header h;
    return block && read_header(block, &h) ? h.size & SIZE_MASK : 0;
}

static void *table_alloc(void *user, size_t size)
{
    return new_block(user, size, false, CALLER);
}

static void *table_calloc(void *user, size_t n, size_t size)
{
    return zeroed(user, n, size, CALLER);
}

static void *table_realloc(void *user, void *block, size_t size)
{
    return resize_block(user, block, size, CALLER);
}

static void *table_aligned(void *user, size_t alignment, size_t size)
{
    return aligned(user, alignment, size, CALLER);
}

static void table_free(void *user, void *block)
{
    free_block(user, block);
}

int sonde_memory_allocator(sonde_memory *memory, sonde_allocator *ret)
{
    if (!ret || ret->struct_size < sizeof *ret) {
        return SONDE_ERROR_ARGUMENT;
    }
    ret->user = memory;
    ret->alloc = table_alloc;
    ret->calloc = table_calloc;
    ret->realloc = table_realloc;
    ret->aligned = table_aligned;
    ret->free = table_free;
    return 0;
}
