/* The commands about services and operations; their fields are documented in
 * docs/manual/libsonde-operations.md and must stay. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/core/command.h"
#include "client/core/redact.h"
#include "client/core/setting.h"
#include "client/core/ticks.h"
#include "client/operation/operation.h"
#include "client/operation/tally.h"

enum { SLOWEST_DEFAULT = 10, RECENT_DEFAULT = 50, ACTIVE_MAX = 1000, COUNT_MAX = 1000 };

/* A message as it may leave the process. */
static void put_message(struct jot *j, const char *key, const char *message)
{
    struct text clean;
    text_init(&clean, (size_t)SONDE_OPERATION_ERROR_MAX * 4);
    redact_text(&clean, message, strlen(message));
    jot_string_n(j, key, clean.bytes ? clean.bytes : "", clean.len);
    text_done(&clean);
}

/* Milliseconds to the nanosecond. */
static void put_ms(struct jot *j, const char *key, double seconds)
{
    if (isfinite(seconds)) {
        jot_number(j, key, nearbyint(seconds * 1e9) / 1e6);
    } else {
        jot_null(j, key);
    }
}

static void put_time(struct jot *j, const char *key, int64_t ms)
{
    if (ms) {
        jot_i64(j, key, ms);
    } else {
        jot_null(j, key);
    }
}

/* The members of a service or an operation. */
static void put_info(struct jot *j, const sonde_operation_info *i)
{
    jot_string(j, "service", i->service);
    if (i->operation) {
        jot_string(j, "operation", i->operation);
    } else {
        jot_u64(j, "operations", i->operations);
    }
    jot_u64(j, "count", i->count);
    jot_u64(j, "completed", i->completed);
    jot_u64(j, "errors", i->failed);
    jot_u64(j, "abandoned", i->abandoned);
    jot_u64(j, "recovered", i->recovered);
    jot_u64(j, "active", i->active);
    jot_number(j, "error_rate", i->error_rate);
    jot_number(j, "error_rate_60s", i->error_rate_60s);
    jot_number(j, "rate_1s", i->rate_1s);
    jot_number(j, "rate_10s", i->rate_10s);
    jot_number(j, "rate_60s", i->rate_60s);
    put_ms(j, "total_ms", i->total);
    put_ms(j, "min_ms", i->minimum);
    put_ms(j, "mean_ms", i->mean);
    put_ms(j, "max_ms", i->maximum);
    put_ms(j, "p50_ms", i->p50);
    put_ms(j, "p90_ms", i->p90);
    put_ms(j, "p95_ms", i->p95);
    put_ms(j, "p99_ms", i->p99);
    jot_number(j, "uptime_s", i->uptime);
    put_time(j, "first_time_ms", i->first_ms);
    put_time(j, "last_time_ms", i->last_ms);
    put_time(j, "last_error_time_ms", i->last_error_ms);
    put_message(j, "last_error", i->last_error);
}

static void visit_info(const sonde_operation_info *info, void *user)
{
    struct jot *j = user;
    jot_object(j, NULL);
    put_info(j, info);
    jot_end(j);
}

static void visit_call(const sonde_operation_call *c, void *user)
{
    struct jot *j = user;
    jot_object(j, NULL);
    jot_string(j, "service", c->service);
    jot_string(j, "operation", c->operation);
    jot_i64(j, "time_ms", c->start_ms);
    if (c->outcome < 0) {
        put_ms(j, "age_ms", c->seconds);
    } else {
        put_ms(j, "duration_ms", c->seconds);
        jot_string(j, "outcome", sonde_operation_outcome_name(c->outcome));
    }
    if (c->thread) {
        jot_i64(j, "thread", c->thread);
    }
    jot_end(j);
}

/* The word at that place; NULL: none. */
static const char *word(const struct command_call *call, size_t i)
{
    return i < call->n ? call->words[i] : NULL;
}

static int no_service(const char *service, char *problem)
{
    snprintf(problem, SETTING_PROBLEM_MAX, "no operation of a service \"%.80s\" has been used",
             service);
    return SONDE_ERROR_NOT_FOUND;
}

