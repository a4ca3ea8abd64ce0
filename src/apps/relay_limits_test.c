#include "apps/relay_limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <stdio.h>

static void each_category_waits_for_itself(void **state)
{
    struct relay_limits l = {0};
    relay_limits_take(&l, STR("60:error;session:organization:reason, 5:transaction:key"), 1000);
    assert_true(relay_limits_until(&l, STR("error")) == 61000);
    assert_true(relay_limits_until(&l, STR("session")) == 61000);
    assert_true(relay_limits_until(&l, STR("transaction")) == 6000);
    assert_true(relay_limits_until(&l, STR("default")) == 0);
}

static void no_category_means_all_and_the_longest_counts(void **state)
{
    struct relay_limits l = {0};
    relay_limits_take(&l, STR("10::organization,20:error:key"), 0);
    relay_limits_take(&l, STR("5:error"), 0);
    assert_true(relay_limits_until(&l, STR("anything")) == 10000);
    assert_true(relay_limits_until(&l, STR("error")) == 20000);
    relay_limits_take(&l, STR("30"), 0);
    assert_true(relay_limits_until(&l, STR("error")) == 30000);
}

static void what_is_malformed_is_left_out_and_nothing_waits_for_ever(void **state)
{
    struct relay_limits l = {0};
    relay_limits_take(&l, STR(", : ;, x:error, -5:error, 3.5:error,:error"), 0);
    assert_int_equal(l.n, 0);
    relay_limits_take(&l, STR("18446744073709551615:error"), 0);
    assert_true(relay_limits_until(&l, STR("error")) == RELAY_LIMITS_MS_MAX);
    relay_limits_take(&l, STR("1:a-category-with-a-name-that-is-much-too-long-for-this"), 0);
    assert_int_equal(l.n, 1);
}

static void many_categories_do_not_take_the_place_of_long_waits(void **state)
{
    struct relay_limits l = {0};
    char header[40];
    relay_limits_take(&l, STR("1000:error"), 0);
    for (int i = 0; i < 100; i++) {
        snprintf(header, sizeof header, "5:c%d", i);
        relay_limits_take(&l, str_c(header), 0);
    }
    assert_int_equal(l.n, RELAY_LIMITS_MAX);
    assert_true(relay_limits_until(&l, STR("error")) == 1000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_category_waits_for_itself),
        cmocka_unit_test(no_category_means_all_and_the_longest_counts),
        cmocka_unit_test(what_is_malformed_is_left_out_and_nothing_waits_for_ever),
        cmocka_unit_test(many_categories_do_not_take_the_place_of_long_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
