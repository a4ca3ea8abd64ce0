#include "rules/rules_testbed.h"

#include <stdio.h>

#include "base/rand.h"

static struct bed bed;

static int set_up(void **state)
{
    bed_open(&bed);
    return 0;
}

static int tear_down(void **state)
{
    bed_close(&bed);
    return 0;
}

#define GROUP(rules) "groups:\n- name: g\n  rules:\n" rules

/* ---- states */

#define DOWN                                                                                       \
    GROUP("  - alert: Down\n"                                                                      \
          "    expr: up == 0\n"                                                                    \
          "    for: 3m\n")

static void an_alert_pends_fires_and_is_resolved(void **state)
{
    bed_load(&bed, 0, "up{job=\"a\"} 0x5 1x30");
    struct group *g = bed_group(&bed, DOWN, false);
    bed_minutes(&bed, g, 0, 2);
    assert_string_equal(bed_rule(&bed, g, 0), "pending ok | {alertname=\"Down\", job=\"a\"} "
                                              "pending since 0 value 0");
    bed_minutes(&bed, g, 3, 5);
    assert_string_equal(bed_rule(&bed, g, 0), "firing ok | {alertname=\"Down\", job=\"a\"} "
                                              "firing since 0 value 0");
    bed_minutes(&bed, g, 6, 7);
    assert_string_equal(bed_rule(&bed, g, 0), "inactive ok");
    assert_string_equal(bed_history(&bed, "ALERTS"),
                        "ALERTS{alertname=\"Down\", alertstate=\"firing\", job=\"a\"} 180=1 240=1 "
                        "300=1 360=stale\n"
                        "ALERTS{alertname=\"Down\", alertstate=\"pending\", job=\"a\"} 0=1 60=1 "
                        "120=1 180=stale\n");
    assert_string_equal(bed_history(&bed, "ALERTS_FOR_STATE"),
                        "ALERTS_FOR_STATE{alertname=\"Down\", job=\"a\"} 0=0 60=0 120=0 180=0 "
                        "240=0 300=0 360=stale\n");
    group_free(g);
}

static void an_alert_without_for_fires_in_its_first_run(void **state)
{
    struct group *g =
        bed_group(&bed, GROUP("  - {alert: Now, expr: vector(7), labels: {a: b}}\n"), false);
    bed_minutes(&bed, g, 5, 5);
    assert_string_equal(bed_rule(&bed, g, 0),
                        "firing ok | {a=\"b\", alertname=\"Now\"} firing since 300 value 7");
    group_free(g);
}

static void an_alert_that_flaps_begins_to_pend_anew(void **state)
{
    bed_load(&bed, 0, "up 0 0 1 0 0 0 0");
    struct group *g = bed_group(&bed, DOWN, false);
    bed_minutes(&bed, g, 0, 5);
    assert_string_equal(bed_rule(&bed, g, 0),
                        "pending ok | {alertname=\"Down\"} pending since 180 value 0");
    bed_minutes(&bed, g, 6, 6);
    assert_string_equal(bed_rule(&bed, g, 0),
                        "firing ok | {alertname=\"Down\"} firing since 180 value 0");
    assert_string_equal(bed_history(&bed, "ALERTS_FOR_STATE"),
                        "ALERTS_FOR_STATE{alertname=\"Down\"} 0=0 60=0 120=stale 180=180 240=180 "
                        "300=180 360=180\n");
    group_free(g);
}

static void an_alert_fires_on_for_as_long_as_it_is_kept(void **state)
{
    bed_load(&bed, 0, "up 0 1 1 0 1 1 1 1 1");
    struct group *g =
        bed_group(&bed, GROUP("  - {alert: K, expr: up == 0, keep_firing_for: 3m}\n"), false);
    bed_minutes(&bed, g, 0, 2);
    assert_string_equal(bed_rule(&bed, g, 0),
                        "firing ok | {alertname=\"K\"} firing since 0 value 0 kept since 60");
    bed_minutes(&bed, g, 3, 3);
    assert_string_equal(bed_rule(&bed, g, 0),
                        "firing ok | {alertname=\"K\"} firing since 0 value 0");
    bed_minutes(&bed, g, 4, 6);
    assert_string_equal(bed_rule(&bed, g, 0),
                        "firing ok | {alertname=\"K\"} firing since 0 value 0 kept since 240");
    bed_minutes(&bed, g, 7, 7);
    assert_string_equal(bed_rule(&bed, g, 0), "inactive ok");
    group_free(g);
}

