/* alert/alert.h - from alerts to messages: what Alertmanager does, and acknowledgement, assignment,
 * comments, escalation and history besides.
 *
 * Alerts come from rules, health, watch and others through an alert_sink (model/alert.h), or are
 * posted by Prometheus. Each is routed into groups; a group is told after group_wait, then when it
 * changed after group_interval, and again after repeat_interval, unless the alert is silenced,
 * inhibited, muted by time or acknowledged (an acknowledged alert is told once more only when it is
 * resolved). What was told is written down in the same transaction that puts the message into the
 * queue, and alerts, silences, acknowledgements and what was told come back after kill -9 as they
 * were.
 *
 * All times are the clock's; alert_run() does what is due, so that tests turn a clock of their own.
 *
 * Flow:    alert_sink, alert_post() -> routes -> groups -> silence, inhibit, times -> outbox
 * Source:  Alertmanager: dispatch/, inhibit/, silence/, notify/ (semantics of its documentation).
 * Threads: any; deciding is on the module's own thread. What changes state waits for the disk.
 */
#ifndef ALERT_ALERT_H
#define ALERT_ALERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "alert/config/plan.h"
#include "base/arena.h"
#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "model/alert.h"
#include "store/state/state.h"

struct alerting;

struct alert_config {
    struct state *state;
    const struct clock *clock;
    const struct plan *plan; /* outlives the engine or the next alert_reload() */
    /* Puts a message into the queue, inside the engine's transaction, and wakes the queue after
     * it: outbox_add(), outbox_wake(); tests gather instead. */
    int (*add)(void *context, struct state_tx *tx, const struct message *m, struct why *why);
    void (*wake)(void *context);
    void *context;
    /* Hears of each change of an alert after it is durable; may be NULL: events, incidents,
     * remediation. Any thread, must not wait. */
    void (*changed)(void *context, const struct alert *a);
    void *changed_context;
};

MUST_USE int alert_new(const struct alert_config *config, struct alerting **ret, struct why *why);
void alert_start(struct alerting *a); /* its thread */
/* Ends the thread after it has kept what came in; what comes in afterwards is taken by the next
 * alert_run(), if any. */
void alert_stop(struct alerting *a);
void alert_free(struct alerting *a); /* NULL is fine */

/* Another plan; groups whose route did not change keep their times. */
void alert_reload(struct alerting *a, const struct plan *plan);

/* Does what is due instead of alert_start(); when the next thing is due (wall ms). */
int64_t alert_run(struct alerting *a);

/* Where this daemon's own alerts go in. */
struct alert_sink *alert_engine_sink(struct alerting *a);

/* An alert from outside, as POST /api/v2/alerts has it; times 0: not given. */
struct alert_posted {
    struct str labels, annotations; /* keys */
    int64_t starts_ms, ends_ms;
    struct str generator_url;
};

/* Merges as Alertmanager does. Waits for the disk. -ERR_FORMAT: one of them is no alert (the others
 * are taken; why tells which). */
MUST_USE int alert_post(struct alerting *a, const struct alert_posted *v, size_t n,
                        struct why *why);

/* ---- looking */

enum alert_note { ALERT_NOTE_NONE, ALERT_NOTE_ACKNOWLEDGED };

struct alert_row {
    struct str labels, annotations, generator_url;
    const char *state; /* "active", "suppressed" (silenced, inhibited or muted), "unprocessed" (not
                        * on disk yet) */
    double value;      /* of the expression when it was last sent; NaN: not known */
    uint64_t fingerprint;
    int64_t starts_ms, ends_ms, updated_ms;
    bool resolved;
    const struct str *silenced_by; /* [silenced_n] ids of silences */
    size_t silenced_n;
    const struct str *inhibited_by; /* [inhibited_n] fingerprints */
    size_t inhibited_n;
    const struct str *muted_by; /* [muted_n] names of time intervals */
    size_t muted_n;
    const struct str *receivers; /* [receivers_n] */
    size_t receivers_n;
    bool acknowledged;
    struct str acknowledged_by, assigned_to; /* "" where nobody */
    int64_t acknowledged_ms;
    struct str escalation; /* the name of the ladder that it is on; "" where none */
    int64_t escalation_step, escalation_next_ms;
};

/* Which alerts are wanted; zero: all. */
struct alert_filter {
    const struct matcher_list *match; /* NULL: all */
    const char *receiver;             /* an anchored expression; NULL: all */
    bool no_active, no_silenced, no_inhibited, no_unprocessed, no_muted;
};

MUST_USE int alert_list(struct alerting *a, const struct alert_filter *f, struct arena *arena,
                        struct alert_row **ret, size_t *ret_n, struct why *why);

struct alert_group_row {
    struct str labels, receiver, key;
    struct alert_row *alerts; /* [n] */
    size_t n;
    int64_t next_ms; /* when it is looked at next */
};
MUST_USE int alert_groups(struct alerting *a, const struct alert_filter *f, struct arena *arena,
                          struct alert_group_row **ret, size_t *ret_n, struct why *why);

/* ---- silences */

struct alert_silence {
    struct str id; /* "" for a new one; UUID */
    struct matcher_list matchers;
    int64_t starts_ms, ends_ms, updated_ms;
    struct str created_by, comment;
    bool until_resolved; /* also ends when every alert that it held is resolved */
    /* "expired", "active", "pending" */
    const char *state;
};

/* Makes or changes one as Alertmanager does (a change of matchers makes a new one); *ret_id is from
 * arena. Waits for the disk: once 0 is returned it survives kill -9. */
MUST_USE int alert_silence_set(struct alerting *a, const struct alert_silence *s,
                               struct arena *arena, struct str *ret_id, struct why *why);
/* -ERR_NOENT; -ERR_STATE: it is over already. */
MUST_USE int alert_silence_expire(struct alerting *a, struct str id, struct why *why);
/* All that are kept, as they were made; their matchers are for reading (no expressions). */
MUST_USE int alert_silence_list(struct alerting *a, struct arena *arena, struct alert_silence **ret,
                                size_t *ret_n, struct why *why);

/* ---- people */

enum alert_action {
    ALERT_ACKNOWLEDGE,
    ALERT_UNACKNOWLEDGE,
    ALERT_ASSIGN, /* text: to whom; "" to nobody */
    ALERT_COMMENT,
};

/* Waits for the disk. -ERR_NOENT: no such alert. */
MUST_USE int alert_act(struct alerting *a, uint64_t fingerprint, enum alert_action action,
                       struct str who, struct str text, struct why *why);

/* Sends a test to a receiver's integrations: alert's part of "send a test" is in notify/outbox.h.
 */

/* ---- history: every change of state, message and action, newest first */

struct alert_history_row {
    int64_t time_ms;
    uint64_t fingerprint;
    struct str labels;
    struct str what; /* "firing", "resolved", "notified", "acknowledged", "assigned", "comment",
                      * "silenced", "escalated", .. */
    struct str who;  /* a person or a receiver; "" */
    struct str text; /* a comment, a value, an error */
};

struct alert_history_query {
    int64_t from_ms, to_ms;
    uint64_t fingerprint; /* 0: all */
    size_t limit;         /* 0: 1000 */
};
MUST_USE int alert_history(struct alerting *a, const struct alert_history_query *q,
                           struct arena *arena, struct alert_history_row **ret, size_t *ret_n,
                           struct why *why);

#endif
