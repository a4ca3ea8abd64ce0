/* daemon/app_checks.h - health checks of the spool of applications' signals: can it be written, how
 * full is it, does what is sent on lag behind?
 *
 * Threads: those of health.h.
 */
#ifndef DAEMON_APP_CHECKS_H
#define DAEMON_APP_CHECKS_H

#include "apps/signal_relay.h"
#include "apps/signal_spool.h"
#include "base/attr.h"
#include "base/err.h"
#include "health/health.h"

/* What the checks look at, and what they saw last; it outlives the health's runs. */
struct app_checks {
    struct signal_spool *spool;
    struct signal_relay *relay; /* NULL: nothing is sent on */
    uint64_t failed[SIGNAL_SPOOL_QUEUES_N], stored[SIGNAL_SPOOL_QUEUES_N];
    bool broken[SIGNAL_SPOOL_QUEUES_N]; /* since a write failed, until one succeeds */
};

MUST_USE int app_checks_add(struct app_checks *c, struct health *h);

#endif
