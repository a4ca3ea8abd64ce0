/* client/error/error_event_write.c - an event as Sentry's JSON. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/core/redact.h"
#include "client/core/setting.h"
#include "client/error/envelope.h"
#include "client/error/error_event.h"
#include "client/error/error_open.h"
#include "client/log/breadcrumb.h"
#include "client/stack/module_list.h"

enum { EXTRA_JSON_MAX = 4 * ERROR_DATA_MAX, CRUMBS_MAX = 200, FRAMES_ALL_MAX = 1024 };

typedef const struct sonde_error_event event;

/* Addresses as frames; returns how many. */
static size_t frames(const uint64_t *stack, size_t n, struct envelope_frame *ret, size_t cap)
{
    size_t i = 0;
    for (; i < n && i < cap; i++) {
        ret[i] = (struct envelope_frame){stack[i], true};
    }
    return i;
}

static void stack(struct jot *j, const uint64_t *addresses, size_t n)
{
    struct envelope_frame list[ERROR_FRAMES_MAX];
    if (n) {
        envelope_stack(j, list, frames(addresses, n, list, ERROR_FRAMES_MAX), module_list_get());
    }
}

static bool is_errno(const char *mechanism)
{
    return strcmp(mechanism, "errno") == 0;
}

static void code(struct jot *j, const char *mechanism, int64_t number)
{
    if (is_errno(mechanism)) {
        const char *name = strerrorname_np((int)number);
        jot_object(j, "meta");
        jot_object(j, "errno");
        jot_i64(j, "number", number);
        if (name) {
            jot_string(j, "name", name);
        }
        jot_end(j);
        jot_end(j);
    } else {
        jot_object(j, "data");
        jot_i64(j, "code", number);
        jot_end(j);
    }
}

/* A cause, as the i-th exception from the event's own. */
static void cause(struct jot *j, event *e, uint32_t i)
{
    const struct error_record *r = e->record;
    const struct error_cause *c = &r->causes[i];
    jot_object(j, NULL);
    jot_string(j, "type", c->type ? error_record_at(r, c->type) : "Error");
    envelope_text(j, "value", error_record_at(r, c->message));
    envelope_text(j, "module", error_record_at(r, c->module));
    if (c->stack_n) {
        uint64_t addresses[ERROR_FRAMES_MAX];
        size_t n = c->stack_n < ERROR_FRAMES_MAX ? c->stack_n : ERROR_FRAMES_MAX;
        memcpy(addresses, r->data + c->stack, n * sizeof *addresses);
        stack(j, addresses, n);
    }
    jot_object(j, "mechanism");
    jot_string(j, "type", "chained");
    jot_bool(j, "handled", !(r->flags & SONDE_ERROR_UNHANDLED));
    jot_string(j, "source", "cause");
    jot_u64(j, "exception_id", i + 1);
    jot_u64(j, "parent_id", i);
    if (c->has_code) {
        code(j, "chained", c->code);
    }
    jot_end(j);
    jot_end(j);
}

/* The stack that belongs to the error itself. */
static size_t own_stack(const struct error_record *r, const uint64_t **ret)
{
    *ret = r->stack_own_n ? r->stack_own : r->stack;
    return r->stack_own_n ? r->stack_own_n : r->stack_n;
}

static void exception(struct jot *j, event *e)
{
    const struct error_record *r = e->record;
    const uint64_t *addresses;
    size_t n = own_stack(r, &addresses);
    jot_object(j, "exception");
    jot_array(j, "values");
    for (uint32_t i = r->causes_n; i--;) {
        cause(j, e, i); /* the oldest first */
    }
    jot_object(j, NULL);
    jot_string(j, "type", *e->type ? e->type : "Error");
    jot_string(j, "value", e->message);
    envelope_text(j, "module", error_record_at(r, r->module));
    jot_i64(j, "thread_id", r->tid);
    stack(j, addresses, n);
    const char *mechanism = r->mechanism ? error_record_at(r, r->mechanism) : "generic";
    jot_object(j, "mechanism");
    jot_string(j, "type", mechanism);
    jot_bool(j, "handled", !(r->flags & SONDE_ERROR_UNHANDLED));
    jot_u64(j, "exception_id", 0);
    if (r->has_code) {
        code(j, mechanism, r->code);
    }
    jot_end(j);
    jot_end(j);
    jot_end(j);
    jot_end(j);
}

