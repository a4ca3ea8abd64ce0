#include "watch/feed/watch_feed.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/map.h"
#include "base/mem.h"
#include "model/labels.h"
#include "os/thread.h"
#include "watch/control_client.h"
#include "watch/feed/watch_stats.h"
#include "watch/feed/watch_view.h"

enum {
    ASK_MS = 5000,  /* how long an answer may take */
    NAP_MS = 200,   /* between two looks at whether it is to end */
    GONE_AFTER = 3, /* questions without an answer: it is gone */
    KEY_MAX = 16 << 10,
};

/* An alert that was told. */
struct told {
    int64_t starts_ms, sent_ms, resolved_ms; /* resolved 0: it fires */
    bool wanted;
    char *labels, *annotations; /* owned keys */
    size_t labels_n, annotations_n;
};

struct watch_feed {
    struct watch_feed_config config;
    char *socket, *instance, *url;
    struct watch_stats *stats;
    struct control_client *listening; /* to events; NULL: not now */
    struct map told;                  /* labels -> struct told */
    bool seen, stopping;              /* of sonde-watch: ever; it said that it ends */
    int failures;
    int64_t gone_ms;
    struct thread thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool end;
};

/* ---- alerts */

static void put_label(struct buf *b, const char *name, struct str value)
{
    if (value.n > 0)
        labels_put(b, str_c(name), value);
}

struct raising {
    const char *name, *severity;
    const struct watch_view_unit *unit; /* NULL: sonde-watch itself */
    struct str summary, description;
};

static struct told *told_of(struct watch_feed *f, struct str labels)
{
    bool is_new;
    union map_value *slot = map_put(&f->told, labels, &is_new);
    if (is_new) {
        struct told *t = mem_new(sizeof *t);
        t->labels = mem_copy(labels.p, labels.n);
        t->labels_n = labels.n;
        t->resolved_ms = -1; /* it was never told */
        slot->p = t;
    }
    return slot->p;
}

static void send(struct watch_feed *f, struct told *t, bool first, int64_t now)
{
    bool resolved = t->resolved_ms != 0;
    const struct alert a = {
        .labels = str_of(t->labels, t->labels_n),
        .annotations = str_of(t->annotations, t->annotations_n),
        .starts_ms = t->starts_ms,
        .ends_ms = resolved ? t->resolved_ms : now + 4 * (int64_t)WATCH_FEED_RESEND_MS,
        .resolved = resolved,
        .first = first,
        .value = !resolved,
        .generator_url = str_c(f->url),
    };
    t->sent_ms = now;
    f->config.alerts->ops->send(f->config.alerts, &a, 1);
}

static void want(struct watch_feed *f, const struct raising *r, int64_t starts_ms, int64_t now)
{
    struct buf labels, notes;
    if (f->config.alerts == NULL)
        return;
    buf_init(&labels, KEY_MAX);
    buf_init(&notes, KEY_MAX);
    put_label(&labels, "alertname", str_c(r->name));
    if (r->unit != NULL) {
        put_label(&labels, "group", r->unit->group);
        put_label(&labels, "instance", str_c(f->instance));
        put_label(&labels, "job", STR("sonde-watch"));
        put_label(&labels, "program", r->unit->program);
    } else {
        put_label(&labels, "instance", str_c(f->instance));
        put_label(&labels, "job", STR("sonde-watch"));
    }
    put_label(&labels, "severity", str_c(r->severity));
    if (r->unit != NULL)
        put_label(&labels, "unit", r->unit->name);
    put_label(&notes, "description", r->description);
    put_label(&notes, "summary", r->summary);
    struct told *t = told_of(f, buf_str(&labels));
    mem_free(t->annotations);
    t->annotations = mem_copy(notes.n > 0 ? notes.p : "", notes.n);
    t->annotations_n = notes.n;
    t->wanted = true;
    bool first = t->resolved_ms != 0;
    if (first)
        t->starts_ms = starts_ms;
    t->resolved_ms = 0;
    if (first || now - t->sent_ms >= WATCH_FEED_RESEND_MS)
        send(f, t, first, now);
    buf_done(&notes);
    buf_done(&labels);
}

static void free_told(struct told *t)
{
    mem_free(t->labels);
    mem_free(t->annotations);
    mem_free(t);
}

