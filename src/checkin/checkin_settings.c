#include "checkin/checkin_settings.h"

#include <string.h>

#include "checkin/checkin.h"
#include "event/event_json.h"

enum { GRACE_S = 300, EVERY_S_MAX = 366 * 86400 };

#define OF(member) offsetof(struct checkin_settings, member)
static const struct option OWN[] = {
    {"create", OPTION_BOOL, OF(create), "true", 0, 0, NULL, OPTION_RELOAD,
     "Let the first ping of a name that no row has make a check-in of it, with the times that it "
     "says."},
    {"created_max", OPTION_INT, OF(created_max), "1000", 0, 10000, NULL, OPTION_RELOAD,
     "The most check-ins that are made so."},
};
#undef OF

#define OF(member) offsetof(struct checkin_row, member)
static const struct option ROW[] = {
    {"name", OPTION_TEXT, OF(name), "", 0, CHECKIN_NAME_MAX, NULL, OPTION_RELOAD,
     "What the job is called in /api/checkin/NAME: letters, digits, '-', '_' and '.'."},
    {"title", OPTION_TEXT, OF(title), "", 0, 200, NULL, OPTION_RELOAD,
     "What people read; empty: the name."},
    {"every_seconds", OPTION_INT, OF(every_seconds), "0", 0, EVERY_S_MAX, NULL, OPTION_RELOAD,
     "How often it runs; 0: by cron."},
    {"cron", OPTION_TEXT, OF(cron), "", 0, 200, NULL, OPTION_RELOAD,
     "When it runs, as crontab says it (minute hour day month weekday), or @hourly, @daily, "
     "@weekly, @monthly, @yearly. With neither cron nor every_seconds it is never missed, and only "
     "told of when it fails."},
    {"zone", OPTION_TEXT, OF(zone), "UTC", 0, 64, NULL, OPTION_RELOAD,
     "The time zone of cron, such as Europe/Berlin."},
    {"grace_seconds", OPTION_INT, OF(grace_seconds), "300", 0, EVERY_S_MAX, NULL, OPTION_RELOAD,
     "How late it may be before it is missing."},
    {"max_runtime_seconds", OPTION_INT, OF(max_runtime_seconds), "0", 0, EVERY_S_MAX, NULL,
     OPTION_RELOAD, "How long it may run, where it says when it starts; 0: as long as it likes."},
    {"severity", OPTION_CHOICE, OF(severity), "critical", 0, 0, "info|warning|critical",
     OPTION_RELOAD, "Label of its alerts."},
    {"labels", OPTION_LIST, OF(labels), "", 0, 0, NULL, OPTION_RELOAD,
     "More labels of its alerts and events: \"name=value\"."},
};
#undef OF

#define OF(member) offsetof(struct heartbeat_row, member)
static const struct option HEARTBEAT[] = {
    {"name", OPTION_TEXT, OF(name), "", 0, CHECKIN_NAME_MAX, NULL, 0,
     "What it is called in metrics and alerts."},
    {"url", OPTION_TEXT, OF(url), "", 0, 2000, NULL, OPTION_SECRET,
     "What is asked: http:// or https://. It is the secret of such services and shown nowhere."},
    {"method", OPTION_CHOICE, OF(method), "GET", 0, 0, "GET|POST|PUT|HEAD", 0, "How it is asked."},
    {"body", OPTION_TEXT, OF(body), "", 0, 65536, NULL, 0, "What is sent with it."},
    {"headers", OPTION_LIST, OF(headers), "", 0, 0, NULL, OPTION_SECRET,
     "Headers of the request: \"Name: value\"."},
    {"every_seconds", OPTION_INT, OF(every_seconds), "60", 1, 86400, NULL, 0,
     "How often it is asked while the daemon can evaluate its rules and tell people."},
    {"timeout_ms", OPTION_INT, OF(timeout_ms), "10000", 100, 600000, NULL, 0, "For one request."},
    {"fall", OPTION_INT, OF(fall), "3", 1, 1000, NULL, 0,
     "After so many failures in a row an alert HeartbeatFailed fires."},
    {"severity", OPTION_CHOICE, OF(severity), "warning", 0, 0, "info|warning|critical", 0,
     "Label of that alert."},
};
#undef OF

