#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "custom/custom_reader.h"

/* What text gives, as emit_print() has it without comments; the error is in *ret_err. */
static void read_text(const struct custom_settings_row *row,
                      const struct custom_settings_answer *answer, const char *text, int status,
                      struct buf *out, int *ret_err, struct why *why)
{
    struct custom_reader *r;
    struct emit e;
    struct buf all;
    struct str rest, line;
    *why = (struct why){0};
    assert_int_equal(custom_reader_new(row, answer, &r, why), 0);
    emit_init(&e, STR("custom"), STR("here"));
    emit_begin(&e);
    *ret_err = custom_reader_run(r, str_c(text), status, &e, why);
    emit_end(&e);
    buf_init(&all, 1 << 20);
    buf_init(out, 1 << 20);
    emit_print(&e, &all);
    rest = buf_str(&all);
    while (str_split(&rest, '\n', &line))
        if (line.n > 0 && line.p[0] != '#') {
            buf_put_str(out, line);
            buf_put_c(out, '\n');
        }
    buf_put_c(out, '\0');
    buf_done(&all);
    emit_done(&e);
    custom_reader_free(r);
}

struct question {
    const char *format, *metrics[4], *labels[4];
    int64_t series_max;
};

static void lists(const struct question *q, struct custom_settings_row *row,
                  struct custom_settings_answer *answer, const char **metrics, const char **labels)
{
    size_t m = 0, l = 0;
    while (m < 4 && q->metrics[m] != NULL) {
        metrics[m] = q->metrics[m];
        m++;
    }
    while (l < 4 && q->labels[l] != NULL) {
        labels[l] = q->labels[l];
        l++;
    }
    *row = (struct custom_settings_row){.name = "x",
                                        .job = "custom",
                                        .type = "gauge",
                                        .series_max = q->series_max ? q->series_max : 100,
                                        .labels = {labels, l}};
    *answer = (struct custom_settings_answer){.format = q->format, .metrics = {metrics, m}};
}

static void assert_gives(const struct question *q, const char *text, int status,
                         const char *expected, int expected_err, const char *said)
{
    const char *metrics[4], *labels[4];
    struct custom_settings_row row;
    struct custom_settings_answer answer;
    struct buf out;
    struct why why;
    int err;
    lists(q, &row, &answer, metrics, labels);
    read_text(&row, &answer, text, status, &out, &err, &why);
    assert_string_equal(out.p, expected);
    assert_int_equal(err, expected_err);
    assert_non_null(strstr(why.text, said));
    buf_done(&out);
}

static void a_number_alone_is_the_value_of_the_row(void **state)
{
    const struct question q = {.format = "value", .labels = {"team=blue"}};
    assert_gives(&q, " 42.5\n", 0, "x{team=\"blue\"} 42.5\n", 0, "");
    assert_gives(&q, "", 0, "", -ERR_FORMAT, "no number");
    assert_gives(&q, "1 2", 0, "", -ERR_FORMAT, "\"1 2\"");
}

static void lines_have_names_and_values_in_either_spelling(void **state)
{
    const struct question q = {.format = "lines"};
    assert_gives(&q, "a 1\nb=2\n\nc{k=\"v=w\"} 3\nd{k=\"}\"}=4\n", 0,
                 "x_a 1\nx_b 2\nx_c{k=\"v=w\"} 3\nx_d{k=\"}\"} 4\n", 0, "");
}

static void a_bad_line_is_told_and_costs_itself_alone(void **state)
{
    const struct question q = {.format = "lines"};
    assert_gives(&q, "a 1\nb is it\nc 3\n", 0, "x_a 1\nx_c 3\n", -ERR_FORMAT, "line 2");
}

static void a_check_of_nagios_gives_its_status_and_its_performance_data(void **state)
{
    const struct question q = {.format = "nagios"};
    assert_gives(&q, "OK - fine | '/var'=12.5GB;20;30;0;50 time=0.25s 'it''s'=1\nmore\n", 2,
                 "x{perfdata=\"/var\",unit=\"GB\"} 12.5\n"
                 "x{perfdata=\"time\",unit=\"s\"} 0.25\nx{perfdata=\"it's\"} 1\nx_status 2\n",
                 0, "");
    assert_gives(&q, "OK | a=1\nlong text | b=2\nc=3", 0,
                 "x{perfdata=\"a\"} 1\nx{perfdata=\"b\"} 2\nx{perfdata=\"c\"} 3\nx_status 0\n", 0,
                 "");
    assert_gives(&q, "a | b=U", 0, "x_status 0\n", -ERR_FORMAT, "\"b\"");
}

