#include "base/arena_test.h"

#include "alert/config/amtool_test.h"
#include "alert/config/matcher.h"
#include "model/labels.h"

/* Texts, and their canonical form; NULL: refused with that message. */
static const struct {
    const char *text, *canonical, *message;
} TABLE[] = {
    {"", "{}", NULL},
    {"{}", "{}", NULL},
    {"a=b", "{a=\"b\"}", NULL},
    {"{a=b}", "{a=\"b\"}", NULL},
    {"{a=b,}", "{a=\"b\"}", NULL},
    {" a = b ", "{a=\"b\"}", NULL},
    {"{a=\"b\",c=~\"d|e\", f!=g, h!~\"i.*\"}", "{a=\"b\",c=~\"d|e\",f!=\"g\",h!~\"i.*\"}", NULL},
    {"c=1,b=2,a=3", "{a=\"3\",b=\"2\",c=\"1\"}", NULL},
    {"a=2,a=1", "{a=\"1\",a=\"2\"}", NULL},
    {"a=~x,a=x", "{a=\"x\",a=~\"x\"}", NULL},
    {"a=", "{a=\"\"}", NULL},
    {"a=\"\"", "{a=\"\"}", NULL},
    {"a=\"b,c\"", "{a=\"b,c\"}", NULL},
    {"a=\"b\\\"c\"", "{a=\"b\\\"c\"}", NULL},
    {"a=\"b\\\\\"", "{a=\"b\\\\\"}", NULL},
    {"a=b\\nc", "{a=\"b\\nc\"}", NULL},
    {"a=\"x\\d\"", "{a=\"x\\\\d\"}", NULL},
    {"a=\\", "{a=\"\\\\\"}", NULL},
    {"a=b c", "{a=\"b c\"}", NULL},
    {"a==b", "{a=\"=b\"}", NULL},
    {"a=~=b", "{a=~\"=b\"}", NULL},
    {"_a:b=c", "{_a:b=\"c\"}", NULL},
    {"a={b}", "{a=\"{b\"}", NULL},
    {"{a=b", "{a=\"b\"}", NULL},
    {"a=b}", "{a=\"b\"}", NULL},
    {"a=\"\xc3\xa4\"", "{a=\"\xc3\xa4\"}", NULL},
    /* in the newer language alone */
    {"\"a b\"=c", "{\"a b\"=\"c\"}", NULL},
    {"{\"a\"=c}", "{a=\"c\"}", NULL},
    {"\xc3\xa4=\xc3\xb6", "{\xc3\xa4=\"\xc3\xb6\"}", NULL},
    {"a.b=\"c\\x41\\u00e4\"", "{a.b=\"cA\xc3\xa4\"}", NULL},
    {"1a=b", "{1a=\"b\"}", NULL},
    /* in neither */
    {"a", NULL, "bad matcher format: a"},
    {"=b", NULL, "bad matcher format: =b"},
    {"a=b,,c=d", NULL, "bad matcher format: "},
    {",", NULL, "bad matcher format: "},
    {"a=\"b", NULL, "matcher value contains unescaped double quote: \"b"},
    {"a=b\"", NULL, "matcher value contains unescaped double quote: b\""},
    {"a=\"b\"c", NULL, "matcher value contains unescaped double quote: \"b\"c"},
    {"a=~(", NULL, "error parsing regexp: missing closing ): `^(?:()$`"},
    {"a=~\"*\"", NULL, "error parsing regexp: missing argument to repetition operator: `*`"},
    {"a=\xff", NULL, "matcher value not valid UTF-8: \xff"},
    {"{{a=b}}", NULL, "bad matcher format: {a=b}"},
    {"a b=c", NULL, "bad matcher format: a b=c"},
};

static const char *printed(const struct matcher_list *list)
{
    struct buf out;
    buf_init(&out, 1 << 16);
    matcher_list_print(list, &out);
    const char *text = arena_str(&arena, buf_str(&out)).p;
    buf_done(&out);
    return text;
}

static void texts_are_read_as_alertmanager_reads_them(void **state)
{
    for (size_t i = 0; i < COUNTOF(TABLE); i++) {
        struct matcher_list list = {0};
        struct why why = {0};
        int err = matcher_parse(str_c(TABLE[i].text), &arena, &list, &why);
        if (TABLE[i].canonical == NULL) {
            assert_int_equal(err, -ERR_FORMAT);
            assert_string_equal(why.text, TABLE[i].message);
            assert_int_equal(list.n, 0);
        } else {
            if (err != 0)
                fail_msg("%s: %s", TABLE[i].text, why.text);
            assert_string_equal(printed(&list), TABLE[i].canonical);
        }
        matcher_list_done(&list);
    }
}

