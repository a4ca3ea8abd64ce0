#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/query_chart.h"
#include "cli/query_chart_axis.h"
#include "cli/query_csv.h"
#include "cli/query_explain.h"
#include "cli/query_request.h"
#include "cli/query_table.h"

enum { OUT_MAX = 1 << 20 };

#define VECTOR(result)                                                                             \
    "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[" result "]}}"
#define MATRIX(result)                                                                             \
    "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[" result "]}}"

struct fixture {
    struct arena arena;
    struct query_answer answer;
    struct buf out;
    struct why why;
};

static int set_up(void **state)
{
    struct fixture *f = mem_new(sizeof *f);
    arena_init(&f->arena);
    buf_init(&f->out, OUT_MAX);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    arena_done(&f->arena);
    buf_done(&f->out);
    mem_free(f);
    return 0;
}

static void read_answer(struct fixture *f, const char *json)
{
    f->why = (struct why){0};
    if (query_answer_read(str_c(json), &f->arena, &f->answer, &f->why))
        fail_msg("%s", f->why.text);
}

static void expect(struct fixture *f, const char *wanted)
{
    buf_put_c(&f->out, 0);
    assert_string_equal(f->out.p, wanted);
    buf_clear(&f->out);
}

/* ---- tables */

static void a_vector_is_a_table_with_a_column_a_label(void **state)
{
    struct fixture *f = *state;
    read_answer(f, VECTOR("{\"metric\":{\"job\":\"a\",\"__name__\":\"up\"},\"value\":[1.5,\"1\"]},"
                          "{\"metric\":{\"__name__\":\"up\",\"job\":\"longer\",\"x\":\"\xc3\xa4\"},"
                          "\"value\":[1.5,\"0.25\"]}"));
    query_table(&f->answer, &f->out);
    expect(f, "metric  job     x  value\n"
              "up      a              1\n"
              "up      longer  \xc3\xa4   0.25\n");
}

static void many_labels_are_put_together(void **state)
{
    struct fixture *f = *state;
    read_answer(f,
                VECTOR("{\"metric\":{\"a\":\"1\",\"b\":\"1\",\"c\":\"1\",\"d\":\"1\",\"e\":\"1\","
                       "\"f\":\"1\",\"g\":\"1\",\"h\":\"1\",\"i.j\":\"\\\"\\\\\"},"
                       "\"value\":[1,\"5\"]}"));
    query_table(&f->answer, &f->out);
    expect(f, "series"
              "                                                              "
              "    value\n"
              "{a=\"1\", b=\"1\", c=\"1\", d=\"1\", e=\"1\", f=\"1\", g=\"1\", h=\"1\", "
              "\"i.j\"=\"\\\"\\\\\"}      5\n");
}

static void a_range_is_a_block_a_series(void **state)
{
    struct fixture *f = *state;
    read_answer(f, MATRIX("{\"metric\":{},\"values\":[[0,\"1\"],[1.5,\"NaN\"]]},"
                          "{\"metric\":{\"a\":\"b\"},\"values\":[[0,\"-10\"]]}"));
    query_table(&f->answer, &f->out);
    expect(f, "{}\n"
              "1970-01-01T00:00:00Z        1\n"
              "1970-01-01T00:00:01.500Z  NaN\n"
              "\n"
              "{a=\"b\"}\n"
              "1970-01-01T00:00:00Z  -10\n");
}

static void a_histogram_is_told_in_short(void **state)
{
    struct fixture *f = *state;
    read_answer(f, VECTOR("{\"metric\":{\"a\":\"b\"},\"histogram\":[1,{\"count\":\"3\",\"sum\":"
                          "\"1.5\",\"buckets\":[[0,\"0\",\"1\",\"2\"],[0,\"1\",\"2\",\"1\"]]}]}"));
    query_table(&f->answer, &f->out);
    expect(f, "a                        value\n"
              "b  count 3, sum 1.5, 2 buckets\n");
}

static void scalars_and_texts_are_themselves(void **state)
{
    struct fixture *f = *state;
    read_answer(f, "{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\",\"result\":[1,"
                   "\"2.5\"]}}");
    query_table(&f->answer, &f->out);
    expect(f, "2.5\n");
    read_answer(f, "{\"status\":\"success\",\"data\":{\"resultType\":\"string\",\"result\":[1,"
                   "\"a\\u001b[31mb\\n\"]}}");
    query_table(&f->answer, &f->out);
    expect(f, "a\\x1b[31mb\\n\n"); /* nothing steers the terminal */
}

static void figures_are_named_by_their_path(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(query_table_figures(STR("{\"a\":{\"b\":1.50,\"c\":[5,{\"d\":true},[\"x\"]]},"
                                             "\"e\":null}"),
                                         "title", &f->out, &f->why),
                     0);
    expect(f, "title\n  a.b 1.50\n  a.c[0] 5\n  a.c[1].d true\n  a.c[2][0] x\n  e null\n");
}

