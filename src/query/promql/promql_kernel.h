/* query/promql/promql_kernel.h - the inner loops of evaluation over columns of doubles, one set per
 * kind of processor.
 *
 * All sets give the same bits for the same input but for window_sum, whose lanes add up in another
 * order; its sum is compensated, so that they differ in the last place at most.
 *
 * Source:  Neumaier (1974) for the sums.
 * Threads: pure functions; the choice is made once and may be overridden by tests.
 */
#ifndef QUERY_PROMQL_PROMQL_KERNEL_H
#define QUERY_PROMQL_PROMQL_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How rate, increase and delta extrapolate: the same at all steps of a run. */
struct promql_extrapolation {
    double to_start; /* seconds before the first sample */
    double sampled;  /* seconds from first to last */
    double factor;   /* of the whole, unless the counter's zero is nearer */
    double to_end;   /* seconds behind the last sample */
    double range;    /* what the answer is divided by */
    bool counter;
};

/* So much more than a limit counts as near it, until it has been looked at closely. */
#define PROMQL_NEARLY (1 + 1e-9)

/* What a window from a sample first gained. Without the division, unless sampled * (first / gained)
 * may be less than to_start; in the order of promql_rate(), so that both give the same to the last
 * bit. */
static inline double promql_extrapolated(const struct promql_extrapolation *x, double first,
                                         double gained)
{
    double factor = x->factor;
    if (x->counter && gained > 0 && first >= 0 &&
        !(x->sampled * first > x->to_start * PROMQL_NEARLY * gained)) {
        double to_zero = x->sampled * (first / gained);
        if (to_zero < x->to_start)
            factor = (x->sampled + to_zero + x->to_end) / x->sampled / x->range;
    }
    return gained * factor;
}

struct promql_kernel {
    const char *name;

    /* Is no value NaN, and none below the one before it? */
    bool (*rising)(const double *v, size_t n);
    /* Is one of them NaN? */
    bool (*any_nan)(const double *v, size_t n);
    /* Adds v[i] to the compensated sum sum[i], c[i] (promql_sum_add). */
    void (*add)(const double *v, size_t n, double *sum, double *c);
    /* best[i] = the greater (less) of best[i] and v[i]; v's NaN lose, best's too. */
    void (*greatest)(const double *v, size_t n, double *best);
    void (*least)(const double *v, size_t n, double *best);
    /* ret[i] = what n windows rose by, from first[i] to last[i], extrapolated. */
    void (*rate)(const double *first, const double *last, size_t n,
                 const struct promql_extrapolation *x, double *ret);
    /* All values of one window, which has one at least and no NaN. */
    void (*window_sum)(const double *v, size_t n, double *ret_sum, double *ret_c);
    double (*window_greatest)(const double *v, size_t n);
    double (*window_least)(const double *v, size_t n);
    /* ret[i] = l[i] op r[i] */
    void (*plus)(const double *l, const double *r, size_t n, double *ret);
    void (*minus)(const double *l, const double *r, size_t n, double *ret);
    void (*times)(const double *l, const double *r, size_t n, double *ret);
    void (*over)(const double *l, const double *r, size_t n, double *ret);
};

/* The best set for this processor. */
const struct promql_kernel *promql_kernel(void);

/* Set i of those that this processor can run, NULL behind the last. */
const struct promql_kernel *promql_kernel_at(size_t i);

/* Makes promql_kernel() answer k, for tests; NULL: the best again. */
void promql_kernel_use(const struct promql_kernel *k);

/* Sets of their own files; NULL where this processor lacks the instructions. */
const struct promql_kernel *promql_kernel_plain(void);
const struct promql_kernel *promql_kernel_avx2(void);
const struct promql_kernel *promql_kernel_avx512(void);

#endif
