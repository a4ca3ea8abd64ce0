#include "net/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/must.h"
#include "os/datagram.h"

enum { BACKLOG = 1024, UNIX_MODE = 0660 };

static int parse_unix(struct str path, struct address *a, struct why *why)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&a->raw;
    if (path.n == 0 || path.n >= sizeof un->sun_path || memchr(path.p, 0, path.n))
        return why_set(why, ERR_FORMAT,
                       "the path of a Unix socket has 1 to %zu bytes, not as \"unix:" STR_FMT "\"",
                       sizeof un->sun_path - 1, STR_ARG(path));
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path.p, path.n);
    a->raw_n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.n + 1);
    snprintf(a->text, sizeof a->text, "unix:" STR_FMT, STR_ARG(path));
    return 0;
}

static void make_text(struct address *a)
{
    char ip[INET6_ADDRSTRLEN];
    if (a->raw.ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)&a->raw;
        inet_ntop(AF_INET, &in->sin_addr, ip, sizeof ip);
        snprintf(a->text, sizeof a->text, "%s:%u", ip, ntohs(in->sin_port));
    } else if (a->raw.ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&a->raw;
        inet_ntop(AF_INET6, &in6->sin6_addr, ip, sizeof ip);
        snprintf(a->text, sizeof a->text, "[%s]:%u", ip, ntohs(in6->sin6_port));
    }
}

static int parse_ip(struct str host, uint16_t port, struct address *a)
{
    struct sockaddr_in *in = (struct sockaddr_in *)&a->raw;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&a->raw;
    char ip[INET6_ADDRSTRLEN + 1];
    bool bracketed = host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';
    if (str_eq(host, STR("localhost")))
        host = STR("127.0.0.1");
    if (str_eq(host, STR("*"))) {
        host = STR("::");
        bracketed = true;
    } else if (bracketed) {
        host = str_sub(host, 1, host.n - 1);
    }
    if (host.n >= sizeof ip)
        return -ERR_FORMAT;
    snprintf(ip, sizeof ip, STR_FMT, STR_ARG(host));
    if (bracketed && inet_pton(AF_INET6, ip, &in6->sin6_addr) == 1) {
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(port);
        a->raw_n = sizeof *in6;
    } else if (!bracketed && inet_pton(AF_INET, ip, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = htons(port);
        a->raw_n = sizeof *in;
    } else {
        return -ERR_FORMAT;
    }
    make_text(a);
    return 0;
}

int address_parse(struct str text, struct address *ret, struct why *why)
{
    struct address a = {0};
    if (str_starts(text, STR("unix:"))) {
        int err = parse_unix(str_sub(text, 5, text.n), &a, why);
        if (!err)
            *ret = a;
        return err;
    }
    size_t colon = text.n;
    while (colon > 0 && text.p[colon - 1] != ':')
        colon--;
    uint64_t port;
    if (colon == 0 || !str_u64(str_sub(text, colon, text.n), &port) || port > UINT16_MAX ||
        parse_ip(str_sub(text, 0, colon - 1), (uint16_t)port, &a))
        return why_set(why, ERR_FORMAT,
                       "\"" STR_FMT "\" is no address; write \"127.0.0.1:7663\", \"[::1]:7663\", "
                       "\"*:7663\" or \"unix:/path\"",
                       STR_ARG(text));
    *ret = a;
    return 0;
}

bool address_is_loopback(const struct address *a)
{
    if (a->raw.ss_family == AF_UNIX)
        return true;
    if (a->raw.ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)&a->raw;
        return ntohl(in->sin_addr.s_addr) >> 24 == 127;
    }
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&a->raw;
    return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr) ||
           (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr) && in6->sin6_addr.s6_addr[12] == 127);
}

uint16_t address_port(const struct address *a)
{
    if (a->raw.ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)&a->raw)->sin_port);
    if (a->raw.ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)&a->raw)->sin6_port);
    return 0;
}

static int refused(const struct address *a, int errnum, const char *what, struct why *why)
{
    const char *advice = errnum == EADDRINUSE ? "; another process listens there: stop it or "
                                                "configure another port"
                         : errnum == EACCES   ? "; ports below 1024 and foreign directories need "
                                                "more rights"
                         : errnum == EADDRNOTAVAIL ? "; this machine has no such address"
                                                   : "";
    enum err code = errnum == EADDRINUSE ? ERR_BUSY : (enum err)err_of_errno(errnum);
    return why_set(why, code, "cannot %s %s: %s%s", what, a->text, strerror(errnum), advice);
}

