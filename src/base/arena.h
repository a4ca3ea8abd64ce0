/* base/arena.h - memory that is freed all at once.
 *
 * For everything whose life ends together: one request, one query, one configuration.
 *
 * Threads: one at a time.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

#include "base/attr.h"
#include "base/str.h"

struct arena_block;

struct arena {
    struct arena_block *blocks; /* newest first */
    size_t used;                /* bytes of the newest block that are given out */
    size_t total;               /* bytes of all blocks: what the arena costs */
};

void arena_init(struct arena *a);

/* Frees everything; the arena is empty and usable again. */
void arena_done(struct arena *a);

/* Forgets everything but keeps one block for the next use. */
void arena_reset(struct arena *a);

/* Takes over all memory of from, which is empty then: it lives as long as a's own. */
void arena_take(struct arena *a, struct arena *from);

/* size zeroed bytes, aligned for any type; valid until arena_done() or arena_reset(). */
MUST_USE void *arena_new(struct arena *a, size_t size);

/* size bytes of any content, aligned likewise. */
MUST_USE void *arena_raw(struct arena *a, size_t size);

/* count * size zeroed bytes; aborts where the product overflows. */
MUST_USE void *arena_array(struct arena *a, size_t count, size_t size);

/* A copy of s (and of a NUL behind it). */
struct str arena_str(struct arena *a, struct str s);

/* A formatted text, NUL-terminated. */
struct str arena_printf(struct arena *a, const char *format, ...) PRINTF(2, 3);

#endif
