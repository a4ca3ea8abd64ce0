#include "text/json_tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "base/mem.h"

static const char TEXT[] = "{\"a\": {\"b\": [1, \"two\", true, null, {}]}, \"n\": 9007199254740993,"
                           " \"f\": 2.5e1, \"a\": {\"c\": \"last\\u00fc\"}, \"big\": {\"x\": 1}}";

static const struct json_tree *parse(struct arena *a, const char *text)
{
    const struct json_tree *root;
    arena_init(a);
    assert_int_equal(json_tree_parse(str_c(text), a, &root, NULL), 0);
    return root;
}

static void paths_lead_to_values_or_to_nothing(void **state)
{
    struct arena a;
    const struct json_tree *root = parse(&a, TEXT);
    assert_int_equal(root->n, 5);
    assert_string_equal(json_tree_text(root, "a.c").p, "last\xc3\xbc"); /* the last a counts */
    assert_int_equal(json_tree_text(root, "a.b").n, 0);
    assert_int_equal(json_tree_text(root, "n.x.y").n, 0);
    assert_true(json_tree_whole(root, "n") == 9007199254740993LL);
    assert_int_equal(json_tree_whole(root, "f"), 25);
    assert_int_equal(json_tree_whole(root, "none"), 0);
    assert_null(json_tree_get(NULL, "a"));
    const struct json_tree *list = json_tree_get(&root->children[0], "b");
    assert_int_equal(json_tree_n(list), 5);
    assert_true(json_tree_true(&list->children[2], ""));
    assert_true(json_tree_is_null(&list->children[3]));
    assert_int_equal(json_tree_n(&list->children[4]), 0);
    arena_done(&a);
}

static void what_is_no_json_has_no_tree(void **state)
{
    static const char *const rows[] = {"", " ", "{", "[1,]", "{\"a\":1}{", "nul"};
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct arena a;
        struct why why = {0};
        const struct json_tree *root;
        arena_init(&a);
        assert_int_not_equal(json_tree_parse(str_c(rows[i]), &a, &root, &why), 0);
        assert_int_not_equal(why.text[0], '\0');
        arena_done(&a);
    }
}

static bool not_big(struct str key)
{
    return !str_eq(key, STR("big"));
}

static void a_copy_is_whole_without_what_is_left_out(void **state)
{
    struct arena a;
    const struct json_tree *root = parse(&a, TEXT);
    size_t all, some;
    struct json_tree *whole = json_tree_copy(root, NULL, &all);
    struct json_tree *part = json_tree_copy(root, not_big, &some);
    arena_done(&a);
    assert_true(some < all);
    assert_int_equal(json_tree_whole(whole, "big.x"), 1);
    assert_null(json_tree_get(part, "big"));
    assert_string_equal(json_tree_text(part, "a.c").p, "last\xc3\xbc");
    assert_int_equal(part->n, 4);
    assert_string_equal(part->children[0].children[0].children[1].text.p, "two");
    mem_free(whole);
    mem_free(part);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_lead_to_values_or_to_nothing),
        cmocka_unit_test(what_is_no_json_has_no_tree),
        cmocka_unit_test(a_copy_is_whole_without_what_is_left_out),
    };
    return cmocka_run_group_tests_name("text/json_tree", tests, NULL, NULL);
}
