#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "text/cases_json_test.h"
#include "text/name_escape.h"

typedef void turn_f(enum name_escape scheme, struct str name, struct buf *out);

static void expect(turn_f *turn, enum name_escape scheme, struct str name, struct str wanted)
{
    struct buf b;
    buf_init(&b, 1024);
    turn(scheme, name, &b);
    if (!str_eq(buf_str(&b), wanted))
        fail_msg(STR_FMT " gives " STR_FMT ", not " STR_FMT, STR_ARG(name), STR_ARG(buf_str(&b)),
                 STR_ARG(wanted));
    buf_done(&b);
}

static void every_scheme_writes_what_it_should(void **state)
{
    (void)state;
    const struct str name = STR("9my.metric_\xc3\xa4");
    expect(name_escape_put, NAME_ESCAPE_NONE, name, name);
    expect(name_escape_put, NAME_ESCAPE_UNDERSCORES, name, STR("_my_metric__"));
    expect(name_escape_put, NAME_ESCAPE_DOTS, name, STR("__my_dot_metric____"));
    expect(name_escape_put, NAME_ESCAPE_VALUES, name, STR("U___39_my_2e_metric___e4_"));
    expect(name_escape_undo, NAME_ESCAPE_VALUES, STR("U___39_my_2e_metric___e4_"), name);
    expect(name_escape_put, NAME_ESCAPE_VALUES, STR("up_total"), STR("up_total"));
    expect(name_escape_put, NAME_ESCAPE_VALUES, STR(""), STR(""));
}

static void what_was_never_escaped_stays(void **state)
{
    (void)state;
    const struct str same[] = {STR("up"),       STR("U_x"),          STR("U__a_"),
                               STR("U__a_2e"),  STR("U__a_d800_"),   STR("U__a_110000_"),
                               STR("U__a_zz_"), STR("U__a_1234567_")};
    for (size_t i = 0; i < COUNTOF(same); i++)
        expect(name_escape_undo, NAME_ESCAPE_VALUES, same[i], same[i]);
    expect(name_escape_undo, NAME_ESCAPE_UNDERSCORES, STR("a_b"), STR("a_b"));
    expect(name_escape_undo, NAME_ESCAPE_NONE, STR("U__a_2e_b"), STR("U__a_2e_b"));
}

static void each_scheme_has_its_name(void **state)
{
    (void)state;
    enum name_escape scheme;
    assert_true(name_escape_of(STR("values"), &scheme));
    assert_int_equal(scheme, NAME_ESCAPE_VALUES);
    assert_true(name_escape_of(STR("allow-utf-8"), &scheme));
    assert_int_equal(scheme, NAME_ESCAPE_NONE);
    assert_false(name_escape_of(STR("Values"), &scheme));
}

static void names_are_escaped_as_published(void **state)
{
    struct cases c;
    (void)state;
    cases_begin(&c, "vectors/name_escaping.jsonl");
    while (cases_next(&c)) {
        struct str name = cases_json_text(&c, "input"), dots = cases_json_text(&c, "expectedDots");
        struct str values = cases_json_text(&c, "expectedValue");
        expect(name_escape_put, NAME_ESCAPE_UNDERSCORES, name,
               cases_json_text(&c, "expectedUnderscores"));
        expect(name_escape_put, NAME_ESCAPE_DOTS, name, dots);
        expect(name_escape_undo, NAME_ESCAPE_DOTS, dots,
               cases_json_text(&c, "expectedUnescapedDots"));
        expect(name_escape_put, NAME_ESCAPE_VALUES, name, values);
        expect(name_escape_undo, NAME_ESCAPE_VALUES, values, name);
        cases_count(&c, true);
    }
    cases_end(&c, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_scheme_writes_what_it_should),
        cmocka_unit_test(what_was_never_escaped_stays),
        cmocka_unit_test(each_scheme_has_its_name),
        cmocka_unit_test(names_are_escaped_as_published),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
