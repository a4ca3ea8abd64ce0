/* A body from its bytes to the sink: reading, recall and writing together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "codec/metric_family.h"
#include "model/labels.h"
#include "scrape/sink_test.h"
#include "scrape/writing.h"
#include "text/yaml.h"

struct bed {
    struct sink_test sink;
    struct promfile_scrape config;
    struct recall recall;
    struct reading *reading;
    struct writing writing;
    struct writing_count count;
    struct buf target;
    struct why why;
    int64_t now_ms;
};

static int setup(void **state)
{
    struct bed *t = mem_new(sizeof *t);
    sink_test_init(&t->sink);
    recall_init(&t->recall, 7);
    t->reading = reading_new();
    writing_init(&t->writing, &t->sink.sink, 0, NULL);
    buf_init(&t->target, LABELS_KEY_MAX);
    labels_put(&t->target, STR("job"), STR("j"));
    t->config.honor_timestamps = true;
    t->now_ms = 1000;
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    struct bed *t = *state;
    sink_test_done(&t->sink);
    recall_done(&t->recall);
    reading_free(t->reading);
    writing_done(&t->writing);
    relabel_free(t->config.metric_relabel);
    buf_done(&t->target);
    mem_free(t);
    return 0;
}

static int take_as(struct bed *t, struct str body, enum reading_format format)
{
    struct reading *r = t->reading;
    r->config = &t->config;
    r->target = buf_str(&t->target);
    r->recall = &t->recall;
    r->now_ms = t->now_ms;
    recall_begin(&t->recall);
    t->why = (struct why){0};
    int err = reading_take(r, body, format, &t->why);
    if (!err)
        err = writing_take(&t->writing, r, &t->count, &t->why);
    t->now_ms += 1000;
    return err;
}

static int take(struct bed *t, const char *body)
{
    return take_as(t, str_c(body), READING_TEXT);
}

static void gave(struct bed *t, const char *want)
{
    assert_string_equal(sink_test_take(&t->sink.samples), want);
}

static void the_same_lines_again_are_known_by_their_bytes(void **state)
{
    struct bed *t = *state;
    static const char BODY[] = "# HELP a What a is.\n# TYPE a counter\na{x=\"1\"} 1\na{x=\"2\"} 2\n"
                               "\n# a comment\nb 3e+06\nc NaN\n";
    assert_int_equal(take(t, BODY), 0);
    gave(t, "a{job=\"j\", x=\"1\"} 1 @1000\na{job=\"j\", x=\"2\"} 2 @1000\n"
            "b{job=\"j\"} 3e+06 @1000\nc{job=\"j\"} nan @1000\n");
    assert_string_equal(sink_test_take(&t->sink.sides), "a: counter, What a is., \n");
    assert_int_equal(t->reading->misses, 4);
    assert_int_equal(t->count.added, 4);
    assert_int_equal(take(t, BODY), 0);
    gave(t, "a{job=\"j\", x=\"1\"} 1 @2000\na{job=\"j\", x=\"2\"} 2 @2000\n"
            "b{job=\"j\"} 3e+06 @2000\nc{job=\"j\"} nan @2000\n");
    assert_int_equal(t->reading->misses, 0);
    assert_int_equal(t->count.added, 0);
    assert_int_equal(t->count.kept, 4);
    assert_string_equal(sink_test_take(&t->sink.sides), "");
}

static void lines_in_another_order_are_found(void **state)
{
    struct bed *t = *state;
    assert_int_equal(take(t, "a 1\nb 2\nc 3\n"), 0);
    gave(t, "a{job=\"j\"} 1 @1000\nb{job=\"j\"} 2 @1000\nc{job=\"j\"} 3 @1000\n");
    assert_int_equal(take(t, "c 4\na 5\nb 6\n"), 0);
    gave(t, "c{job=\"j\"} 4 @2000\na{job=\"j\"} 5 @2000\nb{job=\"j\"} 6 @2000\n");
    assert_int_equal(t->reading->misses, 0);
    /* Other blanks are other bytes, but the same series. */
    assert_int_equal(take(t, "a   7\nb\t8\nc 9 \n"), 0);
    gave(t, "a{job=\"j\"} 7 @3000\nb{job=\"j\"} 8 @3000\nc{job=\"j\"} 9 @3000\n");
    assert_int_equal(t->count.added, 0);
    assert_int_equal(t->count.gone, 0);
}

