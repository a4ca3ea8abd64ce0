#include "checkin/cron.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#include "base/attr.h"
#include "base/buf.h"
#include "os/file.h"

static int64_t at(const char *text)
{
    struct tm tm = {0};
    assert_non_null(strptime(text, "%Y-%m-%d %H:%M", &tm));
    return (int64_t)timegm(&tm) * 1000;
}

static struct arena arena;

static const struct zone *zone(const char *name)
{
    char path[200];
    struct buf b;
    const struct zone *z;
    snprintf(path, sizeof path, "/usr/share/zoneinfo/%s", name);
    buf_init(&b, ZONE_FILE_MAX);
    assert_int_equal(file_read(path, &b, NULL), 0);
    assert_int_equal(zone_parse(buf_str(&b), &arena, &z, NULL), 0);
    buf_done(&b);
    return z;
}

static void next_is(const char *text, const struct zone *z, const char *after, const char *wanted)
{
    struct cron c;
    struct why why;
    assert_int_equal(cron_parse(str_c(text), &c, &why), 0);
    int64_t next = cron_next(&c, z, at(after));
    if (next != at(wanted))
        print_error("%s after %s: %lld, not %s\n", text, after, (long long)next, wanted);
    assert_int_equal(next, at(wanted));
}

static void the_next_time_is_that_of_crontab(void **state)
{
    next_is("* * * * *", NULL, "2026-11-22 10:00", "2026-11-22 10:01");
    next_is("*/15 * * * *", NULL, "2026-11-22 10:00", "2026-11-22 10:15");
    next_is("0 3 * * *", NULL, "2026-11-22 03:00", "2026-11-23 03:00");
    next_is("5,35 8-10/2 * * mon-fri", NULL, "2026-11-20 10:35", "2026-11-23 08:05");
    next_is("@monthly", NULL, "2026-12-01 00:00", "2027-01-01 00:00");
    next_is("0 0 29 feb ?", NULL, "2026-01-01 00:00", "2028-02-29 00:00");
    next_is("0 12 * * 7", NULL, "2026-11-22 12:00", "2026-11-29 12:00");
    next_is("59 23 31 12 *", NULL, "2026-12-31 23:58", "2026-12-31 23:59");
}

static void either_day_does_where_both_are_given(void **state)
{
    next_is("0 0 13 * 5", NULL, "2026-11-06 00:00", "2026-11-13 00:00");
    next_is("0 0 14 * 5", NULL, "2026-11-13 00:00", "2026-11-14 00:00");
    next_is("0 0 14 * 5", NULL, "2026-11-14 00:00", "2026-11-20 00:00");
}

static void a_zone_shifts_the_hour_and_its_summer_shifts_it_again(void **state)
{
    const struct zone *berlin = zone("Europe/Berlin");
    next_is("0 3 * * *", berlin, "2026-01-10 00:00", "2026-01-10 02:00");
    next_is("0 3 * * *", berlin, "2026-07-10 00:00", "2026-07-10 01:00");
    next_is("0 0 1 * *", berlin, "2026-07-01 00:00", "2026-07-31 22:00");
    next_is("0 3 * * *", berlin, "2060-07-10 00:00", "2060-07-10 01:00"); /* by the rule */
    const struct zone *sydney = zone("Australia/Sydney");
    next_is("0 3 * * *", sydney, "2061-01-10 00:00", "2061-01-10 16:00");
    next_is("0 3 * * *", sydney, "2061-07-10 00:00", "2061-07-10 17:00");
}

static void a_time_that_clocks_leap_over_is_due_when_they_have_leapt(void **state)
{
    const struct zone *berlin = zone("Europe/Berlin"); /* 2026-03-29 02:00 becomes 03:00 */
    next_is("30 2 * * *", berlin, "2026-03-28 12:00", "2026-03-29 01:00");
    next_is("30 2 * * *", berlin, "2026-03-29 01:00", "2026-03-30 00:30");
    next_is("30 * * * *", berlin, "2026-03-29 00:30", "2026-03-29 01:30");
}

static void a_time_that_comes_twice_is_due_once_unless_every_hour_is(void **state)
{
    const struct zone *berlin = zone("Europe/Berlin"); /* 2026-10-25 03:00 becomes 02:00 */
    next_is("30 2 * * *", berlin, "2026-10-24 12:00", "2026-10-25 00:30");
    next_is("30 2 * * *", berlin, "2026-10-25 00:30", "2026-10-26 01:30");
    next_is("30 * * * *", berlin, "2026-10-25 00:30", "2026-10-25 01:30");
}

static void what_never_comes_is_told_by_nought(void **state)
{
    struct cron c;
    assert_int_equal(cron_parse(STR("0 0 30 2 *"), &c, NULL), 0);
    assert_int_equal(cron_next(&c, NULL, at("2026-01-01 00:00")), 0);
}

static void what_is_no_expression_is_refused_with_the_field(void **state)
{
    static const char *const BAD[] = {
        "",          "* * * *",      "* * * * * *", "60 * * * *",  "* 24 * * *",
        "* * 0 * *", "* * * 13 *",   "* * * * 8",   "5-1 * * * *", "*/0 * * * *",
        "a * * * *", "1,,2 * * * *", "@often"};
    struct cron c;
    for (size_t i = 0; i < COUNTOF(BAD); i++) {
        struct why why = {0};
        assert_int_equal(cron_parse(str_c(BAD[i]), &c, &why), -ERR_FORMAT);
        assert_true(why.text[0] != '\0');
    }
}

static void a_step_beyond_the_field_leaves_its_begin_alone(void **state)
{
    struct cron c;
    assert_int_equal(cron_parse(STR("59/18446744073709551615 1/400 * * *"), &c, NULL), 0);
    assert_true(c.minutes == 1ULL << 59);
    assert_true(c.hours == 1ULL << 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_next_time_is_that_of_crontab),
        cmocka_unit_test(either_day_does_where_both_are_given),
        cmocka_unit_test(a_zone_shifts_the_hour_and_its_summer_shifts_it_again),
        cmocka_unit_test(a_time_that_clocks_leap_over_is_due_when_they_have_leapt),
        cmocka_unit_test(a_time_that_comes_twice_is_due_once_unless_every_hour_is),
        cmocka_unit_test(what_never_comes_is_told_by_nought),
        cmocka_unit_test(what_is_no_expression_is_refused_with_the_field),
        cmocka_unit_test(a_step_beyond_the_field_leaves_its_begin_alone),
    };
    arena_init(&arena);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_done(&arena);
    return failed;
}
