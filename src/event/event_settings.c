#include "event/event_settings.h"

#include "base/attr.h"

static const struct option ROWS[] = {
    {"keep_days", OPTION_INT, offsetof(struct event_settings, keep_days), "400", 0, 36500, NULL,
     OPTION_RELOAD,
     "How many days deployments, notes, restarts and other events are kept; 0 is for ever."},
};

const struct option_table event_settings_options = {
    "event", "What happened, beside the samples: deployments, changes, notes.",
    false,   sizeof(struct event_settings),
    ROWS,    COUNTOF(ROWS),
};
