/* daemon/alert_log.h - a sink of alerts that logs: one line when an alert fires, one when it is
 * resolved.
 *
 * Flow:    rules -> alert_log -> standard error
 * Threads: any.
 */
#ifndef DAEMON_ALERT_LOG_H
#define DAEMON_ALERT_LOG_H

#include "model/alert.h"

/* There is one; it needs no closing. */
struct alert_sink *alert_log(void);

#endif
