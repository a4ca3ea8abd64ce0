#include "client/send/direct.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/core/id.h"
#include "client/core/setting.h"
#include "client/core/ticks.h"
#include "client/core/worker.h"
#include "client/send/dsn.h"
#include "client/send/http.h"
#include "client/send/limit.h"
#include "client/send/otlp.h"

enum { WAIT_MOST_MS = 300000, NO_CURL_WAIT_S = 60, PROBLEM_MAX = 200 };
static const uint64_t MS = 1000000, SECOND = 1000000000; /* ns */

struct target {
    const char *name;
    enum spool_kind kind;
    bool on, also;
    char url[OTLP_URL_MAX];
    struct http_post post;
    struct text body;
    struct queue_entry *entry; /* lent; NULL: no request */
    uint64_t not_before_ns, wait_ms;
    struct limit limit;
};

static struct target
    targets[SPOOL_KINDS]; /* named by direct_start(): kept out of the file's data */
static struct dsn dsn;
static struct otlp_headers otlp_headers;
static void (*changed_call)(void);

/* What other threads read. */
static _Atomic uint64_t sent[SPOOL_KINDS], failed[SPOOL_KINDS];
static _Atomic long last_status[SPOOL_KINDS];
static _Atomic bool on[SPOOL_KINDS];
static pthread_mutex_t text_lock = PTHREAD_MUTEX_INITIALIZER;
static char problems[SPOOL_KINDS][PROBLEM_MAX];

static void timer_run(void *context);
static struct worker_task timer = {.name = "direct", .run = timer_run};

static void note_problem(const struct target *t, const char *text)
{
    pthread_mutex_lock(&text_lock);
    snprintf(problems[t->kind], PROBLEM_MAX, "%s", text);
    pthread_mutex_unlock(&text_lock);
}

/* ---- settings */

static bool lists(const char *list, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = list; *p;) {
        size_t len = strcspn(p, ",");
        const char *at = p + strspn(p, " ");
        if ((size_t)(p + len - at) >= n && strncmp(at, word, n) == 0 &&
            strspn(at + n, " ") >= (size_t)(p + len - at) - n) {
            return true;
        }
        p += len + (p[len] == ',');
    }
    return false;
}

static int start_dsn(char *problem)
{
    struct target *t = &targets[SPOOL_ENVELOPE];
    const char *environment = secure_getenv("SENTRY_DSN"), *why = NULL;
    bool own = *setting.dsn != 0;
    const char *text = own ? setting.dsn : environment;
    if (!text || !*text || strcmp(text, "none") == 0) {
        return 0;
    }
    if (!dsn_read(text, &dsn, &why)) {
        if (own) {
            snprintf(problem, SETTING_PROBLEM_MAX, "dsn is no DSN: %s", why);
            return SONDE_ERROR_ARGUMENT;
        }
        char sentence[PROBLEM_MAX];
        snprintf(sentence, sizeof sentence, "SENTRY_DSN is no DSN: %s", why);
        note_problem(t, sentence);
        return 0;
    }
    t->on = true;
    snprintf(t->url, sizeof t->url, "%s", dsn.url);
    t->post.headers[0] = dsn.auth;
    t->post.headers[1] = "Content-Type: application/x-sentry-envelope";
    t->post.headers[2] = NULL;
    return 0;
}

static void add_otlp(enum spool_kind kind)
{
    struct target *t = &targets[kind];
    size_t n = 0;
    t->on = true;
    t->post.headers[n++] = "Content-Type: application/x-protobuf";
    for (size_t i = 0; i < otlp_headers.n && n + 1 < HTTP_HEADERS_MAX; i++) {
        t->post.headers[n++] = otlp_headers.line[i];
    }
    t->post.headers[n] = NULL;
}

static int start_otlp(char *problem)
{
    static const struct {
        enum spool_kind kind;
        enum otlp_signal signal;
    } of[] = {{SPOOL_SPANS, OTLP_TRACES}, {SPOOL_LOGS, OTLP_LOGS}};
    char sentence[SETTING_PROBLEM_MAX] = "";
    int err = otlp_headers_read(&otlp_headers, sentence);
    for (size_t i = 0; i < 2 && err == 0; i++) {
        struct target *t = &targets[of[i].kind];
        err = otlp_url(of[i].signal, t->url, sentence);
        if (err == 0 && *t->url) {
            add_otlp(of[i].kind);
        }
        if (*sentence) {
            note_problem(t, sentence);
        }
    }
    if (err) {
        snprintf(problem, SETTING_PROBLEM_MAX, "%s", sentence);
    }
    return err;
}

static void name_targets(void)
{
    static const char *const names[SPOOL_KINDS] = {
        [SPOOL_ENVELOPE] = "dsn", [SPOOL_LOGS] = "otlp logs", [SPOOL_SPANS] = "otlp traces"};
    for (size_t i = 0; i < SPOOL_KINDS; i++) {
        targets[i].name = names[i];
        targets[i].kind = (enum spool_kind)i;
    }
}

