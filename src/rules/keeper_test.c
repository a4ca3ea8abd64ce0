#include "rules/rules_testbed.h"

#include <stdio.h>

#include "rules/keeper.h"

/* A daemon that is killed: its groups vanish as they are, and others read what was written. */
static struct bed bed;
static struct state *state;
static struct keeper keeper;
static struct group *g;

static void open_keeper(void)
{
    struct why why = {0};
    assert_int_equal(keeper_open(&keeper, state, &why), 0);
    bed.world.keeper = &keeper;
}

static int set_up(void **unused)
{
    struct why why = {0};
    bed_open(&bed);
    assert_int_equal(state_open(":memory:", &state, &why), 0);
    open_keeper();
    g = NULL;
    return 0;
}

static int tear_down(void **unused)
{
    group_free(g);
    keeper_close(&keeper);
    state_close(state);
    bed_close(&bed);
    return 0;
}

/* The end of one daemon and the start of the next at minute m; was anything known? */
static bool kill_and_start(const char *rules, int m)
{
    group_free(g);
    keeper_close(&keeper);
    open_keeper();
    g = bed_group(&bed, rules, true);
    return group_take_up(g, &bed.world, (int64_t)m * 60000);
}

static const char *sent(void)
{
    buf_put_c(&bed.sent, '\0');
    const char *text = arena_str(&bed.arena, str_c(bed.sent.p)).p;
    buf_clear(&bed.sent);
    return text;
}

#define DOWN                                                                                       \
    "groups:\n- name: g\n  rules:\n  - alert: Down\n    expr: up == 0\n    for: 10m\n"             \
    "    labels: {a: b}\n    annotations: {s: 'is down'}\n"

static void a_pending_alert_goes_on_pending_after_a_kill(void **unused)
{
    bed_load(&bed, 0, "up 0x60");
    g = bed_group(&bed, DOWN, true);
    assert_false(group_take_up(g, &bed.world, 0));
    bed_minutes(&bed, g, 0, 4);
    assert_true(kill_and_start(DOWN, 5));
    assert_false(group_wants_restore(g));
    assert_string_equal(bed_rule(&bed, g, 0), "pending unknown | {a=\"b\", alertname=\"Down\"} "
                                              "pending since 0 value 0");
    bed_minutes(&bed, g, 5, 9);
    assert_non_null(strstr(bed_rule(&bed, g, 0), "pending since 0"));
    bed_minutes(&bed, g, 10, 10); /* ten minutes after the first hit, whatever happened between */
    assert_non_null(strstr(bed_rule(&bed, g, 0), "firing since 0"));
    assert_string_equal(sent(), "{a=\"b\", alertname=\"Down\"} first firing 600-840\n");
}

static void a_firing_alert_stays_firing_and_is_told_again(void **unused)
{
    bed_load(&bed, 0, "up 0x60");
    g = bed_group(&bed, DOWN, false);
    bed_minutes(&bed, g, 0, 12);
    (void)sent();
    assert_true(kill_and_start(DOWN, 13));
    assert_non_null(strstr(bed_rule(&bed, g, 0), "firing since 0"));
    bed_minutes(&bed, g, 13, 13);
    assert_string_equal(sent(), "{a=\"b\", alertname=\"Down\"} firing 600-1020\n");
    assert_non_null(strstr(bed_history(&bed, "ALERTS{alertstate=\"firing\"}"), " 780=1"));
}

static void samples_that_have_not_come_yet_resolve_nothing_in_the_first_run(void **unused)
{
    bed_load(&bed, 0, "up 0x12 _x10 0x30");
    g = bed_group(&bed, DOWN, false);
    bed_minutes(&bed, g, 0, 12);
    assert_true(kill_and_start(DOWN, 22));
    bed_minutes(&bed, g, 22, 22); /* nothing was scraped for ten minutes */
    assert_non_null(strstr(bed_rule(&bed, g, 0), "firing since 0"));
    bed_minutes(&bed, g, 23, 24);
    assert_non_null(strstr(bed_rule(&bed, g, 0), "firing since 0"));
}

static void an_alert_that_is_over_is_resolved_by_the_second_run(void **unused)
{
    bed_load(&bed, 0, "up 0x12 1x60");
    g = bed_group(&bed, DOWN, false);
    bed_minutes(&bed, g, 0, 12);
    assert_true(kill_and_start(DOWN, 14));
    (void)sent();
    bed_minutes(&bed, g, 14, 15);
    assert_string_equal(sent(), "{a=\"b\", alertname=\"Down\"} firing 600-1080\n"
                                "{a=\"b\", alertname=\"Down\"} first resolved 600-900\n");
    assert_true(kill_and_start(DOWN, 16)); /* the end is not forgotten either */
    bed_minutes(&bed, g, 16, 16);
    assert_string_equal(sent(), "{a=\"b\", alertname=\"Down\"} resolved 600-900\n");
    assert_string_equal(bed_rule(&bed, g, 0), "inactive ok");
}

