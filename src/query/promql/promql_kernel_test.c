#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "base/rand.h"
#include "query/promql/promql_engine.h"
#include "query/promql/promql_kernel.h"

enum { MOST = 100, ROUNDS = 3000 };

/* Values of one kind: smooth, falling now and then, with infinities, with NaN, huge. */
static void fill(struct rand *r, double *v, size_t n)
{
    static const double odd[] = {INFINITY, -INFINITY, 0, -0.0, 1e308, -1e308, 5e-324, 1e-300};
    unsigned how = (unsigned)rand_below(r, 5);
    double at = (double)rand_below(r, 1000);
    for (size_t i = 0; i < n; i++) {
        at += (double)rand_below(r, 100) / 10 * (how ? 1 : rand_below(r, 20) ? 1 : -30);
        v[i] = how == 1 ? -at : at;
        if (how >= 2 && rand_below(r, 10) == 0)
            v[i] = odd[rand_below(r, COUNTOF(odd))];
        if (how == 4 && rand_below(r, 10) == 0)
            v[i] = NAN;
    }
}

static void assert_same(const double *a, const double *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (isnan(a[i]) && isnan(b[i]))
            continue;
        assert_memory_equal(&a[i], &b[i], sizeof a[i]);
    }
}

struct input {
    double a[MOST + 1], b[MOST + 1], c[MOST + 1], d[MOST + 1];
    size_t n;
};

static void input_make(struct rand *r, struct input *in)
{
    in->n = rand_below(r, MOST);
    fill(r, in->a, in->n);
    fill(r, in->b, in->n);
    fill(r, in->c, in->n);
    fill(r, in->d, in->n);
}

static void every_set_finds_what_rises_and_what_is_no_number(void **state)
{
    struct rand r;
    struct input in;
    (void)state;
    rand_init(&r, 1);
    for (size_t round = 0; round < ROUNDS; round++) {
        input_make(&r, &in);
        bool rises = true, nan = false;
        for (size_t i = 0; i < in.n; i++) {
            nan |= isnan(in.a[i]);
            rises &= !isnan(in.a[i]) && (i == 0 || in.a[i] >= in.a[i - 1]);
        }
        for (size_t k = 0; promql_kernel_at(k); k++) {
            assert_int_equal(promql_kernel_at(k)->rising(in.a, in.n), rises);
            assert_int_equal(promql_kernel_at(k)->any_nan(in.a, in.n), nan);
        }
    }
}

static void every_set_adds_as_one_value_after_the_other(void **state)
{
    struct rand r;
    struct input in;
    (void)state;
    rand_init(&r, 2);
    for (size_t round = 0; round < ROUNDS; round++) {
        input_make(&r, &in);
        double sum[MOST], c[MOST];
        memcpy(sum, in.b, in.n * sizeof *sum);
        memcpy(c, in.c, in.n * sizeof *c);
        for (size_t i = 0; i < in.n; i++)
            promql_sum_add(in.a[i], &sum[i], &c[i]);
        for (size_t k = 0; promql_kernel_at(k); k++) {
            double s2[MOST], c2[MOST];
            memcpy(s2, in.b, in.n * sizeof *s2);
            memcpy(c2, in.c, in.n * sizeof *c2);
            promql_kernel_at(k)->add(in.a, in.n, s2, c2);
            assert_same(sum, s2, in.n);
            assert_same(c, c2, in.n);
        }
    }
}

static void every_set_keeps_the_greatest_and_the_least(void **state)
{
    struct rand r;
    struct input in;
    (void)state;
    rand_init(&r, 3);
    for (size_t round = 0; round < ROUNDS; round++) {
        input_make(&r, &in);
        double high[MOST], low[MOST];
        for (size_t i = 0; i < in.n; i++) {
            high[i] = in.a[i] > in.b[i] || isnan(in.b[i]) ? in.a[i] : in.b[i];
            low[i] = in.a[i] < in.b[i] || isnan(in.b[i]) ? in.a[i] : in.b[i];
        }
        for (size_t k = 0; promql_kernel_at(k); k++) {
            double best[MOST];
            memcpy(best, in.b, in.n * sizeof *best);
            promql_kernel_at(k)->greatest(in.a, in.n, best);
            assert_same(best, high, in.n);
            memcpy(best, in.b, in.n * sizeof *best);
            promql_kernel_at(k)->least(in.a, in.n, best);
            assert_same(best, low, in.n);
        }
    }
}