/* Alerts that were not wanted this time are over. */
static void settle(struct watch_feed *f, int64_t now)
{
    size_t at = 0;
    struct map_slot *slot;
    while ((slot = map_next(&f->told, &at)) != NULL) {
        struct told *t = slot->value.p;
        bool over = !t->wanted && t->resolved_ms == 0;
        t->wanted = false;
        if (over)
            t->resolved_ms = now;
        bool again = t->resolved_ms > 0 && now - t->resolved_ms < WATCH_FEED_RESOLVED_MS &&
                     now - t->sent_ms >= WATCH_FEED_RESEND_MS;
        if (over || again)
            send(f, t, over, now);
    }
}

static void raise_unit(struct watch_feed *f, const struct watch_view_unit *u, int64_t now)
{
    char summary[WHY_MAX];
    bool critical = watch_view_of(u) == WATCH_VIEW_CRITICAL;
    const struct watch_view_death *d = &u->last_death;
    if (critical) {
        snprintf(summary, sizeof summary, STR_FMT " is " STR_FMT ": " STR_FMT, STR_ARG(u->name),
                 STR_ARG(u->state), STR_ARG(u->reason));
        want(f,
             &(struct raising){"WatchProgramCritical", "critical", u, str_c(summary),
                               d->any ? d->sentence : u->reason},
             d->any ? d->time_ms : now, now);
    } else if (d->any && !d->asked && u->starts > 1 && now - d->time_ms < WATCH_FEED_RESTARTED_MS) {
        snprintf(summary, sizeof summary, STR_FMT " was started again: " STR_FMT, STR_ARG(u->name),
                 STR_ARG(d->sentence));
        want(f,
             &(struct raising){"WatchProgramRestarted", "warning", u, str_c(summary), d->sentence},
             d->time_ms, now);
    }
}

static void raise_down(struct watch_feed *f, int64_t now)
{
    want(f,
         &(struct raising){.name = "WatchDown",
                           .severity = "critical",
                           .summary = STR("sonde-watch does not answer any more"),
                           .description = STR("The programs may run on, but nobody starts them "
                                              "again: start sonde-watch, it takes them over.")},
         f->gone_ms, now);
}

/* ---- events */

/* What of sonde-watch's events is an event of the daemon's, and as which kind; NULL: none. */
static const char *kind_of(struct str kind)
{
    static const struct {
        const char *kind, *event;
    } KINDS[] = {{"exit", "crash"},      {"hang", "crash"},       {"limit", "restart"},
                 {"restart", "restart"}, {"critical", "crash"},   {"blocked", "crash"},
                 {"well", "restart"},    {"supervisor", "watch"}, {"stopped", "watch"},
                 {"start", "watch"},     {"reload", "watch"}};
    for (size_t i = 0; i < COUNTOF(KINDS); i++)
        if (str_eq(kind, str_c(KINDS[i].kind)))
            return KINDS[i].event;
    return NULL;
}

static void take_event(struct watch_feed *f, struct str line)
{
    struct arena a;
    const struct json_tree *t;
    arena_init(&a);
    if (json_tree_parse(line, &a, &t, NULL) == 0) {
        struct str what = json_tree_text(t, "kind"), unit = json_tree_text(t, "unit");
        const char *kind = kind_of(what);
        struct buf labels;
        buf_init(&labels, KEY_MAX);
        put_label(&labels, "cause", json_tree_text(t, "cause"));
        put_label(&labels, "program", str_sub(unit, 0, str_find(unit, '@')));
        put_label(&labels, "unit", unit);
        put_label(&labels, "what", what);
        int64_t ms = json_tree_whole(t, "time_ms");
        const struct event e = {
            .time_ms = ms,
            .kind = str_c(kind != NULL ? kind : ""),
            .title = json_tree_text(t, "text"),
            .text = json_tree_text(t, "sentence"),
            .source = STR("watch"),
            .labels = buf_str(&labels),
            .id_key = arena_printf(&a, "watch:" STR_FMT ":%" PRId64 ":" STR_FMT, STR_ARG(unit), ms,
                                   STR_ARG(what)),
        };
        if (kind != NULL && e.title.n > 0)
            event_add(f->config.events, &e);
        buf_done(&labels);
    }
    arena_done(&a);
}