static void labels_stay_while_value_and_series_follow(void **state)
{
    bed_load(&bed, 0, "up{job=\"a\"} 3 4 5");
    struct group *g = bed_group(&bed, GROUP("  - {alert: V, expr: up > 0}\n"), false);
    bed_minutes(&bed, g, 0, 2);
    assert_string_equal(bed_rule(&bed, g, 0),
                        "firing ok | {alertname=\"V\", job=\"a\"} firing since 0 value 5");
    group_free(g);
}

#define ANNOTATED                                                                                  \
    GROUP("  - alert: T\n"                                                                         \
          "    expr: up > 0\n"                                                                     \
          "    labels: {v: '{{ $value }}', empty: '{{ $labels.none }}'}\n"                         \
          "    annotations:\n"                                                                     \
          "      say: '{{ $labels.job }} {{ query \"sum(up)\" | first | value }}'\n"               \
          "      bad: '{{ .No.Such }}'\n"                                                          \
          "      failed: '{{ query \"sum(\" }}'\n")

static struct str annotation(struct group *g, const char *name)
{
    struct group_view v;
    group_view(g, &bed.arena, &v);
    assert_int_equal(v.rules[0].alerts_n, 1);
    return labels_get(v.rules[0].alerts[0].annotations, str_c(name));
}

static void templates_make_labels_and_annotations(void **state)
{
    bed_load(&bed, 0, "up{job=\"a\"} 3 4");
    struct group *g = bed_group(&bed, ANNOTATED, false);
    bed_minutes(&bed, g, 0, 0);
    assert_string_equal(bed_rule(&bed, g, 0), "firing ok | {alertname=\"T\", job=\"a\", v=\"3\"} "
                                              "firing since 0 value 3");
    assert_true(str_eq(annotation(g, "say"), STR("a 3")));
    assert_true(str_starts(annotation(g, "bad"), STR("<error expanding template: ")));
    assert_true(str_starts(annotation(g, "failed"), STR("<error expanding template: ")));
    bed_minutes(&bed, g, 1, 1); /* a label with the value makes another alert */
    assert_string_equal(bed_rule(&bed, g, 0), "firing ok | {alertname=\"T\", job=\"a\", v=\"4\"} "
                                              "firing since 60 value 4");
    assert_string_equal(bed_history(&bed, "ALERTS"),
                        "ALERTS{alertname=\"T\", alertstate=\"firing\", job=\"a\", v=\"3\"} 0=1 "
                        "60=stale\n"
                        "ALERTS{alertname=\"T\", alertstate=\"firing\", job=\"a\", v=\"4\"} "
                        "60=1\n");
    group_free(g);
}

static void a_clock_that_was_set_back_delays_no_alert(void **state)
{
    bed_load(&bed, 0, "up 0x200");
    struct group *g = bed_group(&bed, DOWN, false);
    bed_minutes(&bed, g, 100, 100);
    bed_minutes(&bed, g, 10, 12);
    assert_string_equal(bed_rule(&bed, g, 0),
                        "pending ok | {alertname=\"Down\"} pending since 600 value 0");
    bed_minutes(&bed, g, 13, 13);
    assert_string_equal(bed_rule(&bed, g, 0),
                        "firing ok | {alertname=\"Down\"} firing since 600 value 0");
    group_free(g);
}

/* ---- the sink of alerts */

static void a_sink_hears_of_changes_at_once_and_again_after_the_delay(void **state)
{
    bed_load(&bed, 0, "up 1 0 0 1x30");
    struct group *g = bed_group(&bed, GROUP("  - {alert: S, expr: up == 0}\n"), false);
    bed_minutes(&bed, g, 0, 1);
    buf_put_c(&bed.sent, '\0');
    assert_string_equal(bed.sent.p, "{alertname=\"S\"} first firing 60-300\n");
    buf_clear(&bed.sent);
    bed_minutes(&bed, g, 2, 2); /* exactly the delay: not yet */
    assert_int_equal(bed.sent.n, 0);
    bed_minutes(&bed, g, 3, 5);
    buf_put_c(&bed.sent, '\0');
    assert_string_equal(bed.sent.p, "{alertname=\"S\"} first resolved 60-180\n"
                                    "{alertname=\"S\"} resolved 60-180\n");
    buf_clear(&bed.sent);
    bed_minutes(&bed, g, 6, 30);
    buf_put_c(&bed.sent, '\0');
    size_t lines = 0;
    for (const char *p = bed.sent.p; *p; p++)
        lines += *p == '\n';
    assert_int_equal(lines, 6); /* at 7, 9, .. 17: until 15 minutes after 3 */
    group_free(g);
}

