/* query/promql/promql.h - the query language of Prometheus 3: text -> tree -> vectors over time.
 *
 * Flow:    text -> promql_parse -> checked tree -> promql_run (streams over a store of series, one
 *          row of step values at a time) -> struct promql_result, walked series by series
 * Source:  The language and its corner cases as Prometheus 3.x has them.
 * Threads: pure functions over their arguments; a query and its result belong to one thread, and
 *          only *canceled may be set from another.
 */
#ifndef QUERY_PROMQL_PROMQL_H
#define QUERY_PROMQL_PROMQL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"
#include "model/histogram.h"
#include "store/face/series.h"

enum {
    PROMQL_TEXT_MAX = 256 * 1024, /* bytes of a query */
    PROMQL_DEPTH_MAX = 100,       /* nesting of an expression */
    PROMQL_STEPS_MAX = 11000,     /* points of one series in a range result */
    PROMQL_MESSAGE_MAX = 2048,    /* bytes of an error text */
};

/* Where the HTTP API's "errorType" comes from; promql_error_text() is its text. */
enum promql_error {
    PROMQL_NONE,
    PROMQL_BAD_DATA,  /* 400 bad_data */
    PROMQL_EXECUTION, /* 422 execution */
    PROMQL_TIMEOUT,   /* 503 timeout */
    PROMQL_CANCELED,  /* 503 (or 499) canceled */
    PROMQL_INTERNAL,  /* 500 internal */
};

struct promql_failure {
    enum promql_error kind;
    char text[PROMQL_MESSAGE_MAX];
};

/* "bad_data", "execution", "timeout", "canceled", "internal". */
const char *promql_error_text(enum promql_error kind);

enum promql_type { PROMQL_SCALAR, PROMQL_VECTOR, PROMQL_MATRIX, PROMQL_STRING };

/* "scalar", "vector", "matrix", "string": resultType of the HTTP API. */
const char *promql_type_text(enum promql_type type);

/* What Prometheus has behind --enable-feature. All false (or a NULL pointer to them) is what it
 * does with no feature named. */
struct promql_options {
    bool
        experimental_functions; /* mad_over_time, info, limitk, ..: promql-experimental-functions */
    bool extended_selectors;    /* anchored, smoothed: promql-extended-range-selectors */
    bool fill_modifiers;        /* fill(), fill_left(), ..: promql-binop-fill-modifiers */
    bool delayed_names;         /* names go at the end: promql-delayed-name-removal */
    bool start_timestamps;      /* rate, resets, .. look at created times: use-start-timestamps */
    bool type_and_unit;         /* annotations know __type__: type-and-unit-labels */
};

/* Switches on the feature of that name; false where it is not one of the query language. Names of
 * features that no longer need a switch (promql-duration-expr, ..) are known and change nothing. */
bool promql_option_set(struct promql_options *o, struct str feature);

/* The name of the i-th feature that promql_option_set() switches on, NULL at the end. */
const char *promql_option_name(size_t i);

/* Is it on? Of a name from promql_option_name(). */
bool promql_option_get(const struct promql_options *o, struct str feature);

/* Every feature on. */
struct promql_options promql_options_all(void);

/* The i-th function of the language, NULL at the end; *ret_experimental says whether it needs
 * experimental_functions. */
const char *promql_function_name(size_t i, bool *ret_experimental);

struct promql_expr; /* a checked tree; lives in the arena it was parsed into */

/* Parses and checks text. Failures are PROMQL_BAD_DATA with text `1:3: parse error: ...` (the HTTP
 * API puts `invalid parameter "query": ` before it). Everything is allocated from a; text may be
 * freed afterwards. */
MUST_USE int promql_parse(struct str text, const struct promql_options *options, struct arena *a,
                          struct promql_expr **ret, struct promql_failure *failure);

/* Parses a bare selector, `up{job="x"}`, as match[] parameters have it; matchers in a. The metric's
 * name becomes a matcher on __name__. A selector that can match the empty set is refused. */
MUST_USE int promql_parse_selector(struct str text, struct arena *a, struct matcher **ret,
                                   size_t *ret_n, struct promql_failure *failure);

/* Reads `5m`, `1h30m`, `1500ms` or `300` / `1.5` (seconds) as the API's step and timeout have it;
 * -ERR_FORMAT or -ERR_RANGE. */
MUST_USE int promql_duration(struct str text, int64_t *ret_ms);

/* The shortest text of a duration: `1h30m`. */
void promql_duration_print(int64_t ms, struct buf *out);

/* Appends the canonical text of e. */
void promql_print(const struct promql_expr *e, struct buf *out);

/* Appends e as people like to read it: what is longer than 100 bytes is split over lines, indented
 * by two blanks a level, no line end after the last (Prometheus's format_query). */
void promql_format(const struct promql_expr *e, struct buf *out);

/* Appends the tree as Prometheus's parse_query gives it: {"type":"call","func":{..},"args":[..]}.
 * Members are sorted by name. */
void promql_json(const struct promql_expr *e, struct buf *out);

enum promql_type promql_type(const struct promql_expr *e);

/* The matchers of every selector in e, in the order of the text; memory from a. */
struct promql_selector {
    const struct matcher *matchers; /* [n] */
    size_t n;
};

