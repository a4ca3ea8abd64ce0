#include "client/operation/pace.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* Without a start of the library a tick is a nanosecond. */
static uint64_t at(double seconds)
{
    return (uint64_t)(seconds * 1e9);
}

/* Notes of each second from..to (both included) of what grows by `rate` a second from 0 s on. */
static void note(struct pace *p, unsigned from, unsigned to, unsigned rate)
{
    for (unsigned s = from; s <= to; s++) {
        pace_tick(at(s));
        pace_note(p, (uint64_t)s * rate, (uint64_t)s * rate / 10);
    }
}

static void a_steady_rate_is_the_same_over_all_spans(void **state)
{
    struct pace p = {0};
    pace_forget(0);
    note(&p, 1, 200, 50);
    static const unsigned spans[] = {1, 10, 60};
    for (size_t i = 0; i < sizeof spans / sizeof *spans; i++) {
        struct pace_added a = pace_added(&p, spans[i], 10025, 1002, at(200.5), 0);
        assert_true(fabs(a.count / a.seconds - 50) < 0.1);
        assert_true(a.seconds >= spans[i] && a.seconds < spans[i] + 1.01);
    }
}

static void a_young_one_counts_since_it_began(void **state)
{
    struct pace p = {0};
    pace_forget(0);
    for (unsigned s = 1; s <= 103; s++) { /* the operation is made at 100.2 s */
        pace_tick(at(s));
        pace_note(&p, s > 100 ? (s - 100) * 10 : 0, 0);
    }
    struct pace_added a = pace_added(&p, 60, 35, 7, at(103.7), at(100.2));
    assert_true(a.count == 35 && a.failed == 7);
    assert_true(fabs(a.seconds - 3.5) < 1e-6);
    a = pace_added(&p, 1, 35, 0, at(103.7), at(100.2));
    assert_true(a.count == 15 && fabs(a.seconds - 1.7) < 1e-6);
    a = pace_added(&p, 60, 5, 0, at(100.3), at(100.2)); /* a tenth of a second counts as one */
    assert_true(a.seconds == 1);
}

static void what_was_before_the_start_is_not_added(void **state)
{
    struct pace p = {0};
    pace_forget(at(50)); /* started again: a million calls were counted before */
    struct pace_added a = pace_added(&p, 10, 1000000, 0, at(50.5), at(1));
    assert_true(a.count == 0);
    pace_tick(at(51));
    pace_note(&p, 1000000, 0);
    a = pace_added(&p, 10, 1000040, 4, at(53), at(1));
    assert_true(a.count == 40 && a.failed == 4 && fabs(a.seconds - 2) < 1e-6);
}

static void counts_may_pass_four_thousand_million(void **state)
{
    struct pace p = {0};
    pace_forget(0);
    pace_tick(at(1));
    pace_note(&p, 0xfffffff0, 0);
    struct pace_added a = pace_added(&p, 1, 0x100000010, 0, at(2.5), 0);
    assert_true(a.count == 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_steady_rate_is_the_same_over_all_spans),
        cmocka_unit_test(a_young_one_counts_since_it_began),
        cmocka_unit_test(what_was_before_the_start_is_not_added),
        cmocka_unit_test(counts_may_pass_four_thousand_million),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
