/* client/stack/unwind.h - the addresses of a call stack.
 *
 * Here: by the frame-unwinding tables (libgcc's unwinder, loaded and warmed up at the start, so
 * that nothing is allocated later), for a few hundred nanoseconds a frame at most. From a signal's
 * context: by the same tables through our own reader with checked reads (client/stack/cfi.h), and
 * by frame pointers where the tables lead nowhere: whatever the stack holds, no fault comes of it.
 *
 * Threads: any; all are safe in signal handlers after unwind_start().
 */
#ifndef CLIENT_STACK_UNWIND_H
#define CLIENT_STACK_UNWIND_H

#include <stddef.h>
#include <stdint.h>

#include "client/stack/cfi.h"
#include "client/stack/peek.h"

enum { UNWIND_FRAMES_MAX = 128 };

void unwind_start(void); /* loads what the unwinder needs */

/* Fills ret [cap] with return addresses, the innermost first; skip leaves out that many frames of
 * ours (0: the first is the caller of unwind_here()). Returns how many. */
size_t unwind_here(uintptr_t *ret, size_t cap, size_t skip);

/* Of the thread that a signal interrupted: its program counter first. context is a ucontext_t.
 * Takes 17 KiB of stack, and about a microsecond for each page of stack and tables. */
size_t unwind_context(const void *context, uintptr_t *ret, size_t cap);

/* The same in memory that is given, for small stacks. */
size_t unwind_walk(struct peek *memory, const void *context, uintptr_t *ret, size_t cap);

/* The same within a handler of a signal that no fault has raised (a profiler's): by libgcc, many
 * times faster, and without checks. */
size_t unwind_sample(const void *context, uintptr_t *ret, size_t cap);

/* The registers of a ucontext_t by DWARF's numbers. */
void unwind_registers(const void *context, struct cfi_registers *ret);

#endif