/* ---- recording */

static void results_get_the_rules_name_and_labels(void **state)
{
    bed_load(&bed, 0, "up{job=\"a\", x=\"1\", y=\"2\"} 5");
    struct group *g = bed_group(&bed,
                                "groups:\n- name: g\n  labels: {team: one, z: group}\n  rules:\n"
                                "  - {record: r, expr: up, labels: {x: new, y: \"\", z: own}}\n"
                                "  - {record: scalar, expr: 1 + 1}\n",
                                false);
    bed_minutes(&bed, g, 0, 0);
    assert_string_equal(bed_history(&bed, "r"),
                        "r{job=\"a\", team=\"one\", x=\"new\", z=\"own\"} 0=5\n");
    assert_string_equal(bed_history(&bed, "scalar"), "scalar{team=\"one\", z=\"group\"} 0=2\n");
    group_free(g);
}

static void a_later_rule_sees_what_an_earlier_one_wrote(void **state)
{
    bed_load(&bed, 0, "up 5 6");
    struct group *g = bed_group(&bed,
                                GROUP("  - {record: one, expr: up * 10}\n"
                                      "  - {record: two, expr: one + 1}\n"
                                      "  - {record: early, expr: late}\n"
                                      "  - {record: late, expr: up}\n"),
                                false);
    bed_minutes(&bed, g, 0, 1);
    assert_string_equal(bed_history(&bed, "two"), "two 0=51 60=61\n");
    assert_string_equal(bed_history(&bed, "early"), "early 60=5\n");
    group_free(g);
}

static void a_series_that_is_no_longer_given_is_ended(void **state)
{
    bed_load(&bed, 0, "up{a=\"1\"} 1 1 0 1");
    bed_load(&bed, 0, "up{a=\"2\"} 1 1 1 1");
    struct group *g = bed_group(&bed, GROUP("  - {record: r, expr: up == 1}\n"), false);
    bed_minutes(&bed, g, 0, 3);
    assert_string_equal(bed_history(&bed, "r"), "r{a=\"1\"} 0=1 60=1 120=stale 180=1\n"
                                                "r{a=\"2\"} 0=1 60=1 120=1 180=1\n");
    group_free(g);
}

static void a_rule_that_fails_ends_no_series(void **state)
{
    bed_load(&bed, 0, "up{a=\"1\"} 1 1 1");
    bed_load(&bed, 0, "up{a=\"2\"} _ 1 _");
    struct group *g =
        bed_group(&bed, GROUP("  - {record: r, expr: up, labels: {a: same}}\n"), false);
    bed_minutes(&bed, g, 0, 1);
    assert_string_equal(bed_rule(&bed, g, 0),
                        "inactive err: vector contains metrics with the same labelset after "
                        "applying rule labels");
    assert_int_equal(group_failing(g), 1);
    assert_string_equal(bed_history(&bed, "r"), "r{a=\"same\"} 0=1\n");
    group_free(g);
}

static void alerts_with_equal_labels_fail_the_rule(void **state)
{
    bed_load(&bed, 0, "up{a=\"1\"} 1");
    bed_load(&bed, 0, "up{a=\"2\"} 1");
    struct group *g =
        bed_group(&bed, GROUP("  - {alert: r, expr: up, labels: {a: same}}\n"), false);
    bed_minutes(&bed, g, 0, 0);
    assert_string_equal(bed_rule(&bed, g, 0),
                        "inactive err: vector contains metrics with the same labelset after "
                        "applying alert labels");
    assert_string_equal(bed_history(&bed, "ALERTS"), "");
    group_free(g);
}

