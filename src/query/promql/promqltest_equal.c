/* When a value of an answer is the one expected. */
#include "query/promql/promqltest.h"

#include <math.h>

#include "model/sample.h"

bool promqltest_same_float(double want, double got)
{
    if (isnan(want) || isnan(got))
        return isnan(want) && isnan(got) && sample_is_stale(want) == sample_is_stale(got);
    if (want == got)
        return true;
    double sum = fabs(want) + fabs(got), gap = fabs(want - got);
    if (want == 0 || got == 0 || sum < 2.3e-308)
        return gap < 2.3e-314;
    return gap / fmin(sum, 1.7976931348623157e308) < 1e-6;
}

struct cells {
    int64_t index[2048];
    double count[2048];
    size_t n;
};

static void cells_of(const struct histogram_span *spans, uint32_t n, const double *counts,
                     struct cells *ret)
{
    int64_t index = 0;
    ret->n = 0;
    for (uint32_t i = 0, at = 0; i < n; i++) {
        index += spans[i].offset;
        for (uint32_t k = 0; k < spans[i].length; k++, index++, at++) {
            if (counts[at] == 0 || ret->n == COUNTOF(ret->index))
                continue;
            ret->index[ret->n] = index;
            ret->count[ret->n++] = counts[at];
        }
    }
}

static bool same_side(const struct histogram_span *as, uint32_t an, const double *ac,
                      const struct histogram_span *bs, uint32_t bn, const double *bc)
{
    static _Thread_local struct cells a, b;
    cells_of(as, an, ac, &a);
    cells_of(bs, bn, bc, &b);
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++) {
        if (a.index[i] != b.index[i] || !promqltest_same_float(a.count[i], b.count[i]))
            return false;
    }
    return true;
}

bool promqltest_same_histogram(const struct histogram *a, const struct histogram *b)
{
    if (a->schema != b->schema || a->zero_threshold != b->zero_threshold ||
        a->custom_n != b->custom_n)
        return false;
    for (uint32_t i = 0; i < a->custom_n; i++) {
        if (a->custom_bounds[i] != b->custom_bounds[i])
            return false;
    }
    return promqltest_same_float(a->count, b->count) && promqltest_same_float(a->sum, b->sum) &&
           promqltest_same_float(a->zero_count, b->zero_count) &&
           (a->reset == HISTOGRAM_RESET_UNKNOWN || a->reset == b->reset) &&
           same_side(a->positive_spans, a->positive_spans_n, a->positive, b->positive_spans,
                     b->positive_spans_n, b->positive) &&
           same_side(a->negative_spans, a->negative_spans_n, a->negative, b->negative_spans,
                     b->negative_spans_n, b->negative);
}