static void expositions_keep_their_names_and_get_the_labels_of_the_row(void **state)
{
    const struct question q = {.format = "prometheus", .labels = {"zone=z"}};
    assert_gives(&q, "# TYPE a counter\na{zone=\"own\",k=\"v\"} 1\n", 0,
                 "a{zone=\"z\",k=\"v\"} 1\n", 0, "");
    assert_gives(&q, "# TYPE a counter\na_total 1\n# EOF\n", 0, "a_total{zone=\"z\"} 1\n", 0, "");
    assert_gives(&q, "a 1\nb b\n", 0, "", -ERR_FORMAT, "line 2");
    assert_gives(&q, "a 1 1700000000000\n", 0, "", -ERR_FORMAT, "time of its own");
}

static void expressions_find_values_and_labels_in_json(void **state)
{
    const struct question q = {
        .format = "json", .metrics = {"v=$.i[*].v", "=$.n"}, .labels = {"host=$.i[*].h", "site=s"}};
    assert_gives(
        &q, "{\"n\":\"7\",\"i\":[{\"h\":\"a\",\"v\":true},{\"h\":\"b\",\"v\":null},{\"v\":2}]}", 0,
        "x{site=\"s\",host=\"a\"} 7\nx_v{site=\"s\",host=\"a\"} 1\nx_v{site=\"s\"} 2\n", 0, "");
}

static void what_is_missing_in_json_is_told_and_the_rest_is_given(void **state)
{
    const struct question q = {.format = "json", .metrics = {"a=$.a", "b=$.b", "c=$.c[*]"}};
    assert_gives(&q, "{\"b\":2}", 0, "x_b 2\n", -ERR_NOENT, "a=$.a");
    assert_gives(&q, "{\"a\":\"words\",\"b\":2}", 0, "x_b 2\n", -ERR_FORMAT, "no number");
    assert_gives(&q, "{\"a\":1", 0, "", -ERR_FORMAT, "no JSON");
}

static void regular_expressions_are_searched_in_all_of_the_answer(void **state)
{
    const struct question q = {.format = "regex",
                               .metrics = {"ink=(?P<color>\\w+): (?P<value>\\d+)", "up=up (\\d+)"}};
    assert_gives(&q, "up 3 days\nred: 5\nblue: 7\n", 0,
                 "x_ink{color=\"red\"} 5\nx_ink{color=\"blue\"} 7\nx_up 3\n", 0, "");
    assert_gives(&q, "red: 5", 0, "x_ink{color=\"red\"} 5\n", -ERR_NOENT, "\"up\"");
    assert_gives(&q, "", 0, "", -ERR_NOENT, "\"ink\"");
}

static void what_exceeds_the_limit_of_series_is_left_out_and_told(void **state)
{
    const struct question lines = {.format = "lines", .series_max = 2};
    assert_gives(&lines, "a 1\nb 2\nc 3\n", 0, "x_a 1\nx_b 2\n", -ERR_LIMIT, "series_max = 2");
    const struct question text = {.format = "prometheus", .series_max = 2};
    assert_gives(&text, "a 1\nb 2\nc 3\n", 0, "", -ERR_LIMIT, "more than 2 series");
}

static void rows_that_cannot_be_read_are_refused(void **state)
{
    static const struct {
        struct question q;
        const char *said;
    } BAD[] = {{{.format = "json"}, "needs metrics"},
               {{.format = "value", .metrics = {"a=$.a"}}, "only json and regex"},
               {{.format = "json", .metrics = {"no expression"}}, "name=EXPRESSION"},
               {{.format = "json", .metrics = {"a b=$.a"}}, "its name"},
               {{.format = "json", .metrics = {"a=$.a["}}, "character"},
               {{.format = "json", .metrics = {"a=$.a"}, .labels = {"h=$..x"}}, "labels"},
               {{.format = "regex", .metrics = {"a=("}}, "missing closing )"},
               {{.format = "regex", .metrics = {"a=b"}}, "a group"}};
    for (size_t i = 0; i < COUNTOF(BAD); i++) {
        const char *metrics[4], *labels[4];
        struct custom_settings_row row;
        struct custom_settings_answer answer;
        struct custom_reader *r;
        struct why why = {0};
        lists(&BAD[i].q, &row, &answer, metrics, labels);
        assert_int_equal(custom_reader_new(&row, &answer, &r, &why), -ERR_FORMAT);
        assert_non_null(strstr(why.text, BAD[i].said));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_alone_is_the_value_of_the_row),
        cmocka_unit_test(lines_have_names_and_values_in_either_spelling),
        cmocka_unit_test(a_bad_line_is_told_and_costs_itself_alone),
        cmocka_unit_test(a_check_of_nagios_gives_its_status_and_its_performance_data),
        cmocka_unit_test(expositions_keep_their_names_and_get_the_labels_of_the_row),
        cmocka_unit_test(expressions_find_values_and_labels_in_json),
        cmocka_unit_test(what_is_missing_in_json_is_told_and_the_rest_is_given),
        cmocka_unit_test(regular_expressions_are_searched_in_all_of_the_answer),
        cmocka_unit_test(what_exceeds_the_limit_of_series_is_left_out_and_told),
        cmocka_unit_test(rows_that_cannot_be_read_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
