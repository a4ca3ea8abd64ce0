#include "rules/rules_testbed.h"

#include <stdio.h>

#include "text/json.h"
#include "threshold/backtest.h"
#include "threshold/threshold_list.h"

static struct bed bed;
static struct why why;

static int set_up(void **unused)
{
    bed_open(&bed);
    why = (struct why){0};
    return 0;
}

static int tear_down(void **unused)
{
    bed_close(&bed);
    return 0;
}

/* A row from JSON with ' for ". */
static struct threshold_row row_of(const char *text)
{
    struct threshold_row row;
    const struct json_tree *tree;
    char *json = (char *)(uintptr_t)arena_str(&bed.arena, str_c(text)).p;
    for (char *p = json; *p; p++)
        *p = *p == '\'' ? '"' : *p;
    assert_int_equal(json_tree_parse(str_c(json), &bed.arena, &tree, &why), 0);
    assert_int_equal(threshold_json_read(tree, &bed.arena, &row, &why), 0);
    return row;
}

/* "expr | hold", or what is wrong. */
static const char *compiled(const char *json)
{
    struct threshold_row row = row_of(json);
    struct str expr, hold;
    if (threshold_compile(&row, &bed.arena, &expr, &hold, &why) != 0)
        return why.text;
    assert_int_equal(threshold_check(&row, &bed.options, &why), 0);
    return arena_printf(&bed.arena, STR_FMT " | " STR_FMT, STR_ARG(expr), STR_ARG(hold)).p;
}

static void every_kind_becomes_promql_that_parses(void **unused)
{
    assert_string_equal(compiled("{'name':'a','metric':'load1','above':4}"), "load1 > 4 | ");
    assert_string_equal(compiled("{'name':'a','metric':'load1','above':4,'clear':2.5}"),
                        "load1 > 4 | load1 > 2.5");
    assert_string_equal(compiled("{'name':'a','metric':'t{x=`1`}','below':-3,'clear':0,"
                                 "'aggregation':'avg','by':['host','zone']}"),
                        "avg by (host, zone) (t{x=`1`}) < -3 | "
                        "avg by (host, zone) (t{x=`1`}) < 0");
    assert_string_equal(compiled("{'name':'a','kind':'absence','metric':'up{job=`x`}'}"),
                        "absent_over_time(up{job=`x`}[5m]) | ");
    assert_string_equal(compiled("{'name':'a','kind':'change','metric':'q','above':5,'below':-5,"
                                 "'window':'10m'}"),
                        "(q - q offset 10m) > 5 or (q - q offset 10m) < -5 | ");
    assert_string_equal(compiled("{'name':'a','kind':'change','metric':'q','above':50,"
                                 "'percent':true,'aggregation':'sum'}"),
                        "100 * (sum(q) - sum(q offset 5m)) / abs(sum(q offset 5m)) > 50 | ");
    assert_string_equal(compiled("{'name':'a','kind':'rate','metric':'e_total','above':1,"
                                 "'aggregation':'sum','by':['job'],'window':'2m'}"),
                        "sum by (job) (rate(e_total[2m])) > 1 | ");
    assert_string_equal(compiled("{'name':'a','kind':'forecast','metric':'free','below':0,"
                                 "'within':'4h'}"),
                        "predict_linear(free[1h], 14400) < 0 | ");
    assert_string_equal(compiled("{'name':'a','kind':'expression','expr':'up == 0',"
                                 "'clear_expr':'up < 1'}"),
                        "up == 0 | up < 1");
}

