#include "client/debug/socket.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "client/core/identity.h"
#include "client/core/setting.h"
#include "client/core/worker.h"
#include "sonde/debug.h"

struct caller {
    struct worker_watch watch;
    char line[COMMAND_LINE_MAX];
    size_t line_n;
    bool skipping; /* the rest of a line that was too long */
    bool ending;   /* it has said all; closed when it has read all */
    struct text answer;
    size_t sent;
};

static struct worker_watch listener = {.fd = -1};
static struct caller *callers[SOCKET_CALLERS_MAX];
static char path[SOCKET_PATH_MAX];
static enum command_level level;

const char *socket_path(void)
{
    return path;
}

bool socket_level(enum command_level *ret)
{
    static const char *const names[] = {"viewer", "operator", "admin"};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(setting.debug_level, names[i]) == 0) {
            *ret = (enum command_level)i;
            return true;
        }
    }
    return false;
}

static void hang_up(struct caller *c)
{
    worker_watch_remove(&c->watch);
    close(c->watch.fd);
    text_done(&c->answer);
    for (size_t i = 0; i < SOCKET_CALLERS_MAX; i++) {
        if (callers[i] == c) {
            callers[i] = NULL;
        }
    }
    free(c);
}

/* Sends what there is; false: the caller is gone. */
static bool push(struct caller *c)
{
    while (c->sent < c->answer.len) {
        ssize_t n = send(c->watch.fd, c->answer.bytes + c->sent, c->answer.len - c->sent,
                         MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return errno == EAGAIN || errno == EWOULDBLOCK;
        }
        c->sent += (size_t)n;
    }
    text_done(&c->answer); /* a long answer's memory is not kept */
    c->sent = 0;
    return true;
}

static void answer_line(struct caller *c, const char *line, size_t n)
{
    while (n > 0 && (line[n - 1] == '\r' || line[n - 1] == ' ')) {
        n--;
    }
    if (n > 0) {
        command_run(line, n, level, &c->answer); /* an error is an answer too */
        text_add_char(&c->answer, '\n');
    }
}

/* Answers the first line of what was read; false: there is no whole line. */
static bool take_line(struct caller *c)
{
    char *end = memchr(c->line, '\n', c->line_n);
    if (!end && c->line_n < sizeof c->line) {
        return false;
    }
    size_t n = end ? (size_t)(end - c->line) : c->line_n;
    if (!c->skipping && !end) { /* command_run() says that it is too long */
        command_run(c->line, c->line_n, level, &c->answer);
        text_add_char(&c->answer, '\n');
    } else if (!c->skipping) {
        answer_line(c, c->line, n);
    }
    c->skipping = !end;
    size_t used = end ? n + 1 : n;
    memmove(c->line, c->line + used, c->line_n - used);
    c->line_n -= used;
    return true;
}

/* One line a turn, so that a flood of them does not keep the thread from its work. */
static void serve(void *context, short events)
{
    struct caller *c = context;
    if (events & (POLLERR | POLLNVAL)) {
        hang_up(c);
        return;
    }
    if (c->answer.len == 0 && c->line_n < sizeof c->line && !c->ending) {
        ssize_t n =
            recv(c->watch.fd, c->line + c->line_n, sizeof c->line - c->line_n, MSG_DONTWAIT);
        if (n > 0) {
            c->line_n += (size_t)n;
        } else if (n == 0) {
            c->ending = true;
        } else if (errno != EAGAIN && errno != EINTR) {
            hang_up(c);
            return;
        }
    }
    bool more = c->answer.len == 0 && take_line(c);
    if (!push(c) || (c->ending && c->answer.len == 0 && !more)) {
        hang_up(c);
        return;
    }
    more = c->answer.len == 0 && (c->ending || memchr(c->line, '\n', c->line_n) != NULL);
    c->watch.events = c->answer.len || more ? POLLOUT : POLLIN;
}

static void refuse(int fd, const char *code, const char *message)
{
    char line[300];
    int n = snprintf(line, sizeof line, "{\"error\":{\"code\":\"%s\",\"message\":\"%s\"}}\n", code,
                     message);
    ssize_t sent = send(fd, line, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)sent; /* who does not take it sees that the connection is closed */
    close(fd);
}

static bool same_user(int fd)
{
    struct ucred who;
    socklen_t n = sizeof who;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) == 0 &&
           (who.uid == geteuid() || who.uid == 0);
}

