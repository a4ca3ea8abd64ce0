#include "cli/checkin.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/clock.h"
#include "cli/post.h"
#include "os/pipe.h"
#include "os/signals.h"
#include "os/spawn.h"
#include "text/duration.h"

enum {
    PATH_MAX_BYTES = 4096,
    TAIL_MAX = 16 * 1024, /* bytes of output that are sent: its end */
    PIECE = 16 * 1024,
    PATIENCE_MS = 60000,
    START_PATIENCE_MS = 0, /* the job is not held up */
    NOT_FOUND = 127,       /* exit statuses as a shell has them */
    NOT_STARTED = 126,
    BY_SIGNAL = 128,
};

struct words {
    const char *server, *name, *kind;
    const char *every, *cron, *zone, *grace, *max_runtime;
    int64_t patience_ms;
    char **argv; /* of the job; NULL: none */
};

/* The last bytes of the job's output. */
struct tail {
    char bytes[TAIL_MAX * 2];
    size_t n;
};

static int usage(void)
{
    fprintf(stderr,
            "usage: sonde checkin NAME [start|success|fail|EXIT_CODE] [--every D] [--cron 'EXPR'] "
            "[--zone Z] [--grace D] [--max-runtime D] [--patience 1m] [--server URL] "
            "[-- COMMAND ARG..]\n");
    return 2;
}

static bool take(struct words *w, int argc, char **argv, int *i)
{
    const struct {
        const char *name, **at;
    } options[] = {{"--server", &w->server}, {"--every", &w->every},
                   {"--cron", &w->cron},     {"--zone", &w->zone},
                   {"--grace", &w->grace},   {"--max-runtime", &w->max_runtime}};
    const char *value;
    for (size_t k = 0; k < COUNTOF(options); k++)
        if ((value = post_option(argc, argv, i, options[k].name)) != NULL) {
            *options[k].at = value;
            return true;
        }
    if ((value = post_option(argc, argv, i, "--patience")) != NULL)
        return duration_read(str_c(value), &w->patience_ms, NULL) == 0;
    if (argv[*i][0] == '-' || (w->name && w->kind))
        return false;
    *(w->name ? &w->kind : &w->name) = argv[*i];
    return true;
}

static bool read_words(int argc, char **argv, struct words *ret)
{
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0) {
            ret->argv = argv + i + 1;
            break;
        }
        if (!take(ret, argc, argv, &i))
            return false;
    }
    return ret->name != NULL && (ret->argv == NULL || (ret->argv[0] != NULL && !ret->kind));
}

static void put_param(const char *name, const char *value, struct buf *out)
{
    if (!value)
        return;
    buf_printf(out, "%s%s=", memchr(out->p, '?', out->n) ? "&" : "?", name);
    post_encode(str_c(value), out);
}

static int ping(const struct words *w, const char *kind, struct str output, int64_t patience_ms)
{
    struct buf path;
    struct why why = {0};
    buf_init(&path, PATH_MAX_BYTES);
    buf_put_str(&path, STR("/api/checkin/"));
    post_encode(str_c(w->name), &path);
    buf_put_c(&path, '/');
    post_encode(str_c(kind), &path);
    put_param("every", w->every, &path);
    put_param("cron", w->cron, &path);
    put_param("zone", w->zone, &path);
    put_param("grace", w->grace, &path);
    put_param("max_runtime", w->max_runtime, &path);
    buf_put_c(&path, '\0');
    int err = buf_failed(&path)
                  ? why_set(&why, ERR_FORMAT, "its words are too long")
                  : post_send(w->server, path.p, "text/plain", output, patience_ms, NULL, &why);
    buf_done(&path);
    if (err)
        fprintf(stderr, "sonde checkin: %s is not told that %s has come: %s\n", w->server, kind,
                why.text);
    return err;
}

/* ---- the job */

