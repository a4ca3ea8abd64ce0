#include <math.h>

#include "base/arena_test.h"
#include "base/buf.h"
#include "text/yaml.h"

static const struct yaml_node *parsed(const char *text)
{
    const struct yaml_node *root = NULL;
    struct why why = {0};
    if (yaml_parse(str_c(text), &arena, &root, NULL, &why) != 0)
        fail_msg("%s", why.text);
    return root;
}

static void refused(const char *text, const char *expected)
{
    const struct yaml_node *root;
    struct why why = {0};
    assert_int_not_equal(yaml_parse(str_c(text), &arena, &root, NULL, &why), 0);
    assert_string_equal(why.text, expected);
}

static const char *text_of(const struct yaml_node *node)
{
    struct str s = STR("(default)");
    assert_int_equal(yaml_text(node, &s, NULL), 0);
    return s.p;
}

static void a_document_becomes_a_tree_with_places(void **state)
{
    (void)state;
    const struct yaml_node *root = parsed("# first\ngroups:\n  - name: a\n    n: 12\n"
                                          "  - {name: 'b: c', list: [1, \"2\"]}\n");
    assert_int_equal(root->type, YAML_MAP);
    const struct yaml_node *groups = yaml_get(root, "groups");
    assert_int_equal(groups->type, YAML_SEQUENCE);
    assert_int_equal(groups->n, 2);
    const struct yaml_node *first = groups->members[0].value;
    assert_null(groups->members[0].key);
    assert_int_equal(first->place.line, 3);
    assert_int_equal(first->place.column, 5);
    assert_int_equal(first->members[1].key->place.line, 4);
    assert_int_equal(yaml_get(first, "n")->place.column, 8);
    assert_int_equal(yaml_get(first, "n")->kind, YAML_INT);
    const struct yaml_node *second = groups->members[1].value;
    assert_string_equal(text_of(yaml_get(second, "name")), "b: c");
    assert_int_equal(yaml_get(second, "name")->style, YAML_SINGLE);
    assert_int_equal(yaml_get(second, "list")->members[1].value->kind, YAML_TEXT);
    assert_null(yaml_get(second, "none"));
    assert_null(yaml_get(groups, "name"));
}

static void an_empty_text_has_no_root_and_more_documents_are_not_read(void **state)
{
    (void)state;
    assert_null(parsed(""));
    assert_null(parsed("# nothing\n"));
    const struct yaml_node *root = parsed("a: 1\n---\na: [\n");
    assert_string_equal(text_of(yaml_get(root, "a")), "1");
}

static void blocks_of_text_keep_or_fold_their_lines(void **state)
{
    (void)state;
    const struct yaml_node *root =
        parsed("l: |\n  a\n   b\nf: >-\n  c\n  d\nq: \"x\\ty\\u00e9\"\n");
    assert_string_equal(text_of(yaml_get(root, "l")), "a\n b\n");
    assert_int_equal(yaml_get(root, "l")->style, YAML_LITERAL);
    assert_string_equal(text_of(yaml_get(root, "f")), "c d");
    assert_string_equal(text_of(yaml_get(root, "q")), "x\ty\xc3\xa9");
}

static void plain_scalars_have_the_kinds_of_go(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum yaml_kind kind;
        double value;
    } CASES[] = {
        {"12", YAML_INT, 12},
        {"-0x1F", YAML_INT, -31},
        {"017", YAML_INT, 15},
        {"0o17", YAML_INT, 15},
        {"0b101", YAML_INT, 5},
        {"1_000", YAML_INT, 1000},
        {"+7", YAML_INT, 7},
        {"1.5", YAML_FLOAT, 1.5},
        {".5", YAML_FLOAT, 0.5},
        {"1e3", YAML_FLOAT, 1000},
        {"5.", YAML_FLOAT, 5},
        {"089", YAML_FLOAT, 89},
        {"-.inf", YAML_FLOAT, -INFINITY},
        {"18446744073709551615", YAML_INT, 18446744073709551615.0},
        {"99999999999999999999", YAML_FLOAT, 1e20},
        {"5m", YAML_TEXT, 0},
        {"1.2.3", YAML_TEXT, 0},
        {"0x", YAML_TEXT, 0},
        {"+", YAML_TEXT, 0},
        {"yes", YAML_TEXT, 0},
        {"'1'", YAML_TEXT, 0},
        {"!!str 1", YAML_TEXT, 0},
        {"!!int \"1\"", YAML_INT, 1},
        {"!mine 1", YAML_TEXT, 0},
        {"! 1", YAML_TEXT, 0},
        {"True", YAML_BOOL, 0},
        {"~", YAML_NULL, 0},
        {"nan", YAML_TEXT, 0},
        {"1e", YAML_TEXT, 0},
        {"--1", YAML_TEXT, 0},
    };
    for (size_t i = 0; i < COUNTOF(CASES); i++) {
        const struct yaml_node *node = parsed(CASES[i].text);
        if (node->kind != CASES[i].kind)
            fail_msg("%s: kind %d", CASES[i].text, (int)node->kind);
        double v = 0;
        bool number = node->kind == YAML_INT || node->kind == YAML_FLOAT;
        assert_int_equal(yaml_real(node, &v, NULL) == 0, number || node->kind == YAML_NULL);
        if (number && v != CASES[i].value)
            fail_msg("%s: %g", CASES[i].text, v);
    }
    double v = 0;
    assert_int_equal(yaml_real(parsed(".NaN"), &v, NULL), 0);
    assert_true(isnan(v));
}