static void what_is_wrong_is_said_by_its_member(void **unused)
{
    static const struct {
        const char *json, *says;
    } CASES[] = {
        {"{'name':'a','metric':'x'}", "one of above and below is missing"},
        {"{'name':'a','above':1}", "metric is missing"},
        {"{'name':'a','metric':'sum(x)','above':1}", "metric: "},
        {"{'name':'a','metric':'x','above':1,'clear':2}", "clear: it has to be at most above"},
        {"{'name':'a','metric':'x','below':1,'clear':0}", "clear: it has to be at least below"},
        {"{'name':'a','metric':'x','above':1,'below':2}", "above has to be greater than below"},
        {"{'name':'a','kind':'absence','metric':'x','above':1}", "mean nothing for kind absence"},
        {"{'name':'a','kind':'forecast','metric':'x','above':1}", "within: \"\" is no duration"},
        {"{'name':'a','kind':'rate','metric':'x','above':1,'window':'5x'}", "window: \"5x\""},
        {"{'name':'a','kind':'expression'}", "expr is missing"},
        {"{'name':'a','metric':'x','above':1,'by':['a']}", "by goes with an aggregation"},
        {"{'name':'a','metric':'x','above':1,'percent':true}", "percent is for kind change"},
    };
    for (size_t i = 0; i < COUNTOF(CASES); i++)
        assert_non_null(strstr(compiled(CASES[i].json), CASES[i].says));
}

static void a_check_finds_what_the_rule_would_refuse(void **unused)
{
    static const struct {
        const char *json, *says;
    } CASES[] = {
        {"{'metric':'x','above':1}", "name is missing"},
        {"{'name':'a/b','metric':'x','above':1}", "without a slash"},
        {"{'name':'a','metric':'x','above':1,'for':'soon'}", "soon"},
        {"{'name':'a','metric':'x','above':1,'labels':['severity=x']}", "member of its own"},
        {"{'name':'a','metric':'x','above':1,'labels':['x']}", "not of the form name=value"},
        {"{'name':'a','metric':'x','above':1,'annotations':{'s':'{{ $foo }}'}}", "foo"},
        {"{'name':'a','kind':'expression','expr':'sum('}", "parse"},
        {"{'name':'a','kind':'expression','expr':'up','clear_expr':'sum('}", "clear_expr: "},
    };
    for (size_t i = 0; i < COUNTOF(CASES); i++) {
        struct threshold_row row = row_of(CASES[i].json);
        assert_int_equal(threshold_check(&row, &bed.options, &why), -ERR_FORMAT);
        assert_non_null(strstr(why.text, CASES[i].says));
    }
}

static void members_are_checked_by_their_types(void **unused)
{
    static const struct {
        const char *json, *says;
    } CASES[] = {
        {"{\"name\":1}", "name: expected a text"},
        {"{\"kind\":\"x\"}", "kind: expected one of threshold|"},
        {"{\"above\":\"1\"}", "above: expected a number"},
        {"{\"enabled\":1}", "enabled: expected true or false"},
        {"{\"by\":\"a\"}", "by: expected a list"},
        {"{\"surprise\":1}", "there is no member \"surprise\""},
        {"[]", "an object is wanted"},
    };
    for (size_t i = 0; i < COUNTOF(CASES); i++) {
        struct threshold_row row;
        const struct json_tree *tree;
        assert_int_equal(json_tree_parse(str_c(CASES[i].json), &bed.arena, &tree, &why), 0);
        assert_int_equal(threshold_json_read(tree, &bed.arena, &row, &why), -ERR_FORMAT);
        assert_non_null(strstr(why.text, CASES[i].says));
    }
}

static void a_row_comes_back_from_its_json_as_it_was(void **unused)
{
    struct threshold_row row = row_of("{'name':'a','metric':'x','above':1.5,'by':['q'],"
                                      "'aggregation':'max','labels':{'k':'v'},'enabled':false}");
    struct buf first, second;
    const struct json_tree *tree;
    struct json_writer w;
    buf_init(&first, THRESHOLD_JSON_MAX);
    buf_init(&second, THRESHOLD_JSON_MAX);
    json_writer_init(&w, &first);
    json_begin_object(&w);
    threshold_json_put(&w, &row);
    json_end_object(&w);
    assert_int_equal(json_tree_parse(buf_str(&first), &bed.arena, &tree, &why), 0);
    assert_int_equal(threshold_json_read(tree, &bed.arena, &row, &why), 0);
    json_writer_init(&w, &second);
    json_begin_object(&w);
    threshold_json_put(&w, &row);
    json_end_object(&w);
    assert_true(str_eq(buf_str(&first), buf_str(&second)));
    assert_int_not_equal(str_search(buf_str(&first), STR("\"k=v\"")), first.n);
    buf_done(&first);
    buf_done(&second);
}

