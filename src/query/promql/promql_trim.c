/* The operators </ and >/: a native histogram without the observations above or below a limit.
 * Inside the bucket that holds the limit observations are taken as spread evenly (custom and zero
 * buckets) or evenly on a scale of logarithms. Of a bucket without a finite bound nothing is known:
 * it is kept or goes as a whole. The sum is worked out anew from the middles of what remains. */
#include "query/promql/promql_histogram.h"

#include <math.h>
#include <string.h>

struct trim {
    double limit;
    bool upper;              /* what lies above goes, else what lies below */
    bool even;               /* custom buckets */
    bool cut;                /* something went */
    bool positive, negative; /* filled buckets were seen */
    double count, sum;
};

/* What stands for all observations of an interval. */
static double middle_of(double lower, double upper, bool positive, bool even)
{
    if (isinf(lower) && isinf(upper))
        return 0;
    if (isinf(lower))
        return upper > 0 ? upper / 2 : upper;
    if (isinf(upper))
        return lower;
    if (even)
        return (lower + upper) / 2;
    double mean = sqrt(fabs(lower * upper));
    return positive ? mean : -mean;
}

/* How much of a bucket without one of its bounds stays. */
static double keep_open(const struct trim *t, double lower, double upper, double count,
                        double *ret_middle)
{
    double limit = t->limit;
    bool from_zero = isinf(lower) && isfinite(upper) && upper > 0 && limit < upper;
    *ret_middle = 0;
    if (t->upper) {
        if (from_zero && limit > 0) {
            *ret_middle = limit / 2;
            return count * limit / upper;
        }
        *ret_middle = limit;
        return isinf(lower) && upper <= 0 ? count : 0;
    }
    if (from_zero && limit >= 0) {
        *ret_middle = (limit + upper) / 2;
        return count * (1 - limit / upper);
    }
    *ret_middle = limit;
    return isfinite(lower) && limit >= lower ? count : 0;
}

/* How much of the bucket that holds the limit stays. */
static double keep_part(const struct trim *t, double lower, double upper, double count,
                        bool positive, double *ret_middle)
{
    if (isinf(lower) || isinf(upper))
        return keep_open(t, lower, upper, count, ret_middle);
    double limit = t->limit, below;
    if (t->even) {
        below = (limit - lower) / (upper - lower);
    } else {
        double l = log2(fabs(lower)), u = log2(fabs(upper)), v = log2(fabs(limit));
        below = positive ? (v - l) / (u - l) : 1 - (v - u) / (l - u);
    }
    *ret_middle = t->upper ? middle_of(lower, limit, positive, t->even)
                           : middle_of(limit, upper, positive, t->even);
    return t->upper ? count * below : count - count * below;
}

static double keep_bucket(struct trim *t, double lower, double upper, double count, bool positive)
{
    bool whole = t->upper ? upper <= t->limit : lower >= t->limit;
    bool none = t->upper ? !(lower < t->limit) : !(upper > t->limit);
    double kept = 0, middle = 0;
    if (whole) {
        kept = count;
        middle = middle_of(lower, upper, positive, t->even);
    } else if (!none) {
        kept = keep_part(t, lower, upper, count, positive, &middle);
    }
    t->cut |= kept != count;
    t->count += kept;
    t->sum += kept != 0 ? middle * kept : 0;
    return kept;
}

static double keep_zero(struct trim *t, const struct histogram *h)
{
    double lower = t->positive && !t->negative ? 0 : -h->zero_threshold;
    double upper = t->negative && !t->positive ? 0 : h->zero_threshold;
    double from = lower, to = upper;
    if (t->upper)
        to = t->limit <= lower ? lower : fmin(upper, t->limit);
    else
        from = t->limit >= upper ? upper : fmax(lower, t->limit);
    bool none = t->upper ? t->limit <= lower : t->limit >= upper && !(t->limit <= lower);
    bool whole = !none && from == lower && to == upper;
    double kept = none    ? 0
                  : whole ? h->zero_count
                          : h->zero_count * ((to - from) / (upper - lower));
    t->cut |= kept != h->zero_count;
    t->count += kept;
    t->sum += (from + to) / 2 * kept;
    return kept;
}

static void keep_side(struct engine *e, struct trim *t, const struct histogram *h, bool positive,
                      struct promql_side *ret)
{
    *ret = positive ? promql_side_of(e, h->positive_spans, h->positive_spans_n, h->positive)
                    : promql_side_of(e, h->negative_spans, h->negative_spans_n, h->negative);
    for (size_t i = 0; i < ret->n; i++) {
        if (ret->v[i] == 0)
            continue;
        int64_t index = ret->first + (int64_t)i;
        double low = promql_bucket_bound(h, index - 1), high = promql_bucket_bound(h, index);
        *(positive ? &t->positive : &t->negative) = true;
        ret->v[i] =
            keep_bucket(t, positive ? low : -high, positive ? high : -low, ret->v[i], positive);
    }
}

struct histogram *promql_histogram_trim(struct engine *e, const struct histogram *h, double limit,
                                        bool upper)
{
    struct histogram *r = promql_histogram_scale(e, h, 1);
    struct trim t = {.limit = limit, .upper = upper};
    t.even = h->schema == HISTOGRAM_SCHEMA_CUSTOM;
    struct promql_side p, q;
    keep_side(e, &t, h, true, &p);
    keep_side(e, &t, h, false, &q);
    double zero = h->zero_count > 0 ? keep_zero(&t, h) : h->zero_count;
    if (!t.cut)
        return r;
    r->zero_count = zero;
    r->count = t.count;
    r->sum = t.sum;
    promql_side_put(e, &p, &r->positive_spans, &r->positive_spans_n, &r->positive, &r->positive_n);
    promql_side_put(e, &q, &r->negative_spans, &r->negative_spans_n, &r->negative, &r->negative_n);
    return r;
}