static void an_explanation_is_a_tree_of_lines(void **state)
{
    struct fixture *f = *state;
    const char *json = "{\"cache\":{\"used\":true},\"tree\":{\"expression\":\"sum(x)\",\"kind\":"
                       "\"aggregation\",\"samples\":1000000,\"seconds\":0.25,\"used\":[],\"nodes\":"
                       "[{\"expression\":\"x\",\"series\":7,\"used\":[\"blocks\",\"tiers\"]}]}}";
    assert_int_equal(query_explain(str_c(json), &f->out, &f->why), 0);
    expect(f, "\nexplanation\n"
              "cache\n"
              "  used true\n"
              "  seconds  samples  series  rows  expression\n"
              "     0.25  1000000                sum(x)\n"
              "                         7          x  (by blocks, tiers)\n");
    assert_true(query_explain(STR("{\"tree\":{"), &f->out, &f->why) < 0);
}

static void a_deep_tree_is_explained_too(void **state)
{
    enum { LEVELS = 200 };
    struct fixture *f = *state;
    struct buf json;
    buf_init(&json, OUT_MAX);
    buf_put_str(&json,
                STR("{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[],"
                    "\"explain\":{\"tree\":"));
    for (int i = 0; i < LEVELS; i++)
        buf_put_str(&json, STR("{\"expression\":\"}]\\\"\",\"nodes\":["));
    for (int i = 0; i < LEVELS; i++)
        buf_put_str(&json, STR("]}"));
    buf_put_str(&json, STR("}}}"));
    buf_put_c(&json, 0);
    read_answer(f, json.p);
    assert_int_equal(query_explain(f->answer.explain, &f->out, &f->why), 0);
    size_t lines = 0;
    for (struct str rest = buf_str(&f->out), line; str_split(&rest, '\n', &line);)
        lines += str_search(line, STR("}]\"")) < line.n;
    assert_int_equal(lines, LEVELS);
    buf_done(&json);
}

/* ---- CSV */

static void csv_has_a_line_a_point_and_quotes_what_needs_it(void **state)
{
    struct fixture *f = *state;
    read_answer(f, MATRIX("{\"metric\":{\"job\":\"a,\\\"b\\\"\",\"__name__\":\"up\"},\"values\":"
                          "[[1435781430.781,\"1\"],[1435781445,\"1e+21\"]]},"
                          "{\"metric\":{\"x\":\"line\\nend\"},\"values\":[[-1,\"+Inf\"]]}"));
    query_csv(&f->answer, &f->out);
    expect(f, "__name__,job,x,time,value\r\n"
              "up,\"a,\"\"b\"\"\",,2015-07-01T20:10:30.781Z,1\r\n"
              "up,\"a,\"\"b\"\"\",,2015-07-01T20:10:45Z,1e+21\r\n"
              ",,\"line\nend\",1969-12-31T23:59:59Z,+Inf\r\n");
    read_answer(f, VECTOR(""));
    query_csv(&f->answer, &f->out);
    expect(f, "time,value\r\n");
}

/* ---- charts */

static void a_chart_in_ascii_has_signs_axes_and_a_legend(void **state)
{
    struct fixture *f = *state;
    const struct query_chart_style style = {.columns = 40, .lines = 5};
    read_answer(f, MATRIX("{\"metric\":{\"a\":\"up\"},\"values\":[[0,\"0\"],[60,\"1000\"],[120,"
                          "\"2000\"]]},"
                          "{\"metric\":{\"a\":\"flat\"},\"values\":[[0,\"500\"],[60,\"500\"],[120,"
                          "\"500\"]]}"));
    query_chart(&f->answer, &style, &f->out);
    expect(f, "2k +                               *****\n"
              "   |                       ********\n"
              "1k +              *********\n"
              "   |ooooo*********oooooooooooooooooooooo\n"
              " 0 +*****\n"
              "   ++-----------------+----------------+\n"
              "    00:00           00:01          00:02\n"
              "1970-01-01T00:00:00Z .. 1970-01-01T00:02:00Z\n"
              "* {a=\"up\"}  min 0  max 2k  last 2k\n"
              "o {a=\"flat\"}  min 500  max 500  last 500\n");
}

