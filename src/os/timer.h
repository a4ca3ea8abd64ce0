/* os/timer.h - calls after a time, once or again and again.
 *
 * Part of os/loop.h, which says which thread may call what.
 *
 * Threads: the loop's.
 */
#ifndef OS_TIMER_H
#define OS_TIMER_H

#include <stdint.h>

struct loop;
struct timer;

/* Calls f after first_ms and then every every_ms (0: once only). Freed by timer_free(). */
struct timer *timer_new(struct loop *l, int64_t first_ms, int64_t every_ms,
                        void (*f)(void *context), void *context);

/* Starts it anew with other times. */
void timer_again(struct timer *t, int64_t first_ms, int64_t every_ms);
/* It does not call until timer_again(). */
void timer_stop(struct timer *t);
void timer_free(struct timer *t); /* NULL is fine */

#endif
