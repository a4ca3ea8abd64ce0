/* A program of the configuration: started through the launcher, its output read. */
#include "base/mem.h"
#include "custom/custom_reader.h"
#include "custom/custom_source.h"
#include "launch/launch.h"

enum { NAGIOS_STATUS_MAX = 3, SAID_BYTES = 200 };

struct state {
    const struct custom_settings_command *settings;
    struct launcher *launcher;
    struct custom_reader *reader;
    char program[CUSTOM_SETTINGS_PROGRAM_MAX];
};

int custom_source_launcher(const struct custom_source_host *host, struct why *why)
{
    if (host->launcher != NULL)
        return 0;
    return why_set(why, ERR_STATE, "the process that starts programs is missing");
}

static void close_state(void *state)
{
    struct state *s = state;
    custom_reader_free(s->reader);
    mem_free(s);
}

static int open_state(const struct custom_source_host *host, const struct custom_settings_row *row,
                      void **ret, struct why *why)
{
    int err = custom_source_launcher(host, why);
    if (err != 0)
        return err;
    struct state *s = mem_new(sizeof *s);
    s->settings = (const struct custom_settings_command *)row;
    s->launcher = host->launcher;
    custom_settings_program(row, s->program);
    err = custom_reader_new(row, &s->settings->answer, &s->reader, why);
    if (err != 0) {
        close_state(s);
        return err;
    }
    *ret = s;
    return 0;
}

/* Did the program end as it should? */
static int judge(const struct state *s, const struct launch_end *end, struct why *why)
{
    struct str said = str_trim(str_c(end->said));
    said = str_sub(said, said.n > SAID_BYTES ? said.n - SAID_BYTES : 0, said.n);
    if (end->timed_out)
        return why_set(why, ERR_TIMEOUT, "it did not end within %lld ms",
                       (long long)s->settings->row.timeout_ms);
    if (end->signal != 0)
        return why_set(why, ERR_STATE, "signal %d ended it: " STR_FMT, end->signal, STR_ARG(said));
    bool meant = custom_reader_takes_status(s->reader) && end->status <= NAGIOS_STATUS_MAX;
    if (end->status != 0 && !meant)
        return why_set(why, ERR_STATE, "it ended with status %d: " STR_FMT, end->status,
                       STR_ARG(said));
    return 0;
}

static int run(void *state, struct custom_source_run *r)
{
    struct state *s = state;
    struct launch_end end = {0};
    struct buf out;
    buf_init(&out, (size_t)s->settings->output_bytes_max);
    int err = launch_run(s->launcher, s->program, STR(""), s->settings->row.timeout_ms, &out, &end,
                         &r->why);
    if (err == 0) {
        r->ended = true;
        r->status = end.status;
        err = judge(s, &end, &r->why);
    }
    if (err == 0)
        err = custom_reader_run(s->reader, buf_str(&out), end.status, &r->emit, &r->why);
    buf_done(&out);
    return err;
}

const struct custom_source_ops custom_command_source = {
    .kind = "command", .open = open_state, .run = run, .close = close_state};
