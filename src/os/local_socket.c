#include "os/local_socket.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"

enum { BACKLOG = 64, FDS_MAX = 64 };

/* path, or an abstract name that begins with '@'; *ret_n is the address's length. */
static int address_of(const char *path, struct sockaddr_un *ret, socklen_t *ret_n, struct why *why)
{
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof ret->sun_path)
        return why_set(why, ERR_RANGE, "a socket's path has 1 to %zu bytes: %s",
                       sizeof ret->sun_path - 1, path);
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(ret->sun_path, path, n);
    *ret_n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1);
    if (path[0] == '@') {
        ret->sun_path[0] = '\0';
        (*ret_n)--;
    }
    return 0;
}

static int failed(struct why *why, const char *what, const char *path, int fd)
{
    int errnum = errno;
    int code = errnum == ECONNREFUSED ? ERR_NOENT : err_of_errno(errnum);
    if (fd >= 0)
        close(fd);
    return why_set(why, (enum err)code, "%s %s: %s", what, path, strerror(errnum));
}

int local_socket_listen(const char *path, int *ret_fd, struct why *why)
{
    struct sockaddr_un address;
    socklen_t n;
    int err = address_of(path, &address, &n, why);
    if (err)
        return err;
    int fd;
    if (local_socket_connect(path, 0, &fd, NULL) == 0) {
        close(fd);
        return why_set(why, ERR_BUSY, "somebody listens at %s already", path);
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return failed(why, "no socket for", path, -1);
    unlink(path); /* nobody listens there; where it cannot go, bind() says so */
    mode_t before = umask(0177);
    int bound = bind(fd, (struct sockaddr *)&address, n);
    int errnum = errno;
    umask(before);
    errno = errnum;
    if (bound != 0 || listen(fd, BACKLOG) != 0)
        return failed(why, "cannot listen at", path, fd);
    *ret_fd = fd;
    return 0;
}

/* 0, -ERR_TIMEOUT. */
static int wait_for(int fd, short events, int64_t timeout_ms)
{
    int64_t until = clock_monotonic_ns(&clock_real) / 1000000 + timeout_ms;
    for (;;) {
        int64_t left = until - clock_monotonic_ns(&clock_real) / 1000000;
        struct pollfd p = {.fd = fd, .events = events};
        int ready = poll(&p, 1, (int)MIN(MAX(left, 0), 1 << 30));
        if (ready > 0)
            return 0;
        if (ready == 0)
            return -ERR_TIMEOUT;
        if (errno != EINTR)
            return -ERR_IO;
    }
}

int local_socket_connect(const char *path, int64_t timeout_ms, int *ret_fd, struct why *why)
{
    struct sockaddr_un address;
    socklen_t n;
    int err = address_of(path, &address, &n, why);
    if (err)
        return err;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return failed(why, "no socket for", path, -1);
    int64_t until = clock_monotonic_ns(&clock_real) / 1000000 + timeout_ms;
    while (connect(fd, (struct sockaddr *)&address, n) != 0) {
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN) /* EAGAIN: its queue of connections is full */
            return failed(why, "cannot reach", path, fd);
        if (clock_monotonic_ns(&clock_real) / 1000000 >= until) {
            close(fd);
            return why_set(why, ERR_TIMEOUT, "%s does not answer", path);
        }
        poll(NULL, 0, 10);
    }
    *ret_fd = fd;
    return 0;
}

int local_socket_send(int fd, struct str bytes, int64_t timeout_ms)
{
    while (bytes.n) {
        ssize_t put = send(fd, bytes.p, bytes.n, MSG_NOSIGNAL);
        if (put >= 0) {
            bytes = str_sub(bytes, (size_t)put, bytes.n);
            continue;
        }
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN)
            return -ERR_CLOSED;
        int err = wait_for(fd, POLLOUT, timeout_ms);
        if (err)
            return err;
    }
    return 0;
}