static void what_is_printed_is_read_back_as_it_was(void **state)
{
    for (size_t i = 0; i < COUNTOF(TABLE); i++) {
        struct matcher_list list = {0}, again = {0};
        if (TABLE[i].canonical == NULL)
            continue;
        assert_int_equal(matcher_parse(str_c(TABLE[i].text), &arena, &list, NULL), 0);
        assert_int_equal(matcher_parse(str_c(printed(&list)), &arena, &again, NULL), 0);
        assert_string_equal(printed(&again), printed(&list));
        matcher_list_done(&list);
        matcher_list_done(&again);
    }
}

static struct str key_of(const char *const *pairs)
{
    struct buf key;
    buf_init(&key, 4096);
    for (size_t i = 0; pairs[i] != NULL; i += 2)
        labels_put(&key, str_c(pairs[i]), str_c(pairs[i + 1]));
    struct str out = arena_str(&arena, buf_str(&key));
    buf_done(&key);
    return out;
}

static bool holds(const char *text, struct str labels)
{
    struct matcher_list list = {0};
    assert_int_equal(matcher_parse(str_c(text), &arena, &list, NULL), 0);
    bool yes = matcher_list_holds(&list, labels);
    matcher_list_done(&list);
    return yes;
}

static void all_matchers_must_hold_and_a_missing_label_is_empty(void **state)
{
    static const char *const PAIRS[] = {"a", "b", "line", "x\ny", NULL};
    struct str key = key_of(PAIRS);
    assert_true(holds("{}", key));
    assert_true(holds("a=b", key));
    assert_false(holds("a=c", key));
    assert_true(holds("a=~\"b|c\"", key));
    assert_false(holds("a=~\"x?\"", key)); /* the whole value */
    assert_true(holds("missing=\"\"", key));
    assert_true(holds("missing!=x", key));
    assert_true(holds("missing=~\"x?\"", key));
    assert_false(holds("missing!~\"\"", key));
    assert_false(holds("a=b,missing=x", key));
    assert_false(holds("line=~\"x.y\"", key)); /* as Go has it: no dot for a line's end */
    assert_true(holds("line=~\"(?s)x.y\"", key));
}

static void matchers_are_added_to_those_that_are_there(void **state)
{
    struct matcher_list list = {0};
    struct why why = {0};
    assert_int_equal(matcher_add(STR("z"), MATCHER_EQUAL, STR("1"), &arena, &list, NULL), 0);
    assert_int_equal(matcher_add(STR("b"), MATCHER_REGEX, STR("[0-9]"), &arena, &list, NULL), 0);
    assert_int_equal(matcher_add(STR("b"), MATCHER_REGEX, STR("["), &arena, &list, &why),
                     -ERR_FORMAT);
    assert_int_equal(matcher_parse(STR("a!=x"), &arena, &list, NULL), 0);
    assert_string_equal(printed(&list), "{a!=\"x\",b=~\"[0-9]\",z=\"1\"}");
    matcher_list_done(&list);
}

static bool accepted(const char *text)
{
    struct buf yaml;
    buf_init(&yaml, 4096);
    buf_put_str(&yaml, STR("route: {receiver: a, routes: [{matchers: ['"));
    for (const char *p = text; *p != '\0'; p++)
        buf_printf(&yaml, *p == '\'' ? "''" : "%c", *p);
    buf_put_str(&yaml, STR("']}]}\nreceivers: [{name: a}]\n"));
    buf_put_c(&yaml, '\0');
    bool yes = amtool_accepts(yaml.p, NULL);
    buf_done(&yaml);
    return yes;
}

/* amtool of Debian 12 has the classic language alone; what the newer one adds is left out. */
static void amtool_accepts_and_refuses_the_same_texts(void **state)
{
    amtool_or_skip();
    bool newer = false;
    for (size_t i = 0; i < COUNTOF(TABLE); i++) {
        newer = TABLE[i].canonical != NULL && (newer || strcmp(TABLE[i].text, "\"a b\"=c") == 0);
        if (newer || !str_utf8(str_c(TABLE[i].text)))
            continue;
        if (accepted(TABLE[i].text) != (TABLE[i].canonical != NULL))
            fail_msg("amtool disagrees about: %s", TABLE[i].text);
    }
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, arena_test_begin, arena_test_end)
    const struct CMUnitTest tests[] = {
        CASE(texts_are_read_as_alertmanager_reads_them),
        CASE(what_is_printed_is_read_back_as_it_was),
        CASE(all_matchers_must_hold_and_a_missing_label_is_empty),
        CASE(matchers_are_added_to_those_that_are_there),
        CASE(amtool_accepts_and_refuses_the_same_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
