#include "cli/json_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { OUT_MAX = 1 << 16 };

static void shows(const char *json, const char *const *columns, size_t n, const char *wanted)
{
    struct arena a;
    struct buf out;
    const struct json_tree *t;
    arena_init(&a);
    buf_init(&out, OUT_MAX);
    assert_int_equal(json_tree_parse(str_c(json), &a, &t, NULL), 0);
    if (columns)
        json_table_rows(t, columns, n, &out);
    else
        json_table_put(t, &out);
    buf_put_c(&out, '\0');
    assert_string_equal(out.p, wanted);
    buf_done(&out);
    arena_done(&a);
}

static void rows_are_aligned_and_numbers_stand_at_the_right(void **state)
{
    static const char *const columns[] = {"name", "n=count", "in.x=inner", "none"};
    shows("[{\"name\":\"a\",\"n\":5,\"in\":{\"x\":\"q\"}},{\"name\":\"f\\u00fcr\",\"n\":1234567}]",
          columns, 4,
          "name  count    inner  none\n"
          "a           5  q      -\n"
          "f\xc3\xbcr   1234567  -      -\n");
}

static void an_object_is_its_members_then_its_lists(void **state)
{
    shows("{\"list\":[{\"b\":1.23456789012,\"o\":{}},{\"a\":true,\"b\":2}],\"one\":\"x\\ny\","
          "\"empty\":[],\"in\":{\"two\":null},\"plain\":[1,\"z\"]}",
          NULL, 0,
          "one                      x y\n"
          "\nlist:\nb      a\n1.235  -\n    2  true\n"
          "\nempty: none\n"
          "in.two                   -\n"
          "\nplain:\n1\nz\n");
}

static void control_characters_do_not_come_out(void **state)
{
    shows("\"\\u001b[31mred\"", NULL, 0, " [31mred\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_aligned_and_numbers_stand_at_the_right),
        cmocka_unit_test(an_object_is_its_members_then_its_lists),
        cmocka_unit_test(control_characters_do_not_come_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
