/* checkin/checkin.h - cron jobs that say when they have run, and what it means when they do not.
 *
 * A check-in has a period or a cron expression, a grace time and, where it says when it starts, a
 * longest run time. Of its pings and of time comes its state:
 *
 *   new -> up <-> running, and late (due, within the grace) -> missing; failed; overrun (runs too
 *   long)
 *
 * The last three fire the alerts CheckinMissing, CheckinFailed and CheckinOverrun until the next
 * success. What pings and state are is written before the ping is answered.
 *
 * Flow:    checkin_ping() (API) -> state.db -> checkin_run() each second -> alert_sink, events,
 *          sonde_checkin_*
 * Source:  the pinging API of healthchecks.io, whose clients work here.
 * Threads: any; pings wait for the disk.
 */
#ifndef CHECKIN_CHECKIN_H
#define CHECKIN_CHECKIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "checkin/checkin_settings.h"
#include "event/event.h"
#include "model/alert.h"
#include "store/state/state.h"

enum {
    CHECKIN_OUTPUT_MAX = 16 * 1024, /* bytes of a job's output that are kept: its end */
    CHECKIN_PINGS_MAX = 100,        /* that are kept of one check-in */
};

enum checkin_state {
    CHECKIN_NEW,
    CHECKIN_UP,
    CHECKIN_RUNNING,
    CHECKIN_LATE,
    CHECKIN_MISSING,
    CHECKIN_FAILED,
    CHECKIN_OVERRUN,
};

/* "new", "up", "running", "late", "missing", "failed", "overrun". */
const char *checkin_state_text(enum checkin_state s);

enum checkin_kind { CHECKIN_SUCCESS, CHECKIN_START, CHECKIN_FAIL };

/* "success", "start", "fail". */
const char *checkin_kind_text(enum checkin_kind k);

/* When it is expected; every_ms and cron are not both given. */
struct checkin_schedule {
    int64_t every_ms; /* 0: none */
    struct str cron, zone;
    int64_t grace_ms, max_runtime_ms; /* 0: none */
};

/* -ERR_FORMAT. */
MUST_USE int checkin_schedule_check(const struct checkin_schedule *s, struct why *why);

struct checkin_ping {
    enum checkin_kind kind;
    int64_t exit;        /* exit code; -1: none was told */
    int64_t duration_ms; /* -1: not known; out of the start where there was one */
    int64_t time_ms;     /* of lists */
    struct str output;   /* text of the job; its end is kept */
};

struct checkin_config {
    struct state *state;
    const struct clock *clock;
    const struct checkin_settings *settings;
    const struct option_rows *rows; /* struct checkin_row */
    struct events *events;          /* may be NULL */
    struct alert_sink *alerts;      /* may be NULL */
    struct str url;                 /* of the page that alerts link to; "" none */
};

struct checkins;

MUST_USE int checkin_open(const struct checkin_config *config, struct checkins **ret,
                          struct why *why);
void checkin_start(struct checkins *c); /* its thread */
void checkin_stop(struct checkins *c);  /* ends it; NULL is fine */
void checkin_close(struct checkins *c); /* NULL is fine */

/* Other settings and rows; those that vanished are neither shown nor missed, but what is known of
 * them stays. */
MUST_USE int checkin_reload(struct checkins *c, const struct checkin_settings *settings,
                            const struct option_rows *rows, struct why *why);

/* Does what is due instead of the thread of checkin_start(). */
void checkin_run(struct checkins *c);

/* Takes a ping; make (may be NULL) is the schedule of a check-in that is not there yet.
 * -ERR_NOENT: it is not there and is not made; -ERR_LIMIT: there are too many; -ERR_FORMAT. */
MUST_USE int checkin_ping(struct checkins *c, struct str name, const struct checkin_ping *ping,
                          const struct checkin_schedule *make, struct why *why);

struct checkin_view {
    struct str name, title, severity, labels;
    bool configured; /* by a row; else by its first ping */
    struct checkin_schedule schedule;
    enum checkin_state state;
    int64_t since_ms;                                         /* of the state */
    int64_t created_ms, start_ms, end_ms, success_ms, due_ms; /* 0: never */
    int64_t duration_ms, exit;                                /* of the last run; -1: not known */
    int64_t pings;
};

/* By name; memory from a. */
void checkin_list(struct checkins *c, struct arena *a, struct checkin_view **ret, size_t *ret_n);
MUST_USE int checkin_one(struct checkins *c, struct str name, struct arena *a,
                         struct checkin_view *ret, struct why *why);

/* The last pings, the newest first. */
MUST_USE int checkin_pings(struct checkins *c, struct str name, struct arena *a,
                           struct checkin_ping **ret, size_t *ret_n, struct why *why);

/* -ERR_NOENT; -ERR_STATE: the configuration names it. */
MUST_USE int checkin_delete(struct checkins *c, struct str name, struct why *why);

#endif
