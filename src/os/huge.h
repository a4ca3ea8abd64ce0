/* os/huge.h - large zeroed memory on huge pages where the kernel gives them: tables that are read
 * at random miss the TLB far less.
 *
 * Threads: any.
 */
#ifndef OS_HUGE_H
#define OS_HUGE_H

#include <stddef.h>

#include "base/attr.h"

/* bytes of zeroed memory, 64-byte aligned; to be freed by huge_free() with the same size. Below
 * 2 MiB it is ordinary memory. */
MUST_USE void *huge_new(size_t bytes);
void huge_free(void *p, size_t bytes); /* NULL is fine */

#endif
