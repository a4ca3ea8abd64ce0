#include "os/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/must.h"
#include "os/dial.h"

enum {
    SCRATCH = 64 * 1024, /* bytes read at once */
    TURNS_MAX = 16,      /* reads of one event, so that one connection does not hold up others */
    BACKLOG = 1024,
};

struct side {
    int fd; /* -1: none */
    struct watch *watch;
    char *pending; /* [n], sent up to at; what is to go to this side */
    size_t n, at;
    bool ended; /* it sends no more */
    bool shut;  /* it has been told that nothing more comes */
};

struct relay {
    struct loop *loop;
    const struct relay_owner *owner;
    void *context;
    struct side client, server;
    struct timer *timer; /* the first dial, the time-out of one */
    bool connecting, moving, http, waiting, over;
    int64_t last_ms; /* when a byte went by */
};

/* ---- sockets */

int relay_listen(struct str address, int *ret_fd, struct why *why)
{
    size_t colon = address.n;
    while (colon > 0 && address.p[colon - 1] != ':')
        colon--;
    uint64_t port;
    struct dial_addresses a;
    struct str host = str_sub(address, 0, colon > 0 ? colon - 1 : 0);
    if (str_eq(host, STR("localhost")))
        host = STR("127.0.0.1");
    bool any = str_eq(host, STR("*"));
    if (colon == 0 || !str_u64(str_sub(address, colon, address.n), &port) || port > UINT16_MAX ||
        !dial_literal(any ? STR("::") : host, (uint16_t)port, &a))
        return why_set(why, ERR_FORMAT, "\"" STR_FMT "\" is no address; write 127.0.0.1:8080",
                       STR_ARG(address));
    int one = 1, six_only = !any, family = a.v[0].any.sa_family;
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool fine = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0;
    if (fine && family == AF_INET6)
        fine = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &six_only, sizeof six_only) == 0;
    fine = fine &&
           bind(fd, &a.v[0].any, family == AF_INET6 ? sizeof a.v[0].six : sizeof a.v[0].four) == 0;
    if (fine && listen(fd, BACKLOG) == 0) {
        *ret_fd = fd;
        return 0;
    }
    int errnum = errno;
    relay_close(fd);
    enum err code = errnum == EADDRINUSE ? ERR_BUSY : (enum err)err_of_errno(errnum);
    return why_set(why, code, "cannot listen on " STR_FMT ": %s", STR_ARG(address),
                   strerrordesc_np(errnum));
}

void relay_keep(int fd, bool survive)
{
    must(fcntl(fd, F_SETFD, survive ? 0 : FD_CLOEXEC) == 0);
}

int relay_accept(int fd)
{
    int client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    int one = 1;
    if (client >= 0)
        (void)setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* speed alone */
    return client;
}

void relay_close(int fd)
{
    if (fd >= 0)
        close(fd);
}

/* ---- one side */

static void side_forget(struct side *s)
{
    mem_free(s->pending);
    s->pending = NULL;
    s->n = s->at = 0;
}

static void side_close(struct side *s)
{
    watch_free(s->watch);
    relay_close(s->fd);
    s->watch = NULL;
    s->fd = -1;
    s->ended = s->shut = false;
}

/* Keeps what could not be sent. */
static void side_put(struct side *s, struct str bytes)
{
    must(s->pending == NULL);
    if (bytes.n == 0)
        return;
    s->pending = mem_copy(bytes.p, bytes.n);
    s->n = bytes.n;
    s->at = 0;
}

/* Sends what waits; -ERR_CLOSED. */
static int side_flush(struct side *s)
{
    while (s->at < s->n) {
        int64_t sent = dial_send(s->fd, str_of(s->pending + s->at, s->n - s->at));
        if (sent <= 0)
            return (int)sent;
        s->at += (size_t)sent;
    }
    side_forget(s);
    return 0;
}

/* ---- the relay */

static void finish(struct relay *r)
{
    if (r->over)
        return;
    r->over = true;
    side_close(&r->client);
    side_close(&r->server);
    timer_again(r->timer, 0, 0); /* tells the owner, who may free it then */
}

static void on_client(void *context, unsigned events);
static void on_server(void *context, unsigned events);

/* Asks the kernel for what can be done next. */
static void set_events(struct relay *r)
{
    struct side *c = &r->client, *s = &r->server;
    if (r->over)
        return;
    bool homeless = s->fd < 0;
    bool wants = !c->ended && !r->connecting && s->pending == NULL;
    watch_set(c->watch, (wants ? (unsigned)WATCH_READ : 0) | (c->pending ? WATCH_WRITE : 0));
    if (homeless)
        return;
    if (r->connecting)
        watch_set(s->watch, WATCH_WRITE);
    else
        watch_set(s->watch, (!s->ended && c->pending == NULL ? (unsigned)WATCH_READ : 0) |
                                (s->pending ? WATCH_WRITE : 0));
}

static void dial(struct relay *r)
{
    for (;;) {
        int fd = r->owner->dial(r->context);
        if (fd == RELAY_LATER) {
            set_events(r);
            return;
        }
        if (fd < 0) {
            finish(r);
            return;
        }
        r->server.fd = fd;
        if (watch_new(r->loop, fd, on_server, r, &r->server.watch) == 0)
            break;
        relay_close(fd);
        r->server.fd = -1;
        r->owner->failed(r->context);
    }
    r->connecting = true;
    r->moving = false;
    timer_again(r->timer, RELAY_CONNECT_MS, 0);
    set_events(r);
}

void relay_dial(struct relay *r)
{
    if (!r->over && r->server.fd < 0)
        dial(r);
}

/* The dial did not work out: the next one. */
static void dial_failed(struct relay *r)
{
    side_close(&r->server);
    r->connecting = false;
    r->owner->failed(r->context);
    dial(r);
}

