#include "os/dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "os/loop_uv.h"

enum { HOST_MAX = 256 };

static struct str bare(struct str host)
{
    bool bracketed = host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';
    return bracketed ? str_sub(host, 1, host.n - 1) : host;
}

bool dial_literal(struct str host, uint16_t port, struct dial_addresses *ret)
{
    char text[HOST_MAX];
    union dial_address a = {0};
    host = bare(host);
    if (host.n >= sizeof text)
        return false;
    snprintf(text, sizeof text, STR_FMT, STR_ARG(host));
    if (inet_pton(AF_INET, text, &a.four.sin_addr) == 1) {
        a.four.sin_family = AF_INET;
        a.four.sin_port = htons(port);
    } else if (inet_pton(AF_INET6, text, &a.six.sin6_addr) == 1) {
        a.six.sin6_family = AF_INET6;
        a.six.sin6_port = htons(port);
    } else {
        return false;
    }
    ret->v[0] = a;
    ret->n = 1;
    return true;
}

/* ---- names */

struct dial_lookup {
    uv_getaddrinfo_t uv;
    void (*done)(void *context, int err, const struct dial_addresses *addresses); /* NULL: none */
    void *context;
    struct timer *failed; /* of a lookup that could not begin */
};

static void take(const struct addrinfo *list, struct dial_addresses *ret)
{
    for (const struct addrinfo *i = list; i && ret->n < DIAL_ADDRESSES_MAX; i = i->ai_next) {
        union dial_address *a = &ret->v[ret->n];
        if (i->ai_addrlen > sizeof *a)
            continue;
        memset(a, 0, sizeof *a);
        memcpy(a, i->ai_addr, i->ai_addrlen);
        ret->n++;
    }
}

static void on_lookup(uv_getaddrinfo_t *uv, int status, struct addrinfo *list)
{
    struct dial_lookup *l = uv->data;
    struct dial_addresses found = {.n = 0};
    take(list, &found);
    uv_freeaddrinfo(list);
    bool later = status == UV_EAI_AGAIN || status == UV_EAI_FAIL || status == UV_EAI_MEMORY;
    int err = found.n > 0 ? 0 : later ? -ERR_BUSY : -ERR_NOENT;
    if (l->done)
        l->done(l->context, err, &found);
    mem_free(l);
}

static void on_failed(void *context)
{
    struct dial_lookup *l = context;
    struct dial_addresses none = {.n = 0};
    timer_free(l->failed);
    if (l->done)
        l->done(l->context, -ERR_NOENT, &none);
    mem_free(l);
}

struct dial_lookup *dial_lookup_new(struct loop *loop, const char *host, uint16_t port,
                                    void (*done)(void *context, int err,
                                                 const struct dial_addresses *addresses),
                                    void *context)
{
    struct dial_lookup *l = mem_new(sizeof *l);
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    char service[8];
    l->uv.data = l;
    l->done = done;
    l->context = context;
    snprintf(service, sizeof service, "%u", (unsigned)port);
    if (uv_getaddrinfo(&loop->uv, &l->uv, on_lookup, host, service, &hints) != 0)
        l->failed = timer_new(loop, 0, 0, on_failed, l);
    return l;
}

void dial_lookup_cancel(struct dial_lookup *l)
{
    if (!l)
        return;
    l->done = NULL;
    if (!l->failed)
        (void)uv_cancel((uv_req_t *)&l->uv); /* one that runs ends by itself */
}

/* ---- connections */

static int begin(const struct sockaddr *to, socklen_t n, int *ret_fd)
{
    int fd = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -err_of_errno(errno);
    if (to->sa_family != AF_UNIX) {
        int on = 1;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* a matter of speed */
    }
    int failed = connect(fd, to, n) == 0 ? 0 : errno;
    if (failed && failed != EINPROGRESS) {
        close(fd);
        return failed == ECONNREFUSED || failed == EAGAIN ? -ERR_CLOSED : -err_of_errno(failed);
    }
    *ret_fd = fd;
    return 0;
}

int dial_open(const union dial_address *to, int *ret_fd)
{
    bool six = to->any.sa_family == AF_INET6;
    return begin(&to->any, six ? sizeof to->six : sizeof to->four, ret_fd);
}

int dial_open_unix(const char *path, int *ret_fd)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof a.sun_path)
        return -ERR_RANGE;
    memcpy(a.sun_path, path, strlen(path));
    return begin((const struct sockaddr *)&a, sizeof a, ret_fd);
}

int dial_finish(int fd, const char **ret_text)
{
    int failed = 0;
    socklen_t n = sizeof failed;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &n) != 0)
        failed = errno;
    if (failed && ret_text)
        *ret_text = strerrordesc_np(failed);
    if (failed == ECONNREFUSED || failed == ECONNRESET || failed == EHOSTUNREACH ||
        failed == ENETUNREACH)
        return -ERR_CLOSED;
    if (failed == ETIMEDOUT)
        return -ERR_TIMEOUT;
    return failed ? -err_of_errno(failed) : 0;
}

int64_t dial_send(int fd, struct str bytes)
{
    ssize_t n = send(fd, bytes.p, bytes.n, MSG_NOSIGNAL);
    if (n >= 0)
        return n;
    return errno == EAGAIN || errno == EINTR ? 0 : -ERR_CLOSED;
}

int64_t dial_receive(int fd, char *p, size_t n)
{
    ssize_t got = recv(fd, p, n, 0);
    if (got > 0)
        return got;
    if (got == 0)
        return -ERR_END;
    return errno == EAGAIN || errno == EINTR ? -ERR_BUSY : -ERR_CLOSED;
}

void dial_close(int fd)
{
    if (fd >= 0)
        close(fd);
}
