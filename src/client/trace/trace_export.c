#include <string.h>

#include "client/core/outgoing.h"
#include "client/core/proto.h"
#include "client/core/redact.h"
#include "client/core/ring.h"
#include "client/core/ticks.h"
#include "client/trace/sampler.h"
#include "client/trace/trace.h"

/* Field numbers of opentelemetry.proto.trace.v1. */
enum { SCOPE_SPANS_SPANS = 2 };
enum {
    SPAN_TRACE_ID = 1,
    SPAN_SPAN_ID = 2,
    SPAN_TRACE_STATE = 3,
    SPAN_PARENT_ID = 4,
    SPAN_NAME = 5,
    SPAN_KIND = 6,
    SPAN_START = 7,
    SPAN_END = 8,
    SPAN_ATTRIBUTES = 9,
    SPAN_DROPPED_ATTRIBUTES = 10,
    SPAN_EVENTS = 11,
    SPAN_DROPPED_EVENTS = 12,
    SPAN_LINKS = 13,
    SPAN_DROPPED_LINKS = 14,
    SPAN_STATUS = 15,
    SPAN_FLAGS = 16
};
enum { EVENT_TIME = 1, EVENT_NAME = 2, EVENT_ATTRIBUTES = 3 };
enum { LINK_TRACE_ID = 1, LINK_SPAN_ID = 2, LINK_ATTRIBUTES = 4, LINK_FLAGS = 6 };
enum { STATUS_MESSAGE = 2, STATUS_CODE = 3 };
enum { FLAG_HAS_REMOTE = 0x100, FLAG_REMOTE = 0x200 };

struct items {
    const uint64_t *words;
    size_t n, at;
};

static void put_parts(struct text *t, unsigned field, struct items *from, unsigned parts)
{
    struct item part;
    for (unsigned i = 0; i < parts && item_next(from->words, from->n, &from->at, &part); i++) {
        item_otlp(t, field, &part);
    }
}

static void put_event(struct text *t, struct items *from, const struct item *i)
{
    size_t event = proto_open(t, SPAN_EVENTS);
    proto_fixed64(t, EVENT_TIME, (uint64_t)ticks_unix_ns(i->word));
    size_t name = proto_open(t, EVENT_NAME);
    redact_text(t, i->key, i->key_n);
    proto_close(t, name);
    put_parts(t, EVENT_ATTRIBUTES, from, i->parts);
    proto_close(t, event);
}

static void put_link(struct text *t, struct items *from, const struct item *i)
{
    sonde_context c;
    memcpy(&c, i->value, sizeof c);
    size_t link = proto_open(t, SPAN_LINKS);
    proto_bytes(t, LINK_TRACE_ID, c.trace_id, sizeof c.trace_id);
    proto_bytes(t, LINK_SPAN_ID, c.span_id, sizeof c.span_id);
    put_parts(t, LINK_ATTRIBUTES, from, i->parts);
    proto_fixed32(t, LINK_FLAGS, c.flags);
    proto_close(t, link);
}

/* Attributes, events, links in their order; the status's message is what remains in *ret_status. */
static void put_items(struct text *t, struct items *from, struct item *ret_status)
{
    struct item i;
    while (item_next(from->words, from->n, &from->at, &i)) {
        switch (i.kind) {
        case ITEM_EVENT:
            put_event(t, from, &i);
            break;
        case ITEM_LINK:
            if (i.value_n == sizeof(sonde_context)) {
                put_link(t, from, &i);
            }
            break;
        case ITEM_STATUS:
            *ret_status = i;
            break;
        default:
            if (!item_overwritten(from->words, from->n, from->at, &i)) {
                item_otlp(t, SPAN_ATTRIBUTES, &i);
            }
        }
    }
}

static void put_status(struct text *t, const struct span_record *r, const struct item *message)
{
    if (r->status == SONDE_SPAN_UNSET) {
        return;
    }
    size_t status = proto_open(t, SPAN_STATUS);
    if (r->status == SONDE_SPAN_ERROR && message->value_n) {
        size_t opened = proto_open(t, STATUS_MESSAGE);
        redact_text(t, message->value, message->value_n);
        proto_close(t, opened);
    }
    proto_varint(t, STATUS_CODE, r->status);
    proto_close(t, status);
}