static void listen_again(struct watch_feed *f)
{
    struct str answer;
    struct control_request r = control_request_of(CONTROL_EVENTS, "");
    r.follow = true;
    r.lines = WATCH_FEED_CATCH_UP;
    if (control_client_open(f->socket, ASK_MS, &f->listening, NULL) != 0) {
        f->listening = NULL;
        return;
    }
    if (control_client_send(f->listening, &r, NULL) == 0 &&
        control_client_next(f->listening, ASK_MS, &answer, NULL) == 0 &&
        control_client_answer(answer, NULL) == 0)
        return;
    control_client_free(f->listening);
    f->listening = NULL;
}

/* ---- the thread */

static bool ends(struct watch_feed *f)
{
    thread_lock(&f->lock);
    bool end = f->end;
    thread_unlock(&f->lock);
    return end;
}

static void ask(struct watch_feed *f)
{
    struct arena a;
    struct watch_view v;
    arena_init(&a);
    int64_t now = clock_wall_ms(f->config.clock);
    if (watch_view_ask(f->socket, "", ASK_MS, &a, &v, NULL) == 0) {
        f->seen = true;
        f->failures = 0;
        f->stopping = str_eq(v.state, STR("stopping"));
        watch_stats_set(f->stats, &v);
        for (size_t i = 0; i < v.n; i++)
            raise_unit(f, &v.v[i], now);
        settle(f, now);
        if (f->listening == NULL)
            listen_again(f);
    } else if (++f->failures >= GONE_AFTER) {
        if (f->failures == GONE_AFTER)
            f->gone_ms = now;
        watch_stats_set(f->stats, NULL);
        if (f->seen && !f->stopping)
            raise_down(f, now);
        settle(f, now);
    }
    arena_done(&a);
}

/* Takes events until it is time to ask again. */
static void wait_until(struct watch_feed *f, int64_t due_ns)
{
    for (;;) {
        int64_t left_ms = (due_ns - clock_monotonic_ns(f->config.clock)) / 1000000;
        if (left_ms <= 0 || ends(f))
            return;
        int64_t nap_ms = MIN(left_ms, (int64_t)NAP_MS);
        if (f->listening == NULL) {
            thread_lock(&f->lock);
            if (!f->end)
                (void)thread_wait_for(&f->wake, &f->lock, nap_ms * 1000000); /* either will do */
            thread_unlock(&f->lock);
            continue;
        }
        struct str line;
        int err = control_client_next(f->listening, nap_ms, &line, NULL);
        if (err == 0) {
            take_event(f, line);
        } else if (err != -ERR_TIMEOUT) {
            control_client_free(f->listening);
            f->listening = NULL;
        }
    }
}

static void run(void *context)
{
    struct watch_feed *f = context;
    while (!ends(f)) {
        int64_t begun = clock_monotonic_ns(f->config.clock);
        ask(f);
        wait_until(f, begun + f->config.poll_interval_ms * 1000000);
    }
}

static char *copy(const char *text)
{
    return mem_text(text, strlen(text));
}

struct watch_feed *watch_feed_new(const struct watch_feed_config *config)
{
    struct watch_feed *f = mem_new(sizeof *f);
    f->config = *config;
    f->socket = copy(config->socket);
    f->instance = copy(config->instance);
    f->url = copy(config->url);
    f->stats = watch_stats_new();
    map_init(&f->told, 0);
    thread_lock_init(&f->lock);
    thread_cond_init(&f->wake);
    return f;
}

void watch_feed_start(struct watch_feed *f)
{
    thread_start(&f->thread, "watch", run, f);
}

void watch_feed_free(struct watch_feed *f)
{
    if (f == NULL)
        return;
    thread_lock(&f->lock);
    f->end = true;
    thread_wake(&f->wake);
    thread_unlock(&f->lock);
    thread_join(&f->thread);
    control_client_free(f->listening);
    watch_stats_free(f->stats);
    size_t at = 0;
    struct map_slot *slot;
    while ((slot = map_next(&f->told, &at)) != NULL)
        free_told(slot->value.p);
    map_done(&f->told);
    pthread_cond_destroy(&f->wake);
    pthread_mutex_destroy(&f->lock);
    mem_free(f->socket);
    mem_free(f->instance);
    mem_free(f->url);
    mem_free(f);
}
