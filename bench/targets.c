/* bench/targets.c - many scrape targets in one process that costs little, and a place to push to.
 *
 * usage: targets FIRST_PORT HOSTS PORTS SERIES SINK_PORT
 *
 * Listens on 127.0.1.1 .. for HOSTS addresses (127.0.(1 + i / 250).(1 + i % 250)) on each of PORTS
 * ports from FIRST_PORT: each address and port is a target of SERIES series. A body is prepared
 * once; each answer is a copy in which the counters and half of the gauges are written anew, of
 * fixed width. On SINK_PORT of 127.0.0.1 any POST is read and answered by 204. Prints "ready", then
 * at SIGTERM a line of JSON: answers, bytes.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 256, REQUEST_MAX = 16384, FAMILY_SERIES = 5, DIGITS = 10, LINE_MAX_BYTES = 256 };

struct patch {
    size_t at;     /* in the body: DIGITS digits */
    uint64_t base; /* at the start */
    uint64_t step; /* a second */
    bool gauge;    /* any value, not a growing one */
};

struct connection {
    int fd;
    bool listens, sink;
    uint32_t target;
    size_t n, left; /* bytes of the request so far; of a body still to be read */
    char *out;      /* of an answer that was not taken at once */
    size_t out_n, out_at;
    char request[REQUEST_MAX];
};

static char *body;
static size_t body_n, head_n;
static struct patch *patches;
static size_t patches_n;
static uint64_t answers, bytes;
static volatile sig_atomic_t stop;
static int poller;

static void on_stop(int signum)
{
    (void)signum;
    stop = 1;
}

static uint64_t seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec;
}

static void put_digits(char *to, uint64_t v)
{
    for (int i = DIGITS; i-- > 0; v /= 10)
        to[i] = (char)('0' + v % 10);
}

/* Families of FAMILY_SERIES: three of five are counters, one gauges that change, one constant. */
static void prepare(size_t series)
{
    static const char *const WORDS[] = {"network", "disk", "cpu", "memory", "queue", "request"};
    char *text = malloc(series * 3 * LINE_MAX_BYTES);
    size_t n = 0;
    patches = calloc(series, sizeof *patches);
    for (size_t i = 0; i < series; i++) {
        size_t family = i / FAMILY_SERIES, kind = family % 5;
        const char *word = WORDS[family % 6], *type = kind < 3 ? "counter" : "gauge";
        char name[100];
        snprintf(name, sizeof name, "node_%s_%zu_%s", word, family,
                 kind < 3 ? "bytes_total" : "ratio");
        if (i % FAMILY_SERIES == 0)
            n += (size_t)sprintf(text + n, "# HELP %s What the %s of family %zu does.\n# TYPE %s %s\n",
                                 name, word, family, name, type);
        n += (size_t)sprintf(text + n, "%s{device=\"%s%zu\",mode=\"read-%zu\"} ", name, word,
                             i % FAMILY_SERIES, i % 7);
        if (kind == 4) {
            n += (size_t)sprintf(text + n, "%zu\n", i);
            continue;
        }
        if (kind == 3)
            n += (size_t)sprintf(text + n, "0.");
        patches[patches_n++] =
            (struct patch){n, 1000000000 + i * 7919, 1 + i % 1000, kind == 3};
        n += DIGITS;
        text[n++] = '\n';
    }
    char head[200];
    head_n = (size_t)sprintf(head,
                             "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n"
                             "Content-Length: %zu\r\n\r\n",
                             n);
    body_n = head_n + n;
    body = malloc(body_n);
    memcpy(body, head, head_n);
    memcpy(body + head_n, text, n);
    free(text);
}

static void write_values(uint32_t target)
{
    uint64_t now = seconds();
    for (size_t i = 0; i < patches_n; i++) {
        const struct patch *p = &patches[i];
        uint64_t v = p->base + (now + target) * p->step;
        if (p->gauge)
            v = (v * 2654435761u) % 10000000000u;
        else
            v = 1000000000 + v % 8999999999u;
        put_digits(body + head_n + p->at, v);
    }
}

static void hang_up(struct connection *c)
{
    close(c->fd);
    free(c->out);
    free(c);
}

