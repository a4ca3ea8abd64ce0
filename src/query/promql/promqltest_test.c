#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "query/promql/promqltest.h"

/* How many there are at least: they may grow and must not fall. */
enum { PASSED_FLOOR = 1116, OWN_FLOOR = 305 };

enum { FILE_MAX = 4 << 20, REPORT_MAX = 16 << 20 };

static char *read_file(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return NULL;
    char *p = mem_new(FILE_MAX);
    *n = fread(p, 1, FILE_MAX, f);
    fclose(f);
    return p;
}

static void run_file(const char *folder, const char *name, struct promqltest_result *sum)
{
    char path[1024];
    size_t n;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    char *text = read_file(path, &n);
    if (!text)
        return;
    struct buf report;
    buf_init(&report, REPORT_MAX);
    struct promqltest_result r;
    promqltest_run(str_of(text, n), &r, &report);
    printf("%-28s %4zu passed %4zu failed\n", name, r.passed, r.failed);
    if (getenv("SONDE_CASES_VERBOSE") && report.n)
        printf("%.*s", (int)report.n, report.p);
    sum->passed += r.passed;
    sum->failed += r.failed;
    buf_done(&report);
    mem_free(text);
}

static bool run_folder(const char *folder, struct promqltest_result *sum)
{
    struct dirent **names;
    int n = scandir(folder, &names, NULL, alphasort);
    if (n < 0)
        return false;
    for (int i = 0; i < n; i++) {
        size_t length = strlen(names[i]->d_name);
        const char *only = getenv("SONDE_CASES_ONLY");
        if (length > 5 && strcmp(names[i]->d_name + length - 5, ".test") == 0 &&
            (!only || strstr(names[i]->d_name, only)))
            run_file(folder, names[i]->d_name, sum);
        free(names[i]);
    }
    free(names);
    return true;
}

static void our_own_cases_hold(void **state)
{
    struct promqltest_result sum = {0};
    (void)state;
    assert_true(run_folder("tests/promql", &sum));
    assert_int_equal(sum.failed, 0);
    assert_true(sum.passed >= OWN_FLOOR);
}

static void the_conformance_cases_hold(void **state)
{
    struct promqltest_result sum = {0};
    const char *cases = getenv("SONDE_CASES");
    char folder[1024];
    (void)state;
    snprintf(folder, sizeof folder, "%s/conformance/promqltest", cases ? cases : "../shared");
    if (!run_folder(folder, &sum)) {
        printf("skipped: %s is not there\n", folder);
        skip();
    }
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
