/* health/maintenance.h - times in which failures are expected: from here to there, or every week.
 *
 * Flow:    settings (sonde.toml, API) -> maintenance_read() -> maintenance_holds()
 * Threads: plain data, pure functions (the local zone is the C library's).
 */
#ifndef HEALTH_MAINTENANCE_H
#define HEALTH_MAINTENANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "health/checkup_settings.h"

enum { MAINTENANCE_WEEKLY_MAX = 32 };

struct maintenance_weekly {
    unsigned days;    /* bit d: weekday d begins one, 0 is Sunday */
    int from_m, to_m; /* minutes of the day; to <= from: it ends on the next day */
};

struct maintenance_window {
    int64_t from_ms, to_ms; /* INT64_MIN, INT64_MAX where nothing is said */
    struct maintenance_weekly weekly[MAINTENANCE_WEEKLY_MAX];
    size_t weekly_n;
    bool utc;
};

/* -ERR_FORMAT where its times are none, or it has no end and no week. */
MUST_USE int maintenance_read(const struct checkup_settings_maintenance *m,
                              struct maintenance_window *ret, struct why *why);

bool maintenance_holds(const struct maintenance_window *w, int64_t now_ms);

/* Is that check meant? */
bool maintenance_means(const struct checkup_settings_maintenance *m,
                       const struct checkup_settings *check);

#endif
