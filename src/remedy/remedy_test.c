#include "remedy/remedy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "model/labels.h"

enum { SECOND = 1000 };

static struct clock_manual now;
static struct state *db;
static struct events *events;
static struct remedies *all;
static struct arena arena;
static struct remedy_settings settings;
static size_t acted;
static bool goes_wrong;

static const char *match[] = {"alertname=\"Down\""};
static struct remedy_row rows[] = {{.name = "up",
                                    .match = {match, 1},
                                    .action = "restart",
                                    .program = "api",
                                    .for_seconds = 10,
                                    .runs_max = 2,
                                    .window_seconds = 600,
                                    .cooldown_seconds = 60}};
static const struct option_rows table = {rows, COUNTOF(rows)};

static int act(void *context, const struct remedy_row *row, struct str alert, struct buf *output,
               struct why *why)
{
    acted++;
    assert_true(str_search(alert, STR("\"alertname\":\"Down\"")) < alert.n ||
                str_search(alert, STR("\"labels\":{}")) < alert.n);
    buf_put_str(output, STR("did it"));
    return goes_wrong ? why_set(why, ERR_STATE, "it would not") : 0;
}

static void begin(void)
{
    const struct remedy_config config = {.state = db,
                                         .clock = &now.clock,
                                         .settings = &settings,
                                         .rows = &table,
                                         .events = events,
                                         .act = act};
    assert_int_equal(remedy_open(&config, &all, NULL), 0);
}

static int set_up(void **state)
{
    clock_manual_init(&now, 1700000000000);
    arena_init(&arena);
    acted = 0;
    goes_wrong = rows[0].dry_run = false;
    settings = (struct remedy_settings){.enabled = true, .keep_days = 30};
    assert_int_equal(state_open(":memory:", &db, NULL), 0);
    assert_int_equal(event_open(db, &now.clock, 30, &events, NULL), 0);
    begin();
    return 0;
}

static int tear_down(void **state)
{
    remedy_close(all);
    event_close(events);
    state_close(db);
    arena_done(&arena);
    return 0;
}

static void tell(const char *name, bool resolved)
{
    struct buf key;
    struct label labels[] = {{STR("alertname"), str_c(name)}};
    buf_init(&key, 1000);
    assert_int_equal(labels_encode_bare(labels, 1, &key, NULL), 0);
    struct alert a = {.labels = buf_str(&key),
                      .starts_ms = clock_wall_ms(&now.clock),
                      .ends_ms = clock_wall_ms(&now.clock) + 86400 * SECOND,
                      .resolved = resolved};
    remedy_alert(all, &a);
    buf_done(&key);
}

static void pass(int64_t seconds)
{
    clock_manual_pass(&now, seconds * SECOND);
    remedy_run(all);
}

static void last_is(const char *outcome)
{
    struct remedy_record *v;
    size_t n;
    assert_int_equal(remedy_history(all, STR("up"), 1, &arena, &v, &n, NULL), 0);
    assert_int_equal(n, 1);
    assert_true(str_eq(v->outcome, str_c(outcome)));
}

static void it_waits_acts_cools_down_and_ends_at_its_limit(void **state)
{
    tell("Down", false);
    pass(9);
    assert_int_equal(acted, 0);
    pass(1);
    assert_int_equal(acted, 1);
    last_is("succeeded");
    pass(59);
    assert_int_equal(acted, 1);
    pass(1);
    assert_int_equal(acted, 2);
    pass(60);
    assert_int_equal(acted, 2);
    last_is("limited");
    pass(480); /* the first one is out of the window */
    assert_int_equal(acted, 3);
}

static void an_alert_that_is_over_or_another_one_changes_nothing(void **state)
{
    tell("Down", false);
    tell("Other", false);
    tell("Down", true);
    pass(100);
    assert_int_equal(acted, 0);
}

static void a_dry_run_writes_down_and_does_nothing(void **state)
{
    rows[0].dry_run = true;
    tell("Down", false);
    pass(10);
    assert_int_equal(acted, 0);
    last_is("dry run");
}

static void the_switch_switches_off(void **state)
{
    static const struct remedy_settings OFF = {.enabled = false, .keep_days = 30};
    remedy_reload(all, &OFF);
    tell("Down", false);
    pass(10);
    assert_int_equal(acted, 0);
    bool ok;
    struct str text;
    assert_int_equal(remedy_by_hand(all, STR("up"), STR("ada"), false, &arena, &ok, &text, NULL),
                     0);
    assert_true(ok && acted == 1);
    assert_int_equal(remedy_by_hand(all, STR("no"), STR("ada"), false, &arena, &ok, &text, NULL),
                     -ERR_NOENT);
}

static void limits_hold_over_a_restart_and_failures_count(void **state)
{
    goes_wrong = true;
    tell("Down", false);
    pass(10);
    last_is("failed");
    pass(60);
    assert_int_equal(acted, 2);
    remedy_close(all);
    begin();
    tell("Down", false);
    pass(60);
    assert_int_equal(acted, 2);
    last_is("limited");
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(it_waits_acts_cools_down_and_ends_at_its_limit),
        CASE(an_alert_that_is_over_or_another_one_changes_nothing),
        CASE(a_dry_run_writes_down_and_does_nothing),
        CASE(the_switch_switches_off),
        CASE(limits_hold_over_a_restart_and_failures_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
