/* receive/statsd_aggregator.h - adds StatsD's lines up and writes each interval what they came to.
 *
 * Counters are written as totals that only grow, gauges as they are, sets as the number of
 * different values of the interval, timers, histograms and distributions as native histograms (or
 * classic ones, by option). Every series is written in every interval until no line of it has come
 * for expiry_ms: then it ends with a stale marker. A new total begins with a zero one interval
 * before, so that increase() sees all of it.
 *
 * Flow:    datagram -> statsd_aggregator_take() -> totals -> statsd_aggregator_step() -> sink
 * Threads: one at a time; it writes on a lane of its own.
 */
#ifndef RECEIVE_STATSD_AGGREGATOR_H
#define RECEIVE_STATSD_AGGREGATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/option.h"
#include "codec/statsd.h"
#include "model/sink.h"

enum { STATSD_BUCKETS_MAX = 100 };

struct statsd_settings {
    struct option_list listen, buckets;
    const char *tenant, *prefix, *histograms, *container_label;
    int64_t interval_ms, expiry_ms, series_max, set_values_max;
    bool relative_gauges;
};

extern const struct option_table statsd_options;

/* What option rows cannot check: prefix, container_label, buckets. */
MUST_USE int statsd_settings_check(const struct statsd_settings *s, struct why *why);

struct statsd_plan {
    const struct statsd_settings *settings; /* outlives the aggregator */
    struct sink *sink;
    size_t lane;
    int64_t start_ms; /* now: nothing is written for a time before */
    /* Is told of each event; NULL where they are only counted. The event's texts live for the call.
     */
    void (*event)(void *context, const struct statsd_event *e);
    void *context;
};

struct statsd_aggregator;

MUST_USE int statsd_aggregator_new(const struct statsd_plan *plan, struct statsd_aggregator **ret,
                                   struct why *why);
void statsd_aggregator_free(struct statsd_aggregator *a); /* NULL is fine */

/* Takes the lines of a datagram. */
HOT void statsd_aggregator_take(struct statsd_aggregator *a, struct str datagram);

/* Ends the interval at ts_ms: from here on statsd_aggregator_step() writes. */
void statsd_aggregator_flush(struct statsd_aggregator *a, int64_t ts_ms);

/* Writes one batch; false where all is written (and the lane's commit asked for). */
bool statsd_aggregator_step(struct statsd_aggregator *a);

/* Adds what was counted since the last call to sonde_statsd_*: not for each line. */
void statsd_aggregator_tell(struct statsd_aggregator *a);

#endif
