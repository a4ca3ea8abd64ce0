#include "scrape/native_limit.h"

#include <math.h>

/* The finest schema whose buckets grow by at least factor. */
static int32_t finest(double factor)
{
    if (!(factor > 1))
        return HISTOGRAM_SCHEMA_MAX;
    double schema = floor(-log2(log2(factor)));
    if (schema >= HISTOGRAM_SCHEMA_MAX)
        return HISTOGRAM_SCHEMA_MAX;
    return schema <= HISTOGRAM_SCHEMA_MIN ? HISTOGRAM_SCHEMA_MIN : (int32_t)schema;
}

/* The index of the wider bucket that bucket i becomes a part of. */
static int64_t wider(int64_t i, unsigned shift)
{
    return ((i - 1) >> shift) + 1;
}

struct side {
    const struct histogram_span *spans;
    const double *counts;
    uint32_t spans_n, n;
};

/* side with indexes 2^shift times as wide. */
static struct side reduce(struct arena *a, struct side from, unsigned shift)
{
    if (from.n == 0)
        return (struct side){0};
    struct histogram_span *spans = arena_array(a, from.n, sizeof *spans);
    double *counts = arena_array(a, from.n, sizeof *counts);
    struct side to = {spans, counts, 0, 0};
    int64_t index = 0, last = 0;
    size_t at = 0;
    for (uint32_t s = 0; s < from.spans_n; s++) {
        index += from.spans[s].offset;
        for (uint32_t k = 0; k < from.spans[s].length; k++, index++, at++) {
            int64_t wide = wider(index, shift);
            if (to.n && wide == last) {
                counts[to.n - 1] += from.counts[at];
                continue;
            }
            if (to.n && wide == last + 1) {
                spans[to.spans_n - 1].length++;
            } else {
                int64_t offset = to.n ? wide - last - 1 : wide;
                spans[to.spans_n++] = (struct histogram_span){(int32_t)offset, 1};
            }
            counts[to.n++] = from.counts[at];
            last = wide;
        }
    }
    return to;
}

static struct histogram *reduced(const struct histogram *h, int32_t schema, struct arena *a)
{
    unsigned shift = (unsigned)(h->schema - schema);
    struct side above = {h->positive_spans, h->positive, h->positive_spans_n, h->positive_n};
    struct side below = {h->negative_spans, h->negative, h->negative_spans_n, h->negative_n};
    struct histogram *to = arena_new(a, sizeof *to);
    *to = *h;
    above = reduce(a, above, shift);
    below = reduce(a, below, shift);
    to->schema = schema;
    to->positive_spans = above.spans;
    to->positive_spans_n = above.spans_n;
    to->positive = above.counts;
    to->positive_n = above.n;
    to->negative_spans = below.spans;
    to->negative_spans_n = below.spans_n;
    to->negative = below.counts;
    to->negative_n = below.n;
    return to;
}

int native_limit(const struct promfile_scrape *config, struct arena *a, const struct histogram **h,
                 struct why *why)
{
    int err = histogram_check(*h, why);
    if (err)
        return err;
    uint64_t limit = config->native_bucket_limit;
    bool custom = (*h)->schema == HISTOGRAM_SCHEMA_CUSTOM;
    int32_t schema = finest(config->native_min_bucket_factor);
    if (!custom && (*h)->schema > schema)
        *h = reduced(*h, schema, a);
    while (limit && (uint64_t)(*h)->positive_n + (*h)->negative_n > limit) {
        if (custom || (*h)->schema <= HISTOGRAM_SCHEMA_MIN)
            return why_set(why, ERR_LIMIT, "histogram bucket limit exceeded");
        *h = reduced(*h, (*h)->schema - 1, a);
    }
    return 0;
}
