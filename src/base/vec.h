/* base/vec.h - growing arrays of any type.
 *
 *   struct { struct label *v; size_t n, capacity; } names = {0};
 *   vec_push(&names, label);
 *   vec_free(&names);
 *
 * Any struct with members v, n and capacity is a vector; all zero is an empty one.
 *
 * Threads: one at a time.
 */
#ifndef BASE_VEC_H
#define BASE_VEC_H

#include <stddef.h>

#include "base/mem.h"

/* Room for at least n elements in all. */
#define vec_reserve(vec, wanted)                                                                   \
    ((vec)->v = vec_grow((vec)->v, sizeof *(vec)->v, (wanted), &(vec)->capacity))

#define vec_push(vec, element)                                                                     \
    (vec_reserve((vec), (vec)->n + 1), (void)((vec)->v[(vec)->n++] = (element)))

#define vec_free(vec) (mem_free((vec)->v), (vec)->v = NULL, (vec)->n = (vec)->capacity = 0)

/* Grows p (elements of size bytes) so that it holds wanted of them, at least doubling *capacity. */
MUST_USE void *vec_grow(void *p, size_t size, size_t wanted, size_t *capacity);

#endif
