#include "alert/alert_testbed.h"

#define BY(...) ((const char *const[]){__VA_ARGS__, NULL})

static bool restarting; /* every case is run both ways */

/* team hears of everything, by alertname. */
static void open_bed(struct bed *b, const struct plan_route *root, const char *const *receivers,
                     size_t n)
{
    struct plan plan = b->plan; /* what the case has made already */
    *b = (struct bed){.plan = plan, .restarts = restarting};
    b->plan.root = root;
    b->plan.receivers = bed_receivers(b, receivers, n);
    b->plan.receivers_n = n;
    b->plan.resolve_timeout_ms = 300000;
    b->plan.external_url = STR("http://sonde.example");
    bed_open_at(b);
    bed_up(b);
}

static void open_simple(struct bed *b, const struct plan_route *root)
{
    static const char *const TEAM[] = {"team", "boss", "!quiet"};
    open_bed(b, root, TEAM, COUNTOF(TEAM));
}

static void a_group_is_told_after_its_wait_then_of_news_and_then_again_and_again(void **state)
{
    (void)state;
    struct bed b = {0};
    struct plan_route root = bed_route("team", BY("alertname"));
    open_simple(&b, &root);
    bed_fire(&b, "alertname=A,instance=1");
    bed_until(&b, 29);
    bed_told(&b, "");
    bed_until(&b, 31);
    bed_told(&b, "30 team first notification: A/1\n");
    bed_until(&b, 100);
    bed_fire(&b, "alertname=A,instance=2");
    bed_fire(&b, "alertname=B");
    bed_until(&b, 400);
    bed_told(&b, "130 team first notification: B\n"
                 "330 team new alerts in group: A/1 A/2\n");
    bed_until(&b, 15000);
    bed_told(&b, "14530 team repeat interval elapsed: B\n"
                 "14730 team repeat interval elapsed: A/1 A/2\n");
    bed_close(&b);
}

static void a_resolved_alert_is_told_once_at_the_next_interval_and_its_group_goes(void **state)
{
    (void)state;
    struct bed b = {0};
    struct plan_route root = bed_route("team", BY("alertname"));
    open_simple(&b, &root);
    bed_fire(&b, "alertname=A,instance=1");
    bed_fire(&b, "alertname=A,instance=2");
    bed_until(&b, 100);
    bed_told(&b, "30 team first notification: A/1 A/2\n");
    bed_resolve(&b, "alertname=A,instance=1");
    bed_until(&b, 340);
    bed_told(&b, "330 team new resolved alerts: A/1(r) A/2\n");
    bed_resolve(&b, "alertname=A,instance=1"); /* said again, as rules do */
    bed_until(&b, 700);
    bed_told(&b, "");
    bed_resolve(&b, "alertname=A,instance=2");
    bed_until(&b, 2000);
    bed_told(&b, "930 team all alerts resolved: A/2(r)\n");
    bed_fire(&b, "alertname=A,instance=2");
    bed_until(&b, 2100);
    bed_told(&b, "2030 team new alerts in group: A/2\n");
    bed_close(&b);
}

static void an_alert_that_nobody_renews_is_resolved_when_its_time_is_over(void **state)
{
    (void)state;
    struct bed b = {0};
    struct plan_route root = bed_route("team", BY("alertname"));
    open_simple(&b, &root);
    bed_post(&b, "alertname=A", -1, 0); /* resolve_timeout: 300 s */
    bed_until(&b, 200);
    bed_post(&b, "alertname=A", -1, 0);
    bed_until(&b, 499);
    bed_told(&b, "30 team first notification: A\n");
    bed_until(&b, 1000);
    bed_told(&b, "630 team all alerts resolved: A(r)\n");
    buf_put_c(&b.changes, '\0');
    assert_string_equal(b.changes.p, "A A(r) ");
    bed_close(&b);
}

static void an_alert_that_comes_late_into_a_new_group_does_not_wait(void **state)
{
    (void)state;
    struct bed b = {0};
    struct plan_route root = bed_route("team", BY("alertname"));
    open_simple(&b, &root);
    bed_until(&b, 100);
    bed_post(&b, "alertname=A", 50, 9000);
    bed_until(&b, 101);
    bed_told(&b, "100 team first notification: A\n");
    bed_close(&b);
}