/* Is there such a service? NULL is all of them. */
static bool known(const char *service)
{
    for (size_t i = 0, n = operation_count(); service && i < n; i++) {
        if (strcmp(operation_at(i)->service->name, service) == 0) {
            return true;
        }
    }
    return !service;
}

/* A number of entries to be answered. */
static int read_count(const char *text, size_t *ret, char *problem)
{
    char *end;
    unsigned long n = text ? strtoul(text, &end, 10) : 0;
    if (text && (*end || text == end || n < 1 || n > COUNT_MAX || *text == '-')) {
        snprintf(problem, SETTING_PROBLEM_MAX, "\"%.40s\": a number from 1 to %d is expected", text,
                 COUNT_MAX);
        return SONDE_ERROR_ARGUMENT;
    }
    if (text) {
        *ret = n;
    }
    return 0;
}

static int run_services(const struct command_call *call, struct jot *j, char *problem)
{
    jot_array(j, "services");
    sonde_operation_each_service(visit_info, j);
    jot_end(j);
    jot_u64(j, "overflow", operation_overflow());
    return 0;
}

static int run_operations(const struct command_call *call, struct jot *j, char *problem)
{
    const char *service = word(call, 1);
    if (!known(service)) {
        return no_service(service, problem);
    }
    jot_array(j, "operations");
    sonde_operation_each(service, visit_info, j);
    jot_end(j);
    return 0;
}

/* The messages of an operation's errors. */
static void put_messages(struct jot *j, sonde_operation *o)
{
    struct failure_message messages[FAILURE_MESSAGES];
    size_t n = failure_read(&o->failure, messages);
    jot_array(j, "messages");
    for (size_t i = 0; i < n; i++) {
        jot_object(j, NULL);
        put_message(j, "message", messages[i].text);
        jot_u64(j, "count", messages[i].count);
        jot_i64(j, "last_time_ms", ticks_unix_ns(messages[i].last_ticks) / 1000000);
        jot_end(j);
    }
    jot_end(j);
}

static int run_operation(const struct command_call *call, struct jot *j, char *problem)
{
    const char *service = word(call, 1), *name = word(call, 2);
    sonde_operation *o = service && name ? operation_find(service, name) : NULL;
    if (!o) {
        snprintf(problem, SETTING_PROBLEM_MAX, "no such operation: operation SERVICE OPERATION");
        return service && name ? SONDE_ERROR_NOT_FOUND : SONDE_ERROR_ARGUMENT;
    }
    sonde_operation_info info = {.struct_size = sizeof info};
    int err = sonde_operation_read(o, &info);
    if (err) {
        snprintf(problem, SETTING_PROBLEM_MAX, "%s", sonde_error_text(err));
        return err;
    }
    put_info(j, &info);
    put_messages(j, o);
    jot_u64(j, "slowest_missed", atomic_load_explicit(&o->slowest.missed, memory_order_relaxed));
    jot_array(j, "slowest");
    sonde_operation_slowest(service, name, SLOWEST_MAX, visit_call, j);
    jot_end(j);
    jot_array(j, "recent");
    sonde_operation_recent(service, name, COUNT_MAX, visit_call, j);
    jot_end(j);
    return 0;
}

/* [SERVICE] [N]: a single word that is a number is one. */
static int read_service_and_count(const struct command_call *call, const char **ret_service,
                                  size_t *ret_n, char *problem)
{
    const char *service = word(call, 1), *count = word(call, 2);
    if (service && !count && strspn(service, "0123456789") == strlen(service)) {
        count = service;
        service = NULL;
    }
    *ret_service = service;
    int err = read_count(count, ret_n, problem);
    return err || known(service) ? err : no_service(service, problem);
}

static int run_slowest(const struct command_call *call, struct jot *j, char *problem)
{
    size_t n = SLOWEST_DEFAULT;
    const char *service;
    int err = read_service_and_count(call, &service, &n, problem);
    if (err) {
        return err;
    }
    jot_array(j, "slowest");
    sonde_operation_slowest(service, NULL, n, visit_call, j);
    jot_end(j);
    return 0;
}

