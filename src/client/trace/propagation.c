#include "client/trace/propagation.h"

#include <stdlib.h>
#include <string.h>

#include "client/core/module.h"
#include "client/trace/baggage.h"
#include "client/trace/current.h"
#include "client/trace/sampler.h"
#include "client/trace/span.h"

sonde_propagation *propagation_new(const sonde_context *context, const char *state, size_t state_n,
                                   const char *baggage, size_t baggage_n, bool remote)
{
    sonde_propagation *p = malloc(sizeof *p + state_n + baggage_n);
    if (!p) {
        return NULL;
    }
    *p = (sonde_propagation){.holders = 1,
                             .state_n = (uint32_t)state_n,
                             .baggage_n = (uint32_t)baggage_n,
                             .found = sonde_context_valid(context),
                             .remote = remote,
                             .context = *context};
    if (state_n) {
        memcpy(p->bytes, state, state_n);
    }
    if (baggage_n) {
        memcpy(p->bytes + state_n, baggage, baggage_n);
    }
    return p;
}

sonde_propagation *propagation_hold(const sonde_propagation *p)
{
    sonde_propagation *held = (sonde_propagation *)(uintptr_t)p;
    if (held) {
        atomic_fetch_add_explicit(&held->holders, 1, memory_order_relaxed);
    }
    return held;
}

void sonde_propagation_free(sonde_propagation *p)
{
    if (p && atomic_fetch_sub_explicit(&p->holders, 1, memory_order_acq_rel) == 1) {
        free(p);
    }
}

sonde_context sonde_propagation_context(const sonde_propagation *p)
{
    sonde_context none = {0};
    return p ? p->context : none;
}

/* tracestate goes with a traceparent alone. A threshold that contradicts the sampled flag is not
 * believed. */
static void read_state(const char *text, sonde_context *c, struct tracestate *ret)
{
    if (!tracestate_read(text, strlen(text), ret) || !ret->has_threshold) {
        return;
    }
    uint64_t random = ret->has_random ? ret->random : sampler_random(c->trace_id);
    bool sampled = c->flags & SONDE_CONTEXT_SAMPLED;
    if (sampled == (random >= ret->threshold)) {
        sampler_into(c, ret->threshold);
    } else {
        tracestate_forget_threshold(ret);
    }
}

static sonde_propagation *make(sonde_context *c, const char *tracestate, const char *baggage)
{
    struct tracestate state = {0};
    if (tracestate && sonde_context_valid(c)) {
        read_state(tracestate, c, &state);
    }
    struct text list;
    text_init(&list, 2 * BAGGAGE_MAX);
    if (baggage) {
        baggage_read(baggage, strlen(baggage), &list);
    }
    sonde_propagation *p = NULL;
    if (sonde_context_valid(c) || list.len) {
        p = propagation_new(c, state.text, state.n, list.bytes, list.len, true);
    }
    text_done(&list);
    return p;
}

sonde_propagation *sonde_propagation_of(const char *traceparent, const char *tracestate,
                                        const char *baggage)
{
    sonde_context c = {0};
    (void)sonde_context_parse(traceparent, &c); /* what is bad is as if it were not there */
    return make(&c, tracestate, baggage);
}

enum { HEADER_MAX = 1024, HEADERS_MAX = 4 };

/* The values of several headers, copied: the caller's live until the next call. */
struct kept {
    char value[HEADERS_MAX][HEADER_MAX];
    bool there[HEADERS_MAX];
};

static bool keep(sonde_header_get *get, void *user, const char *name, struct kept *k, size_t i)
{
    const char *value = get(user, name);
    k->there[i] = value && strlen(value) < HEADER_MAX;
    if (k->there[i]) {
        memcpy(k->value[i], value, strlen(value) + 1);
    }
    return k->there[i];
}

static const char *kept(const struct kept *k, size_t i)
{
    return k->there[i] ? k->value[i] : NULL;
}

