#include "base/arena_test.h"
#include "base/mem.h"
#include "model/labels.h"
#include "query/promql/promqltest.h"
#include "tool/test_rules.h"

static const char *text_of(struct buf *b)
{
    const char *text = arena_str(&arena, buf_str(b)).p;
    buf_done(b);
    return text;
}

/* ---- files */

static int read_file(const char *text, struct test_rules_file *ret, struct why *why)
{
    return test_rules_file_read(str_c(text), &arena, ret, why);
}

static void a_file_says_what_it_says(void **state)
{
    struct test_rules_file f;
    struct why why = {0};
    assert_int_equal(read_file("rule_files: [a.yml, 'b*.yml']\n"
                               "evaluation_interval: 30s\n"
                               "group_eval_order: [x, y]\n"
                               "fuzzy_compare: true\n"
                               "tests:\n"
                               "- name: n\n"
                               "  start_timestamp: 2021-01-01T01:00:00.5+01:00\n"
                               "  input_series: [{series: up, values: 1 2}]\n"
                               "  external_labels: {b: 2, a: 1}\n"
                               "  alert_rule_test: [{eval_time: 5m, alertname: A,"
                               " exp_alerts: [{}, {exp_labels: {x: y}}]}]\n"
                               "  promql_expr_test: [{expr: up, eval_time: 1d,"
                               " exp_samples: [{labels: up, value: 1e3}]}]\n"
                               "- {interval: 1s, start_timestamp: 1609459200.25}\n",
                               &f, &why),
                     0);
    assert_int_equal(f.rule_files_n, 2);
    assert_int_equal(f.interval_ms, 30000);
    assert_true(f.fuzzy);
    assert_int_equal(f.tests_n, 2);
    assert_int_equal(f.tests[0].interval_ms, 30000);
    assert_true(f.tests[0].start_ms == 1609459200500);
    assert_true(str_eq(f.tests[0].external_labels[0].name, STR("a")));
    assert_int_equal(f.tests[0].alerts[0].at_ms, 300000);
    assert_int_equal(f.tests[0].alerts[0].expected_n, 2);
    assert_int_equal(f.tests[0].exprs[0].at_ms, 86400000);
    assert_true(f.tests[0].exprs[0].expected[0].value == 1000);
    assert_int_equal(f.tests[1].interval_ms, 1000);
    assert_true(f.tests[1].start_ms == 1609459200250);
}

static void an_empty_file_has_no_tests(void **state)
{
    struct test_rules_file f;
    struct why why = {0};
    assert_int_equal(read_file("", &f, &why), 0);
    assert_int_equal(f.tests_n, 0);
    assert_int_equal(f.interval_ms, 60000);
}

static void faults_of_a_file_are_told_with_their_place(void **state)
{
    static const struct {
        const char *text, *said;
    } CASES[] = {
        {"tests: [{wrong: 1}]", "line 1, column 10: field wrong not found in type testGroup"},
        {"other: 1", "line 1, column 1: field other not found in type unitTestFile"},
        {"evaluation_interval: 1.5h", "line 1, column 22: not a valid duration"},
        {"tests: 7", "line 1, column 8"},
        {"tests:\n- start_timestamp: yesterday\n", "line 2, column 20: start_timestamp"},
        {"tests:\n- promql_expr_test: [{exp_samples: [{value: x}]}]\n", "line 2, column 45"},
        {"group_eval_order: [a, b, a]", "group name repeated in evaluation order: a"},
        {"{", "line"},
    };
    for (size_t i = 0; i < COUNTOF(CASES); i++) {
        struct test_rules_file f;
        struct why why = {0};
        assert_int_not_equal(read_file(CASES[i].text, &f, &why), 0);
        if (strstr(why.text, CASES[i].said) == NULL)
            print_error("%s: %s\n", CASES[i].text, why.text);
        assert_non_null(strstr(why.text, CASES[i].said));
    }
}

/* ---- texts */

static void labels_are_shown_by_name(void **state)
{
    struct label labels[] = {{STR("b"), STR("x\"y")},
                             {STR("__name__"), STR("up")},
                             {STR("A"), STR("1")},
                             {STR("with.dot"), STR("z")}};
    struct buf key, out;
    struct why why = {0};
    buf_init(&key, 1000);
    buf_init(&out, 1000);
    assert_int_equal(labels_encode(labels, COUNTOF(labels), &key, &why), 0);
    test_rules_text_labels(buf_str(&key), &out);
    buf_done(&key);
    assert_string_equal(text_of(&out),
                        "{A=\"1\", __name__=\"up\", b=\"x\\\"y\", \"with.dot\"=\"z\"}");
}

