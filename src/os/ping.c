#include "os/ping.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netinet/icmp6.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/rand.h"

enum { PACKET = 64, ROOM = 1500 };

struct echo {
    uint8_t type, code;
    uint16_t sum, id, sequence;
    uint64_t nonce; /* tells our answer from others' on a raw socket */
    uint8_t fill[PACKET - 16];
};

static uint16_t sum_of(const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    uint32_t sum = 0;
    for (size_t i = 0; i + 1 < n; i += 2)
        sum += (uint32_t)p[i] << 8 | p[i + 1];
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return htons((uint16_t)~sum);
}

static int open_socket(int family, bool *ret_raw, struct why *why)
{
    int protocol = family == AF_INET6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
    int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
    *ret_raw = false;
    if (fd < 0 && (errno == EACCES || errno == EPERM)) {
        fd = socket(family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
        *ret_raw = true;
    }
    if (fd >= 0)
        return fd;
    if (errno == EACCES || errno == EPERM)
        return why_set(why, ERR_DENIED,
                       "this process may not send ICMP echoes: let its group do so with sysctl "
                       "net.ipv4.ping_group_range, or give it CAP_NET_RAW");
    return why_set(why, (enum err)err_of_errno(errno), "no socket for ICMP echoes: %s",
                   strerror(errno));
}

/* Is it the answer to our echo? */
static bool is_answer(const uint8_t *p, size_t n, int family, bool raw, const struct echo *asked)
{
    struct echo got;
    if (raw && family == AF_INET) { /* the IP header comes with it */
        size_t head = n > 0 ? (size_t)(p[0] & 15) * 4 : 0;
        if (head > n)
            return false;
        p += head;
        n -= head;
    }
    if (n < sizeof got)
        return false;
    memcpy(&got, p, sizeof got);
    return got.type == (family == AF_INET6 ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY) &&
           got.nonce == asked->nonce;
}

static int await_answer(int fd, int family, bool raw, const struct echo *asked, int64_t until_ns,
                        struct why *why)
{
    uint8_t room[ROOM];
    for (;;) {
        int64_t left_ms = (until_ns - clock_monotonic_ns(&clock_real)) / 1000000;
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (left_ms < 0 || poll(&p, 1, (int)left_ms + 1) == 0)
            return why_set(why, ERR_TIMEOUT, "no echo came back");
        ssize_t n = recv(fd, room, sizeof room, 0);
        if (n > 0 && is_answer(room, (size_t)n, family, raw, asked))
            return 0;
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return why_set(why, ERR_CLOSED, "the host cannot be reached: %s", strerror(errno));
    }
}

static int ask(const struct addrinfo *to, int64_t timeout_ms, int64_t *ret_ns, struct why *why)
{
    bool raw;
    int fd = open_socket(to->ai_family, &raw, why);
    if (fd < 0)
        return fd;
    struct echo e = {.type = to->ai_family == AF_INET6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO};
    e.nonce = rand_seed();
    e.id = (uint16_t)e.nonce;
    if (to->ai_family == AF_INET)
        e.sum = sum_of(&e, sizeof e);
    int64_t begun = clock_monotonic_ns(&clock_real);
    int err = 0;
    if (sendto(fd, &e, sizeof e, MSG_NOSIGNAL, to->ai_addr, to->ai_addrlen) < 0)
        err = why_set(why, ERR_CLOSED, "the host cannot be reached: %s", strerror(errno));
    if (err == 0)
        err = await_answer(fd, to->ai_family, raw, &e, begun + timeout_ms * 1000000, why);
    if (err == 0)
        *ret_ns = clock_monotonic_ns(&clock_real) - begun;
    close(fd);
    return err;
}

int ping(const char *host, int64_t timeout_ms, int64_t *ret_ns, struct why *why)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_DGRAM};
    struct addrinfo *list;
    int failed = getaddrinfo(host, NULL, &hints, &list);
    if (failed != 0)
        return why_set(why, ERR_NOENT, "the host %s is not known: %s", host, gai_strerror(failed));
    int err = ask(list, timeout_ms, ret_ns, why);
    freeaddrinfo(list);
    return err;
}
