#include "client/operation/slowest.h"

#include <stdlib.h>
#include <string.h>

#include "sonde/core.h"

int slowest_init(struct slowest *s, unsigned cap)
{
    *s = (struct slowest){.cap = cap};
    if (cap) {
        s->calls = calloc(cap, sizeof *s->calls);
        if (!s->calls) {
            return SONDE_ERROR_MEMORY;
        }
    }
    return 0;
}

void slowest_done(struct slowest *s)
{
    free(s->calls);
    s->calls = NULL;
}

static void sift_up(struct slowest_call *calls, unsigned i)
{
    while (i > 0 && calls[(i - 1) / 2].ns > calls[i].ns) {
        struct slowest_call c = calls[i];
        calls[i] = calls[(i - 1) / 2];
        i = (i - 1) / 2;
        calls[i] = c;
    }
}

static void sift_down(struct slowest_call *calls, unsigned n)
{
    unsigned i = 0;
    for (;;) {
        unsigned least = i;
        for (unsigned child = 2 * i + 1; child <= 2 * i + 2 && child < n; child++) {
            least = calls[child].ns < calls[least].ns ? child : least;
        }
        if (least == i) {
            return;
        }
        struct slowest_call c = calls[i];
        calls[i] = calls[least];
        calls[least] = c;
        i = least;
    }
}

void slowest_offer(struct slowest *s, const struct slowest_call *call, _Atomic uint64_t *floor_ns)
{
    if (!s->cap) {
        atomic_store_explicit(floor_ns, UINT64_MAX, memory_order_relaxed);
        return;
    }
    if (!latch_try(&s->latch)) {
        atomic_fetch_add_explicit(&s->missed, 1, memory_order_relaxed);
        return;
    }
    if (s->n < s->cap) {
        s->calls[s->n] = *call;
        sift_up(s->calls, s->n++);
    } else if (call->ns > s->calls[0].ns) {
        s->calls[0] = *call;
        sift_down(s->calls, s->n);
    }
    if (s->n == s->cap) {
        atomic_store_explicit(floor_ns, s->calls[0].ns, memory_order_relaxed);
    }
    latch_release(&s->latch);
}

static int by_ns(const void *a, const void *b)
{
    const struct slowest_call *x = a, *y = b;
    return (x->ns < y->ns) - (x->ns > y->ns);
}

size_t slowest_read(struct slowest *s, struct slowest_call *ret, size_t cap)
{
    struct slowest_call calls[SLOWEST_MAX];
    if (!latch_wait(&s->latch)) {
        return 0;
    }
    size_t n = s->n;
    if (n) {
        memcpy(calls, s->calls, n * sizeof *calls);
    }
    latch_release(&s->latch);
    qsort(calls, n, sizeof *calls, by_ns);
    n = n < cap ? n : cap;
    memcpy(ret, calls, n * sizeof *calls);
    return n;
}

void slowest_clear(struct slowest *s, _Atomic uint64_t *floor_ns)
{
    if (latch_wait(&s->latch)) {
        s->n = 0;
        atomic_store_explicit(&s->missed, 0, memory_order_relaxed);
        atomic_store_explicit(floor_ns, 0, memory_order_relaxed);
        latch_release(&s->latch);
    }
}

void slowest_fork_child(struct slowest *s)
{
    latch_clear(&s->latch);
}
