#include "event/event.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/must.h"
#include "base/stat.h"
#include "base/vec.h"
#include "event/event_count.h"
#include "event/event_row.h"
#include "os/thread.h"

enum {
    GATHER_MS = 200,        /* so that a burst is one transaction */
    AGAIN_MS = 1000,        /* after a failed write */
    EXPIRE_MS = 600 * 1000, /* between two looks at what is too old */
};

static const int64_t DAY_MS = 24LL * 3600 * 1000;
static const char *const MODULE = "event";

static const struct event_count_family COUNTED = {
    "sonde_events_total",
    "Events that were taken, by kind and by who said so.",
    STAT_TYPE_COUNTER,
    NULL,
    {"kind", "source", NULL}};
static const struct event_count_family DEPLOYED = {
    "sonde_deployments_total",
    "Deployments that are over, by service and outcome: succeeded, failed, or unknown where none "
    "was told.",
    STAT_TYPE_COUNTER,
    NULL,
    {"service", "outcome", NULL}};
static const struct event_count_family DURATION = {"sonde_deployment_duration_seconds",
                                                   "From a deployment's start to its end.",
                                                   STAT_TYPE_HISTOGRAM,
                                                   &stat_bounds_long,
                                                   {"service", NULL, NULL}};
static struct stat dropped =
    STAT_COUNTER("sonde_events_dropped_total", "Events that were not kept: no events, or too many "
                                               "at once, or a disk that did not take them.");

struct listener {
    void (*f)(void *context, const struct event *v);
    void *context;
};

struct events {
    struct state *state;
    const struct clock *clock;
    struct listener listeners[EVENT_LISTENERS_MAX];
    size_t listeners_n;
    struct thread thread;
    pthread_mutex_t writing; /* held from taking the queue until it is written: keeps the order */
    pthread_mutex_t lock;    /* of what is below */
    pthread_cond_t woken;
    bool ending;
    int64_t keep_days;
    struct {
        struct event **v; /* owned, each one block */
        size_t n, capacity;
    } queue;
};

/* ---- copies */

static struct str keep(struct str s, char **at)
{
    struct str copy = {*at, s.n};
    if (s.n)
        memcpy(*at, s.p, s.n);
    *at += s.n;
    return copy;
}

static struct event *copy_of(const struct event *v)
{
    size_t n = v->kind.n + v->title.n + v->text.n + v->source.n + v->labels.n + v->status.n +
               v->id_key.n + v->url.n;
    struct event *copy = mem_raw(sizeof *copy + n);
    char *at = (char *)(copy + 1);
    *copy = *v;
    copy->kind = keep(v->kind, &at);
    copy->title = keep(v->title, &at);
    copy->text = keep(v->text, &at);
    copy->source = keep(v->source, &at);
    copy->labels = keep(v->labels, &at);
    copy->status = keep(v->status, &at);
    copy->id_key = keep(v->id_key, &at);
    copy->url = keep(v->url, &at);
    return copy;
}

/* ---- writing */

struct batch_of_events {
    struct arena arena;
    struct event *const *v;
    struct event_row_put *puts; /* [n] */
    size_t n, failed;
};

static int put_all(void *context, struct state_tx *tx, struct why *why)
{
    struct batch_of_events *b = context;
    int err = 0;
    for (size_t i = 0; i < b->n && !err; i++) {
        b->failed = i;
        err = event_row_put(tx, b->v[i], &b->arena, &b->puts[i], why);
    }
    return err;
}

static void count(const struct event *v, const struct event_row_put *p)
{
    if (p->is_new)
        stat_add(event_count(&COUNTED, (struct str[]){v->kind, v->source}), 1);
    if (!str_eq(v->kind, STR("deployment")))
        return;
    if (p->has_ended)
        stat_add(event_count(&DEPLOYED, (struct str[]){p->service, p->status}), 1);
    else if (p->is_new && p->status.n == 0)
        stat_add(event_count(&DEPLOYED, (struct str[]){p->service, STR("unknown")}), 1);
    if (p->duration_ms >= 0)
        stat_observe(event_count(&DURATION, &p->service), p->duration_ms * 1000000);
}

