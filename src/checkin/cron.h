/* checkin/cron.h - when a cron expression is due.
 *
 * Five fields: minute, hour, day of the month, month, day of the week; lists, ranges, steps, names,
 * '?' for '*', 7 for Sunday; where both days are given, either of them does. And @hourly, @daily,
 * @midnight, @weekly, @monthly, @yearly, @annually. A time that a zone's clocks leap over is due
 * when they have leapt; one that comes twice is due the first time, unless the hour is '*'.
 *
 * Source:  crontab(5) of Debian's cron.
 * Threads: pure functions.
 */
#ifndef CHECKIN_CRON_H
#define CHECKIN_CRON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "text/zone.h"

struct cron {
    uint64_t minutes, hours, days, months, weekdays; /* a bit each; weekdays: 0 is Sunday */
    bool any_hour, any_day, any_weekday;
};

/* -ERR_FORMAT: why says which field. */
MUST_USE int cron_parse(struct str text, struct cron *ret, struct why *why);

/* The first time after that, in ms of UTC; 0 where there is none within nine years (the 30th of
 * February). zone NULL: UTC. */
int64_t cron_next(const struct cron *c, const struct zone *zone, int64_t after_ms);

#endif
