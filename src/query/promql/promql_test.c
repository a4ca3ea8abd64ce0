#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cases_test.h"
#include "base/mem.h"
#include "query/promql/promql.h"
#include "query/promql/promql_explain.h"
#include "query/promql/promql_reach.h"
#include "query/promql/promqltest.h"
#include "text/json.h"

enum { TEXT_MAX = 4 << 20 };

/* What the published vectors reached; they may grow and must not fall. */
enum { PARSE_FLOOR = 181, PRINT_FLOOR = 46, DURATION_FLOOR = 14, WILD_FLOOR = 5847 };

struct vector {
    struct str input, output;
    bool ok, first;
    double start;
};

/* The members that the tables have: input or in, ok, out or string, the first error. */
static void read_vector(struct str line, struct arena *a, struct vector *ret)
{
    struct json_reader r;
    struct json_event e;
    struct why why;
    struct str key = STR("");
    *ret = (struct vector){.start = -1};
    json_reader_init(&r, line, a);
    while (json_next(&r, &e, &why) > 0) {
        if (e.type == JSON_KEY)
            key = arena_str(a, e.text);
        bool text = e.type == JSON_TEXT;
        if (text && (str_eq(key, STR("input")) || str_eq(key, STR("in"))))
            ret->input = arena_str(a, e.text);
        else if (text && (str_eq(key, STR("out")) || str_eq(key, STR("string"))))
            ret->output = arena_str(a, e.text);
        else if (text && str_eq(key, STR("msg")) && !ret->output.n)
            ret->output = arena_str(a, e.text);
        else if (e.type == JSON_NUMBER && str_eq(key, STR("start")) && ret->start < 0)
            ret->start = e.number;
        else if (str_eq(key, STR("ok")) && e.type == JSON_TRUE)
            ret->ok = true;
    }
}

typedef bool check_f(const struct vector *v, struct arena *a);

static bool parses_as_said(const struct vector *v, struct arena *a)
{
    struct promql_expr *x;
    struct promql_failure f;
    if (!v->input.n && !v->ok)
        return true; /* bytes that are not UTF-8: the table has them in another form */
    /* Two rows are of experimental functions, which the others must not have. */
    const struct promql_options functions = {.experimental_functions = true};
    bool experimental = str_starts(v->input, STR("info(")) || str_eq(v->input, STR("start()"));
    bool ok = promql_parse(v->input, experimental ? &functions : NULL, a, &x, &f) == 0;
    if (ok != v->ok)
        return false;
    if (ok)
        return true;
    char position[64];
    snprintf(position, sizeof position, "1:%d: parse error: ", (int)v->start + 1);
    bool placed = v->start < 0 || str_find(v->input, '\n') < v->input.n ||
                  strncmp(f.text, position, strlen(position)) == 0;
    return placed && strstr(f.text, v->output.p ? v->output.p : "") != NULL;
}

static bool prints_as_said(const struct vector *v, struct arena *a)
{
    const struct promql_options all = promql_options_all();
    struct promql_expr *x;
    struct promql_failure f;
    if (promql_parse(v->input, &all, a, &x, &f) < 0)
        return false;
    struct buf b;
    buf_init(&b, TEXT_MAX);
    promql_print(x, &b);
    bool same = str_eq(buf_str(&b), v->output);
    buf_done(&b);
    return same;
}

static bool duration_as_said(const struct vector *v, struct arena *a)
{
    int64_t ms = 0;
    (void)a;
    bool minus = v->input.n && v->input.p[0] == '-';
    struct str body = str_sub(v->input, minus, v->input.n);
    if ((promql_duration(body, &ms) == 0) != v->ok)
        return false;
    if (!v->ok)
        return true;
    struct buf b;
    buf_init(&b, 256);
    promql_duration_print(minus ? -ms : ms, &b);
    bool same = str_eq(buf_str(&b), v->output.n ? v->output : v->input);
    buf_done(&b);
    return same;
}

static bool just_parses(const struct vector *v, struct arena *a)
{
    struct promql_expr *x;
    struct promql_failure f;
    return promql_parse(v->input, NULL, a, &x, &f) == 0;
}

static void check_table(const char *name, check_f *check, size_t floor)
{
    struct cases c;
    cases_begin(&c, name);
    while (cases_next(&c)) {
        struct vector v = {.input = c.line, .ok = true};
        if (strstr(name, ".jsonl"))
            read_vector(c.line, &c.arena, &v);
        cases_count(&c, check(&v, &c.arena));
    }
    cases_end(&c, floor);
}

