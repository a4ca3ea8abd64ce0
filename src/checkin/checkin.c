#include "checkin/checkin.h"

#include <string.h>

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/stat.h"
#include "base/vec.h"
#include "checkin/checkin_check.h"
#include "event/event_count.h"
#include "event/event_json.h"
#include "model/labels.h"
#include "os/thread.h"

enum {
    TICK_MS = 1000,
    SENTENCE_MAX = 2048,
    ALL_MAX = 20000, /* check-ins, with those that vanished */
};

static const char *const MODULE = "checkin";

static const struct event_count_family UP = {
    "sonde_checkin_up",
    "0 where the job is missing, has failed or runs too long.",
    STAT_TYPE_GAUGE,
    NULL,
    {"checkin", NULL, NULL}};
static const struct event_count_family LATE = {
    "sonde_checkin_late",
    "1 where the job is due and has not come, missing or not yet.",
    STAT_TYPE_GAUGE,
    NULL,
    {"checkin", NULL, NULL}};
static const struct event_count_family DURATION = {"sonde_checkin_duration_seconds",
                                                   "How long the last run took.",
                                                   STAT_TYPE_GAUGE,
                                                   NULL,
                                                   {"checkin", NULL, NULL}};
static const struct event_count_family SUCCESS = {"sonde_checkin_success_timestamp_seconds",
                                                  "When it went well last, in seconds since 1970.",
                                                  STAT_TYPE_GAUGE,
                                                  NULL,
                                                  {"checkin", NULL, NULL}};
static const struct event_count_family PINGS = {"sonde_checkin_pings_total",
                                                "Pings by kind: success, start, fail.",
                                                STAT_TYPE_COUNTER,
                                                NULL,
                                                {"checkin", "kind", NULL}};
static const struct event_count_family *const GAUGES[] = {&UP, &LATE, &DURATION, &SUCCESS};

struct checkins {
    struct checkin_config config;
    pthread_mutex_t lock; /* of all below; held while a ping is written */
    pthread_cond_t woken;
    bool ending;
    struct thread thread;
    struct {
        struct checkin_check **v; /* owned */
        size_t n, capacity;
    } all;
    struct map by_name; /* -> struct checkin_check */
    size_t made;        /* by their first ping */
};

/* ---- what is told of them */

static void measure(const struct checkin_check *c)
{
    enum checkin_problem p = c->facts.problem;
    bool late = c->facts.state == CHECKIN_LATE || p == CHECKIN_PROBLEM_MISSING;
    stat_set(event_count(&UP, &c->name), p == CHECKIN_PROBLEM_NONE);
    stat_set(event_count(&LATE, &c->name), late);
    if (c->facts.duration_ms >= 0)
        stat_set(event_count(&DURATION, &c->name), (double)c->facts.duration_ms / 1000);
    if (c->facts.success_ms)
        stat_set(event_count(&SUCCESS, &c->name), (double)c->facts.success_ms / 1000);
    for (size_t i = 0; i < COUNTOF(GAUGES); i++)
        stat_hide(event_count(GAUGES[i], &c->name),
                  !c->present || (GAUGES[i] == &DURATION && c->facts.duration_ms < 0) ||
                      (GAUGES[i] == &SUCCESS && c->facts.success_ms == 0));
}

static bool is_problem(enum checkin_state s)
{
    return s == CHECKIN_MISSING || s == CHECKIN_FAILED || s == CHECKIN_OVERRUN;
}

