#include "watch/rotation.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "os/thread.h"
#include "watch/haproxy.h"

enum { SERVERS = 2, SLOW_US = 300000, PATIENCE_S = 10, REQUEST_MAX = 4096 };

/* ---- servers that answer with their number, over connections that are kept open */

struct server {
    int fd, number;
    pthread_t thread;
};

struct talk {
    int fd, number;
};

static void *answer(void *context)
{
    struct talk t = *(struct talk *)context;
    free(context);
    char request[REQUEST_MAX], reply[200];
    ssize_t n;
    while ((n = recv(t.fd, request, sizeof request - 1, 0)) > 0) {
        request[n] = '\0';
        if (strstr(request, "/slow") != NULL)
            usleep(SLOW_US);
        int size = snprintf(reply, sizeof reply, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d",
                            t.number);
        if (send(t.fd, reply, (size_t)size, MSG_NOSIGNAL) < 0)
            break;
        if (strstr(request, "/end") != NULL) {
            usleep(SLOW_US);
            break;
        }
    }
    close(t.fd);
    return NULL;
}

static void *serve(void *context)
{
    const struct server *s = context;
    int fd;
    while ((fd = accept(s->fd, NULL, NULL)) >= 0) {
        struct talk *t = malloc(sizeof *t);
        pthread_t thread;
        *t = (struct talk){fd, s->number};
        if (pthread_create(&thread, NULL, answer, t) != 0)
            abort();
        pthread_detach(thread);
    }
    return NULL;
}

static int listen_at(uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(fd, 64) == 0)
        return fd;
    close(fd);
    return -1;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_in a;
    socklen_t n = sizeof a;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    return ntohs(a.sin_port);
}

/* ---- the rotation on a loop of its own */

struct bed {
    struct server servers[SERVERS];
    struct loop *loop;
    struct rotation *rotation;
    pthread_t thread;
    uint16_t port, front;
    atomic_int drained;
    atomic_bool posted;
    void (*f)(struct bed *b);
    size_t instance;
};

static void *run(void *context)
{
    loop_run(((struct bed *)context)->loop);
    return NULL;
}

static void on_post(void *context)
{
    struct bed *b = context;
    b->f(b);
    b->posted = true;
}

/* Calls f on the loop and waits for it. */
static void on_loop(struct bed *b, void (*f)(struct bed *b), size_t instance)
{
    b->f = f;
    b->instance = instance;
    b->posted = false;
    loop_post(b->loop, on_post, b);
    while (!b->posted)
        usleep(1000);
}

static void do_in(struct bed *b)
{
    rotation_in(b->rotation, "web", b->instance);
}

static void do_out(struct bed *b)
{
    rotation_out(b->rotation, "web", b->instance);
}

static void on_drained(void *context)
{
    ((struct bed *)context)->drained++;
}

static void do_drain(struct bed *b)
{
    rotation_drain(b->rotation, "web", b->instance, on_drained, b);
}

static void do_plan(struct bed *b)
{
    char listen[40];
    struct watch_program p;
    struct watch_plan plan;
    watch_plan_init(&plan);
    watch_plan_program_init(&p);
    snprintf(listen, sizeof listen, "127.0.0.1:%u", b->front);
    p.name = "web";
    p.instances = SERVERS;
    p.port = b->port;
    p.proxy_listen = listen;
    p.drain_ms = 5000;
    plan.programs = &p;
    plan.n = 1;
    rotation_plan(b->rotation, &plan);
}

static void open_servers(struct bed *b)
{
    for (int tries = 0; tries < 100; tries++) {
        b->servers[0].fd = listen_at(0);
        b->port = port_of(b->servers[0].fd);
        b->servers[1].fd = b->port < UINT16_MAX ? listen_at((uint16_t)(b->port + 1)) : -1;
        if (b->servers[1].fd >= 0)
            break;
        close(b->servers[0].fd);
    }
    assert_true(b->servers[1].fd >= 0);
    for (int i = 0; i < SERVERS; i++) {
        b->servers[i].number = i;
        assert_int_equal(pthread_create(&b->servers[i].thread, NULL, serve, &b->servers[i]), 0);
    }
}

static int set_up(void **state)
{
    struct bed *b = calloc(1, sizeof *b);
    open_servers(b);
    int fd = listen_at(0);
    b->front = port_of(fd);
    close(fd);
    assert_int_equal(loop_new(&b->loop), 0);
    assert_int_equal(rotation_new(b->loop, NULL, NULL, &b->rotation), 0);
    assert_int_equal(pthread_create(&b->thread, NULL, run, b), 0);
    on_loop(b, do_plan, 0);
    *state = b;
    return 0;
}

static void close_server(struct server *s)
{
    if (s->fd < 0)
        return;
    shutdown(s->fd, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->fd);
    s->fd = -1;
}

static int tear_down(void **state)
{
    struct bed *b = *state;
    loop_stop(b->loop);
    pthread_join(b->thread, NULL);
    rotation_free(b->rotation);
    loop_free(b->loop);
    for (int i = 0; i < SERVERS; i++)
        close_server(&b->servers[i]);
    free(b);
    return 0;
}