/* Writes events [n] in one transaction; ret_ids [n] and ret_failed may be NULL. */
static int write(struct events *e, struct event *const *v, size_t n, int64_t *ret_ids,
                 size_t *ret_failed, struct why *why)
{
    struct batch_of_events b = {.v = v, .n = n};
    arena_init(&b.arena);
    b.puts = arena_array(&b.arena, n, sizeof *b.puts);
    int err = state_write(e->state, put_all, &b, why);
    for (size_t i = 0; i < n && !err; i++)
        count(v[i], &b.puts[i]);
    for (size_t i = 0; i < n && !err && ret_ids; i++)
        ret_ids[i] = b.puts[i].id;
    if (ret_failed)
        *ret_failed = b.failed;
    arena_done(&b.arena);
    return err;
}

static bool passes(int err)
{
    return err == -ERR_FULL || err == -ERR_IO || err == -ERR_BUSY;
}

/* Writes what waits. What the disk does not take now stays. */
static int flush(struct events *e, struct why *why)
{
    thread_lock(&e->writing);
    thread_lock(&e->lock);
    size_t n = e->queue.n;
    struct event **v = n ? mem_copy(e->queue.v, n * sizeof(struct event *)) : NULL;
    thread_unlock(&e->lock);
    int err = n ? write(e, v, n, NULL, NULL, why) : 0;
    if (err && !passes(err)) {
        log_warn(MODULE, "%zu events were not kept: %s", n, why->text);
        stat_add(&dropped, n);
    }
    if (!passes(err)) {
        thread_lock(&e->lock);
        e->queue.n -= n;
        if (e->queue.n)
            memmove(e->queue.v, e->queue.v + n, e->queue.n * sizeof(struct event *));
        thread_unlock(&e->lock);
        for (size_t i = 0; i < n; i++)
            mem_free(v[i]);
    }
    thread_unlock(&e->writing);
    mem_free(v);
    return err;
}

struct expiry {
    int64_t before_ms, n;
};

static int drop_old(void *context, struct state_tx *tx, struct why *why)
{
    struct expiry *x = context;
    return event_row_expire(tx, x->before_ms, &x->n, why);
}

static void expire(struct events *e, int64_t keep_days)
{
    struct expiry x = {.before_ms = clock_wall_ms(e->clock) - keep_days * DAY_MS};
    struct why why = {0};
    int err = 0;
    do
        err = keep_days ? state_write(e->state, drop_old, &x, &why) : 0;
    while (!err && x.n > 0 && keep_days);
    if (err)
        log_warn(MODULE, "old events could not be dropped: %s", why.text);
}

static void live(void *context)
{
    struct events *e = context;
    int64_t looked_ns = clock_monotonic_ns(e->clock);
    int err = 0;
    thread_lock(&e->lock);
    while (!e->ending) {
        if (e->queue.n == 0)
            thread_wait_for(&e->woken, &e->lock, EXPIRE_MS * 1000000LL);
        if (!e->ending)
            thread_wait_for(&e->woken, &e->lock, (err ? AGAIN_MS : GATHER_MS) * 1000000LL);
        int64_t keep_days = e->keep_days, now_ns = clock_monotonic_ns(e->clock);
        thread_unlock(&e->lock);
        struct why why = {0};
        err = flush(e, &why);
        if (now_ns - looked_ns >= EXPIRE_MS * 1000000LL) {
            looked_ns = now_ns;
            expire(e, keep_days);
        }
        thread_lock(&e->lock);
    }
    thread_unlock(&e->lock);
}

/* ---- life */

int event_open(struct state *state, const struct clock *clock, int64_t keep_days,
               struct events **ret, struct why *why)
{
    int err = state_prepare(state, &event_row_schema, why);
    if (err)
        return err;
    struct events *e = mem_new(sizeof *e);
    e->state = state;
    e->clock = clock;
    e->keep_days = keep_days;
    thread_lock_init(&e->writing);
    thread_lock_init(&e->lock);
    thread_cond_init(&e->woken);
    stat_register(&dropped);
    expire(e, keep_days);
    thread_start(&e->thread, "events", live, e);
    *ret = e;
    return 0;
}

