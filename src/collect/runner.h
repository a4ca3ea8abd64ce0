/* collect/runner.h - the thread that runs the collectors and hands their values on.
 *
 * Time is cut into multiples of each collector's interval; all that are due at the same moment
 * share its timestamp, so that the store keeps them in one group. The runner owns one lane of the
 * sink. The work itself is done by a second thread, and a collector that exceeds the deadline is
 * left behind with it: a new thread goes on with the rest, the late one is counted as failed until
 * it comes back. Series that are gone get a staleness marker. The last values are kept for
 * /metrics.
 *
 * Flow:    collectors -> runner -> sink; runner_each() -> serve, self-metrics
 * Threads: runner_new, runner_start, runner_free: one; the others: any.
 */
#ifndef COLLECT_RUNNER_H
#define COLLECT_RUNNER_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "collect/settings.h"
#include "launch/launch.h"
#include "model/batch.h"
#include "model/sink.h"

struct runner;
struct collector;

/* What a runner is made from. All is borrowed until runner_free(). */
struct runner_plan {
    const struct settings *settings;
    const struct clock *clock;
    const char *proc, *sys, *cgroup, *root; /* NULL: those of this host */
    struct launcher *launcher;              /* NULL: no helper programs */
    struct sink *sink;                      /* NULL: nothing is written */
    size_t lane;
    struct str tenant;
    const struct collector *collectors; /* NULL: all of the table; for tests */
    size_t collectors_n;
};

/* Opens the collectors; one that cannot be opened is logged and left out. */
MUST_USE int runner_new(const struct runner_plan *plan, struct runner **ret, struct why *why);

/* Begins to collect on a thread of its own. */
void runner_start(struct runner *r);

/* One collection at ts_ms of all collectors that are due then, on the calling thread's watch; for
 * tests and tools, instead of runner_start(). */
void runner_tick(struct runner *r, int64_t ts_ms);

/* Ends the thread (within a deadline: a collector that hangs is left behind). NULL is fine. */
void runner_free(struct runner *r);

/* One series as it was collected last. */
struct runner_row {
    struct str family, help; /* family: without _bucket, _sum, _count */
    struct str text;         /* name{labels} of the exposition format, without job and instance */
    struct str name, key;    /* metric name; canonical key, with job and instance */
    enum metric_type type;
    double value;
    int64_t ts_ms;
};

/* Calls f for every series, families together and by name. Holds the runner's lock: f must be
 * quick and must not call the runner. About 10 ns a series. */
void runner_each(struct runner *r, void (*f)(void *context, const struct runner_row *row),
                 void *context);

/* How many series runner_each() gives. */
size_t runner_series(struct runner *r);

/* How the collectors are doing, for health pages and the UI's list. */
struct runner_state {
    const char *name, *prose;
    int64_t interval_ms;
    bool ran, failed, late; /* late: hanging past its deadline */
    bool absent;            /* it failed because what it reads is not on this machine */
    int64_t last_ms;        /* timestamp of its last run; 0: none yet */
    double duration_s, cpu_s;
    size_t series;
    char text[WHY_MAX]; /* why it failed, or "" */
};

/* Calls f for every collector that is on. */
void runner_states(struct runner *r, void (*f)(void *context, const struct runner_state *state),
                   void *context);

#endif
