#include <stdio.h>

#include "alert/send/send_inside.h"
#include "base/mem.h"
#include "base/stat.h"

enum { ANSWER_MAX = 64 << 10 };

static struct stat sent =
    STAT_COUNTER("sonde_alert_send_sent_total", "Alerts that other Alertmanagers have taken.");
static struct stat errors = STAT_COUNTER("sonde_alert_send_errors_total",
                                         "Alerts that other Alertmanagers have not taken.");
static struct stat dropped =
    STAT_COUNTER("sonde_alert_send_dropped_total",
                 "Alerts that newer ones pushed out of the queue to another Alertmanager.");

void send_queue_open(void)
{
    stat_register(&sent);
    stat_register(&errors);
    stat_register(&dropped);
}

void send_queue_drop(struct send_note *note)
{
    if (--note->refs == 0)
        mem_free(note);
}

static struct send_note *take(struct send_target *t)
{
    struct send_note *note = t->ring[t->from];
    t->from = (t->from + 1) % SEND_QUEUE_MAX;
    t->n--;
    return note;
}

void send_queue_put(struct send_target *t, struct send_note *note)
{
    if (t->dropped)
        return;
    if (t->n == SEND_QUEUE_MAX) {
        send_queue_drop(take(t));
        t->lost++;
        stat_add(&dropped, 1);
    }
    note->refs++;
    t->ring[(t->from + t->n++) % SEND_QUEUE_MAX] = note;
}

void send_queue_clear(struct send_target *t)
{
    while (t->n > 0)
        send_queue_drop(take(t));
}

static void on_answer(void *context, const struct fetch_answer *a)
{
    struct send_target *t = context;
    struct send *s = t->set->send;
    bool good = a->err == 0 && a->status / 100 == 2;
    thread_lock(&s->lock);
    t->fetch = NULL;
    t->error[0] = '\0';
    if (good) {
        t->sent += t->batch;
        stat_add(&sent, t->batch);
    } else {
        t->failed += t->batch;
        stat_add(&errors, t->batch);
        struct str body = str_trim(str_sub(a->body, 0, 160));
        if (a->err != 0)
            snprintf(t->error, sizeof t->error, "%.250s", a->why);
        else
            snprintf(t->error, sizeof t->error, "status %d: " STR_FMT, a->status, STR_ARG(body));
    }
    send_queue_go(t);
    thread_unlock(&s->lock);
}

void send_queue_go(struct send_target *t)
{
    static const char *const HEADERS[] = {"Content-Type: application/json"};
    if (t->fetch != NULL || t->n == 0)
        return;
    buf_clear(&t->body);
    buf_put_c(&t->body, '[');
    for (t->batch = 0; t->n > 0 && t->batch < SEND_BATCH_MAX; t->batch++) {
        struct send_note *note = take(t);
        if (t->batch > 0)
            buf_put_c(&t->body, ',');
        buf_put(&t->body, note->json, note->n);
        send_queue_drop(note);
    }
    buf_put_c(&t->body, ']');
    const struct fetch_request request = {.method = "POST",
                                          .url = t->url,
                                          .headers = HEADERS,
                                          .headers_n = COUNTOF(HEADERS),
                                          .body = buf_str(&t->body),
                                          .timeout_ms = t->set->manager.timeout_ms,
                                          .body_max = ANSWER_MAX,
                                          .done = on_answer,
                                          .context = t};
    fetch_start(t->set->client, &request, &t->fetch);
}
