#include "client/error/error_recent.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/core/command.h"
#include "client/core/id.h"
#include "client/core/lost.h"
#include "client/core/setting.h"
#include "client/error/envelope.h"
#include "client/error/error_alike.h"

struct kept {
    sonde_error_recent shown;
    sonde_error_ref ref;
    uint32_t alike;
    uint64_t hash, before; /* of its entry: its hash, and its total before this error */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct kept ring[ERROR_RECENT_MAX];
static uint64_t ring_n; /* ever written */

static void count(struct kept *k)
{
    if (k->alike != ERROR_ALIKE_NONE && error_alike_hash(k->alike) == k->hash) {
        uint64_t total = error_alike_total(k->alike);
        k->shown.count = total > k->before ? total - k->before : 1;
    }
}

/* Those like a new one count no further: they are the new one's. */
static void close_alike(uint32_t alike, uint64_t hash, uint64_t before)
{
    for (size_t i = 0; i < ERROR_RECENT_MAX; i++) {
        struct kept *k = &ring[i];
        if (k->alike == alike && k->hash == hash && k->ref) {
            k->shown.count = before > k->before ? before - k->before : 1;
            k->alike = ERROR_ALIKE_NONE;
        }
    }
}

void error_recent_add(const struct error_record *r, const char *type, const char *message)
{
    uint8_t id[16];
    error_open_event_id(r->ref, id);
    pthread_mutex_lock(&lock);
    if (r->alike != ERROR_ALIKE_NONE) {
        close_alike(r->alike, error_alike_hash(r->alike), r->alike_before);
    }
    struct kept *k = &ring[ring_n++ % ERROR_RECENT_MAX];
    memset(k, 0, sizeof *k);
    id_text(k->shown.event_id, id);
    snprintf(k->shown.type, sizeof k->shown.type, "%s", type);
    snprintf(k->shown.message, sizeof k->shown.message, "%s", message);
    k->shown.level = r->level;
    k->shown.unix_ns = r->unix_ns;
    k->shown.count = 1;
    k->shown.recovery_seconds = -1;
    k->shown.outcome = r->flags & SONDE_ERROR_OPEN     ? SONDE_OUTCOME_UNKNOWN
                       : r->level >= SONDE_LEVEL_FATAL ? SONDE_OUTCOME_FATAL
                                                       : SONDE_OUTCOME_HANDLED;
    k->ref = r->ref;
    k->alike = r->alike;
    if (r->alike != ERROR_ALIKE_NONE) {
        k->hash = error_alike_hash(r->alike);
        k->before = r->alike_before;
    }
    pthread_mutex_unlock(&lock);
}

void error_recent_end(sonde_error_ref ref, int outcome, unsigned retries, double seconds)
{
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < ERROR_RECENT_MAX; i++) {
        if (ring[i].ref == ref) {
            ring[i].shown.outcome = outcome;
            ring[i].shown.retries = retries;
            ring[i].shown.recovery_seconds = seconds;
        }
    }
    pthread_mutex_unlock(&lock);
}

size_t sonde_error_recent_list(sonde_error_recent *ret, size_t cap, size_t struct_size)
{
    pthread_mutex_lock(&lock);
    size_t n = ring_n < ERROR_RECENT_MAX ? (size_t)ring_n : ERROR_RECENT_MAX;
    for (size_t i = 0; i < n && i < cap && ret; i++) {
        struct kept *k = &ring[(ring_n - 1 - i) % ERROR_RECENT_MAX];
        count(k);
        size_t size = struct_size < sizeof k->shown ? struct_size : sizeof k->shown;
        memcpy((char *)ret + i * struct_size, &k->shown, size);
    }
    pthread_mutex_unlock(&lock);
    return n;
}

static void write_one(struct jot *j, const sonde_error_recent *e)
{
    jot_object(j, NULL);
    jot_string(j, "event_id", e->event_id);
    jot_time(j, "time", e->unix_ns);
    jot_string(j, "type", e->type);
    jot_string(j, "message", e->message);
    jot_string(j, "level", envelope_level(e->level));
    jot_u64(j, "count", e->count);
    jot_string(j, "outcome", error_types_outcome(e->outcome));
    if (e->retries) {
        jot_u64(j, "retries", e->retries);
    }
    if (e->recovery_seconds >= 0) {
        jot_number(j, "recovery_seconds", e->recovery_seconds);
    }
    jot_end(j);
}

static int captured(const struct command_call *call, struct jot *j, char *problem)
{
    long most = ERROR_RECENT_MAX;
    if (call->n > 1) {
        char *end;
        most = strtol(call->words[1], &end, 10);
        if (*end || most < 1) {
            snprintf(problem, SETTING_PROBLEM_MAX, "\"%.40s\": how many is a number from 1 on",
                     call->words[1]);
            return SONDE_ERROR_ARGUMENT;
        }
    }
    size_t cap = most < ERROR_RECENT_MAX ? (size_t)most : ERROR_RECENT_MAX;
    sonde_error_recent *list = calloc(cap, sizeof *list);
    if (!list) {
        return SONDE_ERROR_MEMORY;
    }
    size_t n = sonde_error_recent_list(list, cap, sizeof *list);
    jot_array(j, "errors");
    for (size_t i = 0; i < n && i < cap; i++) {
        write_one(j, &list[i]);
    }
    jot_end(j);
    free(list);
    jot_object(j, "left_out");
    for (int reason = 0; reason < LOST_REASONS; reason++) {
        uint64_t lost = lost_count(LOST_ERROR, (enum lost_reason)reason);
        if (lost) {
            jot_u64(j, lost_reason_name((enum lost_reason)reason), lost);
        }
    }
    jot_end(j);
    return 0;
}

static struct command command = {
    .name = "captured",
    .usage = "[N]",
    .help = "the newest errors that were captured: how often, how they ended",
    .level = COMMAND_VIEWER,
    .run = captured,
};

void error_recent_start(void)
{
    command_add(&command);
}

void error_recent_reset(void)
{
    pthread_mutex_init(&lock, NULL);
    memset(ring, 0, sizeof ring);
    ring_n = 0;
}
