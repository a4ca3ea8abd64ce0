#include "serve/system_settings.h"

#include "base/attr.h"

#define OF(member) offsetof(struct system_settings, member)
static const struct option ROWS[] = {
    {"file", OPTION_TEXT, OF(file), "", 0, 4000, NULL, 0,
     "Where GET /api/v1/system/status is also written, as JSON; empty: nowhere. The folder has to "
     "be "
     "there and writable."},
    {"interval_seconds", OPTION_INT, OF(interval_seconds), "15", 1, 86400, NULL, 0,
     "How often it is written."},
};
#undef OF

const struct option_table system_settings_options = {
    "status", "The status of this machine, the daemon and its programs as a file.",
    false,    sizeof(struct system_settings),
    ROWS,     COUNTOF(ROWS),
};
