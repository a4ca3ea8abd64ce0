/* watch/feed/watch_feed.h - the daemon's side of the watchdog: asks sonde-watch how the programs
 * are, and makes metrics, alerts and events of it.
 *
 * sonde-watch lives on its own and needs no daemon: where it does not run there is nothing to tell,
 * and where it is gone after it was seen an alert says so. Events are listened to as they happen,
 * and those that happened while no daemon ran are caught up with; the same one twice is one.
 *
 * Flow:    control socket -> thread -> watch_stats.h, model/alert.h, event/event.h
 * Threads: its own; new, start, free: one.
 */
#ifndef WATCH_FEED_WATCH_FEED_H
#define WATCH_FEED_WATCH_FEED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/str.h"
#include "event/event.h"
#include "model/alert.h"

enum {
    WATCH_FEED_RESEND_MS = 60000,        /* a firing alert is said again */
    WATCH_FEED_RESOLVED_MS = 15 * 60000, /* and a resolved one so long */
    WATCH_FEED_RESTARTED_MS = 5 * 60000, /* WatchProgramRestarted fires so long after a restart */
    WATCH_FEED_CATCH_UP = 500,           /* events of before */
};

struct watch_feed;

/* Texts are copied, the rest is borrowed until watch_feed_free(). */
struct watch_feed_config {
    const char *socket;
    int64_t poll_interval_ms;
    struct alert_sink *alerts; /* NULL: none are raised */
    struct events *events;     /* NULL: none are kept */
    const char *instance;      /* label of the alerts: this host */
    const char *url;           /* of a page with the programs; "" */
    const struct clock *clock;
};

struct watch_feed *watch_feed_new(const struct watch_feed_config *config);
void watch_feed_start(struct watch_feed *f);
void watch_feed_free(struct watch_feed *f); /* ends its thread; NULL is fine */

#endif
