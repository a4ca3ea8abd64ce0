/* CPU of the loop's thread for a request that is sent by net/fetch, to many servers at once that
 * keep their connections, each with one request in a round as in scraping. The servers are one
 * thread that sends prepared bytes. */
#include <arpa/inet.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/must.h"
#include "net/fetch.h"
#include "os/thread.h"

enum { BODY = 16 * 1024, EVENTS = 256, TARGETS_MAX = 4000, NAMES_PER_PORT = 250 };

static struct {
    int epoll;
    uint16_t ports[TARGETS_MAX / NAMES_PER_PORT + 1];
    struct buf answer;
    _Atomic bool ends;
    struct loop *loop;
    struct fetch_client *client;
    char (*urls)[64];
    size_t targets, left;
} bench;

static int listen_on(const char *host, uint16_t *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(*port)};
    socklen_t n = sizeof a;
    must(inet_pton(AF_INET, host, &a.sin_addr) == 1);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    must(bind(fd, (struct sockaddr *)&a, sizeof a) == 0);
    must(listen(fd, 128) == 0);
    must(getsockname(fd, (struct sockaddr *)&a, &n) == 0);
    *port = ntohs(a.sin_port);
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = (uint64_t)fd << 1};
    must(epoll_ctl(bench.epoll, EPOLL_CTL_ADD, fd, &e) == 0);
    return fd;
}

static void serve(void *unused)
{
    struct epoll_event events[EVENTS];
    char bytes[4096];
    while (!atomic_load(&bench.ends)) {
        int n = epoll_wait(bench.epoll, events, EVENTS, 50);
        for (int i = 0; i < n; i++) {
            int fd = (int)(events[i].data.u64 >> 1);
            if (events[i].data.u64 & 1) {
                if (read(fd, bytes, sizeof bytes) <= 0)
                    close(fd);
                else
                    must(send(fd, bench.answer.p, bench.answer.n, MSG_NOSIGNAL) ==
                         (ssize_t)bench.answer.n);
                continue;
            }
            fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
            struct epoll_event e = {.events = EPOLLIN, .data.u64 = (uint64_t)fd << 1 | 1};
            must(fd >= 0 && epoll_ctl(bench.epoll, EPOLL_CTL_ADD, fd, &e) == 0);
        }
    }
}

static void on_done(void *context, const struct fetch_answer *a)
{
    if (a->err)
        printf("%s\n", a->why);
    must(a->err == 0 && a->status == 200 && a->body.n > 0);
    if (--bench.left == 0)
        loop_stop(bench.loop);
}

static void round_of(void)
{
    static const char *const headers[] = {
        "Accept: application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.4",
        "X-Prometheus-Scrape-Timeout-Seconds: 10"};
    bench.left = bench.targets;
    for (size_t i = 0; i < bench.targets; i++)
        fetch_start(bench.client,
                    &(struct fetch_request){.url = bench.urls[i],
                                            .headers = headers,
                                            .headers_n = COUNTOF(headers),
                                            .gzip = true,
                                            .done = on_done},
                    NULL);
    loop_run(bench.loop);
}

static void measure(size_t targets, size_t body, size_t rounds)
{
    struct fetcher *fetcher;
    struct thread server = {0};
    int listeners[TARGETS_MAX];
    bench.targets = targets;
    bench.ends = false;
    bench.epoll = epoll_create1(EPOLL_CLOEXEC);
    bench.urls = mem_array(targets, sizeof *bench.urls);
    memset(bench.ports, 0, sizeof bench.ports);
    for (size_t i = 0; i < targets; i++) {
        char host[32];
        uint16_t *port = &bench.ports[i / NAMES_PER_PORT];
        snprintf(host, sizeof host, "127.0.1.%zu", i % NAMES_PER_PORT + 1);
        listeners[i] = listen_on(host, port);
        snprintf(bench.urls[i], sizeof bench.urls[i], "http://%s:%u/metrics", host, *port);
    }
    buf_init(&bench.answer, 1 << 20);
    buf_printf(&bench.answer,
               "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n"
               "Content-Length: %zu\r\n\r\n",
               body);
    for (size_t i = 0; i < body; i++)
        buf_put_c(&bench.answer, 'x');
    must(loop_new(&bench.loop) == 0);
    must(fetcher_new(bench.loop, NULL, &fetcher) == 0);
    must(fetch_client_new(fetcher, NULL, &bench.client, NULL) == 0);
    thread_start(&server, "server", serve, NULL);
    round_of(); /* connects */
    int64_t cpu = thread_cpu_ns(), wall = clock_monotonic_ns(&clock_real);
    for (size_t i = 0; i < rounds; i++)
        round_of();
    cpu = thread_cpu_ns() - cpu;
    wall = clock_monotonic_ns(&clock_real) - wall;
    double requests = (double)(rounds * targets);
    printf("%4zu targets, %5zu bytes: %.1f us of CPU a request (%.1f us by the clock)\n", targets,
           body, (double)cpu / 1e3 / requests, (double)wall / 1e3 / requests);
    fetch_client_free(bench.client);
    fetcher_free(fetcher);
    loop_free(bench.loop);
    bench.ends = true;
    thread_join(&server);
    for (size_t i = 0; i < targets; i++)
        close(listeners[i]);
    close(bench.epoll);
    buf_done(&bench.answer);
    mem_free(bench.urls);
}

int main(int argc, char **argv)
{
    size_t rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 10;
    struct rlimit files;
    must(getrlimit(RLIMIT_NOFILE, &files) == 0);
    files.rlim_cur = files.rlim_max;
    must(setrlimit(RLIMIT_NOFILE, &files) == 0);
    measure(100, 100, rounds * 10);
    measure(500, 100, rounds * 2);
    measure(500, BODY, rounds * 2);
    if (files.rlim_cur > 3 * TARGETS_MAX)
        measure(TARGETS_MAX, 100, rounds);
    return 0;
}
