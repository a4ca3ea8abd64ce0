#include <math.h>

#include "rules/rule_template_state.h"
#include "text/number.h"

static void put_number(double v, struct buf *out)
{
    char text[NUMBER_MAX];
    buf_put(out, text, number_format_exposition(v, text));
}

/* The upper bound of the bucket with that index, of the positive side. */
static double bound_of(const struct histogram *h, int64_t index)
{
    if (h->schema != HISTOGRAM_SCHEMA_CUSTOM)
        return exp2(ldexp((double)index, -h->schema));
    if (index < 0)
        return -INFINITY;
    return index < (int64_t)h->custom_n ? h->custom_bounds[index] : INFINITY;
}

static void put_bucket(double low, bool low_in, double high, bool high_in, double count,
                       struct buf *out)
{
    if (count == 0)
        return;
    buf_put_str(out, low_in ? STR(", [") : STR(", ("));
    put_number(low, out);
    buf_put_c(out, ',');
    put_number(high, out);
    buf_put_str(out, high_in ? STR("]:") : STR("):"));
    put_number(count, out);
}

/* From the lowest value up, that is from the last bucket to the first. */
static void put_negative(const struct histogram *h, struct buf *out)
{
    int64_t index = 0;
    size_t at = h->negative_n;
    for (size_t s = 0; s < h->negative_spans_n; s++)
        index += (int64_t)h->negative_spans[s].offset + h->negative_spans[s].length;
    for (size_t s = h->negative_spans_n; s-- > 0;) {
        for (uint32_t i = 0; i < h->negative_spans[s].length && at > 0; i++) {
            index--;
            put_bucket(-bound_of(h, index), true, -bound_of(h, index - 1), false, h->negative[--at],
                       out);
        }
        index -= h->negative_spans[s].offset;
    }
}

static void put_positive(const struct histogram *h, struct buf *out)
{
    bool custom = h->schema == HISTOGRAM_SCHEMA_CUSTOM;
    int64_t index = 0;
    size_t at = 0;
    for (size_t s = 0; s < h->positive_spans_n; s++) {
        index += h->positive_spans[s].offset;
        for (uint32_t i = 0; i < h->positive_spans[s].length && at < h->positive_n; i++, index++)
            put_bucket(bound_of(h, index - 1), custom && index == 0, bound_of(h, index), true,
                       h->positive[at++], out);
    }
}

static void print(const void *p, struct buf *out)
{
    const struct histogram *h = p;
    buf_put_str(out, STR("{count:"));
    put_number(h->count, out);
    buf_put_str(out, STR(", sum:"));
    put_number(h->sum, out);
    put_negative(h, out);
    put_bucket(-h->zero_threshold, true, h->zero_threshold, true, h->zero_count, out);
    put_positive(h, out);
    buf_put_c(out, '}');
}

static int member(struct template_call *c, const void *p, struct str name,
                  const struct template_value *args, size_t n, struct template_value *ret,
                  struct why *why)
{
    const struct histogram *h = p;
    (void)args;
    if (str_eq(name, STR("String"))) {
        struct buf b;
        buf_init(&b, TEMPLATE_TEXT_MAX);
        print(h, &b);
        return template_words_give(c, &b, ret, why);
    }
    if (str_eq(name, STR("Count")))
        *ret = template_float(h->count);
    else if (str_eq(name, STR("Sum")))
        *ret = template_float(h->sum);
    else if (str_eq(name, STR("ZeroCount")))
        *ret = template_float(h->zero_count);
    else if (str_eq(name, STR("ZeroThreshold")))
        *ret = template_float(h->zero_threshold);
    else if (str_eq(name, STR("Schema")))
        *ret = template_int(h->schema);
    else
        return -ERR_NOENT;
    if (n > 0)
        return why_set(why, ERR_RANGE, STR_FMT " has arguments but cannot be invoked as function",
                       STR_ARG(name));
    return 0;
}

const struct template_object rule_template_histogram_object = {"histogram.FloatHistogram", member,
                                                               print};
