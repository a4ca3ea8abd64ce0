/* pack/budget.h - how many bytes may be in decompressed form at once, over all threads.
 *
 * Reserve what a body may unpack to before unpacking it and give it back when it is freed.
 *
 * Threads: any; atomics.
 */
#ifndef PACK_BUDGET_H
#define PACK_BUDGET_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

/* The most bytes at once; 0 means none may be reserved. The default is 1 GiB. */
void budget_set(uint64_t max);

/* Takes n bytes; -ERR_BUSY where they are not there (nothing is taken). */
MUST_USE int budget_reserve(uint64_t n);
void budget_release(uint64_t n);

/* Bytes that are taken now. */
uint64_t budget_used(void);

#endif
