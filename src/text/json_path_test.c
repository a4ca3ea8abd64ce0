#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "text/json_path.h"

static const char TEXT[] =
    "{\"queue\":{\"length\":7,\"full\":false,\"a key\":\"12.5\"},"
    "\"items\":[{\"name\":\"x\",\"n\":1,\"tag\":{\"host\":\"h1\"}},"
    "{\"name\":\"y\",\"n\":null,\"tag\":{\"host\":\"h2\"}},{\"name\":\"z\",\"n\":3}],"
    "\"cores\":{\"cpu0\":0.5,\"cpu1\":0.75},\"twice\":1,\"twice\":2}";

struct found {
    struct buf text;
    const struct json_path *beside;
};

static bool note(void *context, const struct json_path_match *m)
{
    struct found *f = context;
    struct json_path_match other;
    double v;
    if (f->beside != NULL && json_path_beside(f->beside, m, &other)) {
        (void)json_path_text(&other, &f->text);
        buf_put_c(&f->text, ':');
    }
    if (json_path_is_null(m))
        buf_put_str(&f->text, STR("null"));
    else if (json_path_number(m, &v))
        buf_printf(&f->text, "%g", v);
    else if (json_path_text(m, &f->text))
        buf_put_c(&f->text, '!');
    else
        buf_put_c(&f->text, '?');
    buf_put_c(&f->text, ' ');
    return true;
}

/* What expression finds in TEXT, with what beside finds for each of them. */
static void assert_finds(const char *expression, const char *beside, const char *expected)
{
    struct json_path *p, *other = NULL;
    const struct json_tree *root;
    struct found f = {0};
    struct arena a;
    struct why why = {0};
    buf_init(&f.text, 4096);
    arena_init(&a);
    assert_int_equal(json_tree_parse(str_c(TEXT), &a, &root, &why), 0);
    assert_int_equal(json_path_new(str_c(expression), &p, &why), 0);
    if (beside != NULL)
        assert_int_equal(json_path_new(str_c(beside), &other, &why), 0);
    f.beside = other;
    (void)json_path_each(p, root, note, &f);
    buf_put_c(&f.text, '\0');
    assert_string_equal(f.text.p, expected);
    json_path_free(p);
    json_path_free(other);
    buf_done(&f.text);
    arena_done(&a);
}

static void members_are_found_by_dots_and_by_quotes(void **state)
{
    assert_finds("$.queue.length", NULL, "7 ");
    assert_finds("queue.length", NULL, "7 ");
    assert_finds("$['queue'][\"a key\"]", NULL, "12.5 ");
    assert_finds("$.queue.nothing", NULL, "");
    assert_finds("$.queue.length.more", NULL, "");
}

static void the_last_member_of_a_name_counts(void **state)
{
    assert_finds("$.twice", NULL, "2 ");
}

static void truth_is_a_number_and_null_is_none(void **state)
{
    assert_finds("$.queue.full", NULL, "0 ");
    assert_finds("$.items[*].n", NULL, "1 null 3 ");
    assert_finds("$.items[0].name", NULL, "x! ");
    assert_finds("$.items[0].tag", NULL, "? ");
}

static void elements_count_from_either_end(void **state)
{
    assert_finds("$.items[0].n", NULL, "1 ");
    assert_finds("$.items[-1].n", NULL, "3 ");
    assert_finds("$.items[3].n", NULL, "");
    assert_finds("$.items[-4].n", NULL, "");
    assert_finds("$.queue[0]", NULL, "");
}

static void a_star_takes_all_elements_or_members(void **state)
{
    assert_finds("$.cores.*", NULL, "0.5 0.75 ");
    assert_finds("$.cores[*]", NULL, "0.5 0.75 ");
    assert_finds("$[*].length", NULL, "7 ");
}

static void a_filter_takes_those_whose_member_is_equal(void **state)
{
    assert_finds("$.items[?(@.name==\"x\")].n", NULL, "1 ");
    assert_finds("$.items[?(@.name != 'x')].n", NULL, "null 3 ");
    assert_finds("$.items[?( @.n == 3 )].name", NULL, "z! ");
    assert_finds("$.items[?(@.tag.host=='h2')].name", NULL, "y! ");
    assert_finds("$.items[?(@.n==null)].name", NULL, "y! ");
    assert_finds("$.cores[?(@==0.5)]", NULL, "0.5 ");
}

static void another_expression_is_read_for_the_item_at_hand(void **state)
{
    assert_finds("$.items[*].n", "$.items[*].name", "x:1 y:null z:3 ");
    assert_finds("$.items[*].n", "$.items[*].tag.host", "h1:1 h2:null 3 ");
    assert_finds("$.items[*].n", "$.queue.length", "7:1 7:null 7:3 ");
    assert_finds("$.items[?(@.name=='z')].n", "$.items[?(@.name=='z')].name", "z:3 ");
}

static void a_tilde_gives_the_name_of_what_was_found(void **state)
{
    assert_finds("$.cores[*]", "$.cores[*]~", "cpu0:0.5 cpu1:0.75 ");
    assert_finds("$.items[*].n", "$.items[*]~", "0:1 1:null 2:3 ");
}

static void what_is_no_expression_is_refused_with_its_place(void **state)
{
    static const char *const BAD[] = {"",
                                      "$.",
                                      "$.a[",
                                      "$.a[x]",
                                      "$.a[1",
                                      "$.a['x]",
                                      "$.a~.b",
                                      "$.a[?(@.b=1)]",
                                      "$a b",
                                      "$.a[?(b==1)]",
                                      "$.a[?(@==x)]",
                                      "$..a",
                                      "$.a[?(@.b==1]"};
    for (size_t i = 0; i < COUNTOF(BAD); i++) {
        struct json_path *p;
        struct why why = {0};
        assert_int_equal(json_path_new(str_c(BAD[i]), &p, &why), -ERR_FORMAT);
        assert_non_null(strstr(why.text, "character"));
    }
}

static void an_expression_of_too_many_steps_is_refused(void **state)
{
    char text[JSON_PATH_STEPS_MAX * 2 + 4] = "$";
    struct json_path *p;
    struct why why = {0};
    for (size_t i = 0; i <= JSON_PATH_STEPS_MAX; i++)
        memcpy(text + 1 + 2 * i, ".a", 3);
    assert_int_equal(json_path_new(str_c(text), &p, &why), -ERR_FORMAT);
    assert_non_null(strstr(why.text, "too many"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_found_by_dots_and_by_quotes),
        cmocka_unit_test(the_last_member_of_a_name_counts),
        cmocka_unit_test(truth_is_a_number_and_null_is_none),
        cmocka_unit_test(elements_count_from_either_end),
        cmocka_unit_test(a_star_takes_all_elements_or_members),
        cmocka_unit_test(a_filter_takes_those_whose_member_is_equal),
        cmocka_unit_test(another_expression_is_read_for_the_item_at_hand),
        cmocka_unit_test(a_tilde_gives_the_name_of_what_was_found),
        cmocka_unit_test(what_is_no_expression_is_refused_with_its_place),
        cmocka_unit_test(an_expression_of_too_many_steps_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
