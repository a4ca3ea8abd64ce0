#include "os/datagram.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"

enum {
    /* Between buffers: without it all begin in the same lines of the cache. */
    GAP = 192,
    GATHER_NS = 250000, /* that single datagrams are let gather */
    GATHER_FEW = 8,     /* datagrams of one round that are few */
    MEMINFO_N = 16,
};

struct datagram_reader {
    struct pollfd polls[DATAGRAM_SOCKETS_MAX + 1]; /* [n + 1], the last one wakes */
    uint32_t dropped_before[DATAGRAM_SOCKETS_MAX];
    size_t n;
    size_t at;     /* the socket to read next */
    size_t empty;  /* sockets in a row that had nothing more */
    size_t round;  /* datagrams read since the last wait */
    bool gathered; /* the last wait was for more of them */
    char *bytes;
    struct mmsghdr messages[DATAGRAM_BATCH];
    struct iovec places[DATAGRAM_BATCH];
    struct str read[DATAGRAM_BATCH];
};

static uint32_t drops(int fd)
{
    uint32_t info[MEMINFO_N] = {0};
    socklen_t n = sizeof info;
    if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &n) != 0)
        return 0; /* a kernel before 4.12 does not tell */
    return info[SK_MEMINFO_DROPS];
}

int datagram_reader_new(const int *fds, size_t n, struct datagram_reader **ret, struct why *why)
{
    if (n > DATAGRAM_SOCKETS_MAX)
        return why_set(why, ERR_LIMIT, "more than %d sockets for datagrams", DATAGRAM_SOCKETS_MAX);
    int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wake < 0)
        return why_set(why, (enum err)err_of_errno(errno), "no eventfd: %s", strerror(errno));
    struct datagram_reader *r = mem_new(sizeof *r);
    r->n = n;
    r->empty = n;
    r->gathered = true;
    for (size_t i = 0; i < n; i++) {
        r->polls[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
        r->dropped_before[i] = drops(fds[i]);
    }
    r->polls[n] = (struct pollfd){.fd = wake, .events = POLLIN};
    r->bytes = mem_raw((size_t)DATAGRAM_BATCH * (DATAGRAM_BYTES_MAX + GAP));
    for (size_t i = 0; i < DATAGRAM_BATCH; i++) {
        r->places[i] =
            (struct iovec){r->bytes + i * (DATAGRAM_BYTES_MAX + GAP), DATAGRAM_BYTES_MAX};
        r->messages[i].msg_hdr = (struct msghdr){.msg_iov = &r->places[i], .msg_iovlen = 1};
    }
    *ret = r;
    return 0;
}

void datagram_reader_free(struct datagram_reader *r)
{
    if (r == NULL)
        return;
    close(r->polls[r->n].fd);
    mem_free(r->bytes);
    mem_free(r);
}

static struct timespec timespec_of(int64_t ns)
{
    return (struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
}

static void gather(void)
{
    struct timespec t = timespec_of(GATHER_NS);
    clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
}

bool datagram_wait(struct datagram_reader *r, int64_t timeout_ns)
{
    size_t round = r->round;
    bool asleep = round == 0 && r->gathered;
    r->round = r->empty = 0;
    r->gathered = round < GATHER_FEW;
    if (round >= GATHER_FEW)
        return true; /* one more look costs less than sleeping */
    if (!asleep && timeout_ns > GATHER_NS) {
        gather();
        return true;
    }
    struct timespec t = timespec_of(MAX(timeout_ns, 0));
    int ready = ppoll(r->polls, r->n + 1, &t, NULL);
    struct pollfd *wake = &r->polls[r->n];
    if (ready > 0 && wake->revents) {
        uint64_t n;
        if (read(wake->fd, &n, sizeof n) < 0)
            return false; /* it was read already */
        return false;
    }
    return ready > 0;
}

/* The messages that were read and are whole, as texts. */
static size_t whole(struct datagram_reader *r, size_t n, uint64_t *ret_cut)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (UNLIKELY(r->messages[i].msg_hdr.msg_flags & MSG_TRUNC))
            ++*ret_cut;
        else
            r->read[kept++] = str_of(r->places[i].iov_base, r->messages[i].msg_len);
    }
    return kept;
}

size_t datagram_read(struct datagram_reader *r, const struct str **ret, uint64_t *ret_cut)
{
    while (r->empty < r->n) {
        int got = recvmmsg(r->polls[r->at].fd, r->messages, DATAGRAM_BATCH, MSG_DONTWAIT, NULL);
        /* What a socket says that is no datagram (an ICMP error) is of no use here. */
        size_t n = got > 0 ? (size_t)got : 0;
        if (n < DATAGRAM_BATCH) {
            r->empty++;
            r->at = (r->at + 1) % r->n;
        }
        r->round += n;
        size_t kept = whole(r, n, ret_cut);
        if (kept > 0) {
            *ret = r->read;
            return kept;
        }
    }
    return 0;
}

uint64_t datagram_dropped(struct datagram_reader *r)
{
    uint64_t n = 0;
    for (size_t i = 0; i < r->n; i++)
        n += drops(r->polls[i].fd) - r->dropped_before[i];
    return n;
}

void datagram_wake(struct datagram_reader *r)
{
    uint64_t one = 1;
    if (write(r->polls[r->n].fd, &one, sizeof one) < 0)
        return; /* it is as awake as can be */
}

void datagram_queue(int fd)
{
    int bytes = DATAGRAM_QUEUE_BYTES;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) != 0)
        /* The kernel takes as much as it allows, and what it has by default works as well. */
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
}