/* At the first dial, where one takes too long, and at the end. */
static void on_time(void *context)
{
    struct relay *r = context;
    if (r->over)
        r->owner->done(r->context);
    else if (r->server.fd < 0)
        dial(r);
    else if (r->connecting)
        dial_failed(r);
}

/* "GET /x HTTP/1.1\r\n": the beginning of a request? */
static bool is_request(struct str bytes)
{
    static const char *const METHODS[] = {"GET ",   "POST ",  "PUT ",     "HEAD ",   "DELETE ",
                                          "PATCH ", "TRACE ", "OPTIONS ", "CONNECT "};
    struct str line = str_sub(bytes, 0, str_find(bytes, '\n'));
    bool known = false;
    for (size_t i = 0; i < COUNTOF(METHODS) && !known; i++)
        known = str_starts(line, str_c(METHODS[i]));
    /* A line that is longer than what has come is believed by its method. */
    return known && (line.n == bytes.n || str_search(line, STR(" HTTP/1.")) < line.n);
}

/* A client's bytes that are to go to another server: true where they were taken. */
static bool moved(struct relay *r, struct str bytes)
{
    bool leave = r->moving && !r->waiting && is_request(bytes);
    if (r->server.fd >= 0 && !leave)
        return false;
    side_close(&r->server);
    side_forget(&r->server);
    side_put(&r->server, bytes);
    r->waiting = true;
    dial(r);
    return true;
}

static bool quiet(const struct relay *r)
{
    return loop_now_ms(r->loop) - r->last_ms >= RELAY_QUIET_MS;
}

/* from sends no more: says so to the other side, or lets a client wait for its next server. */
static int end_of(struct relay *r, struct side *from, struct side *to)
{
    bool server = from == &r->server;
    if (server && r->moving && r->http && !r->waiting && quiet(r) && to->pending == NULL) {
        side_close(from);
        return 0;
    }
    from->ended = true;
    if (to->fd < 0)
        return -ERR_CLOSED;
    return 0;
}

/* Bytes from one side to the other, until there are none or the other one takes no more. */
static int pump(struct relay *r, struct side *from, struct side *to)
{
    static _Thread_local char scratch[SCRATCH];
    for (int turn = 0; turn < TURNS_MAX && !from->ended && to->pending == NULL; turn++) {
        int64_t n = dial_receive(from->fd, scratch, sizeof scratch);
        if (n == -ERR_BUSY)
            return 0;
        if (n == -ERR_END)
            return end_of(r, from, to);
        if (n < 0)
            return -ERR_CLOSED;
        struct str bytes = str_of(scratch, (size_t)n);
        if (from == &r->client) {
            if (!r->http && is_request(bytes))
                r->http = true;
            if (moved(r, bytes))
                return r->over ? -ERR_CLOSED : 0;
        }
        r->waiting = from == &r->client;
        r->last_ms = loop_now_ms(r->loop);
        int64_t sent = dial_send(to->fd, bytes);
        if (sent < 0)
            return -ERR_CLOSED;
        side_put(to, str_sub(bytes, (size_t)sent, bytes.n));
    }
    return 0;
}

/* Passes an end on once everything before it has gone. */
static void pass_end(struct side *from, struct side *to)
{
    if (!from->ended || to->shut || to->pending != NULL || to->fd < 0)
        return;
    to->shut = true;
    (void)shutdown(to->fd, SHUT_WR); /* where it fails, the next read says so */
}

static void turn(struct relay *r, unsigned events, struct side *here, struct side *other)
{
    int err = 0;
    if ((events & WATCH_WRITE) && here->pending != NULL)
        err = side_flush(here);
    if (err == 0 && (events & WATCH_READ))
        err = pump(r, here, other);
    if (r->over)
        return;
    if (err == 0 && !r->connecting) {
        pass_end(&r->client, &r->server);
        pass_end(&r->server, &r->client);
    }
    bool both = r->client.shut && (r->server.shut || r->server.fd < 0);
    if (err != 0 || both || (r->client.ended && r->server.fd < 0))
        finish(r);
    else
        set_events(r);
}

static void on_client(void *context, unsigned events)
{
    struct relay *r = context;
    turn(r, events, &r->client, &r->server);
}

static void on_server(void *context, unsigned events)
{
    struct relay *r = context;
    if (r->connecting) {
        if (dial_finish(r->server.fd, NULL) != 0) {
            dial_failed(r);
            return;
        }
        r->connecting = false;
        r->last_ms = loop_now_ms(r->loop);
        timer_stop(r->timer);
        events = WATCH_WRITE;
    }
    turn(r, events, &r->server, &r->client);
}

struct relay *relay_new(struct loop *l, int client, const struct relay_owner *owner, void *context)
{
    struct relay *r = mem_new(sizeof *r);
    r->loop = l;
    r->owner = owner;
    r->context = context;
    r->client.fd = client;
    r->server.fd = -1;
    r->last_ms = loop_now_ms(l);
    must(watch_new(l, client, on_client, r, &r->client.watch) == 0); /* a socket can be watched */
    r->timer = timer_new(l, 0, 0, on_time, r);
    return r;
}

void relay_move(struct relay *r)
{
    r->moving = true;
}

bool relay_busy(const struct relay *r)
{
    if (r->over)
        return false;
    if (r->server.fd < 0)
        return !r->http || r->server.pending != NULL;
    return !r->http || r->waiting || r->connecting || r->client.pending != NULL || !quiet(r);
}

void relay_free(struct relay *r)
{
    if (r == NULL)
        return;
    r->over = true;
    side_close(&r->client);
    side_close(&r->server);
    side_forget(&r->client);
    side_forget(&r->server);
    timer_free(r->timer);
    mem_free(r);
}
