#include "incident/incident_settings.h"

#include "base/attr.h"

#define OF(member) offsetof(struct incident_settings, member)
static const struct option ROWS[] = {
    {"enabled", OPTION_BOOL, OF(enabled), "true", 0, 0, NULL, 0,
     "Gather alerts that fire together into incidents, with what changed before them."},
    {"join_seconds", OPTION_INT, OF(join_seconds), "300", 0, 86400, NULL, OPTION_RELOAD,
     "An alert joins an open incident in which something began within so long before it and with "
     "which it shares a label of join_labels; else it opens one of its own."},
    {"join_labels", OPTION_LIST, OF(join_labels),
     "instance,service,host,node,pod,namespace,cluster,job,program,check,checkin", 0, 0, NULL,
     OPTION_RELOAD, "Labels that tell what an alert is about."},
    {"quiet_seconds", OPTION_INT, OF(quiet_seconds), "300", 1, 86400, NULL, OPTION_RELOAD,
     "An incident is closed when all of its alerts have been over for so long."},
    {"before_seconds", OPTION_INT, OF(before_seconds), "900", 60, 86400, NULL, OPTION_RELOAD,
     "How far before its beginning events are looked for."},
    {"baseline_seconds", OPTION_INT, OF(baseline_seconds), "3600", 300, 86400, NULL, OPTION_RELOAD,
     "How much of the time before that metrics are held against."},
    {"series_max", OPTION_INT, OF(series_max), "2000", 10, 100000, NULL, OPTION_RELOAD,
     "Series that are looked at for one incident; where more fit, a sample of them."},
    {"moved_max", OPTION_INT, OF(moved_max), "20", 1, 200, NULL, OPTION_RELOAD,
     "Metrics that are kept of those which moved."},
    {"ignore_severities", OPTION_LIST, OF(ignore_severities), "info,none", 0, 0, NULL,
     OPTION_RELOAD, "Alerts of these severities open no incident and join none."},
    {"keep_days", OPTION_INT, OF(keep_days), "400", 1, 36500, NULL, OPTION_RELOAD,
     "How many days closed incidents are kept."},
};

const struct option_table incident_settings_options = {
    "incident", "Failures in their context: alerts, events and metrics that belong together.",
    false,      sizeof(struct incident_settings),
    ROWS,       COUNTOF(ROWS),
};
