#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

#include "os/file.h"
#include "tool/check_rules.h"

static char path[] = "/tmp/sonde-rules-XXXXXX";

static void checks_as(const char *text, const struct check_rules_options *options, int status,
                      const char *expected_out, const char *expected_faults)
{
    char *out = NULL, *faults = NULL;
    size_t out_n, faults_n;
    FILE *out_file = open_memstream(&out, &out_n),
         *faults_file = open_memstream(&faults, &faults_n);
    assert_int_equal(file_write(path, str_c(text), NULL), 0);
    assert_int_equal(check_rules_file(path, options, out_file, faults_file), status);
    fclose(out_file);
    fclose(faults_file);
    assert_non_null(strstr(out, expected_out));
    if (expected_faults)
        assert_non_null(strstr(faults, expected_faults));
    else
        assert_string_equal(faults, "");
    free(out);
    free(faults);
}

static const char GOOD[] = "groups:\n- name: a\n  rules:\n  - {record: a, expr: up}\n"
                           "  - {alert: b, expr: up == 0}\n";
static const char TWICE[] = "groups:\n- name: a\n  rules:\n"
                            "  - {record: x, expr: up, labels: {l: v}}\n- name: b\n  rules:\n"
                            "  - {record: x, expr: up + 1, labels: {l: v}}\n"
                            "  - {record: x, expr: up, labels: {l: w}}\n";

static void a_good_file_tells_how_many_rules_it_has(void **state)
{
    (void)state;
    struct check_rules_options options = {.lint = true};
    checks_as(GOOD, &options, 0, "  SUCCESS: 2 rules found\n", NULL);
}

static void a_bad_file_fails_with_every_fault(void **state)
{
    (void)state;
    struct check_rules_options options = {.lint = true};
    checks_as("groups:\n- name: a\n  rules:\n  - {record: a, expr: 'up +'}\n  who: me\n", &options,
              1, "Checking", ":5:3: field who not found in type rulefmt.RuleGroup\n");
    checks_as("groups:\n- name: a\n  rules:\n  - {record: a, expr: 'up +'}\n", &options, 1,
              "Checking", ":4:23: group \"a\", rule 1, \"a\": could not parse expression: ");
    options.lenient = true;
    checks_as("owner: me\ngroups:\n- name: a\n", &options, 0, "SUCCESS: 0 rules", NULL);
}

static void rules_that_stand_there_twice_are_told_and_fatal_where_asked(void **state)
{
    (void)state;
    struct check_rules_options options = {.lint = true};
    checks_as(TWICE, &options, CHECK_RULES_LINT, "SUCCESS: 3 rules found",
              ":7: x {l: v} stands in line 4 already");
    options.lint_fatal = true;
    checks_as(TWICE, &options, CHECK_RULES_LINT, "Checking", "FAILED: 1 duplicate rule(s) found");
    options.lint = false;
    checks_as(TWICE, &options, 0, "SUCCESS: 3 rules found", NULL);
}

static void a_file_that_is_not_there_fails(void **state)
{
    (void)state;
    struct check_rules_options options = {.lint = true};
    FILE *sink = tmpfile();
    assert_int_equal(check_rules_file("/nonexistent/r.yml", &options, sink, sink), 1);
    fclose(sink);
}

static int begin(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    return fd < 0 || close(fd) < 0;
}

static int end(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_file_tells_how_many_rules_it_has),
        cmocka_unit_test(a_bad_file_fails_with_every_fault),
        cmocka_unit_test(rules_that_stand_there_twice_are_told_and_fatal_where_asked),
        cmocka_unit_test(a_file_that_is_not_there_fails),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
