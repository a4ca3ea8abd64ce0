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

/* Room for the descriptors of a message. */
union ancillary {
    struct cmsghdr head;
    char bytes[CMSG_SPACE(CHANNEL_FDS_MAX * sizeof(int))];
};

int channel_send_fds(int fd, char type, struct str text, const int *fds, size_t fds_n)
{
    struct iovec parts[2] = {{.iov_base = &type, .iov_len = 1}};
    char copy[CHANNEL_TEXT_MAX];
    size_t n = MIN(text.n, sizeof copy);
    union ancillary ancillary = {0};
    must(fds_n <= CHANNEL_FDS_MAX);
    if (n > 0)
        memcpy(copy, text.p, n);
    parts[1] = (struct iovec){.iov_base = copy, .iov_len = n};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    if (fds_n > 0) {
        message.msg_control = ancillary.bytes;
        message.msg_controllen = CMSG_SPACE(fds_n * sizeof(int));
        ancillary.head = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
                                          .cmsg_type = SCM_RIGHTS,
                                          .cmsg_len = CMSG_LEN(fds_n * sizeof(int))};
        memcpy(CMSG_DATA(&ancillary.head), fds, fds_n * sizeof(int));
    }
    if (sendmsg(fd, &message, MSG_NOSIGNAL) >= 0)
        return 0;
    if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS)
        return -ERR_BUSY;
    return -ERR_CLOSED;
}

int channel_send(int fd, char type, struct str text)
{
    return channel_send_fds(fd, type, text, NULL, 0);
}

static size_t take_fds(struct msghdr *message, int *ret)
{
    size_t n = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t came = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < came; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            if (n < CHANNEL_FDS_MAX)
                ret[n++] = fd;
            else
                close(fd);
        }
    }
    return n;
}

int channel_receive_fds(int fd, struct channel_message *ret, int ret_fds[CHANNEL_FDS_MAX],
                        size_t *ret_fds_n)
{
    char bytes[CHANNEL_TEXT_MAX + 1];
    union ancillary ancillary;
    struct iovec part = {bytes, sizeof bytes};
    struct msghdr message;
    ssize_t n;
    do {
        message = (struct msghdr){.msg_iov = &part,
                                  .msg_iovlen = 1,
                                  .msg_control = ancillary.bytes,
                                  .msg_controllen = sizeof ancillary};
        n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    *ret_fds_n = 0;
    if (n < 0 && errno == EAGAIN)
        return -ERR_BUSY;
    if (n <= 0)
        return -ERR_CLOSED;
    *ret_fds_n = take_fds(&message, ret_fds);
    ret->type = bytes[0];
    ret->n = (size_t)n - 1;
    memcpy(ret->text, bytes + 1, ret->n);
    ret->text[ret->n] = '\0';
    return 0;
}

int channel_receive(int fd, struct channel_message *ret)
{
    int fds[CHANNEL_FDS_MAX];
    size_t n;
    int err = channel_receive_fds(fd, ret, fds, &n);
    for (size_t i = 0; i < n; i++) /* nobody wants them */
        close(fds[i]);
    return err;
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
