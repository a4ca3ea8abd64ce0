#include "health/checkup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "conf/member.h"
#include "os/thread.h"

/* An engine without checks of its own, over a state in memory; alerts are counted. */
struct bed {
    struct clock_manual clock;
    struct checkup_plan_settings settings;
    struct state *state;
    struct alert_sink alerts;
    _Atomic int firing, resolved;
    struct checkup *checkup;
    struct arena arena;
};

static struct bed *bed;

static void take(struct alert_sink *s, const struct alert *alerts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!alerts[i].first)
            continue;
        if (alerts[i].resolved)
            bed->resolved++;
        else
            bed->firing++;
    }
}

static const struct alert_sink_ops ALERTS = {take};

static void open_checkup(void)
{
    struct why why = {0};
    const struct checkup_plan plan = {.settings = &bed->settings,
                                      .clock = &bed->clock.clock,
                                      .state = bed->state,
                                      .alerts = &bed->alerts,
                                      .instance = STR("here")};
    if (checkup_new(&plan, &bed->checkup, &why) != 0)
        fail_msg("%s", why.text);
    checkup_start(bed->checkup);
}

static int set_up(void **state)
{
    struct why why = {0};
    bed = mem_new(sizeof *bed);
    arena_init(&bed->arena);
    clock_manual_init(&bed->clock, 1800000000000);
    bed->alerts.ops = &ALERTS;
    member_defaults(&checkup_settings_own_options, &bed->arena, &bed->settings.own);
    member_defaults(&checkup_settings_page_options, &bed->arena, &bed->settings.page);
    assert_int_equal(state_open(":memory:", &bed->state, &why), 0);
    open_checkup();
    return 0;
}

static int tear_down(void **state)
{
    checkup_free(bed->checkup);
    state_close(bed->state);
    arena_done(&bed->arena);
    mem_free(bed);
    return 0;
}

static int report(const char *name, const char *json)
{
    bool is_new;
    struct why why = {0};
    return checkup_report(bed->checkup, str_c(name), str_c(json), &is_new, &why);
}

static struct checkup_view view_of(const char *name)
{
    struct checkup_view v;
    assert_int_equal(checkup_one(bed->checkup, str_c(name), &bed->arena, &v), 0);
    return v;
}

static void a_program_registers_and_reports_and_alerts_follow(void **state)
{
    assert_int_equal(report("job", "{\"state\":\"healthy\",\"value\":3}"), 0);
    assert_int_equal(view_of("job").state, HEALTH_OK);
    assert_int_equal(view_of("job").figures_n, 1);
    assert_int_equal(bed->firing, 0);
    clock_manual_pass(&bed->clock, 5000);
    assert_int_equal(report("job", "{\"state\":\"degraded\",\"message\":\"slow\"}"), 0);
    assert_int_equal(bed->firing, 1);
    assert_int_equal(report("job", "{\"state\":\"unhealthy\",\"message\":\"dead\"}"), 0);
    assert_int_equal(bed->firing, 2); /* of another severity: the first one is over */
    assert_int_equal(bed->resolved, 1);
    assert_int_equal(checkup_worst(bed->checkup), HEALTH_UNHEALTHY);
    clock_manual_pass(&bed->clock, 5000);
    assert_int_equal(report("job", "{\"state\":\"healthy\"}"), 0);
    assert_int_equal(bed->resolved, 2);
    assert_true(view_of("job").uptime[0] > 0.49 && view_of("job").uptime[0] < 0.51);
}

static void a_parent_that_is_down_explains_its_child(void **state)
{
    assert_int_equal(report("parent", "{\"state\":\"healthy\"}"), 0);
    assert_int_equal(report("child", "{\"state\":\"healthy\",\"depends_on\":[\"parent\"]}"), 0);
    assert_int_equal(report("parent", "{\"state\":\"unhealthy\"}"), 0);
    assert_int_equal(view_of("child").state, HEALTH_OK); /* it says so itself */
    assert_int_equal(report("child", "{\"state\":\"unhealthy\"}"), 0);
    assert_int_equal(view_of("child").state, HEALTH_UNKNOWN);
    assert_true(str_eq(view_of("child").because, STR("parent")));
    assert_int_equal(bed->firing, 1);
    assert_int_equal(report("parent", "{\"state\":\"healthy\"}"), 0);
    assert_int_equal(view_of("child").state, HEALTH_UNHEALTHY); /* nothing explains it now */
    assert_int_equal(bed->firing, 2);
}

