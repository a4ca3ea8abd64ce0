/* query/promql/promql_engine.h - how an expression is evaluated: as a tree of streams, each giving
 * one series at a time with its values at every step.
 *
 * A scalar is an array of step values. A vector is a stream of rows. A range vector is a stream of
 * columns of samples, which a function turns into a row. Nodes that need all rows at once (binary
 * operators, topk, sort) gather them into a table; all others hold one row.
 *
 * Threads: one query, one thread.
 */
#ifndef QUERY_PROMQL_PROMQL_ENGINE_H
#define QUERY_PROMQL_PROMQL_ENGINE_H

#include "base/map.h"
#include "base/mem.h"
#include "model/sample.h"
#include "query/promql/promql_tree.h"
#include "text/regex.h"

enum { KIND_NONE, KIND_FLOAT, KIND_HISTOGRAM }; /* of one step of a row */

struct grid {
    int64_t start_ms, step_ms; /* step_ms is at least 1 */
    size_t n;
};

static inline int64_t grid_ms(const struct grid *g, size_t i)
{
    return g->start_ms + (int64_t)i * g->step_ms;
}

/* One series over a grid. What it points to belongs to the stream and is read-only for everyone
 * else, until the next row. */
struct row {
    struct str key;
    bool drop_name; /* its name goes at the end of the query */
    /* Between these steps every kind is KIND_FLOAT; of the others nothing is known. */
    size_t floats_from, floats_to;
    const uint8_t *kind;                /* [n] */
    const double *value;                /* [n] where kind is KIND_FLOAT */
    const struct histogram **histogram; /* [n] where kind is KIND_HISTOGRAM; NULL: no histograms */
};

struct engine;
struct row_buffer;

struct stream {
    /* The next row: 1 with *ret filled, 0 at the end, -ERR_x with the engine's failure set. */
    int (*next)(struct engine *e, struct stream *s, struct row *ret);
};

/* A column of samples and whose it is; stale markers may be among them. */
struct samples {
    struct str key;
    bool drop_name;
    struct column column;
    const struct block *blocks; /* SELECT_BLOCKS only */
    size_t blocks_n;
};

/* A stream of columns: of a selector or a subquery. */
struct source {
    int (*next)(struct engine *e, struct source *s, struct samples *ret);
    int64_t range_ms;
    int64_t before_ms, after_ms; /* samples wanted around the window: anchored, smoothed */
    bool smoothed, counts_only;
    int64_t offset_ms;
    enum promql_at at;
    int64_t at_ms;
    struct grid grid;
    struct series_cursor *cursor; /* of a selector */
};

/* The time that step i of the grid looks at, offset and @ applied. */
int64_t promql_source_ms(const struct source *s, size_t i);

struct promql_shared; /* promql_parallel.h */

struct engine_texts {
    struct str *v;
    size_t n, capacity;
};

/* Buckets that were mended for histogram_quantile: which, by how much, when. */
struct engine_mended {
    const struct promql_expr *where;
    struct str metric;
    int64_t from_ms, to_ms;
    double least, greatest, diff; /* bounds of the buckets, the largest fall */
    uint64_t n;
    size_t place; /* of its info */
};

struct engine {
    const struct promql_query *query;
    struct arena *arena;
    struct promql_failure *failure;
    struct str text;
    bool delayed_names, start_timestamps, type_and_unit;
    int64_t deadline_ns, began_ns;
    int64_t prepared_ns; /* when the streams had been made; 0: not yet */
    int64_t lookback_ms;
    struct {
        struct series_cursor **v;
        size_t n, capacity;
    } cursors;
    struct {
        struct regex **v;
        size_t n, capacity;
    } regexes; /* freed with the query */
    struct engine_texts warnings, infos;
    struct {
        struct engine_mended *v;
        size_t n, capacity;
    } mended;
    uint64_t series, samples, alive, alive_peak;
    unsigned polls;
    struct promql_meter *meter; /* never NULL */
    uint64_t charged;           /* bytes of the arena that the meter knows of */
    uint64_t told_series, told_samples;
    uint64_t work;          /* samples looked at since promql_engine_work() polled last */
    uint64_t *step_samples; /* [steps_n] with count_steps, else NULL */
    size_t steps_n;
    unsigned subqueries; /* depth of those that are being made: their samples do not count */
    struct promql_profile *profile;
    struct promql_shared *shared; /* while several threads work for the query */
    bool times_only;              /* the next selector's values will not be looked at */
    struct series_cursor *given;  /* the next selector takes this cursor and opens none */
    const int64_t *all_times;     /* [steps] of the result */
    unsigned inside;              /* of something that is on several threads already */
};

