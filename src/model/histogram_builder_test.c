#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "base/rand.h"
#include "model/histogram_builder.h"

static struct histogram_builder builder;
static struct arena arena;

static int set_up(void **state)
{
    histogram_builder_init(&builder);
    arena_init(&arena);
    return 0;
}

static int tear_down(void **state)
{
    histogram_builder_done(&builder);
    arena_done(&arena);
    return 0;
}

static struct histogram view(void)
{
    struct histogram h;
    struct why why = {0};
    histogram_builder_view(&builder, &arena, &h);
    if (histogram_check(&h, &why) != 0)
        fail_msg("%s", why.text);
    return h;
}

/* The count of the bucket with that index on the positive or negative side. */
static double bucket(const struct histogram *h, bool positive, int32_t wanted)
{
    const struct histogram_span *spans = positive ? h->positive_spans : h->negative_spans;
    uint32_t n = positive ? h->positive_spans_n : h->negative_spans_n;
    const double *counts = positive ? h->positive : h->negative;
    int32_t index = 0;
    for (uint32_t i = 0; i < n; i++) {
        index += spans[i].offset;
        for (uint32_t k = 0; k < spans[i].length; k++, index++, counts++)
            if (index == wanted)
                return *counts;
    }
    return 0;
}

static void nothing_counted_is_an_empty_histogram(void **state)
{
    struct histogram h = view();
    assert_true(h.count == 0 && h.sum == 0 && h.positive_n == 0 && h.negative_n == 0);
    assert_int_equal(h.schema, HISTOGRAM_BUILDER_SCHEMA);
}

static void a_bound_belongs_to_the_bucket_below_it(void **state)
{
    histogram_builder_add(&builder, 1, 1); /* (2^-1/8, 1] is bucket 0 */
    histogram_builder_add(&builder, nextafter(1, 2), 1);
    histogram_builder_add(&builder, 2, 1);
    histogram_builder_add(&builder, 0.5, 1);
    struct histogram h = view();
    assert_true(bucket(&h, true, 0) == 1);
    assert_true(bucket(&h, true, 1) == 1);
    assert_true(bucket(&h, true, 8) == 1);
    assert_true(bucket(&h, true, -8) == 1);
    assert_true(h.count == 4);
}

static void every_value_lies_within_the_bounds_of_its_bucket(void **state)
{
    struct rand r;
    rand_init(&r, 7);
    for (int i = 0; i < 2000; i++) {
        double v = exp2((rand_unit(&r) - 0.5) * 40);
        histogram_builder_init(&builder);
        histogram_builder_add(&builder, v, 1);
        struct histogram h = view();
        int32_t index = h.positive_spans[0].offset;
        assert_int_equal(h.positive_n, 1);
        assert_true(v <= exp2(index / 8.0) * (1 + 1e-15));
        assert_true(v > exp2((index - 1) / 8.0) * (1 - 1e-15));
        histogram_builder_done(&builder);
    }
}

static void signs_and_zeros_are_kept_apart(void **state)
{
    histogram_builder_add(&builder, 0, 2);
    histogram_builder_add(&builder, -0.0, 1);
    histogram_builder_add(&builder, 1e-39, 1);
    histogram_builder_add(&builder, -4, 3);
    histogram_builder_add(&builder, 4, 1);
    struct histogram h = view();
    assert_true(h.zero_count == 4);
    assert_true(bucket(&h, false, 16) == 3);
    assert_true(bucket(&h, true, 16) == 1);
    assert_true(h.count == 8 && fabs(h.sum - -8) < 1e-9);
}

static void far_values_coarsen_all_buckets_and_lose_none(void **state)
{
    struct rand r;
    rand_init(&r, 9);
    for (int i = 0; i < 1000; i++)
        histogram_builder_add(&builder, 1 + rand_unit(&r), 1);
    histogram_builder_add(&builder, -3, 1);
    assert_int_equal(builder.schema, 3);
    histogram_builder_add(&builder, 1e-30, 1);
    histogram_builder_add(&builder, 1e30, 1);
    assert_int_equal(builder.schema, 1);
    struct histogram h = view();
    assert_true(h.count == 1003);
    /* At schema 1 the values in (1, 2] are in buckets 1 and 2. */
    assert_true(bucket(&h, true, 1) + bucket(&h, true, 2) + bucket(&h, true, 0) == 1000);
    assert_true(bucket(&h, false, 4) == 1); /* (2^1.5, 4] */
    assert_true(builder.positive.n <= HISTOGRAM_BUILDER_WIDTH_MAX);
}

static void the_smallest_and_the_largest_doubles_fit_together(void **state)
{
    histogram_builder_add(&builder, 1.7976931348623157e308, 1);
    histogram_builder_add(&builder, 0x1p-127, 1);
    histogram_builder_add(&builder, -0x1p-127, 1);
    struct histogram h = view();
    assert_true(h.count == 3 && h.positive_n == 2 && h.negative_n == 1);
    assert_true(builder.schema >= HISTOGRAM_SCHEMA_MIN);
}

static void coarsening_gives_what_counting_coarsely_gives(void **state)
{
    double values[500];
    struct rand r;
    rand_init(&r, 11);
    for (size_t i = 0; i < COUNTOF(values); i++) {
        values[i] = exp2((rand_unit(&r) - 0.5) * 60) * (i % 3 ? 1 : -1);
        histogram_builder_add(&builder, values[i], 1);
    }
    histogram_builder_add(&builder, 0x1p-120, 1);
    histogram_builder_add(&builder, 0x1p120, 1);
    struct histogram h = view();
    double width = exp2(-h.schema);
    assert_true(h.schema < 3);
    for (size_t i = 0; i < COUNTOF(values); i++) {
        int32_t index = (int32_t)ceil(log2(fabs(values[i])) / width);
        assert_true(bucket(&h, values[i] > 0, index) >= 1);
    }
    assert_true(h.count == COUNTOF(values) + 2);
}

static void long_gaps_begin_a_span_and_short_ones_do_not(void **state)
{
    histogram_builder_add(&builder, exp2(1 / 8.0 - 0.01), 1); /* bucket 1 */
    histogram_builder_add(&builder, exp2(4 / 8.0 - 0.01), 1); /* bucket 4: two empty between */
    histogram_builder_add(&builder, exp2(9 / 8.0 - 0.01), 1); /* bucket 9: four empty between */
    struct histogram h = view();
    assert_int_equal(h.positive_spans_n, 2);
    assert_int_equal(h.positive_spans[0].offset, 1);
    assert_int_equal(h.positive_spans[0].length, 4);
    assert_int_equal(h.positive_spans[1].offset, 4);
    assert_int_equal(h.positive_spans[1].length, 1);
    assert_int_equal(h.positive_n, 5);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(nothing_counted_is_an_empty_histogram),
        CASE(a_bound_belongs_to_the_bucket_below_it),
        CASE(every_value_lies_within_the_bounds_of_its_bucket),
        CASE(signs_and_zeros_are_kept_apart),
        CASE(far_values_coarsen_all_buckets_and_lose_none),
        CASE(the_smallest_and_the_largest_doubles_fit_together),
        CASE(coarsening_gives_what_counting_coarsely_gives),
        CASE(long_gaps_begin_a_span_and_short_ones_do_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