struct promql_selectors {
    struct promql_selector *v; /* [n] */
    size_t n;
};

void promql_selectors(const struct promql_expr *e, struct arena *a, struct promql_selectors *ret);

/* 0 in a member means "no limit". */
struct promql_limits {
    uint64_t samples_max; /* alive at once; Prometheus: 50,000,000 */
    uint64_t bytes_max;   /* memory of the query */
    int64_t timeout_ns;   /* from the start of promql_run */
};

struct pool; /* os/pool.h */

/* Bytes that queries hold together: those of one tenant, those of the daemon. All zero but for its
 * limit; lives longer than the meters under it. */
struct promql_account {
    const char *whose;       /* "this tenant's queries" */
    atomic_ullong bytes_max; /* 0: no limit */
    atomic_ullong bytes;
    struct promql_account *above; /* is charged too; may be NULL */
};

/* What a running query has done so far, for other threads to look at, and what it holds of its
 * accounts. All zero but for the account before the run. It may serve several runs, one after
 * another; what it holds is given back by promql_meter_done(), after their results were freed. */
struct promql_meter {
    struct promql_account *account; /* may be NULL */
    atomic_ullong series, samples;  /* read from the store */
    atomic_ullong bytes;            /* held now */
    atomic_bool canceled;           /* set by anybody: the run ends with PROMQL_CANCELED */
};

/* Charges n more bytes; false (nothing is charged then) with *ret the account that is full. */
MUST_USE bool promql_meter_charge(struct promql_meter *m, uint64_t n,
                                  const struct promql_account **ret);
void promql_meter_done(struct promql_meter *m);

/* What each node of an expression took: see promql_explain.h. */
struct promql_profile;

struct promql_query {
    const struct promql_expr *expr;
    const struct promql_options *options; /* the ones it was parsed with; may be NULL */
    struct series_store *store;
    struct tenant *tenant;    /* NULL: no series at all */
    int64_t start_ms, end_ms; /* instant: both the evaluation time */
    int64_t step_ms;          /* > 0 in a range query */
    bool instant;
    int64_t lookback_ms;      /* 0: 5 minutes */
    int64_t subquery_step_ms; /* of subqueries that name none; 0: 1 minute */
    int64_t blocks_from_ms;   /* windows this long use the store's block aggregates; 0: 1 hour */
    struct promql_limits limits;
    const atomic_bool *canceled; /* may be NULL; polled */
    struct promql_meter *meter;  /* may be NULL */
    /* Counts the samples of every step as Prometheus does; windows are then read sample by sample,
     * where aggregates of blocks would do. */
    bool count_steps;
    struct promql_profile *profile; /* of expr, filled in; may be NULL */
    struct pool *pool;           /* helps with selectors of many series; may be NULL */
    uint32_t shards;             /* into how many such a selector is cut; 0: by what it costs */
};

struct promql_result;

/* Evaluates; the result owns its memory and needs neither arena, store nor expression. */
MUST_USE int promql_run(const struct promql_query *q, struct promql_result **ret,
                        struct promql_failure *failure);
void promql_result_free(struct promql_result *r);

/* A range query gives matrices only. */
enum promql_type promql_result_type(const struct promql_result *r);

/* Of PROMQL_SCALAR and PROMQL_STRING (the time is the evaluation time). */
double promql_result_scalar(const struct promql_result *r, int64_t *ret_ms);
struct str promql_result_string(const struct promql_result *r, int64_t *ret_ms);

/* One series of a vector (n is 1) or a matrix. */
struct promql_series {
    struct str key;                           /* canonical labels, maybe without __name__ */
    const int64_t *ts_ms;                     /* [n] */
    const double *value;                      /* [n] where histogram[i] is NULL */
    const struct histogram *const *histogram; /* [n], or NULL: floats only */
    size_t n;                                 /* >= 1 */
};

/* How many series there are, and the next one: false at the end. Matrices come sorted by labels,
 * vectors in the order that the expression asks for. Borrowed from the result. */
size_t promql_result_count(const struct promql_result *r);
uint64_t promql_result_points(const struct promql_result *r); /* of all series together */
bool promql_result_next(struct promql_result *r, struct promql_series *ret);

/* Annotations in the order of their first occurrence: complete texts, `PromQL warning: ... (1:5)`;
 * false at the end. Start with *at 0. Warnings of the store are among the warnings. */
bool promql_result_warning(const struct promql_result *r, size_t *at, struct str *ret);
bool promql_result_info(const struct promql_result *r, size_t *at, struct str *ret);

struct promql_statistics {
    uint64_t series, samples; /* read from the store */
    uint64_t samples_peak, bytes_peak;
    int64_t elapsed_ns;                   /* of the whole run, and the parts of it: */
    int64_t prepare_ns, eval_ns, sort_ns; /* making streams, running them, ordering */
    /* With count_steps: samples that each step looked at, [steps_n] of the query's steps, and their
     * sum. Owned by the result. */
    const uint64_t *step_samples;
    size_t steps_n;
    uint64_t queryable_samples;
};

struct promql_statistics promql_result_statistics(const struct promql_result *r);

#endif
