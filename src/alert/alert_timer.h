/* alert/alert_timer.h - what is due next, of very many: a binary heap of times within structs.
 *
 * Threads: one at a time.
 */
#ifndef ALERT_ALERT_TIMER_H
#define ALERT_ALERT_TIMER_H

#include <stddef.h>
#include <stdint.h>

/* A member of what waits; all zero: waits for nothing. */
struct alert_timer {
    int64_t at_ms;
    size_t place; /* in the heap, from 1; 0: not in it */
};

struct alert_timers {
    struct alert_timer **v; /* [n]; the first is due first */
    size_t n, capacity;
};

/* Puts t in, or moves it. */
void alert_timer_set(struct alert_timers *heap, struct alert_timer *t, int64_t at_ms);
void alert_timer_drop(struct alert_timers *heap, struct alert_timer *t); /* not in it: fine */

/* The one that is due first, or NULL. */
struct alert_timer *alert_timer_first(const struct alert_timers *heap);

#endif
