#include "alert/alert_timer.h"

#include "base/vec.h"

static void put(struct alert_timers *h, size_t at, struct alert_timer *t)
{
    h->v[at] = t;
    t->place = at + 1;
}

static void rise(struct alert_timers *h, size_t at)
{
    struct alert_timer *t = h->v[at];
    while (at > 0 && h->v[(at - 1) / 2]->at_ms > t->at_ms) {
        put(h, at, h->v[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    put(h, at, t);
}

static void sink(struct alert_timers *h, size_t at)
{
    struct alert_timer *t = h->v[at];
    for (size_t child; (child = 2 * at + 1) < h->n; at = child) {
        if (child + 1 < h->n && h->v[child + 1]->at_ms < h->v[child]->at_ms)
            child++;
        if (h->v[child]->at_ms >= t->at_ms)
            break;
        put(h, at, h->v[child]);
    }
    put(h, at, t);
}

void alert_timer_set(struct alert_timers *heap, struct alert_timer *t, int64_t at_ms)
{
    t->at_ms = at_ms;
    if (t->place == 0) {
        vec_push(heap, t);
        t->place = heap->n;
    }
    rise(heap, t->place - 1);
    sink(heap, t->place - 1);
}

void alert_timer_drop(struct alert_timers *heap, struct alert_timer *t)
{
    if (t->place == 0)
        return;
    size_t at = t->place - 1;
    struct alert_timer *last = heap->v[--heap->n];
    t->place = 0;
    if (last == t)
        return;
    put(heap, at, last);
    rise(heap, at);
    sink(heap, last->place - 1);
}

struct alert_timer *alert_timer_first(const struct alert_timers *heap)
{
    return heap->n ? heap->v[0] : NULL;
}
