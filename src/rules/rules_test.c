#include "rules/rules_testbed.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "os/file.h"
#include "os/thread.h"
#include "rules/rules.h"

/* Rules over files of their own and a store in memory, whose lock stands for the real store's. */
static struct bed bed;
static struct rules *rules;
static struct rules_settings settings;
static struct rules_config config;
static char folder[64];
static char glob[128];
static const char *globs[1];
static char warned[4096];

static void warn(void *context, const char *text)
{
    snprintf(warned, sizeof warned, "%s", text);
}

static int set_up(void **state)
{
    bed_open(&bed);
    clock_manual_init(&bed.clock, 1000000 * 1000LL);
    snprintf(folder, sizeof folder, "/tmp/sonde-rules-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(glob, sizeof glob, "%s/*.yml", folder);
    globs[0] = glob;
    warned[0] = '\0';
    settings = (struct rules_settings){.files = {globs, 1},
                                       .external_url = "http://sonde.example/",
                                       .tenant = "default",
                                       .evaluation_interval_ms = 60000,
                                       .for_grace_period_ms = 600000,
                                       .for_outage_tolerance_ms = 3600000,
                                       .resend_delay_ms = 60000,
                                       .concurrency = 3,
                                       .timeout_ms = 10000,
                                       .samples_max = 1000000,
                                       .groups_max = 100};
    config = (struct rules_config){.settings = &settings,
                                   .store = bed.world.store,
                                   .sink = bed.world.sink,
                                   .clock = &bed.clock.clock,
                                   .alerts = &bed.alerts,
                                   .warn = warn};
    rules = NULL;
    return 0;
}

static int tear_down(void **state)
{
    static const char *const NAMES[] = {"a.yml", "b.yml"};
    char path[128];
    rules_free(rules);
    bed_close(&bed);
    for (size_t i = 0; i < COUNTOF(NAMES); i++) {
        snprintf(path, sizeof path, "%s/%s", folder, NAMES[i]);
        (void)unlink(path); /* not every test makes both */
    }
    assert_int_equal(rmdir(folder), 0);
    return 0;
}

static void put(const char *name, const char *text)
{
    char path[128];
    struct why why = {0};
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(file_write(path, str_c(text), &why), 0);
}

static void drop(const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(unlink(path), 0);
}

static void open_rules(void)
{
    struct why why = {0};
    assert_int_equal(rules_new(&config, &rules, &why), 0);
}

static int reload(void)
{
    struct why why = {0};
    return rules_reload(rules, &why);
}

/* Turns the clock to the next time that is due and runs it; the time. */
static int64_t run_next(void)
{
    int64_t next;
    size_t n = rules_run(rules, &next);
    if (n == 0) {
        clock_manual_pass(&bed.clock, next - bed.clock.wall_ms);
        n = rules_run(rules, &next);
    }
    assert_true(n > 0);
    return bed.clock.wall_ms;
}

static struct rules_view view(void)
{
    struct rules_view v;
    rules_view(rules, &bed.arena, &v);
    return v;
}

static size_t points(const char *selector, const char *what)
{
    size_t n = 0;
    for (const char *p = bed_history(&bed, selector); (p = strstr(p, what)) != NULL; p++)
        n++;
    return n;
}

#define ONE(name, expr)                                                                            \
    "groups:\n- name: " name "\n  rules:\n  - {record: " name ", expr: " expr "}\n"

static void groups_run_at_their_own_fixed_times(void **state)
{
    put("a.yml", ONE("one", "1"));
    put("b.yml", "groups:\n- name: two\n  interval: 20s\n  rules:\n  - {record: two, expr: 2}\n");
    open_rules();
    for (int i = 0; i < 40; i++)
        run_next();
    assert_int_equal(points("one", "=1"), 10);
    assert_int_equal(points("two", "=2"), 30);
    struct rules_view v = view();
    assert_int_equal(v.groups_n, 2);
    assert_string_equal(v.groups[1].name.p, "two");
    assert_int_equal(v.groups[1].interval_ms, 20000);
    assert_int_equal(v.groups[0].rules[0].health, RULE_OK);
    int64_t first = view().groups[1].last_evaluation_ms % 20000;
    for (int i = 0; i < 8; i++) {
        run_next();
        assert_int_equal(view().groups[1].last_evaluation_ms % 20000, first);
    }
}

