#include "client/metric/http_request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static int read_all(const char *text, struct http_request *ret)
{
    return http_request_read(text, strlen(text), ret);
}

static void a_request_is_read_with_its_path_and_wishes(void **state)
{
    struct http_request r;
    const char *t = "GET /metrics?x=1 HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\nGET";
    assert_int_equal(read_all(t, &r), 0);
    assert_true(r.get && !r.head && r.keep_alive && !r.openmetrics);
    assert_int_equal(r.path_n, 8);
    assert_memory_equal(r.path, "/metrics", 8);
    assert_int_equal(r.used, strlen(t) - 3);
    assert_int_equal(read_all("HEAD http://a:1/x HTTP/1.0\r\n\r\n", &r), 0);
    assert_true(r.head && !r.get && !r.keep_alive);
    assert_int_equal(r.path_n, 2);
    assert_int_equal(read_all("GET / HTTP/1.0\r\nConnection: foo, Keep-Alive\r\n\r\n", &r), 0);
    assert_true(r.keep_alive);
    assert_int_equal(read_all("GET / HTTP/1.1\r\nHost:\r\nconnection: close\r\n\r\n", &r), 0);
    assert_false(r.keep_alive);
    assert_int_equal(read_all("POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", &r),
                     0);
    assert_true(!r.get && !r.head);
}

static bool prefers(const char *accept)
{
    struct http_request r;
    char text[512];
    snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: a\r\nAccept: %s\r\n\r\n", accept);
    assert_int_equal(read_all(text, &r), 0);
    return r.openmetrics;
}

static void the_format_is_what_the_client_prefers(void **state)
{
    assert_true(prefers("application/openmetrics-text;version=1.0.0;q=0.6,text/plain;q=0.5"));
    assert_true(prefers("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    assert_false(prefers("application/openmetrics-text;q=0.4,text/plain;q=0.5"));
    assert_false(prefers("application/openmetrics-text;q=0"));
    assert_false(prefers("text/plain"));
    assert_false(prefers("application/openmetrics-text;q=x, */*"));
    assert_false(prefers(",,;;q=1;,"));
}

static void a_request_that_is_not_whole_is_waited_for(void **state)
{
    struct http_request r;
    const char *t = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n";
    for (size_t n = 0; n < strlen(t); n++) {
        assert_int_equal(http_request_read(t, n, &r), 1);
    }
    assert_int_equal(http_request_read(t, strlen(t), &r), 0);
}

static void what_is_strange_is_refused(void **state)
{
    static const struct {
        const char *text;
        int status;
    } cases[] = {
        {"GET /\n\n", 400},
        {"GET / HTTP/1.1\nHost: a\n\n", 400},
        {"GET / HTTP/1.1\r\n\r\n", 400},                       /* no host */
        {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400}, /* two */
        {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\x01\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n: a\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost\r\n\r\n", 400},
        {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400},
        {"GET metrics HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {" / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"\r\n\r\n", 400},
        {"GET / HTTP/11\r\nHost: a\r\n\r\n", 400},
        {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
        {"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", 413},
        {"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 413},
    };
    struct http_request r;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(read_all(cases[i].text, &r), cases[i].status);
    }
}

static void what_is_too_long_is_refused(void **state)
{
    static char big[2 * HTTP_REQUEST_MAX];
    struct http_request r;
    memset(big, 'a', sizeof big);
    memcpy(big, "GET /", 5);
    assert_int_equal(http_request_read(big, HTTP_REQUEST_MAX - 1, &r), 1);
    assert_int_equal(http_request_read(big, HTTP_REQUEST_MAX, &r), 414);
    memcpy(big, "GET / HTTP/1.1\r\nX: ", 19);
    assert_int_equal(http_request_read(big, HTTP_REQUEST_MAX, &r), 431);
    memcpy(big + HTTP_REQUEST_MAX, "\r\nHost: a\r\n\r\n", 13);
    assert_int_equal(http_request_read(big, HTTP_REQUEST_MAX + 13, &r), 431);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_read_with_its_path_and_wishes),
        cmocka_unit_test(the_format_is_what_the_client_prefers),
        cmocka_unit_test(a_request_that_is_not_whole_is_waited_for),
        cmocka_unit_test(what_is_strange_is_refused),
        cmocka_unit_test(what_is_too_long_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
