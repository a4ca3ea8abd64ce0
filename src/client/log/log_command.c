#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/alarm/alarm.h"
#include "client/core/command.h"
#include "client/core/module.h"
#include "client/core/setting.h"
#include "client/core/slot.h"
#include "client/core/ticks.h"
#include "client/core/worker.h"
#include "client/log/breadcrumb.h"
#include "client/log/log.h"
#include "client/metric/source.h"
#include "client/trace/span.h"

enum { LIST_MAX = 1000 };

/* The number in a command's word; false (with a sentence) where there is none. */
static bool number(const struct command_call *call, size_t most, size_t *ret, char *problem)
{
    *ret = most;
    if (call->n < 2) {
        return true;
    }
    char *end;
    unsigned long n = strtoul(call->words[1], &end, 10);
    if (call->n > 2 || *end || end == call->words[1] || *call->words[1] == '-') {
        snprintf(problem, SETTING_PROBLEM_MAX, "%s takes how many, from 1 to %zu", call->words[0],
                 most);
        return false;
    }
    *ret = n < most ? n : most;
    return true;
}

static int run_breadcrumbs(const struct command_call *call, struct jot *j, char *problem)
{
    size_t n;
    if (!number(call, LIST_MAX, &n, problem)) {
        return SONDE_ERROR_ARGUMENT;
    }
    struct breadcrumb_record *list = malloc((n ? n : 1) * sizeof *list);
    if (!list) {
        snprintf(problem, SETTING_PROBLEM_MAX, "there is no memory for the list");
        return SONDE_ERROR_MEMORY;
    }
    n = breadcrumb_raw(list, n);
    jot_array(j, "breadcrumbs");
    for (size_t i = 0; i < n; i++) {
        breadcrumb_json(&list[i], j);
    }
    jot_end(j);
    free(list);
    return 0;
}

static int run_logs(const struct command_call *call, struct jot *j, char *problem)
{
    size_t n;
    if (!number(call, LOG_RECENT, &n, problem)) {
        return SONDE_ERROR_ARGUMENT;
    }
    if (worker_is_mine()) {
        log_export(); /* those that still wait are the newest */
    }
    jot_array(j, "logs");
    log_export_recent(j, n);
    jot_end(j);
    return 0;
}

/* Sets a level; category NULL: that of all others. */
static int set_level(const struct command_call *call, const char *category, const char *word,
                     char *problem)
{
    int level = log_level_of(word, strlen(word));
    if (call->level < COMMAND_OPERATOR) {
        snprintf(problem, SETTING_PROBLEM_MAX, "to change a level takes an operator");
        return SONDE_ERROR_DENIED;
    }
    if (category && strcmp(word, "default") == 0) {
        log_level_forget(category);
        return 0;
    }
    if (level < 0) {
        snprintf(problem, SETTING_PROBLEM_MAX,
                 "\"%.40s\": one of trace, debug, info, warn, error, fatal, none", word);
        return SONDE_ERROR_ARGUMENT;
    }
    int err = sonde_log_set_level(category, level);
    if (err) {
        snprintf(problem, SETTING_PROBLEM_MAX, "64 categories have levels of their own already");
    }
    return err;
}

static int run_loglevel(const struct command_call *call, struct jot *j, char *problem)
{
    int err = 0;
    bool one_level = call->n == 2 && log_level_of(call->words[1], strlen(call->words[1])) >= 0;
    if (call->n > 3) {
        snprintf(problem, SETTING_PROBLEM_MAX, "loglevel takes a category and a level");
        err = SONDE_ERROR_ARGUMENT;
    } else if (call->n == 3) {
        err = set_level(call, call->words[1], call->words[2], problem);
    } else if (one_level) {
        err = set_level(call, NULL, call->words[1], problem);
    }
    if (err) {
        return err;
    }
    if (call->n >= 2 && !one_level) {
        jot_string(j, "category", call->words[1]);
        jot_string(j, "level", log_level_names[sonde_log_level(call->words[1])]);
        return 0;
    }
    jot_string(j, "level", log_level_names[sonde_log_level(NULL)]);
    jot_object(j, "categories");
    log_level_json(j);
    jot_end(j);
    return 0;
}

