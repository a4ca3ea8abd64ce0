/* remedy/remedy.h - alert -> action: a runbook that carries itself out, within limits, and writes
 * down what it did.
 *
 * A row acts while an alert that fits it fires: after for_seconds, one row at a time, at most
 * runs_max times in a window and not before the cool-down is over. What was done, for which alert,
 * by whom and how it went is in state.db before and after: a run that a crash has cut off is there
 * as "started".
 *
 * Flow:    alert_config.changed -> remedy_alert() -> queue -> thread -> act() -> state.db, event
 * Threads: any; remedy_alert() does not wait; remedy_by_hand() waits for the action.
 */
#ifndef REMEDY_REMEDY_H
#define REMEDY_REMEDY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "event/event.h"
#include "model/alert.h"
#include "remedy/remedy_settings.h"
#include "store/state/state.h"

enum {
    REMEDY_FIRING_MAX = 10000,     /* alerts that are known */
    REMEDY_OUTPUT_MAX = 16 * 1024, /* bytes of an action's output that are kept */
};

struct remedy_config {
    struct state *state;
    const struct clock *clock;
    const struct remedy_settings *settings;
    const struct option_rows *rows; /* struct remedy_row */
    struct events *events;
    /* Carries a row out: 0, or why it went wrong; what it printed goes to output. alert is JSON.
     * remedy_act() of remedy_act.h; tests have their own. */
    int (*act)(void *context, const struct remedy_row *row, struct str alert, struct buf *output,
               struct why *why);
    void *context;
};

struct remedies;

MUST_USE int remedy_open(const struct remedy_config *config, struct remedies **ret,
                         struct why *why);
void remedy_start(struct remedies *r); /* its thread */
void remedy_stop(struct remedies *r);  /* waits for an action in progress; NULL is fine */
void remedy_close(struct remedies *r); /* NULL is fine */

/* The switches; rows are those of the start. */
void remedy_reload(struct remedies *r, const struct remedy_settings *settings);

/* An alert fires or is over; again for one that is known is fine. NULL r is fine. */
void remedy_alert(struct remedies *r, const struct alert *a);

/* Does what is due instead of the thread of remedy_start(). */
void remedy_run(struct remedies *r);

/* Runs one now, past match, for and limits (it counts for them), whatever the switch says. who:
 * who asks. -ERR_NOENT: there is no such row; *ret_ok says how it went. Memory from a. */
MUST_USE int remedy_by_hand(struct remedies *r, struct str name, struct str who, bool dry_run,
                            struct arena *a, bool *ret_ok, struct str *ret_text, struct why *why);

struct remedy_view {
    const struct remedy_row *row;
    bool dry_run;          /* the row's or the switch's */
    size_t runs_in_window; /* that count for its limit */
    int64_t last_ms;       /* 0: never */
    struct str last_outcome;
    size_t firing; /* alerts that fit it now */
    bool busy;
};
void remedy_list(struct remedies *r, struct arena *a, struct remedy_view **ret, size_t *ret_n);
bool remedy_enabled(struct remedies *r);

struct remedy_record {
    int64_t id, time_ms, duration_ms;
    struct str name, who, action;
    struct str labels;  /* of the alert; "" by hand */
    struct str outcome; /* "started", "succeeded", "failed", "dry run", "limited" */
    struct str text;    /* output, or why not */
};
/* The newest first; name "" is all; limit 0: 100. */
MUST_USE int remedy_history(struct remedies *r, struct str name, size_t limit, struct arena *a,
                            struct remedy_record **ret, size_t *ret_n, struct why *why);

#endif
