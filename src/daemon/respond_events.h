/* daemon/respond_events.h - events, check-ins and heartbeats of the worker, opened and closed.
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
#include "model/alert.h"
#include "store/state/state.h"

struct respond_events {
    struct events *events;
    struct checkins *checkins;
};

/* Events, before all that adds any. */
MUST_USE int respond_events_open(struct respond_events *r, struct state *state,
                                 const struct conf *conf, const struct clock *clock,
                                 struct why *why);

/* What makes alerts of its own, once there is somewhere to send them. */
MUST_USE int respond_events_watch(struct respond_events *r, struct state *state,
                                  const struct conf *conf, const struct clock *clock,
                                  struct alert_sink *alerts, struct why *why);

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
