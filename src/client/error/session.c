#include "client/error/session.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "client/core/id.h"
#include "client/core/identity.h"
#include "client/core/jot.h"
#include "client/core/lost.h"
#include "client/core/module.h"
#include "client/core/outgoing.h"
#include "client/core/setting.h"
#include "client/core/ticks.h"
#include "client/error/envelope.h"
#include "client/error/error_thread.h"
#include "client/error/pseudonym.h"
#include "client/error/session_sums.h"
#include "sonde/error.h"

enum { CHANGES_MAX = 32, JSON_MAX = 4096 };
static const int64_t settled_ns = 5000000000; /* a session shorter than that is told once */

struct change { /* to be sent */
    struct session_state state;
    const char *status;
    int64_t unix_ns;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct session_state now_open; /* but for its errors */
static struct session_state shown[2]; /* for readers that take no lock: the newest is [newest] */
static _Atomic unsigned newest;
static _Atomic uint32_t errors;
static _Atomic bool is_open;
static struct session_state *mirror;
static struct change changes[CHANGES_MAX];
static size_t changes_n;
static char user[64];

static bool by_request(void)
{
    return setting.session_mode && strcmp(setting.session_mode, "request") == 0;
}

/* Shows the state to who looks without the lock. */
static void show(void)
{
    unsigned next = 1 - atomic_load_explicit(&newest, memory_order_relaxed);
    now_open.errors = atomic_load_explicit(&errors, memory_order_relaxed);
    shown[next] = now_open;
    atomic_store_explicit(&newest, next, memory_order_release);
    if (mirror) {
        *mirror = now_open;
    }
    atomic_store_explicit(&is_open, now_open.open, memory_order_release);
}

/* Queues what is true now. */
static void tell(const char *status)
{
    if (changes_n == CHANGES_MAX) {
        lost_add(LOST_SESSION, LOST_QUEUE_FULL, 1);
        return;
    }
    now_open.errors = atomic_load_explicit(&errors, memory_order_relaxed);
    changes[changes_n++] = (struct change){now_open, status, ticks_unix_now_ns()};
    now_open.sequence++;
}

void session_raw(struct session_state *ret)
{
    *ret = shown[atomic_load_explicit(&newest, memory_order_acquire)];
    ret->errors = atomic_load_explicit(&errors, memory_order_relaxed);
}

void session_json(const struct session_state *s, const char *status, int64_t ended_unix_ns,
                  struct text *ret)
{
    struct jot j;
    jot_init(&j, ret);
    jot_object(&j, NULL);
    jot_hex(&j, "sid", s->id, sizeof s->id);
    if (*s->user) {
        jot_string_n(&j, "did", s->user, strnlen(s->user, sizeof s->user));
    }
    jot_u64(&j, "seq", s->sequence);
    jot_bool(&j, "init", s->sequence == 0);
    jot_time(&j, "started", s->started_unix_ns);
    jot_time(&j, "timestamp", ended_unix_ns);
    jot_string(&j, "status", status);
    jot_u64(&j, "errors", s->errors);
    int64_t lasted = ended_unix_ns - s->started_unix_ns;
    jot_number(&j, "duration", lasted > 0 ? (double)lasted / 1e9 : 0);
    jot_object(&j, "attrs");
    jot_string_n(&j, "release", s->release, strnlen(s->release, sizeof s->release));
    jot_string_n(&j, "environment", s->environment, strnlen(s->environment, sizeof s->environment));
    jot_end(&j);
    jot_end(&j);
}

void session_envelope(const struct session_state *s, const char *status, int64_t ended_unix_ns,
                      struct text *ret)
{
    char memory[JSON_MAX];
    struct text t;
    text_over(&t, memory, sizeof memory);
    session_json(s, status, ended_unix_ns, &t);
    envelope_begin(ret, NULL);
    envelope_item(ret, "session", t.bytes, t.len);
}

void session_mirror(struct session_state *place)
{
    pthread_mutex_lock(&lock);
    mirror = place;
    show();
    pthread_mutex_unlock(&lock);
}

void session_error(void)
{
    if (by_request()) {
        struct error_thread *t = error_thread_mine(false);
        if (t) {
            t->request_errored = true;
        }
        return;
    }
    if (!atomic_load_explicit(&is_open, memory_order_relaxed)) {
        return;
    }
    if (atomic_fetch_add_explicit(&errors, 1, memory_order_relaxed) == 0) {
        pthread_mutex_lock(&lock);
        if (now_open.open) {
            tell("ok");
            show();
        }
        pthread_mutex_unlock(&lock);
    }
}

void session_user(const char *id)
{
    pthread_mutex_lock(&lock);
    pseudonym_of(id, user, sizeof user);
    if (now_open.open && !*now_open.user) { /* a session keeps its first user */
        memcpy(now_open.user, user, sizeof user);
        show();
    }
    pthread_mutex_unlock(&lock);
}

static void close_open(const char *status)
{
    if (now_open.open) {
        tell(status);
        memset(&now_open, 0, sizeof now_open);
        atomic_store_explicit(&errors, 0, memory_order_relaxed);
        show();
    }
}

static void open_new(const char *user_id)
{
    close_open("exited");
    id_fill(now_open.id, sizeof now_open.id);
    now_open.started_unix_ns = ticks_unix_now_ns();
    now_open.open = 1;
    if (user_id && *user_id) {
        pseudonym_of(user_id, now_open.user, sizeof now_open.user);
    } else {
        memcpy(now_open.user, user, sizeof user);
    }
    /* Sentry takes no session without a release. */
    const char *release = setting.release && *setting.release ? setting.release : identity.service;
    snprintf(now_open.release, sizeof now_open.release, "%.127s", release);
    snprintf(now_open.environment, sizeof now_open.environment, "%s",
             setting.environment ? setting.environment : "");
    show();
}

int sonde_session_start(const char *user_id)
{
    if (!atomic_load_explicit(&module_on, memory_order_relaxed)) {
        return SONDE_ERROR_STATE;
    }
    module_wake();
    if (by_request()) {
        struct error_thread *t = error_thread_mine(true);
        if (!t) {
            return SONDE_ERROR_MEMORY;
        }
        if (t->request_open) {
            session_sums_add(t->request_started_unix_ns, SONDE_SESSION_EXITED, t->request_errored);
        }
        t->request_open = true;
        t->request_errored = false;
        t->request_started_unix_ns = ticks_unix_now_ns();
        return 0;
    }
    pthread_mutex_lock(&lock);
    open_new(user_id);
    pthread_mutex_unlock(&lock);
    return 0;
}

int sonde_session_end(int status)
{
    static const char *const names[] = {"exited", "crashed", "abnormal"};
    if (!atomic_load_explicit(&module_on, memory_order_relaxed)) {
        return SONDE_ERROR_STATE;
    }
    if (status < SONDE_SESSION_EXITED || status > SONDE_SESSION_ABNORMAL) {
        return SONDE_ERROR_ARGUMENT;
    }
    module_wake();
    if (by_request()) {
        struct error_thread *t = error_thread_mine(false);
        if (!t || !t->request_open) {
            return SONDE_ERROR_STATE;
        }
        session_sums_add(t->request_started_unix_ns, status, t->request_errored);
        t->request_open = false;
        return 0;
    }
    pthread_mutex_lock(&lock);
    int err = now_open.open ? 0 : SONDE_ERROR_STATE;
    close_open(names[status]);
    pthread_mutex_unlock(&lock);
    return err;
}

void session_begin(void)
{
    pthread_mutex_lock(&lock);
    if (setting.session_auto && !by_request()) {
        open_new(NULL);
    }
    pthread_mutex_unlock(&lock);
}

static void send(const struct change *c)
{
    struct text t;
    text_init(&t, 2 * JSON_MAX);
    session_envelope(&c->state, c->status, c->unix_ns, &t);
    if (t.cut) {
        lost_add(LOST_SESSION, LOST_MEMORY, 1);
    } else {
        struct outgoing what = {FRAME_ENVELOPE, 1, "session"};
        outgoing_put(&what, &t);
    }
    text_done(&t);
}

void session_flush(bool everything)
{
    static struct change sending[CHANGES_MAX]; /* of the worker alone */
    pthread_mutex_lock(&lock);
    if (now_open.open && now_open.sequence == 0 &&
        ticks_unix_now_ns() - now_open.started_unix_ns > settled_ns) {
        tell("ok");
        show();
    }
    size_t n = changes_n;
    memcpy(sending, changes, n * sizeof *changes);
    changes_n = 0;
    pthread_mutex_unlock(&lock);
    for (size_t i = 0; i < n; i++) {
        send(&sending[i]);
    }
    session_sums_flush(everything);
}

void session_finish(void)
{
    pthread_mutex_lock(&lock);
    close_open("exited");
    *user = 0;
    pthread_mutex_unlock(&lock);
}

void session_fork_child(void)
{
    pthread_mutex_init(&lock, NULL); /* whoever held it is not here */
    changes_n = 0;
    mirror = NULL;
    memset(&now_open, 0, sizeof now_open);
    atomic_store_explicit(&errors, 0, memory_order_relaxed);
    session_sums_clear();
    show();
    session_begin();
}