static void queries_parse_or_fail_with_the_published_words(void **state)
{
    (void)state;
    check_table("vectors/promql_parse.jsonl", parses_as_said, PARSE_FLOOR);
}

static void expressions_print_in_their_published_form(void **state)
{
    (void)state;
    check_table("vectors/promql_print.jsonl", prints_as_said, PRINT_FLOOR);
}

static void durations_read_and_print_as_published(void **state)
{
    (void)state;
    check_table("vectors/durations.jsonl", duration_as_said, DURATION_FLOOR);
}

static void queries_from_the_wild_parse(void **state)
{
    (void)state;
    check_table("wild_queries.txt", just_parses, WILD_FLOOR);
}

static void expect_error(const char *text, const char *wanted)
{
    struct arena a;
    struct promql_expr *x;
    struct promql_failure f;
    arena_init(&a);
    assert_true(promql_parse(str_c(text), NULL, &a, &x, &f) < 0);
    assert_int_equal(f.kind, PROMQL_BAD_DATA);
    assert_string_equal(f.text, wanted);
    arena_done(&a);
}

static void errors_name_line_and_column(void **state)
{
    (void)state;
    expect_error("1 +", "1:4: parse error: unexpected end of input");
    expect_error("sum(\nrate(x))", "2:6: parse error: expected type range vector in call to "
                                   "function \"rate\", got instant vector");
    expect_error("nosuch(x)", "1:1: parse error: unknown function with name \"nosuch\"");
    expect_error("limitk(1, x)", "1:1: parse error: limitk() is experimental and must be enabled "
                                 "with --enable-feature=promql-experimental-functions");
}

static void deep_nesting_is_refused_at_once(void **state)
{
    enum { DEPTH = 20000 };
    (void)state;
    char *text = mem_new(2 * DEPTH + 2);
    memset(text, '(', DEPTH);
    text[DEPTH] = '1';
    memset(text + DEPTH + 1, ')', DEPTH);
    struct arena a;
    struct promql_expr *x;
    struct promql_failure f;
    arena_init(&a);
    clock_t began = clock();
    assert_true(promql_parse(str_of(text, 2 * DEPTH + 1), NULL, &a, &x, &f) < 0);
    clock_t took = clock() - began;
    assert_non_null(strstr(f.text, "nested too deeply"));
    assert_true(took < CLOCKS_PER_SEC / 20); /* about 1 ms; room for a sanitizer */
    memset(text, '-', 2 * DEPTH);
    text[2 * DEPTH] = '1';
    assert_true(promql_parse(str_of(text, 2 * DEPTH + 1), NULL, &a, &x, &f) < 0);
    arena_done(&a);
    mem_free(text);
}

/* A tree whose aggregations were walked twice at each level would take for ever. */
static void nested_aggregations_are_walked_once(void **state)
{
    enum { LEVELS = 60 };
    (void)state;
    struct buf b;
    struct arena a;
    struct promql_expr *x;
    struct promql_failure f;
    struct promql_selectors all;
    buf_init(&b, 1 << 16);
    arena_init(&a);
    for (int i = 0; i < LEVELS; i++)
        buf_put_str(&b, STR("topk(1, "));
    buf_put_str(&b, STR("x"));
    for (int i = 0; i < LEVELS; i++)
        buf_put_str(&b, STR(")"));
    assert_int_equal(promql_parse(buf_str(&b), NULL, &a, &x, &f), 0);
    promql_selectors(x, &a, &all);
    assert_int_equal(all.n, 1);
    struct promql_query q = {.expr = x, .end_ms = 1000, .step_ms = 1000};
    assert_true(promql_reach_of(&q).local);
    (void)promql_reach_names_meet(x);
    struct promql_profile *p = promql_profile_new(x);
    buf_clear(&b);
    promql_profile_put(p, &b);
    assert_true(b.n < 60000);
    promql_profile_free(p);
    arena_done(&a);
    buf_done(&b);
}