void event_close(struct events *e)
{
    if (!e)
        return;
    thread_lock(&e->lock);
    e->ending = true;
    thread_wake(&e->woken);
    thread_unlock(&e->lock);
    thread_join(&e->thread);
    struct why why = {0};
    if (flush(e, &why) && e->queue.n)
        log_warn(MODULE, "%zu events were not kept: %s", e->queue.n, why.text);
    for (size_t i = 0; i < e->queue.n; i++)
        mem_free(e->queue.v[i]);
    vec_free(&e->queue);
    mem_free(e);
}

void event_set_keep(struct events *e, int64_t keep_days)
{
    thread_lock(&e->lock);
    e->keep_days = keep_days;
    thread_unlock(&e->lock);
}

void event_listen(struct events *e, void (*f)(void *context, const struct event *v), void *context)
{
    must(e->listeners_n < EVENT_LISTENERS_MAX);
    e->listeners[e->listeners_n++] = (struct listener){f, context};
}

static void tell(struct events *e, const struct event *v)
{
    for (size_t i = 0; i < e->listeners_n; i++)
        e->listeners[i].f(e->listeners[i].context, v);
}

/* ---- the ways in and out */

void event_add(struct events *e, const struct event *v)
{
    struct event own = *v;
    if (!e || !event_row_mend(&own, clock_wall_ms(e->clock))) {
        stat_add(&dropped, 1);
        return;
    }
    tell(e, &own);
    thread_lock(&e->lock);
    if (e->queue.n < EVENT_WAITING_MAX) {
        vec_push(&e->queue, copy_of(&own));
        thread_wake(&e->woken);
    } else {
        stat_add(&dropped, 1);
    }
    thread_unlock(&e->lock);
}

int event_add_now(struct events *e, const struct event *v, int64_t *ret_id, struct why *why)
{
    return event_add_all(e, v, 1, ret_id, NULL, why);
}

int event_add_all(struct events *e, const struct event *v, size_t n, int64_t *ret_ids,
                  size_t *ret_failed, struct why *why)
{
    int64_t now_ms = clock_wall_ms(e->clock);
    struct event *own = mem_array(n, sizeof *own);
    struct event **all = mem_array(n, sizeof *all);
    int err = 0;
    for (size_t i = 0; i < n && !err; i++) {
        own[i] = v[i];
        all[i] = &own[i];
        if (own[i].time_ms == 0)
            own[i].time_ms = now_ms;
        err = event_row_check(&own[i], now_ms, why);
        if (err && ret_failed)
            *ret_failed = i;
    }
    if (!err)
        err = flush(e, why); /* an event of the same key may wait */
    if (!err) {
        thread_lock(&e->writing);
        err = write(e, all, n, ret_ids, ret_failed, why);
        thread_unlock(&e->writing);
    }
    for (size_t i = 0; i < n && !err; i++)
        tell(e, &own[i]);
    mem_free(all);
    mem_free(own);
    return err;
}

struct reading {
    const struct event_query *q;
    struct arena *arena;
    struct event *v;
    size_t n;
};

static int list(void *context, struct state_tx *tx, struct why *why)
{
    struct reading *r = context;
    return event_row_list(tx, r->q, r->arena, &r->v, &r->n, why);
}

int event_list(struct events *e, const struct event_query *q, struct arena *a, struct event **ret,
               size_t *ret_n, struct why *why)
{
    struct event_query own = *q;
    struct why unwritten = {0};
    if (own.to_ms == 0)
        own.to_ms = clock_wall_ms(e->clock);
    /* What the disk does not take now is missing from the list, and tried again. */
    (void)flush(e, &unwritten);
    struct reading r = {.q = &own, .arena = a};
    int err = state_read(e->state, list, &r, why);
    if (err)
        return err;
    *ret = r.v;
    *ret_n = r.n;
    return 0;
}

static int delete (void *context, struct state_tx *tx, struct why *why)
{
    return event_row_delete(tx, *(const int64_t *)context, why);
}

int event_delete(struct events *e, int64_t id, struct why *why)
{
    return state_write(e->state, delete, &id, why);
}
