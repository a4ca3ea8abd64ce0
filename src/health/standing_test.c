#include "health/standing.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

#include "health/maintenance.h"

enum { FALL = 3, RISE = 2, MAX_SPANS = 1000 };

/* Readings "hdux" one after the other; what the state is after each. */
static void expect(const char *readings, const char *states)
{
    static const char LETTERS[] = "hdux";
    struct standing s = {0};
    for (size_t i = 0; readings[i] != '\0'; i++) {
        enum health_state reading = (enum health_state)(strchr(LETTERS, readings[i]) - LETTERS);
        (void)standing_take(&s, reading, FALL, RISE);
        char now = s.ever ? LETTERS[s.state] : '-';
        if (now != states[i])
            fail_msg("%s: after %zu readings it is %c and not %c", readings, i + 1, now, states[i]);
    }
}

static void states_fall_and_rise_after_enough_readings_in_a_row(void **state)
{
    expect("huuuhh", "hhhuuh");
    expect("huuhuuhuuu", "hhhhhhhhhu"); /* a good one between begins anew */
    expect("huduh", "hhhdd");           /* the mildest of the bad ones */
    expect("huuuddhh", "hhhuuddh");     /* better in steps */
    expect("huuudhh", "hhhuudd");       /* the mildest step up is the lesser one */
    expect("uuuhh", "--uuh");           /* one failure at the start is no state yet */
    expect("uhuuu", "-hhhu");
    expect("xxxuuh", "--xxuu");
}

static void uptime_counts_known_time_outside_of_maintenance(void **state)
{
    struct standing_history h = {0};
    standing_change(&h, 0, HEALTH_OK, false, MAX_SPANS);
    standing_change(&h, 600, HEALTH_UNHEALTHY, false, MAX_SPANS);
    standing_change(&h, 700, HEALTH_UNHEALTHY, true, MAX_SPANS);
    standing_change(&h, 800, HEALTH_DEGRADED, false, MAX_SPANS);
    standing_end(&h, 900); /* the daemon was down until 1000 */
    standing_change(&h, 1000, HEALTH_UNKNOWN, false, MAX_SPANS);
    struct standing_sum s = standing_spent(&h, 0, 1100);
    assert_int_equal(s.in[HEALTH_OK], 600);
    assert_int_equal(s.in[HEALTH_DEGRADED], 100);
    assert_int_equal(s.in[HEALTH_UNHEALTHY], 100);
    assert_int_equal(s.in[HEALTH_UNKNOWN], 100);
    assert_int_equal(s.maintenance, 100);
    assert_true(fabs(standing_uptime(&h, 0, 1100) - 700.0 / 800) < 1e-12);
    assert_true(fabs(standing_uptime(&h, 550, 650) - 0.5) < 1e-12);
    assert_true(isnan(standing_uptime(&h, 900, 1000)));
    assert_true(isnan(standing_uptime(&h, 710, 790)));
    standing_history_done(&h);
}

static void a_clock_that_goes_back_makes_no_negative_spans(void **state)
{
    struct standing_history h = {0};
    standing_change(&h, 1000, HEALTH_OK, false, MAX_SPANS);
    standing_change(&h, 400, HEALTH_UNHEALTHY, false, MAX_SPANS);
    standing_change(&h, 1500, HEALTH_OK, false, MAX_SPANS);
    for (size_t i = 0; i < h.n; i++)
        assert_true(h.v[i].to_ms >= h.v[i].from_ms);
    assert_int_equal(standing_spent(&h, 0, 1500).in[HEALTH_UNHEALTHY], 500);
    standing_history_done(&h);
}

static void only_so_many_spans_are_kept_the_newest(void **state)
{
    struct standing_history h = {0};
    for (int i = 0; i < 100; i++)
        standing_change(&h, i, i % 2 ? HEALTH_OK : HEALTH_UNHEALTHY, false, 10);
    assert_int_equal(h.n, 10);
    assert_int_equal(h.v[9].from_ms, 99);
    standing_change(&h, 200, HEALTH_OK, false, 10); /* the same state goes on */
    assert_int_equal(h.n, 10);
    assert_int_equal(h.v[9].to_ms, INT64_MAX);
    standing_history_done(&h);
}

/* ---- maintenance */

