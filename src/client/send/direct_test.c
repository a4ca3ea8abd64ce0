#include "client/send/stand_in.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>

#include "client/core/lost.h"
#include "client/core/ticks.h"
#include "client/send/queue.h"

enum { REQUESTS_MAX = 64, BODY_MAX = 8192 };

/* A server of HTTP that answers by a script, each connection once. */
static struct {
    int fd;
    unsigned port;
    pthread_t thread;
    const char *const *answers; /* of the first, second, ..; the last again and again */
    pthread_mutex_t lock;
    char requests[REQUESTS_MAX][BODY_MAX];
    uint64_t at_ns[REQUESTS_MAX];
    size_t n;
} server = {.fd = -1, .lock = PTHREAD_MUTEX_INITIALIZER};

static struct stand_in in;

static size_t content_length(const char *request)
{
    const char *at = strcasestr(request, "\r\ncontent-length:");
    return at ? (size_t)strtoul(at + 17, NULL, 10) : 0;
}

/* Reads one request; false: the connection ended. */
static bool read_request(int fd, char *ret)
{
    size_t n = 0;
    for (;;) {
        ret[n] = 0;
        const char *end = strstr(ret, "\r\n\r\n");
        if (end && n >= (size_t)(end - ret) + 4 + content_length(ret)) {
            return true;
        }
        ssize_t got = recv(fd, ret + n, BODY_MAX - 1 - n, 0);
        if (got <= 0) {
            return false;
        }
        n += (size_t)got;
    }
}

static void *serve(void *unused)
{
    static char request[BODY_MAX];
    for (;;) {
        int fd = accept(server.fd, NULL, NULL);
        if (fd < 0) {
            return unused;
        }
        if (read_request(fd, request)) {
            pthread_mutex_lock(&server.lock);
            size_t i = server.n < REQUESTS_MAX ? server.n++ : REQUESTS_MAX - 1;
            memcpy(server.requests[i], request, BODY_MAX);
            server.at_ns[i] = ticks_monotonic_ns();
            const char *answer = *server.answers;
            server.answers += server.answers[1] != NULL;
            pthread_mutex_unlock(&server.lock);
            (void)!send(fd, answer, strlen(answer), MSG_NOSIGNAL);
        }
        close(fd);
    }
}

static void listen_with(const char *const *answers)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    server.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server.fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(server.fd, 16), 0);
    assert_int_equal(getsockname(server.fd, (struct sockaddr *)&a, &n), 0);
    server.port = ntohs(a.sin_port);
    server.answers = answers;
    server.n = 0;
    assert_int_equal(pthread_create(&server.thread, NULL, serve, NULL), 0);
}

static size_t requests(void)
{
    pthread_mutex_lock(&server.lock);
    size_t n = server.n;
    pthread_mutex_unlock(&server.lock);
    return n;
}

static void wait_for_requests(size_t n)
{
    for (int i = 0; i < STAND_IN_MS && requests() < n; i++) {
        usleep(1000);
    }
    assert_true(requests() >= n);
}

static int begin(void **state)
{
    stand_in_init(&in);
    snprintf(in.socket, sizeof in.socket, "socket=none");
    unsetenv("SENTRY_DSN");
    return 0;
}

static int end(void **state)
{
    sonde_shutdown(1000);
    if (server.fd >= 0) {
        shutdown(server.fd, SHUT_RDWR);
        pthread_join(server.thread, NULL);
        close(server.fd);
        server.fd = -1;
    }
    stand_in_done(&in);
    return 0;
}

/* With a setting that has the server's address between these. */
static void start(const char *before, const char *after)
{
    char text[200];
    snprintf(text, sizeof text, "%s127.0.0.1:%u%s", before, server.port, after);
    setenv("SONDE_SEND_RETRY_MS", "100", 1);
    stand_in_start(&in, text);
}

