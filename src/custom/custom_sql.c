/* A query of a database, made by sonde-helper-sql. */
#include "base/mem.h"
#include "custom/custom_rows.h"
#include "custom/custom_source.h"
#include "launch/launch.h"

enum {
    GRACE_MS = 1000, /* for the helper to tell that the time is over */
    INPUT_BYTES_MAX = 1 << 20,
    OUTPUT_BYTES_MAX = 16 << 20
};

struct state {
    const struct custom_settings_sql *settings;
    struct launcher *launcher;
    struct buf question;
};

static int open_state(const struct custom_source_host *host, const struct custom_settings_row *row,
                      void **ret, struct why *why)
{
    int err = custom_source_launcher(host, why);
    if (err != 0)
        return err;
    struct state *s = mem_new(sizeof *s);
    s->settings = (const struct custom_settings_sql *)row;
    s->launcher = host->launcher;
    buf_init(&s->question, INPUT_BYTES_MAX);
    custom_rows_ask(s->settings, &s->question);
    *ret = s;
    return 0;
}

static void close_state(void *state)
{
    struct state *s = state;
    buf_done(&s->question);
    mem_free(s);
}

static int run(void *state, struct custom_source_run *r)
{
    struct state *s = state;
    struct launch_end end = {0};
    struct buf out;
    buf_init(&out, OUTPUT_BYTES_MAX);
    int err = launch_run(s->launcher, CUSTOM_SETTINGS_SQL_PROGRAM, buf_str(&s->question),
                         s->settings->row.timeout_ms + GRACE_MS, &out, &end, &r->why);
    if (err == 0 && end.status != 0) {
        struct str said = str_trim(str_c(end.said));
        err = end.signal != 0
                  ? why_set(&r->why, ERR_STATE, "signal %d ended sonde-helper-sql", end.signal)
                  : why_set(&r->why, ERR_STATE, STR_FMT, STR_ARG(said));
    }
    if (err == 0)
        err = custom_rows_read(s->settings, buf_str(&out), &r->emit, &r->why);
    buf_done(&out);
    return err;
}

const struct custom_source_ops custom_sql_source = {
    .kind = "sql", .open = open_state, .run = run, .close = close_state};
