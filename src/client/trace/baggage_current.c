/* Baggage of what a thread works in. */
#include "client/trace/baggage.h"

#include <string.h>

#include "client/trace/span.h"

static sonde_span *top_node(void)
{
    struct slot *s;
    struct span_part *p = span_mine(&s);
    return p ? span_top(p) : NULL;
}

int sonde_baggage_get(const char *key, char *ret, size_t size)
{
    if (!key || (!ret && size)) {
        return SONDE_ERROR_ARGUMENT;
    }
    if (size) {
        *ret = 0;
    }
    const sonde_span *n = top_node();
    const sonde_propagation *p = n ? n->carried : NULL;
    size_t length;
    if (!p || !baggage_find(p->bytes + p->state_n, p->baggage_n, key, ret, size, &length)) {
        return SONDE_ERROR_NOT_FOUND;
    }
    return (int)length;
}

int sonde_baggage_set(const char *key, const char *value)
{
    if (!key || !baggage_key_good(key, strlen(key))) {
        return SONDE_ERROR_ARGUMENT;
    }
    sonde_span *n = top_node();
    if (!n) {
        return SONDE_ERROR_STATE;
    }
    const sonde_propagation *p = n->carried;
    struct text list;
    text_init(&list, 4 * BAGGAGE_MAX);
    sonde_context c = p ? p->context : span_context_of(n);
    int err = SONDE_ERROR_LIMIT;
    if (baggage_with(p ? p->bytes + p->state_n : "", p ? p->baggage_n : 0, key, value, &list)) {
        sonde_propagation *made = propagation_new(&c, p ? p->bytes : NULL, p ? p->state_n : 0,
                                                  list.bytes, list.len, p ? p->remote : false);
        err = made ? 0 : SONDE_ERROR_MEMORY;
        if (made) {
            sonde_propagation_free(n->carried);
            n->carried = made;
        }
    }
    text_done(&list);
    return err;
}