/* ---- hysteresis in the engine of rules */

static struct group *group_of(const char *json)
{
    struct threshold_row *row = arena_new(&bed.arena, sizeof *row);
    const struct threshold_row *rows[] = {row};
    struct buf problems;
    *row = row_of(json);
    buf_init(&problems, BED_TEXT_MAX);
    struct rule_file *f = threshold_file(rows, 1, &bed.options, &problems);
    assert_non_null(f);
    assert_int_equal(problems.n, 0);
    buf_done(&problems);
    vec_push(&bed.files, f);
    return group_new(&f->groups[0], f->name, 60000, false);
}

static void what_fires_fires_on_until_it_is_clear(void **unused)
{
    bed_load(&bed, 0, "load 3 5 4 3 5 1 3 5 2 2");
    struct group *g = group_of("{'name':'High','metric':'load','above':4,'clear':2}");
    bed_minutes(&bed, g, 0, 0);
    assert_string_equal(bed_rule(&bed, g, 0), "inactive ok");
    bed_minutes(&bed, g, 1, 3); /* 5, 4, 3: above 4 once, then above 2 */
    assert_string_equal(bed_rule(&bed, g, 0),
                        "firing ok | {alertname=\"High\", severity=\"warning\"} firing since 60 "
                        "value 3");
    bed_minutes(&bed, g, 4, 5); /* 5, 1 */
    assert_string_equal(bed_rule(&bed, g, 0), "inactive ok");
    bed_minutes(&bed, g, 6, 6); /* 3: it does not fire, so nothing is held */
    assert_string_equal(bed_rule(&bed, g, 0), "inactive ok");
    bed_minutes(&bed, g, 7, 8); /* 5, 2: exactly clear */
    assert_string_equal(bed_rule(&bed, g, 0), "inactive ok");
    group_free(g);
}

static void what_pends_is_not_held(void **unused)
{
    bed_load(&bed, 0, "load 5 3 5 5 5 3 3 1");
    struct group *g = group_of("{'name':'High','metric':'load','above':4,'clear':2,'for':'2m'}");
    bed_minutes(&bed, g, 0, 1);
    assert_string_equal(bed_rule(&bed, g, 0), "inactive ok");
    bed_minutes(&bed, g, 2, 6);
    assert_non_null(strstr(bed_rule(&bed, g, 0), "firing since 120 value 3"));
    bed_minutes(&bed, g, 7, 7);
    assert_string_equal(bed_rule(&bed, g, 0), "inactive ok");
    group_free(g);
}

/* ---- backtest */

static struct backtest_result tested(const char *json, int to_minute)
{
    struct threshold_row row = row_of(json);
    struct backtest b = {.query = {.store = bed.world.store, .tenant = bed.world.tenant},
                         .end_ms = (int64_t)to_minute * 60000,
                         .interval_ms = 60000};
    struct str expr, hold;
    struct promql_expr *tree, *hold_tree = NULL;
    struct promql_failure failure = {0};
    struct backtest_result r;
    assert_int_equal(threshold_compile(&row, &bed.arena, &expr, &hold, &why), 0);
    assert_int_equal(promql_parse(expr, NULL, &bed.arena, &tree, &failure), 0);
    if (hold.n > 0)
        assert_int_equal(promql_parse(hold, NULL, &bed.arena, &hold_tree, &failure), 0);
    b.expr = tree;
    b.hold = hold_tree;
    if (row.pend[0] != '\0')
        assert_int_equal(promql_duration(str_c(row.pend), &b.for_ms), 0);
    if (row.keep_firing_for[0] != '\0')
        assert_int_equal(promql_duration(str_c(row.keep_firing_for), &b.keep_firing_for_ms), 0);
    assert_int_equal(backtest_run(&b, &bed.arena, &r, &failure), 0);
    return r;
}