static void results_past_the_limit_are_not_written(void **state)
{
    bed_load(&bed, 0, "up{a=\"1\"} 1 1");
    bed_load(&bed, 0, "up{a=\"2\"} _ 1");
    struct group *g = bed_group(&bed,
                                "groups:\n- name: g\n  limit: 1\n  rules:\n"
                                "  - {record: r, expr: up}\n  - {alert: x, expr: up}\n",
                                false);
    bed_minutes(&bed, g, 0, 1);
    assert_string_equal(bed_rule(&bed, g, 0), "inactive err: exceeded limit of 1 with 2 series");
    assert_string_equal(bed_rule(&bed, g, 1), "inactive err: exceeded limit of 1 with 2 alerts");
    assert_string_equal(bed_history(&bed, "r"), "r{a=\"1\"} 0=1\n");
    group_free(g);
}

static void a_group_with_an_offset_looks_and_writes_into_the_past(void **state)
{
    bed_load(&bed, 0, "up 0 1 2 3 4");
    struct group *g = bed_group(&bed,
                                "groups:\n- name: g\n  query_offset: 2m\n  rules:\n"
                                "  - {record: r, expr: up}\n  - {alert: x, expr: up > 1}\n",
                                false);
    bed_minutes(&bed, g, 4, 4);
    assert_string_equal(bed_history(&bed, "r"), "r 120=2\n");
    assert_string_equal(bed_history(&bed, "ALERTS_FOR_STATE"),
                        "ALERTS_FOR_STATE{alertname=\"x\"} 120=240\n");
    group_free(g);
}

static void native_histograms_are_recorded(void **state)
{
    bed_load(&bed, 0, "h{a=\"1\"} {{count:3 sum:4 buckets:[1 2]}}");
    bed_load(&bed, 0, "h{a=\"2\"} {{count:5 sum:4 buckets:[1 4]}}");
    struct group *g = bed_group(&bed, GROUP("  - {record: r, expr: sum(h)}\n"), false);
    bed_minutes(&bed, g, 0, 0);
    assert_string_equal(bed_history(&bed, "r"), "r 0=h8\n");
    group_free(g);
}

static void a_matrix_is_no_result_of_a_rule(void **state)
{
    struct group *g = bed_group(&bed, GROUP("  - {record: r, expr: \"'text'\"}\n"), false);
    bed_minutes(&bed, g, 0, 0);
    assert_string_equal(bed_rule(&bed, g, 0),
                        "inactive err: rule result is not a vector or scalar");
    group_free(g);
}

/* ---- restarts */

struct restart {
    int64_t active_s, down_s; /* of ALERTS_FOR_STATE's last point */
    bool stale;
    int64_t restored_s; /* when it counts as active from; -1: anew, since the first run */
};

/* for is 20 m, the grace period 10 m, the tolerance an hour; the runs behind the restart are at
 * 100 m and 101 m, and restoring is at 101 m. */
static void a_restart_takes_up_pending_alerts(void **state)
{
    static const struct restart CASES[] = {
        {5400 - 1260, 5400, false, 5400 - 1260},      /* had fired: fires again at once */
        {5400 - 1200, 5400, false, 5400 - 1200},      /* to the second */
        {5400 - 660, 5400, false, 6060 + 600 - 1200}, /* 9 m to go: fires after the grace period */
        {5400 - 600, 5400, false, 5400 - 600 + 660},  /* 10 m to go: goes on where it stopped */
        {5400 - 60, 5400, false, 5400 - 60 + 660},
        {5400 - 1260, 5400, true, -1}, /* was over before the restart */
        {2000, 2400, false, -1},       /* the outage was too long */
    };
    for (size_t i = 0; i < COUNTOF(CASES); i++) {
        const struct restart *c = &CASES[i];
        char line[200], expected[200];
        bed_close(&bed);
        bed_open(&bed);
        bed_load(&bed, 0, "up{job=\"a\"} 0x200");
        snprintf(line, sizeof line, "ALERTS_FOR_STATE{alertname=\"D\", job=\"a\"} %lld %s",
                 (long long)c->active_s, c->stale ? "stale" : "_");
        bed_load(&bed, c->down_s * 1000, line);
        struct group *g = bed_group(&bed, GROUP("  - {alert: D, expr: up == 0, for: 20m}\n"), true);
        assert_true(group_wants_restore(g));
        bed_minutes(&bed, g, 100, 101);
        assert_string_equal(bed_history(&bed, "ALERTS"), "");
        group_restore(g, &bed.world, 6060000);
        assert_false(group_wants_restore(g));
        bed_minutes(&bed, g, 102, 102);
        long long since = c->restored_s < 0 ? 6000 : (long long)c->restored_s;
        const char *now = 6120 - since >= 1200 ? "firing" : "pending";
        snprintf(expected, sizeof expected,
                 "%s ok | {alertname=\"D\", job=\"a\"} %s since %lld value 0", now, now, since);
        assert_string_equal(bed_rule(&bed, g, 0), expected);
        group_free(g);
    }
}

