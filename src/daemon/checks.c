#include "daemon/checks.h"

#include <stdio.h>

static void check_store(void *context, struct health_reading *ret)
{
    struct checks *c = context;
    struct why why = {0};
    if (store_writable(c->store, &why) != 0) {
        ret->state = HEALTH_UNHEALTHY;
        ret->value = 1;
        snprintf(ret->output, sizeof ret->output, "%.*s", HEALTH_TEXT_MAX - 1, why.text);
    }
}

struct collecting {
    struct health_reading *reading;
    size_t failed;
};

static void take_collector(void *context, const struct runner_state *state)
{
    struct collecting *all = context;
    if (!state->late && (!state->failed || state->absent || state->text[0] == '\0'))
        return;
    if (all->failed++ == 0)
        snprintf(all->reading->output, sizeof all->reading->output, "%s: %.200s", state->name,
                 state->late ? "it hangs" : state->text);
}

static void check_collectors(void *context, struct health_reading *ret)
{
    struct checks *c = context;
    struct collecting all = {.reading = ret};
    runner_states(c->runner, take_collector, &all);
    ret->value = (double)all.failed;
    ret->state = all.failed > 0 ? HEALTH_DEGRADED : HEALTH_OK;
}

static void check_configuration(void *context, struct health_reading *ret)
{
    struct checks *c = context;
    if (c->worker->problem[0] == '\0')
        return;
    ret->state = HEALTH_DEGRADED;
    ret->value = 1;
    snprintf(ret->output, sizeof ret->output, "the old configuration is in force: %.200s",
             c->worker->problem);
}

static void check_worker(void *context, struct health_reading *ret)
{
    struct checks *c = context;
    ret->value = c->worker->restarts;
    if (c->worker->restarts > 0)
        snprintf(ret->output, sizeof ret->output, "the last one ended by %.200s", c->worker->last);
}

/* Rule files that cannot be used, or rules that fail. */
static void check_rules(void *context, struct health_reading *ret)
{
    struct checks *c = context;
    struct arena a;
    arena_init(&a);
    struct str problem = rules_problem(c->rules, &a);
    size_t failing = rules_failing(c->rules);
    ret->value = (double)failing;
    if (problem.n > 0 || failing > 0)
        ret->state = HEALTH_DEGRADED;
    if (problem.n > 0)
        snprintf(ret->output, sizeof ret->output, "%.*s", HEALTH_TEXT_MAX - 1, problem.p);
    else if (failing > 0)
        snprintf(ret->output, sizeof ret->output,
                 "%zu rules failed when they were last evaluated; /api/v1/rules says why", failing);
    arena_done(&a);
}

int checks_add(struct checks *c, struct health *h)
{
    const struct health_check all[] = {
        {"storage", "writable", "1", "datastore", 1000, 1, 1, check_store, c},
        {"configuration", "refused", "1", "component", 0, 1, 1, check_configuration, c},
        {"worker", "restarts", "1", "component", 10000, 1, 1, check_worker, c},
        {"rules", "failing", "1", "component", 1000, 1, 1, check_rules, c},
        {"collectors", "failing", "1", "component", 1000, 5, 2, check_collectors, c},
    };
    int err = 0;
    for (size_t i = 0; i < COUNTOF(all) && err == 0; i++)
        if (all[i].run != check_collectors || c->runner != NULL)
            err = health_add(h, &all[i]);
    if (err == 0)
        err = health_add_disk(h, "disk", c->disk);
    if (err == 0)
        err = health_add_clock(h);
    return err;
}