/* Sets the failure and returns -ERR_x. */
int promql_engine_fail(struct engine *e, enum promql_error kind, const char *format, ...)
    PRINTF(3, 4);

/* Cancelled, out of time, out of memory? Cheap; call it for every row. */
MUST_USE int promql_engine_poll(struct engine *e);

/* As promql_engine_poll(), for loops inside a row: polls when n more samples make it worth while.
 */
MUST_USE static inline int promql_engine_work(struct engine *e, uint64_t n)
{
    enum { WORK_POLL = 1 << 20 };
    e->work += n + 1;
    if (e->work < WORK_POLL)
        return 0;
    e->work = 0;
    e->polls |= 15; /* looks at the clock too */
    return promql_engine_poll(e);
}

/* Is there room for that many bytes more? For arrays whose size a query's text decides. */
MUST_USE int promql_engine_room(struct engine *e, uint64_t bytes);

/* Counts n samples of a step of a grid, where that is asked for; counted is what
 * promql_engine_counts() said when the stream was made. */
static inline bool promql_engine_counts(const struct engine *e)
{
    return e->step_samples && e->subqueries == 0;
}

void promql_engine_count(struct engine *e, const struct grid *g, size_t step, uint64_t n);

/* Of how many floats a histogram counts. */
uint64_t promql_histogram_weight(const struct histogram *h);

/* Counts n samples as alive; fails where there are too many. */
MUST_USE int promql_engine_hold(struct engine *e, uint64_t n);

/* --- annotations (promql_note.c): texts come with their kind before and the place behind them ---
 */

void promql_engine_warn(struct engine *e, const struct promql_expr *where, const char *format, ...)
    PRINTF(3, 4);
void promql_engine_info(struct engine *e, const struct promql_expr *where, const char *format, ...)
    PRINTF(3, 4);

/* A warning of the store, as it is. */
void promql_engine_store_warning(struct engine *e, const char *text);

/* With ` for metric name "x"` behind; maybe: only where the name is known. */
void promql_warn_metric(struct engine *e, const struct promql_expr *where, struct str metric,
                        const char *text);
void promql_info_metric(struct engine *e, const struct promql_expr *where, struct str metric,
                        const char *text);
void promql_warn_maybe_metric(struct engine *e, const struct promql_expr *where, struct str metric,
                              const char *text);
void promql_info_maybe_metric(struct engine *e, const struct promql_expr *where, struct str metric,
                              const char *text);

/* The classic buckets of a metric fell at a time and were mended; all times become one info. */
void promql_engine_mended(struct engine *e, const struct engine_mended *m);

/* Before the result takes the annotations: writes those that gathered something. */
void promql_engine_notes_end(struct engine *e);

/* The annotations of another engine of the same query go behind those of e. */
void promql_engine_join(struct engine *e, struct engine *from);

/* Parentheses taken off. */
const struct promql_expr *promql_bare(const struct promql_expr *e);

/* Can two series of e be equal once their names are gone? */
bool promql_names_may_meet(const struct promql_expr *e);

/* Does e give the same at every step? */
bool promql_is_fixed(const struct promql_expr *e);

/* Evaluators. */
MUST_USE int promql_stream(struct engine *e, const struct promql_expr *x, const struct grid *g,
                           struct stream **ret);
MUST_USE int promql_scalar(struct engine *e, const struct promql_expr *x, const struct grid *g,
                           double **ret);
struct str promql_string(const struct promql_expr *x);

/* promql_select.c */
enum selector_values {
    SELECTOR_VALUES,
    SELECTOR_TIMES,  /* the samples' own times */
    SELECTOR_STARTS, /* their created times, 0 where not known */
    SELECTOR_INFO,   /* the samples' own times, names kept; histograms stay what they are */
};

MUST_USE int promql_stream_selector(struct engine *e, const struct promql_expr *x,
                                    const struct grid *g, enum selector_values want,
                                    struct stream **ret);

/* What the offset of a selector or subquery comes to. */
MUST_USE int promql_offset_ms(struct engine *e, const struct promql_expr *x, int64_t *ret);

