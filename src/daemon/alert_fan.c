#include "daemon/alert_fan.h"

#include "base/clock.h"
#include "daemon/alert_log.h"

static void take(struct alert_sink *s, const struct alert *alerts, size_t n)
{
    const struct alert_fan *f = (const struct alert_fan *)(const void *)s;
    f->log->ops->send(f->log, alerts, n);
    if (send_active(f->send)) {
        struct alert_sink *to = send_sink(f->send);
        to->ops->send(to, alerts, n);
        for (size_t i = 0; i < n && f->heard != NULL; i++)
            f->heard(f->heard_context, &alerts[i]);
    } else if (f->engine != NULL) {
        f->engine->ops->send(f->engine, alerts, n);
    }
}

int alert_fan_reload(struct alert_fan *f, const struct config *config, struct why *why)
{
    struct send_plan plan = {.urls = config->plan->settings->alertmanagers,
                             .promfile = config->promfile};
    struct arena a;
    arena_init(&a);
    int err = rules_external_labels(&config->rules, &a, &plan.external_labels, why);
    if (err == 0)
        err = send_reload(f->send, &plan, why);
    arena_done(&a);
    return err;
}

int alert_fan_open(struct alert_fan *f, const struct config *config, struct why *why)
{
    static const struct alert_sink_ops OPS = {take};
    *f = (struct alert_fan){.sink = {&OPS}, .log = alert_log(), .send = send_new(&clock_real)};
    return alert_fan_reload(f, config, why);
}

void alert_fan_close(struct alert_fan *f)
{
    send_free(f->send);
    f->send = NULL;
}