static void maintenance_is_quiet_and_counts_for_nothing(void **state)
{
    struct why why = {0};
    int64_t id;
    assert_int_equal(report("job", "{\"state\":\"healthy\"}"), 0);
    clock_manual_pass(&bed->clock, 10000);
    assert_int_equal(checkup_maintenance_add(bed->checkup,
                                             STR("{\"checks\":[\"j*\"],\"reason\":\"x\","
                                                 "\"to\":\"2099-01-01T00:00:00Z\"}"),
                                             &id, &why),
                     0);
    assert_true(view_of("job").maintenance);
    assert_int_equal(report("job", "{\"state\":\"unhealthy\"}"), 0);
    clock_manual_pass(&bed->clock, 10000);
    assert_int_equal(bed->firing, 0);
    assert_int_equal(checkup_worst(bed->checkup), HEALTH_OK);
    assert_true(view_of("job").uptime[0] > 0.999);
    assert_int_equal(checkup_maintenance_drop(bed->checkup, id, &why), 0);
    assert_int_equal(bed->firing, 1);
    assert_int_equal(checkup_maintenance_drop(bed->checkup, id, &why), -ERR_NOENT);
}

static void states_and_what_was_made_outlive_a_restart(void **state)
{
    struct checkup_change *v;
    struct why why = {0};
    size_t n;
    assert_int_equal(report("job", "{\"state\":\"healthy\"}"), 0);
    clock_manual_pass(&bed->clock, 60000);
    assert_int_equal(report("job", "{\"state\":\"unhealthy\",\"message\":\"dead\"}"), 0);
    int64_t since = view_of("job").since_ms;
    clock_manual_pass(&bed->clock, 60000);
    checkup_free(bed->checkup);
    clock_manual_pass(&bed->clock, 120000); /* it does not run */
    open_checkup();
    assert_int_equal(view_of("job").state, HEALTH_UNKNOWN); /* until there is a reading */
    assert_int_equal(report("job", "{\"state\":\"unhealthy\"}"), 0);
    assert_int_equal(view_of("job").since_ms, since);
    assert_true(view_of("job").uptime[0] > 0.49 && view_of("job").uptime[0] < 0.51);
    assert_int_equal(
        checkup_history(bed->checkup, STR("job"), 0, INT64_MAX, 10, &bed->arena, &v, &n, &why), 0);
    assert_true(n >= 2);
    struct standing_sum sum;
    assert_int_equal(checkup_spent(bed->checkup, STR("job"), bed->clock.wall_ms, 240000, 1, &sum),
                     0);
    assert_int_equal(sum.in[HEALTH_OK], 60000);
    assert_int_equal(sum.in[HEALTH_UNHEALTHY], 60000);
}

static void what_makes_no_sense_is_refused_with_a_reason(void **state)
{
    static const struct {
        const char *json;
        int err;
    } BAD[] = {{"{\"url\":\"nothing\"}", -ERR_FORMAT},
               {"{\"kind\":\"command\",\"command\":[\"/bin/true\"]}", -ERR_DENIED},
               {"{\"kind\":\"tcp\",\"address\":\"unix:/run/x\"}", -ERR_DENIED},
               {"{\"kind\":\"tcp\",\"address\":\"host\"}", -ERR_FORMAT},
               {"{\"kind\":\"tcp\",\"address\":\"a:1\",\"depends_on\":[\"b\"]}", -ERR_NOENT},
               {"{\"url\":\"http://169.254.1.1/\"}", -ERR_DENIED},
               {"{\"url\":\"http://[::ffff:169.254.1.1]:80/\"}", -ERR_DENIED},
               {"{\"kind\":\"tcp\",\"address\":\"[fe80::1]:22\"}", -ERR_DENIED},
               {"{\"kind\":\"icmp\",\"address\":\"fe80::1%eth0\"}", -ERR_DENIED},
               {"{\"kind\":\"dns\",\"domain\":\"a\",\"address\":\"ns.example\"}", -ERR_FORMAT},
               {"{\"kind\":\"systemd\",\"unit\":\"a\",\"address\":\"bus\"}", -ERR_FORMAT},
               {"{\"url\":\"http://a/\",\"fall\":0}", -ERR_FORMAT},
               {"{\"url\":\"http://a/\",\"colour\":\"red\"}", -ERR_FORMAT},
               {"[]", -ERR_FORMAT}};
    for (size_t i = 0; i < COUNTOF(BAD); i++) {
        struct why why = {0};
        bool is_new;
        int err = checkup_put(bed->checkup, STR("it"), str_c(BAD[i].json), &is_new, &why);
        if (err != BAD[i].err)
            fail_msg("%s: %d, %s", BAD[i].json, err, why.text);
        assert_true(why.text[0] != '\0');
    }
    assert_int_equal(report("job", "{\"message\":\"no state\"}"), -ERR_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_program_registers_and_reports_and_alerts_follow, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_parent_that_is_down_explains_its_child, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(maintenance_is_quiet_and_counts_for_nothing, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(states_and_what_was_made_outlive_a_restart, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_makes_no_sense_is_refused_with_a_reason, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