static struct command commands[] = {
    {.name = "breadcrumbs",
     .usage = "[N]",
     .help = "the last things that happened, the newest at the end",
     .level = COMMAND_VIEWER,
     .run = run_breadcrumbs},
    {.name = "logs",
     .usage = "[N]",
     .help = "the last log records that were sent, the newest at the end",
     .level = COMMAND_VIEWER,
     .run = run_logs},
    {.name = "loglevel",
     .usage = "[CATEGORY] [LEVEL]",
     .help = "the least level of records; an operator may set it (default: as all others)",
     .level = COMMAND_VIEWER,
     .run = run_loglevel},
};

static void write_metrics(struct source_writer *w, void *unused)
{
    source_family(w, "sonde_client_log_records_total", SOURCE_COUNTER,
                  "Log records that were let through.", NULL);
    source_sample(w, "_total", NULL, (double)log_recorded());
}

static struct source metrics = {.name = "logs", .write = write_metrics};

/* An alarm of the application is a record, and so, by its level, a breadcrumb. */
static void record_alarm(const sonde_alarm_event *event, int64_t unix_ns)
{
    sonde_attr attrs[] = {
        sonde_attr_string("kind", event->kind), sonde_attr_string("subject", event->subject),
        sonde_attr_double("value", event->value), sonde_attr_double("limit", event->limit),
        sonde_attr_string("unit", event->unit)};
    sonde_log_record r = SONDE_LOG_RECORD_INIT;
    char message[LOG_MESSAGE_MAX + 1];
    snprintf(message, sizeof message, "%s of %s: %s", event->kind, event->subject,
             event->raised ? "alarm" : "well again");
    r.level = event->raised ? SONDE_LEVEL_WARNING : SONDE_LEVEL_INFO;
    r.category = "alarm";
    r.message = message;
    r.unix_ns = unix_ns;
    r.attrs = attrs;
    r.attrs_n = sizeof attrs / sizeof *attrs;
    sonde_log_forward(&r);
}

/* A span that ended, as a breadcrumb (setting breadcrumbs.spans). */
static void span_ended(const sonde_span *n, uint64_t end)
{
    if (!atomic_load_explicit(&setting.breadcrumbs_spans, memory_order_relaxed)) {
        return;
    }
    char name[SPAN_NAME_MAX + 1];
    memcpy(name, n->name, n->name_n);
    name[n->name_n] = 0;
    bool ticks = !(n->marks & SPAN_START_UNIX) && end > n->start;
    double ms = ticks ? (double)ticks_ns(end - n->start) / 1e6 : 0;
    sonde_attr attrs[] = {sonde_attr_double("duration_ms", ms)};
    bool bad = n->status == SONDE_SPAN_ERROR;
    breadcrumb_add(bad ? SONDE_LEVEL_ERROR : SONDE_LEVEL_INFO, "span", name, attrs, ticks,
                   ticks_unix_ns(ticks_now()));
}

void log_command_start(void)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        command_add(&commands[i]);
    }
    source_add(&metrics);
    alarm_on_record(record_alarm);
    atomic_store(&span_end_hook, span_ended);
}

void log_command_stop(void)
{
    atomic_store(&span_end_hook, NULL);
    alarm_on_record(NULL);
    source_remove(&metrics);
}

static void drain(void *unused)
{
    log_export();
}

static struct worker_task drain_task = {.name = "logs", .run = drain};

void log_export_now(void)
{
    worker_task_now(&drain_task);
}

static int start(char *problem)
{
    if (!breadcrumb_start()) {
        snprintf(problem, SETTING_PROBLEM_MAX, "there is no memory for breadcrumbs");
        return SONDE_ERROR_MEMORY;
    }
    int err = log_level_start(problem);
    if (err) {
        return err;
    }
    drain_task.period_ns = (uint64_t)setting.export_interval_ms * 1000000;
    worker_task_add(&drain_task);
    log_command_start();
    return 0;
}

static void stop(void)
{
    log_level_stop();
    worker_task_remove(&drain_task);
    log_command_stop();
}

const struct module log_module = {.name = "log",
                                  .start = start,
                                  .flush = log_export,
                                  .stop = stop,
                                  .fork_child = log_export_forget};
