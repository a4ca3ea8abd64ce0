/* daemon/app_service.h - what the worker has for applications that link libsonde, wired together:
 * their connections, the spool, symbols, the relay.
 *
 * Flow:    app_service_open() -> app_service_start() .. app_service_stop() -> app_service_close()
 * Threads: the worker's main thread.
 */
#ifndef DAEMON_APP_SERVICE_H
#define DAEMON_APP_SERVICE_H

#include "apps/apps.h"
#include "apps/signal_relay.h"
#include "apps/signal_spool.h"
#include "apps/symbols.h"
#include "base/attr.h"
#include "base/err.h"
#include "conf/conf.h"
#include "daemon/app_checks.h"
#include "event/event.h"
#include "health/health.h"
#include "launch/launch.h"

/* It stays where it is: the health's checks look at it. */
struct app_service {
    struct apps *apps;
    struct signal_spool *spool;
    struct symbols *symbols;
    struct signal_relay *relay; /* NULL: nothing is sent on */
    struct events *events;
    struct app_checks checks;
};

struct app_service_host {
    const struct conf *conf; /* as long as the service */
    struct disk *disk;
    struct sink *sink;
    size_t lane;
    struct events *events;
    struct health *health;
    struct launcher *launcher; /* NULL: no programs are configured */
};

MUST_USE int app_service_open(struct app_service *s, const struct app_service_host *host,
                              struct why *why);

/* fds [n]: the sockets that applications connect to. */
MUST_USE int app_service_start(struct app_service *s, const int *fds, size_t n, struct why *why);

/* Questions are answered with an error from now on, nothing is taken any more. */
void app_service_stop(struct app_service *s);
void app_service_close(struct app_service *s); /* one that was never opened is fine */

#endif
