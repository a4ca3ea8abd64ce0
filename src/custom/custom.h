/* custom/custom.h - metrics of one's own: programs, HTTP answers, queries and log files that the
 * configuration names, each read at its own interval.
 *
 * A thread with a loop decides what is due at multiples of each row's interval, asks HTTP servers
 * itself and gives the rest to a small pool. It alone writes to the sink. Series that a run does
 * not give any more get a staleness marker; those of a row that gives nothing at all get theirs
 * after CUSTOM_FAILURES_MAX such runs in a row.
 *
 * Flow:    custom_source.h -> emit -> sink; custom_each() -> serve
 * Threads: custom_new, custom_start, custom_free: one; custom_each: any.
 */
#ifndef CUSTOM_CUSTOM_H
#define CUSTOM_CUSTOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "custom/custom_settings.h"
#include "launch/launch.h"
#include "model/sink.h"
#include "os/disk.h"

enum { CUSTOM_FAILURES_MAX = 3 };

struct custom;

/* Borrowed until custom_free(), settings' texts too. */
struct custom_plan {
    const struct custom_settings *settings;
    struct launcher *launcher; /* NULL: no programs */
    struct sink *sink;
    size_t lane;
    struct str tenant, instance;
    struct disk *disk; /* where the places in log files are remembered; NULL: nowhere */
    const struct clock *clock;
};

MUST_USE int custom_new(const struct custom_plan *plan, struct custom **ret, struct why *why);
void custom_start(struct custom *c);

/* Ends what runs. NULL is fine. */
void custom_free(struct custom *c);

/* How a row is doing. */
struct custom_view {
    const char *kind, *name;
    int64_t interval_ms, last_ms; /* 0: it has not run yet */
    bool up, busy;
    double duration_s;
    size_t series;
    uint64_t runs, failures, missed;
    char text[WHY_MAX]; /* why the last run failed, or "" */
};

/* Calls f for every row; NULL has none. */
void custom_each(struct custom *c, void (*f)(void *context, const struct custom_view *view),
                 void *context);

#endif
