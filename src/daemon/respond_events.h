/* daemon/respond_events.h - events, check-ins, incidents and the runbook of the worker, opened and
 * closed.
 *
 * Threads: the worker's main thread; the two hooks of datagrams are their receivers'.
 */
#ifndef DAEMON_RESPOND_EVENTS_H
#define DAEMON_RESPOND_EVENTS_H

#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "checkin/checkin.h"
#include "codec/collectd.h"
#include "codec/statsd.h"
#include "conf/conf.h"
#include "event/event.h"
#include "launch/launch.h"
#include "model/alert.h"
#include "remedy/remedy_act.h"
#include "store/face/series.h"
#include "store/state/state.h"

/* What of the worker it works with. */
struct respond_events_host {
    struct state *state;
    const struct conf *conf;
    const struct clock *clock;
    struct series_store *store;
    struct launcher *launcher; /* NULL: no programs are configured */
    const char *watch_socket;
    struct alert_sink *alerts; /* where alerts go */
};

struct incidents;

struct respond_events {
    struct events *events;
    struct checkins *checkins;
    struct incidents *incidents; /* NULL: switched off */
    struct remedies *remedies;
    struct remedy_act act;
    char instance[256], url[600];
};

/* Events, before all that adds any. */
MUST_USE int respond_events_open(struct respond_events *r, struct state *state,
                                 const struct conf *conf, const struct clock *clock,
                                 struct why *why);

/* What hears of alerts and makes some of its own. */
MUST_USE int respond_events_watch(struct respond_events *r, const struct respond_events_host *host,
                                  struct why *why);

/* Incidents and the runbook hear of an alert: alert_config.changed, with a struct respond_events as
 * its context. */
void respond_events_alert(void *context, const struct alert *a);

void respond_events_start(struct respond_events *r);
void respond_events_stop(struct respond_events *r);  /* what makes alerts */
void respond_events_close(struct respond_events *r); /* the rest */
MUST_USE int respond_events_reload(struct respond_events *r, const struct conf *conf,
                                   struct why *why);

/* Hooks of receive/; the context is a struct respond_events. */
void respond_events_statsd(void *context, const struct statsd_event *e);
void respond_events_collectd(void *context, const struct collectd_identity *id, struct str message,
                             unsigned severity);

#endif
