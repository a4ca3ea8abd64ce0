#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "launch/launch.h"
#include "launch/launch_message.h"
#include "os/channel.h"
#include "os/pipe.h"
#include "os/spawn.h"

enum { GRACE_MS = 2000 /* from SIGTERM to SIGKILL */, TEXT_MAX = CHANNEL_TEXT_MAX };

/* A program that runs. */
struct running {
    uint64_t id;
    int pid; /* 0: this place is free */
    int error;
    int64_t deadline_ms; /* monotonic; 0: none */
    bool told, killed;   /* SIGTERM, SIGKILL were sent */
    bool timed_out;
    size_t said_n;
    char said[LAUNCH_SAID_MAX];
};

struct serving {
    int fd, ends;
    const struct launch_program *rows; /* [n] */
    size_t n;
    struct running v[LAUNCH_RUNNING_MAX];
};

static int64_t now_ms(void)
{
    return clock_monotonic_ns(&clock_real) / 1000000;
}

static void say(struct serving *s, enum launch_message type, const char *text, const int *fds,
                size_t fds_n)
{
    /* The worker's thread reads all the time; one that does not is gone. */
    while (channel_send_fds(s->fd, (char)type, str_c(text), fds, fds_n) == -ERR_BUSY)
        usleep(1000);
}

static void refuse(struct serving *s, uint64_t id, int err, const char *sentence)
{
    char text[TEXT_MAX];
    snprintf(text, sizeof text, "%llu %d %s", (unsigned long long)id, err, sentence);
    say(s, LAUNCH_REFUSED, text, NULL, 0);
}

static const struct launch_program *row_of(const struct serving *s, const char *name)
{
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->rows[i].name, name) == 0)
            return &s->rows[i];
    return NULL;
}

static struct running *free_place(struct serving *s)
{
    for (size_t i = 0; i < LAUNCH_RUNNING_MAX; i++)
        if (s->v[i].pid == 0)
            return &s->v[i];
    return NULL;
}

static void start(struct serving *s, uint64_t id, int64_t deadline_ms, const char *name)
{
    const struct launch_program *row = row_of(s, name);
    struct running *r = free_place(s);
    struct spawn made;
    struct why why = {0};
    char text[32];
    if (row == NULL) {
        refuse(s, id, -ERR_UNSUPPORTED, "the configuration names no such program");
        return;
    }
    if (r == NULL) {
        refuse(s, id, -ERR_BUSY, "too many programs run at once");
        return;
    }
    const struct spawn_config config = {row->argv, row->folder, row->input};
    int err = spawn_start(&config, &made, &why);
    if (err != 0) {
        refuse(s, id, err, why.text);
        return;
    }
    *r = (struct running){.id = id,
                          .pid = made.pid,
                          .error = made.error,
                          .deadline_ms = deadline_ms > 0 ? now_ms() + deadline_ms : 0};
    snprintf(text, sizeof text, "%llu", (unsigned long long)id);
    int fds[] = {made.output, made.input};
    say(s, LAUNCH_STARTED, text, fds, made.input < 0 ? 1 : 2);
    channel_close(made.output);
    channel_close(made.input);
}

/* SIGTERM first, SIGKILL later. */
static void end(struct running *r)
{
    if (r->told)
        return;
    r->told = true;
    r->deadline_ms = now_ms() + GRACE_MS;
    spawn_signal(r->pid, SIGTERM);
}

static void obey(struct serving *s, const struct channel_message *m)
{
    struct str id_text, deadline_text, rest = str_of(m->text, m->n);
    uint64_t id;
    int64_t deadline;
    if (!str_split(&rest, ' ', &id_text) || !str_u64(id_text, &id))
        return;
    if (m->type == LAUNCH_START && str_split(&rest, ' ', &deadline_text) &&
        str_i64(deadline_text, &deadline)) {
        char name[LAUNCH_NAME_MAX + 1];
        snprintf(name, sizeof name, STR_FMT, STR_ARG(rest));
        start(s, id, deadline, name);
    } else if (m->type == LAUNCH_KILL) {
        for (size_t i = 0; i < LAUNCH_RUNNING_MAX; i++)
            if (s->v[i].pid != 0 && s->v[i].id == id)
                end(&s->v[i]);
    }
}

