/* client/crash/altstack.h - a stack for the signal handlers of each thread, so that one whose own
 * stack has overflowed can still say so.
 *
 * Given to each thread that gets a slot (client/core/slot.h), and to the one that starts the
 * library; a thread that has one already keeps it, unless it is too small for the handler. Mapped
 * with a guard page below; memory is used only when a signal comes.
 *
 * Threads: any.
 */
#ifndef CLIENT_CRASH_ALTSTACK_H
#define CLIENT_CRASH_ALTSTACK_H

#include <stdbool.h>

enum { ALTSTACK_BYTES = 64 << 10, ALTSTACK_NEEDED_BYTES = 40 << 10 };

void altstack_start(void); /* hooks into the slots; gives the calling thread one */
void altstack_stop(void);  /* no more; those that are given stay */
void altstack_fork_child(void);
void altstack_worker(void); /* for the library's own thread */
bool altstack_take(void);   /* for the calling thread; false: no memory, or too many threads */

#endif
