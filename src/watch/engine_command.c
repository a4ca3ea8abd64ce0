#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "os/channel.h"
#include "os/pipe.h"
#include "watch/engine_inside.h"

enum { SIGNAL_KILL = 9, HOOK_VARIABLE_MAX = KEEPER_TEXT_MAX + 64 /* bytes */ };

static void unlink_command(struct engine_command *c)
{
    struct engine_command **at = &c->unit->engine->commands;
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
}

static void free_command(struct engine_command *c)
{
    unlink_command(c);
    watch_free(c->output);
    timer_free(c->timer);
    channel_close(c->fd);
    channel_close(c->pidfd);
    mem_free(c);
}

static void read_output(struct engine_command *c)
{
    char bytes[1024];
    while (c->fd >= 0) {
        int fd = c->fd;
        size_t n = pipe_read(&fd, bytes, sizeof bytes);
        if (fd < 0) {
            watch_free(c->output);
            c->output = NULL;
            c->fd = -1;
        }
        if (n == 0)
            break;
        size_t room = sizeof c->text - 1 - c->n; /* the first bytes say what it is about */
        memcpy(c->text + c->n, bytes, MIN(n, room));
        c->n += MIN(n, room);
    }
}

static void on_output(void *context, unsigned events)
{
    if (events)
        read_output(context);
}

static void on_timeout(void *context)
{
    struct engine_command *c = context;
    c->timed_out = true;
    program_signal_group(c->pid, SIGNAL_KILL);
    program_signal(c->pidfd, SIGNAL_KILL);
}

/* A hook finds what it is about beside what the program has. Freed by the caller. */
static const char **hook_environment(const struct engine_unit *u, char text[3][HOOK_VARIABLE_MAX])
{
    size_t n = 0;
    while (u->environment[n] != NULL)
        n++;
    const char **all = mem_array(n + 4, sizeof *all);
    memcpy(all, u->environment, n * sizeof *all);
    snprintf(text[0], HOOK_VARIABLE_MAX, "SONDE_PROGRAM=%s", u->row.name);
    snprintf(text[1], HOOK_VARIABLE_MAX, "SONDE_PID=%d", MAX(u->pid, 0));
    snprintf(text[2], HOOK_VARIABLE_MAX, "SONDE_REASON=%s", u->keeper.reason);
    for (size_t i = 0; i < 3; i++)
        all[n + i] = text[i];
    all[n + 3] = NULL;
    return all;
}

static void begin(struct engine_command *c, const char *const *argv, struct why *why, int *ret_err)
{
    struct engine_unit *u = c->unit;
    struct program_user user;
    int end, cgroup_fd, procs[CGROUP_LIMITS + 1], errnum;
    size_t procs_n;
    bool inside;
    char added[3][HOOK_VARIABLE_MAX];
    *ret_err = program_user_find(u->row.user, &user, why);
    if (*ret_err)
        return;
    *ret_err = program_pipe(&c->fd, &end);
    if (*ret_err) {
        c->fd = -1;
        why_set(why, (enum err) - *ret_err, "no pipe");
        return;
    }
    const char **hook = c->purpose == ENGINE_FOR_CHECK ? NULL : hook_environment(u, added);
    cgroup_enter(&u->cgroup, false, &cgroup_fd, procs, &procs_n);
    struct program_config config = {
        .argv = argv,
        .environment = hook != NULL ? hook : u->environment,
        .folder = u->row.folder,
        .user = &user,
        .output = end,
        .error = end,
        .cgroup_fd = cgroup_fd,
        .procs_fds = procs,
        .procs_n = procs_n,
        .files_max = u->engine->files_max,
    };
    *ret_err = program_start(&config, &c->pid, &c->pidfd, &inside, &errnum, why);
    cgroup_entered(cgroup_fd, procs, procs_n);
    channel_close(end);
    mem_free(hook);
}