/* blocks: ask the store for blocks, where x is a selector without anchored and smoothed. */
MUST_USE int promql_source(struct engine *e, const struct promql_expr *x, const struct grid *g,
                           bool blocks, struct source **ret);

/* The samples of a window, stale markers taken out: (from_ms, to_ms]. */
struct window {
    const int64_t *ts_ms; /* [n] floats */
    const double *value;
    size_t n;
    const int64_t *histogram_ts_ms; /* [histograms_n] */
    const struct histogram *const *histogram;
    size_t histograms_n;
    const int64_t *start_ms, *histogram_start_ms; /* created times; NULL: none known */
    int64_t from_ms, to_ms, eval_ms, range_ms;
    double a, b; /* scalar arguments at this step */
};

struct range_call {
    const struct promql_expr *expr; /* the call */
    enum promql_function function;
    struct str metric; /* name of the series, maybe empty */
    bool smoothed;
};

/* One window's answer: KIND_NONE, or KIND_FLOAT with *ret, or KIND_HISTOGRAM with *ret_histogram.
 * promql_over_time.c has all but those of promql_rate.c. */
int promql_over_time(struct engine *e, const struct range_call *c, const struct window *w,
                     double *ret, const struct histogram **ret_histogram);
int promql_rate(struct engine *e, const struct range_call *c, const struct window *w, double *ret,
                const struct histogram **ret_histogram);
bool promql_is_rate(enum promql_function f);

/* Does the created time of a sample say that the counter began anew since the one before it? 0 is
 * an unknown time. */
bool promql_start_reset(int64_t before_start_ms, int64_t before_ms, int64_t start_ms, int64_t ms);

/* Do changes and resets of the samples of w, in the order of time. */
double promql_count_steps(struct engine *e, enum promql_function f, const struct window *w);

/* anchored and smoothed: the window holds samples around it too (promql_extended.c). */
int promql_extended(struct engine *e, const struct range_call *c, const struct window *w,
                    double *ret, const struct histogram **ret_histogram);
MUST_USE int promql_extended_check(struct engine *e, const struct promql_expr *call,
                                   const struct promql_expr *selector);

/* promql_blocks.c: windows from the aggregates of blocks; only edges are decoded. */
struct blocks;
struct blocks *promql_blocks_new(struct engine *e, const struct source *s, enum promql_function f);
bool promql_blocks_answer(enum promql_function f);
/* Fills the row of a series; 1 where it did, 0 with *ret_column where a block has no aggregates:
 * then all samples are there. */
MUST_USE int promql_blocks_fill(struct engine *e, struct blocks *b, const struct samples *in,
                                struct row_buffer *row, struct column *ret_column);

/* promql_range.c: a function over a range vector. */
MUST_USE int promql_stream_range(struct engine *e, const struct promql_expr *x,
                                 const struct grid *g, struct stream **ret);
bool promql_is_range_function(enum promql_function f);

/* promql_call.c: does f turn each row into one, value by value? */
bool promql_is_map_function(enum promql_function f);

/* promql_call.c, promql_aggregate.c, promql_binary.c */
MUST_USE int promql_stream_call(struct engine *e, const struct promql_expr *x, const struct grid *g,
                                struct stream **ret);
MUST_USE int promql_stream_labels(struct engine *e, const struct promql_expr *x,
                                  const struct grid *g, struct stream **ret);
MUST_USE int promql_stream_histogram(struct engine *e, const struct promql_expr *x,
                                     const struct grid *g, struct stream **ret);
MUST_USE int promql_stream_aggregate(struct engine *e, const struct promql_expr *x,
                                     const struct grid *g, struct stream **ret);
MUST_USE int promql_stream_info(struct engine *e, const struct promql_expr *x, const struct grid *g,
                                struct stream **ret);
MUST_USE int promql_stream_choose(struct engine *e, const struct promql_expr *x,
                                  const struct grid *g, struct stream **ret);
MUST_USE int promql_stream_binary(struct engine *e, const struct promql_expr *x,
                                  const struct grid *g, struct stream **ret);
double promql_operate(enum promql_token_kind operator, double l, double r);

/* --- rows (promql_rows.c) -------------------------------------------------------------------- */

/* A row that can be written. */
struct row_buffer {
    struct str key;
    bool drop_name;
    size_t floats_from, floats_to; /* who fills the row says so, each time */
    uint8_t *kind;
    double *value;
    const struct histogram **histogram;
};

struct rows {
    struct row_buffer *v;
    size_t n, capacity;
    struct map by_key;
    bool mapped;
};