const struct option_table checkin_settings_options = {
    "checkins", "Check-ins of cron jobs: those that no [[checkin]] names.",
    false,      sizeof(struct checkin_settings),
    OWN,        COUNTOF(OWN),
};
const struct option_table checkin_settings_row_options = {
    "checkin", "A job that says each time that it has run; who does not, is told of.",
    true,      sizeof(struct checkin_row),
    ROW,       COUNTOF(ROW),
};
const struct option_table checkin_settings_heartbeat_options = {
    "heartbeat",
    "A service outside that is asked again and again while this daemon is well, and tells people "
    "when that ends: a dead man's switch.",
    true,
    sizeof(struct heartbeat_row),
    HEARTBEAT,
    COUNTOF(HEARTBEAT),
};

bool checkin_settings_name(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!(((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
              c == '_' || c == '.'))
            return false;
    }
    return s.n > 0 && s.n <= CHECKIN_NAME_MAX;
}

static int check_labels(const struct option_list *list, struct why *why)
{
    struct arena a;
    struct str key;
    arena_init(&a);
    struct str *pairs = arena_array(&a, list->n + 1, sizeof *pairs);
    for (size_t i = 0; i < list->n; i++)
        pairs[i] = str_c(list->v[i]);
    int err = event_json_labels(pairs, list->n, &a, &key, why);
    arena_done(&a);
    return err;
}

static int check_row(const struct checkin_row *row, struct why *why)
{
    struct checkin_schedule s = {
        .every_ms = row->every_seconds * 1000, .cron = str_c(row->cron), .zone = str_c(row->zone)};
    int err = checkin_settings_name(str_c(row->name))
                  ? 0
                  : why_set(why, ERR_FORMAT, "name must be letters, digits, '-', '_' or '.'");
    if (!err)
        err = checkin_schedule_check(&s, why);
    return err ? err : check_labels(&row->labels, why);
}

static int check_heartbeat(const struct heartbeat_row *row, struct why *why)
{
    struct str url = str_c(row->url);
    if (!checkin_settings_name(str_c(row->name)))
        return why_set(why, ERR_FORMAT, "name must be letters, digits, '-', '_' or '.'");
    if (!str_starts(url, STR("http://")) && !str_starts(url, STR("https://")))
        return why_set(why, ERR_FORMAT, "url must begin with http:// or https://");
    for (size_t i = 0; i < row->headers.n; i++)
        if (strchr(row->headers.v[i], ':') == NULL || strpbrk(row->headers.v[i], "\r\n") != NULL)
            return why_set(why, ERR_FORMAT, "headers must be \"Name: value\"");
    return 0;
}

int checkin_settings_check(const struct option_rows *checkins, const struct option_rows *heartbeats,
                           struct why *why)
{
    const struct checkin_row *row = checkins->v;
    for (size_t i = 0; i < checkins->n; i++) {
        int err = check_row(&row[i], why);
        for (size_t k = 0; k < i && !err; k++)
            if (strcmp(row[i].name, row[k].name) == 0)
                err = why_set(why, ERR_FORMAT, "that name is there twice");
        if (err) {
            why_prefix(why, "[[checkin]] \"%s\"", row[i].name);
            return err;
        }
    }
    const struct heartbeat_row *beat = heartbeats->v;
    for (size_t i = 0; i < heartbeats->n; i++) {
        int err = check_heartbeat(&beat[i], why);
        if (err) {
            why_prefix(why, "[[heartbeat]] \"%s\"", beat[i].name);
            return err;
        }
    }
    return 0;
}
