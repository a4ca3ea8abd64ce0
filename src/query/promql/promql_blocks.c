/* Windows over the aggregates of blocks: a block that lies within a window counts as a whole, only
 * those at its edges are decoded. Blocks of a tier have no samples: one counts where it ends. */
#include "query/promql/promql_engine.h"

#include <math.h>
#include <string.h>

/* A block's samples; the arrays serve series after series. */
struct decoded {
    bool done;
    int64_t *ts_ms; /* [room], n of them filled */
    double *value;
    const struct histogram **histogram; /* [n], or NULL */
    size_t n, room;
};

struct blocks {
    const struct source *source;
    enum promql_function function;
    struct decoded *decoded; /* [decoded_n], of the present series */
    size_t decoded_n;
    struct decoded whole; /* all of them in a row */
};

/* What has been met of a window so far. */
struct tally {
    uint64_t n;
    int64_t first_ms, last_ms;
    double first, last, lost, sum, c, min, max;
};

bool promql_blocks_answer(enum promql_function f)
{
    switch (f) {
    case PROMQL_FN_RATE:
    case PROMQL_FN_INCREASE:
    case PROMQL_FN_COUNT_OVER_TIME:
    case PROMQL_FN_SUM_OVER_TIME:
    case PROMQL_FN_AVG_OVER_TIME:
    case PROMQL_FN_MIN_OVER_TIME:
    case PROMQL_FN_MAX_OVER_TIME:
        return true;
    default:
        return false;
    }
}

struct blocks *promql_blocks_new(struct engine *e, const struct source *s, enum promql_function f)
{
    struct blocks *b = arena_new(e->arena, sizeof *b);
    b->source = s;
    b->function = f;
    return b;
}

static void need_room(struct engine *e, struct decoded *d, size_t n)
{
    if (d->room >= n)
        return;
    d->room = n * 2;
    d->ts_ms = arena_array(e->arena, d->room, sizeof *d->ts_ms);
    d->value = arena_array(e->arena, d->room, sizeof *d->value);
}

static int decode_block(struct engine *e, struct blocks *b, const struct block *block,
                        struct column *ret)
{
    int err = e->query->store->ops->decode(b->source->cursor, block, ret);
    if (err < 0)
        return promql_engine_fail(e, PROMQL_EXECUTION, "a block of samples cannot be read: %s",
                                  err_text(err));
    e->samples += ret->n;
    return promql_engine_poll(e);
}

static int decode(struct engine *e, struct blocks *b, const struct samples *in, size_t i)
{
    struct decoded *d = &b->decoded[i];
    struct column c;
    if (d->done)
        return 0;
    int err = decode_block(e, b, &in->blocks[i], &c);
    if (err < 0)
        return err;
    d->done = true;
    d->n = c.n;
    d->histogram = NULL;
    need_room(e, d, c.n);
    memcpy(d->ts_ms, c.ts_ms, c.n * sizeof *d->ts_ms);
    memcpy(d->value, c.value, c.n * sizeof *d->value);
    for (size_t k = 0; c.histogram && k < c.n; k++) {
        if (!c.histogram[k])
            continue;
        if (!d->histogram)
            d->histogram = arena_array(e->arena, c.n, sizeof(struct histogram *));
        d->histogram[k] = histogram_is_stale(c.histogram[k])
                              ? NULL
                              : promql_histogram_scale(e, c.histogram[k], 1);
        if (!d->histogram[k])
            d->value[k] = sample_stale();
    }
    return 0;
}

static void take(struct tally *t, int64_t first_ms, double first, int64_t last_ms, double last)
{
    if (t->n == 0) {
        t->first_ms = first_ms;
        t->first = first;
        t->min = t->max = first;
    } else if (first < t->last) {
        t->lost += t->last;
    }
    t->last_ms = last_ms;
    t->last = last;
}

static void take_value(struct tally *t, int64_t ts_ms, double v)
{
    take(t, ts_ms, v, ts_ms, v);
    t->n++;
    t->min = v < t->min ? v : t->min;
    t->max = v > t->max ? v : t->max;
    promql_sum_add(v, &t->sum, &t->c);
}

static void take_block(struct tally *t, const struct block *b)
{
    take(t, b->first_ms, b->first, b->last_ms, b->last);
    t->n += b->n;
    t->lost += b->reset_sum;
    t->min = b->min < t->min ? b->min : t->min;
    t->max = b->max > t->max ? b->max : t->max;
    promql_sum_add(b->sum, &t->sum, &t->c);
}

/* The samples of (from, to] into t, beginning with block first. */
static int tally_window(struct engine *e, struct blocks *b, const struct samples *in, size_t first,
                        int64_t from, int64_t to, struct tally *t)
{
    for (size_t i = first; i < in->blocks_n && in->blocks[i].first_ms <= to; i++) {
        const struct block *x = &in->blocks[i];
        if (x->tier ? x->last_ms > from && x->last_ms <= to
                    : x->first_ms > from && x->last_ms <= to) {
            take_block(t, x);
            continue;
        }
        if (x->tier)
            continue;
        int err = decode(e, b, in, i);
        if (err < 0)
            return err;
        const struct decoded *d = &b->decoded[i];
        for (size_t k = 0; k < d->n; k++) {
            if (d->ts_ms[k] > from && d->ts_ms[k] <= to)
                take_value(t, d->ts_ms[k], d->value[k]);
        }
    }
    return 0;
}