/* An answer never comes from within the call that asked. */
static void on_failed(void *context)
{
    struct engine_command *c = context;
    struct engine_command copy = *c;
    if (copy.purpose == ENGINE_FOR_CHECK)
        copy.unit->checks[copy.which].command = NULL;
    free_command(c);
    engine_command_done(copy.unit, copy.purpose, copy.which, false, copy.text);
    engine_work(copy.unit->engine);
}

void engine_command_start(struct engine_unit *u, enum engine_purpose purpose, int which,
                          const char *const *argv, int64_t timeout_ms)
{
    struct engine *e = u->engine;
    struct engine_command *c = mem_new(sizeof *c);
    struct why why = {.text = ""};
    int err;
    *c = (struct engine_command){.unit = u,
                                 .purpose = purpose,
                                 .which = which,
                                 .pidfd = -1,
                                 .fd = -1,
                                 .begun_ms = engine_now_ms(),
                                 .next = e->commands};
    e->commands = c;
    if (purpose == ENGINE_FOR_CHECK)
        u->checks[which].command = c;
    begin(c, argv, &why, &err);
    if (err) {
        snprintf(c->text, sizeof c->text, "%.200s", why.text);
        c->timer = timer_new(e->loop, 0, 0, on_failed, c);
        return;
    }
    c->timer = timer_new(e->loop, timeout_ms, 0, on_timeout, c);
    if (watch_new(e->loop, c->fd, on_output, c, &c->output) == 0)
        watch_set(c->output, WATCH_READ);
}

bool engine_command_reap(struct engine *e, int pid)
{
    struct engine_command *c = e->commands;
    struct program_end end;
    while (c && c->pid != pid)
        c = c->next;
    if (!c || !program_reap(pid, &end))
        return false;
    read_output(c);
    program_signal_group(pid, SIGNAL_KILL); /* what it has left behind */
    struct engine_unit *u = c->unit;
    enum engine_purpose purpose = c->purpose;
    int which = c->which;
    bool ok = !end.signaled && end.code == 0 && !c->timed_out;
    char text[ENGINE_TEXT_MAX + 64];
    while (c->n && c->text[c->n - 1] == '\n')
        c->n--;
    c->text[c->n] = '\0';
    if (c->timed_out)
        snprintf(text, sizeof text, "the command did not end in time");
    else if (end.signaled)
        snprintf(text, sizeof text, "the command was ended by %s",
                 watch_diagnosis_signal(end.code));
    else if (c->n)
        snprintf(text, sizeof text, "%s", c->text);
    else
        snprintf(text, sizeof text, ok ? "well" : "the command ended with status %d", end.code);
    if (purpose == ENGINE_FOR_CHECK)
        u->checks[which].command = NULL;
    free_command(c);
    engine_command_done(u, purpose, which, ok, text);
    return true;
}

void engine_command_done(struct engine_unit *u, enum engine_purpose purpose, int which, bool ok,
                         const char *text)
{
    static const char *const names[] = {"before_start", "after_start", "before_stop", "after_stop"};
    if (purpose == ENGINE_FOR_CHECK) {
        engine_check_done(u, (enum keeper_which)which, ok, text);
        return;
    }
    char said[ENGINE_TEXT_MAX + 64];
    snprintf(said, sizeof said, "%s: %s", names[which], ok ? "done" : text);
    engine_journal_say(u->engine, u, ok ? KEEPER_INFO : KEEPER_WARN, "hook", str_c(said));
    keeper_hook_done(&u->keeper, engine_now_ms(), (enum keeper_hook)which, ok, said);
}

void engine_command_cancel(struct engine_unit *u, enum engine_purpose purpose, int which)
{
    for (struct engine_command *c = u->engine->commands, *next; c; c = next) {
        next = c->next;
        if (c->unit != u || c->purpose != purpose || c->which != which)
            continue;
        program_signal_group(c->pid, SIGNAL_KILL);
        if (c->pidfd >= 0)
            program_signal(c->pidfd, SIGNAL_KILL);
        free_command(c); /* its end is reaped as an orphan's */
    }
}