static void runs_that_were_missed_are_skipped(void **state)
{
    put("a.yml", ONE("one", "1"));
    open_rules();
    int64_t at = run_next();
    clock_manual_pass(&bed.clock, 10 * 60000 + 7);
    assert_int_equal(rules_run(rules, &(int64_t){0}), 1);
    assert_int_equal(view().groups[0].last_evaluation_ms, at + 10 * 60000);
    assert_int_equal(run_next(), at + 11 * 60000);
    assert_int_equal(points("one", "=1"), 3);
}

static void a_clock_that_is_set_back_stops_no_group(void **state)
{
    put("a.yml", ONE("one", "1"));
    open_rules();
    int64_t at = run_next();
    bed.clock.wall_ms -= 86400000;
    int64_t next;
    assert_int_equal(rules_run(rules, &next), 0);
    assert_true(next <= bed.clock.wall_ms + 60000);
    assert_int_equal((at - next) % 60000, 0);
    run_next();
    assert_int_equal(points("one", "=1"), 2);
}

static void a_reload_keeps_groups_that_did_not_change(void **state)
{
    put("a.yml", "groups:\n- name: g\n  rules:\n  - {alert: A, expr: vector(1), for: 5m}\n");
    put("b.yml", ONE("one", "1"));
    open_rules();
    for (int i = 0; i < 6; i++)
        run_next();
    int64_t since = view().groups[0].rules[0].alerts[0].active_ms;
    put("a.yml", "# new\ngroups:\n- name: g\n  rules:\n  - {alert: A, expr: vector(1), for: 5m}\n");
    put("b.yml", ONE("one", "2"));
    assert_int_equal(reload(), 0);
    struct rules_view v = view();
    assert_int_equal(v.groups[0].rules[0].alerts_n, 1);
    assert_int_equal(v.groups[0].rules[0].alerts[0].active_ms, since);
    for (int i = 0; i < 2; i++)
        run_next();
    assert_int_equal(points("one", "=2"), 1);
}

static void series_of_a_group_that_vanished_are_ended(void **state)
{
    put("a.yml", ONE("one", "1"));
    put("b.yml", ONE("two", "2"));
    open_rules();
    for (int i = 0; i < 4; i++)
        run_next();
    drop("b.yml");
    int64_t at = bed.clock.wall_ms;
    assert_int_equal(reload(), 0);
    assert_int_equal(view().groups_n, 1);
    for (int i = 0; i < 4; i++)
        run_next();
    char end[64];
    snprintf(end, sizeof end, "%lld=stale\n", (long long)at / 1000);
    assert_int_equal(points("two", end), 1);
    assert_int_equal(points("one", "stale"), 0);
}

static void series_of_a_group_that_was_renamed_go_on(void **state)
{
    put("a.yml", ONE("one", "1"));
    open_rules();
    for (int i = 0; i < 2; i++)
        run_next();
    put("a.yml", "groups:\n- name: other\n  rules:\n  - {record: one, expr: 1}\n");
    assert_int_equal(reload(), 0);
    for (int i = 0; i < 5; i++)
        run_next();
    assert_int_equal(points("one", "=1"), 7);
    assert_int_equal(points("one", "stale"), 0);
}

static void a_bad_file_changes_nothing_at_a_reload(void **state)
{
    struct why why = {0};
    put("a.yml", ONE("one", "1"));
    open_rules();
    assert_int_equal(rules_problem(rules, &bed.arena).n, 0);
    put("a.yml", ONE("one", "2"));
    put("b.yml", ONE("two", "sum("));
    assert_int_equal(rules_reload(rules, &why), -ERR_FORMAT);
    assert_non_null(strstr(why.text, "b.yml:4:"));
    assert_non_null(strstr(rules_problem(rules, &bed.arena).p, "b.yml:4:"));
    assert_non_null(strstr(warned, "b.yml:4:"));
    run_next();
    assert_int_equal(points("one", "=1"), 1);
    put("b.yml", ONE("two", "2"));
    assert_int_equal(reload(), 0);
    assert_int_equal(rules_problem(rules, &bed.arena).n, 0);
    assert_int_equal(view().groups_n, 2);
}