static void one_series_is_drawn_with_dots(void **state)
{
    struct fixture *f = *state;
    const struct query_chart_style style = {.columns = 40, .lines = 5, .unicode = true};
    read_answer(f, MATRIX("{\"metric\":{\"a\":\"b\"},\"values\":[[0,\"0.001\"],[60,\"0.002\"]]}"));
    query_chart(&f->answer, &style, &f->out);
    buf_put_c(&f->out, 0);
    assert_non_null(strstr(f->out.p, "2m \xe2\x94\xa4"));
    assert_non_null(strstr(f->out.p, "\xe2\xa0")); /* braille */
    assert_null(strstr(f->out.p, "\x1b"));
    for (struct str rest = {f->out.p, f->out.n - 1}, line; str_split(&rest, '\n', &line);)
        assert_true(query_answer_width(line) <= 50);
}

static void colours_tell_series_apart_where_there_are_any(void **state)
{
    struct fixture *f = *state;
    const struct query_chart_style style = {60, 6, true, true, 0, 0};
    read_answer(f, MATRIX("{\"metric\":{\"a\":\"1\"},\"values\":[[0,\"1\"],[60,\"2\"]]},"
                          "{\"metric\":{\"a\":\"2\"},\"values\":[[0,\"2\"],[60,\"1\"]]}"));
    query_chart(&f->answer, &style, &f->out);
    buf_put_c(&f->out, 0);
    assert_non_null(strstr(f->out.p, "\x1b[36m"));
    assert_non_null(strstr(f->out.p, "\x1b[33m"));
    assert_non_null(strstr(f->out.p, "\x1b[0m"));
}

static void gaps_and_values_that_are_no_numbers_stay_open(void **state)
{
    struct fixture *f = *state;
    const struct query_chart_style style = {.columns = 40, .lines = 5};
    read_answer(f, MATRIX("{\"metric\":{},\"values\":[[0,\"1\"],[10,\"1\"],[20,\"NaN\"],[30,\"1\"],"
                          "[40,\"+Inf\"],[90,\"1\"],[100,\"1\"]]}"));
    query_chart(&f->answer, &style, &f->out);
    buf_put_c(&f->out, 0);
    assert_non_null(strstr(f->out.p, "+****      *                   ****\n"));
    read_answer(f, MATRIX("{\"metric\":{},\"values\":[[0,\"NaN\"]]}"));
    buf_clear(&f->out);
    query_chart(&f->answer, &style, &f->out);
    expect(f, "* {}  nothing to draw\n");
}

static void an_instant_answer_is_drawn_with_bars(void **state)
{
    struct fixture *f = *state;
    const struct query_chart_style style = {.columns = 40, .lines = 5};
    read_answer(f, VECTOR("{\"metric\":{\"a\":\"1\"},\"value\":[0,\"200\"]},"
                          "{\"metric\":{\"a\":\"22\"},\"value\":[0,\"-100\"]},"
                          "{\"metric\":{\"a\":\"3\"},\"value\":[0,\"NaN\"]}"));
    query_chart(&f->answer, &style, &f->out);
    expect(f, "{a=\"1\"}  |#################### 200\n"
              "{a=\"22\"} |########## -100\n"
              "{a=\"3\"}  | nan\n");
}

static void huge_and_equal_values_have_axes_too(void **state)
{
    struct fixture *f = *state;
    const struct query_chart_style style = {.columns = 40, .lines = 8};
    static const char *const pairs[][2] = {{"5", "5"},
                                           {"0", "0"},
                                           {"1e299", "-1e299"},
                                           {"1e-320", "2e-320"},
                                           {"1e16", "10000000000000002"},
                                           {"1e308", "1"}};
    for (size_t i = 0; i < COUNTOF(pairs); i++) {
        char json[400];
        snprintf(json, sizeof json, MATRIX("{\"metric\":{},\"values\":[[0,\"%s\"],[1,\"%s\"]]}"),
                 pairs[i][0], pairs[i][1]);
        read_answer(f, json);
        query_chart(&f->answer, &style, &f->out);
        assert_false(buf_failed(&f->out));
        assert_true(f->out.n > 100 && f->out.n < 2000);
        buf_clear(&f->out);
    }
}

static void axes_have_round_marks(void **state)
{
    (void)state;
    char text[QUERY_CHART_AXIS_TEXT_MAX];
    double low = 0.13, high = 0.94, step;
    query_chart_axis_values(&low, &high, 5, &step);
    assert_true(fabs(low) < 1e-12 && fabs(high - 1) < 1e-12 && fabs(step - 0.2) < 1e-12);
    const struct {
        double v;
        const char *text;
    } si[] = {{0, "0"},       {1234567, "1.235M"}, {-1500, "-1.5k"}, {0.00002, "20u"},
              {999.96, "1k"}, {1e-13, "1e-13"},    {12e18, "12E"},   {1, "1"},
              {0.5, "500m"}};
    for (size_t i = 0; i < COUNTOF(si); i++) {
        text[query_chart_axis_si(si[i].v, false, text)] = 0;
        assert_string_equal(text, si[i].text);
    }
    query_chart_axis_si(0.00002, true, text);
    assert_string_equal(text, "20\xc2\xb5");
    assert_int_equal(query_chart_axis_time_step(3600000, 250), 15000);
    assert_int_equal(query_chart_axis_time_step(0, 250), 1000);
    assert_int_equal(query_chart_axis_time_step(INT64_MAX / 2, 10), INT64_MAX / 2 / 10 + 1);
    query_chart_axis_time(90061000, 1000, 5000, text);
    assert_string_equal(text, "01:01:01");
    query_chart_axis_time(90061000, 3600000, 100000000, text);
    assert_string_equal(text, "01-02 01:01");
}

