#include "base/mem.h"
#include "launch/launch.h"
#include "notify/kind.h"
#include "notify/side.h"
#include "notify/webhook.h"

enum { DEADLINE_MS = 30000, OUTPUT_MAX = 64 * 1024, INPUT_MAX = 16 << 20 /* bytes */ };

/* Only by [[notify]]: a program gets the message on its standard input. */
struct command {
    struct str program;      /* the launcher's row */
    const char *const *argv; /* NULL at the end */
};

struct job {
    struct launcher *launcher;
    struct str program, input;
    struct arena arena;
    int err;
    bool retry;
    struct why why;
};

static void work(void *context, const _Atomic bool *canceled)
{
    struct job *j = context;
    struct buf output;
    struct launch_end end = {0};
    (void)canceled; /* the launcher ends it by its deadline */
    buf_init(&output, OUTPUT_MAX);
    j->err = launch_run(j->launcher, j->program.p, j->input, DEADLINE_MS, &output, &end, &j->why);
    j->retry = j->err != 0;
    if (!j->err && end.status != 0) {
        j->retry = true;
        j->err = why_set(&j->why, ERR_IO, "the program ended with %d: %s", end.status, end.said);
    }
    buf_done(&output);
}

static void done(void *owner, void *context)
{
    struct notify_send *s = owner;
    const struct job *j = context;
    struct notify_outcome outcome = {.err = j->err, .retry = j->retry, .why = j->why.text};
    s->state = NULL;
    s->done(s, &outcome);
}

static void release(void *context)
{
    struct job *j = context;
    arena_done(&j->arena);
    mem_free(j);
}

static void start(struct notify_send *s)
{
    const struct command *c = s->integration->settings;
    struct buf input;
    if (!s->launcher) {
        post_refuse(s, "programs cannot be started here");
        return;
    }
    struct job *j = mem_new(sizeof *j);
    arena_init(&j->arena);
    buf_init(&input, INPUT_MAX);
    webhook_put(s->message, 0, s->arena, &input);
    j->launcher = s->launcher;
    j->program = arena_str(&j->arena, c->program);
    j->input = arena_str(&j->arena, buf_str(&input));
    buf_done(&input);
    struct side_plan plan = {s->loop, work, done, release, s, j};
    s->state = side_start(&plan);
}

static void cancel(struct notify_send *s)
{
    side_cancel(s->state);
}

static int row(const struct notify_reading *r, const struct notify_row *row, void *settings,
               struct why *why)
{
    struct command *c = settings;
    const char **argv = arena_array(r->arena, row->to.n + 1, sizeof *argv);
    if (row->to.n == 0)
        return why_set(why, ERR_FORMAT, "to must name the program and its arguments");
    memcpy(argv, row->to.v, row->to.n * sizeof *argv);
    c->argv = argv;
    c->program = arena_printf(r->arena, "notify:" STR_FMT, STR_ARG(str_sub(r->receiver, 0, 150)));
    return 0;
}

static void program(const struct notify_reading *r, const void *settings,
                    struct notify_integration *ret)
{
    const struct command *c = settings;
    ret->program = c->program;
    ret->argv = c->argv;
}

static const struct yaml_struct SHAPE = {"config.plain", NULL, 0, NULL};

const struct notifier command_notifier = {
    .kind = "command",
    .send_resolved = true,
    .settings_size = sizeof(struct command),
    .shape = &SHAPE,
    .row = row,
    .program = program,
    .start = start,
    .cancel = cancel,
};
