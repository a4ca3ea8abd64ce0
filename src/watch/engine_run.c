#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "os/channel.h"
#include "os/kernel_log.h"
#include "watch/engine_inside.h"

enum { OUTPUT_FOR_DIAGNOSIS = 4096, SPAN_US = 1000 };

static struct str pid_key(const int *pid)
{
    return (struct str){(const char *)pid, sizeof *pid};
}

static void fail_start(struct engine_unit *u, int errnum, const char *why)
{
    struct engine_death *d = &u->death;
    arena_reset(&d->arena);
    d->wall_ms = engine_wall_ms();
    d->end = (struct program_end){.known = false};
    watch_diagnosis_of_start(errnum, u->row.argv[0], str_c(why), u->keeper.lives > 0, &d->arena,
                             &d->diagnosis);
    engine_journal_death(u, 0, 0);
    char text[KEEPER_TEXT_MAX];
    snprintf(text, sizeof text, STR_FMT, STR_ARG(d->diagnosis.sentence));
    keeper_start_failed(&u->keeper, engine_now_ms(), d->diagnosis.remedy, text);
}

static int open_pipes(struct engine_unit *u, int ret_write[2])
{
    for (int i = 0; i < 2; i++) {
        int err = program_pipe(&u->streams[i].fd, &ret_write[i]);
        if (err) {
            if (i == 1)
                channel_close(ret_write[0]);
            engine_output_close(u, false);
            return err;
        }
        u->streams[i].inode = program_inode(u->streams[i].fd);
    }
    return 0;
}

static void note_start(struct engine_unit *u)
{
    char text[ENGINE_TEXT_MAX];
    struct buf event;
    int n = snprintf(text, sizeof text, "started (PID %d)", u->pid);
    struct str said = str_of(text, (size_t)n);
    engine_journal_begin(u, KEEPER_INFO, "start", said, &event);
    engine_journal_put(u->engine, u, KEEPER_INFO, "start", said, &event);
}

void engine_run_start(struct engine_unit *u)
{
    struct engine *e = u->engine;
    struct program_user user;
    struct why why = {.text = ""};
    int ends[2], cgroup_fd, procs[CGROUP_LIMITS + 1], errnum = 0;
    size_t procs_n;
    bool inside = false;

    engine_output_close(u, false);
    engine_notice_open(u);
    engine_tree_make(u);
    if (program_user_find(u->row.user, &user, &why) != 0) {
        fail_start(u, EACCES, why.text);
        return;
    }
    int err = open_pipes(u, ends);
    if (err) {
        fail_start(u, EMFILE, err_text(err));
        return;
    }
    cgroup_enter(&u->cgroup, true, &cgroup_fd, procs, &procs_n);
    struct program_config config = {
        .argv = u->row.argv,
        .environment = u->environment,
        .pid_slot = u->pid_slot,
        .folder = u->row.folder,
        .user = &user,
        .output = ends[0],
        .error = ends[1],
        .cgroup_fd = cgroup_fd,
        .procs_fds = procs,
        .procs_n = procs_n,
        .files_max = e->files_max,
    };
    err = program_start(&config, &u->pid, &u->pidfd, &inside, &errnum, &why);
    cgroup_entered(cgroup_fd, procs, procs_n);
    channel_close(ends[0]);
    channel_close(ends[1]);
    if (err) {
        engine_output_close(u, false);
        fail_start(u, errnum, why.text);
        return;
    }
    if (cgroup_fd >= 0 && !inside)
        u->cgroup.path[0] = '\0'; /* it could not begin there: followed by its ancestry */
    struct process_stat s = {.start = 0};
    if (process_stat_read(u->pid, &s))
        u->start_ticks = s.start;
    u->started_wall_ms = engine_wall_ms();
    u->started_ns = clock_monotonic_ns(&clock_real);
    tail_clear(&u->tail);
    u->status[0] = '\0';
    engine_output_open(u);
    engine_run_watch(u);
    note_start(u);
    keeper_started(&u->keeper, engine_now_ms());
}

static void on_pidfd(void *context, unsigned events)
{
    struct engine_unit *u = context;
    struct program_end end = {.known = false};
    if (!events || !u->pid || !program_gone(u->pidfd))
        return;
    (void)program_reap(u->pid, &end); /* false: it was no child of this process */
    engine_run_reaped(u, &end);
    engine_work(u->engine);
}

