/* client/error/error_pass.c - the worker's half: records become envelopes, open errors end. */
#include <pthread.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "client/core/id.h"
#include "client/core/lost.h"
#include "client/core/outgoing.h"
#include "client/core/setting.h"
#include "client/core/ticks.h"
#include "client/error/envelope.h"
#include "client/error/error.h"
#include "client/error/error_event.h"
#include "client/error/error_open.h"
#include "client/error/error_recent.h"
#include "client/error/error_record.h"
#include "client/error/error_types.h"

enum { WAITING_MAX = ERROR_RECORDS_MAX / 2, JSON_MAX = ENVELOPE_MAX - 4096 };

static struct error_record *waiting[WAITING_MAX]; /* for their end; the oldest first */
static size_t waiting_n;
static struct sonde_error_event *event; /* made at the first error; one at a time */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of the callback */
static bool (*before_send)(sonde_error_event *event, void *user);
static void *before_send_user;

int sonde_error_before_send(bool (*callback)(sonde_error_event *event, void *user), void *user)
{
    pthread_mutex_lock(&lock);
    before_send = callback;
    before_send_user = user;
    pthread_mutex_unlock(&lock);
    return 0;
}

static bool allowed(void)
{
    pthread_mutex_lock(&lock);
    bool (*callback)(sonde_error_event * event, void *user) = before_send;
    void *user = before_send_user;
    pthread_mutex_unlock(&lock);
    if (callback && !callback(event, user)) {
        lost_add(LOST_ERROR, LOST_BEFORE_SEND, 1);
        return false;
    }
    if (setting.error_sample_rate < 1 && id_fraction() >= setting.error_sample_rate) {
        lost_add(LOST_ERROR, LOST_SAMPLED, 1);
        return false;
    }
    return true;
}

static void hand_over(const struct text *json, const uint8_t id[16])
{
    struct text envelope;
    text_init(&envelope, ENVELOPE_MAX);
    envelope_begin(&envelope, id);
    envelope_item(&envelope, "event", json->bytes, json->len);
    if (json->cut || envelope.cut) {
        lost_add(LOST_ERROR, json->len > JSON_MAX / 2 ? LOST_TOO_BIG : LOST_MEMORY, 1);
    } else {
        struct outgoing what = {FRAME_ENVELOPE, 1, "error"};
        outgoing_put(&what, &envelope);
    }
    text_done(&envelope);
}

static bool have_event(void)
{
    if (!event) {
        event = calloc(1, sizeof *event);
        if (event) {
            text_init(&event->json, JSON_MAX);
        }
    }
    return event != NULL;
}

static void send(const struct error_record *r, const struct error_open *end)
{
    if (!have_event()) {
        lost_add(LOST_ERROR, LOST_MEMORY, 1);
        return;
    }
    error_event_fill(event, r, end);
    error_recent_add(r, event->type, event->message);
    if (!allowed()) {
        return;
    }
    uint8_t id[16];
    struct text json;
    text_init(&json, JSON_MAX);
    error_open_event_id(r->ref, id);
    error_event_write(event, &json);
    hand_over(&json, id);
    text_done(&json);
    text_done(&event->json);
}

/* Sends a record and gives its place back. */
static void finish(struct error_record *r, struct error_open *o)
{
    bool ended = o && error_open_ended(o);
    send(r, ended ? o : NULL);
    if (o) {
        o->sent = true;
        o->told = ended;
        snprintf(o->message, sizeof o->message, "%.159s", event ? event->message : ""); /* masked */
    }
    error_record_free(r);
}

