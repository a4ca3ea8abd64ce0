#include "tool/test_rules.h"

/* Reads bytes as a file of unit tests, and runs what can be run in few steps. */
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct arena arena;
    struct test_rules_file f;
    struct why why = {0};
    struct buf faults;
    struct test_rules_options options = {.diff = n % 2};
    arena_init(&arena);
    buf_init(&faults, 1 << 20);
    int err = test_rules_file_read(str_of((const char *)p, n), &arena, &f, &why);
    for (size_t i = 0; err == 0 && i < f.tests_n && i < 4; i++) {
        struct test_rules_test *t = &f.tests[i];
        bool few = t->series_n == 0 && f.interval_ms >= 1000;
        for (size_t k = 0; k < t->alerts_n && few; k++)
            few = t->alerts[k].at_ms / f.interval_ms < 100;
        for (size_t k = 0; k < t->exprs_n && few; k++)
            few = t->exprs[k].at_ms / f.interval_ms < 100 && t->exprs[k].expr.n < 20;
        if (few)
            test_rules_group(&f, i, NULL, 0, &options, &faults);
    }
    buf_done(&faults);
    arena_done(&arena);
    return 0;
}