/* Keeps the end of what a program says on its standard error. */
static void listen_to(struct running *r)
{
    char piece[4096];
    for (size_t n; r->error >= 0 && (n = pipe_read(&r->error, piece, sizeof piece)) > 0;) {
        size_t keep = MIN(n, sizeof r->said - 1), old = sizeof r->said - 1 - keep;
        old = MIN(old, r->said_n);
        memmove(r->said, r->said + r->said_n - old, old);
        memcpy(r->said + old, piece + n - keep, keep);
        r->said_n = old + keep;
    }
}

static void reap(struct serving *s)
{
    int pid, status, signum;
    char text[TEXT_MAX];
    while (spawn_reap(&pid, &status, &signum))
        for (size_t i = 0; i < LAUNCH_RUNNING_MAX; i++) {
            struct running *r = &s->v[i];
            if (r->pid != pid)
                continue;
            listen_to(r);
            snprintf(text, sizeof text, "%llu %d %d %d %.*s", (unsigned long long)r->id, status,
                     signum, r->timed_out ? 1 : 0, (int)r->said_n, r->said);
            /* What it has started and left behind ends with it. */
            spawn_signal(pid, SIGKILL);
            channel_close(r->error);
            r->pid = 0;
            say(s, LAUNCH_ENDED, text, NULL, 0);
        }
}

/* Ends what is late; when to look again, -1 for never. */
static int64_t watch(struct serving *s)
{
    int64_t now = now_ms(), next = -1;
    for (size_t i = 0; i < LAUNCH_RUNNING_MAX; i++) {
        struct running *r = &s->v[i];
        if (r->pid == 0)
            continue;
        if (r->deadline_ms != 0 && now >= r->deadline_ms && r->told && !r->killed) {
            r->killed = true;
            r->deadline_ms = 0;
            spawn_signal(r->pid, SIGKILL);
        } else if (r->deadline_ms != 0 && now >= r->deadline_ms && !r->told) {
            r->timed_out = true;
            end(r);
        }
        if (r->deadline_ms != 0 && (next < 0 || r->deadline_ms - now < next))
            next = MAX(r->deadline_ms - now, (int64_t)0);
    }
    return next;
}

/* Waits for something to do; false once the worker is gone. */
static bool turn(struct serving *s, int64_t timeout_ms)
{
    int fds[LAUNCH_RUNNING_MAX + 2];
    bool ready[LAUNCH_RUNNING_MAX + 2];
    struct channel_message m;
    int err = 0;
    fds[0] = s->fd;
    fds[1] = s->ends;
    for (size_t i = 0; i < LAUNCH_RUNNING_MAX; i++)
        fds[i + 2] = s->v[i].pid != 0 ? s->v[i].error : -1;
    pipe_wait(fds, COUNTOF(fds), timeout_ms, ready);
    for (size_t i = 0; i < LAUNCH_RUNNING_MAX; i++)
        if (ready[i + 2])
            listen_to(&s->v[i]);
    if (ready[1])
        spawn_watched(s->ends);
    reap(s);
    while (ready[0] && (err = channel_receive(s->fd, &m)) == 0)
        obey(s, &m);
    return err != -ERR_CLOSED;
}

static bool any_runs(const struct serving *s)
{
    for (size_t i = 0; i < LAUNCH_RUNNING_MAX; i++)
        if (s->v[i].pid != 0)
            return true;
    return false;
}

void launch_serve(int fd, const struct launch_program *rows, size_t n)
{
    static struct serving s; /* the process has nothing else to do */
    s.fd = fd;
    s.rows = rows;
    s.n = n;
    if (spawn_watch(&s.ends) != 0)
        _exit(1);
    while (turn(&s, watch(&s)))
        continue;
    for (size_t i = 0; i < LAUNCH_RUNNING_MAX; i++)
        if (s.v[i].pid != 0)
            end(&s.v[i]);
    int none = -1;
    for (int64_t until = now_ms() + 2 * GRACE_MS; any_runs(&s) && now_ms() < until;) {
        int fds[] = {none, s.ends};
        bool ready[2];
        pipe_wait(fds, 2, watch(&s), ready);
        spawn_watched(s.ends);
        reap(&s);
    }
    _exit(0);
}

int launch_fork(const struct launch_program *rows, size_t n, int *ret_fd, struct why *why)
{
    int ends[2], pid;
    int err = channel_pair(ends);
    if (err == 0)
        err = spawn_copy(&pid);
    if (err != 0)
        return why_set(why, (enum err) - err, "no process that starts programs: %s", err_text(err));
    if (pid == 0) {
        spawn_alone("sonde-launcher", ends[1]);
        launch_serve(ends[1], rows, n);
    }
    channel_close(ends[1]);
    *ret_fd = ends[0];
    return 0;
}
