#include "client/metric/buckets.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/metric/source.h"

/* The bucket by Prometheus's definition: the smallest i with value <= 2^(i/8), with its own table
 * of boundaries for the fraction. */
static long plain_index(double value)
{
    static const double bounds[8] = {0.5,
                                     0.5452538663326288,
                                     0.5946035575013605,
                                     0.6484197773255048,
                                     0.7071067811865475,
                                     0.7711054127039704,
                                     0.8408964152537144,
                                     0.9170040432046711};
    int exponent;
    double fraction = frexp(value, &exponent);
    long k = 0;
    while (k < 8 && bounds[k] < fraction) {
        k++;
    }
    return k + (exponent - 1L) * 8;
}

static size_t clamped(long key)
{
    long i = key - BUCKETS_FIRST;
    return i < 0 ? 0 : i < BUCKETS_N ? (size_t)i : BUCKETS_N - 1;
}

static void a_value_lies_in_the_bucket_of_prometheus(void **state)
{
    srand48(6);
    for (int i = 0; i < 300000; i++) {
        double v = exp2(drand48() * 70 - 33);
        assert_int_equal(buckets_index(v), clamped(plain_index(v)));
    }
    for (int k = -260; k < 290; k++) { /* on the boundaries, and one bit beside them */
        double v = exp2(k / 8.0);
        for (int side = -1; side <= 1; side++) {
            double w = side < 0 ? nextafter(v, 0) : side > 0 ? nextafter(v, INFINITY) : v;
            assert_int_equal(buckets_index(w), clamped(plain_index(w)));
        }
    }
}

static void values_outside_the_range_count_at_its_ends(void **state)
{
    assert_int_equal(buckets_index(1e-300), 0);
    assert_int_equal(buckets_index(5e-324), 0);
    assert_int_equal(buckets_index(1e300), BUCKETS_N - 1);
}

static void zero_and_less_count_as_zero_and_no_numbers_do_not(void **state)
{
    struct buckets *b = calloc(1, sizeof *b);
    struct buckets_sum sum = {0};
    buckets_observe(b, 0);
    buckets_observe(b, -3);
    buckets_observe(b, NAN);
    buckets_observe(b, INFINITY);
    buckets_observe(b, -INFINITY);
    buckets_observe(b, 2);
    buckets_fold(b, &sum);
    assert_int_equal(sum.count, 3);
    assert_int_equal(sum.zero, 2);
    assert_true(sum.sum == -1);
    buckets_clear(b);
    struct buckets_sum none = {0};
    buckets_fold(b, &none);
    assert_int_equal(none.count, 0);
    free(b);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void a_quantile_is_within_half_a_bucket_of_the_true_one(void **state)
{
    enum { N = 20000 };
    double *v = malloc(N * sizeof *v);
    struct buckets *b = calloc(1, sizeof *b);
    struct buckets_sum sum = {0};
    srand48(3);
    for (int i = 0; i < N; i++) {
        v[i] = exp(drand48() * 8 - 6);
        buckets_observe(b, v[i]);
    }
    qsort(v, N, sizeof *v, by_size);
    buckets_fold(b, &sum);
    for (int i = 1; i < 100; i++) {
        double q = i / 100.0, truth = v[(size_t)(q * N)], got = buckets_quantile(&sum, q);
        assert_true(got > truth / 1.0906 && got < truth * 1.0906);
    }
    assert_true(buckets_quantile(&sum, 1) >= v[N - 1]);
    assert_true(isnan(buckets_quantile(&sum, 2)));
    struct buckets_sum none = {0};
    assert_true(isnan(buckets_quantile(&none, 0.5)));
    free(b);
    free(v);
}

static void a_quantile_interpolates_exponentially_as_prometheus_does(void **state)
{
    struct buckets_sum sum = {.count = 4};
    sum.bucket[8 - BUCKETS_FIRST] = 4; /* (2^(7/8), 2] */
    assert_true(fabs(buckets_quantile(&sum, 0.5) - exp2(15 / 16.0)) < 1e-12);
    sum.zero = 4;
    sum.count = 8;
    assert_true(buckets_quantile(&sum, 0.25) == 0);
    assert_true(fabs(buckets_quantile(&sum, 1) - 2) < 1e-12);
}

static void a_native_histogram_is_trimmed_to_its_buckets(void **state)
{
    struct buckets_sum sum = {.count = 6, .zero = 1, .sum = 9.5};
    sum.bucket[0 - BUCKETS_FIRST] = 2;  /* (2^(-1/8), 1] */
    sum.bucket[16 - BUCKETS_FIRST] = 3; /* ..4] */
    struct source_histogram h;
    buckets_native(&sum, &h);
    assert_int_equal(h.schema, 3);
    assert_int_equal(h.positive_offset, 0);
    assert_int_equal(h.positive_n, 17);
    assert_int_equal(h.positive[0], 2);
    assert_int_equal(h.positive[16], 3);
    assert_int_equal(h.count, 6);
    assert_int_equal(h.zero_count, 1);
    struct buckets_sum base = {.count = 2, .sum = 1};
    base.bucket[0 - BUCKETS_FIRST] = 2;
    buckets_less(&sum, &base);
    buckets_native(&sum, &h);
    assert_int_equal(h.positive_offset, 16);
    assert_int_equal(h.positive_n, 1);
    assert_true(h.sum == 8.5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_lies_in_the_bucket_of_prometheus),
        cmocka_unit_test(values_outside_the_range_count_at_its_ends),
        cmocka_unit_test(zero_and_less_count_as_zero_and_no_numbers_do_not),
        cmocka_unit_test(a_quantile_is_within_half_a_bucket_of_the_true_one),
        cmocka_unit_test(a_quantile_interpolates_exponentially_as_prometheus_does),
        cmocka_unit_test(a_native_histogram_is_trimmed_to_its_buckets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
