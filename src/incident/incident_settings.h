/* incident/incident_settings.h - [incident]: what belongs together, and how far is looked back.
 *
 * Threads: plain data.
 */
#ifndef INCIDENT_INCIDENT_SETTINGS_H
#define INCIDENT_INCIDENT_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/option.h"

struct incident_settings {
    bool enabled;
    int64_t join_seconds, quiet_seconds, before_seconds, baseline_seconds;
    int64_t series_max, moved_max, keep_days;
    struct option_list ignore_severities, join_labels;
};
extern const struct option_table incident_settings_options; /* [incident] */

#endif
