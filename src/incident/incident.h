/* incident/incident.h - a failure in its context: alerts that fire together, what happened before
 * them, and the metrics that moved most.
 *
 * An incident opens with the first alert that fires, takes those that fire near to it in time and
 * share a label that says what they are about, and closes when all are over and it has been quiet
 * for a while. What changed is looked up when it opens, once more a minute later, and whenever a
 * message is sent: events out of event/, metrics out of the store (incident/incident_moved.h).
 *
 * Flow:    alert_config.changed -> incident_alert() -> queue -> thread -> state.db; API, page,
 *          outbox_config.context_of -> incident_context()
 * Threads: any; incident_alert() does not wait. The others wait for disk and store.
 */
#ifndef INCIDENT_INCIDENT_H
#define INCIDENT_INCIDENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "event/event.h"
#include "incident/incident_settings.h"
#include "model/alert.h"
#include "notify/message.h"
#include "store/face/series.h"
#include "store/state/state.h"

enum {
    INCIDENT_OPEN_MAX = 500,      /* at once; the next alert joins the newest */
    INCIDENT_PROBLEMS_MAX = 1000, /* of one incident */
    INCIDENT_WAITING_MAX = 10000, /* changes of alerts that wait */
    INCIDENT_NOTE_MAX = 64 * 1024,
    INCIDENT_TIMELINE_MAX = 500,
};

struct incident_config {
    struct state *state;
    const struct clock *clock;
    const struct incident_settings *settings;
    struct events *events;
    struct series_store *store;         /* NULL: no metrics are looked at */
    struct str tenant;                  /* whose metrics */
    struct str host_job, host_instance; /* labels of this host's own series; "" none */
    struct str url;                     /* of the page, without a slash at the end; "" none */
};

struct incidents;

MUST_USE int incident_open(const struct incident_config *config, struct incidents **ret,
                           struct why *why);
void incident_start(struct incidents *i); /* its thread */
void incident_stop(struct incidents *i);  /* ends it; NULL is fine */
void incident_close(struct incidents *i); /* NULL is fine */
void incident_reload(struct incidents *i, const struct incident_settings *settings);

/* An alert fires or is over; again for one that is known is fine. NULL i is fine. */
void incident_alert(struct incidents *i, const struct alert *a);

/* Does what is due instead of the thread of incident_start(). */
void incident_run(struct incidents *i);

/* ---- looking */

struct incident {
    int64_t id;
    bool open;
    int64_t opened_ms, closed_ms; /* closed 0: not yet */
    struct str title;             /* of the first alert */
    struct str summary;           /* one sentence: why */
    struct str labels;            /* that all its alerts share */
    struct str severity;          /* the worst */
    int64_t merged_into;          /* 0: not merged */
    size_t problems, firing;
};

struct incident_problem {
    struct str title, severity, labels;
    int64_t starts_ms, ends_ms; /* ends 0: it still fires */
};

/* A series that moved. */
struct incident_moved {
    struct str key;       /* canonical */
    double before, after; /* median of the time before, and since */
    double score;         /* robust z-score, weighted by how near the series is */
    bool rate;            /* a counter: both are per second */
};

struct incident_entry {
    int64_t time_ms, end_ms;
    struct str kind; /* of the event; "alert", "resolved", "note", "opened", "closed" */
    struct str title, text, source;
    struct str labels;
};

struct incident_full {
    struct incident incident;
    const struct incident_problem *problems; /* [problems_n], by time */
    size_t problems_n;
    const struct incident_moved *moved; /* [moved_n], the most first */
    size_t moved_n;
    const struct incident_entry *timeline; /* [timeline_n], by time */
    size_t timeline_n;
    int64_t before_ms; /* where the timeline begins */
};

struct incident_query {
    int64_t from_ms, to_ms; /* overlapping; to 0: now */
    bool open_only;
    size_t limit; /* 0: 100; the newest */
};
MUST_USE int incident_list(struct incidents *i, const struct incident_query *q, struct arena *a,
                           struct incident **ret, size_t *ret_n, struct why *why);

/* -ERR_NOENT. */
MUST_USE int incident_get(struct incidents *i, int64_t id, struct arena *a,
                          struct incident_full *ret, struct why *why);

/* ---- people; -ERR_NOENT, -ERR_STATE */
MUST_USE int incident_note(struct incidents *i, int64_t id, struct str who, struct str text,
                           struct why *why);
MUST_USE int incident_end(struct incidents *i, int64_t id, struct str who, struct why *why);
/* Everything of id goes to into, and id is closed. */
MUST_USE int incident_merge(struct incidents *i, int64_t id, int64_t into, struct str who,
                            struct why *why);

/* What changed around a message's alerts, as plain lines; "" where nothing is known. Memory from a:
 * outbox_config.context_of. */
struct str incident_context(void *incidents, const struct message *m, struct arena *a);

#endif
