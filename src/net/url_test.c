#include "net/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "net/base64.h"

static void an_url_has_the_parts_that_it_shows(void **state)
{
    static const struct {
        const char *text, *scheme, *user, *host, *port, *path, *query;
    } rows[] = {
        {"http://host", "http", "", "host", "", "", ""},
        {"https://u:p@host:8443/a/b?c=d#e", "https", "u:p", "host", "8443", "/a/b", "c=d"},
        {"http://[::1]:80/", "http", "", "[::1]", "80", "/", ""},
        {"unix:///var/run/docker.sock", "unix", "", "", "", "/var/run/docker.sock", ""},
        {"/only/a/path", "", "", "", "", "/only/a/path", ""},
        {"kubernetes:443", "kubernetes", "", "", "", "443", ""},
        {"http://host?q", "http", "", "host", "", "", "q"},
        {"", "", "", "", "", "", ""},
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct url u;
        assert_int_equal(url_split(str_c(rows[i].text), &u, NULL), 0);
        assert_true(str_eq(u.scheme, str_c(rows[i].scheme)));
        assert_true(str_eq(u.user, str_c(rows[i].user)));
        assert_true(str_eq(u.host, str_c(rows[i].host)));
        assert_true(str_eq(u.port, str_c(rows[i].port)));
        assert_true(str_eq(u.path, str_c(rows[i].path)));
        assert_true(str_eq(u.query, str_c(rows[i].query)));
    }
}

static void what_is_no_url_is_refused_as_go_does(void **state)
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"http://a:b/", "parse \"http://a:b/\": invalid port \":b\" after host"},
        {"http://[::1/", "parse \"http://[::1/\": missing ']' in host"},
        {"://x", "parse \"://x\": missing protocol scheme"},
        {"1a:b", "parse \"1a:b\": first path segment in URL cannot contain colon"},
        {"http://a\nb/", "parse \"http://a\nb/\": net/url: invalid control character in URL"},
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct url u;
        struct why why = {0};
        assert_int_equal(url_split(str_c(rows[i].text), &u, &why), -ERR_FORMAT);
        assert_string_equal(why.text, rows[i].why);
    }
}

static void base64_is_read_as_it_is_written(void **state)
{
    static const char *const bad[] = {"a", "ab=c", "abc", "ab!=", "=abc", "a==="};
    static const char *const texts[] = {"", "f", "fo", "foo", "foob"};
    struct buf coded, plain;
    buf_init(&coded, 100);
    buf_init(&plain, 100);
    for (size_t i = 0; i < COUNTOF(texts); i++) {
        buf_clear(&coded);
        buf_clear(&plain);
        base64_put(&coded, str_c(texts[i]));
        assert_true(base64_read(&plain, buf_str(&coded)));
        assert_true(str_eq(buf_str(&plain), str_c(texts[i])));
    }
    for (size_t i = 0; i < COUNTOF(bad); i++)
        assert_false(base64_read(&plain, str_c(bad[i])));
    buf_done(&coded);
    buf_done(&plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_url_has_the_parts_that_it_shows),
        cmocka_unit_test(what_is_no_url_is_refused_as_go_does),
        cmocka_unit_test(base64_is_read_as_it_is_written),
    };
    return cmocka_run_group_tests_name("net/url", tests, NULL, NULL);
}
