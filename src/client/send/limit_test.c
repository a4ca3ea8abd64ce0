#include "client/send/limit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const uint64_t S = 1000000000;

static void categories_are_limited_one_by_one(void **state)
{
    struct limit l = {0};
    assert_true(limit_read(&l, "60:error;session:organization:quota, 2700:span:key", 5 * S));
    assert_true(limit_holds(&l, "error", 6 * S));
    assert_true(limit_holds(&l, "session", 64 * S));
    assert_false(limit_holds(&l, "session", 65 * S));
    assert_true(limit_holds(&l, "span", 2000 * S));
    assert_false(limit_holds(&l, "transaction", 6 * S));
    assert_true(limit_read(&l, "1:error", 6 * S)); /* a shorter one takes nothing back */
    assert_true(limit_holds(&l, "error", 60 * S));
}

static void no_category_means_all_of_them(void **state)
{
    struct limit l = {0};
    assert_true(limit_read(&l, "10::organization", 0));
    assert_true(limit_holds(&l, "error", 9 * S));
    assert_true(limit_holds(&l, "whatever", 9 * S));
    assert_false(limit_holds(&l, "error", 10 * S));
}

static void default_limits_errors_too(void **state)
{
    struct limit l = {0};
    assert_true(limit_read(&l, "10:default", 0));
    assert_true(limit_holds(&l, "error", 9 * S));
    assert_false(limit_holds(&l, "session", 9 * S));
}

static void nonsense_is_no_limit(void **state)
{
    static const char *const bad[] = {"",         ",",         ":",       "x:error", "60",
                                      "-1:error", "1e3:error", "60error", ":::::",   "6 0:error"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct limit l = {0};
        assert_false(limit_read(&l, bad[i], S));
        assert_false(limit_holds(&l, "error", S));
    }
    struct limit l = {0};
    assert_true(limit_read(&l, "bad, 5:error , :", 0)); /* what is good among it counts */
    assert_true(limit_holds(&l, "error", 4 * S));
}

static void too_long_is_cut_and_too_many_push_out_the_first_to_end(void **state)
{
    struct limit l = {0};
    assert_true(limit_read(&l, "99999999999999999999:error", 0));
    assert_true(limit_holds(&l, "error", (uint64_t)(LIMIT_SECONDS_MAX - 1) * S));
    assert_false(limit_holds(&l, "error", (uint64_t)LIMIT_SECONDS_MAX * S));
    char name[40];
    for (unsigned i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "%u:c%u", 100 + i, i);
        assert_true(limit_read(&l, name, 0));
    }
    assert_true(limit_holds(&l, "error", S)); /* the longest stay */
    assert_true(limit_holds(&l, "c39", S));
    assert_false(limit_holds(&l, "c0", S));
}

static void retry_after_is_seconds_or_a_date(void **state)
{
    uint64_t s = 7;
    assert_true(limit_retry_after("120", 0, &s));
    assert_int_equal(s, 120);
    assert_true(limit_retry_after(" 2.5 \r\n", 0, &s));
    assert_int_equal(s, 3);
    assert_true(limit_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", 784111777 - 60, &s));
    assert_int_equal(s, 60);
    assert_true(limit_retry_after("Thu, 29 Feb 2024 00:00:00 GMT", 1709164800 - 5, &s));
    assert_int_equal(s, 5);
    assert_true(limit_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", 1709164800, &s));
    assert_int_equal(s, 0); /* over */
    assert_true(limit_retry_after("Fri, 31 Dec 9999 23:59:59 GMT", 0, &s));
    assert_int_equal(s, LIMIT_SECONDS_MAX);
    static const char *const bad[] = {"",
                                      "soon",
                                      "-1",
                                      "1 2",
                                      "Sun, 06 Nov 1994",
                                      "1994-11-06",
                                      "Sun, 06 Nox 1994 08:49:37 GMT",
                                      "Sun, 06 Nov 1994 25:49:37 GMT"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(limit_retry_after(bad[i], 0, &s));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(categories_are_limited_one_by_one),
        cmocka_unit_test(no_category_means_all_of_them),
        cmocka_unit_test(default_limits_errors_too),
        cmocka_unit_test(nonsense_is_no_limit),
        cmocka_unit_test(too_long_is_cut_and_too_many_push_out_the_first_to_end),
        cmocka_unit_test(retry_after_is_seconds_or_a_date),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
