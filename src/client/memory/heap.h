/* client/memory/heap.h - what the allocator and the kernel say about the process's memory, as JSON.
 *
 * Source:  malloc_info(3), mallinfo(3), jemalloc(3), proc(5)
 * Threads: any.
 */
#ifndef CLIENT_MEMORY_HEAP_H
#define CLIENT_MEMORY_HEAP_H

#include <stdbool.h>
#include <stddef.h>

#include "client/core/jot.h"

/* The XML of malloc_info(3) as members of the open object: version, heaps (number, sizes, then a
 * member for each <total>, <system>, <aspace> by its type), and the same for all heaps. False where
 * it is not as expected; what was written is well-formed JSON nevertheless. */
bool heap_xml_json(const char *xml, size_t n, struct jot *j);

void heap_malloc(struct jot *j); /* malloc_info and mallinfo2 of glibc */
bool heap_jemalloc(
    struct jot *j);             /* false (and a member saying so) where it is not in the process */
void heap_smaps(struct jot *j); /* /proc/self/smaps_rollup, /proc/self/status */
double heap_rss_bytes(void);    /* resident now; NaN where it cannot be read */

#endif