static void what_fires_and_ends_before_its_group_is_told_is_not_told(void **state)
{
    (void)state;
    struct bed b = {0};
    struct plan_route root = bed_route("team", BY("alertname"));
    open_simple(&b, &root);
    bed_fire(&b, "alertname=A");
    bed_until(&b, 10);
    bed_resolve(&b, "alertname=A");
    bed_until(&b, 1000);
    bed_told(&b, "");
    bed_close(&b);
}

static void routes_that_continue_tell_several_and_the_first_match_ends_it_otherwise(void **state)
{
    (void)state;
    struct bed b = {0};
    struct plan_route children[3], root = bed_route("team", BY("alertname"));
    children[0] = bed_route("boss", BY("alertname"));
    children[0].matchers = bed_match(&b, "severity=\"critical\"");
    children[0].go_on = true;
    children[1] = bed_route("team", BY("instance"));
    children[1].matchers = bed_match(&b, "severity=~\"crit.*\"");
    children[1].id = STR("team by instance");
    children[1].key = STR("{}/{severity=~\"crit.*\"}");
    children[2] = bed_route("quiet", BY("alertname"));
    children[2].matchers = bed_match(&b, "severity=\"critical\"");
    root.routes = children;
    root.routes_n = 3;
    open_simple(&b, &root);
    bed_fire(&b, "alertname=A,instance=1,severity=critical");
    bed_fire(&b, "alertname=A,instance=2,severity=critical");
    bed_fire(&b, "alertname=A,instance=3");
    bed_until(&b, 40);
    buf_put_c(&b.lines, '\0');
    assert_non_null(strstr(b.lines.p, "30 boss first notification: A/1 A/2\n"));
    assert_non_null(strstr(b.lines.p, "30 team first notification: A/1\n"));
    assert_non_null(strstr(b.lines.p, "30 team first notification: A/2\n"));
    assert_non_null(strstr(b.lines.p, "30 team first notification: A/3\n"));
    assert_null(strstr(b.lines.p, "quiet"));
    matcher_list_done(&children[1].matchers);
    bed_close(&b);
}

static void grouping_by_everything_makes_a_group_of_each(void **state)
{
    (void)state;
    struct bed b = {0};
    struct plan_route root = bed_route("team", BY("alertname"));
    root.group_by_all = true;
    open_simple(&b, &root);
    bed_fire(&b, "alertname=A,instance=1");
    bed_until(&b, 5);
    bed_fire(&b, "alertname=A,instance=2");
    bed_until(&b, 40);
    bed_told(&b, "30 team first notification: A/1\n35 team first notification: A/2\n");
    bed_close(&b);
}

static void a_silence_holds_back_until_it_is_over(void **state)
{
    (void)state;
    struct bed b = {0};
    struct plan_route root = bed_route("team", BY("alertname"));
    open_simple(&b, &root);
    bed_silence(&b, "instance=\"1\"", 700, false);
    bed_fire(&b, "alertname=A,instance=1");
    bed_fire(&b, "alertname=A,instance=2");
    bed_until(&b, 600);
    bed_told(&b, "30 team first notification: A/2\n");
    bed_until(&b, 1000);
    bed_told(&b, "930 team new alerts in group: A/1 A/2\n");
    bed_close(&b);
}

static void a_silence_that_is_ended_by_hand_holds_no_more(void **state)
{
    (void)state;
    struct bed b = {0};
    struct plan_route root = bed_route("team", BY("alertname"));
    struct why why;
    open_simple(&b, &root);
    struct str id = bed_silence(&b, "alertname=~\"A|B\"", 7000, false);
    bed_fire(&b, "alertname=A");
    bed_until(&b, 400);
    bed_told(&b, "");
    assert_int_equal(alert_silence_expire(b.alerting, id, &why), 0);
    assert_int_equal(alert_silence_expire(b.alerting, id, &why), -ERR_STATE);
    assert_int_equal(alert_silence_expire(b.alerting, STR("none"), &why), -ERR_NOENT);
    bed_until(&b, 700);
    bed_told(&b, "630 team first notification: A\n");
    bed_close(&b);
}

