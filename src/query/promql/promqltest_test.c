#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cases_test.h"
#include "query/promql/promqltest.h"

/* How many there are at least: they may grow and must not fall. */
enum { PASSED_FLOOR = 1116, OWN_FLOOR = 305 };

enum { REPORT_MAX = 16 << 20 };

static void run_file(const char *path, const char *name, void *context)
{
    const char *only = getenv("SONDE_CASES_ONLY");
    struct promqltest_result r, *sum = context;
    struct buf report, text;
    if (!str_ends(str_c(name), STR(".test")) || (only && !strstr(name, only)))
        return;
    assert_true(cases_read(path, &text));
    buf_init(&report, REPORT_MAX);
    promqltest_run(buf_str(&text), &r, &report);
    printf("%-28s %4zu passed %4zu failed\n", name, r.passed, r.failed);
    if (getenv("SONDE_CASES_VERBOSE") && report.n)
        printf("%.*s", (int)report.n, report.p);
    sum->passed += r.passed;
    sum->failed += r.failed;
    buf_done(&report);
    buf_done(&text);
}

static void our_own_cases_hold(void **state)
{
    struct promqltest_result sum = {0};
    (void)state;
    assert_true(cases_each_file("tests/promql", run_file, &sum));
    assert_int_equal(sum.failed, 0);
    assert_true(sum.passed >= OWN_FLOOR);
}

static void the_conformance_cases_hold(void **state)
{
    struct promqltest_result sum = {0};
    char folder[CASES_PATH_MAX];
    (void)state;
    cases_path("promqltest", folder);
    if (!cases_each_file(folder, run_file, &sum))
        cases_skip(folder);
    printf("%zu passed, %zu failed\n", sum.passed, sum.failed);
    assert_int_equal(sum.failed, 0);
    if (!getenv("SONDE_CASES_ONLY"))
        assert_true(sum.passed >= PASSED_FLOOR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_own_cases_hold),
        cmocka_unit_test(the_conformance_cases_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