#define KEPT "groups:\n- name: g\n  rules:\n  - {alert: K, expr: up == 0, keep_firing_for: 10m}\n"

static void how_long_an_alert_is_kept_firing_counts_over_a_kill(void **unused)
{
    bed_load(&bed, 0, "up 0 1x60");
    g = bed_group(&bed, KEPT, false);
    bed_minutes(&bed, g, 0, 3);
    assert_true(kill_and_start(KEPT, 5));
    bed_minutes(&bed, g, 5, 10);
    assert_non_null(strstr(bed_rule(&bed, g, 0), "kept since 60"));
    bed_minutes(&bed, g, 11, 11);
    assert_string_equal(bed_rule(&bed, g, 0), "inactive ok");
}

static void after_a_long_outage_nothing_is_known(void **unused)
{
    bed_load(&bed, 0, "up 0x300");
    g = bed_group(&bed, DOWN, false);
    bed_minutes(&bed, g, 0, 12);
    assert_false(kill_and_start(DOWN, 12 + 61));
    assert_true(group_wants_restore(g)); /* the series may know more */
    assert_true(kill_and_start(DOWN, 12 + 59));
}

static void alerts_that_ended_pending_leave_nothing_behind(void **unused)
{
    struct keeper_alert *v;
    struct why why = {0};
    size_t n;
    bed_load(&bed, 0, "up 0 0 1 1 1");
    g = bed_group(&bed, DOWN, false);
    bed_minutes(&bed, g, 0, 1);
    assert_int_equal(keeper_read(&keeper, STR("bed.yml"), STR("g"), &bed.arena, &v, &n, &why), 0);
    assert_int_equal(n, 1);
    bed_minutes(&bed, g, 2, 2);
    assert_int_equal(keeper_read(&keeper, STR("bed.yml"), STR("g"), &bed.arena, &v, &n, &why), 0);
    assert_int_equal(n, 0);
}

#define OTHER                                                                                      \
    "groups:\n- name: g\n  rules:\n  - {alert: Other, expr: up == 0, for: 10m}\n"                  \
    "  - {alert: Down, expr: up == 0, for: 10m, labels: {a: b}}\n"

static void states_belong_to_rules_by_their_names_and_labels(void **unused)
{
    struct keeper_alert *v;
    struct why why = {0};
    size_t n;
    bed_load(&bed, 0, "up 0x60");
    g = bed_group(&bed, DOWN, false);
    bed_minutes(&bed, g, 0, 4);
    assert_true(kill_and_start(OTHER, 5));
    assert_string_equal(bed_rule(&bed, g, 0), "inactive unknown");
    assert_non_null(strstr(bed_rule(&bed, g, 1), "pending since 0"));
    assert_true(kill_and_start("groups:\n- name: g\n  rules:\n  - {alert: X, expr: up == 1}\n", 6));
    bed_minutes(&bed, g, 6, 6);
    assert_int_equal(keeper_read(&keeper, STR("bed.yml"), STR("g"), &bed.arena, &v, &n, &why), 0);
    assert_int_equal(n, 0); /* of a rule that is gone */
}

static bool has_none(void *context, struct str file, struct str group)
{
    assert_true(str_eq(file, STR("bed.yml")));
    assert_true(str_eq(group, STR("g")));
    return false;
}

static void groups_that_are_gone_are_forgotten(void **unused)
{
    struct keeper_alert *v;
    struct why why = {0};
    size_t n;
    bed_load(&bed, 0, "up 0x60");
    g = bed_group(&bed, DOWN, false);
    bed_minutes(&bed, g, 0, 4);
    assert_int_equal(keeper_prune(&keeper, has_none, NULL, &why), 0);
    assert_int_equal(keeper_read(&keeper, STR("bed.yml"), STR("g"), &bed.arena, &v, &n, &why), 0);
    assert_int_equal(n, 0);
}

static void an_alert_shows_only_when_it_is_on_disk(void **unused)
{
    bed_load(&bed, 0, "up 0x60");
    g = bed_group(&bed, DOWN, false);
    for (int m = 1; m < 12; m++) {
        bed_minutes(&bed, g, m, m);
        const char *before = bed_rule(&bed, g, 0);
        const char *tail = strchr(before, '|');
        assert_non_null(tail);
        assert_true(kill_and_start(DOWN, m));
        assert_string_equal(strchr(bed_rule(&bed, g, 0), '|'), tail);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_pending_alert_goes_on_pending_after_a_kill, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_firing_alert_stays_firing_and_is_told_again, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            samples_that_have_not_come_yet_resolve_nothing_in_the_first_run, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_alert_that_is_over_is_resolved_by_the_second_run, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(how_long_an_alert_is_kept_firing_counts_over_a_kill, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(after_a_long_outage_nothing_is_known, set_up, tear_down),
        cmocka_unit_test_setup_teardown(alerts_that_ended_pending_leave_nothing_behind, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(states_belong_to_rules_by_their_names_and_labels, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(groups_that_are_gone_are_forgotten, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_alert_shows_only_when_it_is_on_disk, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
