#include "client/health/health.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/core/command.h"
#include "client/core/lost.h"
#include "client/core/setting.h"
#include "client/core/ticks.h"
#include "client/core/worker.h"

enum { REMOVE_WAIT_MS = 2000 };
static const uint64_t MS = 1000000, SECOND_NS = 1000000000;

struct component {
    struct health_view told; /* but for `word`'s state and message: the last word's */
    sonde_health_check check;
    void *user;
    uint64_t period_ns, slow_ns, ttl_ns, due_ns, reported_ns, running_ns;
    int shown;          /* the state that was written into the history last */
    bool running, gone; /* gone: removed while its check runs, which then frees it */
    pthread_t runner;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* all of it */
static pthread_cond_t ended;                             /* a check has; of CLOCK_MONOTONIC */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct component *table[HEALTH_MAX];
static size_t table_n;

static void run_task(void *unused);
static struct worker_task task = {.name = "health", .run = run_task, .period_ns = 1000000000};

static void run_task(void *unused)
{
    uint64_t now = ticks_monotonic_ns(), next = health_tick(now);
    worker_task_at(&task, next < now + SECOND_NS ? next : now + SECOND_NS);
}

static void make_condition(void)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&ended, &attr);
    pthread_condattr_destroy(&attr);
}

static void copy_text(char *ret, size_t size, const char *s)
{
    size_t n = s ? strnlen(s, size - 1) : 0;
    memcpy(ret, s ? s : "", n);
    ret[n] = 0;
}

static int worse(int a, int b)
{
    if (a == SONDE_HEALTH_UNKNOWN || b == SONDE_HEALTH_UNKNOWN) {
        return a == SONDE_HEALTH_UNKNOWN ? b : a;
    }
    return a > b ? a : b;
}

void sonde_health_set(sonde_health_result *result, int state, const char *message)
{
    if (result && state >= SONDE_HEALTHY && state <= SONDE_UNHEALTHY && state >= result->state) {
        if (state > result->state || !*result->message) {
            copy_text(result->message, sizeof result->message, message);
        }
        result->state = state;
    }
}

void sonde_health_figure(sonde_health_result *result, const char *name, double value)
{
    if (!result || !name || !*name || strlen(name) >= HEALTH_FIGURE_NAME_MAX) {
        return;
    }
    size_t i = 0;
    while (i < result->n && strcmp(result->figure[i].name, name) != 0) {
        i++;
    }
    if (i == HEALTH_FIGURES_MAX) {
        lost_add(LOST_METRIC, LOST_QUEUE_FULL, 1);
        return;
    }
    result->n += i == result->n;
    copy_text(result->figure[i].name, HEALTH_FIGURE_NAME_MAX, name);
    result->figure[i].value = value;
}

/* The state as of now, with its message. Under the lock, as all that follows. */
static int state_of(const struct component *c, uint64_t now_ns, char ret[HEALTH_MESSAGE_MAX])
{
    uint64_t silent = now_ns > c->reported_ns ? now_ns - c->reported_ns : 0;
    if (c->ttl_ns && silent > c->ttl_ns) {
        snprintf(ret, HEALTH_MESSAGE_MAX, "no report for %.1f s", (double)silent / 1e9);
        return SONDE_UNHEALTHY;
    }
    copy_text(ret, HEALTH_MESSAGE_MAX, c->told.word.message);
    return c->told.word.state;
}

/* Writes down where the state has changed. */
static void settle(struct component *c, uint64_t now_ns)
{
    char message[HEALTH_MESSAGE_MAX];
    int state = state_of(c, now_ns, message);
    if (state == c->shown) {
        return;
    }
    struct health_view *v = &c->told;
    c->shown = state;
    v->changed_unix_ns = ticks_unix_now_ns();
    v->history_n += v->history_n < HEALTH_HISTORY_MAX;
    memmove(&v->history[1], &v->history[0], (v->history_n - 1) * sizeof *v->history);
    v->history[0].unix_ns = v->changed_unix_ns;
    v->history[0].state = state;
    memcpy(v->history[0].message, message, sizeof message);
}