static void a_silence_until_resolved_ends_with_the_last_alert_that_it_held(void **state)
{
    (void)state;
    struct bed b = {0};
    struct plan_route root = bed_route("team", BY("alertname"));
    struct arena arena;
    struct alert_silence *v;
    size_t n;
    arena_init(&arena);
    open_simple(&b, &root);
    bed_fire(&b, "alertname=A,instance=1");
    bed_fire(&b, "alertname=A,instance=2");
    bed_until(&b, 40);
    bed_told(&b, "30 team first notification: A/1 A/2\n");
    bed_silence(&b, "alertname=\"A\"", 90000, true);
    bed_resolve(&b, "alertname=A,instance=1");
    bed_until(&b, 400);
    bed_told(&b, "");
    bed_resolve(&b, "alertname=A,instance=2");
    bed_until(&b, 1000);
    bed_told(&b, "630 team all alerts resolved: A/2(r)\n");
    assert_int_equal(alert_silence_list(b.alerting, &arena, &v, &n, NULL), 0);
    assert_int_equal(n, 1);
    assert_string_equal(v[0].state, "expired");
    bed_close(&b);
    arena_done(&arena);
}

static void a_source_inhibits_its_targets_while_it_fires(void **state)
{
    (void)state;
    struct bed b = {0};
    struct plan_route root = bed_route("team", BY("alertname"));
    struct str equal[] = {STR("instance"), STR("nowhere")};
    struct plan_inhibit inhibit = {.source = bed_match(&b, "severity=\"critical\""),
                                   .target = bed_match(&b, "severity=~\"warning|critical\""),
                                   .equal = equal,
                                   .equal_n = 2};
    b.plan.inhibits = &inhibit;
    b.plan.inhibits_n = 1;
    open_simple(&b, &root);
    bed_fire(&b, "alertname=W,instance=1,severity=warning");
    bed_fire(&b, "alertname=W,instance=2,severity=warning");
    bed_fire(&b, "alertname=C,instance=1,severity=critical"); /* not by itself */
    bed_until(&b, 40);
    buf_put_c(&b.lines, '\0');
    assert_non_null(strstr(b.lines.p, "30 team first notification: W/2\n"));
    assert_non_null(strstr(b.lines.p, "30 team first notification: C/1\n"));
    buf_clear(&b.lines);
    bed_resolve(&b, "alertname=C,instance=1,severity=critical");
    bed_until(&b, 400);
    buf_put_c(&b.lines, '\0');
    assert_non_null(strstr(b.lines.p, "330 team new alerts in group: W/1 W/2\n"));
    assert_non_null(strstr(b.lines.p, "330 team all alerts resolved: C/1(r)\n"));
    matcher_list_done(&inhibit.target);
    bed_close(&b);
}

static void an_acknowledged_alert_is_quiet_until_it_is_over(void **state)
{
    (void)state;
    struct bed b = {0};
    struct plan_route root = bed_route("team", BY("alertname"));
    open_simple(&b, &root);
    bed_fire(&b, "alertname=A,instance=1");
    bed_until(&b, 40);
    bed_act(&b, "alertname=A,instance=1", ALERT_ACKNOWLEDGE, "anna", "mine");
    bed_until(&b, 15000);
    bed_told(&b, "30 team first notification: A/1\n");
    bed_fire(&b, "alertname=A,instance=2");
    bed_until(&b, 30000);
    bed_told(&b, "15030 team new alerts in group: A/1 A/2\n"
                 "29430 team repeat interval elapsed: A/2\n");
    bed_resolve(&b, "alertname=A,instance=2");
    bed_resolve(&b, "alertname=A,instance=1");
    bed_until(&b, 31000);
    bed_told(&b, "30030 team all alerts resolved: A/1(r) A/2(r)\n");
    bed_fire(&b, "alertname=A,instance=1"); /* anew: nobody has seen that one */
    bed_until(&b, 31100);
    bed_told(&b, "31030 team new alerts in group: A/1\n");
    bed_close(&b);
}

static void an_alert_that_is_acknowledged_before_it_is_told_is_not_told(void **state)
{
    (void)state;
    struct bed b = {0};
    struct plan_route root = bed_route("team", BY("alertname"));
    open_simple(&b, &root);
    bed_fire(&b, "alertname=A");
    bed_act(&b, "alertname=A", ALERT_ACKNOWLEDGE, "anna", "");
    bed_until(&b, 400);
    bed_told(&b, "");
    bed_act(&b, "alertname=A", ALERT_UNACKNOWLEDGE, "anna", "");
    bed_until(&b, 700);
    bed_told(&b, "630 team first notification: A\n");
    bed_close(&b);
}

