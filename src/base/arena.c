#include "base/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/must.h"

enum { BLOCK_SIZE = 8 * 1024, BLOCK_SIZE_MAX = 1024 * 1024, ALIGNMENT = alignof(max_align_t) };

struct arena_block {
    struct arena_block *next;
    size_t size; /* bytes of data */
    _Alignas(max_align_t) char data[];
};

void arena_init(struct arena *a)
{
    *a = (struct arena){0};
}

void arena_done(struct arena *a)
{
    while (a->blocks) {
        struct arena_block *next = a->blocks->next;
        mem_free(a->blocks);
        a->blocks = next;
    }
    arena_init(a);
}

void arena_reset(struct arena *a)
{
    struct arena_block *keep = a->blocks;
    if (!keep)
        return;
    a->blocks = keep->next;
    arena_done(a);
    keep->next = NULL;
    a->blocks = keep;
    a->total = keep->size;
}

void arena_take(struct arena *a, struct arena *from)
{
    struct arena_block **end = &from->blocks;
    while (*end)
        end = &(*end)->next;
    if (a->blocks) {
        *end = a->blocks->next;
        a->blocks->next = from->blocks;
    } else {
        a->blocks = from->blocks;
        a->used = from->used;
    }
    a->total += from->total;
    arena_init(from);
}

static void add_block(struct arena *a, size_t size)
{
    /* Blocks grow with the arena, so that a large one has few of them. */
    size_t usual = MIN(MAX((size_t)BLOCK_SIZE, a->total), (size_t)BLOCK_SIZE_MAX);
    size = MAX(size, usual);
    struct arena_block *b = mem_raw(sizeof *b + size);
    b->next = a->blocks;
    b->size = size;
    a->blocks = b;
    a->used = 0;
    a->total += size;
}

void *arena_raw(struct arena *a, size_t size)
{
    must(size <= SIZE_MAX - ALIGNMENT);
    size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (!a->blocks || size > a->blocks->size - a->used)
        add_block(a, size);
    void *p = a->blocks->data + a->used;
    a->used += size;
    return p;
}

void *arena_new(struct arena *a, size_t size)
{
    void *p = arena_raw(a, size);
    memset(p, 0, size);
    return p;
}

void *arena_array(struct arena *a, size_t count, size_t size)
{
    must(size == 0 || count <= SIZE_MAX / size);
    return arena_new(a, count * size);
}

struct str arena_str(struct arena *a, struct str s)
{
    char *p = arena_new(a, s.n + 1);
    if (s.n)
        memcpy(p, s.p, s.n);
    return (struct str){p, s.n};
}

struct str arena_printf(struct arena *a, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    must(n >= 0);
    char *p = arena_new(a, (size_t)n + 1);
    vsnprintf(p, (size_t)n + 1, format, again);
    va_end(again);
    return (struct str){p, (size_t)n};
}
