#include "client/metric/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "sonde/metric.h"

enum { WAIT_MS = 5000 };

static int start_with(const char *listen)
{
    static char spool[] = "/tmp/sonde-listener-test-XXXXXX";
    static bool made;
    if (!made) {
        made = mkdtemp(spool) != NULL;
        setenv("SONDE_SOCKET", "", 1);
        setenv("SONDE_SPOOL_DIR", spool, 1);
    }
    const char *settings[] = {listen, "metric.connections=4", NULL};
    sonde_options o = SONDE_OPTIONS_INIT;
    o.service = "shop";
    o.settings = settings;
    return sonde_init(&o);
}

static int start(void **state)
{
    int err = start_with("metric.listen=127.0.0.1:0");
    if (err == 0) {
        sonde_counter_add(sonde_counter_get("served_total", "Served.", NULL), 3);
    }
    return err;
}

static int end(void **state)
{
    sonde_shutdown(1000);
    return 0;
}

static int connect_to(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons(listener_port()),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval wait = {.tv_sec = WAIT_MS / 1000};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Reads until there is a whole answer; its length, or 0 where the connection ended before. */
static size_t answer(int fd, char *ret, size_t cap, bool head)
{
    size_t n = 0;
    for (;;) {
        ret[n] = 0;
        char *body = strstr(ret, "\r\n\r\n"), *length = strstr(ret, "Content-Length: ");
        if (body && length) {
            size_t all = (size_t)(body + 4 - ret) + (head ? 0 : strtoul(length + 16, NULL, 10));
            if (n >= all) {
                assert_int_equal(n, all);
                return n;
            }
        }
        ssize_t got = recv(fd, ret + n, cap - 1 - n, 0);
        if (got <= 0) {
            return 0;
        }
        n += (size_t)got;
    }
}

static bool ended(int fd)
{
    char c;
    ssize_t n = recv(fd, &c, 1, 0);
    return n == 0 || (n < 0 && errno == ECONNRESET);
}

static char room[1 << 20];

static void metrics_are_served_over_a_kept_connection(void **state)
{
    int fd = connect_to();
    for (int i = 0; i < 3; i++) {
        say(fd, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_true(answer(fd, room, sizeof room, false) > 0);
        assert_memory_equal(room, "HTTP/1.1 200 OK\r\n", 17);
        assert_non_null(strstr(room, "Content-Type: text/plain; version=0.0.4"));
        assert_non_null(strstr(room, "\nserved_total 3\n"));
    }
    say(fd, "GET /metrics HTTP/1.1\r\nHost: a\r\nAccept: application/openmetrics-text\r\n\r\n");
    assert_true(answer(fd, room, sizeof room, false) > 0);
    assert_non_null(strstr(room, "application/openmetrics-text; version=1.0.0"));
    assert_non_null(strstr(room, "# EOF\n"));
    say(fd, "HEAD /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_true(answer(fd, room, sizeof room, true) > 0);
    assert_true(ended(fd));
    close(fd);
}

static void other_paths_and_methods_are_told_so(void **state)
{
    int fd = connect_to();
    say(fd, "GET /other HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(answer(fd, room, sizeof room, false) > 0);
    assert_memory_equal(room, "HTTP/1.1 404 ", 13);
    say(fd, "DELETE /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(answer(fd, room, sizeof room, false) > 0);
    assert_memory_equal(room, "HTTP/1.1 405 ", 13);
    assert_non_null(strstr(room, "Allow: GET, HEAD\r\n"));
    say(fd, "nonsense\r\n\r\n");
    assert_true(answer(fd, room, sizeof room, false) > 0);
    assert_memory_equal(room, "HTTP/1.1 400 ", 13);
    assert_true(ended(fd));
    close(fd);
}

static void requests_in_one_packet_are_answered_in_turn(void **state)
{
    int fd = connect_to();
    say(fd, "GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n"
            "GET /c HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    size_t n = 0, found = 0;
    for (ssize_t got; (got = recv(fd, room + n, sizeof room - 1 - n, 0)) > 0;) {
        n += (size_t)got;
    }
    room[n] = 0;
    for (const char *at = room; (at = strstr(at, "HTTP/1.1 404")) != NULL; at++) {
        found++;
    }
    assert_int_equal(found, 3);
    close(fd);
}

static void a_request_may_come_byte_by_byte(void **state)
{
    int fd = connect_to();
    for (const char *t = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"; *t; t++) {
        char one[2] = {*t, 0};
        say(fd, one);
        usleep(500);
    }
    assert_true(answer(fd, room, sizeof room, false) > 0);
    assert_memory_equal(room, "HTTP/1.1 200 OK\r\n", 17);
    close(fd);
}

static void connections_beyond_the_limit_are_refused(void **state)
{
    int fds[5];
    for (int i = 0; i < 4; i++) {
        fds[i] = connect_to();
        say(fds[i], "GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_true(answer(fds[i], room, sizeof room, false) > 0);
    }
    fds[4] = connect_to();
    ssize_t n = recv(fds[4], room, sizeof room, 0);
    assert_true(n > 13 && memcmp(room, "HTTP/1.1 503 ", 13) == 0);
    for (int i = 0; i < 5; i++) {
        close(fds[i]);
    }
    for (int tries = 0;; tries++) { /* there is room again */
        int fd = connect_to();
        say(fd, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
        bool served =
            answer(fd, room, sizeof room, false) > 0 && memcmp(room, "HTTP/1.1 404 ", 13) == 0;
        close(fd);
        if (served) {
            break;
        }
        assert_true(tries < 100);
        usleep(20000);
    }
}

static double since(const struct timespec *from)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - from->tv_sec) + (double)(now.tv_nsec - from->tv_nsec) / 1e9;
}

static void who_does_not_read_keeps_nobody_waiting(void **state)
{
    const char *names[] = {"i", NULL};
    sonde_family *f = sonde_gauge_family("wide", "Many.", names);
    for (int i = 0; i < 900; i++) { /* more than what socket buffers take at once, asked often */
        char value[600];
        memset(value, 'x', sizeof value);
        snprintf(value, sizeof value, "%d", i);
        value[strlen(value)] = '-';
        value[sizeof value - 1] = 0;
        const char *values[] = {value};
        sonde_gauge_set(sonde_gauge_with(f, values), i);
    }
    int slow = connect_to(), small = 4096;
    setsockopt(slow, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    for (int i = 0; i < 20; i++) {
        say(slow, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    struct timespec from;
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (int i = 0; i < 5; i++) {
        int fd = connect_to();
        say(fd, "GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert_true(answer(fd, room, sizeof room, false) > 0);
        assert_true(ended(fd));
        close(fd);
    }
    assert_true(since(&from) < 4);
    clock_gettime(CLOCK_MONOTONIC, &from);
    sonde_shutdown(1000); /* and does not hold up the end */
    assert_true(since(&from) < 2);
    close(slow);
}

static void an_address_that_is_none_fails_the_start(void **state)
{
    static const char *const bad[] = {
        "metric.listen=9464",         "metric.listen=localhost:9464", "metric.listen=1.2.3:1",
        "metric.listen=127.0.0.1:",   "metric.listen=127.0.0.1:x",    "metric.listen=[::1]:99999",
        "metric.listen=127.0.0.1:-1", "metric.listen=[127.0.0.1]:1",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(start_with(bad[i]), SONDE_ERROR_ARGUMENT);
        assert_non_null(strstr(sonde_last_problem(), "metric.listen"));
        assert_int_equal(listener_port(), 0);
        assert_false(sonde_running());
    }
}

static void a_port_that_is_taken_does_not_keep_the_library_from_starting(void **state)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    char setting[64];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    snprintf(setting, sizeof setting, "metric.listen=127.0.0.1:%d", ntohs(a.sin_port));
    assert_int_equal(start_with(setting), 0);
    assert_int_equal(listener_port(), 0);
    sonde_shutdown(1000);
    close(fd);
}

#define CASE(t) cmocka_unit_test_setup_teardown(t, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(metrics_are_served_over_a_kept_connection),
        CASE(other_paths_and_methods_are_told_so),
        CASE(requests_in_one_packet_are_answered_in_turn),
        CASE(a_request_may_come_byte_by_byte),
        CASE(connections_beyond_the_limit_are_refused),
        CASE(who_does_not_read_keeps_nobody_waiting),
        cmocka_unit_test(an_address_that_is_none_fails_the_start),
        cmocka_unit_test(a_port_that_is_taken_does_not_keep_the_library_from_starting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
