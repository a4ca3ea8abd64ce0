/* os/signal_watch.h - calls for signals, on the loop instead of inside a handler.
 *
 * Part of os/loop.h, which says which thread may call what.
 *
 * Threads: the loop's.
 */
#ifndef OS_SIGNAL_WATCH_H
#define OS_SIGNAL_WATCH_H

struct loop;
struct signal_watch;
struct signal_watch *signal_watch_new(struct loop *l, int signum, void (*f)(void *context),
                                      void *context);
void signal_watch_free(struct signal_watch *w); /* NULL is fine */

#endif
