/* client/alarm/window.h - sums over the last n steps of time: what rates and thresholds look at.
 *
 * A ring with one cell for each step (a second, a minute). Time is passed in as the number of the
 * step (now / step), so that it can be artificial; a clock that goes back adds to the newest step.
 *
 * Threads: one at a time.
 */
#ifndef CLIENT_ALARM_WINDOW_H
#define CLIENT_ALARM_WINDOW_H

#include <stdint.h>

struct window_cell {
    uint64_t a, b; /* two sums: hits and misses, bytes and blocks, .. */
};

struct window {
    struct window_cell *cell; /* [n], zeroed; belongs to the caller */
    uint32_t n;
    uint64_t newest; /* number of the step that was written last */
    uint64_t first;  /* of the one that was written first; of no use before */
    int begun;
};

void window_init(struct window *w, struct window_cell *cell, uint32_t n);
void window_add(struct window *w, uint64_t step, uint64_t a, uint64_t b);
/* The sums of the steps (step - count, step]; count is at most n. */
struct window_cell window_sum(const struct window *w, uint64_t step, uint32_t count);
/* How many of those steps lie at or behind the first one: what a rate divides by; at least 1. */
uint32_t window_age(const struct window *w, uint64_t step, uint32_t count);

#endif