static void take_word(struct component *c, const struct sonde_health_result *word, uint64_t now_ns)
{
    settle(c, now_ns); /* that it was silent before is a change too */
    c->told.word = *word;
    c->reported_ns = now_ns;
    c->told.reported_unix_ns = ticks_unix_now_ns();
    settle(c, now_ns);
}

static struct component *find(const char *name, size_t *ret)
{
    for (size_t i = 0; i < table_n; i++) {
        if (strcmp(table[i]->told.name, name) == 0) {
            *ret = i;
            return table[i];
        }
    }
    return NULL;
}

static int add(const char *name, uint64_t now_ns, struct component **ret)
{
    if (table_n == HEALTH_MAX) {
        lost_add(LOST_METRIC, LOST_QUEUE_FULL, 1);
        return SONDE_ERROR_LIMIT;
    }
    struct component *c = calloc(1, sizeof *c);
    if (!c) {
        return SONDE_ERROR_MEMORY;
    }
    copy_text(c->told.name, sizeof c->told.name, name);
    copy_text(c->told.kind, sizeof c->told.kind, "component");
    c->told.critical = true;
    c->told.word.state = c->shown = SONDE_HEALTH_UNKNOWN;
    c->reported_ns = now_ns;
    c->due_ns = UINT64_MAX;
    table[table_n++] = c;
    *ret = c;
    return 0;
}

static bool good_name(const char *name)
{
    return name && *name && strnlen(name, HEALTH_NAME_MAX) < HEALTH_NAME_MAX;
}

int health_register(const char *name, const sonde_health_options *o, uint64_t now_ns)
{
    size_t i;
    uint64_t period_ms = o->period_ms ? o->period_ms : setting.health_period_ms;
    uint64_t slow_ms = o->slow_ms ? o->slow_ms : setting.health_slow_ms;
    pthread_mutex_lock(&lock);
    struct component *c = find(name, &i);
    int err = c ? 0 : add(name, now_ns, &c);
    if (!err) {
        copy_text(c->told.kind, sizeof c->told.kind, o->kind ? o->kind : "component");
        c->told.critical = !o->not_critical;
        c->told.checked = o->check != NULL;
        c->check = o->check;
        c->user = o->user;
        c->period_ns = (period_ms > HEALTH_PERIOD_MIN_MS ? period_ms : HEALTH_PERIOD_MIN_MS) * MS;
        c->slow_ns = slow_ms * MS;
        c->ttl_ns = o->ttl_ms * MS;
        c->reported_ns = now_ns;
        c->due_ns = o->check ? now_ns : UINT64_MAX;
    }
    pthread_mutex_unlock(&lock);
    return err;
}

int sonde_health_register(const char *component, const sonde_health_options *options)
{
    if (!good_name(component) || !options || options->struct_size < sizeof *options) {
        return SONDE_ERROR_ARGUMENT;
    }
    if (!module_on) {
        return SONDE_ERROR_STATE;
    }
    module_wake();
    int err = health_register(component, options, ticks_monotonic_ns());
    worker_task_now(&task);
    return err;
}

/* Waits for the check of a component that was taken out of the table; the last one frees it. */
static int wait_for_check(struct component *c)
{
    uint64_t until = ticks_monotonic_ns() + REMOVE_WAIT_MS * MS;
    struct timespec ts = {.tv_sec = (time_t)(until / SECOND_NS),
                          .tv_nsec = (long)(until % SECOND_NS)};
    int err = 0;
    if (c->running && pthread_equal(c->runner, pthread_self())) {
        c->gone = true; /* its own check removes it */
        return 0;
    }
    while (c->running && err == 0) {
        err = pthread_cond_timedwait(&ended, &lock, &ts);
    }
    if (c->running) {
        c->gone = true;
        return SONDE_ERROR_TIMEOUT;
    }
    free(c);
    return 0;
}

int sonde_health_remove(const char *component)
{
    size_t i;
    if (!good_name(component)) {
        return SONDE_ERROR_ARGUMENT;
    }
    if (!module_on) {
        return SONDE_ERROR_STATE;
    }
    module_wake();
    pthread_mutex_lock(&lock);
    struct component *c = find(component, &i);
    int err = SONDE_ERROR_NOT_FOUND;
    if (c) {
        table[i] = table[--table_n];
        err = wait_for_check(c);
    }
    pthread_mutex_unlock(&lock);
    return err;
}

