#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "tool/test_promql.h"

static void a_failure_names_its_file_and_line(void **state)
{
    (void)state;
    struct promqltest_result r;
    struct buf out;
    buf_init(&out, 1 << 16);
    test_promql_file("a.test",
                     STR("load 1m\n"
                         "  x 1 2 3\n"
                         "\n"
                         "eval instant at 2m x\n"
                         "  x 3\n"
                         "\n"
                         "eval instant at 1m x\n"
                         "  x 7\n"),
                     &r, &out);
    assert_int_equal(r.passed, 1);
    assert_int_equal(r.failed, 1);
    assert_true(str_starts(buf_str(&out), STR("a.test:7: ")));
    assert_true(str_search(buf_str(&out), STR("\n")) == out.n - 1);
    buf_done(&out);
}

static void bad_command_lines_and_missing_files_have_their_own_exit_codes(void **state)
{
    (void)state;
    char nothing[] = "/nonexistent/a.test", option[] = "--wrong";
    assert_int_equal(test_promql_run(0, NULL), 2);
    assert_int_equal(test_promql_run(1, (char *[]){option}), 2);
    assert_int_equal(test_promql_run(1, (char *[]){nothing}), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_names_its_file_and_line),
        cmocka_unit_test(bad_command_lines_and_missing_files_have_their_own_exit_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
