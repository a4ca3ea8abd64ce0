#include "client/error/checkin.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "client/core/id.h"
#include "client/core/jot.h"
#include "client/core/lost.h"
#include "client/core/module.h"
#include "client/core/outgoing.h"
#include "client/core/setting.h"
#include "client/core/ticks.h"
#include "client/error/envelope.h"
#include "client/error/error.h"
#include "client/trace/current.h"

enum { JOBS_MAX = 32, WAITING_MAX = 32, SLUG_MAX = 64, JSON_MAX = 2048 };

struct job { /* that is in progress */
    char slug[SLUG_MAX];
    uint8_t id[16];
    uint64_t since_ns; /* 0: free */
};

struct checkin {
    char slug[SLUG_MAX];
    uint8_t id[16];
    int status;
    double seconds; /* negative: not known */
    sonde_context trace;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct job jobs[JOBS_MAX];
static struct checkin waiting[WAITING_MAX];
static size_t waiting_n;

/* The entry of a slug, or one that is free (the oldest where none is). */
static struct job *find(const char *slug)
{
    struct job *best = &jobs[0];
    for (size_t i = 0; i < JOBS_MAX; i++) {
        if (jobs[i].since_ns && strcmp(jobs[i].slug, slug) == 0) {
            return &jobs[i];
        }
        best = jobs[i].since_ns < best->since_ns ? &jobs[i] : best;
    }
    best->since_ns = 0;
    return best;
}

int sonde_checkin(const char *slug, int status, double duration)
{
    if (!slug || !*slug || strlen(slug) >= SLUG_MAX || status < SONDE_CHECKIN_IN_PROGRESS ||
        status > SONDE_CHECKIN_ERROR) {
        return SONDE_ERROR_ARGUMENT;
    }
    if (!atomic_load_explicit(&module_on, memory_order_relaxed)) {
        return SONDE_ERROR_STATE;
    }
    module_wake();
    struct checkin c = {.seconds = duration};
    c.status = status;
    c.trace = current_context();
    snprintf(c.slug, sizeof c.slug, "%s", slug);
    uint64_t now = ticks_monotonic_ns();
    pthread_mutex_lock(&lock);
    struct job *job = find(slug);
    if (!job->since_ns || status == SONDE_CHECKIN_IN_PROGRESS) {
        id_fill(job->id, sizeof job->id);
    } else if (duration < 0) {
        c.seconds = (double)(now - job->since_ns) / 1e9;
    }
    memcpy(c.id, job->id, sizeof c.id);
    snprintf(job->slug, sizeof job->slug, "%s", slug);
    job->since_ns = status == SONDE_CHECKIN_IN_PROGRESS ? now : 0;
    bool room = waiting_n < WAITING_MAX;
    if (room) {
        waiting[waiting_n++] = c;
    }
    pthread_mutex_unlock(&lock);
    if (!room) {
        lost_add(LOST_SESSION, LOST_QUEUE_FULL, 1);
        return SONDE_ERROR_LIMIT;
    }
    error_wake();
    return 0;
}

static void write_one(const struct checkin *c, struct text *ret)
{
    static const char *const names[] = {"in_progress", "ok", "error"};
    static const uint8_t none[16];
    struct jot j;
    jot_init(&j, ret);
    jot_object(&j, NULL);
    jot_hex(&j, "check_in_id", c->id, sizeof c->id);
    envelope_text(&j, "monitor_slug", c->slug);
    jot_string(&j, "status", names[c->status]);
    if (*setting.release) {
        jot_string(&j, "release", setting.release);
    }
    jot_string(&j, "environment", setting.environment);
    if (c->seconds >= 0) {
        jot_number(&j, "duration", c->seconds);
    }
    if (memcmp(c->trace.trace_id, none, sizeof none) != 0) {
        jot_object(&j, "contexts");
        jot_object(&j, "trace");
        jot_hex(&j, "trace_id", c->trace.trace_id, sizeof c->trace.trace_id);
        jot_hex(&j, "span_id", c->trace.span_id, sizeof c->trace.span_id);
        jot_end(&j);
        jot_end(&j);
    }
    jot_end(&j);
}

void checkin_flush(void)
{
    struct checkin c;
    for (;;) {
        pthread_mutex_lock(&lock);
        bool any = waiting_n > 0;
        if (any) {
            c = waiting[0];
            memmove(waiting, waiting + 1, --waiting_n * sizeof *waiting);
        }
        pthread_mutex_unlock(&lock);
        if (!any) {
            return;
        }
        struct text json, t;
        text_init(&json, JSON_MAX);
        text_init(&t, (size_t)2 * JSON_MAX);
        write_one(&c, &json);
        envelope_begin(&t, NULL);
        envelope_item(&t, "check_in", json.bytes, json.len);
        if (json.cut || t.cut) {
            lost_add(LOST_SESSION, LOST_MEMORY, 1);
        } else {
            struct outgoing what = {FRAME_ENVELOPE, 1, "monitor"};
            outgoing_put(&what, &t);
        }
        text_done(&json);
        text_done(&t);
    }
}

void checkin_fork_child(void)
{
    pthread_mutex_init(&lock, NULL);
    waiting_n = 0;
    memset(jobs, 0, sizeof jobs);
}
