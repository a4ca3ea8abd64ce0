#include "remedy/remedy_act.h"

#include <string.h>

#include "watch/control_client.h"

static int restart(const struct remedy_act *act, const struct remedy_row *row, struct buf *output,
                   struct why *why)
{
    struct control_request r = control_request_of(CONTROL_RESTART, row->program);
    struct buf answer;
    r.wait_ms = row->timeout_ms;
    buf_init(&answer, CONTROL_LINE_MAX);
    int err = control_client_ask(act->watch_socket, &r, row->timeout_ms, &answer, why);
    if (!err)
        buf_printf(output, "sonde-watch has restarted %s", row->program);
    buf_done(&answer);
    return err;
}

static int run(const struct remedy_act *act, const struct remedy_row *row, struct str alert,
               struct buf *output, struct why *why)
{
    char name[REMEDY_PROGRAM_MAX];
    struct launch_end end;
    remedy_settings_program(row, name);
    if (!act->launcher)
        return why_set(why, ERR_STATE, "no programs can be started");
    int err = launch_run(act->launcher, name, alert, row->timeout_ms, output, &end, why);
    if (err == -ERR_TIMEOUT)
        return why_set(why, ERR_TIMEOUT, "it was ended after %lld ms", (long long)row->timeout_ms);
    if (err)
        return err;
    if (end.signal)
        return why_set(why, ERR_STATE, "signal %d ended it: %.300s", end.signal, end.said);
    if (end.status)
        return why_set(why, ERR_STATE, "exit status %d: %.300s", end.status, end.said);
    return 0;
}

int remedy_act(void *context, const struct remedy_row *row, struct str alert, struct buf *output,
               struct why *why)
{
    const struct remedy_act *act = context;
    if (strcmp(row->action, "restart") == 0)
        return restart(act, row, output, why);
    return run(act, row, alert, output, why);
}