static void an_envelope_goes_to_the_dsn_with_its_key(void **state)
{
    static const char *const answers[] = {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", NULL};
    listen_with(answers);
    start("dsn=http://0123abcd@", "/some/42");
    stand_in_put(FRAME_ENVELOPE, "error", "{}\n{\"type\":\"event\"}\n{}\n");
    assert_int_equal(sonde_flush(STAND_IN_MS), 0);
    assert_int_equal(requests(), 1);
    const char *r = server.requests[0];
    assert_memory_equal(r, "POST /some/api/42/envelope/ HTTP/1.1\r\n", 38);
    assert_non_null(strstr(r, "X-Sentry-Auth: Sentry sentry_key=0123abcd, sentry_version=7"));
    assert_non_null(strstr(r, "Content-Type: application/x-sentry-envelope\r\n"));
    assert_non_null(strstr(r, "\r\n\r\n{}\n{\"type\":\"event\"}\n{}\n"));
    assert_int_equal(stand_in_files(&in, "envelope"), 0);
}

static void a_server_that_fails_gets_it_again(void **state)
{
    static const char *const answers[] = {"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", "",
                                          "HTTP/1.1 503 No\r\nRetry-After: 1\r\n"
                                          "Content-Length: 0\r\n\r\n",
                                          "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", NULL};
    uint64_t lost = lost_count(LOST_ERROR, LOST_REFUSED);
    listen_with(answers);
    start("dsn=http://k@", "/1");
    stand_in_put(FRAME_ENVELOPE, "error", "x");
    assert_int_equal(sonde_flush(STAND_IN_MS), 0); /* the disk has it */
    assert_int_equal(stand_in_files(&in, "envelope"), 1);
    wait_for_requests(4);
    assert_true(server.at_ns[3] - server.at_ns[2] >= 1000000000);
    assert_int_equal(sonde_flush(STAND_IN_MS), 0);
    assert_int_equal(stand_in_files(&in, "envelope"), 0);
    assert_int_equal(lost_count(LOST_ERROR, LOST_REFUSED), lost);
}

static void a_rate_limit_drops_its_category_and_no_other(void **state)
{
    static const char *const answers[] = {
        "HTTP/1.1 429 Slow\r\nX-Sentry-Rate-Limits: 2:error:organization\r\n"
        "Content-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", NULL};
    uint64_t errors = lost_count(LOST_ERROR, LOST_SERVER_LIMIT);
    listen_with(answers);
    start("dsn=http://k@", "/1");
    stand_in_put(FRAME_ENVELOPE, "error", "first");
    assert_int_equal(sonde_flush(STAND_IN_MS), 0);
    uint64_t from = ticks_monotonic_ns();
    stand_in_put(FRAME_ENVELOPE, "error", "second");
    stand_in_put(FRAME_ENVELOPE, "session", "third");
    assert_int_equal(sonde_flush(STAND_IN_MS), 0);
    if (ticks_monotonic_ns() - from < 1900000000) { /* within the limit, on a machine that moves */
        assert_int_equal(requests(), 2);
        assert_non_null(strstr(server.requests[1], "third"));
        assert_int_equal(lost_count(LOST_ERROR, LOST_SERVER_LIMIT), errors + 2);
    }
    usleep(2100000);
    stand_in_put(FRAME_ENVELOPE, "error", "fourth");
    assert_int_equal(sonde_flush(STAND_IN_MS), 0);
    assert_non_null(strstr(server.requests[requests() - 1], "fourth"));
}

static void what_a_server_calls_bad_is_dropped(void **state)
{
    static const char *const answers[] = {"HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n",
                                          "HTTP/1.1 413 Big\r\nContent-Length: 0\r\n\r\n", NULL};
    uint64_t bad = lost_count(LOST_ERROR, LOST_REFUSED), big = lost_count(LOST_ERROR, LOST_TOO_BIG);
    listen_with(answers);
    start("dsn=http://k@", "/1");
    stand_in_put(FRAME_ENVELOPE, "error", "one");
    stand_in_put(FRAME_ENVELOPE, "error", "two");
    assert_int_equal(sonde_flush(STAND_IN_MS), 0);
    assert_int_equal(lost_count(LOST_ERROR, LOST_REFUSED), bad + 1);
    assert_int_equal(lost_count(LOST_ERROR, LOST_TOO_BIG), big + 1);
    assert_int_equal(stand_in_files(&in, "envelope"), 0);
}

static void spans_and_logs_go_to_otlp_and_rejected_ones_count(void **state)
{
    static const char *const answers[] = {
        "HTTP/1.1 503 No\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n\x0a\x02\x08\x01", NULL};
    uint64_t lost = lost_count(LOST_LOG, LOST_REFUSED);
    listen_with(answers);
    setenv("SONDE_OTLP_HEADERS", "x-key=a%20b", 1);
    start("otlp.endpoint=http://", "/base/");
    unsetenv("SONDE_OTLP_HEADERS");
    stand_in_put(FRAME_SPANS, NULL, "the spans");
    wait_for_requests(2);
    assert_memory_equal(server.requests[1], "POST /base/v1/traces HTTP/1.1\r\n", 31);
    assert_non_null(strstr(server.requests[1], "x-key: a b\r\n"));
    assert_non_null(strstr(server.requests[1], "Content-Type: application/x-protobuf\r\n"));
    assert_non_null(strstr(server.requests[1], "\r\n\r\nthe spans"));
    assert_true(server.at_ns[1] - server.at_ns[0] >= 1000000000);
    stand_in_put(FRAME_LOGS, NULL, "the logs");
    assert_int_equal(sonde_flush(STAND_IN_MS), 0);
    assert_int_equal(requests(), 3);
    assert_memory_equal(server.requests[2], "POST /base/v1/logs HTTP/1.1\r\n", 29);
    assert_int_equal(lost_count(LOST_LOG, LOST_REFUSED), lost + 1);
}

static void a_server_that_hangs_ends_with_the_time_for_a_request(void **state)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); /* listens, never accepts */
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    server.port = ntohs(a.sin_port);
    setenv("SONDE_SEND_TIMEOUT_MS", "200", 1);
    start("dsn=http://k@", "/1");
    unsetenv("SONDE_SEND_TIMEOUT_MS");
    stand_in_put(FRAME_ENVELOPE, "error", "kept");
    assert_int_equal(sonde_flush(STAND_IN_MS), 0);
    char answer[4096];
    assert_int_equal(sonde_query("outgoing", answer, sizeof answer, NULL), 0);
    assert_non_null(strstr(answer, "\"to\":\"dsn\",\"on\":true,\"sent\":"));
    assert_non_null(strcasestr(answer, "timeout") ? strcasestr(answer, "timeout")
                                                  : strcasestr(answer, "timed out"));
    assert_int_equal(sonde_shutdown(1000), 0);
    assert_int_equal(stand_in_files(&in, "envelope"), 1);
    close(fd);
}