static void a_bad_file_at_the_start_leaves_the_good_ones(void **state)
{
    put("a.yml", ONE("one", "1"));
    put("b.yml", "groups:\n- name: two\n  rulez: []\n");
    open_rules();
    assert_int_equal(view().groups_n, 1);
    assert_non_null(strstr(rules_problem(rules, &bed.arena).p, "rulez"));
    run_next();
    assert_int_equal(points("one", "=1"), 1);
}

static void a_file_that_is_named_but_missing_is_a_fault(void **state)
{
    char path[128];
    snprintf(path, sizeof path, "%s/none.yaml", folder);
    globs[0] = path;
    open_rules();
    assert_non_null(strstr(rules_problem(rules, &bed.arena).p, "there is no such rule file"));
}

static void too_many_groups_are_a_fault(void **state)
{
    settings.groups_max = 1;
    put("a.yml", ONE("one", "1"));
    put("b.yml", ONE("two", "2"));
    open_rules();
    assert_int_equal(view().groups_n, 0);
    assert_non_null(strstr(rules_problem(rules, &bed.arena).p, "groups_max"));
}

static void alerts_are_taken_up_after_the_second_run(void **state)
{
    put("a.yml", "groups:\n- name: g\n  rules:\n  - {alert: A, expr: vector(1), for: 20m}\n");
    int64_t now = bed.clock.wall_ms;
    bed_load(&bed, now - 120000, "ALERTS_FOR_STATE{alertname=\"A\"} 999000");
    open_rules();
    run_next();
    run_next();
    assert_string_equal(bed_history(&bed, "ALERTS"), "");
    assert_true(view().groups[0].rules[0].alerts[0].active_ms < now);
    run_next();
    assert_int_equal(points("ALERTS", "=1"), 1);
}

static void a_rule_that_fails_is_told_once_and_counted(void **state)
{
    put("a.yml", ONE("one", "\"label_replace(up, 'x', '$1', 'y', '(')\""));
    open_rules();
    run_next();
    assert_int_equal(rules_failing(rules), 1);
    assert_int_equal(view().groups[0].rules[0].health, RULE_ERR);
    assert_true(view().groups[0].rules[0].last_error.n > 0);
    assert_non_null(strstr(warned, "rule \"one\""));
    warned[0] = '\0';
    run_next();
    assert_string_equal(warned, "");
}

static void external_labels_and_the_url_are_checked(void **state)
{
    struct why why = {0};
    const char *labels[] = {"a=b", "c = d"};
    settings.external_labels = (struct option_list){labels, 2};
    struct str key;
    assert_int_equal(rules_settings_check(&settings, &why), 0);
    assert_int_equal(rules_external_labels(&settings, &bed.arena, &key, &why), 0);
    struct buf text;
    buf_init(&text, 100);
    labels_print(key, &text);
    assert_true(str_eq(buf_str(&text), STR("{a=\"b\", c=\"d\"}")));
    buf_done(&text);
    labels[1] = "c";
    assert_int_equal(rules_settings_check(&settings, &why), -ERR_FORMAT);
    labels[1] = "a=c";
    assert_int_equal(rules_settings_check(&settings, &why), -ERR_FORMAT);
    settings.external_labels.n = 1;
    settings.external_url = "ftp://x";
    assert_int_equal(rules_settings_check(&settings, &why), -ERR_FORMAT);
}

/* ---- threads */

/* A store in memory is not made for threads: a lock around it. */
struct guarded {
    struct series_store face;
    pthread_mutex_t lock;
};

static struct guarded guarded;

static int guarded_select(struct series_store *s, struct tenant *t, const struct select *how,
                          struct series_cursor **ret, struct why *why)
{
    for (size_t i = 0; i < how->matchers_n; i++)
        if (str_eq(how->matchers[i].value, STR("slow")))
            usleep(150000);
    thread_lock(&guarded.lock);
    int err = bed.world.store->ops->select(bed.world.store, t, how, ret, why);
    if (err != 0)
        thread_unlock(&guarded.lock);
    return err;
}

static void guarded_close(struct series_cursor *c)
{
    bed.world.store->ops->close(c);
    thread_unlock(&guarded.lock);
}

