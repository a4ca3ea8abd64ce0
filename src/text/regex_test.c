#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "text/regex.h"

static bool matches(const char *pattern, struct str text)
{
    struct regex *re;
    assert_int_equal(regex_new(str_c(pattern), &re, NULL), 0);
    bool yes = regex_match(re, text);
    regex_free(re);
    return yes;
}

static void a_match_is_of_the_whole_text(void **state)
{
    (void)state;
    assert_true(matches("a.*", STR("abc")));
    assert_false(matches("b", STR("abc")));
    assert_true(matches("a|ab", STR("ab")));
    assert_true(matches("a.c", STR("a\nc")));
    assert_true(matches("", STR("")));
    assert_true(matches(".*", (struct str){NULL, 0}));
    assert_true(matches("(?i)ABC", STR("abc")));
}

static void a_bad_pattern_is_explained(void **state)
{
    (void)state;
    struct regex *re;
    struct why why;
    assert_int_equal(regex_new(STR("[a"), &re, &why), -ERR_FORMAT);
    assert_string_equal(why.text, "error parsing regexp: missing closing ]: `[a`");
    assert_int_equal(regex_new(STR("a(?=b)"), &re, &why), -ERR_FORMAT);
    assert_int_equal(regex_new(STR("a\\1"), &re, &why), -ERR_FORMAT);
    assert_int_equal(regex_new(STR("(((a{1000}){1000}){1000})"), &re, &why) < 0, 1);
}

static void groups_replace_their_names(void **state)
{
    (void)state;
    struct regex *re;
    struct buf b;
    buf_init(&b, 1000);
    assert_int_equal(regex_new(STR("(a+)(?P<rest>.*?)(x)?"), &re, NULL), 0);
    assert_int_equal(regex_groups_n(re), 3);
    assert_int_equal(regex_group_of(re, STR("rest")), 2);
    assert_true(regex_expand(re, STR("aab"), STR("$1-${rest}-$3-$$-$1x-$9-$-${"), &b));
    assert_true(str_eq(buf_str(&b), STR("aa-b--$---$-${")));
    buf_clear(&b);
    assert_false(regex_expand(re, STR("b"), STR("$1"), &b));
    assert_int_equal(b.n, 0);
    regex_free(re);
    buf_done(&b);
}

static void literal_texts_are_found_in_a_pattern(void **state)
{
    (void)state;
    const struct {
        const char *pattern, *texts;
    } cases[] = {
        {"abc", "abc"},
        {"a|b|c", "a,b,c"},
        {"b|a|b", "a,b"},
        {"(x|y)z", "xz,yz"},
        {"a[12]", "a1,a2"},
        {"foo\\.bar", "foo.bar"},
        {"(?:a|b)?c", "ac,bc,c"},
        {"^(?:up|down)$", "down,up"},
        {"", ""},
        {"a|", ",a"},
        {"[a-c]", "a,b,c"},
        {"\xc3\xa9?", ",\xc3\xa9"},
    };
    for (size_t i = 0; i < COUNTOF(cases); i++) {
        struct arena a;
        struct regex_literals found;
        struct str rest = str_c(cases[i].texts), text;
        arena_init(&a);
        regex_literals(str_c(cases[i].pattern), &a, &found);
        assert_true(found.exact);
        for (size_t k = 0; k < found.n; k++) {
            assert_true(str_split(&rest, ',', &text));
            assert_true(str_eq(text, found.texts[k]));
            assert_true(matches(cases[i].pattern, found.texts[k]));
        }
        assert_false(str_split(&rest, ',', &text));
        arena_done(&a);
    }
}

static void a_literal_beginning_is_found_in_a_pattern(void **state)
{
    (void)state;
    const struct {
        const char *pattern, *prefix;
        bool only;
    } cases[] = {
        {"cpu_.*", "cpu_", true},    {"cpu_.+", "cpu_", false},
        {"a*b", "", false},          {"abc*", "ab", false},
        {"abc+d", "abc", false},     {"a.*|b.*", "", false},
        {"(?i)abc", "", false},      {".*", "", true},
        {"a\\d", "a", false},        {"x\\.y(a|b)*", "x.y", false},
        {"a\\Qb|c\\E.*", "", false}, {"ab{2}", "a", false},
    };
    for (size_t i = 0; i < COUNTOF(cases); i++) {
        struct arena a;
        struct regex_literals found;
        arena_init(&a);
        regex_literals(str_c(cases[i].pattern), &a, &found);
        assert_false(found.exact);
        assert_true(str_eq(found.prefix, str_c(cases[i].prefix)));
        assert_int_equal(found.prefix_only, cases[i].only);
        arena_done(&a);
    }
}

static void a_quoted_text_matches_itself_alone(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 100);
    regex_quote(STR("a.b*c[d]{e}(f)|^$\\+?"), &b);
    buf_put_c(&b, 0);
    assert_true(matches(b.p, STR("a.b*c[d]{e}(f)|^$\\+?")));
    assert_false(matches(b.p, STR("axb*c[d]{e}(f)|^$\\+?")));
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_match_is_of_the_whole_text),
        cmocka_unit_test(a_bad_pattern_is_explained),
        cmocka_unit_test(groups_replace_their_names),
        cmocka_unit_test(literal_texts_are_found_in_a_pattern),
        cmocka_unit_test(a_literal_beginning_is_found_in_a_pattern),
        cmocka_unit_test(a_quoted_text_matches_itself_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
