/* alert/config/interval.h - times at which a route is mute or active: Alertmanager's
 * time_intervals.
 *
 * Source:  Alertmanager's documentation, `time_interval`: times, weekdays, days of the month
 *          (negative ones from its end), months, years, location.
 * Threads: immutable; pure functions.
 */
#ifndef ALERT_CONFIG_INTERVAL_H
#define ALERT_CONFIG_INTERVAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "text/yaml.h"

struct interval_span; /* one item of time_intervals */

struct interval {
    struct str name;
    const struct interval_span *spans; /* [n]; any of them */
    size_t n;
};

/* Reads the list below `time_intervals:` of one named interval. */
MUST_USE int interval_read(const struct yaml_node *list, struct arena *a, struct interval *ret,
                           struct yaml_place *ret_place, struct why *why);

bool interval_holds(const struct interval *i, int64_t now_ms);

#endif
