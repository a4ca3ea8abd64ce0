#include "incident/incident.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/stat.h"
#include "base/vec.h"
#include "incident/incident_inside.h"
#include "incident/incident_moved.h"
#include "incident/incident_words.h"
#include "model/labels.h"

enum {
    TICK_MS = 1000,
    LOOK_AGAIN_MS = 60 * 1000, /* after it opened, and once more after four times as long */
    LOOKS = 3,
    LEAD_MS = 20 * 1000, /* what changed began so long before the alert at least */
    EXPIRE_MS = 3600 * 1000,
    SENTENCE_MAX = 4096,
};

static const int64_t DAY_MS = 24LL * 3600 * 1000;
static const char *const MODULE = "incident";

static struct stat opened = STAT_COUNTER("sonde_incidents_total", "Incidents that were opened.");
static struct stat open_now = STAT_GAUGE("sonde_incidents_open", "Incidents that are open.");
static struct stat dropped = STAT_COUNTER("sonde_incident_alerts_dropped_total",
                                          "Changes of alerts that no incident heard of.");
static struct stat looked =
    STAT_HISTOGRAM("sonde_incident_look_seconds", "Looking for the metrics that moved.");

/* ---- writing */

struct put {
    struct incident_live *live;
    const struct incident_problem *problem; /* that changed; NULL: none */
};

static int put_row(void *context, struct state_tx *tx, struct why *why)
{
    struct put *p = context;
    int err = incident_store_put(tx, &p->live->row, &p->live->row.id, why);
    return err || !p->problem ? err : incident_store_problem(tx, p->live->row.id, p->problem, why);
}

static void write(struct incidents *i, struct incident_live *l, const struct incident_problem *p)
{
    struct why why = {0};
    int64_t ended_ms;
    l->row.firing = incident_live_firing(l, &ended_ms);
    /* It stays in memory, and is written with its next change. */
    if (state_write(i->config.state, put_row, &(struct put){l, p}, &why) != 0)
        log_warn(MODULE, "an incident is not written: %s", why.text);
}

static void note(struct incidents *i, const struct incident_live *l, const char *status)
{
    struct str title = arena_printf(&i->scratch, "incident %lld %s: " STR_FMT, (long long)l->row.id,
                                    status, STR_ARG(l->row.title));
    struct event v = {.time_ms = l->row.closed_ms ? l->row.closed_ms : l->row.opened_ms,
                      .kind = STR("incident"),
                      .title = title,
                      .text = l->row.summary,
                      .source = STR("incident"),
                      .labels = l->row.labels,
                      .status = str_c(status)};
    event_add(i->config.events, &v);
    log_info(MODULE, STR_FMT, STR_ARG(title));
    arena_reset(&i->scratch);
}

/* ---- alerts */

static struct str annotation(const struct alert *a, const char *name)
{
    return labels_get(a->annotations, str_c(name));
}

static bool is_ignored(const struct incidents *i, struct str severity)
{
    const struct option_list *list = &i->settings->ignore_severities;
    for (size_t k = 0; k < list->n; k++)
        if (str_eq(severity, str_c(list->v[k])))
            return true;
    return false;
}

static struct incident_live *home_of(struct incidents *i, const struct alert *a,
                                     struct incident_problem **ret)
{
    for (size_t k = 0; k < i->live.n; k++) {
        *ret = incident_live_find(i->live.v[k], a->labels);
        if (*ret)
            return i->live.v[k];
    }
    if (a->resolved)
        return NULL;
    for (size_t k = i->live.n; k-- > 0;)
        if (incident_live_joins(i->live.v[k], a->labels, a->starts_ms, i->settings))
            return i->live.v[k];
    return i->live.n >= INCIDENT_OPEN_MAX ? i->live.v[i->live.n - 1] : NULL;
}

static struct incident_live *open_one(struct incidents *i, const struct alert *a, struct str title)
{
    struct incident row = {.open = true, .opened_ms = a->starts_ms, .title = title};
    struct incident_live *l = incident_live_new(&row);
    l->look_ms = clock_wall_ms(i->config.clock);
    vec_push(&i->live, l);
    stat_add(&opened, 1);
    stat_set(&open_now, (double)i->live.n);
    return l;
}

