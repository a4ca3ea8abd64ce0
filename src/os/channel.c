#include "os/channel.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/must.h"

int channel_pair(int ret_fds[2])
{
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0)
        return -err_of_errno(errno);
    memcpy(ret_fds, fds, sizeof fds);
    return 0;
}

int channel_send(int fd, char type, struct str text)
{
    struct iovec parts[2] = {{.iov_base = &type, .iov_len = 1}};
    char copy[CHANNEL_TEXT_MAX];
    size_t n = MIN(text.n, sizeof copy);
    if (n > 0)
        memcpy(copy, text.p, n);
    parts[1] = (struct iovec){.iov_base = copy, .iov_len = n};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    if (sendmsg(fd, &message, MSG_NOSIGNAL) >= 0)
        return 0;
    if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS)
        return -ERR_BUSY;
    return -ERR_CLOSED;
}

int channel_receive(int fd, struct channel_message *ret)
{
    char bytes[CHANNEL_TEXT_MAX + 1];
    ssize_t n;
    do
        n = recv(fd, bytes, sizeof bytes, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN)
        return -ERR_BUSY;
    if (n <= 0)
        return -ERR_CLOSED;
    ret->type = bytes[0];
    ret->n = (size_t)n - 1;
    memcpy(ret->text, bytes + 1, ret->n);
    ret->text[ret->n] = '\0';
    return 0;
}

unsigned channel_wait(const int *fds, size_t n, int64_t timeout_ms)
{
    must(n <= CHANNEL_WAIT_MAX);
    struct pollfd polled[CHANNEL_WAIT_MAX];
    for (size_t i = 0; i < n; i++)
        polled[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
    int timeout = timeout_ms < 0 ? -1 : (int)MIN(timeout_ms, (int64_t)INT_MAX);
    if (poll(polled, n, timeout) <= 0)
        return 0; /* an interrupted wait is a short one */
    unsigned ready = 0;
    for (size_t i = 0; i < n; i++)
        if (polled[i].revents != 0)
            ready |= 1U << i;
    return ready;
}

void channel_close(int fd)
{
    if (fd >= 0)
        close(fd);
}