static void a_series_that_is_gone_ends_at_that_scrape(void **state)
{
    struct bed *t = *state;
    assert_int_equal(take(t, "a 1\nb 2\nc 3\n"), 0);
    sink_test_take(&t->sink.samples);
    assert_int_equal(take(t, "a 1\nc 3\n"), 0);
    gave(t, "a{job=\"j\"} 1 @2000\nc{job=\"j\"} 3 @2000\nb{job=\"j\"} stale @2000\n");
    assert_int_equal(t->count.gone, 1);
    assert_int_equal(take(t, "a 1\nc 3\n"), 0);
    gave(t, "a{job=\"j\"} 1 @3000\nc{job=\"j\"} 3 @3000\n");
    assert_int_equal(take(t, "a 1\nb 2\nc 3\n"), 0);
    assert_int_equal(t->count.added, 1);
}

static void a_series_with_times_of_its_own_does_not_end(void **state)
{
    struct bed *t = *state;
    assert_int_equal(take(t, "a 1 500\nb 2\n"), 0);
    gave(t, "a{job=\"j\"} 1 @500\nb{job=\"j\"} 2 @1000\n");
    assert_int_equal(take(t, "b 2\n"), 0);
    gave(t, "b{job=\"j\"} 2 @2000\n");
    t->config.track_timestamps_staleness = true;
    assert_int_equal(take(t, "a 1 600\nb 2\n"), 0);
    gave(t, "a{job=\"j\"} 1 @600\nb{job=\"j\"} 2 @3000\n");
    assert_int_equal(take(t, "b 2\n"), 0);
    gave(t, "b{job=\"j\"} 2 @4000\na{job=\"j\"} stale @4000\n");
    t->config.honor_timestamps = false;
    assert_int_equal(take(t, "a 1 600\n"), 0);
    gave(t, "a{job=\"j\"} 1 @5000\nb{job=\"j\"} stale @5000\n");
}

static void the_first_of_duplicates_wins(void **state)
{
    struct bed *t = *state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(
            take(t, "a{x=\"1\",y=\"2\"} 1\na{y=\"2\",x=\"1\"} 2\na{x=\"1\",y=\"2\"} 3\n"), 0);
        assert_int_equal(t->count.duplicates, 2);
        assert_int_equal(t->count.kept, 3);
    }
    gave(t, "a{job=\"j\", x=\"1\", y=\"2\"} 1 @1000\na{job=\"j\", x=\"1\", y=\"2\"} 1 @2000\n"
            "a{job=\"j\", x=\"1\", y=\"2\"} 1 @3000\n");
}

static void labels_of_the_target_win_unless_those_exposed_are_honoured(void **state)
{
    struct bed *t = *state;
    static const char BODY[] = "a{job=\"x\",exported_job=\"y\"} 1\nb{job=\"\"} 2\n";
    assert_int_equal(take(t, BODY), 0);
    gave(t, "a{exported_exported_job=\"x\", exported_job=\"y\", job=\"j\"} 1 @1000\n"
            "b{job=\"j\"} 2 @1000\n");
    recall_done(&t->recall);
    t->config.honor_labels = true;
    assert_int_equal(take(t, BODY), 0);
    gave(t, "a{exported_job=\"y\", job=\"x\"} 1 @2000\nb 2 @2000\n");
}

static void rules_drop_and_rename(void **state)
{
    struct bed *t = *state;
    struct str sources[] = {LABEL_METRIC};
    struct relabel_rule rules[] = {relabel_rule_default, relabel_rule_default};
    rules[0].action = STR("drop");
    rules[0].source_labels = sources;
    rules[0].source_labels_n = 1;
    rules[0].regex = STR("b.*");
    rules[1].action = STR("labeldrop");
    rules[1].regex = STR("x");
    assert_int_equal(relabel_new(rules, 2, &t->config.metric_relabel, NULL, NULL), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(take(t, "a{x=\"1\"} 1\nbb 2\n"), 0);
        assert_int_equal(t->reading->samples, 2);
        assert_int_equal(t->count.kept, 1);
    }
    gave(t, "a{job=\"j\"} 1 @1000\na{job=\"j\"} 1 @2000\n");
}

