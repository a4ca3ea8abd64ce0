#include "tool/test_promql.h"

#include <stdio.h>

#include "os/file.h"
#include "tool/arguments.h"

enum { FILE_MAX = 16 << 20 /* bytes */, REPORT_MAX = 64 << 20 /* bytes */ };

void test_promql_file(const char *name, struct str text, struct promqltest_result *ret,
                      struct buf *out)
{
    struct buf report;
    struct str rest, line;
    buf_init(&report, REPORT_MAX);
    promqltest_run(text, ret, &report);
    rest = buf_str(&report);
    while (str_split(&rest, '\n', &line)) {
        if (str_starts(line, STR("line ")))
            buf_printf(out, "%s:" STR_FMT "\n", name, STR_ARG(str_sub(line, 5, line.n)));
        else if (line.n)
            buf_printf(out, "    " STR_FMT "\n", STR_ARG(line));
    }
    if (buf_failed(&report))
        buf_printf(out, "%s: there are more failures than fit\n", name);
    buf_done(&report);
}

/* False where the file cannot be read. */
static bool run_file(const char *name, struct promqltest_result *sum)
{
    struct buf text, out;
    struct why why = {0};
    struct promqltest_result one = {0};
    buf_init(&text, FILE_MAX);
    int err = file_read(name, &text, &why);
    if (err == 0) {
        buf_init(&out, REPORT_MAX + (1 << 20));
        test_promql_file(name, buf_str(&text), &one, &out);
        printf(STR_FMT, STR_ARG(buf_str(&out)));
        buf_done(&out);
    } else {
        fprintf(stderr, "sonde test promql: %s\n", why.text);
    }
    sum->passed += one.passed;
    sum->failed += one.failed;
    buf_done(&text);
    return err == 0;
}

int test_promql_run(int argc, char **argv)
{
    struct arguments a;
    struct promqltest_result sum = {0};
    const char *files[ARGUMENTS_MAX + 1];
    size_t n = 0;
    bool good = true;
    if (!arguments_init(&a, argc, argv))
        return 2;
    while ((files[n] = arguments_word(&a)) != NULL)
        n++;
    if (!arguments_end(&a, "test"))
        return 2;
    if (n == 0) {
        fprintf(stderr, "sonde test promql: name at least one file\n");
        return 2;
    }
    for (size_t i = 0; i < n; i++)
        good &= run_file(files[i], &sum);
    printf("%zu passed, %zu failed\n", sum.passed, sum.failed);
    return !good || sum.failed > 0;
}