static void take_caller(void *unused, short events)
{
    int fd = accept4(listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        return;
    }
    if (!same_user(fd)) {
        refuse(fd, "denied", "only the program's own user and root may ask it");
        return;
    }
    size_t i = 0;
    while (i < SOCKET_CALLERS_MAX && callers[i]) {
        i++;
    }
    struct caller *c = i < SOCKET_CALLERS_MAX ? calloc(1, sizeof *c) : NULL;
    if (!c) {
        refuse(fd, "limit_exceeded", "8 callers are connected already; close one of them");
        return;
    }
    text_init(&c->answer, COMMAND_ANSWER_MAX);
    c->watch = (struct worker_watch){.fd = fd, .events = POLLIN, .ready = serve, .context = c};
    callers[i] = c;
    worker_watch_add(&c->watch);
}

/* RUNTIME/sonde/debug, made where it is missing; false: there is no such place. */
static bool runtime_folder(char *ret, size_t size)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    bool own = !runtime || *runtime != '/' || access(runtime, W_OK) != 0;
    char parent[SOCKET_PATH_MAX];
    int n = own ? snprintf(parent, sizeof parent, "/tmp/sonde-%u", (unsigned)geteuid())
                : snprintf(parent, sizeof parent, "%s/sonde", runtime);
    if (n < 0 || (size_t)n >= sizeof parent ||
        snprintf(ret, size, "%s/debug", parent) >= (int)size) {
        return false;
    }
    mkdir(parent, 0700);
    mkdir(ret, 0700);
    struct stat st; /* in /tmp anybody may have made it first */
    return lstat(parent, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
           lstat(ret, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid();
}

static bool choose_path(void)
{
    char folder[SOCKET_PATH_MAX - 40];
    if (strcmp(setting.debug_socket, "auto") != 0) {
        return snprintf(path, sizeof path, "%s", setting.debug_socket) < (int)sizeof path;
    }
    if (!runtime_folder(folder, sizeof folder)) {
        return false;
    }
    char name[24];
    snprintf(name, sizeof name, "%.23s", identity.service);
    for (char *p = name; *p; p++) {
        *p = *p == '/' ? '_' : *p;
    }
    int n = snprintf(path, sizeof path, "%s/%s-%ld.sock", folder, name, (long)identity.pid);
    return n < (int)sizeof path;
}

/* A socket file that nobody listens at is of a program that was killed. */
static void remove_stale(const struct sockaddr_un *at)
{
    struct stat st;
    if (lstat(at->sun_path, &st) != 0 || !S_ISSOCK(st.st_mode)) {
        return;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)at, sizeof *at) != 0 &&
        errno == ECONNREFUSED) {
        unlink(at->sun_path);
    }
    if (fd >= 0) {
        close(fd);
    }
}

static int listen_at(char *problem)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
    remove_stale(&at);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0) {
        (void)fchmod(fd,
                     0600); /* so that it never exists with more; Linux takes it over to the file */
    }
    if (fd < 0 || bind(fd, (const struct sockaddr *)&at, sizeof at) != 0 ||
        chmod(path, 0600) != 0 || listen(fd, SOCKET_CALLERS_MAX) != 0) {
        snprintf(problem, SETTING_PROBLEM_MAX, "debug.socket = \"%s\": %s", path, strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        *path = 0;
        return SONDE_ERROR_SYSTEM;
    }
    listener = (struct worker_watch){.fd = fd, .events = POLLIN, .ready = take_caller};
    worker_watch_add(&listener);
    return 0;
}

int socket_start(char *problem)
{
    *path = 0;
    if (!socket_level(&level)) {
        snprintf(problem, SETTING_PROBLEM_MAX,
                 "debug.level = \"%.40s\": viewer, operator or admin is expected",
                 setting.debug_level);
        return SONDE_ERROR_ARGUMENT;
    }
    if (!*setting.debug_socket) {
        return 0;
    }
    if (!choose_path()) {
        *path = 0;
        snprintf(
            problem, SETTING_PROBLEM_MAX,
            "debug.socket = \"%.100s\": the path is too long (107 bytes), or its folder cannot "
            "be made",
            setting.debug_socket);
        return SONDE_ERROR_ARGUMENT;
    }
    return listen_at(problem);
}

static void close_all(void)
{
    for (size_t i = 0; i < SOCKET_CALLERS_MAX; i++) {
        if (callers[i]) {
            hang_up(callers[i]);
        }
    }
    if (listener.fd >= 0) {
        worker_watch_remove(&listener);
        close(listener.fd);
        listener.fd = -1;
    }
}

void socket_stop(void)
{
    close_all();
    if (*path) {
        unlink(path);
        *path = 0;
    }
}

void socket_fork_child(void)
{
    bool had = listener.fd >= 0;
    close_all();
    *path = 0;
    char problem[SETTING_PROBLEM_MAX];
    if (had && strcmp(setting.debug_socket, "auto") == 0 && choose_path()) {
        (void)listen_at(problem); /* the child does without: `info` of its parent is still there */
    }
}