static void what_is_wrong_fails_the_whole_scrape(void **state)
{
    static const char *const BODIES[] = {
        "a 1\nb{ 2\n",
        "a 1\nb\n",
        "a 1\nb x\n",
        "a 1\nb{x=\"1\"\n",
        "a 1\n1b 2\n",
        "a 1\nb 2 x\n",
        "a 1\na{x=\"1\",x=\"2\"} 3\n",
        "a 1\nb{x=\"\xff\"} 1\n",
        "a 1\n# TYPE b wrong\n",
    };
    struct bed *t = *state;
    for (size_t i = 0; i < COUNTOF(BODIES); i++) {
        assert_true(take(t, BODIES[i]) < 0);
        assert_true(t->why.text[0]);
    }
    gave(t, "");
    assert_int_equal(take(t, "a 1"), 0); /* without a line end */
    gave(t, "a{job=\"j\"} 1 @10000\n");
    assert_int_equal(t->count.added, 1);
    assert_int_equal(take(t, "a 1\nb{ 2\n"), -ERR_FORMAT);
    assert_int_equal(writing_end_all(&t->writing, &t->recall, 11000), 1);
    gave(t, "a{job=\"j\"} stale @11000\n");
    assert_int_equal(take(t, "a 1\n"), 0);
    assert_int_equal(t->count.added, 0); /* it was there in the last good answer */
}

static void limits_fail_the_scrape(void **state)
{
    struct bed *t = *state;
    t->config.sample_limit = 2;
    assert_int_equal(take(t, "a 1\nb 2\n"), 0);
    assert_int_equal(take(t, "a 1\nb 2\nc 3\n"), -ERR_LIMIT);
    assert_string_equal(t->why.text, "sample limit exceeded");
    assert_int_equal(t->reading->samples, 3);
    t->config.sample_limit = 0;
    t->config.label_limit = 2;
    assert_int_equal(take(t, "a 1\nd{x=\"1\"} 2\n"), -ERR_LIMIT);
    assert_non_null(strstr(t->why.text, "label_limit exceeded (metric: d, number of labels: 3"));
    t->config.label_limit = 0;
    t->config.label_name_length_limit = 8;
    assert_int_equal(take(t, "d{x12345678=\"1\"} 2\n"), -ERR_LIMIT);
    t->config.label_name_length_limit = 0;
    t->config.label_value_length_limit = 3;
    assert_int_equal(take(t, "d{x=\"1234\"} 2\n"), -ERR_LIMIT);
    assert_non_null(strstr(t->why.text, "label_value_length_limit exceeded"));
    t->config.label_value_length_limit = 0;
    t->config.legacy_names = true;
    assert_int_equal(take(t, "{\"d.e\"} 2\n"), -ERR_FORMAT);
    t->config.legacy_names = false;
    assert_int_equal(take(t, "{\"d.e\"} 2\n"), 0);
}

static void openmetrics_has_starts_exemplars_and_an_end(void **state)
{
    struct bed *t = *state;
    static const char BODY[] = "# TYPE a counter\n# UNIT a seconds\n"
                               "a_total{x=\"1\"} 1 # {trace_id=\"q\"} 0.5 2.5\n"
                               "a_created{x=\"1\"} 0.25\n"
                               "a_total{x=\"2\"} 2 1.5\n"
                               "# TYPE s summary\ns{quantile=\"1\"} 3\n# EOF\n";
    for (int i = 0; i < 2; i++) {
        assert_int_equal(take_as(t, str_c(BODY), READING_OPENMETRICS), 0);
        assert_string_equal(sink_test_take(&t->sink.sides),
                            i ? "a_total{job=\"j\", x=\"1\"} {trace_id=\"q\"} 0.5 @2500\n"
                              : "a_total{job=\"j\", x=\"1\"} {trace_id=\"q\"} 0.5 @2500\n"
                                "a: counter, , seconds\ns: summary, , \n");
        gave(t,
             i ? "a_total{job=\"j\", x=\"1\"} 1 @2000 start 250\n"
                 "a_total{job=\"j\", x=\"2\"} 2 @1500\ns{job=\"j\", quantile=\"1.0\"} 3 @2000\n"
               : "a_total{job=\"j\", x=\"1\"} 1 @1000 start 250\n"
                 "a_total{job=\"j\", x=\"2\"} 2 @1500\ns{job=\"j\", quantile=\"1.0\"} 3 @1000\n");
    }
    assert_int_equal(take_as(t, STR("a 1\n"), READING_OPENMETRICS), -ERR_FORMAT);
    assert_string_equal(t->why.text, "data does not end with # EOF");
    assert_int_equal(take_as(t, STR("a 1\n# EOF\nb 1\n"), READING_OPENMETRICS), -ERR_FORMAT);
}

