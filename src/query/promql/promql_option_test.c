#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "query/promql/promql.h"

static const struct {
    const char *feature, *query, *refusal;
} gates[] = {
    {"promql-experimental-functions", "1 + mad_over_time(x[5m])",
     "1:5: parse error: function \"mad_over_time\" is not enabled"},
    {"promql-experimental-functions", "limit_ratio(0.5, x)",
     "1:1: parse error: limit_ratio() is experimental and must be enabled with "
     "--enable-feature=promql-experimental-functions"},
    {"promql-extended-range-selectors", "rate(x[5m] anchored)",
     "1:6: parse error: anchored modifier is experimental and not enabled"},
    {"promql-extended-range-selectors", "x smoothed",
     "1:1: parse error: smoothed modifier is experimental and not enabled"},
    {"promql-binop-fill-modifiers", "a + fill(0) b",
     "1:1: parse error: binop fill modifiers are experimental and not enabled"},
};

static void a_feature_is_refused_until_it_is_switched_on(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNTOF(gates); i++) {
        struct arena a;
        struct promql_expr *x;
        struct promql_failure f;
        struct promql_options o = {0};
        arena_init(&a);
        assert_true(promql_parse(str_c(gates[i].query), &o, &a, &x, &f) < 0);
        assert_string_equal(f.text, gates[i].refusal);
        assert_true(promql_option_set(&o, str_c(gates[i].feature)));
        assert_int_equal(promql_parse(str_c(gates[i].query), &o, &a, &x, &f), 0);
        arena_done(&a);
    }
}

static void every_named_feature_has_a_flag_of_its_own(void **state)
{
    struct promql_options all = promql_options_all();
    size_t n = 0;
    (void)state;
    for (const char *name; (name = promql_option_name(n)); n++) {
        struct promql_options o = {0};
        assert_false(promql_option_get(&o, str_c(name)));
        assert_true(promql_option_set(&o, str_c(name)));
        assert_true(promql_option_get(&o, str_c(name)));
        assert_true(promql_option_get(&all, str_c(name)));
        for (size_t k = 0; k < n; k++)
            assert_false(promql_option_get(&o, str_c(promql_option_name(k))));
    }
    assert_int_equal(n, sizeof all);
}

static void a_settled_feature_is_known_and_another_is_not(void **state)
{
    struct promql_options o = {0}, none = {0};
    (void)state;
    assert_true(promql_option_set(&o, STR("promql-duration-expr")));
    assert_memory_equal(&o, &none, sizeof o);
    assert_false(promql_option_set(&o, STR("exemplar-storage")));
}

static void functions_are_listed_with_what_they_need(void **state)
{
    bool experimental, seen = false;
    const char *name;
    (void)state;
    for (size_t i = 0; (name = promql_function_name(i, &experimental)); i++) {
        if (strcmp(name, "rate") == 0)
            assert_false(experimental);
        if (strcmp(name, "mad_over_time") == 0)
            seen = experimental;
    }
    assert_true(seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_feature_is_refused_until_it_is_switched_on),
        cmocka_unit_test(every_named_feature_has_a_flag_of_its_own),
        cmocka_unit_test(a_settled_feature_is_known_and_another_is_not),
        cmocka_unit_test(functions_are_listed_with_what_they_need),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