static void typed_values_are_read_as_go_fills_fields(void **state)
{
    (void)state;
    struct why why = {0};
    int64_t whole = 5;
    bool flag = false;
    assert_int_equal(yaml_whole(parsed("2.7"), &whole, &why), 0);
    assert_int_equal(whole, 2);
    assert_int_equal(yaml_whole(parsed("-9223372036854775808"), &whole, &why), 0);
    assert_true(whole == INT64_MIN);
    assert_int_equal(yaml_whole(parsed("9223372036854775808"), &whole, &why), -ERR_FORMAT);
    assert_string_equal(why.text, "cannot unmarshal !!int `9223372...` into int");
    assert_int_equal(yaml_whole(parsed("'5'"), &whole, &why), -ERR_FORMAT);
    assert_string_equal(why.text, "cannot unmarshal !!str `5` into int");
    assert_int_equal(yaml_bool(parsed("yes"), &flag, &why), 0);
    assert_true(flag);
    assert_int_equal(yaml_bool(parsed("FALSE"), &flag, &why), 0);
    assert_false(flag);
    assert_int_equal(yaml_bool(parsed("Yes"), &flag, &why), -ERR_FORMAT);
    assert_string_equal(why.text, "cannot unmarshal !!str `Yes` into bool");
    assert_string_equal(text_of(parsed("0x1f")), "0x1f");
    assert_string_equal(text_of(parsed("null")), "(default)");
    assert_string_equal(text_of(NULL), "(default)");
    struct str s;
    assert_int_equal(yaml_text(parsed("a: b"), &s, &why), -ERR_FORMAT);
    assert_string_equal(why.text, "cannot unmarshal !!map into string");
    assert_int_equal(yaml_expect(parsed("a: b"), YAML_SEQUENCE, "[]rulefmt.Rule", &why),
                     -ERR_FORMAT);
    assert_string_equal(why.text, "cannot unmarshal !!map into []rulefmt.Rule");
    assert_int_equal(yaml_expect(parsed("~"), YAML_SEQUENCE, "[]string", &why), 0);
}

static void binary_values_are_the_bytes_that_they_stand_for(void **state)
{
    (void)state;
    assert_string_equal(text_of(parsed("!!binary aGk=")), "hi");
    assert_string_equal(text_of(parsed("!!binary \"MTIz\\nNDU2\"")), "123456");
    assert_string_equal(text_of(parsed("!!binary /w==")), "\xff");
    assert_int_equal(parsed("!!binary 1234")->kind, YAML_TEXT);
    refused("!!binary /w==$1\n", "line 1, column 1: !!binary value contains invalid base64 data");
    refused("!!binary a=Gk\n", "line 1, column 1: !!binary value contains invalid base64 data");
}

static void aliases_and_merge_keys_are_resolved(void **state)
{
    (void)state;
    const struct yaml_node *root = parsed("base: &b {x: 1, y: 2}\nmore: &m {y: 3, z: 4}\n"
                                          "one: {<<: *b, y: 9}\ntwo: {<<: [*m, *b]}\nb: *b\n");
    const struct yaml_node *one = yaml_get(root, "one"), *two = yaml_get(root, "two");
    assert_int_equal(one->n, 2);
    assert_string_equal(text_of(yaml_get(one, "x")), "1");
    assert_string_equal(text_of(yaml_get(one, "y")), "9");
    assert_int_equal(two->n, 3);
    assert_string_equal(text_of(yaml_get(two, "y")), "3");
    assert_string_equal(text_of(yaml_get(two, "x")), "1");
    assert_ptr_equal(yaml_get(root, "b"), yaml_get(root, "base"));
    assert_string_equal(text_of(yaml_get(parsed("{'<<': 5}"), "<<")), "5");
}