/* Problems, lateness and their end are events; that all goes as it should is none. */
static void note(struct checkins *all, const struct checkin_check *c, enum checkin_state before)
{
    enum checkin_state now = c->facts.state;
    if (!is_problem(now) && now != CHECKIN_LATE && !is_problem(before))
        return;
    struct buf title, key;
    buf_init(&title, SENTENCE_MAX);
    buf_init(&key, EVENT_LABELS_MAX);
    checkin_check_say(c, &title);
    struct label l, labels[80] = {{STR("checkin"), c->name}};
    size_t n = 1;
    for (const char *at = c->labels.p;
         n < COUNTOF(labels) && labels_next(c->labels, &at, &l, NULL);)
        if (!str_eq(l.name, STR("checkin")))
            labels[n++] = l;
    if (labels_encode_bare(labels, n, &key, NULL) != 0)
        buf_clear(&key); /* without labels rather than not at all */
    struct event v = {.time_ms = c->facts.since_ms,
                      .kind = STR("checkin"),
                      .title = buf_str(&title),
                      .source = STR("checkin"),
                      .labels = buf_str(&key),
                      .status = str_c(checkin_state_text(now))};
    if (all->config.events)
        event_add(all->config.events, &v);
    log_info(MODULE, STR_FMT, STR_ARG(buf_str(&title)));
    buf_done(&title);
    buf_done(&key);
}

static void alarm_of(struct checkins *all, struct checkin_check *c, int64_t now_ms)
{
    static const char *const NAMES[CHECKIN_PROBLEMS_N] = {"", "CheckinMissing", "CheckinFailed",
                                                          "CheckinOverrun"};
    static const char *const OVER = " is well again";
    for (int i = CHECKIN_PROBLEM_NONE + 1; i < CHECKIN_PROBLEMS_N; i++) {
        struct checkin_alert *alert = &c->alerts[i];
        if (!checkin_alert_due(alert, now_ms))
            continue;
        struct buf say;
        buf_init(&say, SENTENCE_MAX);
        if (alert->firing)
            checkin_check_say(c, &say);
        else
            buf_printf(&say, STR_FMT "%s", STR_ARG(c->title), OVER);
        struct checkin_alert_words words = {.name = str_c(NAMES[i]),
                                            .severity = c->severity,
                                            .subject = STR("checkin"),
                                            .value = c->name,
                                            .labels = c->labels,
                                            .summary = buf_str(&say),
                                            .url = all->config.url};
        checkin_alert_send(alert, &words, all->config.alerts, now_ms);
        buf_done(&say);
    }
}

/* Time has passed, or something came. */
static void settle(struct checkins *all, struct checkin_check *c, int64_t now_ms)
{
    enum checkin_state before;
    if (checkin_check_settle(c, now_ms, &before))
        note(all, c, before);
    alarm_of(all, c, now_ms);
    measure(c);
}

/* ---- the table */

static struct checkin_store_row row_of(const struct checkin_check *c)
{
    return (struct checkin_store_row){c->name, c->configured, c->schedule, c->facts};
}

static struct checkin_check *find(struct checkins *all, struct str name)
{
    union map_value *v = map_get(&all->by_name, name);
    return v ? v->p : NULL;
}

static struct checkin_check *add(struct checkins *all, struct str name)
{
    struct checkin_check *c = checkin_check_new(name);
    vec_push(&all->all, c);
    map_put(&all->by_name, c->name, NULL)->p = c;
    return c;
}

static void drop(struct checkins *all, struct checkin_check *c)
{
    map_drop(&all->by_name, c->name);
    for (size_t i = 0; i < all->all.n; i++)
        if (all->all.v[i] == c) {
            memmove(&all->all.v[i], &all->all.v[i + 1],
                    (all->all.n - i - 1) * sizeof(struct checkin_check *));
            all->all.n--;
            break;
        }
    checkin_check_free(c);
}

static void take_stored(void *context, const struct checkin_store_row *row)
{
    struct checkins *all = context;
    if (all->all.n >= ALL_MAX)
        return;
    struct checkin_check *c = add(all, row->name);
    c->configured = row->configured;
    c->present = !row->configured;
    c->facts = row->facts;
    all->made += c->present;
    /* A zone may have gone from the machine: then it is not missed any more, until it is back. */
    struct why why = {0};
    if (checkin_check_plan(c, &row->schedule, &why) != 0)
        log_warn(MODULE, STR_FMT ": %s", STR_ARG(row->name), why.text);
    for (int i = CHECKIN_PROBLEM_NONE + 1; i < CHECKIN_PROBLEMS_N; i++)
        if ((enum checkin_problem)i == c->facts.problem)
            c->alerts[i] = (struct checkin_alert){
                .firing = true, .starts_ms = c->facts.problem_ms, .sent_ms = 1};
}

