#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bits.h"
#include "base/err.h"
#include "base/rand.h"
#include "text/number.h"

typedef size_t format_f(double v, char out[NUMBER_MAX]);

static void check(format_f *f, double v, const char *want)
{
    char text[NUMBER_MAX];
    size_t n = f(v, text);
    assert_string_equal(text, want);
    assert_int_equal(n, strlen(want));
}

static void plain_form_never_has_an_exponent(void **state)
{
    (void)state;
    check(number_format_f, 0, "0");
    check(number_format_f, -0.0, "-0");
    check(number_format_f, 1e21, "1000000000000000000000");
    check(number_format_f, 1e-7, "0.0000001");
    check(number_format_f, 123.456, "123.456");
    check(number_format_f, -1.5, "-1.5");
    check(number_format_f, 1e15, "1000000000000000");
    check(number_format_f, 9007199254740993.0, "9007199254740992");
    check(number_format_f, NAN, "NaN");
    check(number_format_f, INFINITY, "+Inf");
    check(number_format_f, -INFINITY, "-Inf");
    char text[NUMBER_MAX];
    assert_int_equal(number_format_f(-DBL_TRUE_MIN, text), 327);
    assert_int_equal(number_format_f(-DBL_MAX, text), 310);
}

static void points_get_an_exponent_where_the_query_api_has_one(void **state)
{
    (void)state;
    check(number_format_point, 1e-7, "1e-07");
    check(number_format_point, 9.99e-7, "9.99e-07");
    check(number_format_point, 1e-6, "0.000001");
    check(number_format_point, 1.5e21, "1.5e+21");
    check(number_format_point, 999999999999999900000.0, "999999999999999900000");
    check(number_format_point, 1e100, "1e+100");
    check(number_format_point, -1e-300, "-1e-300");
}

static void expositions_get_an_exponent_as_in_go(void **state)
{
    (void)state;
    check(number_format_exposition, 100000, "100000");
    check(number_format_exposition, 1e6, "1e+06");
    check(number_format_exposition, 1234567, "1.234567e+06");
    check(number_format_exposition, 0.0001, "0.0001");
    check(number_format_exposition, 0.00001, "1e-05");
    check(number_format_exposition, 0, "0");
    check(number_format_e, 1, "1e+00");
    check(number_format_e, 0, "0e+00");
    check(number_format_e, -123, "-1.23e+02");
}

static void every_double_survives_being_written_and_read(void **state)
{
    (void)state;
    format_f *const all[] = {number_format_f, number_format_point, number_format_exposition,
                             number_format_e};
    struct rand r;
    rand_init(&r, 7);
    for (int i = 0; i < 20000; i++) {
        double v = bits_double(rand_u64(&r)), back = 0;
        char text[NUMBER_MAX];
        if (i % 2)
            v = (double)(int64_t)rand_below(&r, 1000000) / 1000;
        if (!isfinite(v))
            continue;
        for (size_t k = 0; k < COUNTOF(all); k++) {
            size_t n = all[k](v, text);
            assert_int_equal(number_parse(str_of(text, n), &back), 0);
            assert_true(double_bits(back) == double_bits(v));
        }
    }
}

static void a_bad_number_is_refused(void **state)
{
    (void)state;
    const char *const bad[] = {"",   "-",    ".",     "e5",       "1e",    "1e+",    "1 ",
                               " 1", "0x1",  "0x",    "0x1p",     "1.2.3", "--1",    "+-1",
                               "_1", "1_",   "1__0",  "1_.5",     "infin", "+nan",   "nane",
                               "1f", "0xp1", "1e5.0", "\xd9\xa1", "1,5",   "0x1.8p+"};
    double v = 42;
    for (size_t i = 0; i < COUNTOF(bad); i++) {
        assert_int_equal(number_parse(str_c(bad[i]), &v), -ERR_FORMAT);
        assert_true(v == 42);
    }
}

static void numbers_are_read_as_go_reads_them(void **state)
{
    (void)state;
    const struct {
        const char *text;
        double v;
    } good[] = {
        {"0", 0},
        {"+5", 5},
        {"-.5", -.5},
        {"5.", 5},
        {"1_000", 1000},
        {"1_23.50_0e+1_2", 123.5e12},
        {"0x1.8p1", 3},
        {"0X_1p-2", .25},
        {"1E3", 1000},
        {"Inf", INFINITY},
        {"+inf", INFINITY},
        {"-INFINITY", -INFINITY},
        {"1e-400", 0},
        {"0.1", 0.1},
        {"123456789.123456789", 123456789.123456789},
        {"00012", 12},
        {"1e22", 1e22},
        {"4.9e-324", 4.9e-324},
        {"999999999999999.9", 999999999999999.9},
    };
    for (size_t i = 0; i < COUNTOF(good); i++) {
        double v = 42;
        assert_int_equal(number_parse(str_c(good[i].text), &v), 0);
        assert_true(v == good[i].v);
    }
    double v;
    assert_int_equal(number_parse(STR("-0"), &v), 0);
    assert_true(signbit(v));
    assert_int_equal(number_parse(STR("NaN"), &v), 0);
    assert_true(double_bits(v) == 0x7ff8000000000001ULL);
    assert_int_equal(number_parse(STR("-1e999"), &v), -ERR_RANGE);
    assert_true(v == -INFINITY);
}

static void short_numbers_are_rounded_like_strtod(void **state)
{
    (void)state;
    struct rand r;
    rand_init(&r, 3);
    for (int i = 0; i < 50000; i++) {
        char text[40];
        int n = snprintf(text, sizeof text, "%llu.%0*llu",
                         (unsigned long long)rand_below(&r, 100000000), (int)rand_below(&r, 9) + 1,
                         (unsigned long long)rand_below(&r, 10000000));
        double v = 0;
        assert_int_equal(number_parse(str_of(text, (size_t)n), &v), 0);
        assert_true(v == strtod(text, NULL));
    }
}

static void a_number_is_read_up_to_what_is_none(void **state)
{
    static const struct {
        const char *text;
        double want;
        size_t n; /* read; 0: none is there */
    } CASES[] = {
        {"1 ", 1, 1},
        {"1.5e+06\n", 1.5e6, 7},
        {"+2}", 2, 2},
        {"-.5 7", -0.5, 3},
        {"9007199254740993 ", 9007199254740992.0, 16},
        {"18446744073709551616 ", 18446744073709551616.0, 20},
        {"100000000000000000000000 ", 1e23, 24},
        {"0.000000000000000000000000123 ", 1.23e-25, 29},
        {"123456789012345678901234567890e-20x", 1234567890.1234567, 34},
        {"1e-400 ", 0, 0},
        {"1e400 ", 0, 0},
        {"1e", 0, 0},
        {".", 0, 0},
        {"NaN", 0, 0},
        {"", 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < COUNTOF(CASES); i++) {
        const char *p = CASES[i].text;
        double v = 0;
        const char *behind = number_read(p, p + strlen(p), &v);
        assert_int_equal(behind ? behind - p : 0, CASES[i].n);
        assert_true(v == CASES[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_form_never_has_an_exponent),
        cmocka_unit_test(points_get_an_exponent_where_the_query_api_has_one),
        cmocka_unit_test(expositions_get_an_exponent_as_in_go),
        cmocka_unit_test(every_double_survives_being_written_and_read),
        cmocka_unit_test(a_bad_number_is_refused),
        cmocka_unit_test(numbers_are_read_as_go_reads_them),
        cmocka_unit_test(short_numbers_are_rounded_like_strtod),
        cmocka_unit_test(a_number_is_read_up_to_what_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
