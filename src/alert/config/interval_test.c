#include "base/arena_test.h"

#include <stdio.h>
#include <time.h>

#include "alert/config/interval.h"

static void read_good(const char *yaml, struct interval *ret)
{
    const struct yaml_node *list;
    struct yaml_place place;
    struct why why = {0};
    if (yaml_parse(str_c(yaml), &arena, &list, NULL, &why) != 0 ||
        interval_read(list, &arena, ret, &place, &why) != 0)
        fail_msg("%s: %s", yaml, why.text);
}

static int64_t utc(const char *text)
{
    struct tm t = {0};
    assert_non_null(strptime(text, "%Y-%m-%d %H:%M:%S", &t));
    return (int64_t)timegm(&t) * 1000;
}

static bool holds(const char *yaml, const char *when)
{
    struct interval i = {0};
    read_good(yaml, &i);
    return interval_holds(&i, utc(when));
}

static void a_time_of_day_holds_up_to_but_not_with_its_end(void **state)
{
    const char *yaml = "[{times: [{start_time: '09:00', end_time: '17:30'}]}]";
    assert_false(holds(yaml, "2026-11-22 08:59:59"));
    assert_true(holds(yaml, "2026-11-22 09:00:00"));
    assert_true(holds(yaml, "2026-11-22 17:29:59"));
    assert_false(holds(yaml, "2026-11-22 17:30:00"));
    assert_true(
        holds("[{times: [{start_time: '00:00', end_time: '24:00'}]}]", "2026-11-22 23:59:59"));
}

static void weekdays_go_by_name(void **state)
{
    assert_true(holds("[{weekdays: [sunday]}]", "2026-11-22 12:00:00"));
    assert_false(holds("[{weekdays: ['Monday:FRIDAY', saturday]}]", "2026-11-22 12:00:00"));
    assert_true(holds("[{weekdays: ['monday:friday']}]", "2026-11-23 00:00:00"));
}

static void days_of_a_month_count_from_both_ends(void **state)
{
    assert_true(holds("[{days_of_month: ['-1']}]", "2026-02-28 12:00:00"));
    assert_false(holds("[{days_of_month: ['-1']}]", "2028-02-28 12:00:00"));
    assert_true(holds("[{days_of_month: ['-1']}]", "2028-02-29 12:00:00"));
    assert_true(holds("[{days_of_month: ['-3:-1']}]", "2026-11-28 12:00:00"));
    assert_false(holds("[{days_of_month: ['-3:-1']}]", "2026-11-27 12:00:00"));
    assert_true(holds("[{days_of_month: ['1:5', '20']}]", "2026-11-20 12:00:00"));
    assert_false(holds("[{days_of_month: ['31']}]", "2026-02-28 12:00:00"));
    assert_true(holds("[{days_of_month: ['5:31']}]", "2026-02-28 12:00:00"));
    assert_true(holds("[{days_of_month: ['-31:-20']}]", "2026-02-01 12:00:00"));
}

static void months_and_years_are_names_or_numbers(void **state)
{
    assert_true(holds("[{months: ['november']}]", "2026-11-22 12:00:00"));
    assert_true(holds("[{months: ['10:December']}]", "2026-11-22 12:00:00"));
    assert_false(holds("[{months: ['1:3', 5]}]", "2026-11-22 12:00:00"));
    assert_true(holds("[{years: ['2020:2026']}]", "2026-12-31 23:59:59"));
    assert_false(holds("[{years: [2025]}]", "2026-01-01 00:00:00"));
}

static void all_parts_of_an_item_must_hold_and_any_item_is_enough(void **state)
{
    const char *yaml = "[{weekdays: [sunday], months: [may]}, {years: [2031]}]";
    assert_false(holds(yaml, "2026-11-22 12:00:00"));
    assert_true(holds(yaml, "2026-05-24 12:00:00"));
    assert_true(holds(yaml, "2031-11-22 12:00:00"));
    assert_false(holds("[]", "2026-11-22 12:00:00"));
    assert_true(holds("[{}]", "2026-11-22 12:00:00"));
    assert_false(holds("[{times: []}]", "2026-11-22 12:00:00"));
}

