#include "launch/launch.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/vec.h"
#include "launch/launch_message.h"
#include "os/channel.h"
#include "os/pipe.h"
#include "os/thread.h"

enum {
    ANSWER_MS = 10000, /* for the launcher to start a program */
    LOOK_MS = 200,     /* how often an end of the launcher's threads is looked for */
    PIECE = 16 * 1024,
};

/* A program that was asked for and whose end nobody has taken yet. */
struct process {
    uint64_t id;
    bool begun, ended, forgotten;
    int err; /* of the start */
    char why[WHY_MAX];
    int output, input;
    struct launch_end end;
};

struct launcher {
    int fd;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct {
        struct process **v; /* owned */
        size_t n, capacity;
    } processes;
    uint64_t next_id;
    bool gone, stop, quit;
    struct thread thread;
};

static struct process *find(struct launcher *l, uint64_t id)
{
    for (size_t i = 0; i < l->processes.n; i++)
        if (l->processes.v[i]->id == id)
            return l->processes.v[i];
    return NULL;
}

static void forget(struct launcher *l, struct process *p)
{
    for (size_t i = 0; i < l->processes.n; i++)
        if (l->processes.v[i] == p)
            l->processes.v[i] = l->processes.v[--l->processes.n];
    mem_free(p);
}

/* ---- what the launcher says */

static bool take_number(struct str *rest, int64_t *ret)
{
    struct str word;
    return str_split(rest, ' ', &word) && str_i64(word, ret);
}

static void take_end(struct process *p, struct str rest)
{
    int64_t status, signum, timed_out;
    if (!take_number(&rest, &status) || !take_number(&rest, &signum) ||
        !take_number(&rest, &timed_out))
        return;
    p->ended = true;
    p->end = (struct launch_end){(int)status, (int)signum, timed_out != 0, ""};
    snprintf(p->end.said, sizeof p->end.said, STR_FMT, STR_ARG(rest));
}

static void take(struct launcher *l, const struct channel_message *m, int *fds, size_t fds_n)
{
    struct str rest = str_of(m->text, m->n);
    int64_t id, err;
    struct process *p = take_number(&rest, &id) ? find(l, (uint64_t)id) : NULL;
    if (p != NULL && m->type == LAUNCH_STARTED && fds_n > 0) {
        p->begun = true;
        p->output = fds[0];
        p->input = fds_n > 1 ? fds[1] : -1;
        fds_n = 0;
    } else if (p != NULL && m->type == LAUNCH_REFUSED && take_number(&rest, &err)) {
        p->begun = true;
        p->err = err < 0 ? (int)err : -ERR_STATE;
        snprintf(p->why, sizeof p->why, STR_FMT, STR_ARG(rest));
    } else if (p != NULL && m->type == LAUNCH_ENDED) {
        take_end(p, rest);
    }
    for (size_t i = 0; i < fds_n; i++)
        channel_close(fds[i]);
    if (p != NULL && p->forgotten && (p->ended || p->err != 0))
        forget(l, p);
}

static void hear(void *context)
{
    struct launcher *l = context;
    struct channel_message m;
    int fds[CHANNEL_FDS_MAX];
    size_t fds_n;
    for (;;) {
        channel_wait(&l->fd, 1, LOOK_MS);
        thread_lock(&l->lock);
        int err;
        while ((err = channel_receive_fds(l->fd, &m, fds, &fds_n)) == 0)
            take(l, &m, fds, fds_n);
        l->gone = l->gone || err == -ERR_CLOSED;
        bool over = l->gone || l->stop;
        thread_wake_all(&l->changed);
        thread_unlock(&l->lock);
        if (over)
            return;
    }
}

int launch_open(int fd, struct launcher **ret, struct why *why)
{
    (void)why;
    struct launcher *l = mem_new(sizeof *l);
    l->fd = fd;
    l->next_id = 1;
    thread_lock_init(&l->lock);
    thread_cond_init(&l->changed);
    thread_start(&l->thread, "launch", hear, l);
    *ret = l;
    return 0;
}

void launch_close(struct launcher *l)
{
    if (l == NULL)
        return;
    thread_lock(&l->lock);
    l->stop = true;
    thread_unlock(&l->lock);
    thread_join(&l->thread);
    channel_close(l->fd);
    for (size_t i = 0; i < l->processes.n; i++)
        mem_free(l->processes.v[i]);
    vec_free(&l->processes);
    mem_free(l);
}

void launch_quit(struct launcher *l)
{
    if (l == NULL)
        return;
    thread_lock(&l->lock);
    l->quit = true;
    thread_wake_all(&l->changed);
    thread_unlock(&l->lock);
}

static bool quits(struct launcher *l)
{
    thread_lock(&l->lock);
    bool quit = l->quit;
    thread_unlock(&l->lock);
    return quit;
}

bool launch_gone(struct launcher *l)
{
    if (l == NULL)
        return false;
    thread_lock(&l->lock);
    bool gone = l->gone;
    thread_unlock(&l->lock);
    return gone;
}

/* ---- what the worker asks */

