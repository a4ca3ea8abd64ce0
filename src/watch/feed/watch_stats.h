/* watch/feed/watch_stats.h - the watched programs as metrics of the daemon: sonde_watch_*.
 *
 * They are statistics of its own (base/stat.h): on /metrics, and in the store through the self
 * collector. A unit that is gone is hidden, and shown again where it comes back.
 *
 * Threads: one.
 */
#ifndef WATCH_FEED_WATCH_STATS_H
#define WATCH_FEED_WATCH_STATS_H

#include <stdbool.h>

#include "watch/feed/watch_view.h"

enum { WATCH_STATS_UNITS_MAX = 2000 /* that have metrics; what exceeds it is counted */ };

struct watch_stats;

struct watch_stats *watch_stats_new(void);

/* Takes over an answer; NULL: there is none, and all units are hidden. answers: does sonde-watch
 * run? */
void watch_stats_set(struct watch_stats *s, const struct watch_view *v);

/* Hides everything; what is registered stays. NULL is fine. */
void watch_stats_free(struct watch_stats *s);

#endif
