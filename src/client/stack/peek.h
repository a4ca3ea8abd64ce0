/* client/stack/peek.h - reading memory of this process that may not be there.
 *
 * Pages are copied by process_vm_readv(2); where the kernel refuses that, a page is looked at first
 * by a call that fails with EFAULT (rt_sigprocmask), then read. The last pages are kept, so that a
 * walk over a stack costs few calls.
 *
 * Threads: one struct peek belongs to one thread; safe in signal handlers.
 */
#ifndef CLIENT_STACK_PEEK_H
#define CLIENT_STACK_PEEK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PEEK_PAGE = 4096, PEEK_PAGES = 4 };

struct peek {
    uint64_t page[PEEK_PAGES]; /* address of the page kept here; 1: none */
    uint8_t bytes[PEEK_PAGES][PEEK_PAGE];
};

void peek_init(struct peek *p);
/* Copies [n] bytes; false (and nothing useful in ret) where one of them cannot be read. */
bool peek_read(struct peek *p, uint64_t address, void *ret, size_t n);
/* The same for once, without pages that are kept. */
bool peek_once(uint64_t address, void *ret, size_t n);

#endif