static void a_backtest_tells_each_firing(void **unused)
{
    bed_load(&bed, 0, "load{h=\"a\"} 1 5 7 6 1x10 5 5 1x10 9 9 9");
    struct backtest_result r = tested("{'name':'H','metric':'load','above':4}", 28);
    assert_int_equal(r.fired, 3);
    assert_int_equal(r.n, 3);
    assert_int_equal(r.firings[0].start_ms, 60000);
    assert_int_equal(r.firings[0].end_ms, 240000);
    assert_true(r.firings[0].peak == 7);
    assert_false(r.firings[0].open);
    assert_true(r.firings[2].open);
    assert_true(r.firings[2].peak == 9);
    assert_int_equal(r.brief, 2);
    assert_int_equal(r.again, 2);
    assert_int_equal(r.series, 1);
    assert_int_equal(r.steps, 29);
    assert_true(str_eq(labels_get(r.firings[0].labels, STR("h")), STR("a")));
}

static void a_backtest_waits_and_holds_as_rules_do(void **unused)
{
    bed_load(&bed, 0, "load 5 3 5 5 5 3 3 1 1 1 5 5 5 1 5 1 1 1 1 1 1 1 1 1 1");
    static const char *const RULES[] = {
        "{'name':'H','metric':'load','above':4,'clear':2,'for':'2m'}",
        "{'name':'H','metric':'load','above':4,'for':'1m','keep_firing_for':'2m'}",
        "{'name':'H','metric':'load','above':4}",
    };
    for (size_t i = 0; i < COUNTOF(RULES); i++) {
        struct backtest_result r = tested(RULES[i], 20);
        struct group *g = group_of(RULES[i]);
        uint64_t fired = 0;
        bool before = false;
        for (int m = 0; m <= 20; m++) {
            bed_minutes(&bed, g, m, m);
            bool now = strncmp(bed_rule(&bed, g, 0), "firing", 6) == 0;
            fired += now && !before;
            before = now;
        }
        assert_int_equal(r.fired, fired);
        assert_true(fired > 0);
        group_free(g);
    }
}

static void a_long_range_is_asked_in_pieces(void **unused)
{
    bed_load(&bed, 0, "load 5x6000 1x3000 5x2999");
    struct backtest_result r = tested("{'name':'H','metric':'load','above':4}", 11999);
    assert_int_equal(r.fired, 2);
    assert_int_equal(r.firings[0].start_ms, 0);
    assert_int_equal(r.firings[0].end_ms, 6001 * 60000LL);
    assert_int_equal(r.steps, 12000);
}

static void a_range_without_end_is_refused(void **unused)
{
    struct backtest b = {.end_ms = INT64_MAX / 2, .interval_ms = 1};
    struct backtest_result r;
    struct promql_failure failure = {0};
    assert_int_equal(backtest_run(&b, &bed.arena, &r, &failure), -ERR_RANGE);
    assert_int_equal(failure.kind, PROMQL_BAD_DATA);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_kind_becomes_promql_that_parses, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_wrong_is_said_by_its_member, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_check_finds_what_the_rule_would_refuse, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(members_are_checked_by_their_types, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_row_comes_back_from_its_json_as_it_was, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_fires_fires_on_until_it_is_clear, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_pends_is_not_held, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_backtest_tells_each_firing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_backtest_waits_and_holds_as_rules_do, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_long_range_is_asked_in_pieces, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_range_without_end_is_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