int direct_start(char *problem, void (*changed)(void))
{
    name_targets();
    changed_call = changed;
    for (size_t i = 0; i < SPOOL_KINDS; i++) {
        struct target *t = &targets[i];
        t->on = t->also = false;
        t->entry = NULL;
        t->not_before_ns = t->wait_ms = 0;
        memset(&t->limit, 0, sizeof t->limit);
        text_init(&t->body, SPOOL_FILE_MAX);
        note_problem(t, "");
    }
    int err = start_dsn(problem);
    err = err ? err : start_otlp(problem);
    if (err) {
        return err;
    }
    bool any = false;
    for (size_t i = 0; i < SPOOL_KINDS; i++) {
        struct target *t = &targets[i];
        t->also = t->on && lists(setting.send_also, i == SPOOL_ENVELOPE ? "dsn" : "otlp");
        atomic_store(&on[i], t->on);
        any = any || t->on;
    }
    if (any) {
        http_prepare();
        worker_task_add(&timer);
    }
    return 0;
}

bool direct_takes(enum spool_kind kind)
{
    return targets[kind].on;
}

bool direct_also(enum spool_kind kind)
{
    return targets[kind].also;
}

/* ---- answers */

static void wait_until(struct target *t, uint64_t ns)
{
    t->not_before_ns = ns;
    uint64_t due = __atomic_load_n(&timer.due_ns, __ATOMIC_RELAXED);
    if (ns < due) {
        worker_task_at(&timer, ns);
    }
}

/* It stays, and is tried again after what the server says, or after a while. */
static void try_later(struct target *t, uint64_t now)
{
    uint64_t seconds, wait_ns;
    t->wait_ms = t->wait_ms ? t->wait_ms * 2 : setting.send_retry_ms;
    t->wait_ms = t->wait_ms < WAIT_MOST_MS ? t->wait_ms : WAIT_MOST_MS;
    if (limit_retry_after(t->post.retry_after, ticks_unix_now_ns() / (int64_t)SECOND, &seconds)) {
        wait_ns = seconds * SECOND;
    } else {
        wait_ns = (uint64_t)((double)(t->wait_ms * MS) * (0.5 + id_fraction()));
    }
    queue_back(t->entry, QUEUE_DIRECT);
    atomic_fetch_add(&failed[t->kind], 1);
    wait_until(t, now + wait_ns);
}

static void take_limits(struct target *t, uint64_t now)
{
    const struct http_post *p = &t->post;
    uint64_t seconds;
    if (*p->limits && limit_read(&t->limit, p->limits, now)) {
        return;
    }
    if (p->status == 429) {
        if (!limit_retry_after(p->retry_after, ticks_unix_now_ns() / (int64_t)SECOND, &seconds)) {
            seconds = LIMIT_SECONDS_429;
        }
        limit_all(&t->limit, now + seconds * SECOND);
    }
}

static void taken(struct target *t)
{
    uint64_t items = t->entry->name.items, rejected = 0;
    if (t->kind != SPOOL_ENVELOPE) {
        rejected = otlp_rejected(t->post.answer, t->post.answer_n);
        rejected = rejected < items ? rejected : items;
        lost_add(queue_category(&t->entry->name), LOST_REFUSED, rejected);
    }
    atomic_fetch_add(&sent[t->kind], items - rejected);
    t->wait_ms = 0;
    queue_taken(t->entry, QUEUE_DIRECT);
}

static void drop(struct target *t, enum lost_reason reason)
{
    t->wait_ms = 0;
    atomic_fetch_add(&failed[t->kind], 1);
    queue_drop(t->entry, QUEUE_DIRECT, reason);
}

static void dsn_answer(struct target *t, uint64_t now)
{
    long status = t->post.status;
    take_limits(t, now);
    if (status >= 200 && status < 300) {
        taken(t);
    } else if (status == 429) {
        drop(t, LOST_SERVER_LIMIT);
    } else if (status == 413) {
        drop(t, LOST_TOO_BIG);
    } else if (status >= 300 && status < 500 && status != 408) {
        drop(t, LOST_REFUSED);
    } else {
        try_later(t, now);
    }
}

static void otlp_answer(struct target *t, uint64_t now)
{
    long status = t->post.status;
    if (status >= 200 && status < 300) {
        taken(t);
    } else if (status == 0 || status == 429 || (status >= 502 && status <= 504)) {
        try_later(t, now);
    } else {
        drop(t, status == 413 ? LOST_TOO_BIG : LOST_REFUSED);
    }
}

static void done(struct http_post *p)
{
    struct target *t = p->context;
    uint64_t now = ticks_monotonic_ns();
    char sentence[PROBLEM_MAX] = "";
    if (p->status == 0) {
        snprintf(sentence, sizeof sentence, "%s", p->problem);
    } else if (p->status < 200 || p->status >= 300) {
        snprintf(sentence, sizeof sentence, "it answered with %ld", p->status);
    }
    note_problem(t, sentence);
    atomic_store(&last_status[t->kind], p->status);
    if (t->kind == SPOOL_ENVELOPE) {
        dsn_answer(t, now);
    } else {
        otlp_answer(t, now);
    }
    t->entry = NULL;
    text_done(&t->body);
    changed_call();
}