int health_report(const char *name, const struct sonde_health_result *word, uint64_t now_ns)
{
    size_t i;
    pthread_mutex_lock(&lock);
    struct component *c = find(name, &i);
    int err = c ? 0 : add(name, now_ns, &c);
    if (!err) {
        take_word(c, word, now_ns);
    }
    pthread_mutex_unlock(&lock);
    return err;
}

int sonde_health_report(const char *component, int state, const char *message,
                        const sonde_health_value *figures, size_t n)
{
    if (!good_name(component) || state < SONDE_HEALTHY || state > SONDE_UNHEALTHY ||
        (n && !figures)) {
        return SONDE_ERROR_ARGUMENT;
    }
    if (!module_on) {
        return SONDE_ERROR_STATE;
    }
    module_wake();
    struct sonde_health_result word = {.state = state};
    copy_text(word.message, sizeof word.message, message);
    for (size_t i = 0; i < n; i++) {
        sonde_health_figure(&word, figures[i].name, figures[i].value);
    }
    return health_report(component, &word, ticks_monotonic_ns());
}

/* Runs one check, without the lock meanwhile. */
static void run_check(struct component *c, uint64_t now_ns)
{
    struct sonde_health_result word = {.state = SONDE_HEALTHY};
    sonde_health_check check = c->check;
    void *user = c->user;
    c->running = true;
    c->running_ns = now_ns;
    c->runner = pthread_self();
    pthread_mutex_unlock(&lock);
    uint64_t from = ticks_monotonic_ns();
    check(&word, user);
    uint64_t took = ticks_monotonic_ns() - from;
    pthread_mutex_lock(&lock);
    c->running = false;
    pthread_cond_broadcast(&ended);
    if (c->gone) {
        free(c);
        return;
    }
    c->told.checks++;
    c->told.slow = took > c->slow_ns;
    c->told.slow_checks += c->told.slow;
    c->told.check_seconds = (double)took / 1e9;
    c->told.check_seconds_sum += (double)took / 1e9;
    take_word(c, &word, now_ns + took);
}

uint64_t health_tick(uint64_t now_ns)
{
    uint64_t next = UINT64_MAX;
    pthread_mutex_lock(&lock);
    for (size_t runs = 0; runs < HEALTH_MAX; runs++) {
        struct component *due = NULL;
        for (size_t i = 0; i < table_n && !due; i++) {
            due = table[i]->check && !table[i]->running && table[i]->due_ns <= now_ns ? table[i]
                                                                                      : NULL;
        }
        if (!due) {
            break;
        }
        due->due_ns = now_ns + due->period_ns;
        run_check(due, now_ns); /* the table may be another one afterwards */
    }
    for (size_t i = 0; i < table_n; i++) {
        settle(table[i], now_ns);
        next = table[i]->due_ns < next ? table[i]->due_ns : next;
    }
    pthread_mutex_unlock(&lock);
    return next;
}

void health_run(uint64_t now_ns)
{
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < table_n; i++) {
        table[i]->due_ns = table[i]->check ? now_ns : UINT64_MAX;
    }
    pthread_mutex_unlock(&lock);
    health_tick(now_ns);
}

static void run_call(struct worker_job *job)
{
    health_run(ticks_monotonic_ns());
}

static void run_drop(struct worker_job *job)
{
    free(job);
}

int sonde_health_run(unsigned timeout_ms)
{
    if (!module_on) {
        return SONDE_ERROR_STATE;
    }
    module_wake();
    struct worker_job *job = calloc(1, sizeof *job);
    if (!job) {
        return SONDE_ERROR_MEMORY;
    }
    job->call = run_call;
    job->drop = run_drop;
    return worker_call(job, timeout_ms);
}

size_t health_count(void)
{
    pthread_mutex_lock(&lock);
    size_t n = table_n;
    pthread_mutex_unlock(&lock);
    return n;
}

