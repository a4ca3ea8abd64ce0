#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "checkin/checkin.h"
#include "model/labels.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE };

static struct clock_manual now;
static struct state *db;
static struct checkins *all;
static struct arena arena;
static struct buf said; /* "CheckinMissing+\n" when one fires, "-" when it is over */

static const struct checkin_settings SETTINGS = {.create = true, .created_max = 2};
static struct checkin_row rows[] = {
    {.name = "daily",
     .title = "",
     .every_seconds = 3600,
     .cron = "",
     .zone = "UTC",
     .grace_seconds = 600,
     .max_runtime_seconds = 1200,
     .severity = "warning"},
    {.name = "night",
     .title = "the night",
     .cron = "0 3 * * *",
     .zone = "Europe/Berlin",
     .grace_seconds = 60,
     .severity = "critical"},
};
static struct option_rows table = {rows, COUNTOF(rows)};

static void hear(struct alert_sink *s, const struct alert *a, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (a[i].first)
            buf_printf(&said, STR_FMT "/" STR_FMT "%c ",
                       STR_ARG(labels_get(a[i].labels, STR("alertname"))),
                       STR_ARG(labels_get(a[i].labels, STR("checkin"))), a[i].resolved ? '-' : '+');
}

static const struct alert_sink_ops HEAR = {hear};
static struct alert_sink sink = {&HEAR};

static void begin(void)
{
    const struct checkin_config config = {
        .state = db, .clock = &now.clock, .settings = &SETTINGS, .rows = &table, .alerts = &sink};
    assert_int_equal(checkin_open(&config, &all, NULL), 0);
}

static int set_up(void **state)
{
    clock_manual_init(&now, 1795305600LL * 1000); /* 2026-11-22 00:00 UTC */
    arena_init(&arena);
    buf_init(&said, 4096);
    table.n = COUNTOF(rows);
    assert_int_equal(state_open(":memory:", &db, NULL), 0);
    begin();
    return 0;
}

static int tear_down(void **state)
{
    checkin_close(all);
    state_close(db);
    arena_done(&arena);
    buf_done(&said);
    return 0;
}

static void ping(const char *name, enum checkin_kind kind, int64_t exit)
{
    const struct checkin_ping p = {
        .kind = kind, .exit = exit, .duration_ms = -1, .output = STR("out")};
    assert_int_equal(checkin_ping(all, str_c(name), &p, NULL, NULL), 0);
}

static void pass(int64_t ms)
{
    clock_manual_pass(&now, ms);
    checkin_run(all);
}

static void is(const char *name, enum checkin_state wanted)
{
    struct checkin_view v;
    assert_int_equal(checkin_one(all, str_c(name), &arena, &v, NULL), 0);
    assert_string_equal(checkin_state_text(v.state), checkin_state_text(wanted));
}

static void told(const char *wanted)
{
    buf_put_c(&said, '\0');
    assert_string_equal(said.p, wanted);
    buf_clear(&said);
}

static void a_job_is_late_within_its_grace_and_missing_after_it(void **state)
{
    is("daily", CHECKIN_NEW);
    ping("daily", CHECKIN_SUCCESS, -1);
    pass(HOUR - SECOND);
    is("daily", CHECKIN_UP);
    pass(SECOND);
    is("daily", CHECKIN_LATE);
    told("");
    pass(10 * MINUTE);
    is("daily", CHECKIN_MISSING);
    told("CheckinMissing/daily+ ");
    ping("daily", CHECKIN_SUCCESS, 0);
    is("daily", CHECKIN_UP);
    told("CheckinMissing/daily- ");
}

static void one_that_has_never_come_is_missed_too(void **state)
{
    pass(HOUR + 10 * MINUTE);
    is("daily", CHECKIN_MISSING);
    told("CheckinMissing/daily+ ");
}

