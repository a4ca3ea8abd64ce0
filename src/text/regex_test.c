#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cases_test.h"
#include "base/mem.h"
#include "text/json.h"
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

static void a_name_of_a_group_may_do_without_its_letter(void **state)
{
    (void)state;
    const char *const pairs[][2] = {
        {"(a).*(?<second>b)", "(a).*(?P<second>b)"},
        {"\\(?<a>", "\\(?<a>"},
        {"[(?<a>]+", "[(?<a>]+"},
        {"[]^(?<a>]", "[]^(?<a>]"},
        {"[^](?<]((?<n>x))", "[^](?<]((?P<n>x))"},
        {"[[:alpha:](?<](?<n>x)", "[[:alpha:](?<](?P<n>x)"},
        {"\\Q(?<a>\\E(?<n>x)", "\\Q(?<a>\\E(?P<n>x)"},
        {"(?<=a)b(?<!c)", "(?<=a)b(?<!c)"},
        {"\\", "\\"},
        {"[", "["},
    };
    for (size_t i = 0; i < COUNTOF(pairs); i++) {
        struct buf b;
        buf_init(&b, 100);
        regex_respell(str_c(pairs[i][0]), &b);
        buf_put_c(&b, 0);
        assert_string_equal(b.p, pairs[i][1]);
        buf_done(&b);
    }
    assert_true(matches("(?<n>a+)b", STR("aab")));
}

/* ---- the published matrix of patterns and texts */

enum { TEXTS_MAX = 200, MATRIX_ROWS = 48 };

struct matrix {
    struct arena arena;
    struct str texts[TEXTS_MAX];
    size_t n;
};

struct matrix_row {
    struct str regex, error;
    bool matches[TEXTS_MAX];
};

static void read_row(struct matrix *m, struct str line, struct matrix_row *row)
{
    struct json_reader r;
    struct json_event e;
    struct str key = STR("");
    *row = (struct matrix_row){.regex = STR(""), .error = STR("")};
    json_reader_init(&r, line, &m->arena);
    while (json_next(&r, &e, NULL) > 0) {
        if (e.type == JSON_KEY)
            key = e.text;
        else if (e.type == JSON_TEXT && str_eq(key, STR("values")))
            m->texts[m->n++] = e.text;
        else if (e.type == JSON_TEXT && str_eq(key, STR("regex")))
            row->regex = e.text;
        else if (e.type == JSON_TEXT && str_eq(key, STR("error")))
            row->error = e.text;
        else if (e.type == JSON_NUMBER)
            row->matches[(size_t)e.number] = true;
    }
}

/* What an index would ask instead of the pattern must not lose a match, nor add one. */
static bool literals_agree(const struct regex_literals *l, struct str text, bool matches)
{
    bool found = false;
    for (size_t i = 0; i < l->n; i++)
        found |= str_eq(l->texts[i], text);
    if (l->exact)
        return found == matches;
    bool begins = str_starts(text, l->prefix);
    return l->prefix_only ? begins == matches : begins || !matches;
}

static bool row_holds(struct matrix *m, const struct matrix_row *row)
{
    struct regex *re;
    struct why why = {0};
    struct regex_literals literals = {0};
    bool good = true;
    if (regex_new(row->regex, &re, &why))
        return row->error.n && str_eq(str_c(why.text), row->error);
    regex_literals(row->regex, &m->arena, &literals);
    for (size_t i = 0; i < m->n; i++) {
        good &= regex_match(re, m->texts[i]) == row->matches[i];
        good &= literals_agree(&literals, m->texts[i], row->matches[i]);
    }
    regex_free(re);
    return good && row->error.n == 0;
}

static void patterns_match_the_published_texts(void **state)
{
    struct cases c;
    (void)state;
    cases_begin(&c, "vectors/regexp_matrix.jsonl");
    struct matrix *m = mem_new(sizeof *m);
    arena_init(&m->arena);
    while (cases_next(&c)) {
        struct matrix_row row;
        read_row(m, c.line, &row);
        if (row.regex.n)
            cases_count(&c, row_holds(m, &row));
    }
    arena_done(&m->arena);
    mem_free(m);
    cases_end(&c, MATRIX_ROWS);
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
        cmocka_unit_test(a_name_of_a_group_may_do_without_its_letter),
        cmocka_unit_test(patterns_match_the_published_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
