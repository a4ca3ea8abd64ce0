#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "query/promql/promql_tree.h"
#include "text/cases_json_test.h"

enum { OUT_MAX = 1 << 20 };

static struct promql_expr *parse(struct str text, struct arena *a)
{
    struct promql_expr *e;
    struct promql_failure f;
    const struct promql_options all = promql_options_all();
    if (promql_parse(text, &all, a, &e, &f) < 0) {
        printf(STR_FMT ": %s\n", STR_ARG(text), f.text);
        return NULL;
    }
    return e;
}

static void expressions_are_split_as_published(void **state)
{
    enum { TABLE_LINE = 10 }; /* the length of a line that the table was made with */
    struct cases c;
    (void)state;
    cases_begin(&c, "vectors/promql_format_query.jsonl");
    while (cases_next(&c)) {
        struct buf b;
        struct str out = cases_json_text(&c, "out");
        struct promql_expr *e = parse(cases_json_text(&c, "in"), &c.arena);
        buf_init(&b, OUT_MAX);
        if (e)
            promql_format_lines(e, TABLE_LINE, &b);
        bool holds = str_eq(buf_str(&b), out);
        cases_count(&c, holds);
        if (!holds)
            printf("gives\n" STR_FMT "\nnot\n" STR_FMT "\n", STR_ARG(buf_str(&b)), STR_ARG(out));
        buf_done(&b);
    }
    cases_end(&c, 31);
}

/* Format it, parse that, format again: the same text and the same expression. */
static bool stays(struct str text)
{
    struct arena a;
    struct buf first, second, whole;
    arena_init(&a);
    buf_init(&first, OUT_MAX);
    buf_init(&second, OUT_MAX);
    buf_init(&whole, OUT_MAX);
    struct promql_expr *e = parse(text, &a), *again = NULL;
    if (e) {
        promql_format(e, &first);
        promql_print(e, &whole);
        again = parse(buf_str(&first), &a);
    }
    if (again)
        promql_format(again, &second);
    bool same = again && str_eq(buf_str(&first), buf_str(&second));
    if (again) {
        buf_clear(&second);
        promql_print(again, &second);
        same &= str_eq(buf_str(&second), buf_str(&whole));
    }
    buf_done(&first);
    buf_done(&second);
    buf_done(&whole);
    arena_done(&a);
    return same;
}

static void what_is_formatted_stays_and_means_the_same(void **state)
{
    struct cases c;
    (void)state;
    cases_begin(&c, "wild_queries.txt");
    while (cases_next(&c))
        cases_count(&c, stays(c.line));
    cases_end(&c, 1);
}

static void expect(const char *in, const char *wanted,
                   void (*put)(const struct promql_expr *e, struct buf *out))
{
    struct arena a;
    struct buf b;
    arena_init(&a);
    buf_init(&b, OUT_MAX);
    struct promql_expr *e = parse(str_c(in), &a);
    assert_non_null(e);
    put(e, &b);
    buf_put_c(&b, 0);
    assert_string_equal(b.p, wanted);
    buf_done(&b);
    arena_done(&a);
}

static void a_line_of_a_hundred_bytes_is_whole_and_one_more_is_split(void **state)
{
    (void)state;
    char text[128];
    snprintf(text, sizeof text, "abs(%094d)", 1);
    memset(text + 4, 'a', 94);
    text[99] = 0;
    snprintf(text + 98, 3, "a)");
    assert_int_equal(strlen(text), 100);
    expect(text, text, promql_format);
    char longer[140], wanted[160];
    snprintf(longer, sizeof longer, "abs(a%s", text + 4);
    snprintf(wanted, sizeof wanted, "abs(\n  a%.95s\n)", text + 4);
    expect(longer, wanted, promql_format);
}

static void matchers_print_in_order_of_their_text(void **state)
{
    (void)state;
    expect("x{job=\"a\",env!=\"b\",\"a.b\"=~\"c\"}", "x{\"a.b\"=~\"c\",env!=\"b\",job=\"a\"}",
           promql_print);
}

static void a_split_subquery_keeps_its_end(void **state)
{
    (void)state;
    expect("max_over_time(("
           "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
           " + bbbbbbbbbbbbbbbbbbbbbb)[5m:1m] offset 1h)",
           "max_over_time(\n"
           "  (\n"
           "      aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n"
           "    +\n"
           "      bbbbbbbbbbbbbbbbbbbbbb\n"
           "  )[5m:1m] offset 1h\n"
           ")",
           promql_format);
}

