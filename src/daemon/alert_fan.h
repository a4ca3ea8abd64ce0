/* daemon/alert_fan.h - where this daemon's own alerts go: its log, and then either other
 * Alertmanagers, where any are named, or its own engine.
 *
 * Threads: the sink from any; the members are set before anybody sends.
 */
#ifndef DAEMON_ALERT_FAN_H
#define DAEMON_ALERT_FAN_H

#include "alert/send/send.h"
#include "daemon/config.h"
#include "model/alert.h"

struct alert_fan {
    struct alert_sink sink;
    struct alert_sink *log, *engine; /* engine may be NULL */
    struct send *send;
    /* Hears of alerts that are told elsewhere, as the engine tells of the others
     * (alert_config.changed); may be NULL. */
    void (*heard)(void *context, const struct alert *a);
    void *heard_context;
};

/* With the log alone. */
MUST_USE int alert_fan_open(struct alert_fan *f, const struct config *config, struct why *why);
void alert_fan_close(struct alert_fan *f);

/* Other Alertmanagers. */
MUST_USE int alert_fan_reload(struct alert_fan *f, const struct config *config, struct why *why);

#endif
