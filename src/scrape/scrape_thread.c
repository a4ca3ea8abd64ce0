#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "scrape/scrape_inside.h"

enum { CONNECTIONS_SPARE = 64 };

/* What is asked for, in the order of scrape_protocols. */
static const char *const TYPES[PROMFILE_PROTOCOLS_MAX] = {
    [PROMFILE_PROTOBUF] = "application/vnd.google.protobuf;"
                          "proto=io.prometheus.client.MetricFamily;encoding=delimited",
    [PROMFILE_TEXT_0_0_4] = "text/plain;version=0.0.4",
    [PROMFILE_TEXT_1_0_0] = "text/plain;version=1.0.0",
    [PROMFILE_OPENMETRICS_0_0_1] = "application/openmetrics-text;version=0.0.1",
    [PROMFILE_OPENMETRICS_1_0_0] = "application/openmetrics-text;version=1.0.0",
};

static const char *const ESCAPINGS[] = {
    [PROMFILE_ALLOW_UTF8] = "allow-utf-8",
    [PROMFILE_UNDERSCORES] = "underscores",
    [PROMFILE_DOTS] = "dots",
    [PROMFILE_VALUES] = "values",
};

/* Formats that say how they want names. */
static bool escapes(enum promfile_protocol p)
{
    return p == PROMFILE_TEXT_1_0_0 || p == PROMFILE_OPENMETRICS_1_0_0 || p == PROMFILE_PROTOBUF;
}

static void put_accept(const struct promfile_scrape *config, char *to, size_t size)
{
    size_t n = (size_t)snprintf(to, size, "Accept: ");
    int weight = PROMFILE_PROTOCOLS_MAX;
    for (size_t i = 0; i < config->protocols_n && i < PROMFILE_PROTOCOLS_MAX; i++) {
        enum promfile_protocol p = config->protocols[i];
        n += (size_t)snprintf(to + n, size - n, "%s%s%s;q=0.%d,", TYPES[p],
                              escapes(p) ? ";escaping=" : "",
                              escapes(p) ? ESCAPINGS[config->escaping] : "", weight--);
    }
    snprintf(to + n, size - n, "*/*;q=0.%d", weight);
}

static void run(void *context)
{
    struct scrape_thread *t = context;
    loop_run(t->loop);
}

int scrape_thread_open(struct scrape_thread *t, struct scrape *s, size_t lane)
{
    struct fetcher_limits limits = {
        .connections_max = (size_t)s->settings.targets_max / s->threads_n + CONNECTIONS_SPARE};
    *t = (struct scrape_thread){.scrape = s};
    thread_lock_init(&t->lock);
    t->reading = reading_new();
    writing_init(&t->writing, s->config.sink, lane, s->tenant);
    int err = loop_new(&t->loop);
    return err ? err : fetcher_new(t->loop, &limits, &t->fetcher);
}

void scrape_thread_start(struct scrape_thread *t, size_t number)
{
    char name[16];
    snprintf(name, sizeof name, "scrape-%zu", number);
    thread_start(&t->thread, name, run, t);
}

void scrape_thread_close(struct scrape_thread *t)
{
    if (!t->scrape)
        return; /* it was never opened */
    if (t->thread.running) {
        loop_stop(t->loop);
        thread_join(&t->thread);
    }
    fetcher_free(t->fetcher);
    loop_free(t->loop);
    reading_free(t->reading);
    writing_done(&t->writing);
    pthread_mutex_destroy(&t->lock);
}

void scrape_thread_client(struct scrape_thread *t, struct scrape_client *c,
                          const struct promfile_scrape *config)
{
    c->thread = t;
    c->config = config;
    c->why = (struct why){0};
    put_accept(config, c->accept, sizeof c->accept);
    if (fetch_client_new(t->fetcher, &config->http, &c->client, &c->why))
        log_warn("scrape", "job \"" STR_FMT "\": %s", STR_ARG(config->job), c->why.text);
}

void scrape_thread_client_done(struct scrape_thread *t, struct scrape_client *c)
{
    (void)t;
    fetch_client_free(c->client);
    c->client = NULL;
}