static void read_foreign(sonde_header_get *get, void *user, sonde_context *ret)
{
    struct kept k;
    if (keep(get, user, "b3", &k, 0) && propagation_b3(k.value[0], ret)) {
        return;
    }
    keep(get, user, "x-b3-traceid", &k, 0);
    keep(get, user, "x-b3-spanid", &k, 1);
    keep(get, user, "x-b3-sampled", &k, 2);
    keep(get, user, "x-b3-flags", &k, 3);
    if (propagation_b3_multi(kept(&k, 0), kept(&k, 1), kept(&k, 2), kept(&k, 3), ret)) {
        return;
    }
    if (keep(get, user, "uber-trace-id", &k, 0) && propagation_uber(k.value[0], ret)) {
        return;
    }
    if (keep(get, user, "sentry-trace", &k, 0)) {
        (void)propagation_sentry(k.value[0], ret); /* the last one: bad is none */
    }
}

sonde_propagation *sonde_propagation_read(sonde_header_get *get, void *user)
{
    if (!get || !atomic_load_explicit(&module_on, memory_order_relaxed)) {
        return NULL;
    }
    sonde_context c = {0};
    char state[4 * HEADER_MAX] = "";
    const char *parent = get(user, "traceparent");
    if (sonde_context_parse(parent, &c) == 0) {
        const char *value = get(user, "tracestate");
        size_t n = value ? strlen(value) : 0;
        if (n && n < sizeof state) {
            memcpy(state, value, n + 1);
        }
    } else {
        read_foreign(get, user, &c);
    }
    return make(&c, state, get(user, "baggage"));
}

static sonde_span *top_node(void)
{
    struct slot *s;
    struct span_part *p = span_mine(&s);
    return p ? span_top(p) : NULL;
}

sonde_propagation *sonde_propagation_current(void)
{
    const sonde_span *n = top_node();
    if (!n) {
        return NULL;
    }
    sonde_context c = span_context_of(n);
    const sonde_propagation *from = n->carried;
    return propagation_new(&c, from ? from->bytes : NULL, from ? from->state_n : 0,
                           from ? from->bytes + from->state_n : NULL, from ? from->baggage_n : 0,
                           false);
}

sonde_scope *sonde_propagation_attach(const sonde_propagation *p)
{
    if (!p || !sonde_span_tracing()) {
        return NULL;
    }
    return span_place(&p->context, p, p->remote ? SPAN_PARENT_REMOTE : 0);
}

size_t propagation_state(const sonde_context *context, const sonde_propagation *carried,
                         char ret[TRACESTATE_MAX])
{
    if (carried && carried->state_n) {
        memcpy(ret, carried->bytes, carried->state_n);
        return carried->state_n;
    }
    uint64_t threshold;
    bool ours = sampler_from(context, &threshold);
    if (!ours || !(context->flags & SONDE_CONTEXT_SAMPLED)) {
        return 0;
    }
    memcpy(ret, "ot=th:", 6);
    return 6 + sampler_text(threshold, ret + 6);
}

int sonde_propagation_write(const sonde_span *span, sonde_header_set *set, void *user)
{
    uint32_t state;
    const sonde_span *n = span_of(span, &state);
    n = n ? n : top_node();
    if (!set || !n) {
        return 0;
    }
    int headers = 0;
    sonde_context c = span_context_of(n);
    const sonde_propagation *carried = n->carried;
    if (sonde_context_valid(&c)) {
        char parent[SONDE_TRACEPARENT_SIZE], text[TRACESTATE_MAX + 1];
        sonde_context_format(&c, parent);
        set(user, "traceparent", parent);
        headers++;
        size_t text_n = propagation_state(&c, carried, text);
        text[text_n] = 0;
        if (text_n) {
            set(user, "tracestate", text);
            headers++;
        }
    }
    if (carried && carried->baggage_n) {
        char list[BAGGAGE_MAX + 1];
        memcpy(list, carried->bytes + carried->state_n, carried->baggage_n);
        list[carried->baggage_n] = 0;
        set(user, "baggage", list);
        headers++;
    }
    return headers;
}
