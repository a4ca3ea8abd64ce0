#include "client/send/dsn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "client/send/otlp.h"

static void a_dsn_names_an_address_and_a_key(void **state)
{
    static const struct {
        const char *text, *url, *key;
    } of[] = {
        {"https://abc@o1.ingest.sentry.io/42", "https://o1.ingest.sentry.io/api/42/envelope/",
         "sentry_key=abc,"},
        {"http://abc@localhost:9000/42", "http://localhost:9000/api/42/envelope/",
         "sentry_key=abc,"},
        {"https://abc:def@host/a/b/42/", "https://host/a/b/api/42/envelope/", "sentry_secret=def"},
        {"http://k@[::1]:8080/p", "http://[::1]:8080/api/p/envelope/", "sentry_key=k,"},
    };
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        struct dsn d;
        const char *problem = NULL;
        assert_true(dsn_read(of[i].text, &d, &problem));
        assert_string_equal(d.url, of[i].url);
        assert_non_null(strstr(d.auth, of[i].key));
        assert_non_null(strstr(d.auth, "X-Sentry-Auth: Sentry sentry_key="));
        assert_non_null(strstr(d.auth, "sentry_version=7"));
    }
}

static void what_is_no_dsn_is_refused_with_a_reason(void **state)
{
    static const char *const bad[] = {
        "",
        "x",
        "https://",
        "https://host/1",
        "https://@host/1",
        "ftp://k@host/1",
        "https://k@/1",
        "https://k@host",
        "https://k@host/",
        "https://k@host/a b/1",
        "https://k@ho st/1",
        "https://k@host:0/1",
        "https://k@host:65536/1",
        "https://k@host:123456/1",
        "https://k@host:/1",
        "https://k\r\nX: y@host/1",
        "https://k@host/1?x=y",
        "https://k@host/pre\nfix/1",
        "https://k@[::1/1",
        "https://k@[]/1",
        "https://k@host/../1;x",
        "file:///etc/passwd",
        "https:/k@host/1",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct dsn d;
        const char *problem = NULL;
        assert_false(dsn_read(bad[i], &d, &problem));
        assert_non_null(problem);
    }
}

static void headers_of_otlp_are_keys_and_escaped_values(void **state)
{
    static struct otlp_headers h;
    assert_int_equal(otlp_headers_parse("api-key=a%20b, x = y ,,z=1=2", &h), 0);
    assert_int_equal(h.n, 3);
    assert_string_equal(h.line[0], "api-key: a b");
    assert_string_equal(h.line[1], "x: y");
    assert_string_equal(h.line[2], "z: 1=2");
    assert_int_equal(otlp_headers_parse("a=b%0d%0aX: y,nothing,b c=d,=e,ok=1", &h), 4);
    assert_int_equal(h.n, 1);
    assert_string_equal(h.line[0], "ok: 1");
}

static void rejected_spans_are_read_from_the_answer(void **state)
{
    assert_int_equal(otlp_rejected("", 0), 0);
    assert_int_equal(otlp_rejected("\x0a\x02\x08\x05", 4), 5);
    assert_int_equal(otlp_rejected("\x0a\x08\x12\x03why\x08\xac\x02", 10), 300);
    assert_int_equal(otlp_rejected("\x0a\x7f\x08\x05", 4), 0); /* torn */
    assert_int_equal(otlp_rejected("<html>", 6), 0);
    assert_int_equal(otlp_rejected("\x0a\x05\x12\x03why", 7), 0); /* a warning alone */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dsn_names_an_address_and_a_key),
        cmocka_unit_test(what_is_no_dsn_is_refused_with_a_reason),
        cmocka_unit_test(headers_of_otlp_are_keys_and_escaped_values),
        cmocka_unit_test(rejected_spans_are_read_from_the_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