static const struct plan_step STEPS[] = {{900000, {"boss", 4}}, {1800000, {"quiet", 5}}};

static void open_ladder(struct bed *b, const struct plan_route *root, int64_t repeat)
{
    struct plan_escalation *e = arena_new(&b->plan.arena, sizeof *e);
    *e = (struct plan_escalation){.name = STR("page"), .steps = STEPS, .n = 2, .repeat = repeat};
    e->match = bed_match(b, "alertname=\"A\"");
    b->plan.escalations = e;
    b->plan.escalations_n = 1;
    open_simple(b, root);
}

static void who_is_next_is_told_step_by_step_while_nobody_acknowledges(void **state)
{
    (void)state;
    struct bed b = {0};
    struct plan_route root = bed_route("team", BY("alertname"));
    open_ladder(&b, &root, 1);
    bed_fire(&b, "alertname=A,instance=1");
    bed_fire(&b, "alertname=A,instance=2");
    bed_fire(&b, "alertname=B");
    bed_until(&b, 9000);
    buf_put_c(&b.lines, '\0');
    assert_non_null(strstr(b.lines.p, "\n900 boss not acknowledged: A/1 A/2\n"
                                      "1800 quiet not acknowledged: A/1 A/2\n"
                                      "2700 boss not acknowledged: A/1 A/2\n"
                                      "3600 quiet not acknowledged: A/1 A/2\n"));
    buf_clear(&b.lines);
    bed_resolve(&b, "alertname=A,instance=1");
    bed_until(&b, 9100); /* the group is told at 9030; quiet does not want to hear of it */
    bed_told(&b, "9030 team new resolved alerts: A/1(r) A/2\n"
                 "9030 boss new resolved alerts: A/2 A/1(r)\n");
    bed_resolve(&b, "alertname=A,instance=2");
    bed_until(&b, 10000);
    bed_told(&b, "9330 team all alerts resolved: A/2(r)\n9330 boss all alerts resolved: A/2(r)\n");
    bed_close(&b);
}

static void a_ladder_stops_on_acknowledgement_and_begins_anew_behind_a_silence(void **state)
{
    (void)state;
    struct bed b = {0};
    struct plan_route root = bed_route("team", BY("alertname"));
    open_ladder(&b, &root, 0);
    bed_fire(&b, "alertname=A,instance=1");
    bed_fire(&b, "alertname=A,instance=2");
    bed_silence(&b, "instance=\"2\"", 1000, false); /* over at 1000; looked at at 900 and 1800 */
    bed_until(&b, 1000);
    bed_told(&b, "30 team first notification: A/1\n900 boss not acknowledged: A/1\n");
    bed_act(&b, "alertname=A,instance=1", ALERT_ACKNOWLEDGE, "anna", "");
    bed_until(&b, 5000);
    bed_told(&b, "1230 team new alerts in group: A/1 A/2\n1800 boss not acknowledged: A/2\n"
                 "2700 quiet not acknowledged: A/2\n");
    bed_close(&b);
}

static void who_does_not_hear_of_ends_is_not_told_of_a_flap_but_of_a_new_case(void **state)
{
    (void)state;
    struct bed b = {0};
    struct plan_route root = bed_route("quiet", BY("alertname"));
    root.group_interval_ms = 60000;
    open_simple(&b, &root);
    for (int k = 0; k < 20; k++) { /* 80 s on, 40 s off */
        bed_fire(&b, "alertname=A");
        bed_until(&b, k * 120 + 80);
        bed_resolve(&b, "alertname=A");
        bed_until(&b, k * 120 + 120);
    }
    bed_told(&b, "30 quiet first notification: A\n");
    bed_until(&b, 4000);
    bed_fire(&b, "alertname=A");
    bed_until(&b, 4100);
    bed_told(&b, "4030 quiet new alerts in group: A\n");
    bed_close(&b);
}

static const struct interval *read_interval(struct bed *b, const char *text)
{
    struct interval *i = arena_new(&b->plan.arena, sizeof *i);
    struct yaml_place place;
    const struct yaml_node *node;
    struct why why = {0};
    if (yaml_parse(str_c(text), &b->plan.arena, &node, NULL, &why) != 0 ||
        interval_read(node, &b->plan.arena, i, &place, &why) != 0)
        fail_msg("%s", why.text);
    i->name = STR("night");
    return i;
}

