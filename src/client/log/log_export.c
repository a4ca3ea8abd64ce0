#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "client/core/outgoing.h"
#include "client/core/proto.h"
#include "client/core/redact.h"
#include "client/core/ring.h"
#include "client/core/slot.h"
#include "client/core/ticks.h"
#include "client/log/log.h"
#include "client/trace/item.h"
#include "client/trace/otlp.h"
#include "sonde/span.h"

/* Field numbers of opentelemetry.proto.logs.v1. */
enum { SCOPE_LOGS_RECORDS = 2 };
enum {
    LOG_TIME = 1,
    LOG_SEVERITY_NUMBER = 2,
    LOG_SEVERITY_TEXT = 3,
    LOG_BODY = 5,
    LOG_ATTRIBUTES = 6,
    LOG_DROPPED = 7,
    LOG_FLAGS = 8,
    LOG_TRACE_ID = 9,
    LOG_SPAN_ID = 10,
    LOG_OBSERVED = 11
};
enum { KEY = 1, VALUE = 2, ANY_STRING = 1, ANY_INT = 3, RECENT_TEXT = 255 };

/* Where the parts of a record lie. */
struct parts {
    const char *category, *message, *file, *function;
    const uint64_t *items;
};

static struct parts parts_of(const struct log_record *r)
{
    const uint64_t *category = (const uint64_t *)(r + 1);
    const uint64_t *message = category + word_count(r->category_n);
    const uint64_t *file = message + word_count(r->message_n);
    const uint64_t *function = file + word_count(r->file_n);
    return (struct parts){(const char *)category, (const char *)message, (const char *)file,
                          (const char *)function, function + word_count(r->function_n)};
}

static void put_clean(struct text *t, unsigned field, const char *s, size_t n)
{
    size_t opened = proto_open(t, field);
    redact_text(t, s, n);
    proto_close(t, opened);
}

static void put_text(struct text *t, const char *key, const char *s, size_t n)
{
    if (n) {
        size_t pair = proto_open(t, LOG_ATTRIBUTES);
        proto_string(t, KEY, key);
        size_t any = proto_open(t, VALUE);
        put_clean(t, ANY_STRING, s, n);
        proto_close(t, any);
        proto_close(t, pair);
    }
}

static void put_number(struct text *t, const char *key, uint64_t n)
{
    if (n) {
        size_t pair = proto_open(t, LOG_ATTRIBUTES);
        proto_string(t, KEY, key);
        size_t any = proto_open(t, VALUE);
        proto_varint(t, ANY_INT, n);
        proto_close(t, any);
        proto_close(t, pair);
    }
}

static void put_context(struct text *t, const sonde_context *c)
{
    if (sonde_context_valid(c)) {
        proto_fixed32(t, LOG_FLAGS, c->flags);
        proto_bytes(t, LOG_TRACE_ID, c->trace_id, sizeof c->trace_id);
        proto_bytes(t, LOG_SPAN_ID, c->span_id, sizeof c->span_id);
    }
}

void log_export_record(struct text *t, unsigned field, const struct log_record *r)
{
    static const char *const names[] = {"TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"};
    struct parts p = parts_of(r);
    unsigned level = r->level <= SONDE_LEVEL_FATAL ? r->level : SONDE_LEVEL_FATAL;
    size_t record = proto_open(t, field);
    proto_fixed64(t, LOG_TIME, (uint64_t)r->unix_ns);
    proto_varint(t, LOG_SEVERITY_NUMBER, 1 + 4 * level);
    proto_string(t, LOG_SEVERITY_TEXT, names[level]);
    size_t body = proto_open(t, LOG_BODY);
    put_clean(t, ANY_STRING, p.message, r->message_n);
    proto_close(t, body);
    put_text(t, "log.category", p.category, r->category_n);
    put_text(t, "code.file.path", p.file, r->file_n);
    put_number(t, "code.line.number", r->line);
    put_text(t, "code.function.name", p.function, r->function_n);
    put_number(t, "sonde.suppressed", r->suppressed);
    struct item i;
    for (size_t at = 0; item_next(p.items, r->items, &at, &i);) {
        if (!item_overwritten(p.items, r->items, at, &i)) {
            item_otlp(t, LOG_ATTRIBUTES, &i);
        }
    }
    if (r->attributes_lost) {
        proto_varint(t, LOG_DROPPED, r->attributes_lost);
    }
    put_context(t, &r->context);
    proto_fixed64(t, LOG_OBSERVED, (uint64_t)r->unix_ns);
    proto_close(t, record);
}

