/* What is said about a span between its start and its end. */
#include <stdlib.h>
#include <string.h>

#include "client/core/setting.h"
#include "client/core/ticks.h"
#include "client/trace/span.h"

static size_t limit(const _Atomic uint64_t *of)
{
    return atomic_load_explicit(of, memory_order_relaxed);
}

/* Memory for what does not fit the node; made once for it. */
static uint64_t *room_behind(sonde_span *n, size_t words)
{
    uint64_t *more = atomic_load_explicit(&n->more, memory_order_relaxed);
    size_t used = atomic_load_explicit(&n->more_used, memory_order_relaxed);
    if (!more) {
        more = malloc(SPAN_MORE_WORDS * sizeof *more);
        if (!more) {
            return NULL;
        }
        atomic_store_explicit(&n->more, more, memory_order_release);
    }
    return used + words <= SPAN_MORE_WORDS ? more + used : NULL;
}

/* Room for so many words behind the items that there are, or NULL. */
static inline uint64_t *room(sonde_span *n, size_t words)
{
    size_t used = atomic_load_explicit(&n->used, memory_order_relaxed);
    size_t more = atomic_load_explicit(&n->more_used, memory_order_relaxed);
    if (__builtin_expect(more == 0 && used + words <= SPAN_WORDS, 1)) {
        return n->items + used;
    }
    return room_behind(n, words);
}

/* What was written there counts from now on. */
static inline void commit(sonde_span *n, const uint64_t *at, size_t words)
{
    _Atomic uint16_t *used =
        at >= n->items && at < n->items + SPAN_WORDS ? &n->used : &n->more_used;
    uint16_t before = atomic_load_explicit(used, memory_order_relaxed);
    atomic_store_explicit(used, (uint16_t)(before + words), memory_order_release);
}

/* One more of what is counted in *count; false (and counted as lost) above the limit. */
static inline bool one_more(uint16_t *count, uint16_t *lost, const _Atomic uint64_t *most)
{
    if (*count >= limit(most)) {
        *lost = (uint16_t)(*lost + (*lost < UINT16_MAX));
        return false;
    }
    ++*count;
    return true;
}

static void lose(uint16_t *count, uint16_t *lost, size_t n)
{
    *count = (uint16_t)(*count - n);
    *lost = (uint16_t)(*lost + n < UINT16_MAX ? *lost + n : UINT16_MAX);
}

static sonde_span *recording(sonde_span *span)
{
    uint32_t state;
    return sonde_span_recording(span) ? span_of(span, &state) : NULL;
}

void sonde_span_put_word(sonde_span *span, const char *key, size_t key_n, int type, uint64_t word)
{
    sonde_span *n = recording(span);
    if (!n || key_n == 0 || type <= SONDE_ATTR_STRING || type > SONDE_ATTR_BOOL ||
        !one_more(&n->attributes_n, &n->attributes_lost, &setting.trace_attributes_max)) {
        return;
    }
    key_n = key_n <= ITEM_KEY_MAX ? key_n : item_cut(key, key_n, ITEM_KEY_MAX);
    size_t words = item_words(key_n, sizeof word);
    uint64_t *at = room(n, words);
    if (!at) {
        lose(&n->attributes_n, &n->attributes_lost, 1);
        return;
    }
    item_write_word(at, (enum item_kind)type, 0, key, key_n, word);
    commit(n, at, words);
}

void sonde_span_put_string(sonde_span *span, const char *key, size_t key_n, const char *value,
                           size_t value_n)
{
    sonde_span *n = recording(span);
    if (!n || key_n == 0 ||
        !one_more(&n->attributes_n, &n->attributes_lost, &setting.trace_attributes_max)) {
        return;
    }
    key_n = key_n <= ITEM_KEY_MAX ? key_n : item_cut(key, key_n, ITEM_KEY_MAX);
    value_n = value ? item_cut(value, value_n, limit(&setting.trace_value_bytes_max)) : 0;
    size_t words = item_words(key_n, value_n);
    uint64_t *at = room(n, words);
    if (!at) {
        lose(&n->attributes_n, &n->attributes_lost, 1);
        return;
    }
    item_write(at, ITEM_STRING, 0, key, key_n, value, value_n);
    commit(n, at, words);
}