static void a_route_is_quiet_at_its_mute_times_and_outside_of_its_active_ones(void **state)
{
    (void)state; /* the bed starts on 2023-11-14 at 22:13:20 UTC */
    struct bed b = {0};
    struct plan_route children[2], root = bed_route("team", BY("alertname"));
    const struct interval *night[] = {
        read_interval(&b, "- times: [{start_time: '22:00', end_time: '23:00'}]")};
    children[0] = bed_route("team", BY("alertname"));
    children[0].mute = night;
    children[0].mute_n = 1;
    children[0].go_on = true;
    children[0].id = STR("mute");
    children[0].key = STR("{}/{}");
    children[1] = bed_route("boss", BY("alertname"));
    children[1].active = night;
    children[1].active_n = 1;
    root.routes = children;
    root.routes_n = 2;
    open_simple(&b, &root);
    bed_fire(&b, "alertname=A");
    bed_until(&b, 2000);
    bed_told(&b, "30 boss first notification: A\n");
    bed_fire(&b, "alertname=A,instance=2");
    bed_until(&b, 3600); /* 23:00 is at 2800 */
    bed_told(&b, "2130 boss new alerts in group: A/2 A\n3030 team first notification: A/2 A\n");
    bed_close(&b);
}

static void what_the_disk_did_not_take_is_told_when_it_does(void **state)
{
    (void)state;
    struct bed b = {0};
    struct plan_route root = bed_route("team", BY("alertname"));
    open_simple(&b, &root);
    bed_fire(&b, "alertname=A");
    b.restarts = false; /* what is not on disk would be decided anew, later */
    b.fail = true;
    bed_until(&b, 60);
    bed_told(&b, "");
    assert_int_equal(b.wakes, 0);
    b.fail = false;
    bed_until(&b, 70);
    bed_told(&b, "30 team first notification: A\n");
    assert_int_equal(b.wakes, 1);
    bed_close(&b);
}

static void another_plan_keeps_the_times_of_groups_whose_route_stays(void **state)
{
    (void)state;
    struct bed b = {0};
    struct plan_route root = bed_route("team", BY("alertname")), other = root;
    open_simple(&b, &root);
    bed_fire(&b, "alertname=A,instance=1");
    bed_until(&b, 40);
    bed_told(&b, "30 team first notification: A/1\n");
    bed_fire(&b, "alertname=A,instance=2");
    struct plan_route child = bed_route("boss", BY("alertname"));
    child.matchers = bed_match(&b, "alertname=\"B\"");
    other.routes = &child;
    other.routes_n = 1;
    b.plan.root = &other;
    alert_reload(b.alerting, &b.plan);
    bed_fire(&b, "alertname=B");
    bed_until(&b, 340);
    bed_told(&b, "70 boss first notification: B\n330 team new alerts in group: A/1 A/2\n");
    child.id = STR("moved");
    alert_reload(b.alerting, &b.plan);
    bed_until(&b, 1000); /* what it was told is known still */
    bed_told(&b, "");
    bed_close(&b);
}

