#include "checkin/heartbeat.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "checkin/checkin_alert.h"
#include "event/event_count.h"
#include "net/fetch.h"
#include "os/loop.h"
#include "os/thread.h"

enum { TICK_MS = 1000, ANSWER_MAX = 64 * 1024, SENTENCE_MAX = 1024 };

static const char *const MODULE = "heartbeat";

static const struct event_count_family UP = {
    "sonde_heartbeat_up",
    "1 where the last request to the service outside went well.",
    STAT_TYPE_GAUGE,
    NULL,
    {"heartbeat", NULL, NULL}};
static const struct event_count_family SENT = {"sonde_heartbeats_total",
                                               "Requests to services outside: succeeded, failed, "
                                               "or withheld as the daemon could not have told "
                                               "anybody.",
                                               STAT_TYPE_COUNTER,
                                               NULL,
                                               {"heartbeat", "outcome", NULL}};

struct beat {
    struct heartbeats *all;
    const struct heartbeat_row *row;
    struct fetch_client *client;
    struct fetch *busy; /* NULL: no request is in progress */
    int64_t next_ns;
    int64_t failures; /* in a row */
    bool withheld;    /* the last time */
    char problem[SENTENCE_MAX];
    struct checkin_alert alert;
};

struct heartbeats {
    struct heartbeat_config config;
    struct loop *loop;
    struct fetcher *fetcher;
    struct timer *timer;
    struct thread thread;
    struct beat *v; /* [n] */
    size_t n;
};

static void count(const struct beat *b, const char *outcome)
{
    stat_add(event_count(&SENT, (struct str[]){str_c(b->row->name), str_c(outcome)}), 1);
}

static void alarm_of(struct beat *b)
{
    const struct heartbeat_config *c = &b->all->config;
    int64_t now_ms = clock_wall_ms(c->clock);
    checkin_alert_set(&b->alert, b->failures >= b->row->fall, now_ms, now_ms);
    if (!checkin_alert_due(&b->alert, now_ms))
        return;
    char summary[SENTENCE_MAX + 200];
    int n =
        b->alert.firing
            ? snprintf(summary, sizeof summary, "the heartbeat %s does not get out: %s",
                       b->row->name, b->problem)
            : snprintf(summary, sizeof summary, "the heartbeat %s gets out again", b->row->name);
    struct checkin_alert_words words = {.name = STR("HeartbeatFailed"),
                                        .severity = str_c(b->row->severity),
                                        .subject = STR("heartbeat"),
                                        .value = str_c(b->row->name),
                                        .summary = str_of(summary, (size_t)n),
                                        .url = c->url};
    checkin_alert_send(&b->alert, &words, c->alerts, now_ms);
}

/* The URL is a secret: what goes wrong is told without it. */
static void done(void *context, const struct fetch_answer *a)
{
    struct beat *b = context;
    bool good = a->err == 0 && a->status >= 200 && a->status < 300;
    b->busy = NULL;
    if (good)
        b->failures = 0;
    else if (a->err)
        snprintf(b->problem, sizeof b->problem, "%s", err_text(a->err));
    else
        snprintf(b->problem, sizeof b->problem, "the service answers with status %d", a->status);
    if (!good && b->failures++ == 0)
        log_warn(MODULE, "%s: %s", b->row->name, b->problem);
    count(b, good ? "succeeded" : "failed");
    struct str name = str_c(b->row->name);
    stat_set(event_count(&UP, &name), good);
    alarm_of(b);
}

static bool is_well(struct beat *b)
{
    const struct heartbeat_config *c = &b->all->config;
    char why[HEARTBEAT_WHY_MAX] = "";
    bool well = !c->well || c->well(c->context, why);
    if (!well && !b->withheld)
        log_warn(MODULE, "%s is withheld: %s", b->row->name, why);
    else if (well && b->withheld)
        log_info(MODULE, "%s goes out again", b->row->name);
    b->withheld = !well;
    return well;
}

static void send(struct beat *b)
{
    const struct heartbeat_row *row = b->row;
    struct fetch_request request = {.method = row->method,
                                    .url = row->url,
                                    .headers = row->headers.v,
                                    .headers_n = row->headers.n,
                                    .body = str_c(row->body),
                                    .timeout_ms = row->timeout_ms,
                                    .body_max = ANSWER_MAX,
                                    .done = done,
                                    .context = b};
    fetch_start(b->client, &request, &b->busy);
}

static void tick(void *context)
{
    struct heartbeats *h = context;
    int64_t now_ns = clock_monotonic_ns(h->config.clock);
    for (size_t i = 0; i < h->n; i++) {
        struct beat *b = &h->v[i];
        alarm_of(b);
        if (b->busy || now_ns < b->next_ns)
            continue;
        b->next_ns = now_ns + b->row->every_seconds * 1000000000 - TICK_MS * 500000;
        if (is_well(b))
            send(b);
        else
            count(b, "withheld");
    }
}

static void live(void *context)
{
    struct heartbeats *h = context;
    loop_run(h->loop);
}

int heartbeat_new(const struct heartbeat_config *config, struct heartbeats **ret, struct why *why)
{
    struct heartbeats *h = mem_new(sizeof *h);
    const struct heartbeat_row *rows = config->rows->v;
    int err = 0;
    h->config = *config;
    h->v = mem_array(config->rows->n + 1, sizeof *h->v);
    if (config->rows->n) {
        err = loop_new(&h->loop);
        if (!err)
            err = fetcher_new(h->loop, NULL, &h->fetcher);
        if (err)
            why_set(why, (enum err) - err, "heartbeats cannot be begun");
    }
    for (size_t i = 0; i < config->rows->n && !err; i++) {
        struct beat *b = &h->v[h->n++];
        b->all = h;
        b->row = &rows[i];
        err = fetch_client_new(h->fetcher, NULL, &b->client, why);
    }
    if (err)
        heartbeat_free(h);
    else
        *ret = h;
    return err;
}

void heartbeat_start(struct heartbeats *h)
{
    if (h->n == 0)
        return;
    h->timer = timer_new(h->loop, 0, TICK_MS, tick, h);
    thread_start(&h->thread, "heartbeat", live, h);
}

void heartbeat_free(struct heartbeats *h)
{
    if (!h)
        return;
    if (h->loop)
        loop_stop(h->loop);
    thread_join(&h->thread);
    if (h->timer)
        timer_free(h->timer);
    for (size_t i = 0; i < h->n; i++) {
        fetch_cancel(h->v[i].busy);
        fetch_client_free(h->v[i].client);
    }
    fetcher_free(h->fetcher);
    loop_free(h->loop);
    mem_free(h->v);
    mem_free(h);
}