/* A cleared buffer for n steps in the engine's arena. */
void promql_row_new(struct engine *e, size_t n, struct row_buffer *ret);
void promql_row_clear(struct row_buffer *r, size_t n);
void promql_row_view(const struct row_buffer *b, struct row *ret);

/* Puts a histogram at step i. */
void promql_row_histogram(struct engine *e, struct row_buffer *r, size_t n, size_t i,
                          const struct histogram *h);

/* Copies r; a row with its key takes it in, and two values at one step are an error. */
MUST_USE int promql_rows_merge(struct engine *e, struct rows *t, const struct row *r, size_t n);

/* Copies r as a new row. */
MUST_USE int promql_rows_push(struct engine *e, struct rows *t, const struct row *r, size_t n);

/* The row with that key, made where it is missing. */
struct row_buffer *promql_rows_of(struct engine *e, struct rows *t, struct str key, size_t n);

MUST_USE int promql_rows_gather(struct engine *e, struct stream *s, size_t n, struct rows *ret);
void promql_rows_done(struct rows *t);

/* A stream over a table that is complete; it takes the table. */
struct stream *promql_rows_stream(struct engine *e, const struct rows *t);

/* Takes rows with equal labels together, where that can happen. */
struct stream *promql_stream_unique(struct engine *e, struct stream *s, size_t n);

/* --- labels of rows (promql_rows.c) ---------------------------------------------------------- */

/* key without __name__, __type__ and __unit__. */
struct str promql_key_nameless(struct engine *e, struct str key);

/* Drops the name of a row now, or later where the engine says so. */
void promql_row_drop_name(struct engine *e, struct str *key, bool *drop_name);

enum { LABEL_SET_MAX = 512 };

struct label_set {
    struct label v[LABEL_SET_MAX];
    size_t n;
};

void promql_label_set_read(struct str key, struct label_set *ret);
/* An empty value takes the label out. */
void promql_label_set_put(struct label_set *s, struct str name, struct str value);
struct str promql_label_set_key(struct engine *e, struct label_set *s);

/* The labels of key that are (keep) or are not (!keep, never __name__) in names, appended. */
void promql_key_project(struct str key, const struct promql_labels *names, bool keep,
                        struct buf *out);

/* --- native histograms (promql_histogram.c) --------------------------------------------------- */

enum histogram_note {
    NOTE_MIXED_SCHEMAS = 1, /* exponential and custom buckets cannot be put together */
    NOTE_RECONCILED = 2,    /* bounds of custom buckets differed */
    NOTE_RESET_CONFLICT = 4,
};

/* A histogram that can be worked with: dense buckets. */
struct histogram *promql_histogram_scale(struct engine *e, const struct histogram *h, double f);
/* a + sign * b; NULL with NOTE_MIXED_SCHEMAS where they do not fit. */
struct histogram *promql_histogram_add(struct engine *e, const struct histogram *a,
                                       const struct histogram *b, double sign, unsigned *notes);
bool promql_histogram_reset(struct engine *e, const struct histogram *now,
                            const struct histogram *before);
double promql_histogram_quantile(const struct histogram *h, double q);
double promql_histogram_fraction(const struct histogram *h, double lower, double upper);
double promql_histogram_variance(const struct histogram *h);
bool promql_histogram_equal(const struct histogram *a, const struct histogram *b);
/* Without the observations above (upper) or below a limit. */
struct histogram *promql_histogram_trim(struct engine *e, const struct histogram *h, double limit,
                                        bool upper);

/* {count:2, sum:3, (0.5,1]:2}, as count_values names it. */
void promql_histogram_print(const struct histogram *h, struct buf *out);

/* A Kahan-Neumaier sum. */
static inline void promql_sum_add(double v, double *sum, double *c)
{
    double t = *sum + v;
    if (__builtin_isinf(t))
        *c = 0;
    else if (__builtin_fabs(*sum) >= __builtin_fabs(v))
        *c += (*sum - t) + v;
    else
        *c += (v - t) + *sum;
    *sum = t;
}

/* The quantile of n sorted values; NaN where there are none. */
double promql_quantile_sorted(double q, const double *v, size_t n);
/* The same of values in any order, which it moves about. */
double promql_quantile_of(double q, double *v, size_t n);
/* Sorts with NaN first, as Prometheus does for quantiles. */
void promql_sort_values(double *v, size_t n);

#endif