static void the_list_says_what_holds_an_alert_and_who_has_it(void **state)
{
    (void)state;
    struct bed b = {0};
    struct plan_route root = bed_route("team", BY("alertname"));
    struct arena arena;
    struct alert_row *v;
    struct alert_group_row *g;
    size_t n;
    arena_init(&arena);
    open_simple(&b, &root);
    bed_fire(&b, "alertname=A,instance=1");
    bed_fire(&b, "alertname=B");
    struct str id = bed_silence(&b, "instance=\"1\"", 700, false);
    bed_act(&b, "alertname=B", ALERT_ACKNOWLEDGE, "anna", "");
    bed_act(&b, "alertname=B", ALERT_ASSIGN, "anna", "otto");
    bed_until(&b, 40);
    struct alert_filter f = {.no_silenced = true};
    assert_int_equal(alert_list(b.alerting, &f, &arena, &v, &n, NULL), 0);
    assert_int_equal(n, 1);
    assert_string_equal(v[0].state, "active");
    assert_true(str_eq(v[0].acknowledged_by, STR("anna")));
    assert_true(str_eq(v[0].assigned_to, STR("otto")));
    assert_int_equal(v[0].receivers_n, 1);
    f = (struct alert_filter){.no_active = true, .receiver = "te.m"};
    assert_int_equal(alert_list(b.alerting, &f, &arena, &v, &n, NULL), 0);
    assert_int_equal(n, 1);
    assert_string_equal(v[0].state, "suppressed");
    assert_true(str_eq(v[0].silenced_by[0], id));
    f = (struct alert_filter){.receiver = "team.+"};
    assert_int_equal(alert_list(b.alerting, &f, &arena, &v, &n, NULL), 0);
    assert_int_equal(n, 0);
    f = (struct alert_filter){0};
    assert_int_equal(alert_groups(b.alerting, &f, &arena, &g, &n, NULL), 0);
    assert_int_equal(n, 2);
    assert_true(str_eq(g[0].key, STR("{}:{alertname=\"A\"}")));
    assert_int_equal(g[0].n, 1);
    struct alert_history_row *h;
    struct alert_history_query q = {.fingerprint = bed_fingerprint("alertname=B")};
    assert_int_equal(alert_history(b.alerting, &q, &arena, &h, &n, NULL), 0);
    assert_int_equal(n, 3); /* nobody was told: it is acknowledged */
    assert_true(str_eq(h[0].what, STR("assigned")) && str_eq(h[0].text, STR("otto")));
    assert_true(str_eq(h[1].what, STR("acknowledged")) && str_eq(h[1].who, STR("anna")));
    assert_true(str_eq(h[2].what, STR("firing")));
    bed_close(&b);
    arena_done(&arena);
}

static void silences_are_checked_and_changed_as_alertmanager_does(void **state)
{
    (void)state;
    struct bed b = {0};
    struct plan_route root = bed_route("team", BY("alertname"));
    struct arena arena;
    struct str id, other;
    struct why why = {0};
    struct alert_silence *v;
    size_t n;
    arena_init(&arena);
    open_simple(&b, &root);
    int64_t now = b.clock.wall_ms;
    struct alert_silence s = {.starts_ms = now + 5000, .ends_ms = now + 5000};
    assert_int_equal(alert_silence_set(b.alerting, &s, &arena, &id, &why), -ERR_FORMAT);
    assert_non_null(strstr(why.text, "start time must be before end time"));
    s = (struct alert_silence){.starts_ms = now - 9000, .ends_ms = now - 5000};
    assert_int_equal(alert_silence_set(b.alerting, &s, &arena, &id, &why), -ERR_FORMAT);
    assert_non_null(strstr(why.text, "end time can't be in the past"));
    s.ends_ms = now + 60000;
    assert_int_equal(alert_silence_set(b.alerting, &s, &arena, &id, &why), -ERR_FORMAT);
    assert_non_null(strstr(why.text, "at least one matcher required"));
    s.matchers = bed_match(&b, "a!=\"x\"");
    assert_int_equal(alert_silence_set(b.alerting, &s, &arena, &id, &why), -ERR_FORMAT);
    assert_non_null(strstr(why.text, "at least one matcher must not match the empty string"));
    s.matchers = bed_match(&b, "a=\"x\"");
    assert_int_equal(alert_silence_set(b.alerting, &s, &arena, &id, &why), 0);
    assert_int_equal(id.n, 36);
    s = (struct alert_silence){.id = id,
                               .matchers = s.matchers,
                               .starts_ms = now,
                               .ends_ms = now + 90000,
                               .comment = STR("longer")};
    assert_int_equal(alert_silence_set(b.alerting, &s, &arena, &other, &why), 0);
    assert_true(str_eq(id, other));
    s.matchers = bed_match(&b, "a=\"y\"");
    assert_int_equal(alert_silence_set(b.alerting, &s, &arena, &other, &why), 0);
    assert_false(str_eq(id, other));
    s.id = STR("7c1e27a4-0000-4000-8000-000000000000");
    assert_int_equal(alert_silence_set(b.alerting, &s, &arena, &other, &why), -ERR_NOENT);
    bed_restart(&b);
    assert_int_equal(alert_silence_list(b.alerting, &arena, &v, &n, NULL), 0);
    assert_int_equal(n, 2);
    size_t old = str_eq(v[0].id, id) ? 0 : 1;
    assert_string_equal(v[old].state, "expired");
    assert_true(str_eq(v[old].comment, STR("longer")));
    assert_string_equal(v[1 - old].state, "active");
    bed_until(&b, 3600 + 120 * 3600);
    assert_int_equal(alert_silence_list(b.alerting, &arena, &v, &n, NULL), 0);
    assert_int_equal(n, 0); /* kept for 120 hours */
    bed_close(&b);
    arena_done(&arena);
}

