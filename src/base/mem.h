/* base/mem.h - memory that is there or the process is not.
 *
 * Running out of memory aborts (the parent restarts the worker); every size that the outside
 * world chooses is checked against a limit before it gets here.
 *
 * Threads: any.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

#include "base/attr.h"

/* size zeroed bytes (at least 1), to be given to mem_free(). */
MUST_USE void *mem_new(size_t size);

/* size bytes with any content. */
MUST_USE void *mem_raw(size_t size);

/* count * size zeroed bytes; aborts where the product overflows. */
MUST_USE void *mem_array(size_t count, size_t size);

/* size zeroed bytes at a multiple of alignment (a power of two). */
MUST_USE void *mem_aligned(size_t alignment, size_t size);

/* Grows or shrinks p (NULL is fine); new bytes have any content. */
MUST_USE void *mem_resize(void *p, size_t size);

/* A copy of size bytes. */
MUST_USE void *mem_copy(const void *p, size_t size);

/* A NUL-terminated copy of len bytes. */
MUST_USE char *mem_text(const char *p, size_t len);

/* Frees p; NULL is fine. */
void mem_free(void *p);

#endif