static void a_long_alternation_parses_and_a_huge_text_does_not(void **state)
{
    enum { TERMS = 12000 };
    (void)state;
    struct buf b;
    struct arena a;
    struct promql_expr *x;
    struct promql_failure f;
    buf_init(&b, 1 << 20);
    arena_init(&a);
    buf_put_str(&b, STR("up{job=~\"a"));
    for (int i = 0; i < 5000; i++)
        buf_printf(&b, "|job-%05d", i);
    buf_put_str(&b, STR("\"}"));
    assert_int_equal(promql_parse(buf_str(&b), NULL, &a, &x, &f), 0);
    buf_clear(&b);
    for (int i = 0; i < PROMQL_TEXT_MAX + 1; i++)
        buf_put_c(&b, ' ');
    assert_true(promql_parse(buf_str(&b), NULL, &a, &x, &f) < 0);
    arena_done(&a);
    buf_done(&b);
}

/* Runs text over 50 series of 100 samples, a minute apart. */
static int run_with(const char *text, struct promql_query *q, struct promql_failure *f)
{
    struct promqltest_store *s = promqltest_store_new();
    struct arena a;
    struct promql_expr *x;
    struct promql_result *r;
    arena_init(&a);
    for (int i = 0; i < 50; i++) {
        char line[64];
        struct why why;
        struct promqltest_series series = {0};
        snprintf(line, sizeof line, "x_total{i=\"%d\"} 0+1x99", i);
        assert_int_equal(promqltest_series_read(str_c(line), &a, &series, &why), 0);
        for (size_t k = 0; k < series.n; k++)
            promqltest_store_put(s, series.key, (int64_t)k * 60000, series.v[k].value, NULL);
        mem_free(series.v);
    }
    assert_int_equal(promql_parse(str_c(text), NULL, &a, &x, f), 0);
    q->expr = x;
    q->store = promqltest_store_face(s);
    q->tenant = promqltest_store_tenant(s);
    q->end_ms = 99 * 60000;
    q->step_ms = q->step_ms ? q->step_ms : 60000;
    int err = promql_run(q, &r, f);
    if (err == 0)
        promql_result_free(r);
    arena_done(&a);
    promqltest_store_free(s);
    return err;
}

static void limits_stop_a_query_with_their_own_kind(void **state)
{
    struct promql_failure f;
    atomic_bool canceled = true;
    (void)state;
    struct promql_query few = {.limits = {.samples_max = 1000}};
    assert_true(run_with("x_total", &few, &f) < 0);
    assert_int_equal(f.kind, PROMQL_EXECUTION);
    assert_non_null(strstr(f.text, "too many samples"));
    struct promql_query small = {.limits = {.bytes_max = 10000}};
    assert_true(run_with("x_total", &small, &f) < 0);
    assert_non_null(strstr(f.text, "bytes of memory"));
    struct promql_query quick = {.limits = {.timeout_ns = 1}};
    assert_true(run_with("x_total", &quick, &f) < 0);
    assert_int_equal(f.kind, PROMQL_TIMEOUT);
    struct promql_query gone = {.canceled = &canceled};
    assert_true(run_with("x_total", &gone, &f) < 0);
    assert_int_equal(f.kind, PROMQL_CANCELED);
    struct promql_query fine = {.step_ms = 1};
    assert_true(run_with("x_total", &fine, &f) < 0);
    assert_int_equal(f.kind, PROMQL_BAD_DATA);
    struct promql_query good = {.limits = {.samples_max = 1000000}};
    assert_int_equal(run_with("sum(rate(x_total[5m]))", &good, &f), 0);
}

static void a_range_vector_is_no_range_query(void **state)
{
    struct promql_failure f;
    struct promql_query q = {0};
    (void)state;
    assert_true(run_with("x_total[5m]", &q, &f) < 0);
    assert_string_equal(f.text, "invalid parameter \"query\": invalid expression type \"range "
                                "vector\" for range query, must be Scalar or instant Vector");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queries_parse_or_fail_with_the_published_words),
        cmocka_unit_test(expressions_print_in_their_published_form),
        cmocka_unit_test(durations_read_and_print_as_published),
        cmocka_unit_test(queries_from_the_wild_parse),
        cmocka_unit_test(errors_name_line_and_column),
        cmocka_unit_test(deep_nesting_is_refused_at_once),
        cmocka_unit_test(nested_aggregations_are_walked_once),
        cmocka_unit_test(a_long_alternation_parses_and_a_huge_text_does_not),
        cmocka_unit_test(limits_stop_a_query_with_their_own_kind),
        cmocka_unit_test(a_range_vector_is_no_range_query),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
