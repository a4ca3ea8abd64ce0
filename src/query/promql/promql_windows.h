/* query/promql/promql_windows.h - which samples of a column lie in each step's window.
 *
 * Series of one target share their times, so that what was worked out for one of them holds for the
 * others: windows are kept by the column's ts_id. Where samples are evenly spaced and the step is a
 * multiple of their spacing, the windows of nearly all steps are one window, moved on.
 *
 * Threads: one query, one thread.
 */
#ifndef QUERY_PROMQL_PROMQL_WINDOWS_H
#define QUERY_PROMQL_PROMQL_WINDOWS_H

#include "query/promql/promql_engine.h"
#include "query/promql/promql_kernel.h"

/* Of one column of times. */
struct windows {
    uint64_t ts_id;       /* 0: for the present column only */
    uint32_t *low, *high; /* [steps] samples low..high-1 */

    /* Steps [from, to) have alike windows: width samples, stride further with each step. */
    size_t from, to;
    uint32_t stride, width;
    struct promql_extrapolation alike;

    /* Of the other steps; NULL until they were asked for. */
    uint8_t *kind; /* [steps] KIND_FLOAT where there are two samples or more */
    struct promql_extrapolation *each;
    bool extrapolated;
};

struct windows_set {
    const struct source *source;
    int64_t behind_ms, after_ms; /* a window is (at - behind, at + after] */
    int64_t first_ms, step_ms;   /* of the steps; 0 where there is one, or all look at one time */
    size_t n;                    /* steps */
    struct windows **kept;       /* [kept_n] by ts_id modulo kept_n, a power of two */
    size_t kept_n;
    struct windows own;
};

void promql_windows_init(struct engine *e, const struct source *s, int64_t behind_ms,
                         int64_t after_ms, struct windows_set *ret);

/* The windows over ts[n]; valid until the next call. */
struct windows *promql_windows_of(struct engine *e, struct windows_set *set, const int64_t *ts,
                                  size_t n, uint64_t ts_id);

/* Fills alike, kind and each of windows over ts, for rate (in seconds of range), increase or delta.
 */
void promql_windows_extrapolate(struct engine *e, const struct windows_set *set, struct windows *w,
                                const int64_t *ts, bool per_second, bool counter);

#endif
