/* CPU of the server's thread for a request, through loopback: posts of 100 KB and small GETs, each
 * from a client thread that keeps a few connections busy. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/must.h"
#include "net/address.h"
#include "net/http.h"
#include "os/thread.h"

enum { CLIENTS = 8, POST_BYTES = 100 * 1024 };

static struct {
    struct loop *loop;
    struct address address;
    struct str request;
    size_t rounds;
    _Atomic int64_t cpu_ns;
} bench;

static void on_post(struct http_request *r, void *context)
{
    must(http_body(r).n == POST_BYTES);
    http_reply(r, 204, STR(""), STR(""));
}

static void on_get(struct http_request *r, void *context)
{
    http_reply(r, 200, STR("application/json"), STR("{\"status\":\"success\",\"data\":[]}"));
}

static void run(void *context)
{
    int64_t from = thread_cpu_ns();
    loop_run(bench.loop);
    bench.cpu_ns = thread_cpu_ns() - from;
}

static void talk(void *context)
{
    int fds[CLIENTS];
    char answer[1024];
    for (int i = 0; i < CLIENTS; i++)
        must(address_connect(&bench.address, &fds[i], NULL) == 0);
    for (size_t round = 0; round < bench.rounds; round++) {
        int fd = fds[round % CLIENTS];
        must(send(fd, bench.request.p, bench.request.n, MSG_NOSIGNAL) == (ssize_t)bench.request.n);
        must(read(fd, answer, sizeof answer) > 12 && answer[9] == '2');
    }
    for (int i = 0; i < CLIENTS; i++)
        close(fds[i]);
    loop_stop(bench.loop);
}

static void measure(const char *name, struct str request, size_t rounds)
{
    static const struct http_route routes[] = {
        {HTTP_POST, "/api/v1/write", 1024 * 1024, on_post, NULL},
        {HTTP_GET, "/api/v1/query", 0, on_get, NULL}};
    static const struct http_config config = {.routes = routes, .routes_n = COUNTOF(routes)};
    struct http_server *server;
    struct thread server_thread = {0}, client_thread = {0};
    int fd;
    must(address_parse(STR("127.0.0.1:0"), &bench.address, NULL) == 0);
    must(address_listen(&bench.address, 1, &fd, NULL) == 0);
    must(loop_new(&bench.loop) == 0);
    must(http_server_new(bench.loop, &config, &server) == 0);
    must(http_server_listen(server, fd) == 0);
    bench.request = request;
    bench.rounds = rounds;
    int64_t from = clock_monotonic_ns(&clock_real);
    thread_start(&server_thread, "server", run, NULL);
    thread_start(&client_thread, "client", talk, NULL);
    thread_join(&client_thread);
    thread_join(&server_thread);
    int64_t wall = clock_monotonic_ns(&clock_real) - from;
    http_server_free(server);
    loop_free(bench.loop);
    printf("%-12s %7.2f us CPU of the server a request, %8.0f a second\n", name,
           (double)bench.cpu_ns / 1e3 / (double)rounds, (double)rounds * 1e9 / (double)wall);
}

int main(void)
{
    struct buf post;
    buf_init(&post, 2 * POST_BYTES);
    buf_printf(&post,
               "POST /api/v1/write HTTP/1.1\r\nHost: localhost:7663\r\n"
               "User-Agent: Prometheus/3.14.0\r\nContent-Length: %d\r\n"
               "Content-Encoding: snappy\r\nContent-Type: application/x-protobuf\r\n"
               "X-Prometheus-Remote-Write-Version: 0.1.0\r\n\r\n",
               POST_BYTES);
    for (size_t end = post.n + POST_BYTES; post.n < end;)
        buf_put_c(&post, (char)post.n);
    struct str get = STR("GET /api/v1/query?query=up&time=1760000000.123 HTTP/1.1\r\n"
                         "Host: localhost:7663\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n");
    for (int i = 0; i < 3; i++) {
        measure("POST 100 KB", buf_str(&post), 5000);
        measure("GET", get, 30000);
    }
    buf_done(&post);
    return 0;
}
