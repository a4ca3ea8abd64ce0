#include "daemon/respond_alert.h"

#include "daemon/respond_chart.h"

#include "base/log.h"
#include "incident/incident.h"

enum { HOUR_MS = 3600 * 1000 };

static const char *const MODULE = "alert";

static int add(void *context, struct state_tx *tx, const struct message *m, struct why *why)
{
    (void)context;
    return outbox_add(tx, m, why);
}

static void wake(void *context)
{
    const struct respond_alert *r = context;
    outbox_wake(r->outbox);
}

/* The index counts the integrations of one kind. The plan is the one that the queue was given last:
 * outbox_reload() waits until nothing of the one before is in use. */
static const struct notify_integration *find(void *context, struct str receiver, struct str kind,
                                             uint32_t index)
{
    const struct plan_receiver *r = plan_receiver(context, receiver);
    for (size_t k = 0; r && k < r->n; k++)
        if (str_eq(str_c(r->integrations[k].notifier->kind), kind) && index-- == 0)
            return &r->integrations[k];
    return NULL;
}

static struct outbox_receivers receivers_of(const struct plan *plan)
{
    return (struct outbox_receivers){
        .find = find, .templates = plan->templates, .context = (void *)(uintptr_t)plan};
}

static void say_ignored(const struct plan *plan)
{
    for (size_t k = 0; k < plan->ignored_n; k++)
        log_warn(MODULE, STR_FMT, STR_ARG(plan->ignored[k]));
}

int respond_alert_open(struct respond_alert *r, const struct respond_alert_host *host,
                       struct why *why)
{
    const struct plan_settings *s = host->plan->settings;
    *r = (struct respond_alert){.plan = host->plan, .open = true};
    thread_lock_init(&r->lock);
    say_ignored(host->plan);
    const struct outbox_config outbox = {.state = host->state,
                                         .clock = host->clock,
                                         .launcher = host->launcher,
                                         .receivers = receivers_of(host->plan),
                                         .expire_ms = s->expire_hours * HOUR_MS,
                                         .rate_per_minute = s->rate_per_minute,
                                         .context_of = host->incidents ? incident_context : NULL,
                                         .context_context = host->incidents,
                                         .chart_of = respond_chart,
                                         .chart_context = host->store};
    const struct alert_config engine = {.state = host->state,
                                        .clock = host->clock,
                                        .plan = host->plan,
                                        .add = add,
                                        .wake = wake,
                                        .context = r,
                                        .changed = host->changed,
                                        .changed_context = host->changed_context};
    int err = outbox_new(&outbox, &r->outbox, why);
    return err ? err : alert_new(&engine, &r->engine, why);
}

void respond_alert_start(struct respond_alert *r)
{
    outbox_start(r->outbox);
    alert_start(r->engine);
}

void respond_alert_stop(struct respond_alert *r)
{
    if (r->engine)
        alert_stop(r->engine);
}

void respond_alert_close(struct respond_alert *r)
{
    alert_free(r->engine);
    outbox_free(r->outbox);
    *r = (struct respond_alert){0};
}

void respond_alert_reload(struct respond_alert *r, const struct plan *plan)
{
    const struct outbox_receivers receivers = receivers_of(plan);
    say_ignored(plan);
    outbox_reload(r->outbox, &receivers);
    alert_reload(r->engine, plan);
    thread_lock(&r->lock);
    r->plan = plan;
    thread_unlock(&r->lock);
}

void respond_alert_plan(void *context, void (*f)(void *f_context, const struct plan *plan),
                        void *f_context)
{
    struct respond_alert *r = context;
    thread_lock(&r->lock);
    f(f_context, r->plan);
    thread_unlock(&r->lock);
}
