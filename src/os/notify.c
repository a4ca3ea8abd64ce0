#include "os/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"

enum { MESSAGE_MAX = 512 }; /* bytes */

static int64_t watchdog_of_environment(void)
{
    const char *us = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    uint64_t n, owner;
    if (us == NULL || !str_u64(str_c(us), &n))
        return 0;
    if (pid != NULL && (!str_u64(str_c(pid), &owner) || owner != (uint64_t)getpid()))
        return 0;
    return (int64_t)(n / 1000 / 2); /* twice as often as asked for */
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t n = strlen(path);
    if (n < 2 || n >= sizeof address.sun_path)
        return -1;
    memcpy(address.sun_path, path, n);
    if (path[0] == '@')
        address.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, len) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

void notify_open(struct notify *n)
{
    const char *path = getenv("NOTIFY_SOCKET");
    n->fd = path == NULL ? -1 : connect_to(path);
    n->watchdog_ms = watchdog_of_environment();
}

void notify_close(struct notify *n)
{
    if (n->fd >= 0)
        close(n->fd);
    n->fd = -1;
}

void notify_send(struct notify *n, const char *format, ...)
{
    if (n->fd < 0)
        return;
    char text[MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (len < 0)
        return;
    /* A service manager that does not listen is not our trouble; one that was started anew listens
     * at the same name with another socket. */
    size_t size = MIN((size_t)len, sizeof text - 1);
    ssize_t sent = send(n->fd, text, size, MSG_NOSIGNAL);
    const char *path = getenv("NOTIFY_SOCKET");
    if (sent >= 0 || errno != ECONNREFUSED || path == NULL)
        return;
    int fd = connect_to(path);
    if (fd < 0)
        return;
    close(n->fd);
    n->fd = fd;
    sent = send(n->fd, text, size, MSG_NOSIGNAL);
}

void notify_reloading(struct notify *n)
{
    notify_send(n, "RELOADING=1\nMONOTONIC_USEC=%lld",
                (long long)(clock_monotonic_ns(&clock_real) / 1000));
}
