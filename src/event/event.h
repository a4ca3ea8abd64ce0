/* event/event.h - what happened, beside the samples: deployments, configuration changes, notes,
 * restarts, changes of health and of alerts.
 *
 * Flow:    event_add() (API, StatsD, collectd, health, alert, watch) -> state.db -> event_list()
 *          (charts, incidents), counters of /metrics
 * Threads: any; event_add() does not wait (it is written within a second), event_add_now() waits
 *          for the disk.
 */
#ifndef EVENT_EVENT_H
#define EVENT_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "store/state/state.h"

struct event {
    int64_t id;              /* given by event_add_now(); 0: none yet */
    int64_t time_ms, end_ms; /* end 0: a moment */
    struct str kind;         /* "deployment", "configuration", "note", "restart", "health",
                              * "alert", "crash", "remediation", "checkin", .. */
    struct str title, text;
    struct str source; /* who says so: "api", "watch", "health", .. */
    struct str labels; /* canonical key without __name__ */
    struct str status; /* "started", "succeeded", "failed", "" */
    struct str id_key; /* a key of the sender: the same key changes the same event (a deployment
                        * that starts and ends); "" none */
    struct str url;
};

struct events;

MUST_USE int event_open(struct state *state, const struct clock *clock, int64_t keep_days,
                        struct events **ret, struct why *why);
void event_close(struct events *e); /* writes what waits; NULL is fine */

/* Takes a copy; drops (and counts) where very many wait. NULL e is fine. */
void event_add(struct events *e, const struct event *v);

/* Checked as the API does: kind and title are there, times make sense. */
MUST_USE int event_add_now(struct events *e, const struct event *v, int64_t *ret_id,
                           struct why *why);

struct event_query {
    int64_t from_ms, to_ms; /* overlapping; to 0: now */
    struct str kind;        /* "": all */
    struct str source;
    const struct str *equal; /* [equal_n] "name=value" of labels */
    size_t equal_n;
    size_t limit; /* 0: 1000; the newest */
};
MUST_USE int event_list(struct events *e, const struct event_query *q, struct arena *a,
                        struct event **ret, size_t *ret_n, struct why *why);
MUST_USE int event_delete(struct events *e, int64_t id, struct why *why);

#endif
