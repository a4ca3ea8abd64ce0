/* daemon/respond.h - the part of the worker that tells people and acts: state.db and what works
 * with it.
 *
 * work.c calls these in the order in which it opens everything; who adds a module adds its member,
 * and its lines to the functions here. What is opened is closed in reverse.
 *
 * Flow:    respond_open() (confined, the store is open) -> respond_checks() -> respond_start() ..
 *          respond_stop() (nothing is decided any more) -> respond_close()
 * Threads: the worker's main thread.
 */
#ifndef DAEMON_RESPOND_H
#define DAEMON_RESPOND_H

#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "daemon/alert_fan.h"
#include "daemon/config.h"
#include "daemon/respond_alert.h"
#include "daemon/respond_events.h"
#include "daemon/respond_pulse.h"
#include "daemon/respond_status.h"
#include "health/checkup.h"
#include "health/health.h"
#include "model/alert.h"
#include "daemon/respond_watch.h"
#include "store/state/state.h"

struct serve;

/* What of the worker it works with; pointers live as long as the worker, config until the next. */
struct respond_host {
    const struct config *config;
    const struct clock *clock;
    struct series_store *store;
    struct launcher *launcher; /* NULL: no programs are configured */
};

struct respond {
    struct respond_host host;
    struct state *state; /* DATA/state.db */
    struct respond_events events;
    struct respond_watch watch;
    struct checkup_plan_settings health; /* respond_health_open() */
    struct checkup *checkup;
    struct serve *serve;                  /* whose probe of the store is asked; NULL: not yet */
    struct threshold_list *custom_alerts; /* respond_rules_open() */
    struct respond_alert alerting;
    struct respond_status status;
    struct respond_pulse pulse; /* its rules and outbox are set before respond_start() */
    struct alert_fan fan;
    struct alert_sink *alerts; /* where this daemon's own alerts go: the fan's */
};

MUST_USE int respond_open(struct respond *r, const struct respond_host *host, struct why *why);

/* Health checks of what was opened. */
MUST_USE int respond_checks(struct respond *r, struct health *h);

/* Threads of what was opened. */
void respond_start(struct respond *r);
void respond_stop(struct respond *r);

/* One that was never opened is fine. */
void respond_close(struct respond *r);

/* Adds state.db to the snapshot of the store at that path in the data directory. */
MUST_USE int respond_snapshot(struct respond *r, const char *snapshot, struct why *why);

/* Another configuration is in force. */
MUST_USE int respond_reload(struct respond *r, const struct config *config, struct why *why);

#endif
