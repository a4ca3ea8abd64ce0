/* client/stack/unwind.h - the addresses of a call stack.
 *
 * Here: by the frame-unwinding tables (libgcc's unwinder, loaded and warmed up at the start, so
 * that nothing is allocated later), for a few hundred nanoseconds a frame at most. From a signal's
 * context: the same, and by frame pointers with checked reads where the tables lead nowhere.
 *
 * Threads: any; both are safe in signal handlers after unwind_start().
 */
#ifndef CLIENT_STACK_UNWIND_H
#define CLIENT_STACK_UNWIND_H

#include <stddef.h>
#include <stdint.h>

enum { UNWIND_FRAMES_MAX = 128 };

void unwind_start(void); /* loads what the unwinder needs */

/* Fills ret [cap] with return addresses, the innermost first; skip leaves out that many frames of
 * ours. Returns how many. */
size_t unwind_here(uintptr_t *ret, size_t cap, size_t skip);

/* Of the thread that a signal interrupted: its program counter first. context is a ucontext_t. */
size_t unwind_context(const void *context, uintptr_t *ret, size_t cap);

#endif
