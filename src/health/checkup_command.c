/* A program whose exit status is the state, as plug-ins of Nagios have it. */
#include "base/mem.h"
#include "codec/perfdata.h"
#include "health/checkup_kind.h"

enum { OUTPUT_MAX = 256 * 1024, SAID = 200 };

struct state {
    const struct checkup_settings *settings;
    struct launcher *launcher;
    char program[CHECKUP_SETTINGS_PROGRAM_MAX];
};

static int open_state(const struct checkup_host *host, const struct checkup_settings *c, void **ret,
                      struct why *why)
{
    if (host->launcher == NULL)
        return why_set(why, ERR_STATE, "the process that starts programs is missing");
    struct state *s = mem_new(sizeof *s);
    s->settings = c;
    s->launcher = host->launcher;
    checkup_settings_program(c, s->program);
    *ret = s;
    return 0;
}

static void close_state(void *state)
{
    mem_free(state);
}

static void take_figures(struct str data, struct checkup_result *ret)
{
    struct perfdata p;
    struct perfdata_value v;
    perfdata_init(&p, data, CHECKUP_LABEL_MAX);
    while (perfdata_next(&p, &v))
        if (v.number)
            checkup_result_figure(ret, v.label, v.unit, v.value);
    perfdata_done(&p);
}

/* The first line up to the |. */
static struct str message_of(struct str output)
{
    struct str first = str_sub(output, 0, str_find(output, '\n'));
    return str_trim(str_sub(first, 0, str_find(first, '|')));
}

static void judge(const struct state *s, struct str output, const struct launch_end *end,
                  struct checkup_result *ret)
{
    static const enum health_state STATES[] = {HEALTH_OK, HEALTH_DEGRADED, HEALTH_UNHEALTHY,
                                               HEALTH_UNKNOWN};
    struct str text = message_of(output), said = str_trim(str_c(end->said));
    if (text.n == 0)
        text = str_sub(said, said.n > SAID ? said.n - SAID : 0, said.n);
    if (end->timed_out)
        checkup_result_say(ret, HEALTH_UNHEALTHY, "it did not end within %lld ms",
                           (long long)s->settings->timeout_ms);
    else if (end->signal != 0)
        checkup_result_say(ret, HEALTH_UNHEALTHY, "signal %d ended it: " STR_FMT, end->signal,
                           STR_ARG(text));
    else if (end->status < 0 || end->status > 3)
        checkup_result_say(ret, HEALTH_UNKNOWN, "it ended with status %d: " STR_FMT, end->status,
                           STR_ARG(text));
    else
        checkup_result_say(ret, STATES[end->status], STR_FMT, STR_ARG(text));
    checkup_result_figure(ret, STR("exit_status"), STR(""), end->status);
    take_figures(perfdata_first(output), ret);
    take_figures(perfdata_more(output), ret);
}

static void run(void *state, struct checkup_result *ret)
{
    struct state *s = state;
    struct launch_end end = {0};
    struct why why = {0};
    struct buf out;
    buf_init(&out, OUTPUT_MAX);
    int err =
        launch_run(s->launcher, s->program, STR(""), s->settings->timeout_ms, &out, &end, &why);
    if (err == 0 || end.timed_out)
        judge(s, buf_str(&out), &end, ret);
    else
        checkup_result_say(ret, err == -ERR_TIMEOUT ? HEALTH_UNHEALTHY : HEALTH_UNKNOWN, "%s",
                           why.text[0] ? why.text : err_text(err));
    buf_done(&out);
}

const struct checkup_kind checkup_command_kind = {
    .name = "command", .open = open_state, .run = run, .close = close_state};
