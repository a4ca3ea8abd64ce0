/* client/alarm/window.c - see window.h */
#include "client/alarm/window.h"

#include <string.h>

void window_init(struct window *w, struct window_cell *cell, uint32_t n)
{
    memset(cell, 0, n * sizeof *cell);
    *w = (struct window){.cell = cell, .n = n};
}

void window_add(struct window *w, uint64_t step, uint64_t a, uint64_t b)
{
    if (!w->begun) {
        w->begun = 1;
        w->first = w->newest = step;
    }
    if (step > w->newest) {
        uint64_t skipped = step - w->newest;
        for (uint64_t i = 1; i <= skipped && i <= w->n; i++) {
            w->cell[(w->newest + i) % w->n] = (struct window_cell){0};
        }
        if (skipped > w->n) {
            memset(w->cell, 0, w->n * sizeof *w->cell);
        }
        w->newest = step;
    }
    struct window_cell *c = &w->cell[w->newest % w->n];
    c->a += a;
    c->b += b;
}

struct window_cell window_sum(const struct window *w, uint64_t step, uint32_t count)
{
    struct window_cell sum = {0};
    if (!w->begun) {
        return sum;
    }
    step = step < w->newest ? w->newest : step;
    for (uint32_t i = 0; i < w->n; i++) {
        uint64_t s = w->newest - i;
        if (i > w->newest || step - s >= count || s < w->first) {
            break;
        }
        sum.a += w->cell[s % w->n].a;
        sum.b += w->cell[s % w->n].b;
    }
    return sum;
}

uint32_t window_age(const struct window *w, uint64_t step, uint32_t count)
{
    if (!w->begun || step <= w->first) {
        return 1;
    }
    uint64_t age = step - w->first + 1;
    return age < count ? (uint32_t)age : count;
}