static void every_set_extrapolates_alike(void **state)
{
    struct rand r;
    struct input in;
    (void)state;
    rand_init(&r, 4);
    for (size_t round = 0; round < ROUNDS; round++) {
        input_make(&r, &in);
        struct promql_extrapolation x = {.to_start = (double)rand_below(&r, 20),
                                         .sampled = 200 + (double)rand_below(&r, 9),
                                         .to_end = 7,
                                         .range = 300,
                                         .counter = rand_below(&r, 2)};
        x.factor = (x.sampled + x.to_start + x.to_end) / x.sampled / x.range;
        double wanted[MOST], ret[MOST];
        for (size_t i = 0; i < in.n; i++) {
            double gained = in.b[i] - in.a[i], to_start = x.to_start;
            if (x.counter && gained > 0 && in.a[i] >= 0)
                to_start = fmin(to_start, x.sampled * (in.a[i] / gained));
            wanted[i] = gained * ((x.sampled + to_start + x.to_end) / x.sampled / x.range);
        }
        for (size_t k = 0; promql_kernel_at(k); k++) {
            promql_kernel_at(k)->rate(in.a, in.b, in.n, &x, ret);
            assert_same(ret, wanted, in.n);
        }
    }
}

static void every_set_sums_a_window_to_the_last_digit_but_one(void **state)
{
    struct rand r;
    struct input in;
    (void)state;
    rand_init(&r, 5);
    for (size_t round = 0; round < ROUNDS; round++) {
        input_make(&r, &in);
        if (in.n == 0 || promql_kernel_plain()->any_nan(in.a, in.n))
            continue;
        double sum = 0, c = 0, high = in.a[0], low = in.a[0];
        for (size_t i = 0; i < in.n; i++) {
            promql_sum_add(in.a[i], &sum, &c);
            high = in.a[i] > high ? in.a[i] : high;
            low = in.a[i] < low ? in.a[i] : low;
        }
        for (size_t k = 0; promql_kernel_at(k); k++) {
            double s2, c2;
            promql_kernel_at(k)->window_sum(in.a, in.n, &s2, &c2);
            if (isfinite(sum) && isfinite(s2))
                assert_true(fabs(sum + c - (s2 + c2)) <= fabs(sum + c) * 1e-14);
            assert_true(promql_kernel_at(k)->window_greatest(in.a, in.n) == high);
            assert_true(promql_kernel_at(k)->window_least(in.a, in.n) == low);
        }
    }
}

static void every_set_calculates_alike(void **state)
{
    struct rand r;
    struct input in;
    (void)state;
    rand_init(&r, 6);
    for (size_t round = 0; round < ROUNDS; round++) {
        input_make(&r, &in);
        double wanted[4][MOST], ret[MOST];
        for (size_t i = 0; i < in.n; i++) {
            wanted[0][i] = in.a[i] + in.b[i];
            wanted[1][i] = in.a[i] - in.b[i];
            wanted[2][i] = in.a[i] * in.b[i];
            wanted[3][i] = in.a[i] / in.b[i];
        }
        for (size_t k = 0; promql_kernel_at(k); k++) {
            const struct promql_kernel *set = promql_kernel_at(k);
            set->plus(in.a, in.b, in.n, ret);
            assert_same(ret, wanted[0], in.n);
            set->minus(in.a, in.b, in.n, ret);
            assert_same(ret, wanted[1], in.n);
            set->times(in.a, in.b, in.n, ret);
            assert_same(ret, wanted[2], in.n);
            set->over(in.a, in.b, in.n, ret);
            assert_same(ret, wanted[3], in.n);
        }
    }
}

static void the_choice_can_be_overridden(void **state)
{
    (void)state;
    promql_kernel_use(promql_kernel_plain());
    assert_ptr_equal(promql_kernel(), promql_kernel_plain());
    promql_kernel_use(NULL);
    assert_ptr_equal(promql_kernel(), promql_kernel_at(0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_set_finds_what_rises_and_what_is_no_number),
        cmocka_unit_test(every_set_adds_as_one_value_after_the_other),
        cmocka_unit_test(every_set_keeps_the_greatest_and_the_least),
        cmocka_unit_test(every_set_extrapolates_alike),
        cmocka_unit_test(every_set_sums_a_window_to_the_last_digit_but_one),
        cmocka_unit_test(every_set_calculates_alike),
        cmocka_unit_test(the_choice_can_be_overridden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