/* ---- requests */

/* The next that may be sent; what falls under a limit is dropped. */
static struct queue_entry *next_entry(struct target *t, uint64_t now)
{
    struct queue_entry *e;
    while ((e = queue_next(t->kind, QUEUE_DIRECT))) {
        if (t->kind != SPOOL_ENVELOPE || !limit_holds(&t->limit, e->name.category, now)) {
            break;
        }
        queue_drop(e, QUEUE_DIRECT, LOST_SERVER_LIMIT);
    }
    return e;
}

static bool may_begin(const struct target *t, bool allowed, uint64_t now)
{
    return t->on && !t->entry && (allowed || t->also) && now >= t->not_before_ns;
}

static void begin(struct target *t, uint64_t now)
{
    struct queue_entry *e = next_entry(t, now);
    if (!e) {
        return;
    }
    int err = queue_read(e, QUEUE_DIRECT, &t->body);
    if (err) {
        text_done(&t->body);
        wait_until(t, now + (err == SONDE_ERROR_MEMORY ? SECOND : 0));
        return;
    }
    t->entry = e;
    t->post.url = t->url;
    t->post.body = t->body.bytes ? t->body.bytes : "";
    t->post.body_n = t->body.len;
    t->post.timeout_ms = (unsigned)setting.send_timeout_ms;
    t->post.done = done;
    t->post.context = t;
    if (http_send(&t->post) != 0) {
        note_problem(t, *t->post.problem ? t->post.problem : "no memory for a request");
        t->entry = NULL;
        text_done(&t->body);
        queue_back(e, QUEUE_DIRECT);
        wait_until(t, now + (uint64_t)NO_CURL_WAIT_S * SECOND);
    }
}

void direct_pump(bool allowed)
{
    uint64_t now = ticks_monotonic_ns();
    for (size_t i = 0; i < SPOOL_KINDS; i++) {
        if (may_begin(&targets[i], allowed, now)) {
            begin(&targets[i], now);
        }
    }
}

bool direct_busy(bool allowed, uint64_t order)
{
    uint64_t now = ticks_monotonic_ns();
    for (size_t i = 0; i < SPOOL_KINDS; i++) {
        const struct target *t = &targets[i];
        if (t->entry || (may_begin(t, allowed, now) && queue_waits(t->kind, QUEUE_DIRECT, order))) {
            return true;
        }
    }
    return false;
}

static void timer_run(void *context)
{
    uint64_t now = ticks_monotonic_ns(), next = UINT64_MAX;
    for (size_t i = 0; i < SPOOL_KINDS; i++) {
        if (targets[i].not_before_ns > now && targets[i].not_before_ns < next) {
            next = targets[i].not_before_ns;
        }
    }
    worker_task_at(&timer, next);
    changed_call();
}

void direct_stop(void)
{
    for (size_t i = 0; i < SPOOL_KINDS; i++) {
        struct target *t = &targets[i];
        if (t->entry) {
            http_cancel(&t->post);
            queue_back(t->entry, QUEUE_DIRECT);
            t->entry = NULL;
        }
        text_done(&t->body);
        t->on = false;
    }
    http_stop();
    worker_task_remove(&timer);
}

void direct_fork_child(void)
{
    pthread_mutex_init(&text_lock, NULL);
    for (size_t i = 0; i < SPOOL_KINDS; i++) {
        targets[i].entry = NULL;
        targets[i].not_before_ns = targets[i].wait_ms = 0;
        text_init(&targets[i].body,
                  SPOOL_FILE_MAX); /* the memory may be in use by the parent's idea */
        targets[i].post.easy = targets[i].post.list = NULL;
    }
    http_fork_child();
}

uint64_t direct_sent(enum spool_kind kind)
{
    return atomic_load_explicit(&sent[kind], memory_order_relaxed);
}

void direct_info(struct jot *j)
{
    jot_array(j, "direct");
    for (size_t i = 0; i < SPOOL_KINDS; i++) {
        char problem[PROBLEM_MAX];
        pthread_mutex_lock(&text_lock);
        memcpy(problem, problems[i], sizeof problem);
        pthread_mutex_unlock(&text_lock);
        jot_object(j, NULL);
        jot_string(j, "to", targets[i].name);
        jot_bool(j, "on", atomic_load(&on[i]));
        jot_u64(j, "sent", atomic_load(&sent[i]));
        jot_u64(j, "failed", atomic_load(&failed[i]));
        jot_i64(j, "last_status", atomic_load(&last_status[i]));
        jot_string(j, "last_problem", *problem ? problem : NULL);
        jot_end(j);
    }
    jot_end(j);
}