/* Waits under the lock until the launcher has told, at most timeout_ms; false where it has not. */
static bool wait_for(struct launcher *l, const bool *told, int64_t timeout_ms)
{
    int64_t until = clock_monotonic_ns(&clock_real) + timeout_ms * 1000000;
    for (int64_t left;
         !*told && !l->gone && !l->quit && (left = until - clock_monotonic_ns(&clock_real)) > 0;)
        thread_wait_for(&l->changed, &l->lock, left);
    return *told;
}

int launch_start(struct launcher *l, const char *name, int64_t deadline_ms,
                 struct launch_process *ret, struct why *why)
{
    char text[LAUNCH_NAME_MAX + 64];
    struct process *p = mem_new(sizeof *p);
    p->output = p->input = -1;
    thread_lock(&l->lock);
    p->id = l->next_id++;
    vec_push(&l->processes, p);
    snprintf(text, sizeof text, "%llu %lld %s", (unsigned long long)p->id, (long long)deadline_ms,
             name);
    int err = channel_send(l->fd, LAUNCH_START, str_c(text));
    if (err == 0 && !wait_for(l, &p->begun, ANSWER_MS))
        err = l->gone || l->quit ? -ERR_CLOSED : -ERR_TIMEOUT;
    if (err != 0)
        why_set(why, (enum err) - err, "the process that starts programs does not answer");
    else if (p->err != 0)
        err = why_set(why, (enum err) - p->err, "%s", p->why);
    if (err == 0)
        *ret = (struct launch_process){p->id, p->output, p->input};
    else
        forget(l, p);
    thread_unlock(&l->lock);
    return err;
}

int launch_wait(struct launcher *l, uint64_t id, int64_t timeout_ms, struct launch_end *ret)
{
    thread_lock(&l->lock);
    struct process *p = find(l, id);
    int err = p == NULL ? -ERR_NOENT : 0;
    if (p != NULL && !wait_for(l, &p->ended, timeout_ms))
        err = l->gone || l->quit ? -ERR_CLOSED : -ERR_TIMEOUT;
    if (err == 0) {
        *ret = p->end;
        forget(l, p);
    }
    thread_unlock(&l->lock);
    return err;
}

void launch_kill(struct launcher *l, uint64_t id)
{
    char text[32];
    snprintf(text, sizeof text, "%llu", (unsigned long long)id);
    thread_lock(&l->lock);
    struct process *p = find(l, id);
    if (p != NULL && p->ended) {
        forget(l, p);
    } else if (p != NULL) {
        p->forgotten = true;
        channel_send(l->fd, LAUNCH_KILL, str_c(text));
    }
    thread_unlock(&l->lock);
}

/* Writes input and reads output until the program closes it. 0, -ERR_TIMEOUT, -ERR_LIMIT or
 * -ERR_CLOSED. */
static int converse(struct launcher *l, struct launch_process *p, struct str input,
                    int64_t deadline_ms, struct buf *ret)
{
    int64_t until = clock_monotonic_ns(&clock_real) + deadline_ms * 1000000;
    char piece[PIECE];
    if (p->input >= 0)
        pipe_set_nonblocking(p->input);
    while (p->output >= 0) {
        int64_t left_ms = (until - clock_monotonic_ns(&clock_real)) / 1000000;
        bool ready;
        if (quits(l))
            return -ERR_CLOSED;
        if (left_ms <= 0)
            return -ERR_TIMEOUT;
        size_t put = pipe_write(&p->input, input);
        input = str_sub(input, put, input.n);
        if (input.n == 0 && p->input >= 0) {
            channel_close(p->input);
            p->input = -1;
        }
        pipe_wait(&p->output, 1, MIN(left_ms, (int64_t)(p->input >= 0 ? 10 : LOOK_MS)), &ready);
        for (size_t n; (n = pipe_read(&p->output, piece, sizeof piece)) > 0;)
            buf_put(ret, piece, n);
        if (buf_failed(ret))
            return -ERR_LIMIT;
    }
    return 0;
}

int launch_run(struct launcher *l, const char *name, struct str input, int64_t deadline_ms,
               struct buf *ret, struct launch_end *ret_end, struct why *why)
{
    struct launch_process p;
    int64_t until = clock_monotonic_ns(&clock_real) + deadline_ms * 1000000;
    int err = launch_start(l, name, deadline_ms, &p, why);
    if (err != 0)
        return err;
    err = converse(l, &p, input, deadline_ms, ret);
    channel_close(p.output);
    channel_close(p.input);
    if (err == 0) {
        int64_t left_ms = (until - clock_monotonic_ns(&clock_real)) / 1000000;
        err = launch_wait(l, p.id, MAX(left_ms, (int64_t)0), ret_end);
    }
    if (err != 0)
        launch_kill(l, p.id);
    else if (ret_end->timed_out) /* the launcher was the first to see that its time is up */
        err = -ERR_TIMEOUT;
    if (err == -ERR_TIMEOUT)
        return why_set(why, ERR_TIMEOUT, "it did not end within %lld ms", (long long)deadline_ms);
    if (err == -ERR_LIMIT)
        return why_set(why, ERR_LIMIT, "it printed more than %zu bytes", ret->max);
    if (err != 0)
        return why_set(why, (enum err) - err, "the process that starts programs is gone");
    return 0;
}
