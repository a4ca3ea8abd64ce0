#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "model/labels.h"
#include "query/promql/promql_reach.h"
#include "query/promql/promqltest.h"

enum { STEP_MS = 15000, SAMPLES = 100, MANY = 50 };

/* up of one series, and many of fifty. */
static struct promqltest_store *store_new(void)
{
    struct promqltest_store *s = promqltest_store_new();
    for (int k = 0; k <= MANY; k++) {
        struct buf key;
        char n[16];
        snprintf(n, sizeof n, "%d", k);
        buf_init(&key, 1000);
        labels_put(&key, LABEL_METRIC, k == MANY ? STR("up") : STR("many"));
        labels_put(&key, STR("n"), str_c(n));
        for (int i = 0; i < SAMPLES; i++)
            promqltest_store_put(s, buf_str(&key), (int64_t)i * STEP_MS, i, NULL);
        buf_done(&key);
    }
    return s;
}

static bool is_small(struct promqltest_store *s, const char *text, int64_t span_ms)
{
    static const struct promql_options ALL = {.experimental_functions = true};
    struct promql_failure failure;
    struct promql_expr *expr;
    struct arena a;
    arena_init(&a);
    assert_int_equal(promql_parse(str_c(text), &ALL, &a, &expr, &failure), 0);
    struct promql_query q = {.expr = expr,
                             .options = &ALL,
                             .store = promqltest_store_face(s),
                             .tenant = promqltest_store_tenant(s),
                             .start_ms = SAMPLES * STEP_MS,
                             .end_ms = SAMPLES * STEP_MS + span_ms,
                             .step_ms = STEP_MS,
                             .instant = span_ms == 0};
    bool small = promql_reach_small(&q, &a);
    arena_done(&a);
    return small;
}

static void a_query_of_few_series_over_a_short_time_is_small(void **state)
{
    (void)state;
    struct promqltest_store *s = store_new();
    static const char *const SMALL[] = {"1 + 1",
                                        "up",
                                        "sum(rate(up[5m]))",
                                        "absent(gone{a=\"b\"})",
                                        "many{n=\"7\"} / up offset 10m",
                                        "histogram_quantile(0.9, up)"};
    for (size_t i = 0; i < COUNTOF(SMALL); i++)
        if (!is_small(s, SMALL[i], 0))
            fail_msg("%s", SMALL[i]);
    assert_true(is_small(s, "up", 7200000));
    promqltest_store_free(s);
}

static void many_series_patterns_subqueries_and_long_times_are_not_small(void **state)
{
    (void)state;
    struct promqltest_store *s = store_new();
    static const char *const LARGE[] = {"many",
                                        "up{n=~\"5.*\"}",
                                        "up{n!=\"1\"}",
                                        "up + many",
                                        "max_over_time(up[10m:1m])",
                                        "sum_over_time(up[1d])",
                                        "up offset 1d",
                                        "up @ 0",
                                        "up offset -5m"};
    for (size_t i = 0; i < COUNTOF(LARGE); i++)
        if (is_small(s, LARGE[i], 0))
            fail_msg("%s", LARGE[i]);
    assert_false(is_small(s, "up", 24 * 3600000LL));
    assert_false(is_small(s, "sum_over_time(up[2h])", 3600000));
    promqltest_store_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_query_of_few_series_over_a_short_time_is_small),
        cmocka_unit_test(many_series_patterns_subqueries_and_long_times_are_not_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