static void an_alert_that_ran_out_while_nobody_was_there_is_given_time(void **state)
{
    (void)state;
    struct bed b = {0};
    struct plan_route root = bed_route("team", BY("alertname"));
    open_simple(&b, &root);
    bed_post(&b, "alertname=A", 0, 240);
    bed_until(&b, 60);
    bed_told(&b, "30 team first notification: A\n");
    clock_manual_pass(&b.clock, 3600 * 1000); /* down for an hour */
    bed_restart(&b);
    bed_until(&b, 3700);
    bed_post(&b, "alertname=A", 0, 99999); /* the rule is there again */
    bed_until(&b, 9000);
    bed_told(&b, "");
    bed_close(&b);
}

static void posts_that_are_no_alerts_are_refused_and_the_others_taken(void **state)
{
    (void)state;
    struct bed b = {0};
    struct plan_route root = bed_route("team", BY("alertname"));
    struct buf key;
    struct why why = {0};
    buf_init(&key, 1000);
    open_simple(&b, &root);
    bed_key("alertname=A", &key);
    const struct alert_posted v[] = {
        {.labels = STR("")},
        {.labels = buf_str(&key), .starts_ms = 9000, .ends_ms = 8000},
        {.labels = buf_str(&key)},
    };
    assert_int_equal(alert_post(b.alerting, v, 3, &why), -ERR_FORMAT);
    assert_non_null(strstr(why.text, "at least one label pair required"));
    bed_until(&b, 31);
    bed_told(&b, "30 team first notification: A\n");
    bed_close(&b);
    buf_done(&key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_group_is_told_after_its_wait_then_of_news_and_then_again_and_again),
        cmocka_unit_test(a_resolved_alert_is_told_once_at_the_next_interval_and_its_group_goes),
        cmocka_unit_test(an_alert_that_nobody_renews_is_resolved_when_its_time_is_over),
        cmocka_unit_test(an_alert_that_comes_late_into_a_new_group_does_not_wait),
        cmocka_unit_test(what_fires_and_ends_before_its_group_is_told_is_not_told),
        cmocka_unit_test(routes_that_continue_tell_several_and_the_first_match_ends_it_otherwise),
        cmocka_unit_test(grouping_by_everything_makes_a_group_of_each),
        cmocka_unit_test(a_silence_holds_back_until_it_is_over),
        cmocka_unit_test(a_silence_that_is_ended_by_hand_holds_no_more),
        cmocka_unit_test(a_silence_until_resolved_ends_with_the_last_alert_that_it_held),
        cmocka_unit_test(a_source_inhibits_its_targets_while_it_fires),
        cmocka_unit_test(an_acknowledged_alert_is_quiet_until_it_is_over),
        cmocka_unit_test(an_alert_that_is_acknowledged_before_it_is_told_is_not_told),
        cmocka_unit_test(who_is_next_is_told_step_by_step_while_nobody_acknowledges),
        cmocka_unit_test(a_ladder_stops_on_acknowledgement_and_begins_anew_behind_a_silence),
        cmocka_unit_test(who_does_not_hear_of_ends_is_not_told_of_a_flap_but_of_a_new_case),
        cmocka_unit_test(a_route_is_quiet_at_its_mute_times_and_outside_of_its_active_ones),
        cmocka_unit_test(what_the_disk_did_not_take_is_told_when_it_does),
        cmocka_unit_test(another_plan_keeps_the_times_of_groups_whose_route_stays),
        cmocka_unit_test(the_list_says_what_holds_an_alert_and_who_has_it),
        cmocka_unit_test(silences_are_checked_and_changed_as_alertmanager_does),
        cmocka_unit_test(an_alert_that_ran_out_while_nobody_was_there_is_given_time),
        cmocka_unit_test(posts_that_are_no_alerts_are_refused_and_the_others_taken),
    };
    int failed = cmocka_run_group_tests_name("alert", tests, NULL, NULL);
    restarting = true;
    return failed +
           cmocka_run_group_tests_name("alert, started anew after each run", tests, NULL, NULL);
}