int local_socket_receive(int fd, char *p, size_t n, int64_t timeout_ms, size_t *ret_n)
{
    for (;;) {
        ssize_t got = recv(fd, p, n, 0);
        if (got > 0) {
            *ret_n = (size_t)got;
            return 0;
        }
        if (got == 0)
            return -ERR_END;
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN)
            return -ERR_CLOSED;
        int err = wait_for(fd, POLLIN, timeout_ms);
        if (err)
            return err;
    }
}

void local_socket_close(int fd)
{
    if (fd >= 0)
        close(fd);
}

int local_socket_notified(const char *name, int *ret_fd, struct why *why)
{
    struct sockaddr_un address;
    socklen_t n;
    int on = 1;
    int err = address_of(name, &address, &n, why);
    if (err)
        return err;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return failed(why, "no socket for", name, -1);
    if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0 ||
        bind(fd, (struct sockaddr *)&address, n) != 0)
        return failed(why, "cannot be notified at", name, fd);
    *ret_fd = fd;
    return 0;
}

static void close_fds(const struct cmsghdr *c)
{
    int fds[FDS_MAX];
    size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    memcpy(fds, CMSG_DATA(c), MIN(n, COUNTOF(fds)) * sizeof(int));
    for (size_t i = 0; i < MIN(n, COUNTOF(fds)); i++)
        close(fds[i]);
}

bool local_socket_notice(int fd, char *p, size_t n, size_t *ret_n, int *ret_pid, unsigned *ret_uid)
{
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(FDS_MAX * sizeof(int))];
    } ancillary;
    struct iovec part = {p, n};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = ancillary.bytes,
                             .msg_controllen = sizeof ancillary.bytes};
    ssize_t got;
    do
        got = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return false;
    struct ucred who = {.pid = 0, .uid = (uid_t)-1};
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS)
            memcpy(&who, CMSG_DATA(c), sizeof who);
        else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
            close_fds(c);
    *ret_n = (size_t)got;
    *ret_pid = (int)who.pid;
    *ret_uid = who.uid;
    return true;
}

int local_socket_folder(const char *path, bool make, struct why *why)
{
    struct stat st;
    if (make && mkdir(path, 0700) != 0 && errno != EEXIST)
        return failed(why, "no folder", path, -1);
    if (lstat(path, &st) != 0)
        return failed(why, "no folder", path, -1);
    if (!S_ISDIR(st.st_mode) || (make && (st.st_uid != geteuid() || (st.st_mode & 022) != 0)))
        return why_set(why, ERR_DENIED, "%s is no folder of this user alone", path);
    if (access(path, W_OK | X_OK) != 0)
        return failed(why, "no socket in", path, -1);
    return 0;
}

/* A zombie is gone as well. */
static bool process_gone(pid_t pid)
{
    int fd = pidfd_open(pid, 0);
    if (fd < 0)
        return errno == ESRCH;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    bool gone = poll(&p, 1, 0) == 1;
    close(fd);
    return gone;
}

enum local_socket_holder local_socket_holder(const char *path)
{
    struct ucred listener;
    socklen_t n = sizeof listener;
    int fd, err = local_socket_connect(path, 0, &fd, NULL);
    if (err == -ERR_TIMEOUT) /* its queue is full */
        return LOCAL_SOCKET_SOMEBODY;
    if (err != 0)
        return LOCAL_SOCKET_NOBODY;
    /* of a connected socket: who called listen(); 0: of another namespace */
    bool known = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &listener, &n) == 0 && listener.pid > 0 &&
                 listener.uid == geteuid();
    close(fd);
    return known && process_gone(listener.pid) ? LOCAL_SOCKET_ORPHANED : LOCAL_SOCKET_SOMEBODY;
}

int local_socket_mode(const char *path, unsigned mode, struct why *why)
{
    return chmod(path, mode) == 0 ? 0 : failed(why, "cannot open to others", path, -1);
}