static int load(void *context, struct state_tx *tx, struct why *why)
{
    return checkin_store_each(tx, take_stored, context, why);
}

static struct str labels_of(const struct checkin_row *row, struct arena *a)
{
    struct str key = STR("");
    struct str *pairs = arena_array(a, row->labels.n + 1, sizeof *pairs);
    for (size_t i = 0; i < row->labels.n; i++)
        pairs[i] = str_c(row->labels.v[i]);
    /* The configuration has been checked: checkin_settings_check(). */
    if (event_json_labels(pairs, row->labels.n, a, &key, NULL) != 0)
        return STR("");
    return key;
}

static int take_row(struct checkins *all, const struct checkin_row *row, struct why *why)
{
    struct checkin_check *c = find(all, str_c(row->name));
    if (!c) {
        c = add(all, str_c(row->name));
        c->facts.created_ms = clock_wall_ms(all->config.clock);
    }
    all->made -= c->present && !c->configured;
    c->configured = c->present = c->dirty = true;
    c->title = arena_str(&c->arena, str_c(row->title[0] ? row->title : row->name));
    c->severity = arena_str(&c->arena, str_c(row->severity));
    c->labels = labels_of(row, &c->arena);
    struct checkin_schedule s = {.every_ms = row->every_seconds * 1000,
                                 .cron = str_c(row->cron),
                                 .zone = str_c(row->zone),
                                 .grace_ms = row->grace_seconds * 1000,
                                 .max_runtime_ms = row->max_runtime_seconds * 1000};
    return checkin_check_plan(c, &s, why);
}

static int take_rows(struct checkins *all, const struct option_rows *rows, struct why *why)
{
    const struct checkin_row *row = rows->v;
    int err = 0;
    for (size_t i = 0; i < all->all.n; i++)
        if (all->all.v[i]->configured)
            all->all.v[i]->present = false;
    for (size_t i = 0; i < rows->n && !err; i++)
        err = take_row(all, &row[i], why);
    for (size_t i = 0; i < all->all.n; i++) {
        struct checkin_check *c = all->all.v[i];
        for (int k = 0; k < CHECKIN_PROBLEMS_N && !c->present; k++)
            c->alerts[k] = (struct checkin_alert){0};
        measure(c);
    }
    return err;
}

/* ---- time */

static int write_dirty(void *context, struct state_tx *tx, struct why *why)
{
    struct checkins *all = context;
    int err = 0;
    for (size_t i = 0; i < all->all.n && !err; i++) {
        struct checkin_store_row row = row_of(all->all.v[i]);
        err = all->all.v[i]->dirty ? checkin_store_put(tx, &row, why) : 0;
    }
    return err;
}

/* Under the lock. What the disk does not take now is tried again at the next tick. */
static void run(struct checkins *all)
{
    int64_t now_ms = clock_wall_ms(all->config.clock);
    bool dirty = false;
    for (size_t i = 0; i < all->all.n; i++) {
        if (all->all.v[i]->present)
            settle(all, all->all.v[i], now_ms);
        dirty = dirty || all->all.v[i]->dirty;
    }
    struct why why = {0};
    if (!dirty)
        return;
    if (state_write(all->config.state, write_dirty, all, &why) != 0) {
        log_warn(MODULE, "states of check-ins are not written: %s", why.text);
        return;
    }
    for (size_t i = 0; i < all->all.n; i++)
        all->all.v[i]->dirty = false;
}

void checkin_run(struct checkins *c)
{
    thread_lock(&c->lock);
    run(c);
    thread_unlock(&c->lock);
}

static void live(void *context)
{
    struct checkins *c = context;
    thread_lock(&c->lock);
    while (!c->ending) {
        run(c);
        thread_wait_for(&c->woken, &c->lock, TICK_MS * 1000000LL);
    }
    thread_unlock(&c->lock);
}

/* ---- life */

