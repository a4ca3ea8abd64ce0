/* event/event_settings.h - [event]: how long what happened is kept.
 *
 * Threads: plain data.
 */
#ifndef EVENT_EVENT_SETTINGS_H
#define EVENT_EVENT_SETTINGS_H

#include <stdint.h>

#include "base/option.h"

struct event_settings {
    int64_t keep_days;
};
extern const struct option_table event_settings_options; /* [event] */

#endif