static void view_of(struct component *c, uint64_t now_ns, struct health_view *ret)
{
    settle(c, now_ns);
    *ret = c->told;
    ret->word.state = state_of(c, now_ns, ret->word.message);
    if (c->running) {
        uint64_t since = now_ns > c->running_ns ? now_ns - c->running_ns : 0;
        ret->running_seconds = (double)since / 1e9;
        ret->slow |= since > c->slow_ns;
    }
}

bool health_view(size_t i, uint64_t now_ns, struct health_view *ret)
{
    pthread_mutex_lock(&lock);
    bool there = i < table_n;
    if (there) {
        view_of(table[i], now_ns, ret);
    }
    pthread_mutex_unlock(&lock);
    return there;
}

bool health_find(const char *name, uint64_t now_ns, struct health_view *ret)
{
    size_t i;
    pthread_mutex_lock(&lock);
    struct component *c = find(name, &i);
    if (c) {
        view_of(c, now_ns, ret);
    }
    pthread_mutex_unlock(&lock);
    return c != NULL;
}

void health_overall(uint64_t now_ns, struct health_view *ret)
{
    *ret = (struct health_view){.critical = true, .word.state = SONDE_HEALTH_UNKNOWN};
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < table_n; i++) {
        char message[HEALTH_MESSAGE_MAX];
        struct component *c = table[i];
        settle(c, now_ns);
        int state = state_of(c, now_ns, message);
        state = state == SONDE_UNHEALTHY && !c->told.critical ? SONDE_DEGRADED : state;
        int worst = worse(ret->word.state, state);
        if (worst != ret->word.state && worst != SONDE_HEALTHY) {
            snprintf(ret->word.message, sizeof ret->word.message, "%s: %.180s", c->told.name,
                     message);
        }
        ret->word.state = worst;
        ret->slow |= c->told.slow || (c->running && now_ns > c->running_ns + c->slow_ns);
        if (c->told.changed_unix_ns > ret->changed_unix_ns) {
            ret->changed_unix_ns = c->told.changed_unix_ns;
        }
        if (c->told.reported_unix_ns > ret->reported_unix_ns) {
            ret->reported_unix_ns = c->told.reported_unix_ns;
        }
    }
    pthread_mutex_unlock(&lock);
}

int sonde_health_get(const char *component, sonde_health_status *ret)
{
    struct health_view v;
    if (!ret || ret->struct_size < sizeof(size_t)) {
        return SONDE_ERROR_ARGUMENT;
    }
    if (!module_on) {
        return SONDE_ERROR_STATE;
    }
    module_wake();
    if (!component) {
        health_overall(ticks_monotonic_ns(), &v);
    } else if (!health_find(component, ticks_monotonic_ns(), &v)) {
        return SONDE_ERROR_NOT_FOUND;
    }
    sonde_health_status all = {.struct_size = ret->struct_size,
                               .state = v.word.state,
                               .slow = v.slow,
                               .changed_unix_ns = v.changed_unix_ns,
                               .reported_unix_ns = v.reported_unix_ns,
                               .check_seconds = v.check_seconds};
    memcpy(all.message, v.word.message, sizeof all.message);
    memcpy(ret, &all, ret->struct_size < sizeof all ? ret->struct_size : sizeof all);
    return 0;
}

static struct source source = {.name = "health", .write = health_write};

static int start(char *problem)
{
    static struct command command = {
        "health",
        "[COMPONENT] | run",
        "The application's components: state, message, figures; run: checks them all now.",
        COMMAND_VIEWER,
        health_answer,
        NULL};
    pthread_once(&once, make_condition);
    command_add(&command);
    worker_task_add(&task);
    source_add(&source);
    return 0;
}

/* The callbacks and what they point at are the application's: it registers them again. */
static void stop(void)
{
    source_remove(&source);
    worker_task_remove(&task);
    pthread_mutex_lock(&lock);
    while (table_n) {
        free(table[--table_n]);
    }
    pthread_mutex_unlock(&lock);
}

static void fork_child(void)
{
    pthread_mutex_init(&lock, NULL); /* its holder may not be in the child */
    make_condition();
    for (size_t i = 0; i < table_n; i++) {
        table[i]->running = false;
    }
}

const struct module health_module = {
    .name = "health", .start = start, .stop = stop, .fork_child = fork_child};