static void without_libcurl_everything_waits_and_says_so(void **state)
{
    setenv("SONDE_SEND_CURL", "none", 1);
    server.port = 1;
    start("dsn=http://k@", "/1");
    unsetenv("SONDE_SEND_CURL");
    stand_in_put(FRAME_ENVELOPE, "error", "kept");
    assert_int_equal(sonde_flush(STAND_IN_MS), 0);
    char answer[4096];
    assert_int_equal(sonde_query("outgoing", answer, sizeof answer, NULL), 0);
    assert_non_null(strstr(answer, "libcurl is not used"));
    assert_int_equal(stand_in_files(&in, "envelope"), 1);
}

static void bad_settings_fail_the_start_and_bad_variables_do_not(void **state)
{
    static const char *const bad[] = {"dsn=nonsense", "otlp.endpoint=localhost:4318",
                                      "otlp.headers=novalue", "remote.level=king"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *const settings[] = {"socket=none", in.spool, bad[i], NULL};
        sonde_options options = SONDE_OPTIONS_INIT;
        options.settings = settings;
        assert_int_equal(sonde_init(&options), SONDE_ERROR_ARGUMENT);
        assert_non_null(strstr(sonde_last_problem(), i == 0 ? "dsn" : i == 3 ? "remote" : "otlp"));
    }
    setenv("SENTRY_DSN", "nonsense", 1);
    stand_in_start(&in, NULL);
    unsetenv("SENTRY_DSN");
    char answer[4096];
    assert_int_equal(sonde_query("outgoing", answer, sizeof answer, NULL), 0);
    assert_non_null(strstr(answer, "SENTRY_DSN is no DSN"));
}

#define CASE(t) cmocka_unit_test_setup_teardown(t, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(an_envelope_goes_to_the_dsn_with_its_key),
        CASE(a_server_that_fails_gets_it_again),
        CASE(a_rate_limit_drops_its_category_and_no_other),
        CASE(what_a_server_calls_bad_is_dropped),
        CASE(spans_and_logs_go_to_otlp_and_rejected_ones_count),
        CASE(a_server_that_hangs_ends_with_the_time_for_a_request),
        CASE(without_libcurl_everything_waits_and_says_so),
        CASE(bad_settings_fail_the_start_and_bad_variables_do_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