static void the_type_above_a_line_is_a_part_of_what_it_is(void **state)
{
    struct bed *t = *state;
    assert_int_equal(take(t, "# TYPE h histogram\nh_bucket{le=\"1\"} 1\n"), 0);
    gave(t, "h_bucket{job=\"j\", le=\"1.0\"} 1 @1000\n");
    assert_int_equal(take(t, "h_bucket{le=\"1\"} 1\n"), 0);
    gave(t, "h_bucket{job=\"j\", le=\"1\"} 1 @2000\nh_bucket{job=\"j\", le=\"1.0\"} stale @2000\n");
}

static void classic_histograms_become_native_ones_where_that_is_asked_for(void **state)
{
    struct bed *t = *state;
    static const char BODY[] = "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"2.5\"} 3\n"
                               "h_bucket{le=\"+Inf\"} 4\nh_sum 9\nh_count 4\n";
    t->config.convert_to_nhcb = true;
    for (int i = 1; i <= 2; i++) {
        assert_int_equal(take(t, BODY), 0);
        assert_int_equal(t->reading->samples, 1);
        assert_int_equal(t->count.added, i == 1);
        gave(t, i == 1 ? "h{job=\"j\"} histogram(4 9 -53 3) @1000\n"
                       : "h{job=\"j\"} histogram(4 9 -53 3) @2000\n");
    }
    recall_done(&t->recall);
    t->config.always_classic_histograms = true;
    assert_int_equal(take(t, BODY), 0);
    assert_int_equal(t->count.kept, 6);
}

static void native_histograms_are_cut_to_their_limit(void **state)
{
    static const struct histogram_span SPAN = {-2, 6};
    static const double COUNTS[] = {1, 1, 1, 1, 1, 1};
    const struct histogram h = {.schema = 3,
                                .is_float = true,
                                .count = 6,
                                .sum = 5,
                                .positive_spans = &SPAN,
                                .positive_spans_n = 1,
                                .positive = COUNTS,
                                .positive_n = 6};
    struct bed *t = *state;
    struct buf body, key;
    struct metric_family_writer w;
    buf_init(&body, 1 << 16);
    buf_init(&key, 1 << 16);
    labels_put(&key, LABEL_METRIC, STR("h"));
    metric_family_init(&w, &body);
    metric_family_begin(&w, STR("h"), METRIC_FAMILY_HISTOGRAM);
    metric_family_histogram(&w, buf_str(&key), &h, 0);
    metric_family_done(&w);
    t->config.native_histograms = true;
    for (int i = 0; i < 2; i++)
        assert_int_equal(take_as(t, buf_str(&body), READING_PROTOBUF), 0);
    assert_int_equal(t->reading->misses, 0);
    gave(t, "h{job=\"j\"} histogram(6 5 3 6) @1000\nh{job=\"j\"} histogram(6 5 3 6) @2000\n");
    t->config.native_bucket_limit = 4;
    assert_int_equal(take_as(t, buf_str(&body), READING_PROTOBUF), 0);
    gave(t, "h{job=\"j\"} histogram(6 5 2 4) @3000\n"); /* -2..3 by two: -1, 0, 1, 2 */
    t->config.native_bucket_limit = 1;
    assert_int_equal(take_as(t, buf_str(&body), READING_PROTOBUF), -ERR_LIMIT);
    t->config.native_bucket_limit = 0;
    t->config.native_min_bucket_factor = 1.9; /* schema 0 doubles, 1 does not reach it */
    assert_int_equal(take_as(t, buf_str(&body), READING_PROTOBUF), 0);
    gave(t, "h{job=\"j\"} histogram(6 5 0 2) @5000\n");
    buf_done(&body);
    buf_done(&key);
}

