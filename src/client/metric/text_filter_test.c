#include "client/metric/text_filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char all[] = "# HELP a_total A.\n# TYPE a_total counter\n"
                          "a_total{service=\"shop\",x=\"1\"} 1\n"
                          "a_total{service=\"bank\"} 2\n"
                          "a_total{x=\"2\",service=\"shop\"} 3\n"
                          "# TYPE b gauge\nb 4\n"
                          "# TYPE c gauge\nc{other_service=\"shop\"} 5\n"
                          "c{x=\"service=\\\"shop\\\"\"} 6\n"
                          "# TYPE d gauge\nd{service=\"a\\\"\\\\\\nb\"} 7\n";

static size_t only(const char *value, char ret[2000])
{
    struct text in, out;
    text_init(&in, 10000);
    text_init(&out, 10000);
    text_add_string(&in, all);
    size_t n = text_filter(&in, "service", value, &out);
    snprintf(ret, 2000, "%s", text_string(&out));
    text_done(&in);
    text_done(&out);
    return n;
}

static void samples_with_the_label_keep_the_comments_of_their_family(void **state)
{
    char got[2000];
    assert_int_equal(only("shop", got), 2);
    assert_string_equal(got, "# HELP a_total A.\n# TYPE a_total counter\n"
                             "a_total{service=\"shop\",x=\"1\"} 1\n"
                             "a_total{x=\"2\",service=\"shop\"} 3\n");
}

static void values_are_compared_as_they_were_before_escaping(void **state)
{
    char got[2000];
    assert_int_equal(only("a\"\\\nb", got), 1);
    assert_non_null(strstr(got, "# TYPE d gauge\nd{"));
    assert_int_equal(only("none", got), 0);
    assert_string_equal(got, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_with_the_label_keep_the_comments_of_their_family),
        cmocka_unit_test(values_are_compared_as_they_were_before_escaping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
