/* daemon/respond_pulse.h - heartbeats of the worker: they go out while rules are evaluated and
 * messages leave.
 *
 * Threads: the worker's main thread; the answer whether all is well is the heartbeat's.
 */
#ifndef DAEMON_RESPOND_PULSE_H
#define DAEMON_RESPOND_PULSE_H

#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "checkin/heartbeat.h"
#include "conf/conf.h"
#include "model/alert.h"
#include "store/state/state.h"

struct rules;
struct outbox;

struct respond_pulse {
    struct heartbeats *heartbeats;
    const struct clock *clock;
    struct state *state;
    struct rules *rules;   /* may be NULL */
    struct outbox *outbox; /* may be NULL */
};

/* rules and outbox live until respond_pulse_close(). */
MUST_USE int respond_pulse_open(struct respond_pulse *p, const struct conf *conf,
                                struct alert_sink *alerts, struct why *why);
void respond_pulse_start(struct respond_pulse *p);
void respond_pulse_close(struct respond_pulse *p);

#endif