/* ---- clients */

static int dial_front(const struct bed *b)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(b->front)};
    struct timeval patience = {.tv_sec = PATIENCE_S};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

static void say(int fd, const char *path)
{
    char text[200];
    int n = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
    assert_int_equal(send(fd, text, (size_t)n, MSG_NOSIGNAL), n);
}

/* The number of the server that answered. */
static int hear(int fd)
{
    char text[400];
    size_t n = 0;
    for (;;) {
        ssize_t got = recv(fd, text + n, sizeof text - 1 - n, 0);
        assert_true(got > 0);
        n += (size_t)got;
        text[n] = '\0';
        const char *body = strstr(text, "\r\n\r\n");
        if (body != NULL && body[4] != '\0')
            return body[4] - '0';
    }
}

static int request(const struct bed *b)
{
    int fd = dial_front(b);
    say(fd, "/");
    int number = hear(fd);
    close(fd);
    return number;
}

static void wait_drained(struct bed *b)
{
    for (int i = 0; i < PATIENCE_S * 100 && b->drained == 0; i++)
        usleep(10000);
    assert_int_equal(b->drained, 1);
}

/* ---- cases */

static void connections_go_to_those_that_are_fit(void **state)
{
    struct bed *b = *state;
    int seen[SERVERS] = {0};
    on_loop(b, do_in, 0);
    on_loop(b, do_in, 1);
    for (int i = 0; i < 8; i++)
        seen[request(b)]++;
    assert_true(seen[0] > 0 && seen[1] > 0);
    on_loop(b, do_out, 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(request(b), 1);
}

static void a_connection_that_is_kept_open_moves_at_its_next_request(void **state)
{
    struct bed *b = *state;
    on_loop(b, do_in, 0);
    int fd = dial_front(b);
    say(fd, "/");
    assert_int_equal(hear(fd), 0);
    on_loop(b, do_in, 1);
    on_loop(b, do_drain, 0);
    wait_drained(b);
    say(fd, "/");
    assert_int_equal(hear(fd), 1);
    say(fd, "/");
    assert_int_equal(hear(fd), 1);
    close(fd);
}

static void a_drain_waits_for_the_answer_that_is_due(void **state)
{
    struct bed *b = *state;
    on_loop(b, do_in, 0);
    int fd = dial_front(b);
    say(fd, "/slow");
    usleep(SLOW_US / 3);
    on_loop(b, do_in, 1);
    on_loop(b, do_drain, 0);
    assert_int_equal(b->drained, 0);
    assert_int_equal(hear(fd), 0);
    wait_drained(b);
    close(fd);
}

static void a_connection_waits_where_none_is_fit(void **state)
{
    struct bed *b = *state;
    int fd = dial_front(b);
    say(fd, "/");
    usleep(100000);
    on_loop(b, do_in, 1);
    assert_int_equal(hear(fd), 1);
    close(fd);
}

static void one_that_does_not_listen_is_passed_over(void **state)
{
    struct bed *b = *state;
    close_server(&b->servers[0]);
    on_loop(b, do_in, 0);
    on_loop(b, do_in, 1);
    for (int i = 0; i < 6; i++)
        assert_int_equal(request(b), 1);
}

static void a_connection_moves_when_its_server_ends_it_while_it_is_drained(void **state)
{
    struct bed *b = *state;
    on_loop(b, do_in, 0);
    int fd = dial_front(b);
    say(fd, "/end");
    assert_int_equal(hear(fd), 0);
    on_loop(b, do_in, 1);
    on_loop(b, do_drain, 0);
    usleep(SLOW_US + 200000);
    say(fd, "/");
    assert_int_equal(hear(fd), 1);
    close(fd);
}

static void the_sessions_of_a_server_are_read_from_haproxys_table(void **state)
{
    (void)state;
    struct str csv = STR("# pxname,svname,qcur,qmax,scur,smax\n"
                         "front,FRONTEND,,,9,9\nback,web0,0,0,3,5\nback,web1,0,0,0,5\n");
    assert_int_equal(haproxy_read_sessions(csv, "back", "web0"), 3);
    assert_int_equal(haproxy_read_sessions(csv, "back", "web1"), 0);
    assert_int_equal(haproxy_read_sessions(csv, "back", "web2"), -1);
    assert_int_equal(haproxy_read_sessions(STR("No such proxy.\n"), "back", "web0"), -1);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(connections_go_to_those_that_are_fit),
        CASE(a_connection_that_is_kept_open_moves_at_its_next_request),
        CASE(a_drain_waits_for_the_answer_that_is_due),
        CASE(a_connection_waits_where_none_is_fit),
        CASE(one_that_does_not_listen_is_passed_over),
        CASE(a_connection_moves_when_its_server_ends_it_while_it_is_drained),
        cmocka_unit_test(the_sessions_of_a_server_are_read_from_haproxys_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
