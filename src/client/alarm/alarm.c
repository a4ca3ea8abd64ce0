#include "client/alarm/alarm.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "client/core/command.h"
#include "client/core/lost.h"
#include "client/core/ticks.h"
#include "client/core/worker.h"
#include "client/metric/source.h"

struct alarm {
    char kind[ALARM_KIND_MAX], subject[ALARM_SUBJECT_MAX], unit[ALARM_UNIT_MAX];
    _Atomic double limit, value;
    _Atomic int side;
    _Atomic bool raised;
    _Atomic uint64_t turning_ns; /* since when the value is on the other side; 0: it is not */
    uint64_t for_ns;             /* this and what follows: under the lock */
    uint64_t changes;
    int64_t since_unix_ns;
    bool gone;          /* removed: fed, but neither judged nor shown */
    bool untold;        /* a change found no room in the ring */
    struct alarm *next; /* immutable */
};

struct change {
    struct alarm *alarm;
    double value, limit;
    int64_t unix_ns;
    bool raised;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct alarm *alarms; /* newest first; never freed */
static size_t alarms_n;
static struct change ring[ALARM_CHANGES_MAX];
static size_t ring_from, ring_n;
static void (*callback)(const sonde_alarm_event *event, void *user);
static void *callback_user;
static alarm_recorder_f *recorder;

static void run_task(void *unused)
{
    alarm_tick(ticks_monotonic_ns());
    alarm_deliver();
}

static struct worker_task task = {.name = "alarm", .run = run_task, .period_ns = 1000000000};

static bool beyond(const struct alarm *a, double value)
{
    double limit = atomic_load_explicit(&a->limit, memory_order_relaxed);
    return atomic_load_explicit(&a->side, memory_order_relaxed) == ALARM_ABOVE ? value > limit
                                                                               : value < limit;
}

/* Turns it over and puts the change into the ring. Under the lock. */
static void turn(struct alarm *a, bool raised)
{
    atomic_store_explicit(&a->raised, raised, memory_order_relaxed);
    atomic_store_explicit(&a->turning_ns, 0, memory_order_relaxed);
    a->since_unix_ns = ticks_unix_now_ns();
    a->changes++;
    if (ring_n == ALARM_CHANGES_MAX) {
        a->untold = true;
    } else {
        ring[(ring_from + ring_n++) % ALARM_CHANGES_MAX] =
            (struct change){a, a->value, a->limit, a->since_unix_ns, raised};
    }
    worker_task_now(&task);
}

/* Looks at the value as of now. Under the lock. */
static void judge(struct alarm *a, uint64_t now_ns)
{
    double value = atomic_load_explicit(&a->value, memory_order_relaxed);
    if (a->gone || isnan(value)) {
        return;
    }
    bool is = beyond(a, value), was = atomic_load_explicit(&a->raised, memory_order_relaxed);
    if (is == was) {
        atomic_store_explicit(&a->turning_ns, 0, memory_order_relaxed);
        return;
    }
    uint64_t since = atomic_load_explicit(&a->turning_ns, memory_order_relaxed);
    if (!since) {
        since = now_ns ? now_ns : 1;
        atomic_store_explicit(&a->turning_ns, since, memory_order_relaxed);
    }
    if (now_ns >= since + a->for_ns || !a->for_ns) {
        turn(a, is);
    }
}

static bool fits(const char *s, size_t size)
{
    return s && *s && strnlen(s, size) < size;
}

static struct alarm *find(const char *kind, const char *subject)
{
    for (struct alarm *a = alarms; a; a = a->next) {
        if (strcmp(a->kind, kind) == 0 && strcmp(a->subject, subject) == 0) {
            return a;
        }
    }
    return NULL;
}

/* A new one, or NULL. Under the lock. */
static struct alarm *make(const char *kind, const char *subject)
{
    struct alarm *a = alarms_n < ALARM_MAX ? calloc(1, sizeof *a) : NULL;
    if (!a) {
        lost_add(LOST_METRIC, alarms_n < ALARM_MAX ? LOST_MEMORY : LOST_QUEUE_FULL, 1);
        return NULL;
    }
    memcpy(a->kind, kind, strlen(kind));
    memcpy(a->subject, subject, strlen(subject));
    atomic_store_explicit(&a->value, (double)NAN, memory_order_relaxed);
    a->since_unix_ns = ticks_unix_now_ns();
    a->next = alarms;
    alarms = a;
    alarms_n++;
    return a;
}

struct alarm *alarm_set(const char *kind, const char *subject, enum alarm_side side, double limit,
                        const char *unit, uint64_t for_ms)
{
    if (!fits(kind, ALARM_KIND_MAX) || !fits(subject, ALARM_SUBJECT_MAX) || isnan(limit)) {
        return NULL;
    }
    pthread_mutex_lock(&lock);
    struct alarm *a = find(kind, subject);
    a = a ? a : make(kind, subject);
    if (a) {
        atomic_store_explicit(&a->limit, limit, memory_order_relaxed);
        atomic_store_explicit(&a->side, side, memory_order_relaxed);
        a->for_ns = for_ms < UINT64_MAX / 1000000 / 2 ? for_ms * 1000000 : UINT64_MAX / 2;
        a->gone = false;
        size_t n = unit ? strnlen(unit, ALARM_UNIT_MAX - 1) : 0;
        memcpy(a->unit, unit ? unit : "", n);
        a->unit[n] = 0;
    }
    pthread_mutex_unlock(&lock);
    return a;
}

void alarm_remove(struct alarm *a)
{
    if (!a) {
        return;
    }
    pthread_mutex_lock(&lock);
    if (atomic_load_explicit(&a->raised, memory_order_relaxed)) {
        turn(a, false);
    }
    atomic_store_explicit(&a->turning_ns, 0, memory_order_relaxed);
    atomic_store_explicit(&a->value, (double)NAN, memory_order_relaxed);
    a->gone = true;
    pthread_mutex_unlock(&lock);
}

void alarm_feed(struct alarm *a, double value, uint64_t now_ns)
{
    if (!a || isnan(value)) {
        return;
    }
    atomic_store_explicit(&a->value, value, memory_order_relaxed);
    if (beyond(a, value) == atomic_load_explicit(&a->raised, memory_order_relaxed) &&
        !atomic_load_explicit(&a->turning_ns, memory_order_relaxed)) {
        return; /* as it was: no lock */
    }
    pthread_mutex_lock(&lock);
    judge(a, now_ns);
    pthread_mutex_unlock(&lock);
}

bool alarm_raised(const struct alarm *a)
{
    return a && atomic_load_explicit(&a->raised, memory_order_relaxed);
}

void alarm_each(void (*visit)(const struct alarm_state *s, void *context), void *context)
{
    pthread_mutex_lock(&lock);
    for (const struct alarm *a = alarms; a; a = a->next) {
        if (!a->gone) {
            struct alarm_state s = {
                .kind = a->kind,
                .subject = a->subject,
                .unit = a->unit,
                .side = (enum alarm_side)a->side,
                .limit = a->limit,
                .value = a->value,
                .raised = a->raised,
                .since_unix_ns = a->since_unix_ns,
                .changes = a->changes,
            };
            visit(&s, context);
        }
    }
    pthread_mutex_unlock(&lock);
}

void alarm_on_record(alarm_recorder_f *record)
{
    pthread_mutex_lock(&lock);
    recorder = record;
    pthread_mutex_unlock(&lock);
}

void alarm_tick(uint64_t now_ns)
{
    pthread_mutex_lock(&lock);
    for (struct alarm *a = alarms; a; a = a->next) {
        if (atomic_load_explicit(&a->turning_ns, memory_order_relaxed)) {
            judge(a, now_ns);
        }
    }
    pthread_mutex_unlock(&lock);
}

/* The next change to tell: of the ring, then of those that found no room there. */
static bool take(struct change *ret)
{
    if (ring_n) {
        *ret = ring[ring_from];
        ring_from = (ring_from + 1) % ALARM_CHANGES_MAX;
        ring_n--;
        return true;
    }
    for (struct alarm *a = alarms; a; a = a->next) {
        if (a->untold) {
            a->untold = false;
            *ret = (struct change){a, a->value, a->limit, a->since_unix_ns, a->raised};
            return true;
        }
    }
    return false;
}

void alarm_deliver(void)
{
    for (size_t told = 0; told < ALARM_MAX + ALARM_CHANGES_MAX; told++) {
        struct change c;
        pthread_mutex_lock(&lock);
        bool some = take(&c);
        void (*call)(const sonde_alarm_event *, void *) = callback;
        void *user = callback_user;
        alarm_recorder_f *record = recorder;
        pthread_mutex_unlock(&lock);
        if (!some) {
            return;
        }
        sonde_alarm_event event = {sizeof event, c.alarm->kind, c.alarm->subject, c.alarm->unit,
                                   c.value,      c.limit,       c.raised};
        if (record) {
            record(&event, c.unix_ns);
        }
        if (call) {
            call(&event, user);
        }
    }
}

int sonde_alarm_on_change(void (*call)(const sonde_alarm_event *event, void *user), void *user)
{
    if (!module_on) {
        return SONDE_ERROR_STATE;
    }
    module_wake();
    pthread_mutex_lock(&lock);
    callback = call;
    callback_user = user;
    pthread_mutex_unlock(&lock);
    return 0;
}

static sonde_alarm *own(const char *kind, const char *subject, enum alarm_side side, double limit,
                        const char *unit, unsigned for_ms)
{
    if (!module_on) {
        return NULL;
    }
    module_wake();
    return (sonde_alarm *)alarm_set(kind, subject, side, limit, unit, for_ms);
}

sonde_alarm *sonde_alarm_above(const char *kind, const char *subject, double limit,
                               const char *unit, unsigned for_ms)
{
    return own(kind, subject, ALARM_ABOVE, limit, unit, for_ms);
}

sonde_alarm *sonde_alarm_below(const char *kind, const char *subject, double limit,
                               const char *unit, unsigned for_ms)
{
    return own(kind, subject, ALARM_BELOW, limit, unit, for_ms);
}

void sonde_alarm_feed(sonde_alarm *alarm, double value)
{
    if (alarm && atomic_load_explicit(&module_on, memory_order_relaxed)) {
        alarm_feed((struct alarm *)alarm, value, ticks_monotonic_ns());
    }
}

bool sonde_alarm_raised(const sonde_alarm *alarm)
{
    return alarm_raised((const struct alarm *)alarm);
}

static void answer_one(const struct alarm_state *s, void *context)
{
    struct jot *j = context;
    jot_object(j, NULL);
    jot_string(j, "alarm", s->kind);
    jot_string(j, "subject", s->subject);
    jot_bool(j, "raised", s->raised);
    jot_number(j, "value", s->value);
    jot_string(j, "side", s->side == ALARM_ABOVE ? "above" : "below");
    jot_number(j, "limit", s->limit);
    jot_string(j, "unit", s->unit);
    jot_time(j, "since", s->since_unix_ns);
    jot_u64(j, "changes", s->changes);
    jot_end(j);
}

static int answer(const struct command_call *call, struct jot *j, char *problem)
{
    jot_array(j, "alarms");
    alarm_each(answer_one, j);
    jot_end(j);
    return 0;
}

struct writing {
    struct source_writer *w;
    int what;
};

static void write_one(const struct alarm_state *s, void *context)
{
    const struct writing *to = context;
    const sonde_label labels[] = {{"alarm", s->kind}, {"subject", s->subject}, {NULL, NULL}};
    const double values[] = {s->raised, (double)s->changes, s->value, s->limit};
    if (!isnan(values[to->what])) {
        source_sample(to->w, to->what == 1 ? "_total" : "", labels, values[to->what]);
    }
}

static void write_metrics(struct source_writer *w, void *unused)
{
    static const struct {
        const char *name;
        enum source_type type;
        const char *help;
    } families[] = {
        {"sonde_client_alarm", SOURCE_GAUGE, "1 while a threshold of the application is crossed."},
        {"sonde_client_alarm_changes", SOURCE_COUNTER, "How often it was raised and cleared."},
        {"sonde_client_alarm_value", SOURCE_GAUGE, "The value that is held against the limit."},
        {"sonde_client_alarm_limit", SOURCE_GAUGE, "The limit of the threshold."},
    };
    for (int i = 0; i < 4; i++) {
        struct writing to = {w, i};
        source_family(w, families[i].name, families[i].type, families[i].help, NULL);
        alarm_each(write_one, &to);
    }
}

static struct source source = {.name = "alarm", .write = write_metrics};

static int start(char *problem)
{
    static struct command command = {
        "alarms",       "",     "Thresholds of the application, and which of them are crossed.",
        COMMAND_VIEWER, answer, NULL};
    command_add(&command);
    worker_task_add(&task);
    source_add(&source);
    return 0;
}

static void stop(void)
{
    source_remove(&source);
    worker_task_remove(&task);
    pthread_mutex_lock(&lock);
    callback = NULL;
    ring_n = 0;
    for (struct alarm *a = alarms; a; a = a->next) { /* the values of the next life come anew */
        a->raised = a->untold = false;
        a->turning_ns = 0;
        a->value = (double)NAN;
    }
    pthread_mutex_unlock(&lock);
}

static void fork_child(void)
{
    pthread_mutex_init(&lock, NULL); /* its holder may not be in the child */
    ring_n = 0;                      /* the parent tells them */
    for (struct alarm *a = alarms; a; a = a->next) {
        a->untold = false;
        a->changes = 0;
    }
}

const struct module alarm_module = {
    .name = "alarm", .start = start, .stop = stop, .fork_child = fork_child};
