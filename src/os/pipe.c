#include "os/pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include "base/must.h"

static void drop(int *fd)
{
    close(*fd);
    *fd = -1;
}

size_t pipe_read(int *fd, char *p, size_t n)
{
    ssize_t got;
    if (*fd < 0)
        return 0;
    do
        got = read(*fd, p, n);
    while (got < 0 && errno == EINTR);
    if (got > 0)
        return (size_t)got;
    if (got == 0 || errno != EAGAIN)
        drop(fd);
    return 0;
}

size_t pipe_write(int *fd, struct str bytes)
{
    ssize_t put;
    if (*fd < 0 || bytes.n == 0)
        return 0;
    do
        put = write(*fd, bytes.p, bytes.n);
    while (put < 0 && errno == EINTR);
    if (put >= 0)
        return (size_t)put;
    if (errno != EAGAIN)
        drop(fd);
    return 0;
}

void pipe_wait(const int *fds, size_t n, int64_t timeout_ms, bool *ret_ready)
{
    struct pollfd polled[PIPE_WAIT_MAX];
    must(n <= PIPE_WAIT_MAX);
    for (size_t i = 0; i < n; i++)
        polled[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
    int timeout = timeout_ms < 0 ? -1 : (int)MIN(timeout_ms, (int64_t)INT_MAX);
    int ready = poll(polled, n, timeout);
    for (size_t i = 0; i < n; i++)
        ret_ready[i] = ready > 0 && polled[i].revents != 0;
}

void pipe_set_nonblocking(int fd)
{
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}
