#include "daemon/respond_health.h"

#include "serve/serve.h"
#include "tool/options.h"

static void probe_store(void *context, struct health_reading *ret)
{
    const struct respond *r = context;
    if (r->serve != NULL)
        serve_probe(r->serve, ret);
    else
        ret->state = HEALTH_UNKNOWN;
}

int respond_health_open(struct respond *r, struct sink *sink, size_t lane, struct str instance,
                        struct launcher *launcher, struct why *why)
{
    options_health(r->host.config->conf, &r->health);
    const struct checkup_plan plan = {.settings = &r->health,
                                      .clock = r->host.clock,
                                      .state = r->state,
                                      .events = r->events.events,
                                      .alerts = r->alerts,
                                      .sink = sink,
                                      .lane = lane,
                                      .tenant = STR("default"),
                                      .instance = instance,
                                      .launcher = launcher,
                                      .store = probe_store,
                                      .store_context = r};
    return checkup_new(&plan, &r->checkup, why);
}

void respond_health_probe(struct respond *r, struct serve *serve)
{
    r->serve = serve;
}

void respond_health_reload(struct respond *r)
{
    struct checkup_plan_settings now;
    options_health(r->host.config->conf, &now);
    checkup_page_set(r->checkup, &now.page);
}
