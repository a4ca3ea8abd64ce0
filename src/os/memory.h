/* os/memory.h - how much memory this process may use.
 *
 * Threads: any.
 */
#ifndef OS_MEMORY_H
#define OS_MEMORY_H

#include <stdint.h>

/* The smallest of the machine's memory and the limits of the cgroups (v1 and v2) that this process
 * is in, bytes. */
uint64_t memory_limit_bytes(void);

#endif