/* As promql_rate.c extrapolates. */
static double rate_of(const struct blocks *b, const struct tally *t, int64_t from, int64_t to)
{
    double gained = t->last - t->first + t->lost;
    double sampled = (double)(t->last_ms - t->first_ms) / 1000;
    double spacing = sampled / (double)(t->n - 1);
    double to_start = (double)(t->first_ms - from) / 1000;
    double to_end = (double)(to - t->last_ms) / 1000;
    if (to_start >= spacing * 1.1)
        to_start = spacing / 2;
    if (gained > 0 && t->first >= 0)
        to_start = fmin(to_start, sampled * (t->first / gained));
    if (to_end >= spacing * 1.1)
        to_end = spacing / 2;
    double factor = (sampled + to_start + to_end) / sampled;
    if (b->function == PROMQL_FN_RATE)
        factor /= (double)b->source->range_ms / 1000;
    return gained * factor;
}

static int answer(const struct blocks *b, const struct tally *t, int64_t from, int64_t to,
                  double *ret)
{
    bool rate = b->function == PROMQL_FN_RATE || b->function == PROMQL_FN_INCREASE;
    double sum = isinf(t->sum) ? t->sum : t->sum + t->c;
    if (t->n < (rate ? 2 : 1))
        return KIND_NONE;
    switch (b->function) {
    case PROMQL_FN_COUNT_OVER_TIME:
        *ret = (double)t->n;
        break;
    case PROMQL_FN_SUM_OVER_TIME:
        *ret = sum;
        break;
    case PROMQL_FN_AVG_OVER_TIME:
        *ret = sum / (double)t->n;
        break;
    case PROMQL_FN_MIN_OVER_TIME:
        *ret = t->min;
        break;
    case PROMQL_FN_MAX_OVER_TIME:
        *ret = t->max;
        break;
    default:
        *ret = rate_of(b, t, from, to);
    }
    return KIND_FLOAT;
}

/* All samples of the series in one column, from its blocks. */
static int whole_column(struct engine *e, struct blocks *b, const struct samples *in,
                        struct column *ret)
{
    size_t n = 0, at = 0;
    bool histograms = false;
    for (size_t i = 0; i < in->blocks_n; i++) {
        int err = in->blocks[i].tier ? 0 : decode(e, b, in, i);
        if (err < 0)
            return err;
        n += b->decoded[i].n;
        histograms |= b->decoded[i].histogram != NULL;
    }
    need_room(e, &b->whole, n);
    int64_t *ts = b->whole.ts_ms;
    double *value = b->whole.value;
    const struct histogram **histogram =
        histograms ? arena_array(e->arena, n + 1, sizeof(struct histogram *)) : NULL;
    for (size_t i = 0; i < in->blocks_n; i++) {
        const struct decoded *d = &b->decoded[i];
        for (size_t k = 0; k < d->n; k++, at++) {
            ts[at] = d->ts_ms[k];
            value[at] = d->value[k];
            if (d->histogram)
                histogram[at] = d->histogram[k];
        }
    }
    *ret = (struct column){.ts_ms = ts, .value = value, .histogram = histogram, .n = n};
    return 0;
}

/* Have all blocks aggregates, and can their sums be added up without losing digits? */
static bool all_summarised(const struct blocks *b, const struct samples *in)
{
    bool sums = b->function == PROMQL_FN_SUM_OVER_TIME || b->function == PROMQL_FN_AVG_OVER_TIME;
    for (size_t i = 0; i < in->blocks_n; i++) {
        const struct block *x = &in->blocks[i];
        if (!x->summarised || !isfinite(x->min) || !isfinite(x->max))
            return false;
        if (sums && !x->tier && fmax(fabs(x->min), fabs(x->max)) > 1e15)
            return false;
    }
    return true;
}

/* Can one of the windows hold all of the block? */
static bool fits(const struct blocks *b, const struct block *x)
{
    const struct source *s = b->source;
    for (size_t i = 0; i < s->grid.n; i++) {
        int64_t to = promql_source_ms(s, i);
        if (to >= x->last_ms)
            return to - s->range_ms < x->first_ms;
    }
    return false;
}

/* Is the series best read as it is? One block that no window holds, or that costs nothing to read.
 */
static bool is_single(const struct blocks *b, const struct samples *in)
{
    return in->blocks_n == 1 && !in->blocks[0].tier &&
           (b->function == PROMQL_FN_COUNT_OVER_TIME || !fits(b, in->blocks));
}

int promql_blocks_fill(struct engine *e, struct blocks *b, const struct samples *in,
                       struct row_buffer *row, struct column *ret_column)
{
    if (is_single(b, in))
        return decode_block(e, b, in->blocks, ret_column);
    if (b->decoded_n < in->blocks_n) {
        b->decoded_n = in->blocks_n * 2;
        b->decoded = arena_array(e->arena, b->decoded_n, sizeof *b->decoded);
    }
    for (size_t i = 0; i < in->blocks_n; i++) {
        b->decoded[i].done = false;
        b->decoded[i].n = 0;
        b->decoded[i].histogram = NULL;
    }
    if (!all_summarised(b, in))
        return whole_column(e, b, in, ret_column);
    size_t first = 0;
    for (size_t i = 0; i < b->source->grid.n; i++) {
        int64_t to = promql_source_ms(b->source, i), from = to - b->source->range_ms;
        struct tally t = {0};
        while (first < in->blocks_n && in->blocks[first].last_ms <= from)
            first++;
        int err = tally_window(e, b, in, first, from, to, &t);
        if (err < 0)
            return err;
        row->kind[i] = (uint8_t)answer(b, &t, from, to, &row->value[i]);
    }
    return 1;
}
