/* event/event.h - what happened, beside the samples: deployments, configuration changes, notes,
 * restarts, changes of health and of alerts.
 *
 * Deployments are also counted by service and outcome, with their durations.
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

enum {
    EVENT_KIND_MAX = 64,          /* bytes: letters, digits, - _ . */
    EVENT_TITLE_MAX = 1000,       /* bytes, as below */
    EVENT_TEXT_MAX = 64 * 1024,   /* longer ones are cut */
    EVENT_SOURCE_MAX = 64,        /* */
    EVENT_STATUS_MAX = 64,        /* */
    EVENT_ID_KEY_MAX = 200,       /* */
    EVENT_URL_MAX = 2000,         /* */
    EVENT_LABELS_MAX = 16 * 1024, /* of the key */
    EVENT_WAITING_MAX = 10000,    /* events that wait to be written */
    EVENT_LIST_MAX = 10000,       /* rows of one list */
    EVENT_DAYS_MAX = 31,          /* from the begin to the end of one */
    EVENT_LISTENERS_MAX = 4,
};

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

/* Another number of days; 0: for ever. */
void event_set_keep(struct events *e, int64_t keep_days);

/* f hears of each event that is taken, before it is written: from whatever thread adds it; it must
 * not wait. Called before anybody adds. At most EVENT_LISTENERS_MAX. */
void event_listen(struct events *e, void (*f)(void *context, const struct event *v), void *context);

/* Takes a copy; drops (and counts) where very many wait. NULL e is fine. */
void event_add(struct events *e, const struct event *v);

/* Checked as the API does: kind and title are there, times make sense; time 0 is now. An event with
 * the id_key of one of its kind that is there changes that one: what is not empty takes the place
 * of what was, and a status of "succeeded" or "failed" ends it at its time. -ERR_FORMAT: it is no
 * event. */
MUST_USE int event_add_now(struct events *e, const struct event *v, int64_t *ret_id,
                           struct why *why);

/* The same for events [n]: all of them or, where one is none, nothing; *ret_failed (may be NULL) is
 * the number of that one. */
MUST_USE int event_add_all(struct events *e, const struct event *v, size_t n, int64_t *ret_ids,
                           size_t *ret_failed, struct why *why);

struct event_query {
    int64_t from_ms, to_ms; /* overlapping; to 0: now */
    struct str kind;        /* "": all */
    struct str source;
    const struct str *equal; /* [equal_n] "name=value" of labels */
    size_t equal_n;
    size_t limit;      /* 0: 1000; the newest */
    int64_t before_id; /* only those with a smaller id; 0: all */
};
/* The newest first; what event_add() took before is among them. */
MUST_USE int event_list(struct events *e, const struct event_query *q, struct arena *a,
                        struct event **ret, size_t *ret_n, struct why *why);
/* -ERR_NOENT where there is none of that id. */
MUST_USE int event_delete(struct events *e, int64_t id, struct why *why);

#endif
