/* daemon/respond_watch.h - the daemon's side of the watchdog, wired: where its socket is, its feed
 * of metrics, alerts and events.
 *
 * Threads: the worker's main thread.
 */
#ifndef DAEMON_RESPOND_WATCH_H
#define DAEMON_RESPOND_WATCH_H

#include "base/clock.h"
#include "conf/conf.h"
#include "event/event.h"
#include "model/alert.h"
#include "watch/feed/watch_feed.h"

struct respond_watch {
    char socket[4096]; /* of sonde-watch, absolute; lives as long as the worker */
    struct watch_feed *feed;
};

void respond_watch_open(struct respond_watch *w, const struct conf *conf, const struct clock *clock,
                        struct alert_sink *alerts, struct events *events);
void respond_watch_start(struct respond_watch *w);
void respond_watch_close(struct respond_watch *w);

#endif