static void message(struct jot *j, event *e)
{
    const struct error_record *r = e->record;
    jot_object(j, "message");
    jot_string(j, "formatted", e->message);
    envelope_text(j, "message", error_record_at(r, r->pattern));
    jot_end(j);
}

/* with_stack: it is not the exception's. */
static void threads(struct jot *j, event *e, bool with_stack)
{
    const struct error_record *r = e->record;
    jot_object(j, "threads");
    jot_array(j, "values");
    jot_object(j, NULL);
    jot_i64(j, "id", r->tid);
    jot_string(j, "name", r->thread);
    jot_bool(j, "current", true);
    jot_bool(j, "crashed", false);
    if (with_stack) {
        stack(j, r->stack, r->stack_n);
    }
    jot_end(j);
    jot_end(j);
    jot_end(j);
}

static void contexts(struct jot *j, event *e)
{
    const struct error_record *r = e->record;
    struct envelope_origin origin;
    envelope_origin_here(&origin);
    jot_object(j, "contexts");
    envelope_contexts(j, &origin);
    static const uint8_t none[16];
    if (memcmp(r->trace.trace_id, none, sizeof none) != 0) {
        jot_object(j, "trace");
        jot_hex(j, "trace_id", r->trace.trace_id, sizeof r->trace.trace_id);
        jot_hex(j, "span_id", r->trace.span_id, sizeof r->trace.span_id);
        jot_end(j);
    }
    if (e->known_end) {
        jot_object(j, "recovery");
        jot_string(j, "outcome", error_types_outcome(e->outcome));
        jot_u64(j, "retries", e->retries);
        jot_number(j, "seconds", e->seconds);
        jot_end(j);
    }
    if (r->context) {
        const char *given = error_record_at(r, r->context);
        struct text t;
        text_init(&t, EXTRA_JSON_MAX);
        if (redact_json(&t, given, strlen(given)) && *t.bytes == '{') {
            jot_raw(j, "context", t.bytes, t.len);
        } else {
            jot_object(j, "context");
            envelope_text(j, "text", given);
            jot_string(j, "note", "what was given as context is no JSON object");
            jot_end(j);
        }
        text_done(&t);
    }
    set_contexts(j, r->context ? "context" : "");
    jot_end(j);
}

static void tags(struct jot *j, event *e)
{
    if (!e->tags_n) {
        return;
    }
    jot_object(j, "tags");
    for (size_t i = 0; i < e->tags_n; i++) {
        jot_string(j, e->tags[i].key, e->tags[i].value);
    }
    jot_end(j);
}

/* One packed attribute; gives the place behind it. */
static const char *attribute(struct jot *j, const char *at)
{
    const char *key = at, *value = at + strlen(at) + 2;
    int type = (unsigned char)value[-1];
    int64_t integer = 0;
    double number = 0;
    if (type == SONDE_ATTR_STRING) {
        if (redact_key(key, strlen(key))) {
            jot_string(j, key, "[filtered]");
        } else if (*value) {
            envelope_text(j, key, value);
        } else {
            jot_string(j, key, "");
        }
        return value + strlen(value) + 1;
    }
    if (type == SONDE_ATTR_DOUBLE) {
        memcpy(&number, value, sizeof number);
    } else {
        memcpy(&integer, value, sizeof integer);
    }
    if (redact_key(key, strlen(key))) {
        jot_string(j, key, "[filtered]");
    } else if (type == SONDE_ATTR_DOUBLE) {
        jot_number(j, key, number);
    } else if (type == SONDE_ATTR_BOOL) {
        jot_bool(j, key, integer != 0);
    } else {
        jot_i64(j, key, integer);
    }
    return value + 8;
}

static void extra(struct jot *j, event *e)
{
    const struct error_record *r = e->record;
    if (!r->extra_n && !r->left_out && !r->cut) {
        return;
    }
    jot_object(j, "extra");
    const char *at = error_record_at(r, r->extra);
    for (uint32_t i = 0; i < r->extra_n; i++) {
        at = attribute(j, at);
    }
    if (r->left_out) { /* errors like it, since the last event of it */
        jot_u64(j, "sonde.left_out", r->left_out);
    }
    if (r->cut) {
        jot_string(j, "sonde.note", "what was given was too long: cut");
    }
    jot_end(j);
}

