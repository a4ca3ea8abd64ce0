#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "text/duration.h"
#include "text/quote.h"

static void durations_are_read_and_printed_back(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
        const char *printed;
    } CASES[] = {{"0", 0, "0s"},          {"90s", 90000, "1m30s"}, {"1h30m", 5400000, "1h30m"},
                 {"1w", 604800000, "1w"}, {"8d", 691200000, "8d"}, {"1d2ms", 86400002, "1d2ms"}};
    for (size_t i = 0; i < COUNTOF(CASES); i++) {
        int64_t ms = -1;
        struct buf b;
        buf_init(&b, 100);
        assert_int_equal(duration_read(str_c(CASES[i].text), &ms, NULL), 0);
        assert_int_equal(ms, CASES[i].ms);
        duration_put(&b, ms);
        assert_true(str_eq(buf_str(&b), str_c(CASES[i].printed)));
        buf_done(&b);
    }
}

static void what_is_no_duration_is_refused(void **state)
{
    (void)state;
    static const char *const BAD[] = {"", "1", "5x", "-1h", "1.5h", "1s1m", "1m 2s", "1m1m"};
    int64_t ms = 7;
    struct why why = {0};
    for (size_t i = 0; i < COUNTOF(BAD); i++)
        assert_int_equal(duration_read(str_c(BAD[i]), &ms, &why), -ERR_FORMAT);
    assert_string_equal(why.text, "not a valid duration string: \"1m1m\"");
    assert_int_equal(duration_read(STR("1000y"), &ms, &why), -ERR_RANGE);
    assert_int_equal(ms, 7);
}

static void a_quoted_text_shows_what_cannot_be_printed(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 100);
    quote_put(&b, STR("a\"\\\n\xff\x01\xc3\xa4"));
    assert_true(str_eq(buf_str(&b), STR("\"a\\\"\\\\\\n\\xff\\x01\xc3\xa4\"")));
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_are_read_and_printed_back),
        cmocka_unit_test(what_is_no_duration_is_refused),
        cmocka_unit_test(a_quoted_text_shows_what_cannot_be_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