static int64_t at(const char *text)
{
    struct tm tm = {0};
    assert_non_null(strptime(text, "%Y-%m-%dT%H:%M", &tm));
    return (int64_t)timegm(&tm) * 1000;
}

static bool holds(const char *from, const char *to, const char *weekly, const char *when)
{
    struct maintenance_window w;
    struct why why;
    const char *list[] = {weekly};
    struct checkup_settings_maintenance m = {.name = "m",
                                             .reason = "",
                                             .from = from,
                                             .to = to,
                                             .weekly = {list, weekly[0] != '\0'},
                                             .zone = "utc"};
    assert_int_equal(maintenance_read(&m, &w, &why), 0);
    return maintenance_holds(&w, at(when));
}

static void windows_hold_from_their_begin_to_before_their_end(void **state)
{
    const char *from = "2026-03-01T10:00:00Z", *to = "2026-03-01T12:30:00+02:00";
    assert_false(holds(from, to, "", "2026-03-01T09:59"));
    assert_true(holds(from, to, "", "2026-03-01T10:00"));
    assert_true(holds(from, to, "", "2026-03-01T10:29"));
    assert_false(holds(from, to, "", "2026-03-01T10:30"));
}

static void weekly_windows_may_pass_midnight(void **state)
{
    /* 2026-03-01 is a Sunday */
    assert_true(holds("", "", "sun 02:00-04:00", "2026-03-01T03:59"));
    assert_false(holds("", "", "sun 02:00-04:00", "2026-03-01T04:00"));
    assert_false(holds("", "", "sun 02:00-04:00", "2026-03-02T03:00"));
    assert_true(holds("", "", "sat 23:00-01:00", "2026-03-01T00:30"));
    assert_false(holds("", "", "sat 23:00-01:00", "2026-03-02T00:30"));
    assert_true(holds("", "", "fri-mon 10:00-11:00", "2026-03-02T10:30"));
    assert_false(holds("", "", "fri-mon 10:00-11:00", "2026-03-03T10:30"));
    assert_true(holds("", "", "daily 00:00-24:00", "2026-03-03T23:59"));
    assert_false(holds("", "2026-03-02T00:00:00Z", "daily 10:00-11:00", "2026-03-03T10:30"));
}

static void windows_without_sense_are_refused(void **state)
{
    static const struct {
        const char *from, *to, *weekly;
    } BAD[] = {{"", "", ""},
               {"yesterday", "", "sun 02:00-04:00"},
               {"2026-03-01T10:00:00Z", "2026-03-01T09:00:00Z", ""},
               {"", "", "someday 02:00-04:00"},
               {"", "", "sun 02:00"},
               {"", "", "sun 25:00-26:00"},
               {"", "", "sun 02:00-04:00 more"}};
    for (size_t i = 0; i < COUNTOF(BAD); i++) {
        struct maintenance_window w;
        struct why why = {0};
        const char *list[] = {BAD[i].weekly};
        struct checkup_settings_maintenance m = {.name = "m",
                                                 .from = BAD[i].from,
                                                 .to = BAD[i].to,
                                                 .weekly = {list, BAD[i].weekly[0] != '\0'},
                                                 .zone = "utc"};
        assert_true(maintenance_read(&m, &w, &why) < 0);
        assert_true(why.text[0] != '\0');
    }
}

static void names_fit_patterns_with_stars(void **state)
{
    assert_true(checkup_settings_fits("db*", "db-1"));
    assert_true(checkup_settings_fits("*-1", "db-1"));
    assert_true(checkup_settings_fits("d*-*1", "db-x-1"));
    assert_true(checkup_settings_fits("*", ""));
    assert_false(checkup_settings_fits("db", "db-1"));
    assert_false(checkup_settings_fits("*-2", "db-1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states_fall_and_rise_after_enough_readings_in_a_row),
        cmocka_unit_test(uptime_counts_known_time_outside_of_maintenance),
        cmocka_unit_test(a_clock_that_goes_back_makes_no_negative_spans),
        cmocka_unit_test(only_so_many_spans_are_kept_the_newest),
        cmocka_unit_test(windows_hold_from_their_begin_to_before_their_end),
        cmocka_unit_test(weekly_windows_may_pass_midnight),
        cmocka_unit_test(windows_without_sense_are_refused),
        cmocka_unit_test(names_fit_patterns_with_stars),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
