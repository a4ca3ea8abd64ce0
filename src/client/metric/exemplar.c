#include "client/metric/exemplar.h"

#include <stdlib.h>
#include <string.h>

#include "client/core/setting.h"
#include "client/core/ticks.h"

static _Atomic uint64_t period_ms;

void exemplar_start(void)
{
    atomic_store(&period_ms, setting.metric_exemplar_ms);
}

static struct exemplar_set *set_of(struct exemplar_set *_Atomic *set, size_t n)
{
    struct exemplar_set *s = atomic_load_explicit(set, memory_order_acquire);
    if (s) {
        return s;
    }
    struct exemplar_set *made = calloc(1, sizeof *made + n * sizeof *made->place);
    if (!made) {
        return NULL; /* an exemplar less is no loss that anybody counts */
    }
    made->n = n;
    if (!atomic_compare_exchange_strong(set, &s, made)) {
        free(made);
        return s;
    }
    return made;
}

void exemplar_keep(struct exemplar_set *_Atomic *set, size_t n, size_t i, double value,
                   const sonde_context *context)
{
    static const uint8_t nothing[16];
    if (!context || !(context->flags & SONDE_CONTEXT_SAMPLED) ||
        memcmp(context->trace_id, nothing, sizeof nothing) == 0) {
        return;
    }
    struct exemplar_set *s = set_of(set, n);
    if (!s || i >= s->n) {
        return;
    }
    struct exemplar_place *p = &s->place[i];
    uint64_t now = (uint64_t)(ticks_unix_now_ns() / 1000000);
    uint64_t sequence = atomic_load_explicit(&p->sequence, memory_order_relaxed);
    uint64_t then = atomic_load_explicit(&p->unix_ms, memory_order_relaxed);
    if (sequence & 1 ||
        (sequence && now < then + atomic_load_explicit(&period_ms, memory_order_relaxed) &&
         now >= then) ||
        !atomic_compare_exchange_strong(&p->sequence, &sequence, sequence + 1)) {
        return;
    }
    uint64_t words[4];
    memcpy(words, context->trace_id, 16);
    memcpy(words + 2, context->span_id, 8);
    memcpy(words + 3, &value, 8);
    atomic_store_explicit(&p->trace[0], words[0], memory_order_release);
    atomic_store_explicit(&p->trace[1], words[1], memory_order_release);
    atomic_store_explicit(&p->span, words[2], memory_order_release);
    atomic_store_explicit(&p->value, words[3], memory_order_release);
    atomic_store_explicit(&p->unix_ms, now, memory_order_release);
    atomic_store_explicit(&p->sequence, sequence + 2, memory_order_release);
}

/* The sequence of the one that was read; 0: none. */
static uint64_t read_place(struct exemplar_set *set, size_t i, struct exemplar_copy *ret)
{
    if (!set || i >= set->n) {
        return 0;
    }
    const struct exemplar_place *p = &set->place[i];
    uint64_t before = atomic_load_explicit(&p->sequence, memory_order_acquire);
    uint64_t words[5] = {
        atomic_load_explicit(&p->trace[0], memory_order_acquire),
        atomic_load_explicit(&p->trace[1], memory_order_acquire),
        atomic_load_explicit(&p->span, memory_order_acquire),
        atomic_load_explicit(&p->value, memory_order_acquire),
        atomic_load_explicit(&p->unix_ms, memory_order_acquire),
    };
    uint64_t after = atomic_load_explicit(&p->sequence, memory_order_relaxed);
    if (before == 0 || before & 1 || before != after) {
        return 0;
    }
    memcpy(ret->trace_id, words, 16);
    memcpy(ret->span_id, words + 2, 8);
    memcpy(&ret->value, words + 3, 8);
    ret->unix_ms = (int64_t)words[4];
    return before;
}

bool exemplar_read(struct exemplar_set *set, size_t i, struct exemplar_copy *ret)
{
    return read_place(set, i, ret) != 0;
}

bool exemplar_take(struct exemplar_set *set, size_t i, struct exemplar_copy *ret)
{
    uint64_t sequence = read_place(set, i, ret);
    if (sequence == 0 || set->place[i].told == sequence) {
        return false;
    }
    set->place[i].told = sequence;
    return true;
}

void exemplar_clear(struct exemplar_set *set)
{
    for (size_t i = 0; set && i < set->n; i++) {
        struct exemplar_place *p = &set->place[i];
        uint64_t sequence = atomic_load_explicit(&p->sequence, memory_order_relaxed);
        p->told = 0; /* sequences begin again */
        if (!(sequence & 1)) {
            atomic_compare_exchange_strong(&p->sequence, &sequence, 0);
        }
    }
}
