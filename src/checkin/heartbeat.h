/* checkin/heartbeat.h - asks services outside again and again while this daemon is well: when that
 * ends, they tell people that nobody here can.
 *
 * Before each request it is asked whether the daemon can do its work (evaluate rules, tell people);
 * where it cannot, the request is withheld. Requests that fail several times in a row fire the
 * alert HeartbeatFailed.
 *
 * Flow:    loop of its own: timer -> well() -> net/fetch -> counters, alert_sink
 * Threads: its own; new, start, free: one.
 */
#ifndef CHECKIN_HEARTBEAT_H
#define CHECKIN_HEARTBEAT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "checkin/checkin_settings.h"
#include "model/alert.h"

enum { HEARTBEAT_WHY_MAX = 256 /* bytes */ };

struct heartbeat_config {
    const struct clock *clock;
    const struct option_rows *rows; /* struct heartbeat_row; outlive it */
    struct alert_sink *alerts;      /* may be NULL */
    struct str url;                 /* that alerts link to */
    /* Can rules be evaluated and people be told? Otherwise why not. NULL: always. Must not wait for
     * long; the heartbeat's thread. */
    bool (*well)(void *context, char why[HEARTBEAT_WHY_MAX]);
    void *context;
};

struct heartbeats;

MUST_USE int heartbeat_new(const struct heartbeat_config *config, struct heartbeats **ret,
                           struct why *why);
void heartbeat_start(struct heartbeats *h);
void heartbeat_free(struct heartbeats *h); /* ends its thread; NULL is fine */

#endif