static int guarded_append(struct sink *s, size_t lane, struct tenant *t, struct batch *b,
                          struct why *why)
{
    thread_lock(&guarded.lock);
    int n = bed.world.sink->ops->append(bed.world.sink, lane, t, b, why);
    thread_unlock(&guarded.lock);
    return n;
}

static atomic_bool looking;

static void look(void *context)
{
    while (atomic_load(&looking)) {
        struct arena a;
        struct rules_view v;
        arena_init(&a);
        rules_view(rules, &a, &v);
        (void)rules_problem(rules, &a);
        (void)rules_failing(rules);
        arena_done(&a);
        usleep(1000);
    }
}

static const char *variant(int i, char out[2000])
{
    size_t n = (size_t)snprintf(out, 2000, "groups:\n");
    for (int g = 0; g < 4 + i % 3; g++)
        n += (size_t)snprintf(out + n, 2000 - n,
                              "- name: g%d\n  interval: 10ms\n  rules:\n"
                              "  - {record: r%d, expr: vector(%d)}\n"
                              "  - {alert: A%d, expr: r%d > 0, for: 20ms}\n",
                              g, g, g % 2 ? i : 1, g, g);
    return out;
}

/* Rules over the guarded store, by the real clock. */
static void open_guarded(void)
{
    static struct series_store_ops ops;
    static struct sink_ops sink_ops;
    static struct memory_sink whole;
    struct why why = {0};
    ops = *bed.world.store->ops;
    ops.select = guarded_select;
    ops.close = guarded_close;
    sink_ops = *bed.world.sink->ops;
    sink_ops.append = guarded_append;
    guarded = (struct guarded){.face = {&ops}};
    thread_lock_init(&guarded.lock);
    config.store = &guarded.face;
    config.clock = &clock_real;
    config.alerts = NULL;
    whole = (struct memory_sink){{&sink_ops}, bed.store};
    config.sink = &whole.sink;
    assert_int_equal(rules_new(&config, &rules, &why), 0);
}

static void slow_groups_do_not_delay_others(void **state)
{
    put("a.yml", "groups:\n"
                 "- {name: a, interval: 20ms, rules: [{record: late, expr: slow}]}\n"
                 "- {name: b, interval: 20ms, rules: [{record: late2, expr: slow}]}\n"
                 "- {name: c, interval: 20ms, rules: [{record: quick, expr: 1}]}\n");
    open_guarded();
    rules_start(rules);
    usleep(600000);
    rules_free(rules);
    rules = NULL;
    assert_true(points("quick", "=1") > 8); /* a slow one runs four times */
}

static void groups_reloads_and_views_go_on_side_by_side(void **state)
{
    char text[2000];
    struct thread viewer = {0};
    put("a.yml", variant(0, text));
    open_guarded();
    atomic_store(&looking, true);
    thread_start(&viewer, "viewer", look, NULL);
    rules_start(rules);
    for (int i = 1; i <= 12; i++) {
        usleep(30000);
        put("a.yml", variant(i, text));
        assert_int_equal(reload(), 0);
    }
    usleep(50000);
    atomic_store(&looking, false);
    thread_join(&viewer);
    rules_free(rules);
    rules = NULL;
    assert_true(points("r0", "=1") > 5);
    assert_true(points("ALERTS{alertname=\"A0\",alertstate=\"firing\"}", "=1") > 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(groups_run_at_their_own_fixed_times),
        TEST(runs_that_were_missed_are_skipped),
        TEST(a_clock_that_is_set_back_stops_no_group),
        TEST(a_reload_keeps_groups_that_did_not_change),
        TEST(series_of_a_group_that_vanished_are_ended),
        TEST(series_of_a_group_that_was_renamed_go_on),
        TEST(a_bad_file_changes_nothing_at_a_reload),
        TEST(a_bad_file_at_the_start_leaves_the_good_ones),
        TEST(a_file_that_is_named_but_missing_is_a_fault),
        TEST(too_many_groups_are_a_fault),
        TEST(alerts_are_taken_up_after_the_second_run),
        TEST(a_rule_that_fails_is_told_once_and_counted),
        TEST(external_labels_and_the_url_are_checked),
        TEST(slow_groups_do_not_delay_others),
        TEST(groups_reloads_and_views_go_on_side_by_side),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