/* False where the other end is gone. */
static bool push(struct connection *c)
{
    while (c->out_at < c->out_n) {
        ssize_t n = send(c->fd, c->out + c->out_at, c->out_n - c->out_at, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            return true;
        if (n <= 0)
            return false;
        c->out_at += (size_t)n;
    }
    free(c->out);
    c->out = NULL;
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &e);
    return true;
}

static bool answer(struct connection *c)
{
    static const char TAKEN[] = "HTTP/1.1 204 No Content\r\n\r\n";
    const char *p = TAKEN;
    size_t n = sizeof TAKEN - 1;
    answers++;
    if (!c->sink) {
        write_values(c->target);
        p = body;
        n = body_n;
    }
    bytes += n;
    ssize_t sent = send(c->fd, p, n, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN)
        return false;
    size_t done = sent < 0 ? 0 : (size_t)sent;
    if (done == n)
        return true;
    c->out = malloc(n - done);
    memcpy(c->out, p + done, n - done);
    c->out_n = n - done;
    c->out_at = 0;
    struct epoll_event e = {.events = EPOLLOUT, .data.ptr = c};
    epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &e);
    return true;
}

/* Requests in what has come; false where the connection ends. */
static bool requests(struct connection *c)
{
    for (;;) {
        size_t skip = c->left < c->n ? c->left : c->n;
        memmove(c->request, c->request + skip, c->n - skip);
        c->n -= skip;
        c->left -= skip;
        if (c->left)
            return true;
        char *end = memmem(c->request, c->n, "\r\n\r\n", 4);
        if (!end)
            return c->n < REQUEST_MAX;
        *end = 0;
        size_t head = (size_t)(end + 4 - c->request);
        const char *length = strcasestr(c->request, "\r\ncontent-length:");
        c->left = length ? strtoul(length + 17, NULL, 10) : 0;
        memmove(c->request, c->request + head, c->n - head);
        c->n -= head;
        if (!answer(c))
            return false;
    }
}

static bool hear(struct connection *c)
{
    ssize_t n = recv(c->fd, c->request + c->n, REQUEST_MAX - c->n, 0);
    if (n < 0 && errno == EAGAIN)
        return true;
    if (n <= 0)
        return false;
    c->n += (size_t)n;
    return requests(c);
}

static void watch(int fd, bool listens, bool sink, uint32_t target)
{
    struct connection *c = calloc(1, sizeof *c);
    *c = (struct connection){.fd = fd, .listens = listens, .sink = sink, .target = target};
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e)) {
        perror("epoll");
        exit(1);
    }
}

static void open_port(uint32_t address, int port, bool sink, uint32_t target)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)port),
                            .sin_addr.s_addr = htonl(address)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&a, sizeof a) || listen(fd, 128)) {
        perror("listen");
        exit(1);
    }
    watch(fd, true, sink, target);
}

static void on_event(struct connection *c, uint32_t events)
{
    int on = 1;
    if (c->listens) {
        int fd = accept4(c->fd, NULL, NULL, SOCK_NONBLOCK);
        if (fd < 0)
            return;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        watch(fd, false, c->sink, c->target);
        return;
    }
    bool good = events & EPOLLOUT ? push(c) : hear(c);
    if (!good || events & (EPOLLERR | EPOLLHUP))
        hang_up(c);
}

int main(int argc, char **argv)
{
    if (argc != 6)
        return 2;
    int port = atoi(argv[1]), hosts = atoi(argv[2]), ports = atoi(argv[3]);
    prepare((size_t)atoi(argv[4]));
    signal(SIGTERM, on_stop);
    poller = epoll_create1(0);
    for (int h = 0; h < hosts; h++)
        for (int p = 0; p < ports; p++)
            open_port(0x7f000000u + (uint32_t)((1 + h / 250) << 8) + (uint32_t)(1 + h % 250),
                      port + p, false, (uint32_t)(h * ports + p));
    open_port(0x7f000001u, atoi(argv[5]), true, 0);
    puts("ready");
    fflush(stdout);
    while (!stop) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(poller, events, EVENTS, 1000);
        for (int i = 0; i < n; i++)
            on_event(events[i].data.ptr, events[i].events);
    }
    printf("{\"answers\":%llu,\"bytes\":%llu}\n", (unsigned long long)answers,
           (unsigned long long)bytes);
    return 0;
}
