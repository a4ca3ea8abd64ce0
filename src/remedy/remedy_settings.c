#include "remedy/remedy_settings.h"

#include <stdio.h>
#include <string.h>

#include "alert/config/matcher.h"

#define OF(member) offsetof(struct remedy_settings, member)
static const struct option OWN[] = {
    {"enabled", OPTION_BOOL, OF(enabled), "true", 0, 0, NULL, OPTION_RELOAD,
     "The switch for all of them: false does nothing by itself; people still can."},
    {"dry_run", OPTION_BOOL, OF(dry_run), "false", 0, 0, NULL, OPTION_RELOAD,
     "Write down what would be done, and do nothing."},
    {"keep_days", OPTION_INT, OF(keep_days), "400", 1, 36500, NULL, OPTION_RELOAD,
     "How many days it is kept what was done."},
};
#undef OF

#define OF(member) offsetof(struct remedy_row, member)
static const struct option ROW[] = {
    {"name", OPTION_TEXT, OF(name), "", 0, REMEDY_NAME_MAX, NULL, 0,
     "What it is called: letters, digits, '-', '_' and '.'."},
    {"match", OPTION_LIST, OF(match), "", 0, 0, NULL, 0,
     "Matchers on the alert's labels, of which all must hold: 'alertname=\"ApiDown\"', "
     "'severity=~\"critical|warning\"'."},
    {"action", OPTION_CHOICE, OF(action), "restart", 0, 0, "restart|command", 0,
     "restart: a program of sonde-watch; command: a program that gets the alert as JSON on its "
     "standard input."},
    {"program", OPTION_TEXT, OF(program), "", 0, 200, NULL, 0,
     "What is restarted: a name, NAME@INSTANCE or a group of [[watch.program]]."},
    {"command", OPTION_LIST, OF(command), "", 0, 0, NULL, 0,
     "The command and its words; no shell is between."},
    {"folder", OPTION_TEXT, OF(folder), "/", 0, 4000, NULL, 0, "The command's working directory."},
    {"timeout_ms", OPTION_INT, OF(timeout_ms), "60000", 100, 3600000, NULL, 0,
     "How long the action may take before it has failed."},
    {"for_seconds", OPTION_INT, OF(for_seconds), "0", 0, 86400, NULL, 0,
     "Act only when the alert has been firing for so long."},
    {"runs_max", OPTION_INT, OF(runs_max), "3", 1, 1000, NULL, 0,
     "At most so many times in window_seconds, for all alerts together."},
    {"window_seconds", OPTION_INT, OF(window_seconds), "3600", 1, 604800, NULL, 0,
     "The sliding window of runs_max."},
    {"cooldown_seconds", OPTION_INT, OF(cooldown_seconds), "300", 0, 86400, NULL, 0,
     "The least time between two runs. While the alert goes on firing, it is tried again after "
     "that."},
    {"dry_run", OPTION_BOOL, OF(dry_run), "false", 0, 0, NULL, 0,
     "Write down what this one would do, and do nothing."},
};
#undef OF

const struct option_table remedy_settings_options = {
    "remediation", "Automatic remediation: what is done when an alert fires.",
    false,         sizeof(struct remedy_settings),
    OWN,           COUNTOF(OWN),
};
const struct option_table remedy_settings_row_options = {
    "remedy", "A line of the runbook: an alert, and what is done about it.",
    true,     sizeof(struct remedy_row),
    ROW,      COUNTOF(ROW),
};

static bool is_name(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!(((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
              c == '_' || c == '.'))
            return false;
    }
    return s.n > 0;
}

static int check_match(const struct remedy_row *row, struct why *why)
{
    struct arena a;
    struct matcher_list list = {0};
    int err =
        row->match.n ? 0 : why_set(why, ERR_FORMAT, "match is empty: it would fit each alert");
    arena_init(&a);
    for (size_t i = 0; i < row->match.n && !err; i++)
        err = matcher_parse(str_c(row->match.v[i]), &a, &list, why);
    matcher_list_done(&list);
    arena_done(&a);
    return err;
}

static int check_row(const struct remedy_row *row, struct why *why)
{
    bool restart = strcmp(row->action, "restart") == 0;
    if (!is_name(str_c(row->name)))
        return why_set(why, ERR_FORMAT, "name must be letters, digits, '-', '_' or '.'");
    if (restart && row->program[0] == '\0')
        return why_set(why, ERR_FORMAT, "program is missing: what is to be restarted?");
    if (!restart && row->command.n == 0)
        return why_set(why, ERR_FORMAT, "command is missing: what is to be run?");
    return check_match(row, why);
}

int remedy_settings_check(const struct option_rows *rows, struct why *why)
{
    const struct remedy_row *row = rows->v;
    for (size_t i = 0; i < rows->n; i++) {
        int err = check_row(&row[i], why);
        for (size_t k = 0; k < i && !err; k++)
            if (strcmp(row[i].name, row[k].name) == 0)
                err = why_set(why, ERR_FORMAT, "that name is there twice");
        if (err) {
            why_prefix(why, "[[remedy]] \"%s\"", row[i].name);
            return err;
        }
    }
    return 0;
}

void remedy_settings_program(const struct remedy_row *row, char ret[REMEDY_PROGRAM_MAX])
{
    snprintf(ret, REMEDY_PROGRAM_MAX, "remedy:%s", row->name);
}
