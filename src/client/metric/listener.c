#include "client/metric/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/core/setting.h"
#include "client/core/text.h"
#include "client/core/ticks.h"
#include "client/core/worker.h"
#include "client/metric/http_request.h"
#include "client/metric/metrics.h"

enum { CONNECTIONS_MAX = 64, BACKLOG = 32, HEADERS_MAX = 512, SEND_PIECE = 256 << 10 };
enum { REQUEST_S = 10, IDLE_S = 60, ANSWER_S = 30, RETRY_S = 5, LOOK_S = 1 };

struct connection {
    int fd;
    struct worker_watch watch;
    char in[HTTP_REQUEST_MAX];
    size_t in_n;
    struct text out;
    size_t sent;
    bool last; /* is closed when `out` is sent */
    uint64_t deadline_ns;
};

static struct connection *open_now[CONNECTIONS_MAX];
static size_t open_n;
static struct sockaddr_storage address;
static socklen_t address_n; /* 0: no listener is wanted */
static int listen_fd = -1;
static _Atomic uint16_t port;

static void accept_some(void *context, short events);
static void look(void *context);
static struct worker_watch listen_watch = {.fd = -1, .ready = accept_some};
static struct worker_task look_task = {.name = "listener", .run = look};

uint16_t listener_port(void)
{
    return atomic_load_explicit(&port, memory_order_relaxed);
}

static uint64_t seconds_from_now(unsigned s)
{
    return ticks_monotonic_ns() + (uint64_t)s * 1000000000u;
}

/* "127.0.0.1:9464", "[::1]:9464", ":9464" (every address). */
static bool parse(const char *text)
{
    char host[INET6_ADDRSTRLEN];
    const char *colon = strrchr(text, ':');
    if (!colon || !colon[1] || strspn(colon + 1, "0123456789") != strlen(colon + 1) ||
        strlen(colon + 1) > 5) {
        return false;
    }
    unsigned long number = strtoul(colon + 1, NULL, 10);
    size_t n = (size_t)(colon - text);
    bool v6 = n > 1 && text[0] == '[' && text[n - 1] == ']';
    if (number > 65535 || n - (v6 ? 2 : 0) >= sizeof host) {
        return false;
    }
    memcpy(host, text + v6, n - (v6 ? 2 : 0));
    host[n - (v6 ? 2 : 0)] = 0;
    memset(&address, 0, sizeof address);
    struct sockaddr_in *a4 = (struct sockaddr_in *)&address;
    struct sockaddr_in6 *a6 = (struct sockaddr_in6 *)&address;
    if (v6) {
        a6->sin6_family = AF_INET6;
        a6->sin6_port = htons((uint16_t)number);
        address_n = sizeof *a6;
        return inet_pton(AF_INET6, host, &a6->sin6_addr) == 1;
    }
    a4->sin_family = AF_INET;
    a4->sin_port = htons((uint16_t)number);
    address_n = sizeof *a4;
    return n == 0 || inet_pton(AF_INET, host, &a4->sin_addr) == 1;
}

static bool open_listener(void)
{
    int one = 1, fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_storage bound;
    socklen_t n = sizeof bound;
    if (fd < 0) {
        return false;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&address, address_n) != 0 || listen(fd, BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *)&bound, &n) != 0) {
        close(fd);
        return false;
    }
    listen_fd = fd;
    atomic_store(&port,
                 ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
                                                   : ((struct sockaddr_in *)&bound)->sin_port));
    listen_watch.fd = fd;
    listen_watch.events = POLLIN;
    worker_watch_add(&listen_watch);
    return true;
}

static void close_connection(struct connection *c)
{
    for (size_t i = 0; i < open_n; i++) {
        if (open_now[i] == c) {
            open_now[i] = open_now[--open_n];
            break;
        }
    }
    worker_watch_remove(&c->watch);
    close(c->fd);
    text_done(&c->out);
    free(c);
}

static void answer(struct connection *c, int status, const char *type, const struct text *body,
                   bool head)
{
    const char *reason = status == 200   ? "OK"
                         : status == 400 ? "Bad Request"
                         : status == 404 ? "Not Found"
                         : status == 405 ? "Method Not Allowed"
                         : status == 413 ? "Content Too Large"
                         : status == 414 ? "URI Too Long"
                         : status == 431 ? "Request Header Fields Too Large"
                         : status == 505 ? "HTTP Version Not Supported"
                                         : "Service Unavailable";
    text_clear(&c->out);
    c->sent = 0;
    text_printf(&c->out,
                "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s%s"
                "X-Content-Type-Options: nosniff\r\n\r\n",
                status, reason, type, body ? body->len : strlen(reason) + 1,
                status == 405 ? "Allow: GET, HEAD\r\n" : "",
                c->last ? "Connection: close\r\n" : "");
    if (head) {
        return;
    }
    if (body) {
        text_add(&c->out, body->bytes, body->len);
    } else {
        text_add_string(&c->out, reason);
        text_add_char(&c->out, '\n');
    }
    if (c->out.cut) { /* half an answer would be taken for a whole one */
        text_clear(&c->out);
        c->last = true;
    }
}

static void serve(struct connection *c, const struct http_request *r)
{
    static const char plain[] = "text/plain; charset=utf-8";
    c->last = !r->keep_alive;
    if (!r->get && !r->head) {
        answer(c, 405, plain, NULL, false);
        return;
    }
    if (!text_same(r->path, r->path_n, "/metrics")) {
        answer(c, 404, plain, NULL, r->head);
        return;
    }
    struct text body;
    text_init(&body, METRICS_TEXT_MAX);
    if (metrics_text(&body, r->openmetrics) != 0) {
        answer(c, 503, plain, NULL, r->head);
    } else {
        answer(c, 200,
               r->openmetrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                              : "text/plain; version=0.0.4; charset=utf-8",
               &body, r->head);
    }
    text_done(&body);
}

