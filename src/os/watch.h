/* os/watch.h - is a descriptor readable or writable?
 *
 * For who reads and writes a socket or pipe by itself (a library's); everything else is better
 * served by os/stream.h. Part of os/loop.h, which says which thread may call what.
 *
 * Threads: the loop's.
 */
#ifndef OS_WATCH_H
#define OS_WATCH_H

#include "base/attr.h"

struct loop;
struct watch;

enum { WATCH_READ = 1, WATCH_WRITE = 2 };

/* Watches fd, which stays the caller's, becomes non-blocking and must live until watch_free().
 * Nothing is asked for yet. f gets the events that hold, as bits, again and again while they do; a
 * failed descriptor is both. -ERR_x where the descriptor cannot be waited for. */
MUST_USE int watch_new(struct loop *l, int fd, void (*f)(void *context, unsigned events),
                       void *context, struct watch **ret);

/* Asks for these events (0: none). Costs kernel calls where it changes anything. */
void watch_set(struct watch *w, unsigned events);
unsigned watch_events(const struct watch *w);

/* The descriptor may be closed at once afterwards. */
void watch_free(struct watch *w); /* NULL is fine */

#endif
