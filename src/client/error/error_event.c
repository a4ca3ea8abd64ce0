#include "client/error/error_event.h"

#include <stdio.h>
#include <string.h>

#include "client/core/redact.h"
#include "client/error/envelope.h"
#include "client/error/error_open.h"

void error_event_mask(const char *s, char *ret, size_t size)
{
    struct text t;
    text_init(&t, (size_t)4 * ERROR_MESSAGE_MAX);
    redact_text(&t, s, strnlen(s, ERROR_MESSAGE_MAX));
    size_t n = t.len < size - 1 ? t.len : size - 1;
    if (t.cut) {
        snprintf(ret, size, "[filtered]"); /* no memory to look at it */
    } else {
        if (n) {
            memcpy(ret, t.bytes, n);
        }
        ret[n] = 0;
    }
    text_done(&t);
}

static int put_tag(struct sonde_error_event *e, const char *key, const char *value)
{
    char clean[ERROR_TAG_VALUE_MAX];
    if (value) {
        error_event_mask(redact_key(key, strlen(key)) ? "[filtered]" : value, clean, sizeof clean);
    }
    return error_thread_put(e->tags, &e->tags_n, ERROR_EVENT_TAGS_MAX, key, value ? clean : NULL);
}

static void fill_tags(struct sonde_error_event *e)
{
    const struct error_record *r = e->record;
    e->tags_n = set_tags(e->tags);
    for (size_t i = 0; i < e->tags_n; i++) {
        struct error_tag *t = &e->tags[i];
        char value[ERROR_TAG_VALUE_MAX];
        memcpy(value, t->value, sizeof value);
        bool secret = redact_key(t->key, strlen(t->key));
        error_event_mask(secret ? "[filtered]" : value, t->value, sizeof t->value);
    }
    const char *at = error_record_at(r, r->tags);
    for (uint32_t i = 0; i < r->tags_n; i++) {
        const char *key = at, *value = at + strlen(at) + 1;
        (void)put_tag(e, key, value); /* a key that is too long, or one too many: left out */
        at = value + strlen(value) + 1;
    }
    if (e->known_end) {
        (void)put_tag(e, "error.outcome", error_types_outcome(e->outcome));
    }
}

void error_event_fill(struct sonde_error_event *e, const struct error_record *r,
                      const struct error_open *end)
{
    e->record = r;
    e->known_end = end != NULL;
    e->level = r->level;
    if (end) {
        e->outcome = end->outcome;
        e->retries = atomic_load_explicit(&end->retries, memory_order_relaxed);
        e->seconds = error_open_seconds(end);
        e->level = end->outcome == SONDE_OUTCOME_FATAL && e->level < SONDE_LEVEL_ERROR
                       ? SONDE_LEVEL_ERROR
                       : e->level;
    }
    error_event_mask(error_record_at(r, r->type), e->type, sizeof e->type);
    error_event_mask(error_record_at(r, r->message), e->message, sizeof e->message);
    e->transaction[0] = 0;
    if (r->transaction) {
        snprintf(e->transaction, sizeof e->transaction, "%s", error_record_at(r, r->transaction));
    } else {
        set_transaction(e->transaction, sizeof e->transaction);
    }
    fill_tags(e);
    e->fingerprint_n = 0;
    const char *at = error_record_at(r, r->fingerprint);
    for (uint32_t i = 0; i < r->fingerprint_n && i < ERROR_EVENT_FINGERPRINT_MAX; i++) {
        error_event_mask(at, e->fingerprint[e->fingerprint_n++], ERROR_EVENT_PART_MAX);
        at += strlen(at) + 1;
    }
}

int sonde_error_event_level(const sonde_error_event *event)
{
    return event ? event->level : SONDE_LEVEL_ERROR;
}

const char *sonde_error_event_type(const sonde_error_event *event)
{
    return event ? event->type : "";
}

const char *sonde_error_event_message(const sonde_error_event *event)
{
    return event ? event->message : "";
}

const char *sonde_error_event_tag(const sonde_error_event *event, const char *key)
{
    for (size_t i = 0; event && key && i < event->tags_n; i++) {
        if (strcmp(event->tags[i].key, key) == 0) {
            return event->tags[i].value;
        }
    }
    return NULL;
}

const char *sonde_error_event_json(sonde_error_event *event)
{
    if (!event) {
        return "";
    }
    text_clear(&event->json);
    error_event_write(event, &event->json);
    return event->json.cut ? "" : text_string(&event->json);
}

int sonde_error_event_set_level(sonde_error_event *event, int level)
{
    if (!event || level < SONDE_LEVEL_TRACE || level > SONDE_LEVEL_FATAL) {
        return SONDE_ERROR_ARGUMENT;
    }
    event->level = level;
    return 0;
}

int sonde_error_event_set_type(sonde_error_event *event, const char *type)
{
    if (!event || !type) {
        return SONDE_ERROR_ARGUMENT;
    }
    error_event_mask(type, event->type, sizeof event->type);
    return 0;
}

int sonde_error_event_set_message(sonde_error_event *event, const char *message)
{
    if (!event || !message) {
        return SONDE_ERROR_ARGUMENT;
    }
    error_event_mask(message, event->message, sizeof event->message);
    return 0;
}

int sonde_error_event_set_tag(sonde_error_event *event, const char *key, const char *value)
{
    return event && key ? put_tag(event, key, value) : SONDE_ERROR_ARGUMENT;
}

int sonde_error_event_set_fingerprint(sonde_error_event *event, const char *const *fingerprint,
                                      size_t n)
{
    if (!event || (n && !fingerprint)) {
        return SONDE_ERROR_ARGUMENT;
    }
    if (n > ERROR_EVENT_FINGERPRINT_MAX) {
        return SONDE_ERROR_LIMIT;
    }
    event->fingerprint_n = 0;
    for (size_t i = 0; i < n; i++) {
        const char *part = fingerprint[i] ? fingerprint[i] : "";
        error_event_mask(part, event->fingerprint[event->fingerprint_n++], ERROR_EVENT_PART_MAX);
    }
    return 0;
}