/* Under the lock. */
static void take(struct incidents *i, const struct alert *a)
{
    struct incident_problem *p = NULL;
    struct str severity = labels_get(a->labels, STR("severity"));
    struct str title = annotation(a, "summary");
    if (is_ignored(i, severity))
        return;
    if (title.n == 0)
        title = labels_get(a->labels, STR("alertname"));
    struct incident_live *l = home_of(i, a, &p);
    if (!l && a->resolved)
        return;
    bool is_new = !l;
    if (is_new)
        l = open_one(i, a, title);
    if (p) {
        int64_t ends_ms = a->resolved ? a->ends_ms : 0;
        if (ends_ms == p->ends_ms)
            return;
        p->ends_ms = ends_ms;
    } else {
        incident_live_add(l, &(struct incident_problem){.title = title,
                                                        .severity = severity,
                                                        .labels = a->labels,
                                                        .starts_ms = a->starts_ms});
        p = incident_live_find(l, a->labels);
    }
    write(i, l, p);
    if (is_new)
        note(i, l, "opened");
}

static struct alert *copy_of(const struct alert *a)
{
    size_t n = a->labels.n + a->annotations.n;
    struct alert *copy = mem_raw(sizeof *copy + n);
    char *at = (char *)(copy + 1);
    *copy = *a;
    if (a->labels.n)
        memcpy(at, a->labels.p, a->labels.n);
    if (a->annotations.n)
        memcpy(at + a->labels.n, a->annotations.p, a->annotations.n);
    copy->labels.p = at;
    copy->annotations.p = at + a->labels.n;
    copy->generator_url = STR("");
    return copy;
}

void incident_alert(struct incidents *i, const struct alert *a)
{
    if (!i)
        return;
    thread_lock(&i->queue_lock);
    if (i->queue.n < INCIDENT_WAITING_MAX) {
        vec_push(&i->queue, copy_of(a));
        thread_wake(&i->woken);
    } else {
        stat_add(&dropped, 1);
    }
    thread_unlock(&i->queue_lock);
}

void incident_drain(struct incidents *i)
{
    thread_lock(&i->queue_lock);
    size_t n = i->queue.n;
    struct alert **v = i->queue.v;
    i->queue.v = NULL;
    i->queue.n = i->queue.capacity = 0;
    thread_unlock(&i->queue_lock);
    for (size_t k = 0; k < n; k++) {
        take(i, v[k]);
        mem_free(v[k]);
    }
    mem_free(v);
}

/* ---- what changed */

int incident_causes(struct incidents *i, const struct incident *row, struct arena *a,
                    struct event **ret, size_t *ret_n, struct why *why)
{
    struct event_query q = {.from_ms = row->opened_ms - i->settings->before_seconds * 1000,
                            .to_ms = row->opened_ms + LOOK_AGAIN_MS,
                            .limit = INCIDENT_TIMELINE_MAX};
    int err = event_list(i->config.events, &q, a, ret, ret_n, why);
    if (!err)
        *ret_n = incident_words_causes(*ret, *ret_n, row->labels, row->opened_ms);
    return err;
}

static int find_moved(struct incidents *i, const struct incident *row, struct arena *a,
                      struct incident_moved **ret, size_t *ret_n, struct why *why)
{
    const struct incident_config *c = &i->config;
    struct tenant *tenant = c->store ? c->store->ops->tenant(c->store, c->tenant) : NULL;
    *ret_n = 0;
    if (!tenant)
        return 0;
    int64_t change_ms = row->opened_ms - LEAD_MS;
    struct incident_moved_query q = {.store = c->store,
                                     .tenant = tenant,
                                     .clock = c->clock,
                                     .labels = row->labels,
                                     .host_job = c->host_job,
                                     .host_instance = c->host_instance,
                                     .from_ms = change_ms - c->settings->baseline_seconds * 1000,
                                     .change_ms = change_ms,
                                     .to_ms = clock_wall_ms(c->clock),
                                     .series_max = (size_t)c->settings->series_max,
                                     .moved_max = (size_t)c->settings->moved_max};
    int64_t begun_ns = clock_monotonic_ns(c->clock);
    int err = incident_moved_find(&q, a, ret, ret_n, why);
    stat_observe(&looked, clock_monotonic_ns(c->clock) - begun_ns);
    return err;
}

