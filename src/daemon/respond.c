#include "daemon/respond_health.h"
#include "daemon/respond.h"

#include <stdio.h>

#include "base/log.h"
#include "daemon/respond_rules.h"

enum { CHECK_MS = 10000 };

static const char *const MODULE = "state";

static int open_state(struct respond *r, struct why *why)
{
    char path[4096];
    const struct options_server *server = options_server(r->host.config->conf);
    snprintf(path, sizeof path, "%.4000s/state.db", server->data);
    int err = state_open(path, &r->state, why);
    if (err == 0 && state_problem(r->state)[0] != '\0')
        log_error(MODULE, "%s", state_problem(r->state));
    return err;
}

int respond_open(struct respond *r, const struct respond_host *host, struct why *why)
{
    const struct conf *conf = host->config->conf;
    *r = (struct respond){.host = *host};
    r->alerts = &r->fan.sink;
    int err = alert_fan_open(&r->fan, host->config, why);
    if (err == 0)
        err = open_state(r, why);
    if (err == 0)
        err = respond_events_open(&r->events, r->state, conf, host->clock, why);
    const struct respond_events_host events = {.state = r->state,
                                               .conf = conf,
                                               .clock = host->clock,
                                               .store = host->store,
                                               .launcher = host->launcher,
                                               .watch_socket = r->watch.socket,
                                               .alerts = r->alerts};
    if (err == 0)
        err = respond_events_watch(&r->events, &events, why);
    r->fan.heard = respond_events_alert;
    r->fan.heard_context = &r->events;
    const struct respond_alert_host alerting = {.state = r->state,
                                                .clock = host->clock,
                                                .plan = host->config->plan,
                                                .launcher = host->launcher,
                                                .store = host->store,
                                                .incidents = r->events.incidents,
                                                .changed = respond_events_alert,
                                                .changed_context = &r->events};
    if (err == 0)
        err = respond_alert_open(&r->alerting, &alerting, why);
    if (err == 0)
        r->fan.engine = alert_engine_sink(r->alerting.engine);
    r->pulse = (struct respond_pulse){
        .clock = host->clock, .state = r->state, .outbox = r->alerting.outbox};
    if (err == 0)
        err = respond_pulse_open(&r->pulse, conf, r->alerts, why);
    if (err == 0)
        respond_watch_open(&r->watch, conf, host->clock, r->alerts, r->events.events);
    return err;
}

/* A disk that was full may have room again: then the probe says so. */
static void check_writable(void *context, struct health_reading *ret)
{
    struct respond *r = context;
    struct why why = {0};
    if (state_writable(r->state, NULL) == 0 || state_probe(r->state, &why) == 0)
        return;
    ret->state = HEALTH_UNHEALTHY;
    ret->value = 1;
    snprintf(ret->output, sizeof ret->output, "%.*s", HEALTH_TEXT_MAX - 1, why.text);
}

static void check_sound(void *context, struct health_reading *ret)
{
    struct respond *r = context;
    const char *problem = state_problem(r->state);
    if (problem[0] == '\0')
        return;
    ret->state = HEALTH_DEGRADED;
    ret->value = 1;
    snprintf(ret->output, sizeof ret->output, "%.*s", HEALTH_TEXT_MAX - 1, problem);
}

int respond_checks(struct respond *r, struct health *h)
{
    const struct health_check all[] = {
        {"state", "writable", "1", "datastore", CHECK_MS, 1, 1, check_writable, r},
        {"state", "damaged", "1", "datastore", CHECK_MS, 1, 1, check_sound, r},
    };
    int err = 0;
    for (size_t i = 0; i < COUNTOF(all) && err == 0; i++)
        err = health_add(h, &all[i]);
    return err;
}

void respond_start(struct respond *r)
{
    respond_alert_start(&r->alerting);
    respond_events_start(&r->events);
    respond_pulse_start(&r->pulse);
    respond_status_start(&r->status, r->host.config->conf, r->serve);
    respond_watch_start(&r->watch);
    checkup_start(r->checkup);
    log_debug(MODULE, "started with %s", options_server(r->host.config->conf)->data);
}

void respond_stop(struct respond *r)
{
    log_debug(MODULE, "stopping");
    respond_status_stop(&r->status);
    respond_pulse_close(&r->pulse);
    checkup_stop(r->checkup);
    respond_watch_close(&r->watch);
    respond_events_stop(&r->events);
    respond_alert_stop(&r->alerting);
}

void respond_close(struct respond *r)
{
    respond_pulse_close(&r->pulse); /* where it was never started */
    checkup_free(r->checkup);
    r->checkup = NULL;
    respond_watch_close(&r->watch); /* where it was never started */
    r->fan.engine = NULL;
    respond_alert_close(&r->alerting);
    respond_events_close(&r->events);
    threshold_list_free(r->custom_alerts);
    r->custom_alerts = NULL;
    alert_fan_close(&r->fan);
    state_close(r->state);
    r->state = NULL;
}

int respond_snapshot(struct respond *r, const char *snapshot, struct why *why)
{
    char path[4400];
    const struct options_server *server = options_server(r->host.config->conf);
    snprintf(path, sizeof path, "%.4000s/%.300s/state.db", server->data, snapshot);
    return state_copy(r->state, path, why);
}

int respond_reload(struct respond *r, const struct config *config, struct why *why)
{
    r->host.config = config;
    respond_rules_reload(r->custom_alerts, config->conf);
    respond_health_reload(r);
    respond_alert_reload(&r->alerting, config->plan);
    int err = alert_fan_reload(&r->fan, config, why);
    int other = respond_events_reload(&r->events, config->conf, err == 0 ? why : NULL);
    return err != 0 ? err : other;
}