static void what_all_series_share_is_told_once(void **state)
{
    struct fixture *f = *state;
    const struct query_chart_style style = {.columns = 40, .lines = 5};
    read_answer(f,
                VECTOR("{\"metric\":{\"__name__\":\"up\",\"job\":\"a\",\"x\":\"1\"},\"value\":[0,"
                       "\"1\"]},{\"metric\":{\"__name__\":\"up\",\"job\":\"a\",\"x\":\"2\"},"
                       "\"value\":[0,\"1\"]},{\"metric\":{\"__name__\":\"up\",\"job\":\"a\"},"
                       "\"value\":[0,\"0\"]}"));
    query_chart(&f->answer, &style, &f->out);
    expect(f, "all of up{job=\"a\"}\n"
              "{x=\"1\"} |##################### 1\n"
              "{x=\"2\"} |##################### 1\n"
              "{}      | 0\n");
}

/* ---- answers and failures */

static void what_is_no_answer_is_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const wrong[] = {"",
                                        "[]",
                                        "{}",
                                        "{\"a\":1}",
                                        VECTOR("{\"metric\":{},\"value\":[\"x\",\"1\"]}"),
                                        VECTOR("{\"metric\":{},\"value\":[1,2]}"),
                                        MATRIX("{\"metric\":{},\"values\":[[1,\"2\"")};
    for (size_t i = 0; i < COUNTOF(wrong); i++)
        assert_int_equal(query_answer_read(str_c(wrong[i]), &f->arena, &f->answer, &f->why),
                         -ERR_FORMAT);
}

static void notes_and_errors_are_read(void **state)
{
    struct fixture *f = *state;
    read_answer(f, "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[],"
                   "\"stats\":{\"a\":[1]}},\"warnings\":[\"w\"],\"infos\":[\"i\",\"k\"]}");
    assert_int_equal(f->answer.warnings_n, 1);
    assert_int_equal(f->answer.infos_n, 2);
    assert_true(str_eq(f->answer.stats, STR("{\"a\":[1]}")));
    assert_true(str_eq(f->answer.infos[1], STR("k")));
    read_answer(f, "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"bad\",\"data\":"
                   "null}");
    assert_true(str_eq(f->answer.error, STR("bad")));
}

static void a_failure_points_at_its_place(void **state)
{
    struct fixture *f = *state;
    struct query_request q = {.expression = "sum(\n\t\xc3\xa4 + rate(x)\n)"};
    query_request_failure(
        &q, STR("invalid parameter \"query\": 2:7: parse error: expected something"), &f->out);
    expect(f, "sonde query: 2:7: parse error: expected something\n"
              "  \t\xc3\xa4 + rate(x)\n"
              "  \t    ^\n");
    query_request_failure(&q, STR("query timed out"), &f->out);
    expect(f, "sonde query: query timed out\n");
    query_request_failure(&q, STR("9:1: parse error: behind its end"), &f->out);
    expect(f, "sonde query: 9:1: parse error: behind its end\n");
}

#define OWN(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        OWN(a_vector_is_a_table_with_a_column_a_label),
        OWN(many_labels_are_put_together),
        OWN(a_range_is_a_block_a_series),
        OWN(a_histogram_is_told_in_short),
        OWN(scalars_and_texts_are_themselves),
        OWN(figures_are_named_by_their_path),
        OWN(an_explanation_is_a_tree_of_lines),
        OWN(a_deep_tree_is_explained_too),
        OWN(csv_has_a_line_a_point_and_quotes_what_needs_it),
        OWN(a_chart_in_ascii_has_signs_axes_and_a_legend),
        OWN(one_series_is_drawn_with_dots),
        OWN(colours_tell_series_apart_where_there_are_any),
        OWN(gaps_and_values_that_are_no_numbers_stay_open),
        OWN(an_instant_answer_is_drawn_with_bars),
        OWN(what_all_series_share_is_told_once),
        OWN(huge_and_equal_values_have_axes_too),
        OWN(axes_have_round_marks),
        OWN(what_is_no_answer_is_refused),
        OWN(notes_and_errors_are_read),
        OWN(a_failure_points_at_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