static void keep(struct tail *t, const char *p, size_t n)
{
    if (t->n + n > sizeof t->bytes) {
        size_t kept = MIN(t->n, (size_t)TAIL_MAX);
        memmove(t->bytes, t->bytes + t->n - kept, kept);
        t->n = kept;
    }
    n = MIN(n, sizeof t->bytes - t->n);
    memcpy(t->bytes + t->n, p, n);
    t->n += n;
}

/* Passes on what has come; to is the descriptor of this process. */
static void pass(int *from, int to, struct tail *t)
{
    char piece[PIECE];
    size_t n;
    while ((n = pipe_read(from, piece, sizeof piece)) > 0) {
        keep(t, piece, n);
        for (size_t at = 0; at < n;) {
            ssize_t done = write(to, piece + at, n - at);
            if (done < 0 && errno != EINTR)
                break; /* nobody reads it any more; the job goes on */
            at += done > 0 ? (size_t)done : 0;
        }
    }
}

/* Until it has ended and its output is read; the exit status as a shell has it. */
static int follow(struct spawn *job, int ended_fd, int signals_fd, struct tail *t)
{
    int status = 0, signum = 0, pid = 0;
    bool over = false;
    while (!over || job->output >= 0 || job->error >= 0) {
        enum { LAST_MS = 1000 }; /* for output of what the job has left behind */
        const int fds[] = {job->output, job->error, over ? -1 : ended_fd, signals_fd};
        bool ready[COUNTOF(fds)];
        pipe_wait(fds, COUNTOF(fds), over ? LAST_MS : -1, ready);
        bool any = ready[0] || ready[1];
        if (ready[0])
            pass(&job->output, STDOUT_FILENO, t);
        if (ready[1])
            pass(&job->error, STDERR_FILENO, t);
        for (int s; ready[3] && (s = signals_next(signals_fd)) != 0;)
            spawn_signal(job->pid, s);
        if (over && !any)
            break;
        while (!over && spawn_reap(&pid, &status, &signum))
            over = pid == job->pid;
    }
    return signum ? BY_SIGNAL + signum : status;
}

static int run_job(const struct words *w, struct tail *t)
{
    static const int SIGNALS[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};
    char here[PATH_MAX_BYTES];
    struct why why = {0};
    struct spawn job;
    int ended_fd, signals_fd;
    if (getcwd(here, sizeof here) == NULL)
        snprintf(here, sizeof here, "/");
    if (spawn_watch(&ended_fd) != 0 || signals_open(SIGNALS, COUNTOF(SIGNALS), &signals_fd) != 0) {
        fprintf(stderr, "sonde checkin: signals cannot be watched\n");
        return NOT_STARTED;
    }
    struct spawn_config config = {.argv = (const char *const *)w->argv, .folder = here};
    int err = spawn_start(&config, &job, &why);
    if (err) {
        fprintf(stderr, "sonde checkin: %s\n", why.text);
        keep(t, why.text, strlen(why.text));
        return err == -ERR_NOENT ? NOT_FOUND : NOT_STARTED;
    }
    return follow(&job, ended_fd, signals_fd, t);
}

int checkin_run_command(int argc, char **argv)
{
    static struct tail tail;
    struct words w = {.server = "http://127.0.0.1:7663", .patience_ms = PATIENCE_MS};
    if (!read_words(argc, argv, &w))
        return usage();
    if (!w.argv)
        return ping(&w, w.kind ? w.kind : "success", STR(""), w.patience_ms) == 0 ? 0 : 2;
    /* A job runs even where nobody hears of it: what went wrong is on standard error. */
    (void)ping(&w, "start", STR(""), START_PATIENCE_MS);
    int status = run_job(&w, &tail);
    char code[16];
    snprintf(code, sizeof code, "%d", status & 255);
    size_t n = MIN(tail.n, (size_t)TAIL_MAX);
    (void)ping(&w, code, str_of(tail.bytes + tail.n - n, n), w.patience_ms);
    return status;
}