int checkin_open(const struct checkin_config *config, struct checkins **ret, struct why *why)
{
    int err = state_prepare(config->state, &checkin_store_schema, why);
    if (err)
        return err;
    struct checkins *c = mem_new(sizeof *c);
    c->config = *config;
    map_init(&c->by_name, 0);
    thread_lock_init(&c->lock);
    thread_cond_init(&c->woken);
    err = state_read(config->state, load, c, why);
    if (!err)
        err = take_rows(c, config->rows, why);
    if (err)
        checkin_close(c);
    else
        *ret = c;
    return err;
}

void checkin_start(struct checkins *c)
{
    thread_start(&c->thread, "checkin", live, c);
}

void checkin_stop(struct checkins *c)
{
    if (!c)
        return;
    thread_lock(&c->lock);
    c->ending = true;
    thread_wake(&c->woken);
    thread_unlock(&c->lock);
    thread_join(&c->thread);
}

void checkin_close(struct checkins *c)
{
    if (!c)
        return;
    checkin_stop(c);
    for (size_t i = 0; i < c->all.n; i++)
        checkin_check_free(c->all.v[i]);
    vec_free(&c->all);
    map_done(&c->by_name);
    mem_free(c);
}

int checkin_reload(struct checkins *c, const struct checkin_settings *settings,
                   const struct option_rows *rows, struct why *why)
{
    thread_lock(&c->lock);
    c->config.settings = settings;
    c->config.rows = rows;
    int err = take_rows(c, rows, why);
    thread_unlock(&c->lock);
    return err;
}

/* ---- pings */

struct ping_write {
    struct checkin_check *check;
    const struct checkin_ping *ping;
};

static int write_ping(void *context, struct state_tx *tx, struct why *why)
{
    struct ping_write *w = context;
    struct checkin_store_row row = row_of(w->check);
    int err = checkin_store_put(tx, &row, why);
    return err ? err : checkin_store_ping(tx, w->check->name, w->ping, why);
}

static int make(struct checkins *all, struct str name, const struct checkin_schedule *s,
                struct checkin_check **ret, struct why *why)
{
    struct checkin_schedule none = {0};
    if (!all->config.settings->create)
        return why_set(why, ERR_NOENT, "there is no check-in \"" STR_FMT "\"", STR_ARG(name));
    if (all->made >= (size_t)all->config.settings->created_max || all->all.n >= ALL_MAX)
        return why_set(why, ERR_LIMIT, "there are %zu check-ins already (checkins.created_max)",
                       all->made);
    int err = checkin_schedule_check(s ? s : &none, why);
    if (err)
        return err;
    struct checkin_check *c = find(all, name);
    if (!c)
        c = add(all, name);
    err = checkin_check_plan(c, s ? s : &none, why);
    c->facts.created_ms = clock_wall_ms(all->config.clock);
    c->configured = false;
    *ret = c;
    return err;
}

/* Under the lock. */
static int take(struct checkins *all, struct str name, const struct checkin_ping *ping,
                const struct checkin_schedule *schedule, struct why *why)
{
    struct checkin_check *c = find(all, name);
    bool is_new = !c || !c->present;
    int err = is_new ? make(all, name, schedule, &c, why) : 0;
    if (!err && !is_new && !c->configured && schedule &&
        (schedule->every_ms || schedule->cron.n || schedule->max_runtime_ms))
        err = checkin_schedule_check(schedule, why);
    if (!err && !is_new && !c->configured && schedule &&
        (schedule->every_ms || schedule->cron.n || schedule->max_runtime_ms))
        err = checkin_check_plan(c, schedule, why); /* it says its times anew each time */
    if (err)
        return err;
    struct checkin_facts before = c->facts;
    struct checkin_ping own = *ping;
    own.time_ms = clock_wall_ms(all->config.clock);
    size_t n = own.output.n;
    own.output = str_sub(own.output, n - MIN(n, (size_t)CHECKIN_OUTPUT_MAX), n);
    checkin_check_take(c, &own, own.time_ms);
    own.duration_ms = own.kind == CHECKIN_START ? -1 : c->facts.duration_ms;
    err = state_write(all->config.state, write_ping, &(struct ping_write){c, &own}, why);
    if (err) {
        c->facts = before;
        if (is_new)
            drop(all, c);
        return err;
    }
    c->present = true;
    all->made += is_new;
    stat_add(event_count(&PINGS, (struct str[]){c->name, str_c(checkin_kind_text(own.kind))}), 1);
    run(all);
    return 0;
}