/* Takes the next request out of what has been read; false: there is none. */
static bool next_request(struct connection *c)
{
    struct http_request r;
    int status = c->in_n ? http_request_read(c->in, c->in_n, &r) : 1;
    if (status == 1) {
        return false;
    }
    c->deadline_ns = seconds_from_now(ANSWER_S);
    if (status == 0) {
        serve(c, &r);
        memmove(c->in, c->in + r.used, c->in_n - r.used);
        c->in_n -= r.used;
    } else {
        c->last = true;
        answer(c, status, "text/plain; charset=utf-8", NULL, false);
    }
    return true;
}

/* False: the connection is gone. */
static bool send_some(struct connection *c)
{
    while (c->sent < c->out.len) {
        size_t n = c->out.len - c->sent;
        ssize_t done = send(c->fd, c->out.bytes + c->sent, n < SEND_PIECE ? n : SEND_PIECE,
                            MSG_NOSIGNAL | MSG_DONTWAIT);
        if (done < 0 && (errno == EAGAIN || errno == EINTR)) {
            return true;
        }
        if (done <= 0) {
            return false;
        }
        c->sent += (size_t)done;
    }
    return true;
}

/* False: it ended, or is no use. */
static bool read_some(struct connection *c)
{
    ssize_t n = recv(c->fd, c->in + c->in_n, sizeof c->in - c->in_n, MSG_DONTWAIT);
    if (n < 0) {
        return errno == EAGAIN || errno == EINTR;
    }
    if (n > 0 && c->in_n == 0) {
        c->deadline_ns = seconds_from_now(REQUEST_S);
    }
    c->in_n += (size_t)n;
    return n > 0;
}

/* One request for each call, so that nobody keeps the thread for himself. */
static void ready(void *context, short events)
{
    struct connection *c = context;
    bool busy = c->sent < c->out.len;
    if (events & (POLLERR | POLLNVAL) || (events & POLLHUP && !busy && !(events & POLLIN)) ||
        (!busy && events & POLLIN && !read_some(c))) {
        close_connection(c);
        return;
    }
    bool answered = busy || next_request(c);
    if (answered && (!send_some(c) || (c->sent == c->out.len && c->last))) {
        close_connection(c);
        return;
    }
    busy = c->sent < c->out.len;
    if (answered && !busy) {
        text_done(&c->out); /* a connection that waits keeps no memory */
        text_init(&c->out, METRICS_TEXT_MAX + HEADERS_MAX);
        c->sent = 0;
        c->deadline_ns = seconds_from_now(c->in_n ? REQUEST_S : IDLE_S);
    }
    /* What has been read already does not make the descriptor readable again; writing does. */
    c->watch.events = busy || (answered && c->in_n) ? POLLOUT : POLLIN;
}

static void refuse(int fd)
{
    static const char full[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n"
                               "Retry-After: 1\r\nConnection: close\r\n\r\n";
    ssize_t n = send(fd, full, sizeof full - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)n; /* who does not get it sees the end of the connection */
    close(fd);
}

static void accept_some(void *context, short events)
{
    for (int i = 0; i < BACKLOG; i++) {
        int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            return;
        }
        struct connection *c = NULL;
        if (open_n < setting.metric_connections && open_n < CONNECTIONS_MAX) {
            c = calloc(1, sizeof *c);
        }
        if (!c) {
            refuse(fd);
            continue;
        }
        c->fd = fd;
        c->watch = (struct worker_watch){.fd = fd, .events = POLLIN, .ready = ready, .context = c};
        c->deadline_ns = seconds_from_now(REQUEST_S);
        text_init(&c->out, METRICS_TEXT_MAX + HEADERS_MAX);
        open_now[open_n++] = c;
        worker_watch_add(&c->watch);
        worker_task_at(&look_task, seconds_from_now(LOOK_S));
    }
}

/* Closes whom nobody waits for any more; tries a port that was taken. */
static void look(void *context)
{
    uint64_t now = ticks_monotonic_ns();
    for (size_t i = open_n; i-- > 0;) {
        if (open_now[i]->deadline_ns <= now) {
            close_connection(open_now[i]);
        }
    }
    bool missing = listen_fd < 0 && !open_listener();
    if (missing || open_n) {
        worker_task_at(&look_task, seconds_from_now(open_n ? LOOK_S : RETRY_S));
    }
}

int listener_start(char *problem)
{
    address_n = 0;
    if (!*setting.metric_listen) {
        return 0;
    }
    if (!parse(setting.metric_listen)) {
        address_n = 0;
        snprintf(problem, SETTING_PROBLEM_MAX,
                 "metric.listen: \"%.100s\" is no address like 127.0.0.1:9464 or [::1]:9464",
                 setting.metric_listen);
        return SONDE_ERROR_ARGUMENT;
    }
    worker_task_add(&look_task);
    if (!open_listener()) {
        worker_task_at(&look_task, seconds_from_now(RETRY_S));
    }
    return 0;
}

void listener_stop(void)
{
    while (open_n) {
        close_connection(open_now[open_n - 1]);
    }
    if (listen_fd >= 0) {
        worker_watch_remove(&listen_watch);
        close(listen_fd);
        listen_fd = -1;
    }
    if (address_n) {
        worker_task_remove(&look_task);
    }
    address_n = 0;
    atomic_store(&port, 0);
}

void listener_fork_child(void)
{
    listener_stop();
}
