#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/core/command.h"
#include "client/core/setting.h"
#include "client/core/ticks.h"
#include "client/health/health.h"

enum { RUN_WAIT_MS = 5000 };

const char *health_state_name(int state)
{
    static const char *const names[] = {"healthy", "degraded", "unhealthy", "unknown"};
    return state >= 0 && state < 4 ? names[state] : names[SONDE_HEALTH_UNKNOWN];
}

enum family { FAMILY_STATE, FAMILY_SLOW, FAMILY_DURATION, FAMILY_FIGURE, FAMILIES };

static const struct {
    const char *name, *unit, *help;
    enum source_type type;
} families[FAMILIES] = {
    {"sonde_health_state", NULL, "State of the component: 0 healthy, 1 degraded, 2 unhealthy.",
     SOURCE_GAUGE},
    {"sonde_health_slow_checks", NULL, "Checks that took longer than they may.", SOURCE_COUNTER},
    {"sonde_health_check_duration_seconds", "seconds", "How long checks took.", SOURCE_SUMMARY},
    {"sonde_health_figure", NULL, "A figure that the component's last check or report gave.",
     SOURCE_GAUGE},
};

static void write_one(struct source_writer *w, enum family family, const struct health_view *v)
{
    const sonde_label labels[] = {{"component", v->name}, {NULL, NULL}};
    if (family == FAMILY_STATE && v->word.state != SONDE_HEALTH_UNKNOWN) {
        source_sample(w, "", labels, v->word.state);
    } else if (family == FAMILY_SLOW && v->checks) {
        source_sample(w, "_total", labels, (double)v->slow_checks);
    } else if (family == FAMILY_DURATION && v->checks) {
        source_sample(w, "_sum", labels, v->check_seconds_sum);
        source_sample(w, "_count", labels, (double)v->checks);
    }
    for (size_t i = 0; family == FAMILY_FIGURE && i < v->word.n; i++) {
        const sonde_label named[] = {
            {"component", v->name}, {"figure", v->word.figure[i].name}, {NULL, NULL}};
        source_sample(w, "", named, v->word.figure[i].value);
    }
}

void health_write(struct source_writer *w, void *unused)
{
    uint64_t now = ticks_monotonic_ns();
    size_t n = health_count();
    struct health_view *v = n ? malloc(sizeof *v) : NULL;
    if (!v) { /* no components; without memory they are told the next time */
        return;
    }
    for (enum family f = FAMILY_STATE; f < FAMILIES; f++) {
        source_family(w, families[f].name, families[f].type, families[f].help, families[f].unit);
        for (size_t i = 0; i < n; i++) {
            if (health_view(i, now, v)) {
                write_one(w, f, v);
            }
        }
    }
    health_overall(now, v);
    if (v->word.state != SONDE_HEALTH_UNKNOWN) {
        source_family(w, "sonde_health_application_state", SOURCE_GAUGE,
                      "The worst of the components: 0 healthy, 1 degraded, 2 unhealthy.", NULL);
        source_sample(w, "", NULL, v->word.state);
    }
    free(v);
}

static void answer_history(const struct health_view *v, struct jot *j)
{
    jot_array(j, "history");
    for (size_t i = 0; i < v->history_n; i++) {
        jot_object(j, NULL);
        jot_time(j, "at", v->history[i].unix_ns);
        jot_string(j, "state", health_state_name(v->history[i].state));
        jot_string(j, "message", v->history[i].message);
        jot_end(j);
    }
    jot_end(j);
}

static void answer_one(const struct health_view *v, bool whole, struct jot *j)
{
    jot_object(j, NULL);
    jot_string(j, "component", v->name);
    jot_string(j, "kind", v->kind);
    jot_string(j, "state", health_state_name(v->word.state));
    jot_string(j, "message", v->word.message);
    jot_bool(j, "critical", v->critical);
    jot_object(j, "figures");
    for (size_t i = 0; i < v->word.n; i++) {
        jot_number(j, v->word.figure[i].name, v->word.figure[i].value);
    }
    jot_end(j);
    if (v->reported_unix_ns) {
        jot_time(j, "reported", v->reported_unix_ns);
    }
    if (v->changed_unix_ns) {
        jot_time(j, "changed", v->changed_unix_ns);
    }
    if (v->checked) {
        jot_object(j, "check");
        jot_u64(j, "count", v->checks);
        jot_number(j, "last_s", v->check_seconds);
        jot_bool(j, "slow", v->slow);
        jot_u64(j, "slow_count", v->slow_checks);
        if (v->running_seconds > 0) {
            jot_number(j, "running_s", v->running_seconds);
        }
        jot_end(j);
    }
    if (whole) {
        answer_history(v, j);
    }
    jot_end(j);
}

/* Of v's memory, which is too big for the stack of a small thread. */
static int answer(const struct command_call *call, struct health_view *v, struct jot *j,
                  char *problem)
{
    const char *name = call->n > 1 ? call->words[1] : "";
    if (strcmp(name, "run") == 0) {
        if (call->level < COMMAND_OPERATOR) {
            snprintf(problem, SETTING_PROBLEM_MAX, "health run needs the level operator");
            return SONDE_ERROR_DENIED;
        }
        int err = sonde_health_run(RUN_WAIT_MS);
        if (err) {
            snprintf(problem, SETTING_PROBLEM_MAX,
                     err == SONDE_ERROR_TIMEOUT ? "the checks have not ended within 5 s"
                                                : "the checks could not be run");
            return err;
        }
        name = "";
    }
    uint64_t now = ticks_monotonic_ns();
    bool one = *name != 0;
    if (one && !health_find(name, now, v)) {
        snprintf(problem, SETTING_PROBLEM_MAX, "there is no component \"%.63s\"", name);
        return SONDE_ERROR_NOT_FOUND;
    }
    if (!one) {
        health_overall(now, v);
        jot_string(j, "state", health_state_name(v->word.state));
        jot_string(j, "message", v->word.message);
    }
    jot_array(j, "components");
    for (size_t i = 0; one ? i == 0 : health_view(i, now, v); i++) {
        answer_one(v, one, j);
    }
    jot_end(j);
    return 0;
}

int health_answer(const struct command_call *call, struct jot *j, char *problem)
{
    struct health_view *v = malloc(sizeof *v);
    int err = v ? answer(call, v, j, problem) : SONDE_ERROR_MEMORY;
    free(v);
    return err;
}
