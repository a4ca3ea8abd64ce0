#include "watch/feed/watch_view.h"

#include <string.h>

#include "watch/control_client.h"

static struct watch_view_check check_of(const struct json_tree *t)
{
    if (json_tree_is_null(t))
        return (struct watch_view_check){0};
    return (struct watch_view_check){
        .configured = true,
        .ok = json_tree_true(t, "ok"),
        .ran = json_tree_whole(t, "checks") > 0,
        .message = json_tree_text(t, "message"),
        .checks = json_tree_whole(t, "checks"),
        .failures = json_tree_whole(t, "failures"),
        .last_ms = json_tree_whole(t, "last_ms"),
        .duration_ms = json_tree_whole(t, "duration_ms"),
    };
}

static struct watch_view_death death_of(const struct json_tree *t)
{
    if (json_tree_is_null(t))
        return (struct watch_view_death){0};
    return (struct watch_view_death){
        .any = true,
        .asked = json_tree_true(t, "asked"),
        .time_ms = json_tree_whole(t, "time_ms"),
        .exit_code = json_tree_whole(t, "exit_code"),
        .signal = json_tree_whole(t, "signal"),
        .cause = json_tree_text(t, "cause"),
        .sentence = json_tree_text(t, "sentence"),
    };
}

static double number_of(const struct json_tree *t)
{
    return t != NULL && t->type == JSON_NUMBER ? t->number : 0;
}

static void read_counts(const struct json_tree *t, struct watch_view_unit *u)
{
    const struct {
        const char *key;
        int64_t *to;
    } WHOLES[] = {
        {"instance", &u->instance},
        {"port", &u->port},
        {"pid", &u->pid},
        {"started_ms", &u->started_ms},
        {"uptime_ms", &u->uptime_ms},
        {"next_start_ms", &u->next_start_ms},
        {"starts", &u->starts},
        {"deaths", &u->deaths},
        {"restarts", &u->restarts},
        {"restarts_in_window", &u->restarts_in_window},
        {"restarts_max", &u->restarts_max},
        {"heartbeat.count", &u->heartbeat_count},
        {"heartbeat.last_ms", &u->heartbeat_last_ms},
        {"heartbeat.period_ms", &u->heartbeat_period_ms},
        {"memory_bytes", &u->memory_bytes},
        {"files", &u->files},
        {"processes", &u->processes},
        {"output_bytes", &u->output_bytes},
        {"output_dropped_bytes", &u->output_dropped_bytes},
        {"connections", &u->connections},
        {"connections_all", &u->connections_all},
    };
    for (size_t i = 0; i < COUNTOF(WHOLES); i++)
        *WHOLES[i].to = json_tree_whole(t, WHOLES[i].key);
}

static void read_unit(const struct json_tree *t, struct watch_view_unit *u)
{
    const struct {
        const char *key;
        struct str *to;
    } TEXTS[] = {{"name", &u->name},    {"program", &u->program}, {"group", &u->group},
                 {"state", &u->state},  {"wanted", &u->wanted},   {"reason", &u->reason},
                 {"status", &u->status}};
    for (size_t i = 0; i < COUNTOF(TEXTS); i++)
        *TEXTS[i].to = json_tree_text(t, TEXTS[i].key);
    read_counts(t, u);
    u->proxied = json_tree_get(t, "connections") != NULL;
    u->ready = json_tree_true(t, "ready");
    u->fit = json_tree_true(t, "fit");
    u->restarts_by = json_tree_get(t, "restarts_by");
    u->liveness = check_of(json_tree_get(t, "liveness"));
    u->readiness = check_of(json_tree_get(t, "readiness"));
    u->cpu_percent = number_of(json_tree_get(t, "cpu_percent"));
    u->last_death = death_of(json_tree_get(t, "last_death"));
    u->tree = t;
}

int watch_view_read(struct str text, struct arena *a, struct watch_view *ret, struct why *why)
{
    const struct json_tree *t;
    int err = json_tree_parse(text, a, &t, why);
    if (err != 0)
        return err;
    const struct json_tree *programs = json_tree_get(t, "programs");
    if (programs == NULL || programs->type != JSON_ARRAY)
        return why_set(why, ERR_FORMAT, "the answer of sonde-watch has no programs");
    struct watch_view v = {
        .version = json_tree_text(t, "version"),
        .state = json_tree_text(t, "state"),
        .pid = json_tree_whole(t, "pid"),
        .time_ms = json_tree_whole(t, "time_ms"),
        .started_ms = json_tree_whole(t, "started_ms"),
        .units_running = json_tree_whole(t, "summary.running"),
        .units_ready = json_tree_whole(t, "summary.ready"),
        .units_critical = json_tree_whole(t, "summary.critical"),
        .starts = json_tree_whole(t, "summary.starts"),
        .deaths = json_tree_whole(t, "summary.deaths"),
        .restarts = json_tree_whole(t, "summary.restarts"),
        .v = arena_array(a, programs->n + 1, sizeof *v.v),
        .n = programs->n,
        .tree = t,
    };
    for (size_t i = 0; i < v.n; i++)
        read_unit(&programs->children[i], &v.v[i]);
    *ret = v;
    return 0;
}

int watch_view_ask(const char *socket, const char *target, int64_t timeout_ms, struct arena *a,
                   struct watch_view *ret, struct why *why)
{
    const struct control_request r = control_request_of(CONTROL_STATUS, target);
    struct buf answer;
    buf_init(&answer, CONTROL_LINE_MAX);
    int err = control_client_ask(socket, &r, timeout_ms, &answer, why);
    if (err == 0)
        err = watch_view_read(arena_str(a, buf_str(&answer)), a, ret, why);
    buf_done(&answer);
    return err;
}

enum watch_view_worst watch_view_of(const struct watch_view_unit *u)
{
    if (str_eq(u->state, STR("critical")) || str_eq(u->state, STR("blocked")))
        return WATCH_VIEW_CRITICAL;
    bool up = str_eq(u->wanted, STR("up"));
    bool there = str_eq(u->state, STR("running")) || str_eq(u->state, STR("finished"));
    if (up && str_eq(u->state, STR("running")) && !u->ready)
        return WATCH_VIEW_UNSETTLED;
    if (up)
        return there ? WATCH_VIEW_WELL : WATCH_VIEW_UNSETTLED;
    return str_eq(u->state, STR("stopped")) || str_eq(u->state, STR("finished"))
               ? WATCH_VIEW_WELL
               : WATCH_VIEW_UNSETTLED;
}

enum watch_view_worst watch_view_worst(const struct watch_view *v)
{
    enum watch_view_worst worst = WATCH_VIEW_WELL;
    for (size_t i = 0; i < v->n; i++)
        worst = MAX(worst, watch_view_of(&v->v[i]));
    return worst;
}