static void an_alert_shorter_than_the_grace_period_begins_anew(void **state)
{
    bed_load(&bed, 0, "up 0x200");
    bed_load(&bed, 5400000, "ALERTS_FOR_STATE{alertname=\"D\"} 5000");
    struct group *g = bed_group(&bed, GROUP("  - {alert: D, expr: up == 0, for: 9m}\n"), true);
    bed_minutes(&bed, g, 100, 101);
    group_restore(g, &bed.world, 6060000);
    bed_minutes(&bed, g, 102, 102);
    assert_string_equal(bed_rule(&bed, g, 0),
                        "pending ok | {alertname=\"D\"} pending since 6000 value 0");
    group_free(g);
}

/* ---- other rules in the place of these */

static void a_group_that_changes_keeps_what_stays(void **state)
{
    bed_load(&bed, 0, "up 0x20");
    struct group *a = bed_group(&bed,
                                GROUP("  - {record: gone, expr: up}\n"
                                      "  - {record: stays, expr: up}\n"
                                      "  - {alert: D, expr: up == 0, for: 5m}\n"),
                                false);
    bed_minutes(&bed, a, 0, 3);
    struct group *b = bed_group(&bed,
                                GROUP("  - {alert: D, expr: up == 0, for: 4m}\n"
                                      "  - {record: stays, expr: up + 1}\n"
                                      "  - {record: fresh, expr: up}\n"),
                                false);
    assert_false(group_same(group_rules(a), group_rules(b)));
    group_inherit(b, a);
    group_free(a);
    bed_minutes(&bed, b, 4, 5);
    assert_string_equal(bed_rule(&bed, b, 0),
                        "firing ok | {alertname=\"D\"} firing since 0 value 0");
    assert_string_equal(bed_history(&bed, "gone"), "gone 0=0 60=0 120=0 180=0 240=stale\n");
    assert_string_equal(bed_history(&bed, "stays"), "stays 0=0 60=0 120=0 180=0 240=1 300=1\n");
    assert_string_equal(bed_history(&bed, "fresh"), "fresh 240=0 300=0\n");
    group_free(b);
}

static void a_rule_that_moved_into_another_name_ends_only_its_series(void **state)
{
    bed_load(&bed, 0, "up 7x20");
    struct group *a = bed_group(&bed, GROUP("  - {record: r, expr: up, labels: {v: a}}\n"), false);
    bed_minutes(&bed, a, 0, 0);
    struct group *b = bed_group(&bed,
                                GROUP("  - {record: r, expr: up, labels: {v: b}}\n"
                                      "  - {record: r, expr: up + 0, labels: {v: a}}\n"),
                                false);
    group_inherit(b, a);
    group_free(a);
    bed_minutes(&bed, b, 1, 1);
    assert_string_equal(bed_history(&bed, "r"), "r{v=\"a\"} 0=7 60=7\nr{v=\"b\"} 60=7\n");
    group_free(b);
}

static void groups_that_say_the_same_are_the_same_wherever_they_stand(void **state)
{
    struct group *a = bed_group(&bed, DOWN, false);
    struct group *b = bed_group(&bed, "# moved\n\n" DOWN, false);
    assert_true(group_same(group_rules(a), group_rules(b)));
    group_free(a);
    group_free(b);
}

