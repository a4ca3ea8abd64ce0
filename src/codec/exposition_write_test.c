#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "codec/exposition.h"
#include "codec/exposition_write.h"

/* Two families, with all that needs escapes. */
static void write(struct exposition_writer *w)
{
    struct buf key, labels;
    buf_init(&key, 1000);
    buf_init(&labels, 1000);
    exposition_write_family(w, STR("a_seconds_total"), METRIC_COUNTER, STR("say \"a\" \\ b\nc"),
                            STR("seconds"));
    labels_put(&key, LABEL_METRIC, STR("a_seconds_total"));
    labels_put(&key, STR("x"), STR("1\"\\\n"));
    exposition_write_sample(w, buf_str(&key), 5, true, 1500);
    labels_put(&labels, STR("t"), STR("i"));
    exposition_write_exemplar(w, &(struct exemplar){buf_str(&key), buf_str(&labels), 2500, 0.5});
    buf_clear(&key);
    labels_put(&key, LABEL_METRIC, STR("b.c"));
    labels_put(&key, STR("d.e"), STR("f"));
    exposition_write_family(w, STR("b.c"), METRIC_UNKNOWN, STR(""), STR(""));
    exposition_write_sample(w, buf_str(&key), NAN, false, 0);
    exposition_write_end(w);
    buf_done(&key);
    buf_done(&labels);
}

static void text_has_its_escapes(void **state)
{
    (void)state;
    struct buf out;
    struct exposition_writer w;
    buf_init(&out, 10000);
    exposition_write_init(&w, &out, EXPOSITION_TEXT, false);
    write(&w);
    assert_true(
        str_eq(buf_str(&out), STR("# HELP a_seconds_total say \"a\" \\\\ b\\nc\n"
                                  "# TYPE a_seconds_total counter\n"
                                  "a_seconds_total{x=\"1\\\"\\\\\\n\"} 5 1500\n"
                                  "# TYPE \"b.c\" untyped\n{\"b.c\",\"d.e\"=\"f\"} NaN\n")));
    assert_int_equal(exposition_check(buf_str(&out), EXPOSITION_TEXT, NULL), 0);
    buf_done(&out);
}

static void openmetrics_pass_the_strict_checker(void **state)
{
    (void)state;
    struct buf out;
    struct exposition_writer w;
    struct why why = {0};
    buf_init(&out, 10000);
    exposition_write_init(&w, &out, EXPOSITION_OPENMETRICS, false);
    write(&w);
    assert_true(str_eq(buf_str(&out),
                       STR("# HELP a_seconds say \\\"a\\\" \\\\ b\\nc\n# TYPE a_seconds counter\n"
                           "# UNIT a_seconds seconds\n"
                           "a_seconds_total{x=\"1\\\"\\\\\\n\"} 5.0 1.500 # {t=\"i\"} 0.5 2.500\n"
                           "# TYPE \"b.c\" unknown\n{\"b.c\",\"d.e\"=\"f\"} NaN\n# EOF\n")));
    if (exposition_check(buf_str(&out), EXPOSITION_OPENMETRICS, &why))
        fail_msg("%s", why.text);
    buf_done(&out);
}

static void names_are_made_plain_for_old_clients(void **state)
{
    (void)state;
    struct buf out;
    struct exposition_writer w;
    buf_init(&out, 10000);
    exposition_write_init(&w, &out, EXPOSITION_TEXT, true);
    write(&w);
    assert_true(str_search(buf_str(&out), STR("b_c{d_e=\"f\"} NaN\n")) < out.n);
    buf_done(&out);
}

static void the_format_follows_what_is_accepted(void **state)
{
    (void)state;
    const struct {
        const char *accept;
        enum exposition_format want;
    } cases[] = {
        {"", EXPOSITION_TEXT},
        {"*/*", EXPOSITION_TEXT},
        {"application/openmetrics-text;version=1.0.0", EXPOSITION_OPENMETRICS},
        {"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;"
         "version=0.0.4;q=0.3,*/*;q=0.2",
         EXPOSITION_OPENMETRICS},
        {"text/plain;q=0.9,application/openmetrics-text;q=0.1", EXPOSITION_TEXT},
        {"application/openmetrics-text;q=0", EXPOSITION_TEXT},
    };
    for (size_t i = 0; i < COUNTOF(cases); i++)
        assert_int_equal(exposition_write_format_of(str_c(cases[i].accept)), cases[i].want);
}

static void names_are_escaped_as_the_client_asks(void **state)
{
    (void)state;
    const struct {
        const char *accept;
        enum exposition_format format;
        enum name_escape want;
    } cases[] = {
        {"", EXPOSITION_TEXT, NAME_ESCAPE_UNDERSCORES},
        {"*/*;escaping=allow-utf-8", EXPOSITION_TEXT, NAME_ESCAPE_UNDERSCORES},
        {"text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3",
         EXPOSITION_TEXT, NAME_ESCAPE_NONE},
        {"application/openmetrics-text; escaping=dots, text/plain;escaping=values;q=0.1",
         EXPOSITION_OPENMETRICS, NAME_ESCAPE_DOTS},
        {"application/openmetrics-text;escaping=dots,text/plain;escaping=values;q=0.1",
         EXPOSITION_TEXT, NAME_ESCAPE_VALUES},
        {"text/plain;escaping=what", EXPOSITION_TEXT, NAME_ESCAPE_UNDERSCORES},
    };
    for (size_t i = 0; i < COUNTOF(cases); i++)
        assert_int_equal(exposition_write_escape_of(str_c(cases[i].accept), cases[i].format),
                         cases[i].want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_has_its_escapes),
        cmocka_unit_test(openmetrics_pass_the_strict_checker),
        cmocka_unit_test(names_are_made_plain_for_old_clients),
        cmocka_unit_test(the_format_follows_what_is_accepted),
        cmocka_unit_test(names_are_escaped_as_the_client_asks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