struct finding {
    int64_t id;
    const struct incident_moved *v;
    size_t n;
    struct incident *row; /* with its new summary */
};

static int put_finding(void *context, struct state_tx *tx, struct why *why)
{
    struct finding *f = context;
    int err = incident_store_moved(tx, f->id, f->v, f->n, why);
    return err ? err : incident_store_put(tx, f->row, &f->row->id, why);
}

static struct incident_live *live_of(struct incidents *i, int64_t id)
{
    for (size_t k = 0; k < i->live.n; k++)
        if (i->live.v[k]->row.id == id)
            return i->live.v[k];
    return NULL;
}

/* Looks at events and metrics of an open incident, without the lock, and writes what it finds. */
void incident_look(struct incidents *i, int64_t id)
{
    struct arena a;
    struct event *causes = NULL;
    struct incident_moved *moved = NULL;
    size_t causes_n = 0, moved_n = 0;
    struct why why = {0};
    arena_init(&a);
    thread_lock(&i->lock);
    struct incident_live *l = live_of(i, id);
    struct incident row = l ? l->row : (struct incident){0};
    row.labels = arena_str(&a, row.labels);
    row.title = arena_str(&a, row.title);
    thread_unlock(&i->lock);
    int err = l ? incident_causes(i, &row, &a, &causes, &causes_n, &why) : -ERR_NOENT;
    if (!err)
        err = find_moved(i, &row, &a, &moved, &moved_n, &why);
    struct buf text;
    buf_init(&text, SENTENCE_MAX);
    incident_words_summary(&row, causes, causes_n, moved, moved_n, &text);
    thread_lock(&i->lock);
    l = err ? NULL : live_of(i, id); /* it may have been closed meanwhile */
    if (l) {
        if (!str_eq(l->row.summary, buf_str(&text)))
            l->row.summary = arena_str(&l->arena, buf_str(&text));
        l->looked_ms = clock_wall_ms(i->config.clock);
        err = state_write(i->config.state, put_finding,
                          &(struct finding){id, moved, moved_n, &l->row}, &why);
    }
    thread_unlock(&i->lock);
    if (err && err != -ERR_NOENT)
        log_warn(MODULE, "what changed around incident %lld is not known: %s", (long long)id,
                 why.text);
    buf_done(&text);
    arena_done(&a);
}

/* ---- time */

void incident_shut(struct incidents *i, struct incident_live *l, int64_t now_ms)
{
    l->row.open = false;
    l->row.closed_ms = now_ms;
    write(i, l, NULL);
    note(i, l, "closed");
    for (size_t k = 0; k < i->live.n; k++)
        if (i->live.v[k] == l) {
            memmove(&i->live.v[k], &i->live.v[k + 1],
                    (i->live.n - k - 1) * sizeof(struct incident_live *));
            i->live.n--;
            break;
        }
    incident_live_free(l);
    stat_set(&open_now, (double)i->live.n);
}

static int expire(void *context, struct state_tx *tx, struct why *why)
{
    return incident_store_expire(tx, *(const int64_t *)context, why);
}

/* Under the lock: the incident that is to be looked at now, or 0. */
static int64_t step(struct incidents *i, int64_t now_ms)
{
    int64_t ended_ms, look = 0;
    for (size_t k = i->live.n; k-- > 0;) {
        struct incident_live *l = i->live.v[k];
        if (incident_live_firing(l, &ended_ms) == 0 &&
            now_ms - ended_ms >= i->settings->quiet_seconds * 1000) {
            incident_shut(i, l, now_ms);
            continue;
        }
        if (l->look_ms && now_ms >= l->look_ms && !look) {
            look = l->row.id;
            l->look_ms = ++l->looks < LOOKS ? now_ms + LOOK_AGAIN_MS * (l->looks == 1 ? 1 : 4) : 0;
        }
    }
    return look;
}