static void crumbs(struct jot *j, event *e)
{
    size_t most = setting.error_breadcrumbs < CRUMBS_MAX ? setting.error_breadcrumbs : CRUMBS_MAX;
    struct breadcrumb_record *list = most ? malloc(most * sizeof *list) : NULL;
    size_t n = list ? breadcrumb_raw(list, most) : 0;
    struct text raw, clean;
    struct jot own;
    text_init(&raw, ENVELOPE_MAX / 4);
    text_init(&clean, ENVELOPE_MAX / 2);
    jot_init(&own, &raw);
    jot_array(&own, NULL);
    for (size_t i = 0; i < n; i++) {
        if (list[i].unix_ns <= e->record->unix_ns) {
            breadcrumb_json(&list[i], &own);
        }
    }
    jot_end(&own);
    if (n && !raw.cut && redact_json(&clean, raw.bytes, raw.len)) {
        jot_raw(j, "breadcrumbs", clean.bytes, clean.len);
    }
    text_done(&raw);
    text_done(&clean);
    free(list);
}

static void images(struct jot *j, event *e)
{
    const struct error_record *r = e->record;
    struct envelope_frame *list = malloc(FRAMES_ALL_MAX * sizeof *list);
    if (!list) {
        return;
    }
    size_t n = frames(r->stack, r->stack_n, list, FRAMES_ALL_MAX);
    n += frames(r->stack_own, r->stack_own_n, list + n, FRAMES_ALL_MAX - n);
    for (uint32_t i = 0; i < r->causes_n; i++) {
        const struct error_cause *c = &r->causes[i];
        for (uint32_t k = 0; k < c->stack_n && n < FRAMES_ALL_MAX; k++) {
            uint64_t address;
            memcpy(&address, r->data + c->stack + (size_t)8 * k, sizeof address);
            list[n++] = (struct envelope_frame){address, true};
        }
    }
    if (n) {
        envelope_images(j, list, n, module_list_get());
    }
    free(list);
}

/* "libcurl.so": "4.8.0" of every library that says its version in its name. */
static void modules(struct jot *j)
{
    const struct module_list *l = module_list_get();
    jot_object(j, "modules");
    jot_string(j, "libsonde", sonde_version());
    for (size_t i = 0; i < l->n; i++) {
        const char *name = strrchr(l->module[i].path, '/');
        const char *version = name ? strstr(name, ".so.") : NULL;
        if (version && strncmp(name, "/libsonde.", 10) != 0) {
            char key[MODULE_PATH_MAX];
            snprintf(key, sizeof key, "%.*s", (int)(version + 3 - (name + 1)), name + 1);
            jot_string(j, key, version + 4);
        }
    }
    jot_end(j);
}

static void fingerprint(struct jot *j, event *e)
{
    if (!e->fingerprint_n) {
        return;
    }
    jot_array(j, "fingerprint");
    for (size_t i = 0; i < e->fingerprint_n; i++) {
        jot_string(j, NULL, e->fingerprint[i]);
    }
    jot_end(j);
}

void error_event_write(event *e, struct text *ret)
{
    const struct error_record *r = e->record;
    struct envelope_origin origin;
    struct jot j;
    uint8_t id[16];
    bool excepted = *e->type || r->causes_n;
    error_open_event_id(r->ref, id);
    envelope_origin_here(&origin);
    module_list_refresh();
    jot_init(&j, ret);
    jot_object(&j, NULL);
    envelope_head(&j, id, r->unix_ns, &origin);
    jot_string(&j, "level", envelope_level(e->level));
    envelope_text(&j, "logger", error_record_at(r, r->logger));
    envelope_text(&j, "transaction", e->transaction);
    if (excepted) {
        exception(&j, e);
    } else {
        message(&j, e);
    }
    threads(&j, e, !excepted || r->stack_own_n);
    fingerprint(&j, e);
    tags(&j, e);
    if (r->has_user) {
        set_user_write(&j, error_record_at(r, r->user_id), error_record_at(r, r->user_email),
                       error_record_at(r, r->user_name), error_record_at(r, r->user_ip));
    } else {
        set_user(&j);
    }
    contexts(&j, e);
    extra(&j, e);
    crumbs(&j, e);
    images(&j, e);
    modules(&j);
    jot_end(&j);
}