/* A second event, where the first could not say how it ended. */
static void update(const struct error_open *o)
{
    static const int levels[] = {SONDE_LEVEL_INFO, SONDE_LEVEL_INFO,    SONDE_LEVEL_INFO,
                                 SONDE_LEVEL_INFO, SONDE_LEVEL_WARNING, SONDE_LEVEL_ERROR};
    struct error_record *r = calloc(1, sizeof *r);
    char text[3 * ERROR_OPEN_MESSAGE_MAX], first[33];
    if (!r) {
        lost_add(LOST_ERROR, LOST_MEMORY, 1);
        return;
    }
    const char *type = error_types_name(o->type_id), *outcome = error_types_outcome(o->outcome);
    r->data_n = 1;
    r->ref = error_open_plain();
    r->level = levels[o->outcome];
    r->unix_ns = ticks_unix_now_ns();
    snprintf(r->thread, sizeof r->thread, "sonde");
    (void)sonde_error_event_id(atomic_load_explicit(&o->ref, memory_order_relaxed), first);
    snprintf(text, sizeof text, "%s %s after %.3f s: %s", type, outcome, error_open_seconds(o),
             o->message);
    r->message = error_record_text(r, text);
    r->pattern = error_record_text(r, "%s %s after %.3f s: %s");
    r->logger = error_record_text(r, "sonde.recovery");
    r->fingerprint = r->data_n;
    error_record_bytes(r, "sonde.recovery", sizeof "sonde.recovery", 1);
    error_record_bytes(r, type, strlen(type) + 1, 1);
    error_record_bytes(r, outcome, strlen(outcome) + 1, 1);
    r->fingerprint_n = 3;
    r->tags = r->data_n;
    error_record_bytes(r, "error.event_id", sizeof "error.event_id", 1);
    error_record_bytes(r, first, sizeof first, 1);
    r->tags_n = 1;
    uint8_t id[16];
    struct text json;
    text_init(&json, JSON_MAX);
    error_open_event_id(r->ref, id);
    error_event_fill(event, r, o);
    if (allowed()) {
        error_event_write(event, &json);
        hand_over(&json, id);
    }
    text_done(&json);
    text_done(&event->json);
    free(r);
}

static void end_one(struct error_open *o, void *context)
{
    if (atomic_load_explicit(&o->has_event, memory_order_acquire) && !o->sent) {
        return; /* its record comes in a later round, which looks at this one too */
    }
    error_types_count(o->type_id, o->level, o->outcome);
    double seconds = error_open_seconds(o);
    if (o->outcome != SONDE_OUTCOME_UNKNOWN) {
        error_types_recovered(o->type_id, seconds);
    }
    sonde_error_ref ref = atomic_load_explicit(&o->ref, memory_order_relaxed);
    unsigned retries = atomic_load_explicit(&o->retries, memory_order_relaxed);
    error_recent_end(ref, o->outcome, retries, seconds);
    if (o->sent && !o->told && o->outcome != SONDE_OUTCOME_UNKNOWN && setting.error_updates &&
        have_event()) {
        update(o);
    }
    error_open_free(o);
}

/* Those that wait: sent when their end is known, or after error.recovery_wait_ms. */
static void look_at_waiting(bool everything)
{
    uint64_t now = ticks_now(), most = ticks_of_ns(setting.error_recovery_wait_ms * 1000000);
    size_t kept = 0;
    for (size_t i = 0; i < waiting_n; i++) {
        struct error_record *r = waiting[i];
        struct error_open *o = error_open_find(r->ref);
        if (everything || !o || error_open_ended(o) || now - r->ticks >= most) {
            finish(r, o);
        } else {
            waiting[kept++] = r;
        }
    }
    waiting_n = kept;
}

void error_pass(bool everything)
{
    struct error_record *ready[ERROR_RECORDS_MAX];
    size_t n = error_record_ready(ready);
    for (size_t i = 0; i < n; i++) {
        struct error_record *r = ready[i];
        struct error_open *o = error_open_find(r->ref);
        if (o && !error_open_ended(o) && !everything && waiting_n < WAITING_MAX) {
            waiting[waiting_n++] = r;
        } else {
            finish(r, o);
        }
    }
    look_at_waiting(everything);
    error_open_visit(setting.error_recovery_max_ms * 1000000, end_one, NULL);
}

void error_pass_reset(void)
{
    waiting_n = 0;
    pthread_mutex_init(&lock, NULL);
}