void incident_run(struct incidents *i)
{
    int64_t now_ms = clock_wall_ms(i->config.clock), look;
    do {
        thread_lock(&i->lock);
        incident_drain(i);
        look = step(i, now_ms);
        thread_unlock(&i->lock);
        if (look)
            incident_look(i, look);
    } while (look);
    if (now_ms - i->expired_ms < EXPIRE_MS)
        return;
    i->expired_ms = now_ms;
    int64_t before_ms = now_ms - i->settings->keep_days * DAY_MS;
    struct why why = {0};
    if (state_write(i->config.state, expire, &before_ms, &why) != 0)
        log_warn(MODULE, "old incidents could not be dropped: %s", why.text);
}

static void live_on(void *context)
{
    struct incidents *i = context;
    for (bool ending = false; !ending;) {
        incident_run(i);
        thread_lock(&i->queue_lock);
        if (i->queue.n == 0 && !i->ending)
            thread_wait_for(&i->woken, &i->queue_lock, TICK_MS * 1000000LL);
        ending = i->ending;
        thread_unlock(&i->queue_lock);
    }
}

/* ---- life */

/* Those that were open when the daemon ended. */
static int load(void *context, struct state_tx *tx, struct why *why)
{
    struct incidents *i = context;
    struct incident_query q = {.to_ms = INT64_MAX, .open_only = true, .limit = INCIDENT_OPEN_MAX};
    struct incident *rows;
    size_t n, m;
    int err = incident_store_list(tx, &q, &i->scratch, &rows, &n, why);
    for (size_t k = n; k-- > 0 && !err;) {
        struct incident_problem *p;
        struct incident_live *l = incident_live_new(&rows[k]);
        vec_push(&i->live, l);
        err = incident_store_problems(tx, l->row.id, &i->scratch, &p, &m, why);
        for (size_t j = 0; j < m && !err; j++)
            incident_live_add(l, &p[j]);
    }
    return err;
}

int incident_open(const struct incident_config *config, struct incidents **ret, struct why *why)
{
    int err = state_prepare(config->state, &incident_store_schema, why);
    if (err)
        return err;
    struct stat *const stats[] = {&opened, &open_now, &dropped, &looked};
    for (size_t k = 0; k < COUNTOF(stats); k++)
        stat_register(stats[k]);
    struct incidents *i = mem_new(sizeof *i);
    i->config = *config;
    i->settings = config->settings;
    arena_init(&i->scratch);
    thread_lock_init(&i->lock);
    thread_lock_init(&i->queue_lock);
    thread_cond_init(&i->woken);
    err = state_read(config->state, load, i, why);
    arena_reset(&i->scratch);
    stat_set(&open_now, (double)i->live.n);
    if (err)
        incident_close(i);
    else
        *ret = i;
    return err;
}

void incident_start(struct incidents *i)
{
    thread_start(&i->thread, "incident", live_on, i);
}

void incident_stop(struct incidents *i)
{
    if (!i)
        return;
    thread_lock(&i->queue_lock);
    i->ending = true;
    thread_wake(&i->woken);
    thread_unlock(&i->queue_lock);
    thread_join(&i->thread);
}

void incident_close(struct incidents *i)
{
    if (!i)
        return;
    incident_stop(i);
    for (size_t k = 0; k < i->queue.n; k++)
        mem_free(i->queue.v[k]);
    vec_free(&i->queue);
    for (size_t k = 0; k < i->live.n; k++)
        incident_live_free(i->live.v[k]);
    vec_free(&i->live);
    arena_done(&i->scratch);
    mem_free(i);
}

void incident_reload(struct incidents *i, const struct incident_settings *settings)
{
    if (!i)
        return;
    i->settings = settings;
}
