#include "serve/exposition_merge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void families_of_two_applications_stand_together(void **state)
{
    struct exposition_merge m;
    struct buf out;
    exposition_merge_init(&m);
    buf_init(&out, 10000);
    exposition_merge_add(&m,
                         STR("# HELP a Calls.\n# TYPE a counter\na{x=\"1\"} 1\na{} 2\n"
                             "# TYPE b gauge\nb 3 123\n"),
                         STR("shop"), STR("h:1"));
    exposition_merge_add(&m,
                         STR("# TYPE b gauge\nb 4\n\n# a note\n# HELP a Calls.\n# TYPE a counter\n"
                             "a{x=\"1\"} 5\n# TYPE c gauge\nc 6"),
                         STR("shop"), STR("a\"b\\"));
    exposition_merge_put(&m, &out);
    buf_put_c(&out, '\0');
    assert_string_equal(out.p, "# HELP a Calls.\n# TYPE a counter\n"
                               "a{job=\"shop\",instance=\"h:1\",x=\"1\"} 1\n"
                               "a{job=\"shop\",instance=\"h:1\"} 2\n"
                               "a{job=\"shop\",instance=\"a\\\"b\\\\\",x=\"1\"} 5\n"
                               "# TYPE b gauge\n"
                               "b{job=\"shop\",instance=\"h:1\"} 3 123\n"
                               "b{job=\"shop\",instance=\"a\\\"b\\\\\"} 4\n"
                               "# TYPE c gauge\n"
                               "c{job=\"shop\",instance=\"a\\\"b\\\\\"} 6\n");
    buf_done(&out);
    exposition_merge_done(&m);
}

static void text_without_comments_or_of_nonsense_is_taken_as_it_is(void **state)
{
    struct exposition_merge m;
    struct buf out;
    exposition_merge_init(&m);
    buf_init(&out, 10000);
    exposition_merge_add(&m, STR("a 1\n# \n#\n#HELP\n{\nb"), STR("j"), STR("i"));
    exposition_merge_add(&m, STR(""), STR("j"), STR("i"));
    exposition_merge_put(&m, &out);
    buf_put_c(&out, '\0');
    assert_string_equal(out.p, "a{job=\"j\",instance=\"i\"} 1\n{job=\"j\",instance=\"i\"\n"
                               "b{job=\"j\",instance=\"i\"}\n");
    buf_done(&out);
    exposition_merge_done(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(families_of_two_applications_stand_together),
        cmocka_unit_test(text_without_comments_or_of_nonsense_is_taken_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
