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
#include "base/rand.h"
#include "text/number.h"
#include "text/number_shortest.h"

/* The same digits as the library of C++ finds. */
static void assert_shortest(double v)
{
    char wanted[24], digits[24];
    int exponent, wanted_exponent;
    size_t wanted_n = number_digits(v, wanted, &wanted_exponent);
    uint64_t whole = number_shortest(v, &exponent);
    size_t n = number_whole(whole, digits);
    if (n != wanted_n || memcmp(digits, wanted, n) != 0 || exponent + (int)n != wanted_exponent)
        fail_msg("%a: %.*s e%d, not %.*s e%d", v, (int)n, digits, exponent + (int)n, (int)wanted_n,
                 wanted, wanted_exponent);
}

static void any_bits_give_the_fewest_digits(void **state)
{
    struct rand r;
    (void)state;
    rand_init(&r, 1);
    for (size_t i = 0; i < 1000000; i++) {
        double v = fabs(bits_double(rand_u64(&r)));
        if (isfinite(v) && v > 0)
            assert_shortest(v);
    }
}

static void decimals_and_rates_give_the_fewest_digits(void **state)
{
    static const double tens[] = {1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e9, 1e15, 1e22};
    struct rand r;
    (void)state;
    rand_init(&r, 2);
    for (size_t i = 0; i < 500000; i++) {
        double whole = (double)(1 + rand_below(&r, 1ull << (1 + rand_below(&r, 52))));
        assert_shortest(whole / tens[rand_below(&r, COUNTOF(tens))]);
        assert_shortest(whole * tens[rand_below(&r, COUNTOF(tens))]);
        assert_shortest(whole / 300);
    }
}

static void ends_and_powers_give_the_fewest_digits(void **state)
{
    (void)state;
    assert_shortest(DBL_MAX);
    assert_shortest(DBL_MIN);
    assert_shortest(DBL_TRUE_MIN);
    for (int e = -1074; e < 1024; e++) {
        assert_shortest(ldexp(1, e));
        assert_shortest(nextafter(ldexp(1, e), 0) > 0 ? nextafter(ldexp(1, e), 0) : 1);
        assert_shortest(nextafter(ldexp(1, e), INFINITY));
    }
    for (int e = -323; e < 309; e++) {
        char text[16];
        snprintf(text, sizeof text, "1e%d", e);
        assert_shortest(strtod(text, NULL));
    }
}

static void whole_numbers_are_written_as_they_are(void **state)
{
    struct rand r;
    (void)state;
    rand_init(&r, 3);
    for (size_t i = 0; i < 200000; i++) {
        char wanted[32], digits[24];
        uint64_t v = rand_u64(&r) >> rand_below(&r, 64);
        int n = snprintf(wanted, sizeof wanted, "%llu", (unsigned long long)v);
        assert_int_equal(number_whole(v, digits), n);
        assert_memory_equal(digits, wanted, (size_t)n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_bits_give_the_fewest_digits),
        cmocka_unit_test(decimals_and_rates_give_the_fewest_digits),
        cmocka_unit_test(ends_and_powers_give_the_fewest_digits),
        cmocka_unit_test(whole_numbers_are_written_as_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
