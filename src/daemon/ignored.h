/* daemon/ignored.h - tells the operator what the files of Prometheus and Alertmanager ask for in
 * vain.
 *
 * Threads: one.
 */
#ifndef DAEMON_IGNORED_H
#define DAEMON_IGNORED_H

#include "daemon/config.h"

/* Logs what next has and before, which may be NULL, has not. */
void ignored_tell(const struct config *next, const struct config *before);

#endif
