#include "incident/incident_moved.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "model/labels.h"

enum { BEFORE = 360, AFTER = 6 };

/* The score of a series that trembles by noise around base and then stands at now; 0: not moved. */
static double score(double base, double noise, double now)
{
    static double before[BEFORE], after[AFTER];
    struct incident_moved m = {0};
    for (size_t i = 0; i < BEFORE; i++)
        before[i] = base + noise * ((double)(i * 7919 % 101) / 50 - 1);
    for (size_t i = 0; i < AFTER; i++)
        after[i] = now;
    return incident_moved_score(before, BEFORE, after, AFTER, &m) ? m.score : 0;
}

static void what_trembles_has_not_moved(void **state)
{
    assert_true(score(10, 1, 10.5) == 0);
    assert_true(score(10, 1, 11) == 0);
    assert_true(score(5, 0, 5) == 0);
    assert_true(score(0, 0, 0) == 0);
    assert_true(score(1e9, 0, 1.001e9) == 0); /* a thousandth of a constant is nothing */
}

static void what_jumps_has_and_the_further_the_more(void **state)
{
    assert_true(score(0.1, 0.01, 2.5) > 50);
    assert_true(score(10, 1, 20) > score(10, 1, 15));
    assert_true(score(10, 1, 15) > 3);
    assert_true(score(10, 1, 0) > 3);
    assert_true(score(0, 0, 5) == 100); /* from nothing to something */
    assert_true(score(1e-9, 0, 1e12) <= 100);
}

static void few_values_and_values_that_are_none_say_nothing(void **state)
{
    struct incident_moved m;
    double before[] = {1, 1, 1, 1, 1, 1, 1, 1}, after[] = {9};
    assert_false(incident_moved_score(before, 7, after, 1, &m));
    assert_false(incident_moved_score(before, 8, after, 0, &m));
    assert_true(incident_moved_score(before, 8, after, 1, &m));
    assert_true(m.before == 1 && m.after == 9);
}

static void one_outlier_before_does_not_hide_a_jump(void **state)
{
    double before[BEFORE], after[] = {50, 51, 52};
    struct incident_moved m;
    for (size_t i = 0; i < BEFORE; i++)
        before[i] = i == 17 ? 1e6 : 10 + (double)(i % 3);
    assert_true(incident_moved_score(before, BEFORE, after, COUNTOF(after), &m));
    assert_true(m.score > 20);
}

static void a_metric_is_told_with_its_values(void **state)
{
    struct buf key, out;
    struct label labels[] = {{LABEL_METRIC, STR("bytes_total")}, {STR("a"), STR("b")}};
    buf_init(&key, 1000);
    buf_init(&out, 1000);
    assert_int_equal(labels_encode(labels, COUNTOF(labels), &key, NULL), 0);
    struct incident_moved m = {buf_str(&key), 0.1234, 5400000, 9, true};
    incident_moved_say(&m, &out);
    buf_put_c(&out, '\0');
    assert_string_equal(out.p, "bytes_total{a=\"b\"} 0.123 -> 5.4 M per second");
    buf_done(&key);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_trembles_has_not_moved),
        cmocka_unit_test(what_jumps_has_and_the_further_the_more),
        cmocka_unit_test(few_values_and_values_that_are_none_say_nothing),
        cmocka_unit_test(one_outlier_before_does_not_hide_a_jump),
        cmocka_unit_test(a_metric_is_told_with_its_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