static void histograms_are_shown_as_they_are_written(void **state)
{
    static const char *const TEXTS[] = {
        "{{}}",
        "{{count:2 sum:3 counter_reset_hint:not_reset buckets:[2]}}",
        ("{{schema:1 count:32.1 sum:-0.3 z_bucket:7.1 z_bucket_w:0.05 offset:-3 buckets:[5.1 10 7] "
         "n_offset:-5 n_buckets:[4.1 5]}}"),
        "{{schema:-53 count:5 sum:1e+06 custom_values:[1 2.5] buckets:[1 4]}}",
    };
    for (size_t i = 0; i < COUNTOF(TEXTS); i++) {
        struct promqltest_series s = {0};
        struct why why = {0};
        struct buf out;
        buf_init(&out, 1000);
        struct str line = arena_printf(&arena, "{} %s", TEXTS[i]);
        assert_int_equal(promqltest_series_read(line, &arena, &s, &why), 0);
        test_rules_text_histogram(s.v[0].histogram, &out);
        mem_free(s.v);
        assert_string_equal(text_of(&out), TEXTS[i]);
    }
}

static void gaps_and_empty_ends_of_spans_are_closed(void **state)
{
    const struct histogram_span spans[] = {{2, 3}, {2, 2}};
    const double counts[] = {0, 1, 2, 3, 0};
    struct histogram h = {.is_float = true,
                          .count = 6,
                          .positive_spans = spans,
                          .positive_spans_n = 2,
                          .positive = counts,
                          .positive_n = 5};
    struct buf out;
    buf_init(&out, 1000);
    test_rules_text_histogram(&h, &out);
    assert_string_equal(text_of(&out), "{{count:6 offset:3 buckets:[1 2 0 0 3]}}");
}

static void durations_are_shown_as_go_shows_them(void **state)
{
    static const struct {
        int64_t ms;
        const char *text;
    } CASES[] = {{0, "0s"},           {5, "5ms"},         {1500, "1.5s"},       {60000, "1m0s"},
                 {3600000, "1h0m0s"}, {-90000, "-1m30s"}, {86400000, "24h0m0s"}};
    for (size_t i = 0; i < COUNTOF(CASES); i++) {
        struct buf out;
        buf_init(&out, 100);
        test_rules_text_duration(CASES[i].ms, &out);
        assert_string_equal(text_of(&out), CASES[i].text);
    }
}

static void differences_keep_what_is_common(void **state)
{
    struct buf out;
    buf_init(&out, 1000);
    test_rules_text_diff(STR("a\nb\nc\nd"), STR("a\nx\nc\nd\ne"), &out);
    assert_string_equal(text_of(&out), "  a\n- b\n+ x\n  c\n  d\n+ e\n");
}

/* ---- whole tests */

static size_t faults_of(const char *text, struct buf *ret)
{
    struct test_rules_file f;
    struct test_rules_options options = {.diff = false};
    struct why why = {0};
    size_t n = 0;
    assert_int_equal(read_file(text, &f, &why), 0);
    buf_init(ret, 1 << 20);
    for (size_t i = 0; i < f.tests_n; i++)
        test_rules_group(&f, i, NULL, 0, &options, ret);
    for (size_t i = 0; i < ret->n; i++)
        n += ret->p[i] == '\0';
    return n;
}

static void expressions_are_compared_bit_by_bit_or_loosely(void **state)
{
    static const char EXACT[] =
        "tests:\n- input_series: [{series: x, values: 2.9999999999999996}]\n"
        "  promql_expr_test: [{expr: x, eval_time: 0, exp_samples: "
        "[{labels: x, value: 3}]}]\n";
    struct buf faults, loose;
    buf_init(&loose, 1000);
    assert_int_equal(faults_of(EXACT, &faults), 1);
    buf_done(&faults);
    buf_printf(&loose, "fuzzy_compare: true\n%s", EXACT);
    assert_int_equal(faults_of(text_of(&loose), &faults), 0);
    buf_done(&faults);
}

static void samples_come_no_earlier_than_their_time(void **state)
{
    struct buf faults;
    assert_int_equal(faults_of("tests:\n- input_series: [{series: x, values: '1 2 3'}]\n"
                               "  promql_expr_test:\n"
                               "  - {expr: 'x offset -1m', eval_time: 1m, exp_samples: "
                               "[{labels: x, value: 2}]}\n"
                               "  - {expr: x, eval_time: 1m, exp_samples: "
                               "[{labels: x, value: 2}]}\n",
                               &faults),
                     0);
    buf_done(&faults);
}

static void an_alert_without_a_name_is_a_fault(void **state)
{
    struct buf faults;
    assert_int_equal(faults_of("tests: [{name: t, alert_rule_test: [{eval_time: 1m}]}]", &faults),
                     1);
    assert_string_equal(faults.p, "an item under alert_rule_test misses required attribute "
                                  "alertname at eval_time 1m (in TestGroup t)");
    buf_done(&faults);
}

#define TEST(f) ARENA_TEST(f, arena_test_begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_file_says_what_it_says),
        TEST(an_empty_file_has_no_tests),
        TEST(faults_of_a_file_are_told_with_their_place),
        TEST(labels_are_shown_by_name),
        TEST(histograms_are_shown_as_they_are_written),
        TEST(gaps_and_empty_ends_of_spans_are_closed),
        TEST(durations_are_shown_as_go_shows_them),
        TEST(differences_keep_what_is_common),
        TEST(expressions_are_compared_bit_by_bit_or_loosely),
        TEST(samples_come_no_earlier_than_their_time),
        TEST(an_alert_without_a_name_is_a_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