static void a_tree_has_the_members_that_clients_know(void **state)
{
    (void)state;
    expect("up",
           "{\"anchored\":false,\"matchers\":[{\"name\":\"__name__\",\"type\":\"=\",\"value\":"
           "\"up\"}],\"name\":\"up\",\"offset\":0,\"smoothed\":false,\"startOrEnd\":null,"
           "\"timestamp\":null,\"type\":\"vectorSelector\"}",
           promql_json);
    expect("{a=~\"<b>\"}[5m] @ 1.5 offset -1m",
           "{\"anchored\":false,\"matchers\":[{\"name\":\"a\",\"type\":\"=~\",\"value\":"
           "\"\\u003cb\\u003e\"}],\"name\":\"\",\"offset\":-60000,\"range\":300000,\"smoothed\":"
           "false,\"startOrEnd\":null,\"timestamp\":1500,\"type\":\"matrixSelector\"}",
           promql_json);
    expect("(-round(vector(1), .5))",
           "{\"expr\":{\"expr\":{\"args\":[{\"args\":[{\"type\":\"numberLiteral\",\"val\":\"1\"}],"
           "\"func\":{\"argTypes\":[\"scalar\"],\"name\":\"vector\",\"returnType\":\"vector\","
           "\"variadic\":0},\"type\":\"call\"},{\"type\":\"numberLiteral\",\"val\":\"0.5\"}],"
           "\"func\":{\"argTypes\":[\"vector\",\"scalar\"],\"name\":\"round\",\"returnType\":"
           "\"vector\",\"variadic\":1},\"type\":\"call\"},\"op\":\"-\",\"type\":\"unaryExpr\"},"
           "\"type\":\"parenExpr\"}",
           promql_json);
    expect("1 == bool 2",
           "{\"bool\":true,\"lhs\":{\"type\":\"numberLiteral\",\"val\":\"1\"},\"matching\":null,"
           "\"op\":\"==\",\"rhs\":{\"type\":\"numberLiteral\",\"val\":\"2\"},\"type\":"
           "\"binaryExpr\"}",
           promql_json);
}

#define VECTOR(name)                                                                               \
    "{\"anchored\":false,\"matchers\":[{\"name\":\"__name__\",\"type\":\"=\",\"value\":\"" name    \
    "\"}],\"name\":\"" name "\",\"offset\":0,\"smoothed\":false,\"startOrEnd\":null,"              \
    "\"timestamp\":null,\"type\":\"vectorSelector\"}"

static void a_tree_tells_how_vectors_match(void **state)
{
    (void)state;
    expect("a / on(x) group_left(y) fill(0) b",
           "{\"bool\":false,\"lhs\":" VECTOR("a") ",\"matching\":{\"card\":\"many-to-one\","
                                                  "\"fillValues\":{\"lhs\":0,\"rhs\":0},"
                                                  "\"include\":[\"y\"],\"labels\":[\"x\"],\"on\":"
                                                  "true},\"op\":\"/\",\"rhs\":" VECTOR(
                                                      "b") ",\"type\":\"binaryExpr\"}",
           promql_json);
    expect("a and b",
           "{\"bool\":false,\"lhs\":" VECTOR("a") ",\"matching\":{\"card\":\"many-to-many\","
                                                  "\"fillValues\":{\"lhs\":null,\"rhs\":null},"
                                                  "\"include\":[],\"labels\":[],\"on\":false},"
                                                  "\"op\":\"and\",\"rhs\":" VECTOR(
                                                      "b") ",\"type\":\"binaryExpr\"}",
           promql_json);
    expect("topk without (z) (2, last_over_time(a[1h:5m] @ end()))",
           "{\"expr\":{\"args\":[{\"expr\":" VECTOR(
               "a") ",\"offset\":0,\"range\":3600000,"
                    "\"startOrEnd\":\"end\",\"step\":300000,\"timestamp\":null,\"type\":"
                    "\"subquery\"}],"
                    "\"func\":{\"argTypes\":[\"matrix\"],\"name\":\"last_over_time\","
                    "\"returnType\":\"vector\","
                    "\"variadic\":0},\"type\":\"call\"},\"grouping\":[\"z\"],\"op\":\"topk\","
                    "\"param\":"
                    "{\"type\":\"numberLiteral\",\"val\":\"2\"},\"type\":\"aggregation\","
                    "\"without\":true}",
           promql_json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expressions_are_split_as_published),
        cmocka_unit_test(what_is_formatted_stays_and_means_the_same),
        cmocka_unit_test(a_line_of_a_hundred_bytes_is_whole_and_one_more_is_split),
        cmocka_unit_test(matchers_print_in_order_of_their_text),
        cmocka_unit_test(a_split_subquery_keeps_its_end),
        cmocka_unit_test(a_tree_has_the_members_that_clients_know),
        cmocka_unit_test(a_tree_tells_how_vectors_match),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