/* Opens a blocking socket of that type and connects it. */
static int connect_as(const struct address *a, int type, int *ret_fd, struct why *why)
{
    int fd = socket(a->raw.ss_family, type | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return refused(a, errno, "open a socket for", why);
    if (connect(fd, (const struct sockaddr *)&a->raw, a->raw_n) != 0) {
        int errnum = errno;
        close(fd);
        if (errnum == ECONNREFUSED || errnum == ENOENT)
            return why_set(why, ERR_CLOSED, "nobody listens on %s", a->text);
        return refused(a, errnum, "connect to", why);
    }
    *ret_fd = fd;
    return 0;
}

/* Takes a path away where a socket is left that nobody listens on. */
static void remove_left_over(const struct address *a, int type)
{
    const char *path = ((const struct sockaddr_un *)&a->raw)->sun_path;
    struct stat st;
    int fd;
    if (lstat(path, &st) != 0 || !S_ISSOCK(st.st_mode))
        return;
    struct why ignored;
    if (connect_as(a, type, &fd, &ignored) == 0)
        close(fd);
    else if (ignored.err == -ERR_CLOSED)
        unlink(path); /* if it fails, so does bind(), which says why */
}

enum mode { ALONE, SHARED, PROBE };

/* PROBE binds only, to see whether somebody else is there, whom SHARED would join silently. */
static int open_one(struct address *a, int type, enum mode mode, int *ret_fd, struct why *why)
{
    int one = 1, zero = 0, family = a->raw.ss_family;
    int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return refused(a, errno, "open a socket for", why);
    bool fine = true;
    if (family != AF_UNIX && type == SOCK_STREAM)
        fine = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0;
    if (fine && family != AF_UNIX && mode == SHARED)
        fine = setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) == 0;
    if (fine && family == AF_INET6) {
        bool any = IN6_IS_ADDR_UNSPECIFIED(&((struct sockaddr_in6 *)&a->raw)->sin6_addr);
        fine = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, any ? &zero : &one, sizeof one) == 0;
    }
    if (fine)
        fine = bind(fd, (struct sockaddr *)&a->raw, a->raw_n) == 0;
    if (fine && family == AF_UNIX)
        fine = chmod(((struct sockaddr_un *)&a->raw)->sun_path, UNIX_MODE) == 0;
    if (fine && type == SOCK_DGRAM)
        datagram_queue(fd);
    if (fine && mode != PROBE && type == SOCK_STREAM)
        fine = listen(fd, BACKLOG) == 0;
    if (fine && family != AF_UNIX) {
        socklen_t n = sizeof a->raw;
        fine = getsockname(fd, (struct sockaddr *)&a->raw, &n) == 0;
    }
    if (!fine) {
        int errnum = errno;
        close(fd);
        return refused(a, errnum, "listen on", why);
    }
    make_text(a);
    *ret_fd = fd;
    return 0;
}

/* n sockets of that type on a. */
static int open_all(struct address *a, int type, size_t n, int *ret_fds, struct why *why)
{
    must(n > 0);
    bool is_unix = a->raw.ss_family == AF_UNIX;
    struct address bound = *a; /* with the port of the first, for those that share it */
    if (is_unix)
        remove_left_over(a, type);
    if (n > 1 && address_port(a) != 0) {
        int probe;
        int err = open_one(&bound, type, PROBE, &probe, why);
        if (err)
            return err;
        close(probe);
    }
    for (size_t i = 0; i < n; i++) {
        int fd = -1, err = 0;
        if (is_unix && i > 0) {
            fd = fcntl(ret_fds[0], F_DUPFD_CLOEXEC, 0);
            if (fd < 0)
                err = refused(a, errno, "share the socket", why);
        } else {
            err = open_one(&bound, type, n > 1 ? SHARED : ALONE, &fd, why);
        }
        if (err) {
            while (i-- > 0)
                close(ret_fds[i]);
            return err;
        }
        ret_fds[i] = fd;
    }
    *a = bound;
    return 0;
}

int address_listen(struct address *a, size_t n, int *ret_fds, struct why *why)
{
    return open_all(a, SOCK_STREAM, n, ret_fds, why);
}

int address_receive(struct address *a, size_t n, int *ret_fds, struct why *why)
{
    return open_all(a, SOCK_DGRAM, n, ret_fds, why);
}

int address_connect(const struct address *a, int *ret_fd, struct why *why)
{
    return connect_as(a, SOCK_STREAM, ret_fd, why);
}
