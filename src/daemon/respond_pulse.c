#include "daemon/respond_pulse.h"

#include <stdio.h>

#include "notify/outbox.h"
#include "rules/rules.h"

enum {
    MISSED = 3,               /* intervals of a group without an evaluation */
    GROUP_SLACK_MS = 60000,   /* and so long at least */
    STUCK_MS = 2 * 60 * 1000, /* an attempt that is due for so long is not made any more */
    DEAF_MS = 10 * 60 * 1000, /* nobody has taken a message for so long */
};

/* Every group has been evaluated when it should have been. */
static bool rules_run_well(struct respond_pulse *p, struct arena *a, int64_t now_ms,
                           char why[HEARTBEAT_WHY_MAX])
{
    struct rules_view v;
    if (!p->rules)
        return true;
    rules_view(p->rules, a, &v);
    for (size_t i = 0; i < v.groups_n; i++) {
        const struct group_view *g = &v.groups[i];
        int64_t late_ms = MAX(MISSED * g->interval_ms, (int64_t)GROUP_SLACK_MS);
        if (g->last_evaluation_ms == 0 || now_ms - g->last_evaluation_ms <= late_ms)
            continue;
        snprintf(why, HEARTBEAT_WHY_MAX,
                 "the rules of group " STR_FMT " have not been evaluated for %lld s",
                 STR_ARG(str_sub(g->name, 0, 80)),
                 (long long)((now_ms - g->last_evaluation_ms) / 1000));
        return false;
    }
    return true;
}

/* Messages leave: attempts are made when they are due, and somebody takes them. */
static bool outbox_runs_well(struct respond_pulse *p, struct arena *a, int64_t now_ms,
                             char why[HEARTBEAT_WHY_MAX])
{
    struct outbox_row *v;
    size_t n, waiting = 0, deaf = 0;
    if (!p->outbox)
        return true;
    outbox_view(p->outbox, a, &v, &n);
    for (size_t i = 0; i < n; i++) {
        const struct outbox_row *o = &v[i];
        if (o->waiting == 0)
            continue;
        waiting++;
        if (o->next_attempt_ms && now_ms - o->next_attempt_ms > STUCK_MS) {
            snprintf(why, HEARTBEAT_WHY_MAX, "messages to " STR_FMT " have been due for %lld s",
                     STR_ARG(str_sub(o->receiver, 0, 80)),
                     (long long)((now_ms - o->next_attempt_ms) / 1000));
            return false;
        }
        deaf += o->last_error.n && now_ms - o->last_sent_ms > DEAF_MS;
    }
    if (waiting == 0 || deaf < waiting)
        return true;
    snprintf(why, HEARTBEAT_WHY_MAX, "no receiver with waiting messages has taken one for %d min",
             DEAF_MS / 60000);
    return false;
}

static bool is_well(void *context, char why[HEARTBEAT_WHY_MAX])
{
    struct respond_pulse *p = context;
    struct arena a;
    struct why fault = {0};
    int64_t now_ms = clock_wall_ms(p->clock);
    if (state_writable(p->state, &fault) != 0) {
        snprintf(why, HEARTBEAT_WHY_MAX, "%.200s", fault.text);
        return false;
    }
    arena_init(&a);
    bool well = rules_run_well(p, &a, now_ms, why) && outbox_runs_well(p, &a, now_ms, why);
    arena_done(&a);
    return well;
}

int respond_pulse_open(struct respond_pulse *p, const struct conf *conf, struct alert_sink *alerts,
                       struct why *why)
{
    struct heartbeat_config config = {.clock = p->clock,
                                      .rows = conf_rows(conf, &checkin_settings_heartbeat_options),
                                      .alerts = alerts,
                                      .well = is_well,
                                      .context = p};
    return heartbeat_new(&config, &p->heartbeats, why);
}

void respond_pulse_start(struct respond_pulse *p)
{
    heartbeat_start(p->heartbeats);
}

void respond_pulse_close(struct respond_pulse *p)
{
    heartbeat_free(p->heartbeats);
    p->heartbeats = NULL;
}