static void a_failure_stays_until_the_next_success(void **state)
{
    ping("daily", CHECKIN_START, -1);
    is("daily", CHECKIN_RUNNING);
    clock_manual_pass(&now, 30 * SECOND);
    ping("daily", CHECKIN_FAIL, 3);
    is("daily", CHECKIN_FAILED);
    told("CheckinFailed/daily+ ");
    ping("daily", CHECKIN_START, -1);
    is("daily", CHECKIN_RUNNING);
    told("");
    ping("daily", CHECKIN_SUCCESS, 0);
    told("CheckinFailed/daily- ");
    struct checkin_ping *v;
    size_t n;
    assert_int_equal(checkin_pings(all, STR("daily"), &arena, &v, &n, NULL), 0);
    assert_int_equal(n, 4);
    assert_int_equal(v[2].exit, 3);
    assert_int_equal(v[2].duration_ms, 30 * SECOND);
    assert_true(str_eq(v[2].output, STR("out")));
}

static void one_that_runs_too_long_is_told_of(void **state)
{
    ping("daily", CHECKIN_START, -1);
    pass(20 * MINUTE - SECOND);
    is("daily", CHECKIN_RUNNING);
    pass(SECOND);
    is("daily", CHECKIN_OVERRUN);
    told("CheckinOverrun/daily+ ");
    ping("daily", CHECKIN_SUCCESS, 0);
    told("CheckinOverrun/daily- ");
}

static void cron_counts_in_its_zone(void **state)
{
    ping("daily", CHECKIN_SUCCESS, 0);
    pass(2 * HOUR - SECOND); /* 03:00 in Berlin is 02:00 UTC */
    is("night", CHECKIN_NEW);
    pass(SECOND);
    is("night", CHECKIN_LATE);
    pass(MINUTE);
    is("night", CHECKIN_MISSING);
}

static void what_was_known_is_known_after_a_restart(void **state)
{
    ping("daily", CHECKIN_FAIL, 1);
    told("CheckinFailed/daily+ ");
    checkin_close(all);
    begin();
    is("daily", CHECKIN_FAILED);
    ping("daily", CHECKIN_SUCCESS, 0);
    told("CheckinFailed/daily- ");
}

static void the_first_ping_makes_one_as_many_as_are_allowed(void **state)
{
    const struct checkin_ping p = {.kind = CHECKIN_SUCCESS, .exit = -1, .duration_ms = -1};
    const struct checkin_schedule hourly = {.every_ms = HOUR, .grace_ms = MINUTE};
    const struct checkin_schedule bad = {.every_ms = HOUR, .cron = STR("* * * * *")};
    assert_int_equal(checkin_ping(all, STR("a"), &p, &hourly, NULL), 0);
    assert_int_equal(checkin_ping(all, STR("b"), &p, &bad, NULL), -ERR_FORMAT);
    assert_int_equal(checkin_ping(all, STR("no name"), &p, NULL, NULL), -ERR_FORMAT);
    assert_int_equal(checkin_ping(all, STR("b"), &p, NULL, NULL), 0);
    assert_int_equal(checkin_ping(all, STR("c"), &p, NULL, NULL), -ERR_LIMIT);
    pass(HOUR + MINUTE);
    is("a", CHECKIN_MISSING);
    is("b", CHECKIN_UP); /* nobody has said when it is due */
    assert_int_equal(checkin_delete(all, STR("a"), NULL), 0);
    assert_int_equal(checkin_delete(all, STR("a"), NULL), -ERR_NOENT);
    assert_int_equal(checkin_delete(all, STR("daily"), NULL), -ERR_STATE);
    assert_int_equal(checkin_ping(all, STR("c"), &p, NULL, NULL), 0);
}

static void a_row_that_vanishes_is_missed_no_more(void **state)
{
    struct checkin_view *v;
    size_t n;
    ping("daily", CHECKIN_SUCCESS, 0);
    table.n = 0;
    assert_int_equal(checkin_reload(all, &SETTINGS, &table, NULL), 0);
    pass(5 * HOUR);
    told("");
    checkin_list(all, &arena, &v, &n);
    assert_int_equal(n, 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_job_is_late_within_its_grace_and_missing_after_it),
        CASE(one_that_has_never_come_is_missed_too),
        CASE(a_failure_stays_until_the_next_success),
        CASE(one_that_runs_too_long_is_told_of),
        CASE(cron_counts_in_its_zone),
        CASE(what_was_known_is_known_after_a_restart),
        CASE(the_first_ping_makes_one_as_many_as_are_allowed),
        CASE(a_row_that_vanishes_is_missed_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
