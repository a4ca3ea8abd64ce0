#include "client/crash/handover.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "client/core/setting.h"
#include "client/core/ticks.h"
#include "client/send/place.h"
#include "client/wire/frame.h"

enum { VALUE_MAX = 1200, STEP_NS = 2000000, ANSWER_MAX = 1 << 16 };

static struct place places[PLACE_MAX];
static size_t places_n;
static char helper[VALUE_MAX], folder_of[VALUE_MAX];

/* The environment of the helper: the DSN, and what libcurl looks at. */
static const char *const inherited[] = {"HOME",     "PATH",          "http_proxy",  "https_proxy",
                                        "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR"};
enum { INHERITED = sizeof inherited / sizeof *inherited };
static char variables[INHERITED + 1][VALUE_MAX];
static char *environment[INHERITED + 2];

void handover_start(const char *folder)
{
    char dsn[SETTING_VALUE_MAX + 1] = "";
    const struct setting_row *rows;
    size_t n = setting_rows(&rows), at = 0;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(rows[i].key, "dsn") == 0) {
            setting_value(i, dsn, sizeof dsn);
        }
    }
    places_n = place_list(setting.socket, places);
    snprintf(helper, sizeof helper, "%s", *dsn ? setting.crash_helper : "");
    snprintf(folder_of, sizeof folder_of, "%s", folder);
    snprintf(variables[at], VALUE_MAX, "SONDE_DSN=%s", dsn);
    environment[at] = variables[at];
    for (size_t i = 0; i < INHERITED; i++) {
        const char *value = getenv(inherited[i]);
        if (value && strlen(value) < VALUE_MAX - 20) {
            at++;
            snprintf(variables[at], VALUE_MAX, "%s=%s", inherited[i], value);
            environment[at] = variables[at];
        }
    }
    environment[at + 1] = NULL;
}

/* Waits until the socket is ready; false: too late, or broken. */
static bool wait_for(int fd, short events, uint64_t deadline_ns)
{
    for (;;) {
        uint64_t now = ticks_monotonic_ns();
        if (now >= deadline_ns) {
            return false;
        }
        struct pollfd p = {.fd = fd, .events = events};
        int n = poll(&p, 1, (int)((deadline_ns - now) / 1000000) + 1);
        if (n > 0) {
            return true;
        }
        if (n < 0 && errno != EINTR) {
            return false;
        }
    }
}

static bool write_all(int fd, const void *bytes, size_t n, uint64_t deadline_ns)
{
    const char *from = bytes;
    while (n) {
        ssize_t sent = send(fd, from, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0) {
            from += sent;
            n -= (size_t)sent;
        } else if (sent < 0 && errno != EAGAIN && errno != EINTR) {
            return false;
        } else if (!wait_for(fd, POLLOUT, deadline_ns)) {
            return false;
        }
    }
    return true;
}

static bool read_all(int fd, void *ret, size_t n, uint64_t deadline_ns)
{
    char *to = ret;
    while (n) {
        ssize_t got = recv(fd, to, n, MSG_DONTWAIT);
        if (got > 0) {
            to += got;
            n -= (size_t)got;
        } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
            return false;
        } else if (!wait_for(fd, POLLIN, deadline_ns)) {
            return false;
        }
    }
    return true;
}

/* Frames come until the one that answers ours. */
static bool acknowledged(int fd, uint64_t deadline_ns)
{
    struct frame_header h;
    char skipped[256];
    while (read_all(fd, &h, sizeof h, deadline_ns) && h.length <= ANSWER_MAX) {
        if (h.sequence == 1 && (h.kind == FRAME_ACK || h.kind == FRAME_REFUSED)) {
            return h.kind == FRAME_ACK;
        }
        while (h.length) {
            uint32_t n = h.length < sizeof skipped ? h.length : (uint32_t)sizeof skipped;
            if (!read_all(fd, skipped, n, deadline_ns)) {
                return false;
            }
            h.length -= n;
        }
    }
    return false;
}

bool handover_send(struct crash_record *r, uint64_t deadline_ns)
{
    char problem[PLACE_PROBLEM_MAX];
    size_t which;
    int fd = places_n ? place_connect(places, places_n, &which, problem) : -1;
    if (fd < 0) {
        return false;
    }
    struct frame_header h = {.length = r->size,
                             .kind = FRAME_CRASH,
                             .flags = FRAME_ACK_WANTED,
                             .version = FRAME_VERSION,
                             .sequence = 1};
    bool good = write_all(fd, &h, sizeof h, deadline_ns) &&
                write_all(fd, r, r->size, deadline_ns) && acknowledged(fd, deadline_ns);
    close(fd);
    if (good) {
        r->state = CRASH_DELIVERED;
    }
    return good;
}

/* In the child of vfork(): nothing but system calls. */
static void run_helper(char **arguments)
{
    struct sigaction standard;
    sigset_t none;
    memset(&standard, 0, sizeof standard);
    standard.sa_handler = SIG_DFL;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL); /* handlers are reset by exec */
    execve(arguments[0], arguments, environment);
    _exit(127);
}

bool handover_help(const char *path, uint64_t deadline_ns)
{
    static char option_send[] = "--send", record[VALUE_MAX];
    char *arguments[] = {helper, option_send, record, folder_of, NULL};
    if (!*helper || !*path || ticks_monotonic_ns() >= deadline_ns) {
        return false;
    }
    memcpy(record, path, strnlen(path, VALUE_MAX - 1));
    pid_t pid = vfork();
    if (pid == 0) {
        run_helper(arguments);
    }
    int status = -1;
    while (pid > 0 && ticks_monotonic_ns() < deadline_ns) {
        pid_t got = waitpid(pid, &status, WNOHANG);
        if (got == pid) {
            return WIFEXITED(status) && WEXITSTATUS(status) == 0;
        }
        if (got < 0 && errno != EINTR) {
            return false;
        }
        struct timespec step = {.tv_nsec = STEP_NS};
        nanosleep(&step, NULL);
    }
    return false; /* it may still send; the same event_id is known then */
}
