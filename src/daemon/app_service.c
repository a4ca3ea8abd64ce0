#include "daemon/app_service.h"

#include <stdio.h>

#include "apps/crash_facts.h"
#include "base/clock.h"
#include "model/labels.h"
#include "os/fatal.h"
#include "tool/options.h"

/* ---- what is told of errors */

static void tell_crash(struct app_service *s, const struct signal *signal, const struct envelope *e)
{
    char title[EVENT_TITLE_MAX], pid[32];
    struct str service = signal->service.n > 0 ? signal->service : e->service;
    struct buf labels;
    snprintf(pid, sizeof pid, "%lld", (long long)signal->pid);
    snprintf(title, sizeof title, STR_FMT " crashed: " STR_FMT,
             STR_ARG(service.n > 0 ? service : STR("an application")),
             STR_ARG(e->signal.n > 0 ? e->signal : STR("signal not known")));
    struct label all[] = {{STR("event_id"), e->event_id},
                          {STR("instance"), signal->instance},
                          {STR("pid"), signal->pid > 0 ? str_c(pid) : STR("")},
                          {STR("release"), e->release},
                          {STR("service"), service},
                          {STR("signal"), e->signal}};
    buf_init(&labels, EVENT_LABELS_MAX);
    if (labels_encode_bare(all, COUNTOF(all), &labels, NULL) != 0)
        buf_clear(&labels); /* the title says the most of it */
    const struct event v = {.time_ms = e->time_ms ? e->time_ms : signal->time_ms,
                            .kind = STR("crash"),
                            .title = str_c(title),
                            .text = e->title,
                            .source = STR("apps"),
                            .labels = buf_str(&labels),
                            .id_key = e->event_id};
    event_add(s->events, &v);
    buf_done(&labels);
}

/* A process that ended by a signal is an event as well, for charts and incidents. */
static void on_event(void *context, const struct signal *s, const struct envelope *e)
{
    struct app_service *service = context;
    if (e->signal.n > 0)
        tell_crash(service, s, e);
}

/* A crash of which nothing but its record is known. */
static void on_failed(void *context, const struct signal *s, uint64_t row, const char *why)
{
    struct app_service *service = context;
    char key[64], text[WHY_MAX + 100];
    snprintf(key, sizeof key, "crash-record-%llu", (unsigned long long)row);
    snprintf(text, sizeof text, "Its stack could not be read: %s", why);
    struct envelope e = {.title = str_c(text), .event_id = str_c(key)};
    struct crash_facts facts;
    if (crash_facts_read(s->bytes, &facts, NULL) == 0) {
        e.release = str_c(facts.hello.release);
        e.signal = facts.signal > 0 ? str_c(fatal_name(facts.signal)) : STR("");
        e.time_ms = facts.time_ms;
    }
    tell_crash(service, s, &e);
}

static void on_crash(void *context, const struct signal *s, uint64_t row)
{
    struct app_service *service = context;
    symbols_crash(service->symbols, s, row);
}

static void on_filled(void *context, enum signal_spool_queue which)
{
    struct app_service *service = context;
    signal_relay_wake(service->relay);
}

static int open_relay(struct app_service *s, const struct app_service_host *host, struct why *why)
{
    const struct signal_relay_config relay = {
        .settings = conf_get(host->conf, &apps_settings_options),
        .sentry = conf_get(host->conf, &apps_settings_sentry_options),
        .spool = s->spool,
        .disk = host->disk,
        .clock = &clock_real};
    return signal_relay_new(&relay, &s->relay, why);
}

int app_service_open(struct app_service *s, const struct app_service_host *host, struct why *why)
{
    const struct apps_settings *settings = conf_get(host->conf, &apps_settings_options);
    struct store_settings store;
    options_store(host->conf, &store);
    *s = (struct app_service){.events = host->events};
    const struct signal_spool_config spool = {.settings = settings,
                                              .disk = host->disk,
                                              .key_file = store.key_file,
                                              .clock = &clock_real,
                                              .crash = on_crash,
                                              .event = on_event,
                                              .filled = on_filled,
                                              .context = s};
    int err = signal_spool_new(&spool, &s->spool, why);
    if (err)
        return err;
    const struct symbols_config symbols = {.launcher = host->launcher,
                                           .enabled = settings->symbols,
                                           .next = signal_spool_sink(s->spool),
                                           .failed = on_failed,
                                           .context = s};
    s->symbols = symbols_new(&symbols);
    const struct apps_config apps = {.settings = settings,
                                     .sink = host->sink,
                                     .lane = host->lane,
                                     .signals = symbols_sink(s->symbols),
                                     .clock = &clock_real};
    err = apps_new(&apps, &s->apps, why);
    if (err == 0)
        err = open_relay(s, host, why);
    if (err)
        return err;
    s->checks = (struct app_checks){.spool = s->spool, .relay = s->relay};
    return app_checks_add(&s->checks, host->health);
}

int app_service_start(struct app_service *s, const int *fds, size_t n, struct why *why)
{
    signal_relay_start(s->relay);
    symbols_start(s->symbols);
    signal_spool_start(s->spool);
    return apps_start(s->apps, fds, n, why);
}

void app_service_stop(struct app_service *s)
{
    symbols_stop(s->symbols); /* what it has goes on as it came, and is acknowledged yet */
    apps_stop(s->apps);
    signal_spool_stop(s->spool);
    signal_relay_stop(s->relay);
}

void app_service_close(struct app_service *s)
{
    app_service_stop(s); /* where it was never served */
    apps_free(s->apps);
    symbols_free(s->symbols);
    signal_spool_free(s->spool);
    signal_relay_free(s->relay);
    *s = (struct app_service){0};
}