void sonde_span_set_attrs(sonde_span *span, const sonde_attr *attrs, size_t n)
{
    for (size_t i = 0; attrs && i < n; i++) {
        const sonde_attr *a = &attrs[i];
        switch (a->type) {
        case SONDE_ATTR_STRING:
            if (a->length < 0) {
                sonde_span_set_string(span, a->key, a->value.string);
            } else {
                sonde_span_set_string_n(span, a->key, a->value.string, (size_t)a->length);
            }
            break;
        case SONDE_ATTR_INT:
            sonde_span_set_int(span, a->key, a->value.integer);
            break;
        case SONDE_ATTR_DOUBLE:
            sonde_span_set_double(span, a->key, a->value.number);
            break;
        case SONDE_ATTR_BOOL:
            sonde_span_set_bool(span, a->key, a->value.boolean);
            break;
        default:
            break;
        }
    }
}

/* An item with attributes of its own, of which ITEM_PARTS_MAX fit; false where there is no room. */
static bool put_group(sonde_span *n, enum item_kind kind, const char *key, size_t key_n,
                      const void *value, size_t value_n, const sonde_attr *attrs, size_t attrs_n)
{
    attrs_n = attrs_n < ITEM_PARTS_MAX ? attrs_n : ITEM_PARTS_MAX;
    size_t value_max = limit(&setting.trace_value_bytes_max), parts;
    size_t inner = item_attrs_words(attrs, attrs_n, value_max, &parts);
    size_t own = item_words(key_n, value_n);
    uint64_t *at = room(n, own + inner);
    if (!at) {
        return false;
    }
    item_write(at, kind, (unsigned)parts, key, key_n, value, value_n);
    item_attrs_write(at + own, attrs, attrs_n, value_max);
    commit(n, at, own + inner);
    return true;
}

void sonde_span_event(sonde_span *span, const char *name, const sonde_attr *attrs, size_t attrs_n)
{
    sonde_span *n = recording(span);
    if (!n || !name || !one_more(&n->events_n, &n->events_lost, &setting.trace_events_max)) {
        return;
    }
    uint64_t now = ticks_now();
    size_t name_n = item_cut(name, strlen(name), ITEM_KEY_MAX);
    if (!put_group(n, ITEM_EVENT, name, name_n, &now, sizeof now, attrs, attrs_n)) {
        lose(&n->events_n, &n->events_lost, 1);
    }
}

void sonde_span_link(sonde_span *span, const sonde_link *link)
{
    sonde_span *n = recording(span);
    if (!n || !link || !sonde_context_valid(&link->context) ||
        !one_more(&n->links_n, &n->links_lost, &setting.trace_links_max)) {
        return;
    }
    if (!put_group(n, ITEM_LINK, "", 0, &link->context, sizeof link->context, link->attrs,
                   link->attrs_n)) {
        lose(&n->links_n, &n->links_lost, 1);
    }
}

void sonde_span_set_status(sonde_span *span, enum sonde_span_status status, const char *message)
{
    sonde_span *n = recording(span);
    if (!n || status < SONDE_SPAN_UNSET || status > SONDE_SPAN_ERROR) {
        return;
    }
    __atomic_store_n(&n->status, (uint8_t)status, __ATOMIC_RELEASE);
    if (status == SONDE_SPAN_ERROR && message && *message) {
        size_t value_n = item_cut(message, strlen(message), limit(&setting.trace_value_bytes_max));
        put_group(n, ITEM_STATUS, "", 0, message, value_n, NULL, 0);
    }
}

void sonde_span_set_error(sonde_span *span, const char *type, const char *message)
{
    if (!sonde_span_recording(span)) {
        return;
    }
    sonde_attr attrs[2];
    size_t n = 0;
    if (type) {
        attrs[n++] = sonde_attr_string("exception.type", type);
    }
    if (message) {
        attrs[n++] = sonde_attr_string("exception.message", message);
    }
    sonde_span_event(span, "exception", attrs, n);
    sonde_span_set_status(span, SONDE_SPAN_ERROR, message ? message : type);
}

void sonde_span_rename(sonde_span *span, const char *name)
{
    sonde_span *n = recording(span);
    if (n && name) {
        size_t name_n = item_cut(name, strlen(name), SPAN_NAME_MAX);
        word_write(n->name, name, name_n);
        __atomic_store_n(&n->name_n, (uint16_t)name_n, __ATOMIC_RELEASE);
    }
}