static int run_recent(const struct command_call *call, struct jot *j, char *problem)
{
    size_t n = RECENT_DEFAULT;
    const char *service;
    int err = read_service_and_count(call, &service, &n, problem);
    if (err) {
        return err;
    }
    jot_array(j, "recent");
    sonde_operation_recent(service, NULL, n, visit_call, j);
    jot_end(j);
    return 0;
}

static int run_active(const struct command_call *call, struct jot *j, char *problem)
{
    const char *service = word(call, 1);
    if (!known(service)) {
        return no_service(service, problem);
    }
    uint64_t count = 0;
    for (size_t i = 0, n = operation_count(); i < n; i++) {
        sonde_operation *o = operation_at(i);
        if (!service || strcmp(o->service->name, service) == 0) {
            struct tally_sum sum;
            tally_sum(o, &sum, NULL);
            count += sum.active;
        }
    }
    jot_u64(j, "count", count);
    jot_array(j, "active");
    sonde_operation_active(service, NULL, ACTIVE_MAX, visit_call, j);
    jot_end(j);
    return 0;
}

struct errors {
    struct jot *j;
    uint64_t count, errors, abandoned, recovered;
};

static void visit_errors(const sonde_operation_info *i, void *user)
{
    struct errors *e = user;
    e->count += i->count;
    e->errors += i->failed;
    e->abandoned += i->abandoned;
    e->recovered += i->recovered;
    if (i->failed + i->abandoned + i->recovered == 0) {
        return;
    }
    jot_object(e->j, NULL);
    jot_string(e->j, "service", i->service);
    jot_string(e->j, "operation", i->operation);
    jot_u64(e->j, "count", i->count);
    jot_u64(e->j, "errors", i->failed);
    jot_u64(e->j, "abandoned", i->abandoned);
    jot_u64(e->j, "recovered", i->recovered);
    jot_number(e->j, "error_rate", i->error_rate);
    jot_number(e->j, "error_rate_60s", i->error_rate_60s);
    put_time(e->j, "last_error_time_ms", i->last_error_ms);
    put_message(e->j, "last_error", i->last_error);
    put_messages(e->j, operation_find(i->service, i->operation));
    jot_end(e->j);
}

static int run_errors(const struct command_call *call, struct jot *j, char *problem)
{
    const char *service = word(call, 1);
    if (!known(service)) {
        return no_service(service, problem);
    }
    struct errors e = {.j = j};
    jot_array(j, "operations");
    sonde_operation_each(service, visit_errors, &e);
    jot_end(j);
    jot_u64(j, "count", e.count);
    jot_u64(j, "errors", e.errors);
    jot_u64(j, "abandoned", e.abandoned);
    jot_u64(j, "recovered", e.recovered);
    jot_number(j, "error_rate", e.count ? (double)e.errors / (double)e.count : 0);
    return 0;
}

static int run_reset(const struct command_call *call, struct jot *j, char *problem)
{
    const char *service = word(call, 1);
    if (!known(service)) {
        return no_service(service, problem);
    }
    jot_u64(j, "operations", sonde_operation_reset(service));
    return 0;
}

void operation_command_start(void)
{
    static struct command commands[] = {
        {"services", "", "All services, each as the sum of its operations.", COMMAND_VIEWER,
         run_services, NULL},
        {"operations", "[SERVICE]", "All operations, or those of a service.", COMMAND_VIEWER,
         run_operations, NULL},
        {"operation", "SERVICE OPERATION", "One operation with its last and slowest calls.",
         COMMAND_VIEWER, run_operation, NULL},
        {"slowest", "[SERVICE] [N]", "The slowest calls.", COMMAND_VIEWER, run_slowest, NULL},
        {"errors", "[SERVICE]", "Which operations failed, how often, and what they said.",
         COMMAND_VIEWER, run_errors, NULL},
        {"active", "[SERVICE]", "Operations that have begun and not ended.", COMMAND_VIEWER,
         run_active, NULL},
        {"recent", "[SERVICE] [N]", "The calls that ended last.", COMMAND_VIEWER, run_recent, NULL},
        {"reset", "[SERVICE]", "Begins to count operations at nothing.", COMMAND_OPERATOR,
         run_reset, NULL},
    };
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        command_add(&commands[i]);
    }
}