/* The last ones, for the command `logs`. */
struct recent {
    int64_t unix_ns;
    sonde_context context;
    uint8_t level;
    uint16_t message_n;
    char category[LOG_CATEGORY_MAX + 1], message[RECENT_TEXT];
};
static pthread_mutex_t recent_lock = PTHREAD_MUTEX_INITIALIZER;
static struct recent recent[LOG_RECENT];
static uint64_t recent_n;

static void keep_recent(const struct log_record *r)
{
    struct parts p = parts_of(r);
    pthread_mutex_lock(&recent_lock);
    struct recent *k = &recent[recent_n++ % LOG_RECENT];
    *k = (struct recent){.unix_ns = r->unix_ns, .context = r->context, .level = r->level};
    memcpy(k->category, p.category, r->category_n);
    k->message_n = (uint16_t)item_cut(p.message, r->message_n, sizeof k->message);
    memcpy(k->message, p.message, k->message_n);
    pthread_mutex_unlock(&recent_lock);
}

static void write_recent(struct jot *j, const struct recent *k)
{
    char clean[2 * RECENT_TEXT];
    struct text t;
    text_over(&t, clean, sizeof clean);
    redact_text(&t, k->message, k->message_n);
    jot_object(j, NULL);
    jot_time(j, "time", k->unix_ns);
    jot_string(j, "level", log_level_names[k->level]);
    jot_string(j, "category", k->category);
    jot_string_n(j, "message", clean, t.len);
    if (sonde_context_valid(&k->context)) {
        jot_hex(j, "trace_id", k->context.trace_id, sizeof k->context.trace_id);
        jot_hex(j, "span_id", k->context.span_id, sizeof k->context.span_id);
    }
    jot_end(j);
}

void log_export_recent(struct jot *j, size_t n)
{
    pthread_mutex_lock(&recent_lock);
    uint64_t have = recent_n < LOG_RECENT ? recent_n : LOG_RECENT;
    n = n < have ? n : (size_t)have;
    for (uint64_t i = recent_n - n; i < recent_n; i++) {
        write_recent(j, &recent[i % LOG_RECENT]);
    }
    pthread_mutex_unlock(&recent_lock);
}

static struct otlp_request request; /* the worker's */

static void send(void)
{
    if (request.items) {
        otlp_end(&request);
        outgoing_put(
            &(struct outgoing){.kind = FRAME_LOGS, .items = request.items, .category = "log_item"},
            &request.text);
        request.items = 0;
    }
}

static void drain(struct ring *ring)
{
    size_t n;
    const struct log_record *r;
    while ((r = ring_peek(ring, &n)) != NULL) {
        if (request.items == 0) {
            otlp_begin(&request);
        }
        log_export_record(&request.text, SCOPE_LOGS_RECORDS, r);
        request.items++;
        keep_recent(r);
        ring_release(ring);
        if (request.text.len > OTLP_FULL_BYTES || request.text.cut) {
            send();
        }
    }
}

static struct {
    struct ring *ring[SLOT_THREADS_MAX];
    size_t n;
} found; /* the worker's */

static void find(void *part, const struct slot *s, void *context)
{
    if (found.n < SLOT_THREADS_MAX && ring_used(part)) {
        found.ring[found.n++] = part;
    }
}

void log_export(void)
{
    found.n = 0;
    slot_each(SLOT_LOG, find, NULL); /* rings live for ever: read without the lock */
    for (size_t i = 0; i < found.n; i++) {
        drain(found.ring[i]);
    }
    send();
    otlp_done(&request);
}

void log_export_forget(void)
{
    pthread_mutex_init(&recent_lock, NULL); /* a thread of the parent may have held it */
    found.n = 0;
    slot_each(SLOT_LOG, find, NULL);
    for (size_t i = 0; i < found.n; i++) {
        size_t n;
        while (ring_peek(found.ring[i], &n)) {
            ring_release(found.ring[i]);
        }
    }
    request.items = 0;
}