static void times_of_a_group_are_spread_and_fixed(void **state)
{
    struct group *g = bed_group(&bed, DOWN, false);
    int64_t at = group_next_ms(g, 0);
    assert_true(at > 0 && at <= 60000);
    assert_int_equal(group_next_ms(g, at), at + 60000);
    assert_int_equal(group_next_ms(g, at - 1), at);
    assert_int_equal(group_next_ms(g, at + 1000 * 60000 + 5), at + 1001 * 60000);
    assert_int_equal(group_next_ms(g, at - 5000 * 60000LL), at - 4999 * 60000LL);
    group_free(g);
}

/* ---- a plain simulation of one alert, run by run */

struct plain {
    int64_t for_m, keep_m;
    bool active, firing, kept;
    int64_t since, kept_since;
};

static void plain_step(struct plain *p, bool hit, int64_t m)
{
    if (hit) {
        p->since = p->active ? p->since : m;
        p->active = true;
        p->kept = false;
    } else if (p->firing && p->keep_m > 0) {
        p->kept_since = p->kept ? p->kept_since : m;
        p->kept = true;
        p->active = p->firing = m - p->kept_since < p->keep_m;
    } else {
        p->active = p->firing = false;
    }
    if (!p->active)
        p->kept = false;
    p->firing = p->firing || (p->active && m - p->since >= p->for_m);
}

static const char *plain_text(struct bed *b, const struct plain *p)
{
    if (!p->active)
        return "inactive ok";
    const char *word = p->firing ? "firing" : "pending";
    const char *text = arena_printf(&b->arena, "%s ok | {alertname=\"P\"} %s since %lld value 0",
                                    word, word, (long long)p->since * 60)
                           .p;
    if (p->kept)
        text = arena_printf(&b->arena, "%s kept since %lld", text, (long long)p->kept_since * 60).p;
    return text;
}

static void any_history_gives_what_a_plain_simulation_gives(void **state)
{
    struct rand r;
    rand_init(&r, 4711);
    for (int round = 0; round < 60; round++) {
        struct plain p = {(int64_t)rand_below(&r, 6), (int64_t)rand_below(&r, 5), .since = 0};
        char text[200];
        bed_close(&bed);
        bed_open(&bed);
        snprintf(text, sizeof text,
                 GROUP("  - {alert: P, expr: up == 0, for: %lldm, keep_firing_for: %lldm}\n"),
                 (long long)p.for_m, (long long)p.keep_m);
        struct group *g = bed_group(&bed, text, false);
        uint64_t up = 0;
        for (int m = 1; m < 80; m++) {
            up = rand_below(&r, 4) == 0 ? 1 - up : up;
            bed_load(&bed, (int64_t)m * 60000, up ? "up 1" : "up 0");
            bed_minutes(&bed, g, m, m);
            plain_step(&p, up == 0, m);
            assert_string_equal(bed_rule(&bed, g, 0), plain_text(&bed, &p));
        }
        group_free(g);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_alert_pends_fires_and_is_resolved),
        TEST(an_alert_without_for_fires_in_its_first_run),
        TEST(an_alert_that_flaps_begins_to_pend_anew),
        TEST(an_alert_fires_on_for_as_long_as_it_is_kept),
        TEST(labels_stay_while_value_and_series_follow),
        TEST(templates_make_labels_and_annotations),
        TEST(a_clock_that_was_set_back_delays_no_alert),
        TEST(a_sink_hears_of_changes_at_once_and_again_after_the_delay),
        TEST(results_get_the_rules_name_and_labels),
        TEST(a_later_rule_sees_what_an_earlier_one_wrote),
        TEST(a_series_that_is_no_longer_given_is_ended),
        TEST(a_rule_that_fails_ends_no_series),
        TEST(alerts_with_equal_labels_fail_the_rule),
        TEST(results_past_the_limit_are_not_written),
        TEST(a_group_with_an_offset_looks_and_writes_into_the_past),
        TEST(native_histograms_are_recorded),
        TEST(a_matrix_is_no_result_of_a_rule),
        TEST(a_restart_takes_up_pending_alerts),
        TEST(an_alert_shorter_than_the_grace_period_begins_anew),
        TEST(a_group_that_changes_keeps_what_stays),
        TEST(a_rule_that_moved_into_another_name_ends_only_its_series),
        TEST(groups_that_say_the_same_are_the_same_wherever_they_stand),
        TEST(times_of_a_group_are_spread_and_fixed),
        TEST(any_history_gives_what_a_plain_simulation_gives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
