#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "text/toml.h"

static void a_document_becomes_a_tree_with_places(void **state)
{
    (void)state;
    struct arena a;
    struct toml_node *root;
    struct why why;
    arena_init(&a);
    assert_int_equal(toml_parse(STR("z = 1\n[store]\npath = \"x\"\nwhen = 2020-01-02\n"
                                    "list = [1, 2.5, true]\n[[t]]\na = 1\n[[t]]\na = 2\n"),
                                &a, &root, &why),
                     0);
    assert_int_equal(root->n, 3);
    assert_true(str_eq(root->children[0].key, STR("z")));
    assert_true(str_eq(root->children[1].key, STR("store")));
    const struct toml_node *store = toml_get(root, STR("store"));
    const struct toml_node *path = toml_get(store, STR("path"));
    assert_int_equal(path->type, TOML_TEXT);
    assert_string_equal(path->text.p, "x");
    assert_int_equal(path->line, 3);
    assert_int_equal(path->column, 8);
    assert_int_equal(path->key_line, 3);
    assert_int_equal(path->key_column, 1);
    assert_int_equal(toml_get(store, STR("when"))->type, TOML_TIME);
    assert_string_equal(toml_get(store, STR("when"))->text.p, "2020-01-02");
    const struct toml_node *list = toml_get(store, STR("list"));
    assert_int_equal(list->n, 3);
    assert_int_equal(list->children[0].integer, 1);
    assert_true(list->children[1].real == 2.5);
    assert_true(list->children[2].boolean);
    assert_int_equal(toml_get(root, STR("t"))->n, 2);
    assert_int_equal(toml_get(&toml_get(root, STR("t"))->children[1], STR("a"))->integer, 2);
    assert_null(toml_get(root, STR("none")));
    arena_done(&a);
}

static void an_error_says_where_it_is(void **state)
{
    (void)state;
    struct arena a;
    struct toml_node *root;
    struct why why;
    arena_init(&a);
    assert_int_equal(toml_parse(STR("a = 1\nb = = 2\n"), &a, &root, &why), -ERR_FORMAT);
    assert_int_equal(strncmp(why.text, "line 2, column 5: ", 18), 0);
    assert_int_equal(toml_parse(STR("a = 1\na = 2\n"), &a, &root, &why), -ERR_FORMAT);
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_becomes_a_tree_with_places),
        cmocka_unit_test(an_error_says_where_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