int checkin_ping(struct checkins *c, struct str name, const struct checkin_ping *ping,
                 const struct checkin_schedule *schedule, struct why *why)
{
    if (!checkin_settings_name(name))
        return why_set(why, ERR_FORMAT,
                       "a check-in's name is one to %d letters, digits, '-', '_' or '.'",
                       CHECKIN_NAME_MAX);
    thread_lock(&c->lock);
    int err = take(c, name, ping, schedule, why);
    thread_unlock(&c->lock);
    return err;
}

/* ---- looking */

void checkin_list(struct checkins *c, struct arena *a, struct checkin_view **ret, size_t *ret_n)
{
    size_t n = 0;
    thread_lock(&c->lock);
    run(c);
    struct checkin_view *v = arena_array(a, c->all.n + 1, sizeof *v);
    for (size_t i = 0; i < c->all.n; i++)
        if (c->all.v[i]->present)
            checkin_check_view(c->all.v[i], a, &v[n++]);
    thread_unlock(&c->lock);
    *ret = v;
    *ret_n = n;
}

/* Under the lock: the one that is shown by that name. */
static int known(struct checkins *c, struct str name, struct checkin_check **ret, struct why *why)
{
    struct checkin_check *found = find(c, name);
    if (!found || !found->present)
        return why_set(why, ERR_NOENT, "there is no check-in \"" STR_FMT "\"",
                       STR_ARG(str_sub(name, 0, CHECKIN_NAME_MAX)));
    *ret = found;
    return 0;
}

int checkin_one(struct checkins *c, struct str name, struct arena *a, struct checkin_view *ret,
                struct why *why)
{
    struct checkin_check *found;
    thread_lock(&c->lock);
    int err = known(c, name, &found, why);
    if (!err) {
        run(c);
        checkin_check_view(found, a, ret);
    }
    thread_unlock(&c->lock);
    return err;
}

struct ping_read {
    struct str name;
    struct arena *arena;
    struct checkin_ping *v;
    size_t n;
};

static int read_pings(void *context, struct state_tx *tx, struct why *why)
{
    struct ping_read *r = context;
    return checkin_store_pings(tx, r->name, r->arena, r->v, &r->n, why);
}

int checkin_pings(struct checkins *c, struct str name, struct arena *a, struct checkin_ping **ret,
                  size_t *ret_n, struct why *why)
{
    struct ping_read r = {.name = name, .arena = a};
    r.v = arena_array(a, CHECKIN_PINGS_MAX, sizeof *r.v);
    int err = state_read(c->config.state, read_pings, &r, why);
    if (err)
        return err;
    *ret = r.v;
    *ret_n = r.n;
    return 0;
}

static int delete_stored(void *context, struct state_tx *tx, struct why *why)
{
    return checkin_store_delete(tx, *(const struct str *)context, why);
}

int checkin_delete(struct checkins *c, struct str name, struct why *why)
{
    struct checkin_check *found;
    thread_lock(&c->lock);
    int err = known(c, name, &found, why);
    if (!err && found->configured)
        err = why_set(why, ERR_STATE, "the configuration names \"" STR_FMT "\": take it out there",
                      STR_ARG(name));
    if (!err)
        err = state_write(c->config.state, delete_stored, &name, why);
    if (!err) {
        int64_t now_ms = clock_wall_ms(c->config.clock);
        for (int i = CHECKIN_PROBLEM_NONE + 1; i < CHECKIN_PROBLEMS_N; i++)
            checkin_alert_set(&found->alerts[i], false, 0, now_ms);
        alarm_of(c, found, now_ms);
        found->present = false;
        measure(found);
        c->made--;
        drop(c, found);
    }
    thread_unlock(&c->lock);
    return err;
}
