#include "client/trace/current.h"

#include <string.h>

#include "client/core/slot.h"
#include "client/core/ticks.h"
#include "client/trace/span.h"

sonde_context current_context(void)
{
    sonde_context none = {0};
    struct slot *s = slot_pointer; /* not joined for this: a thread without a slot has no context */
    struct span_part *p = s ? s->part[SLOT_TRACE] : NULL;
    sonde_span *n = p ? span_top(p) : NULL;
    return n ? span_context_of(n) : none;
}

struct search {
    struct current_span *ret;
    size_t cap, n;
    pid_t tid;
    struct span_copy copy;
};

/* Among those of its thread the one that began first comes first. */
static bool comes_before(const struct current_span *a, const struct current_span *b)
{
    return a->tid != b->tid ? a->tid < b->tid : a->start_ticks < b->start_ticks;
}

/* When it began, as ticks. */
static uint64_t start_of(const struct span_copy *c)
{
    if (!(c->marks & SPAN_START_UNIX)) {
        return c->start;
    }
    int64_t age = ticks_unix_now_ns() - (int64_t)c->start;
    return ticks_now() - ticks_of_ns(age > 0 ? (uint64_t)age : 0);
}

static void insert(struct search *f)
{
    if (f->tid && f->copy.tid != f->tid) {
        return;
    }
    struct current_span now = {
        .context = f->copy.context, .start_ticks = start_of(&f->copy), .tid = f->copy.tid};
    size_t n = f->copy.name_n < sizeof now.name - 1 ? f->copy.name_n : sizeof now.name - 1;
    memcpy(now.name, f->copy.name, n);
    size_t at = f->n < f->cap ? f->n : f->cap;
    f->n++;
    if (at == f->cap) { /* full: the last one gives way to one that comes before it */
        if (at == 0 || !comes_before(&now, &f->ret[at - 1])) {
            return;
        }
        at--;
    }
    for (; at && comes_before(&now, &f->ret[at - 1]); at--) {
        f->ret[at] = f->ret[at - 1];
    }
    f->ret[at] = now;
}

static void look(const sonde_span *n, void *context)
{
    struct search *f = context;
    if (span_copy(n, &f->copy, NULL)) {
        insert(f);
    }
}

static void look_at_thread(void *part, const struct slot *s, void *context)
{
    span_each(part, look, context);
}

size_t current_each(struct current_span *ret, size_t cap, pid_t tid)
{
    struct search f = {.ret = ret, .cap = cap, .tid = tid};
    slot_each(SLOT_TRACE, look_at_thread, &f);
    return f.n;
}

size_t current_raw(struct current_span *ret, size_t cap)
{
    struct search f = {.ret = ret, .cap = cap};
    slot_each_raw(SLOT_TRACE, look_at_thread, &f);
    return f.n;
}

size_t current_mine(struct current_span *ret, size_t cap)
{
    struct search f = {.ret = ret, .cap = cap};
    struct slot *s = slot_pointer;
    if (s && s->part[SLOT_TRACE]) {
        span_each(s->part[SLOT_TRACE], look, &f);
    }
    return f.n;
}
