/* query/promql/promql_kernel_body.h - the loops of promql_kernel.h, written once for vectors of
 * LANES doubles and compiled for each processor: ISA is the attribute of their functions, SET the
 * name of the table.
 *
 * Threads: pure functions.
 */
#ifndef QUERY_PROMQL_PROMQL_KERNEL_BODY_H
#define QUERY_PROMQL_PROMQL_KERNEL_BODY_H

#include <math.h>
#include <string.h>

#include "base/attr.h"
#include "base/bits.h"
#include "query/promql/promql_engine.h"
#include "query/promql/promql_kernel.h"

#ifndef LANES
#define LANES 2
#define ISA
#define SET promql_kernel_header_alone
#endif

typedef double vec __attribute__((vector_size(LANES * 8)));
typedef int64_t mask __attribute__((vector_size(LANES * 8)));
typedef double loose_vec __attribute__((vector_size(LANES * 8), aligned(8), may_alias));

#define LOAD(p)         (*(const loose_vec *)(p))
#define STORE(p, v)     (*(loose_vec *)(p) = (v))
#define CHOOSE(m, a, b) ((vec)(((mask)(a) & (m)) | ((mask)(b) & ~(m))))
#define ABSOLUTE(v)     ((vec)((mask)(v)&INT64_MAX))

ISA static bool any_of(const mask *m)
{
    int64_t any = 0;
    for (size_t i = 0; i < LANES; i++)
        any |= (*m)[i];
    return any != 0;
}

ISA static bool rising(const double *v, size_t n)
{
    mask bad = {0};
    size_t i = 1;
    for (; i + LANES <= n; i += LANES)
        bad |= ~(mask)(LOAD(v + i) >= LOAD(v + i - 1));
    bool good = !any_of(&bad) && (n == 0 || v[0] == v[0]);
    for (; i < n && good; i++)
        good = v[i] >= v[i - 1];
    return good;
}

ISA static bool any_nan(const double *v, size_t n)
{
    mask bad = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        vec x = LOAD(v + i);
        bad |= (mask)(x != x);
    }
    bool any = any_of(&bad);
    for (; i < n && !any; i++)
        any = v[i] != v[i];
    return any;
}

/* One step of promql_sum_add() in every lane. */
#define SUM_ADD(v, s, c)                                                                           \
    do {                                                                                           \
        vec t_ = (s) + (v);                                                                        \
        mask big_ = (mask)(ABSOLUTE(s) >= ABSOLUTE(v));                                            \
        vec rest_ = (CHOOSE(big_, s, v) - t_) + CHOOSE(big_, v, s);                                \
        mask infinite_ = (mask)(ABSOLUTE(t_) == (vec){0} + (double)INFINITY);                      \
        (c) = (vec)((mask)((c) + rest_) & ~infinite_);                                             \
        (s) = t_;                                                                                  \
    } while (0)

ISA static void add(const double *v, size_t n, double *sum, double *c)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        vec x = LOAD(v + i), s = LOAD(sum + i), k = LOAD(c + i);
        SUM_ADD(x, s, k);
        STORE(sum + i, s);
        STORE(c + i, k);
    }
    for (; i < n; i++)
        promql_sum_add(v[i], &sum[i], &c[i]);
}

ISA static void greatest(const double *v, size_t n, double *best)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        vec x = LOAD(v + i), b = LOAD(best + i);
        mask take = (mask)(x > b) | (mask)(b != b);
        STORE(best + i, CHOOSE(take, x, b));
    }
    for (; i < n; i++)
        best[i] = v[i] > best[i] || best[i] != best[i] ? v[i] : best[i];
}

ISA static void least(const double *v, size_t n, double *best)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        vec x = LOAD(v + i), b = LOAD(best + i);
        mask take = (mask)(x < b) | (mask)(b != b);
        STORE(best + i, CHOOSE(take, x, b));
    }
    for (; i < n; i++)
        best[i] = v[i] < best[i] || best[i] != best[i] ? v[i] : best[i];
}

ISA static void rate(const double *first, const double *last, size_t n,
                     const struct promql_extrapolation *x, double *ret)
{
    mask near = {0};
    vec factor = (vec){0} + x->factor, sampled = (vec){0} + x->sampled,
        to_start = (vec){0} + x->to_start * PROMQL_NEARLY;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        vec f = LOAD(first + i), gained = LOAD(last + i) - f;
        near |= (mask)(gained > 0) & (mask)(f >= 0) & ~(mask)(sampled * f > to_start * gained);
        STORE(ret + i, gained * factor);
    }
    for (i = x->counter && any_of(&near) ? 0 : i; i < n; i++)
        ret[i] = promql_extrapolated(x, first[i], last[i] - first[i]);
}

ISA static void window_sum(const double *v, size_t n, double *ret_sum, double *ret_c)
{
    vec s = {0}, c = {0};
    double sum = 0, rest = 0;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        vec x = LOAD(v + i);
        SUM_ADD(x, s, c);
    }
    for (; i < n; i++)
        promql_sum_add(v[i], &sum, &rest);
    for (size_t k = 0; k < LANES; k++) {
        promql_sum_add(s[k], &sum, &rest);
        rest += c[k];
    }
    *ret_sum = sum;
    *ret_c = rest;
}

ISA static double window_greatest(const double *v, size_t n)
{
    double best = v[0];
    size_t i = 0;
    if (n >= LANES) {
        vec b = LOAD(v);
        for (i = LANES; i + LANES <= n; i += LANES) {
            vec x = LOAD(v + i);
            b = CHOOSE((mask)(x > b), x, b);
        }
        for (size_t k = 0; k < LANES; k++)
            best = b[k] > best ? b[k] : best;
    }
    for (; i < n; i++)
        best = v[i] > best ? v[i] : best;
    return best;
}

ISA static double window_least(const double *v, size_t n)
{
    double best = v[0];
    size_t i = 0;
    if (n >= LANES) {
        vec b = LOAD(v);
        for (i = LANES; i + LANES <= n; i += LANES) {
            vec x = LOAD(v + i);
            b = CHOOSE((mask)(x < b), x, b);
        }
        for (size_t k = 0; k < LANES; k++)
            best = b[k] < best ? b[k] : best;
    }
    for (; i < n; i++)
        best = v[i] < best ? v[i] : best;
    return best;
}

#define ELEMENTS(name, op)                                                                         \
    ISA static void name(const double *l, const double *r, size_t n, double *ret)                  \
    {                                                                                              \
        size_t i = 0;                                                                              \
        for (; i + LANES <= n; i += LANES)                                                         \
            STORE(ret + i, LOAD(l + i) op LOAD(r + i));                                            \
        for (; i < n; i++)                                                                         \
            ret[i] = l[i] op r[i];                                                                 \
    }

ELEMENTS(plus, +)
ELEMENTS(minus, -)
ELEMENTS(times, *)
ELEMENTS(over, /)

#endif
