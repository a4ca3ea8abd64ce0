#include "cli/flame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"
#include "cli/json_show.h"

static struct buf out;

static int draw(const char *folded)
{
    struct why why = {0};
    buf_init(&out, 1 << 20);
    return flame_svg(str_c(folded), STR("a <b>"), &out, &why);
}

static size_t count(const char *needle)
{
    size_t n = 0;
    for (struct str s = buf_str(&out); s.n > 0;) {
        size_t at = str_search(s, str_c(needle));
        if (at >= s.n)
            break;
        n++;
        s = str_sub(s, at + 1, s.n);
    }
    return n;
}

static void equal_frames_beside_each_other_are_one(void **state)
{
    assert_int_equal(draw("main;work;hash 30\nmain;idle 10\nmain;work;sort 60\n"), 0);
    assert_int_equal(count("<g class=\"f\""), 5);
    assert_int_equal(count("<title>work (90 samples, 90.00 %)"), 1);
    assert_int_equal(count("<title>main (100 samples, 100.00 %)"), 1);
    assert_int_equal(count("<title>hash (30 samples, 30.00 %)"), 1);
    buf_done(&out);
}

static void a_frame_that_comes_again_under_another_caller_is_its_own(void **state)
{
    assert_int_equal(draw("a;x 1\nb;x 1"), 0);
    assert_int_equal(count("<title>x (1 samples, 50.00 %)"), 2);
    buf_done(&out);
}

static void names_of_functions_cannot_break_the_picture(void **state)
{
    assert_int_equal(draw("std::vector<int>&;f 1\n"), 0);
    assert_int_equal(count("<int>"), 0);
    assert_int_equal(count("&lt;int&gt;&amp;"), 2); /* title and text */
    assert_int_equal(count("a &lt;b&gt;"), 1);
    buf_done(&out);
}

static void lines_that_are_no_stacks_are_refused(void **state)
{
    assert_int_equal(draw("main;work\n"), -ERR_FORMAT);
    buf_done(&out);
    assert_int_equal(draw("main x\n"), -ERR_FORMAT);
    buf_done(&out);
    assert_int_equal(draw(""), -ERR_SPARSE);
    buf_done(&out);
    assert_int_equal(draw("main 0\n"), -ERR_SPARSE);
    buf_done(&out);
}

static void answers_become_lines_and_tables(void **state)
{
    struct arena a;
    const struct json_tree *tree;
    struct why why = {0};
    arena_init(&a);
    buf_init(&out, 1 << 20);
    assert_int_equal(json_tree_parse(STR("{\"service\":\"shop\",\"ok\":true,\"list\":[{\"name\":"
                                         "\"a\",\"n\":1},{\"name\":\"long\\nname\",\"more\":null}],"
                                         "\"inner\":{\"x\":[1,2]},\"none\":[]}"),
                                     &a, &tree, &why),
                     0);
    json_show(tree, &out);
    buf_put_c(&out, 0);
    assert_string_equal(out.p, "service: shop\n"
                               "ok: yes\n"
                               "list:\n"
                               "  name       n  more\n"
                               "  a          1  \n"
                               "  long name     -\n"
                               "inner:\n"
                               "  x:\n"
                               "    1\n"
                               "    2\n"
                               "none: none\n");
    buf_done(&out);
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_frames_beside_each_other_are_one),
        cmocka_unit_test(a_frame_that_comes_again_under_another_caller_is_its_own),
        cmocka_unit_test(names_of_functions_cannot_break_the_picture),
        cmocka_unit_test(lines_that_are_no_stacks_are_refused),
        cmocka_unit_test(answers_become_lines_and_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
