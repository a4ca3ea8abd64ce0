#include "alert/config/plan.h"

#define AT(member) offsetof(struct plan_settings, member)

static const struct option ROWS[] = {
    {"config_file", OPTION_TEXT, AT(config_file), "", 0, 4000, NULL, OPTION_RELOAD,
     "A configuration file of Alertmanager (alertmanager.yml), as it is: routes, receivers, "
     "inhibition, time intervals, templates. A relative path begins at the working directory, "
     "paths in the file at its own. It is read again with every reload."},
    {"external_url", OPTION_TEXT, AT(external_url), "", 0, 4000, NULL, OPTION_RELOAD,
     "Address under which people reach the daemon: where links in notifications lead. Empty: "
     "http:// and the first address of server.listen."},
    {"alertmanagers", OPTION_LIST, AT(alertmanagers), "", 0, 0, NULL, OPTION_RELOAD,
     "URLs of Alertmanagers that get all alerts, instead of receivers that are told from here."},
    {"resolve_timeout_ms", OPTION_INT, AT(resolve_timeout_ms), "300000", 1000, 86400000, NULL,
     OPTION_RELOAD,
     "An alert that was posted without an end is over when nobody has repeated it for so long; "
     "resolve_timeout of Alertmanager's file goes before."},
    {"rate_per_minute", OPTION_INT, AT(rate_per_minute), "60", 1, 100000, NULL, OPTION_RELOAD,
     "Messages that one integration of a receiver gets in a minute at most; more wait."},
    {"expire_hours", OPTION_INT, AT(expire_hours), "24", 1, 8760, NULL, OPTION_RELOAD,
     "A message that could not be sent for so long is dropped, counted and logged."},
    {"history_days", OPTION_INT, AT(history_days), "30", 1, 3650, NULL, OPTION_RELOAD,
     "How long the history of alerts is kept: when each fired, was acknowledged, was resolved."},
};

const struct option_table plan_options = {
    "alert", "Alerts: who is told of them, when, and for how long they are remembered.",
    false,   sizeof(struct plan_settings),
    ROWS,    COUNTOF(ROWS),
};

#undef AT
#define AT(member) offsetof(struct plan_escalation_row, member)

static const struct option ESCALATION_ROWS[] = {
    {"name", OPTION_TEXT, AT(name), "", 0, 200, NULL, OPTION_RELOAD,
     "Name of the ladder, as the page and the API show it."},
    {"match", OPTION_LIST, AT(match), "", 0, 0, NULL, OPTION_RELOAD,
     "Only alerts whose labels fit these matchers, as severity=\"critical\"; none: all."},
    {"steps", OPTION_LIST, AT(steps), "", 0, 0, NULL, OPTION_RELOAD,
     "Who is told after the alert has fired so long without anybody acknowledging it, each as "
     "\"15m RECEIVER\"."},
    {"repeat", OPTION_INT, AT(repeat), "0", 0, 1000, NULL, OPTION_RELOAD,
     "How many times the whole ladder is gone again when its end is reached."},
};

const struct option_table plan_escalation_options = {
    "alert.escalation",
    "Who is told next while nobody acknowledges an alert: one ladder each.",
    true,
    sizeof(struct plan_escalation_row),
    ESCALATION_ROWS,
    COUNTOF(ESCALATION_ROWS),
};
