/* query/promql/promqltest.h - runs files of PromQL cases: "load" lines put series into a store in
 * memory, "eval" lines say what a query must answer.
 *
 * Flow:    text -> load into promqltest_store -> promql_run -> compare -> counts and failures
 * Source:  The language of Prometheus's promqltest.
 * Threads: one at a time.
 */
#ifndef QUERY_PROMQL_PROMQLTEST_H
#define QUERY_PROMQL_PROMQLTEST_H

#include "query/promql/promql.h"

struct promqltest_result {
    size_t passed, failed;
};

/* Runs all cases of text; what fails is described in report, a line each, with the line of the
 * file. */
void promqltest_run(struct str text, struct promqltest_result *ret, struct buf *report);

struct promqltest_store;

/* Does what the load and clear lines of text say with s. */
MUST_USE int promqltest_load(struct promqltest_store *s, struct str text, struct why *why);

/* --- what is equal: promqltest_equal.c ---------------------------------------------------------
 */

/* To six digits; NaN equals NaN, staleness markers each other. */
bool promqltest_same_float(double want, double got);

/* Bucket for bucket to six digits; the hint of resets counts where want has one. */
bool promqltest_same_histogram(const struct histogram *want, const struct histogram *got);

/* --- a store of series in memory, for tests ----------------------------------------------------
 */

struct promqltest_store *promqltest_store_new(void);
void promqltest_store_free(struct promqltest_store *s);
void promqltest_store_clear(struct promqltest_store *s);

/* Appends one sample (h NULL: a float); one at the same time is replaced. */
void promqltest_store_put(struct promqltest_store *s, struct str key, int64_t ts_ms, double value,
                          const struct histogram *h);

/* The same with the created time of the sample, 0 where it has none. */
void promqltest_store_put_from(struct promqltest_store *s, struct str key, int64_t start_ms,
                               int64_t ts_ms, double value, const struct histogram *h);

/* Takes the samples of one series in [from_ms, to_ms] out. */
void promqltest_store_remove(struct promqltest_store *s, struct str key, int64_t from_ms,
                             int64_t to_ms);

struct series_store *promqltest_store_face(struct promqltest_store *s);
struct tenant *promqltest_store_tenant(struct promqltest_store *s);

/* --- series lines: promqltest_series.c ---------------------------------------------------------
 */

struct promqltest_value {
    bool present, started;
    double value;
    const struct histogram *histogram; /* NULL: a float */
    int64_t start_ms;                  /* where started: when it was created, from its own time */
};

struct promqltest_series {
    struct str key;
    struct promqltest_value *v;
    size_t n, capacity;
};

/* Reads `up{job="a"} 1 2+1x3 {{schema:0 sum:1}}`; memory from a, values mem_free()d by the caller.
 */
MUST_USE int promqltest_series_read(struct str line, struct arena *a, struct promqltest_series *ret,
                                    struct why *why);

/* Reads `up{job="a"}@st _ -1m 0-30sx2`: when samples were created, from their own times. Sets
 * started and start_ms only. */
MUST_USE int promqltest_starts_read(struct str line, struct arena *a, struct promqltest_series *ret,
                                    struct why *why);

/* Does a line of a load tell created times? */
bool promqltest_is_starts(struct str line);

struct promqltest_load {
    struct promqltest_series *v;
    size_t n, capacity;
};

/* Puts what the classic histograms of a load say as native histograms with custom buckets, under
 * the name without suffix (load_with_nhcb). */
void promqltest_convert(struct promqltest_store *s, const struct promqltest_load *load,
                        int64_t step_ms, struct arena *a);

#endif