static void faults_say_where_and_what(void **state)
{
    (void)state;
    refused("a: 1\nb: 2\na: 3\n", "line 3, column 1: mapping key \"a\" already defined at line 1");
    refused("a: *b\n", "line 1, column 4: unknown anchor 'b' referenced");
    refused("a: &a [*a]\n", "line 1, column 8: anchor 'a' value contains itself");
    refused("a: {<<: 5}\n",
            "line 1, column 9: map merge requires map or sequence of maps as the value");
    refused("? [1]\n: 2\n", "line 1, column 3: the key of a map must be a scalar");
    refused("a: !!binary aGk\n", "line 1, column 4: !!binary value contains invalid base64 data");
    refused("a: [1\nb: 2\n", "line 2, column 2: did not find expected ',' or ']' "
                             "(while parsing a flow sequence at line 1)");
    struct yaml_place place;
    struct why why;
    const struct yaml_node *root;
    assert_int_equal(yaml_parse(STR("a:\n\t- b"), &arena, &root, &place, &why), -ERR_FORMAT);
    assert_int_equal(place.line, 2);
    assert_int_equal(place.column, 1);
    assert_null(strstr(why.text, "line 2"));
}

static void a_small_text_cannot_become_a_huge_tree(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_printf(&b, "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for (int i = 1; i < 8; i++) {
        buf_printf(&b, "a%d: &a%d [", i, i);
        for (int j = 0; j < 10; j++)
            buf_printf(&b, "%s*a%d", j ? "," : "", i - 1);
        buf_printf(&b, "]\n");
    }
    const struct yaml_node *root;
    struct why why = {0};
    assert_int_equal(yaml_parse(buf_str(&b), &arena, &root, NULL, &why), -ERR_LIMIT);
    assert_non_null(strstr(why.text, "excessive aliasing"));

    /* Copies by merging are counted as well. */
    buf_clear(&b);
    buf_printf(&b, "m0: &m {");
    for (int i = 0; i < 2000; i++)
        buf_printf(&b, "k%d: v,", i);
    buf_printf(&b, "}\n");
    for (int i = 1; i < 2000; i++)
        buf_printf(&b, "m%d: {<<: *m}\n", i);
    assert_int_equal(yaml_parse(buf_str(&b), &arena, &root, NULL, &why), -ERR_LIMIT);
    buf_done(&b);
}

static void nesting_is_limited_also_through_aliases(void **state)
{
    (void)state;
    struct buf b;
    const struct yaml_node *root;
    struct why why = {0};
    buf_init(&b, 1 << 20);
    for (int i = 0; i < YAML_DEPTH_MAX; i++)
        buf_put_c(&b, '[');
    for (int i = 0; i < YAML_DEPTH_MAX; i++)
        buf_put_c(&b, ']');
    assert_int_equal(yaml_parse(buf_str(&b), &arena, &root, NULL, &why), 0);
    buf_clear(&b);
    for (int i = 0; i <= YAML_DEPTH_MAX; i++)
        buf_put_c(&b, '[');
    assert_int_equal(yaml_parse(buf_str(&b), &arena, &root, NULL, &why), -ERR_LIMIT);
    buf_clear(&b);
    buf_printf(&b, "a0: &a0 [x]\n");
    for (int i = 1; i < 200; i++)
        buf_printf(&b, "a%d: &a%d [*a%d]\n", i, i, i - 1);
    assert_int_equal(yaml_parse(buf_str(&b), &arena, &root, NULL, &why), -ERR_LIMIT);
    assert_non_null(strstr(why.text, "nested deeper than 100 levels"));
    buf_done(&b);
}

static void unknown_keys_are_found_one_by_one(void **state)
{
    (void)state;
    static const char *const KNOWN[] = {"name", "rules"};
    const struct yaml_node *root = parsed("name: a\nx: 1\nrules: []\ny: 2\n");
    size_t at = 0;
    const struct yaml_member *m = yaml_unknown(root, KNOWN, COUNTOF(KNOWN), &at);
    assert_string_equal(m->key->text.p, "x");
    assert_int_equal(m->key->place.line, 2);
    m = yaml_unknown(root, KNOWN, COUNTOF(KNOWN), &at);
    assert_string_equal(m->key->text.p, "y");
    assert_null(yaml_unknown(root, KNOWN, COUNTOF(KNOWN), &at));
}

#define CASE(f) ARENA_TEST(f, arena_test_begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_document_becomes_a_tree_with_places),
        CASE(an_empty_text_has_no_root_and_more_documents_are_not_read),
        CASE(blocks_of_text_keep_or_fold_their_lines),
        CASE(plain_scalars_have_the_kinds_of_go),
        CASE(typed_values_are_read_as_go_fills_fields),
        CASE(binary_values_are_the_bytes_that_they_stand_for),
        CASE(aliases_and_merge_keys_are_resolved),
        CASE(faults_say_where_and_what),
        CASE(a_small_text_cannot_become_a_huge_tree),
        CASE(nesting_is_limited_also_through_aliases),
        CASE(unknown_keys_are_found_one_by_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
