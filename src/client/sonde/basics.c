#include "client/sonde/basics.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "client/core/command.h"
#include "client/core/identity.h"
#include "client/core/lost.h"
#include "client/core/outgoing.h"
#include "client/core/redact.h"
#include "client/core/setting.h"
#include "client/core/slot.h"
#include "client/core/ticks.h"
#include "sonde/core.h"

static void lost(struct jot *j)
{
    jot_array(j, "lost");
    for (unsigned c = 0; c < LOST_CATEGORIES; c++) {
        for (unsigned r = 0; r < LOST_REASONS; r++) {
            uint64_t n = lost_count((enum lost_category)c, (enum lost_reason)r);
            if (n) {
                jot_object(j, NULL);
                jot_string(j, "category", lost_category_name((enum lost_category)c));
                jot_string(j, "reason", lost_reason_name((enum lost_reason)r));
                jot_u64(j, "count", n);
                jot_end(j);
            }
        }
    }
    jot_end(j);
}

static int info(const struct command_call *call, struct jot *j, char *problem)
{
    jot_string(j, "service", identity.service);
    jot_string(j, "instance", identity.instance);
    jot_string(j, "release", setting.release);
    jot_string(j, "environment", setting.environment);
    jot_string(j, "host", identity.host);
    jot_string(j, "executable", identity.executable);
    jot_i64(j, "pid", identity.pid);
    jot_i64(j, "started_ms", identity.started_unix_ns / 1000000);
    jot_number(j, "uptime_s", (double)(ticks_unix_now_ns() - identity.started_unix_ns) / 1e9);
    jot_string(j, "library", "sonde " SONDE_VERSION);
    jot_string(j, "clock", ticks_are_cycles ? "time-stamp counter" : "CLOCK_MONOTONIC");
    jot_bool(j, "connected", outgoing_connected());
    jot_u64(j, "threads", slot_count());
    lost(j);
    return 0;
}

struct listing {
    struct jot *j;
    enum command_level level;
    const char *wanted; /* NULL: all */
};

static void list_command(const struct command *c, void *context)
{
    static const char *const levels[] = {"viewer", "operator", "admin"};
    struct listing *l = context;
    if (l->wanted && strcmp(l->wanted, c->name) != 0) {
        return;
    }
    jot_object(l->j, NULL);
    jot_string(l->j, "name", c->name);
    jot_string(l->j, "usage", c->usage);
    jot_string(l->j, "help", c->help);
    jot_string(l->j, "level", levels[c->level]);
    jot_bool(l->j, "allowed", c->level <= l->level);
    jot_end(l->j);
}

static int help(const struct command_call *call, struct jot *j, char *problem)
{
    struct listing l = {j, call->level, call->n > 1 ? call->words[1] : NULL};
    jot_array(j, "commands");
    command_each(list_command, &l);
    jot_end(j);
    return 0;
}

static int settings(const struct command_call *call, struct jot *j, char *problem)
{
    const struct setting_row *rows;
    size_t n = setting_rows(&rows);
    const char *pattern = call->n > 1 ? call->words[1] : "*";
    jot_array(j, "settings");
    for (size_t i = 0; i < n; i++) {
        char value[SETTING_VALUE_MAX + 1];
        if (fnmatch(pattern, rows[i].key, 0) != 0) {
            continue;
        }
        setting_value(i, value, sizeof value);
        jot_object(j, NULL);
        jot_string(j, "key", rows[i].key);
        bool secret = strcmp(rows[i].key, "dsn") == 0 || strcmp(rows[i].key, "otlp.headers") == 0 ||
                      redact_key(rows[i].key, strlen(rows[i].key));
        jot_string(j, "value", secret && *value ? "[secret]" : value);
        jot_string(j, "default", rows[i].standard);
        jot_string(j, "help", rows[i].help);
        jot_end(j);
    }
    jot_end(j);
    return 0;
}

static int set(const struct command_call *call, struct jot *j, char *problem)
{
    if (call->n != 3) {
        snprintf(problem, SETTING_PROBLEM_MAX, "set KEY VALUE; `settings` lists the keys");
        return SONDE_ERROR_ARGUMENT;
    }
    int err = setting_set(call->words[1], call->words[2], problem);
    if (!err) {
        jot_string(j, "key", call->words[1]);
        jot_string(j, "value", call->words[2]);
    }
    return err;
}

void basics_start(void)
{
    static struct command commands[] = {
        {"info", "", "Who this program is, and what the library has lost.", COMMAND_VIEWER, info,
         NULL},
        {"help", "[COMMAND]", "The commands, and who may give them.", COMMAND_VIEWER, help, NULL},
        {"settings", "[PATTERN]", "The settings as in force.", COMMAND_VIEWER, settings, NULL},
        {"set", "KEY VALUE", "Changes a number or a flag while running.", COMMAND_OPERATOR, set,
         NULL},
    };
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        command_add(&commands[i]);
    }
}