static void put_times(struct text *t, const struct span_record *r)
{
    int64_t start = r->marks & SPAN_START_UNIX ? (int64_t)r->start : ticks_unix_ns(r->start);
    int64_t end = (int64_t)r->end;
    if (!(r->marks & SPAN_END_UNIX)) {
        bool both_ticks = !(r->marks & SPAN_START_UNIX) && r->end >= r->start;
        end = both_ticks ? start + (int64_t)ticks_ns(r->end - r->start) : ticks_unix_ns(r->end);
    }
    proto_fixed64(t, SPAN_START, (uint64_t)start);
    proto_fixed64(t, SPAN_END, (uint64_t)(end < start ? start : end));
}

static void put_lost(struct text *t, unsigned field, unsigned n)
{
    if (n) {
        proto_varint(t, field, n);
    }
}

static void put_state(struct text *t, const struct span_record *r, const char *state)
{
    uint64_t threshold;
    if (r->state_n) {
        proto_bytes(t, SPAN_TRACE_STATE, state, r->state_n);
    } else if (sampler_from(&r->context, &threshold)) {
        char text[6 + SAMPLER_TEXT_MAX] = "ot=th:";
        sampler_text(threshold, text + 6);
        proto_string(t, SPAN_TRACE_STATE, text);
    }
}

void trace_export_span(struct text *t, unsigned field, const struct span_record *r)
{
    const uint64_t *name = (const uint64_t *)(r + 1);
    const uint64_t *state = name + word_count(r->name_n);
    struct items items = {state + word_count(r->state_n), r->items, 0};
    struct item message = {0};
    size_t span = proto_open(t, field);
    proto_bytes(t, SPAN_TRACE_ID, r->context.trace_id, sizeof r->context.trace_id);
    proto_bytes(t, SPAN_SPAN_ID, r->context.span_id, sizeof r->context.span_id);
    put_state(t, r, (const char *)state);
    if (r->marks & SPAN_PARENT) {
        proto_bytes(t, SPAN_PARENT_ID, r->parent, sizeof r->parent);
    }
    size_t opened = proto_open(t, SPAN_NAME);
    redact_text(t, (const char *)name, r->name_n);
    proto_close(t, opened);
    proto_varint(t, SPAN_KIND, r->kind);
    put_times(t, r);
    put_items(t, &items, &message);
    put_lost(t, SPAN_DROPPED_ATTRIBUTES, r->attributes_lost);
    put_lost(t, SPAN_DROPPED_EVENTS, r->events_lost);
    put_lost(t, SPAN_DROPPED_LINKS, r->links_lost);
    put_status(t, r, &message);
    uint32_t remote = r->marks & SPAN_PARENT_REMOTE ? FLAG_REMOTE : 0;
    proto_fixed32(t, SPAN_FLAGS, r->context.flags | FLAG_HAS_REMOTE | remote);
    proto_close(t, span);
}

static struct otlp_request request; /* the worker's */

static void send(void)
{
    if (request.items) {
        otlp_end(&request);
        outgoing_put(
            &(struct outgoing){.kind = FRAME_SPANS, .items = request.items, .category = "span"},
            &request.text);
        request.items = 0;
    }
}

static void drain(struct ring *ring)
{
    size_t n;
    const struct span_record *r;
    while ((r = ring_peek(ring, &n)) != NULL) {
        if (request.items == 0) {
            otlp_begin(&request);
        }
        trace_export_span(&request.text, SCOPE_SPANS_SPANS, r);
        request.items++;
        ring_release(ring);
        if (request.text.len > OTLP_FULL_BYTES || request.text.cut) {
            send();
        }
    }
}

struct found {
    struct ring *ring[SLOT_THREADS_MAX];
    size_t n;
};
static struct found found; /* the worker's: 32 KiB, of which only what is used is touched */

static void find(void *part, const struct slot *s, void *context)
{
    if (found.n < SLOT_THREADS_MAX && ring_used(part)) {
        found.ring[found.n++] = part;
    }
}

void trace_export(void)
{
    found.n = 0;
    slot_each(SLOT_SPANS, find, NULL); /* rings live for ever: read without the lock */
    for (size_t i = 0; i < found.n; i++) {
        drain(found.ring[i]);
    }
    send();
    otlp_done(&request);
}

void trace_export_forget(void)
{
    found.n = 0;
    slot_each(SLOT_SPANS, find, NULL);
    for (size_t i = 0; i < found.n; i++) {
        size_t n;
        while (ring_peek(found.ring[i], &n)) {
            ring_release(found.ring[i]);
        }
    }
    request.items = 0;
}