static void a_target_that_changes_all_the_time_does_not_fill_the_memory(void **state)
{
    enum { SCRAPES = 200, LINES = 500 };
    struct bed *t = *state;
    struct buf body;
    buf_init(&body, 1 << 20);
    for (int i = 0; i < SCRAPES; i++) {
        buf_clear(&body);
        for (int k = 0; k < LINES; k++)
            buf_printf(&body, "a{n=\"%d\"} %d\n", k % 5 ? i * LINES + k : k, k);
        assert_int_equal(take_as(t, buf_str(&body), READING_TEXT), 0);
        assert_int_equal(t->count.gone, i ? LINES / 5 * 4 : 0);
        assert_int_equal(t->count.added, i ? LINES / 5 * 4 : LINES);
        buf_clear(&t->sink.samples);
    }
    assert_true(t->recall.n < 4 * LINES);
    assert_true(recall_bytes(&t->recall) < 1 << 20);
    buf_done(&body);
}

static void other_rules_end_what_is_no_longer_and_go_on_with_the_rest(void **state)
{
    struct bed *t = *state;
    struct relabel_rule rule = relabel_rule_default;
    struct str sources[] = {LABEL_METRIC};
    assert_int_equal(take(t, "a 1\nb 2\n"), 0);
    sink_test_take(&t->sink.samples);
    rule.action = STR("drop");
    rule.source_labels = sources;
    rule.source_labels_n = 1;
    rule.regex = STR("b");
    assert_int_equal(relabel_new(&rule, 1, &t->config.metric_relabel, NULL, NULL), 0);
    recall_forget(&t->recall);
    assert_int_equal(take(t, "a 1\nb 2\n"), 0);
    gave(t, "a{job=\"j\"} 1 @2000\nb{job=\"j\"} stale @2000\n");
    assert_int_equal(t->count.added, 0);
}

static void what_the_store_does_not_take_is_told(void **state)
{
    struct bed *t = *state;
    t->sink.refuse = -ERR_FULL;
    assert_int_equal(take(t, "a 1\n"), -ERR_FULL);
    assert_string_equal(t->why.text, "the store is full");
    assert_int_equal(t->writing.refused, 1);
}

static void the_content_type_decides(void **state)
{
    enum reading_format format;
    struct why why;
    (void)state;
    assert_int_equal(reading_format_of(STR("text/plain; version=0.0.4"), 0, &format, &why), 0);
    assert_int_equal(format, READING_TEXT);
    assert_int_equal(
        reading_format_of(STR("Application/OpenMetrics-Text; version=1.0.0"), 0, &format, &why), 0);
    assert_int_equal(format, READING_OPENMETRICS);
    assert_int_equal(reading_format_of(STR("text/html"), 0, &format, &why), -ERR_FORMAT);
    assert_int_equal(reading_format_of(STR(""), 0, &format, &why), -ERR_FORMAT);
    assert_int_equal(reading_format_of(STR(""), PROMFILE_TEXT_0_0_4, &format, &why), 0);
    assert_int_equal(format, READING_TEXT);
    assert_int_equal(reading_format_of(STR("x/y"), PROMFILE_PROTOBUF, &format, &why), 0);
    assert_int_equal(format, READING_PROTOBUF);
}

#define CASE(a_case_with_its_bed)                                                                  \
    cmocka_unit_test_setup_teardown(a_case_with_its_bed, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_same_lines_again_are_known_by_their_bytes),
        CASE(lines_in_another_order_are_found),
        CASE(a_series_that_is_gone_ends_at_that_scrape),
        CASE(a_series_with_times_of_its_own_does_not_end),
        CASE(the_first_of_duplicates_wins),
        CASE(labels_of_the_target_win_unless_those_exposed_are_honoured),
        CASE(rules_drop_and_rename),
        CASE(what_is_wrong_fails_the_whole_scrape),
        CASE(limits_fail_the_scrape),
        CASE(openmetrics_has_starts_exemplars_and_an_end),
        CASE(the_type_above_a_line_is_a_part_of_what_it_is),
        CASE(classic_histograms_become_native_ones_where_that_is_asked_for),
        CASE(native_histograms_are_cut_to_their_limit),
        CASE(a_target_that_changes_all_the_time_does_not_fill_the_memory),
        CASE(other_rules_end_what_is_no_longer_and_go_on_with_the_rest),
        CASE(what_the_store_does_not_take_is_told),
        CASE(the_content_type_decides),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
