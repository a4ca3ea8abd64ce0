#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "base/rand.h"
#include "query/promql/promql_engine.h"

enum { VALUES_MAX = 300, ROUNDS = 20000 };

static void fill(struct rand *r, double *v, size_t n)
{
    unsigned how = (unsigned)rand_below(r, 5);
    for (size_t i = 0; i < n; i++) {
        v[i] = how == 0   ? (double)i
               : how == 1 ? (double)(n - i)
               : how == 2 ? (double)rand_below(r, 3)
                          : (double)rand_below(r, 100000) / 7;
        if (how == 4 && rand_below(r, 3) == 0)
            v[i] = NAN;
        if (how == 3 && rand_below(r, 20) == 0)
            v[i] = rand_below(r, 2) ? INFINITY : -INFINITY;
    }
}

static void a_quantile_of_values_in_any_order_is_that_of_sorted_ones(void **state)
{
    static const double odd[] = {0, 1, 0.5, -1, 2, NAN, 0.999999, 1e-9};
    struct rand r;
    (void)state;
    rand_init(&r, 1);
    for (size_t round = 0; round < ROUNDS; round++) {
        double v[VALUES_MAX], sorted[VALUES_MAX];
        size_t n = rand_below(&r, VALUES_MAX);
        double q = rand_below(&r, 2) ? (double)rand_below(&r, 1001) / 1000
                                     : odd[rand_below(&r, COUNTOF(odd))];
        fill(&r, v, n);
        memcpy(sorted, v, n * sizeof *v);
        promql_sort_values(sorted, n);
        double wanted = promql_quantile_sorted(q, sorted, n), got = promql_quantile_of(q, v, n);
        assert_true(got == wanted || (isnan(got) && isnan(wanted)));
        promql_sort_values(v, n); /* nothing has been lost */
        for (size_t i = 0; i < n; i++)
            assert_true(v[i] == sorted[i] || (isnan(v[i]) && isnan(sorted[i])));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_quantile_of_values_in_any_order_is_that_of_sorted_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
