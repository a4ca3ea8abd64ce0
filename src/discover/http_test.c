#include "discover/api_test.h"

static void an_endpoint_is_asked_again_and_its_groups_replaced(void **state)
{
    struct api a;
    struct testbed t;
    char wanted[256];
    api_start(&a);
    api_put_case(&a, "/sd", "", "discovery/http/fixtures/http_sd.good.json");
    api_discover(&a, &t, "http_sd_configs",
                 "- url: http://127.0.0.1:PORT/sd\n  refresh_interval: 50ms\n"
                 "  authorization: {credentials: abc}\n");
    testbed_wait(&t, "127.0.0.1:9090");
    snprintf(wanted, sizeof wanted,
             "http://127.0.0.1:%u/sd:0 {__meta_datacenter=\"bru1\", "
             "__meta_url=\"http://127.0.0.1:%u/sd\"}\n  {__address__=\"127.0.0.1:9090\"}\n",
             a.loopback.port, a.loopback.port);
    assert_string_equal(testbed_targets(&t), wanted);
    assert_true(api_asked(&a, "Authorization: Bearer abc "
                              "X-Prometheus-Refresh-Interval-Seconds: 0.05\n") >= 1);

    api_put(&a, "/sd", "[{\"targets\":[\"x:1\"]},{\"targets\":[\"y:1\"]}]");
    testbed_wait(&t, "y:1");
    assert_null(strstr(testbed_targets(&t), "9090"));
    api_put(&a, "/sd", "[{\"targets\":[\"x:1\"]}]");
    testbed_wait_gone(&t, "y:1");
    api_close(&a, &t);
}

static void what_fails_keeps_the_targets(void **state)
{
    static const struct {
        int status;
        const char *type, *body, *why;
    } rows[] = {
        {500, "application/json", "[]", "server returned HTTP status 500 Internal Server Error"},
        {200, "text/html", "[]", "unsupported content type \"text/html\""},
        {200, "application/json", "[{\"targets\":[1]}]", "targets must be a list of texts"},
        {200, "application/json", "[{\"targets\":", "line 1"},
        {200, "application/json", "[null]", "nil target group item found (index 0)"},
    };
    struct api a;
    struct testbed t;
    api_start(&a);
    api_put(&a, "/sd", "[{\"targets\":[\"kept:1\"]}]");
    api_discover(&a, &t, "http_sd_configs",
                 "- {url: 'http://127.0.0.1:PORT/sd', refresh_interval: 30ms}\n");
    testbed_wait(&t, "kept:1");
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        thread_lock(&a.lock);
        a.rows[0].type = rows[i].type;
        thread_unlock(&a.lock);
        api_set(&a, "/sd", "", rows[i].status, rows[i].body, 0);
        testbed_wait_state(&t, rows[i].why);
        assert_non_null(strstr(testbed_targets(&t), "kept:1"));
    }
    thread_lock(&a.lock);
    a.rows[0].type = "application/json; charset=utf-8";
    thread_unlock(&a.lock);
    api_put(&a, "/sd", "[{\"targets\":[\"new:1\"]}]");
    testbed_wait(&t, "new:1");
    testbed_wait_state(&t, "");
    api_close(&a, &t);
}

static void urls_are_checked_in_the_words_of_prometheus(void **state)
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"- refresh_interval: 1m\n", "URL is missing"},
        {"- url: ftp://x\n", "URL scheme must be 'http' or 'https'"},
        {"- url: http://\n", "host is missing in URL"},
        {"- url: http://x:y/\n", "parse \"http://x:y/\": invalid port \":y\" after host"},
        {"- {url: 'http://x', nope: 1}\n", "field nope not found in type http.plain"},
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct testbed t;
        testbed_open(&t);
        testbed_refuse(&t, "http_sd_configs", rows[i].text, rows[i].why);
        testbed_close(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_endpoint_is_asked_again_and_its_groups_replaced),
        cmocka_unit_test(what_fails_keeps_the_targets),
        cmocka_unit_test(urls_are_checked_in_the_words_of_prometheus),
    };
    return cmocka_run_group_tests_name("discover/http", tests, NULL, NULL);
}
