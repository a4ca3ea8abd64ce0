/* daemon/respond_health.h - the checks of components, opened by the worker.
 *
 * Threads: the worker's main thread.
 */
#ifndef DAEMON_RESPOND_HEALTH_H
#define DAEMON_RESPOND_HEALTH_H

#include "base/attr.h"
#include "daemon/respond.h"
#include "launch/launch.h"
#include "model/sink.h"

/* After respond_open(), before what serves. instance is borrowed. */
MUST_USE int respond_health_open(struct respond *r, struct sink *sink, size_t lane,
                                 struct str instance, struct launcher *launcher, struct why *why);

/* Checks of kind store ask that server's probe from now on. */
void respond_health_probe(struct respond *r, struct serve *serve);

/* Another configuration is in force: the status page's settings follow. */
void respond_health_reload(struct respond *r);

#endif
