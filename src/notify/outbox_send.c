#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "notify/outbox_inside.h"

static const char *const MODULE = "notify";

/* ---- the end of an attempt */

static void attempt_free(void *attempt)
{
    struct outbox_attempt *a = attempt;
    timer_free(a->timer);
    arena_done(&a->arena);
    mem_free(a);
}

/* Nobody hears of a any more. It is freed later, as a kind may still stand in its start(). */
static void let_go(struct outbox_attempt *a)
{
    struct outbox *o = a->line->outbox;
    a->ended = true;
    for (size_t i = 0; i < o->flying.n; i++)
        if (o->flying.v[i] == a) {
            o->flying.v[i] = o->flying.v[--o->flying.n];
            break;
        }
    if (a->entry) {
        a->entry->attempt = NULL;
        a->line->flying--;
    }
    side_cancel(a->side);
    a->side = NULL;
    loop_post(o->loop, attempt_free, a);
}

static void remember_error(struct outbox_line *l, const char *why)
{
    mem_free(l->error);
    l->error = why ? mem_text(why, strlen(why)) : NULL;
    l->row.last_error = str_c(l->error ? l->error : "");
}

/* The message will never be taken. */
static void drop(struct outbox_line *l, struct outbox_entry *e, const char *why)
{
    log_warn(MODULE, "%.*s of %.*s: a message is dropped: %s", STR_ARG(l->row.kind),
             STR_ARG(l->row.receiver), why);
    l->row.dropped++;
    stat_add(&l->stats->dropped, 1);
    outbox_line_remove(l, e);
}

static void take_outcome(struct outbox_attempt *a, const struct notify_outcome *o)
{
    struct outbox_line *l = a->line;
    const char *why = o->err ? (o->why && o->why[0] ? o->why : err_text(o->err)) : NULL;
    int64_t took = clock_monotonic_ns(&clock_real) - a->began_ns;
    l->row.last_duration_ns = took;
    stat_observe(&l->stats->latency, took);
    stat_add(&l->stats->sent, 1);
    remember_error(l, why);
    if (!o->err) {
        l->row.sent++;
        l->row.last_sent_ms = clock_wall_ms(l->outbox->config.clock);
    } else {
        l->row.failed++;
        stat_add(&l->stats->failed, 1);
    }
}

static void report_fault(struct outbox_attempt *a)
{
    const char *fault = a->send.words ? wording_fault(a->send.words) : NULL;
    if (fault)
        log_warn(MODULE, "%.*s of %.*s: %s", STR_ARG(a->line->row.kind),
                 STR_ARG(a->line->row.receiver), fault);
}

static void attempt_done(struct notify_send *send, const struct notify_outcome *outcome)
{
    struct outbox_attempt *a = (struct outbox_attempt *)send; /* its first member */
    struct outbox_line *l = a->line;
    struct outbox *o = l->outbox;
    struct outbox_entry *e = a->entry;
    char why[WHY_MAX];
    if (a->ended)
        return;
    snprintf(why, sizeof why, "%s",
             outcome->why && outcome->why[0] ? outcome->why : err_text(outcome->err));
    report_fault(a);
    take_outcome(a, outcome);
    uint64_t number = a->number;
    if (a->trial)
        outbox_send_trial_over(a->trial, outcome->err, why);
    let_go(a);
    if (e && outcome->err && outcome->retry) {
        if (l->failures == 0)
            log_warn(MODULE, "%.*s of %.*s: %s; it is tried again", STR_ARG(l->row.kind),
                     STR_ARG(l->row.receiver), why);
        outbox_line_failed(l, e, number, outcome->after_ms);
    } else if (e) {
        outbox_line_well(l); /* who refuses a message is there */
        if (outcome->err)
            drop(l, e, why);
        else
            outbox_line_remove(l, e);
    }
    loop_post(o->loop, outbox_line_run, o);
}

static void end_now(struct outbox_attempt *a, int err, bool retry, const char *why)
{
    struct notify_outcome outcome = {.err = err, .retry = retry, .why = why};
    attempt_done(&a->send, &outcome);
}

static void stop_kind(struct outbox_attempt *a)
{
    const struct notify_integration *i = a->send.integration;
    if (a->started && i->notifier->cancel)
        i->notifier->cancel(&a->send);
}

static void on_timeout(void *attempt)
{
    struct outbox_attempt *a = attempt;
    if (a->ended)
        return;
    stop_kind(a);
    end_now(a, -ERR_TIMEOUT, true, "it did not answer in time");
}

void outbox_send_cancel(struct outbox_attempt *a, const char *why)
{
    stop_kind(a);
    if (a->trial)
        outbox_send_trial_over(a->trial, -ERR_CANCELED, why);
    let_go(a);
}

/* ---- the way of an attempt */

