/* incident/incident_moved.h - which series moved most when something broke.
 *
 * Candidates are read in the order of their nearness: series that share the alerts' own labels,
 * then this host's key series. Each is put into steps of a fixed length (the mean of a gauge, the
 * rate of a counter) and the median since the change is held against median and MAD of the time
 * before: score = |after - before| / max(1.4826 MAD, 1 % of the larger), at most 100, times a
 * weight for the labels shared. The number of series and the time are bounded; where more series
 * fit than are looked at, a sample of them by hash is.
 *
 * Source:  Iglewicz and Hoaglin, How to detect and handle outliers (1993): the modified z-score.
 * Threads: pure functions over a store; waits for its disk.
 */
#ifndef INCIDENT_INCIDENT_MOVED_H
#define INCIDENT_INCIDENT_MOVED_H

#include "incident/incident.h"

struct incident_moved_query {
    struct series_store *store;
    struct tenant *tenant;
    const struct clock *clock;
    struct str labels; /* of the alerts: a canonical key */
    struct str host_job, host_instance;
    int64_t from_ms, change_ms, to_ms; /* before: [from, change), after: [change, to] */
    size_t series_max, moved_max;
};

/* The most moved first; memory from a. */
MUST_USE int incident_moved_find(const struct incident_moved_query *q, struct arena *a,
                                 struct incident_moved **ret, size_t *ret_n, struct why *why);

/* The score of values before [n] and after [m], which are put in another order; false where there
 * are too few or nothing moved. */
bool incident_moved_score(double *before, size_t n, double *after, size_t m,
                          struct incident_moved *ret);

/* "http_latency_seconds{instance="a"} 0.1 -> 1.9" */
void incident_moved_say(const struct incident_moved *m, struct buf *out);

#endif