void engine_run_watch(struct engine_unit *u)
{
    map_put(&u->engine->by_pid, pid_key(&u->pid), NULL)->p = u;
    u->session = u->pid;
    u->killed = false;
    for (int i = 0; i < ENGINE_LIMITS; i++)
        u->usage.over_ms[i] = -1;
    u->usage.cpu_ticks = 0;
    u->usage.read_ms = 0;
    u->engine->state_changed = true;
    /* Without a pidfd (older kernels) SIGCHLD tells of children. */
    if (u->pidfd >= 0 && watch_new(u->engine->loop, u->pidfd, on_pidfd, u, &u->pid_watch) == 0)
        watch_set(u->pid_watch, WATCH_READ);
}

static void forget_pid(struct engine_unit *u)
{
    map_drop(&u->engine->by_pid, pid_key(&u->pid));
    watch_free(u->pid_watch);
    channel_close(u->pidfd);
    u->pid_watch = NULL;
    u->pidfd = -1;
    u->pid = 0;
    u->engine->state_changed = true;
}

void engine_run_pid(struct engine_unit *u, int pid)
{
    int pidfd;
    struct process_stat s;
    if (pid == u->pid || !engine_tree_holds(u, pid) || program_pidfd(pid, &pidfd) != 0)
        return;
    if (!process_stat_read(pid, &s)) {
        channel_close(pidfd);
        return;
    }
    forget_pid(u);
    u->pid = pid;
    u->pidfd = pidfd;
    u->start_ticks = s.start;
    engine_run_watch(u);
}

/* Is it on its way down because somebody has asked, or its row has changed? */
static bool is_asked(const struct keeper *k)
{
    return (k->state == KEEPER_STOPPING || k->state == KEEPER_DRAINING) &&
           (k->cause == KEEPER_ASKED || k->cause == KEEPER_PLAN);
}

static void diagnose(struct engine_unit *u, const struct program_end *end, int pid)
{
    struct engine_death *d = &u->death;
    arena_reset(&d->arena);
    d->wall_ms = engine_wall_ms();
    d->end = *end;
    d->asked = is_asked(&u->keeper);
    const char *name = strrchr(u->row.argv[0], '/');
    struct watch_death death = {
        .end = *end,
        .pid = pid,
        .name = name ? name + 1 : u->row.argv[0],
        .folder = u->row.folder,
        .port = u->port,
        .killed_by_us = u->killed,
        .oom_kills = cgroup_oom_kills(&u->cgroup),
        .output = tail_copy(&u->tail, OUTPUT_FOR_DIAGNOSIS, &d->arena),
        .kernel_log = u->engine->kernel_log,
    };
    watch_diagnosis_of(&death, &d->arena, &d->diagnosis);
}

void engine_run_reaped(struct engine_unit *u, const struct program_end *end)
{
    int pid = u->pid;
    int64_t now = engine_now_ms();
    engine_notice_drain(u); /* what it said last */
    if (!u->pid)
        return;
    engine_output_close(u, true);
    engine_check_cancel(u);
    diagnose(u, end, pid);
    forget_pid(u);
    int64_t uptime = (clock_monotonic_ns(&clock_real) - u->started_ns) / 1000000;
    engine_journal_death(u, uptime, pid);
    char text[KEEPER_TEXT_MAX];
    snprintf(text, sizeof text, STR_FMT, STR_ARG(u->death.diagnosis.sentence));
    struct keeper_exit how = {
        .clean = end->known && !end->signaled && end->code == 0,
        .leftover = engine_tree_leftover(u),
        .remedy = u->death.diagnosis.remedy,
        .text = text,
    };
    if (u->next_row)
        engine_unit_set_row(u, u->next_row);
    keeper_exited(&u->keeper, now, &how);
}

void engine_run_reap(struct engine *e)
{
    for (int pid; (pid = program_ended()) != 0;) {
        union map_value *v = map_get(&e->by_pid, pid_key(&pid));
        struct engine_unit *u = v ? v->p : NULL;
        struct program_end end;
        if (!u && engine_command_reap(e, pid))
            continue;
        if (!program_reap(pid, &end))
            break;
        if (u)
            engine_run_reaped(u, &end);
    }
}
