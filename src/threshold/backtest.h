/* threshold/backtest.h - when a rule would have fired: its expression over stored data of a range,
 * stepped at its interval, and its states (for, keep_firing_for, hysteresis) as src/rules has them.
 *
 * The expression is asked for pieces of the range, each one range query, so that a rule over a week
 * takes seconds. A firing has the labels of the result; a rule's own are added by who shows it.
 * What fires before the range is not known: a firing that was on already begins with the range.
 *
 * Flow:    rule + range -> range queries -> states by series -> firings, figures
 * Threads: pure; *query.canceled and its meter end it early.
 */
#ifndef THRESHOLD_BACKTEST_H
#define THRESHOLD_BACKTEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/str.h"
#include "query/promql/promql.h"

enum {
    BACKTEST_FIRINGS_MAX = 1000,       /* that are listed; all are counted */
    BACKTEST_STEPS_MAX = 2000000,      /* of a range */
    BACKTEST_SHORT_MS = 5 * 60 * 1000, /* firings that are over so soon are noise */
};

struct backtest {
    struct promql_query query;             /* all but expr, times, step */
    const struct promql_expr *expr, *hold; /* hold may be NULL */
    int64_t start_ms, end_ms, interval_ms;
    int64_t for_ms, keep_firing_for_ms;
};

struct backtest_firing {
    struct str labels; /* of the result, without its name */
    int64_t start_ms, end_ms;
    bool open;   /* it still fires at the end of the range */
    double peak; /* the value that is farthest from zero */
};

struct backtest_result {
    struct backtest_firing *firings; /* [n] by start; at most BACKTEST_FIRINGS_MAX */
    size_t n;
    uint64_t fired;    /* all of them */
    uint64_t series;   /* that ever pended */
    uint64_t pended;   /* times that something pended and did not come to fire */
    uint64_t brief;    /* firings that were over within BACKTEST_SHORT_MS */
    uint64_t again;    /* firings within an hour after the last one of the same series */
    int64_t firing_ms; /* time in which at least one fired */
    int64_t longest_ms, median_ms; /* of firings */
    uint64_t steps;
};

/* Memory from a. */
MUST_USE int backtest_run(const struct backtest *b, struct arena *a, struct backtest_result *ret,
                          struct promql_failure *failure);

#endif