static void send_it(struct outbox_attempt *a)
{
    struct outbox_line *l = a->line;
    struct outbox *o = l->outbox;
    const struct outbox_receivers *r = &o->config.receivers;
    struct why why = {0};
    const struct notify_integration *i =
        r->find(r->context, l->row.receiver, l->row.kind, l->row.index);
    if (!i) {
        end_now(a, -ERR_NOENT, false, "the configuration does not have this receiver any more");
        return;
    }
    const struct fetch_settings *http = notifier_http(i);
    if (http && !l->client && fetch_client_new(o->fetcher, http, &l->client, &why) != 0) {
        l->client = NULL;
        end_now(a, -ERR_FORMAT, true, why.text);
        return;
    }
    a->send.integration = i;
    a->send.client = l->client;
    a->send.words =
        wording_new(r->templates, &a->message, clock_wall_ms(o->config.clock), &a->arena);
    a->timer = timer_new(o->loop, OUTBOX_ATTEMPT_MAX_MS, 0, on_timeout, a);
    a->began_ns = clock_monotonic_ns(&clock_real);
    a->started = true;
    i->notifier->start(&a->send);
}

/* What changed around it is asked for on a thread: it reads events and samples. */
struct asking {
    struct outbox_config config;
    struct message message;
    struct arena arena;
    struct str text;
};

static void ask(void *context, const _Atomic bool *canceled)
{
    struct asking *q = context;
    (void)canceled;
    q->text = q->config.context_of(q->config.context_context, &q->message, &q->arena);
}

static void asked(void *owner, void *context)
{
    struct outbox_attempt *a = owner;
    const struct asking *q = context;
    a->side = NULL;
    a->message.context = arena_str(&a->arena, q->text);
    if (a->entry) {
        a->entry->has_context = true;
        a->entry->context = mem_text(q->text.p, q->text.n);
    }
    send_it(a);
}

static void asking_free(void *context)
{
    struct asking *q = context;
    arena_done(&q->arena);
    mem_free(q);
}

static void ask_context(struct outbox_attempt *a)
{
    struct outbox *o = a->line->outbox;
    struct asking *q = mem_new(sizeof *q);
    struct buf copy;
    q->config = o->config;
    arena_init(&q->arena);
    buf_init(&copy, SIZE_MAX / 2);
    message_encode(&a->message, &copy);
    int err = message_decode(buf_str(&copy), &q->arena, &q->message, NULL);
    buf_done(&copy);
    if (err) {
        asking_free(q);
        send_it(a);
        return;
    }
    struct side_plan plan = {o->loop, ask, asked, asking_free, a, q};
    a->side = side_start(&plan);
}

static struct outbox_attempt *attempt_new(struct outbox_line *l)
{
    struct outbox *o = l->outbox;
    struct outbox_attempt *a = mem_new(sizeof *a);
    arena_init(&a->arena);
    a->line = l;
    a->number = ++o->number;
    a->send = (struct notify_send){
        .message = &a->message,
        .loop = o->loop,
        .launcher = o->config.launcher,
        .chart = o->config.chart_of,
        .chart_context = o->config.chart_context,
        .arena = &a->arena,
        .done = attempt_done,
    };
    l->row.last_attempt_ms = clock_wall_ms(o->config.clock);
    vec_push(&o->flying, a);
    return a;
}

void outbox_send_begin(struct outbox_line *l, struct outbox_entry *e)
{
    struct outbox *o = l->outbox;
    struct outbox_attempt *a = attempt_new(l);
    struct str body;
    struct why why = {0};
    a->entry = e;
    e->attempt = a;
    e->tried = a->number;
    l->flying++;
    a->began_ns = clock_monotonic_ns(&clock_real);
    int err = outbox_rows_body(o, e->id, &a->arena, &body, &why);
    if (err) {
        end_now(a, err, err != -ERR_NOENT, why.text);
        return;
    }
    err = message_decode(body, &a->arena, &a->message, &why);
    if (err) {
        end_now(a, err, false, why.text);
        return;
    }
    if (e->has_context)
        a->message.context = arena_str(&a->arena, str_c(e->context));
    if (o->config.context_of && !e->has_context && a->message.context.n == 0)
        ask_context(a);
    else
        send_it(a);
}

/* ---- trials */

void outbox_send_trial_over(struct outbox_trial *t, int err, const char *why)
{
    thread_lock(&t->lock);
    t->attempt = NULL;
    t->over = true;
    t->err = err;
    if (err)
        why_set(&t->why, (enum err) - err, "%s", why);
    thread_wake_all(&t->cond);
    thread_unlock(&t->lock);
}

void outbox_send_trial(struct outbox *o, struct outbox_trial *t)
{
    const struct message *m = t->message;
    struct outbox_attempt *a = attempt_new(outbox_line_get(o, m->receiver, m->kind, m->index));
    a->message = *m; /* who waits keeps it until it is over */
    a->trial = t;
    t->attempt = a;
    a->began_ns = clock_monotonic_ns(&clock_real);
    send_it(a);
}