static void a_location_has_its_own_clock_in_summer_and_winter(void **state)
{
    const char *yaml = "[{location: 'Europe/Berlin', times: [{start_time: '09:00', end_time: "
                       "'10:00'}]}]";
    assert_true(holds(yaml, "2026-01-15 08:30:00"));
    assert_false(holds(yaml, "2026-01-15 07:30:00"));
    assert_true(holds(yaml, "2026-07-15 07:30:00"));
    assert_false(holds(yaml, "2026-07-15 08:30:00"));
    assert_true(holds("[{location: 'Pacific/Kiritimati', weekdays: [monday]}]",
                      "2026-11-22 10:00:00")); /* 14 hours before UTC's clock */
    assert_true(
        holds("[{location: 'America/New_York', days_of_month: ['21']}]", "2026-11-22 04:59:59"));
}

static const struct {
    const char *yaml, *message;
} BAD[] = {
    {"{}", "cannot unmarshal !!map into []timeinterval.TimeInterval"},
    {"[{foo: 1}]", "field foo not found in type timeinterval.TimeInterval"},
    {"[{times: [{start_time: '10:00', end_time: '09:00'}]}]",
     "start time cannot be equal or greater than end time"},
    {"[{times: [{start_time: '10:00'}]}]", "both start and end times must be provided"},
    {"[{times: [{start_time: '1:00', end_time: '09:00'}]}]",
     "couldn't parse timestamp 1:00, invalid format"},
    {"[{times: [{start_time: '10:00', end_time: '24:01'}]}]",
     "couldn't parse timestamp 24:01, invalid format"},
    {"[{times: [{start_time: '10:60', end_time: '12:00'}]}]",
     "couldn't parse timestamp 10:60, invalid format"},
    {"[{times: [{start_time: '10:00', end_time: '12:00', x: 1}]}]",
     "field x not found in type timeinterval.yamlTimeRange"},
    {"[{weekdays: [foo]}]", "foo is not a valid weekday"},
    {"[{weekdays: ['1:3']}]", "1 is not a valid weekday"},
    {"[{weekdays: ['friday:monday']}]", "start day cannot be before end day"},
    {"[{days_of_month: ['0:3']}]", "0 is not a valid day of the month: out of range"},
    {"[{days_of_month: [32]}]", "32 is not a valid day of the month: out of range"},
    {"[{days_of_month: ['5:3']}]", "end day 3 is always before start day 5"},
    {"[{days_of_month: ['28:-1']}]", "end day -1 is always before start day 28"},
    {"[{days_of_month: ['-5:3']}]", "end day must be negative if start day is negative"},
    {"[{days_of_month: [x]}]", "strconv.Atoi: parsing \"x\": invalid syntax"},
    {"[{days_of_month: ['1:2:3']}]", "couldn't parse range 1:2:3, invalid format"},
    {"[{months: [foo]}]", "foo is not a valid month"},
    {"[{months: ['may:3']}]", "end month 3 is before start month may"},
    {"[{years: ['2022:2020']}]", "end year 2020 is before start year 2022"},
    {"[{years: [x]}]", "strconv.Atoi: parsing \"x\": invalid syntax"},
    {"[{location: 'Foo/Bar'}]", "unknown time zone Foo/Bar"},
    {"[{location: '../../etc/passwd'}]", "unknown time zone ../../etc/passwd"},
    {"[{location: 'europe/berlin'}]", "unknown time zone europe/berlin"},
};

static void what_cannot_be_meant_is_refused_in_alertmanagers_words(void **state)
{
    for (size_t i = 0; i < COUNTOF(BAD); i++) {
        const struct yaml_node *list;
        struct yaml_place place = {0};
        struct interval interval = {0};
        struct why why = {0};
        assert_int_equal(yaml_parse(str_c(BAD[i].yaml), &arena, &list, NULL, NULL), 0);
        assert_int_equal(interval_read(list, &arena, &interval, &place, &why), -ERR_FORMAT);
        assert_string_equal(why.text, BAD[i].message);
        assert_int_equal(place.line, 1);
    }
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, arena_test_begin, arena_test_end)
    const struct CMUnitTest tests[] = {
        CASE(a_time_of_day_holds_up_to_but_not_with_its_end),
        CASE(weekdays_go_by_name),
        CASE(days_of_a_month_count_from_both_ends),
        CASE(months_and_years_are_names_or_numbers),
        CASE(all_parts_of_an_item_must_hold_and_any_item_is_enough),
        CASE(a_location_has_its_own_clock_in_summer_and_winter),
        CASE(what_cannot_be_meant_is_refused_in_alertmanagers_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
