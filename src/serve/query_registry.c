#include "serve/query_registry.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/must.h"
#include "base/stat.h"
#include "os/memory.h"
#include "os/thread.h"
#include "serve/answer.h"

enum { SLOWEST_MAX = 64, WATCH_MS = 200, LOG_TEXT_MAX = 2000, TOTAL_PART = 4 };

static const int64_t SLOWEST_NS = 3600LL * 1000000000;
static const char *const MODULE = "query";

static struct stat slow_ones =
    STAT_COUNTER("sonde_query_slow_total", "Queries that took longer than query.slow_log_ms.");
static struct stat canceled =
    STAT_COUNTER("sonde_query_canceled_total", "Queries that were canceled through the API.");
static struct stat waited_out = STAT_COUNTER("sonde_query_queue_refused_total",
                                             "Queries that were refused because others ran.");
static struct stat running_now = STAT_GAUGE("sonde_query_running", "Queries that run.");
static struct stat waiting_now = STAT_GAUGE("sonde_query_waiting", "Queries that wait.");
static struct stat bytes_now = STAT_GAUGE("sonde_query_bytes", "Memory that queries hold.");

struct query_tenant {
    char name[TENANT_NAME_MAX + 1];
    struct promql_account account;
    struct query_ticket *first, *last; /* that wait */
    size_t waiting, running;
    struct query_tenant *next; /* of the ring of all */
};

struct query_ticket {
    struct query_registry *registry;
    struct query_tenant *tenant;
    struct job *job;
    void (*work)(struct job *j);
    struct query_view view; /* its texts are owned */
    int64_t queued_ns, started_ns, deadline_ns;
    struct promql_meter meter;
    const char *outcome;                 /* of the thread that works */
    bool here;                           /* it runs on its request's loop */
    struct query_ticket *next;           /* in its tenant's queue */
    struct query_ticket *before, *after; /* in the list of all */
};

/* One that has ended. */
struct slow_query {
    struct query_view view; /* its texts are owned */
    int64_t ended_ns;
};

struct query_registry {
    const struct clock *clock;
    struct pool *pool;
    size_t threads;
    struct promql_cache *cache;
    int64_t nice;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t changed;
    struct query_settings settings;
    struct promql_options language;
    struct promql_account account;
    struct map by_name;         /* -> struct query_tenant * */
    struct query_tenant *turn;  /* in the ring: who is asked first */
    struct query_ticket *first; /* of all */
    size_t running, waiting;
    uint64_t next_id;
    struct slow_query slowest[SLOWEST_MAX];
    size_t slowest_n;
    bool stopping;
    struct thread watcher;
};

static int64_t now_ns(const struct query_registry *r)
{
    return clock_monotonic_ns(r->clock);
}

/* ---- settings */

static void set_accounts(struct query_registry *r)
{
    uint64_t total = (uint64_t)r->settings.total_bytes_max;
    uint64_t tenant = (uint64_t)r->settings.tenant_bytes_max;
    size_t at = 0;
    if (total == 0)
        total = memory_limit_bytes() / TOTAL_PART;
    atomic_store(&r->account.bytes_max, total);
    for (struct map_slot *slot; (slot = map_next(&r->by_name, &at)) != NULL;) {
        struct query_tenant *t = slot->value.p;
        atomic_store(&t->account.bytes_max, tenant ? tenant : total / 2);
    }
}

void query_registry_set(struct query_registry *r, const struct query_settings *settings)
{
    thread_lock(&r->lock);
    r->settings = *settings;
    r->language = query_settings_language(settings);
    set_accounts(r);
    thread_unlock(&r->lock);
    promql_cache_limit(r->cache, (uint64_t)settings->cache_bytes_max);
}

void query_registry_rules(struct query_registry *r, struct query_rules *ret)
{
    thread_lock(&r->lock);
    *ret = (struct query_rules){r->settings, r->language};
    thread_unlock(&r->lock);
}

struct promql_cache *query_registry_cache(struct query_registry *r)
{
    return r->cache;
}

struct promql_account *query_registry_account(struct query_registry *r)
{
    return &r->account;
}

void query_registry_limits(const struct query_rules *rules, struct promql_query *q)
{
    const struct query_settings *s = &rules->settings;
    q->options = &rules->language;
    q->limits = (struct promql_limits){.samples_max = (uint64_t)s->samples_max,
                                       .bytes_max = (uint64_t)s->bytes_max,
                                       .timeout_ns = s->timeout_ms * 1000000};
    if (q->lookback_ms == 0)
        q->lookback_ms = s->lookback_ms;
    q->subquery_step_ms = s->subquery_step_ms;
}

void query_registry_fill(const struct query_ticket *t, const struct query_rules *rules,
                         struct promql_query *q)
{
    query_registry_limits(rules, q);
    int64_t left = t->deadline_ns - now_ns(t->registry);
    q->limits.timeout_ns = MAX(left, 1);
    q->meter = (struct promql_meter *)(uintptr_t)&t->meter;
    q->canceled = http_gone_flag(t->job->request);
}

void query_registry_outcome(struct query_ticket *t, const char *outcome)
{
    t->outcome = outcome;
}

int64_t query_registry_waited_ns(const struct query_ticket *t)
{
    return t->view.waited_ns;
}

/* ---- tickets; the lock is held */

static struct query_tenant *tenant_of(struct query_registry *r, struct str name)
{
    union map_value *v = map_put(&r->by_name, name, NULL);
    if (v->p)
        return v->p;
    struct query_tenant *t = mem_new(sizeof *t);
    memcpy(t->name, name.p, MIN(name.n, sizeof t->name - 1));
    t->account.whose = "this tenant's queries";
    t->account.above = &r->account;
    t->next = r->turn ? r->turn->next : t;
    if (r->turn)
        r->turn->next = t;
    else
        r->turn = t;
    v->p = t;
    set_accounts(r);
    return t;
}

static struct str keep(struct str text)
{
    text = str_sub(text, 0, QUERY_TEXT_MAX);
    return (struct str){mem_text(text.p, text.n), text.n};
}

static void free_texts(struct query_view *v)
{
    mem_free((void *)(uintptr_t)v->text.p);
    mem_free((void *)(uintptr_t)v->client.p);
    mem_free((void *)(uintptr_t)v->tenant.p);
}

static void enter(struct query_registry *r, struct query_ticket *t)
{
    t->after = r->first;
    if (r->first)
        r->first->before = t;
    r->first = t;
    if (t->tenant->last)
        t->tenant->last->next = t;
    else
        t->tenant->first = t;
    t->tenant->last = t;
    t->tenant->waiting++;
    r->waiting++;
}

/* Out of its tenant's queue. */
static void unqueue(struct query_registry *r, struct query_ticket *t)
{
    struct query_tenant *tenant = t->tenant;
    struct query_ticket **at = &tenant->first, *before = NULL;
    while (*at != t) {
        before = *at;
        at = &(*at)->next;
    }
    *at = t->next;
    if (tenant->last == t)
        tenant->last = before;
    t->next = NULL;
    tenant->waiting--;
    r->waiting--;
}

static void leave(struct query_registry *r, struct query_ticket *t)
{
    if (t->before)
        t->before->after = t->after;
    else
        r->first = t->after;
    if (t->after)
        t->after->before = t->before;
}

static void tell(const struct query_registry *r)
{
    stat_set(&running_now, (double)r->running);
    stat_set(&waiting_now, (double)r->waiting);
    stat_set(&bytes_now, (double)atomic_load(&r->account.bytes));
}

static void ticket_free(struct query_ticket *t)
{
    promql_meter_done(&t->meter);
    free_texts(&t->view);
    mem_free(t);
}

/* ---- what was slow */

static struct query_view view_of(const struct query_ticket *t, int64_t now)
{
    struct query_view v = t->view;
    v.running = t->started_ns != 0;
    v.waited_ns = (v.running ? t->started_ns : now) - t->queued_ns;
    v.elapsed_ns = v.running ? now - t->started_ns : 0;
    v.series = atomic_load(&t->meter.series);
    v.samples = atomic_load(&t->meter.samples);
    v.bytes = MAX(v.bytes, (uint64_t)atomic_load(&t->meter.bytes));
    return v;
}

static void drop_slow(struct query_registry *r, size_t i)
{
    free_texts(&r->slowest[i].view);
    r->slowest[i] = r->slowest[--r->slowest_n];
}

static void note_slow(struct query_registry *r, const struct query_view *v, int64_t now)
{
    for (size_t i = r->slowest_n; i-- > 0;) {
        if (now - r->slowest[i].ended_ns > SLOWEST_NS)
            drop_slow(r, i);
    }
    if (r->slowest_n == SLOWEST_MAX) {
        size_t least = 0;
        for (size_t i = 1; i < r->slowest_n; i++) {
            if (r->slowest[i].view.elapsed_ns < r->slowest[least].view.elapsed_ns)
                least = i;
        }
        if (r->slowest[least].view.elapsed_ns >= v->elapsed_ns)
            return;
        drop_slow(r, least);
    }
    struct slow_query *s = &r->slowest[r->slowest_n++];
    *s = (struct slow_query){*v, now};
    s->view.running = false;
    s->view.text = keep(v->text);
    s->view.client = keep(v->client);
    s->view.tenant = keep(v->tenant);
}

/* One line of the log, whatever is in the text. */
static void log_slow(const struct query_view *v)
{
    char text[LOG_TEXT_MAX + 1];
    size_t n = MIN(v->text.n, (size_t)LOG_TEXT_MAX);
    for (size_t i = 0; i < n; i++)
        text[i] = (unsigned char)v->text.p[i] < ' ' ? ' ' : v->text.p[i];
    text[n] = '\0';
    stat_add(&slow_ones, 1);
    log_warn(MODULE,
             "slow query: %.3f s, waited %.3f s, %" PRIu64 " samples of %" PRIu64
             " series, %" PRIu64 " bytes, %s, tenant " STR_FMT ", client " STR_FMT ", %s: %s",
             (double)v->elapsed_ns / 1e9, (double)v->waited_ns / 1e9, v->samples, v->series,
             v->bytes, v->outcome, STR_ARG(v->tenant), STR_ARG(v->client), v->kind, text);
}

/* ---- turns */

static void ticket_work(struct job *j);

static bool may_run(const struct query_registry *r, const struct query_tenant *t)
{
    return r->running < r->threads && t->running < (size_t)r->settings.concurrency;
}

/* The next one whose turn it is, or NULL. */
static struct query_ticket *pick(struct query_registry *r)
{
    if (!r->turn)
        return NULL;
    struct query_tenant *t = r->turn;
    do {
        t = t->next;
        if (t->first && may_run(r, t)) {
            r->turn = t;
            return t->first;
        }
    } while (t != r->turn);
    return NULL;
}

static void refuse(struct query_ticket *t, int status, const char *type, const char *text)
{
    struct job *j = t->job;
    stat_add(&waited_out, 1);
    answer_fault(j, status, type, "%s", text);
    ticket_free(t);
    job_answer(j);
}

static void refuse_busy(struct query_ticket *t)
{
    refuse(t, 503, "unavailable", "too many queries are waiting: try again in a moment");
}

/* Takes out of the queues as many as may run: in a row by next, for launch(). */
static struct query_ticket *dispatch(struct query_registry *r)
{
    struct query_ticket *ready = NULL, **end = &ready;
    for (struct query_ticket *t; !r->stopping && (t = pick(r)) != NULL;) {
        unqueue(r, t);
        t->started_ns = now_ns(r);
        t->view.waited_ns = t->started_ns - t->queued_ns;
        t->tenant->running++;
        r->running++;
        t->next = NULL;
        *end = t;
        end = &t->next;
    }
    tell(r);
    return ready;
}

/* Hands what dispatch() found to the pool, whose threads take the lock at once: it must be free. */
static void launch(struct query_registry *r, struct query_ticket *ready)
{
    for (struct query_ticket *t = ready, *next; t; t = next) {
        next = t->next;
        if (pool_run(r->pool, job_run, t->job) == 0)
            continue;
        thread_lock(&r->lock);
        t->tenant->running--;
        r->running--;
        leave(r, t);
        tell(r);
        thread_unlock(&r->lock);
        refuse_busy(t);
    }
}

static void stand_back(int64_t level)
{
    static _Thread_local bool done;
    if (!done && level > 0)
        thread_stand_back((int)level);
    done = true;
}

static void ticket_work(struct job *j)
{
    struct query_ticket *t = j->ticket;
    struct query_registry *r = t->registry;
    if (!t->here)
        stand_back(r->nice);
    if (atomic_load(&t->meter.canceled) || http_gone(j->request)) {
        t->outcome = "canceled";
        answer_error(j, PROMQL_CANCELED, "query was canceled in query queue");
    } else {
        t->work(j);
    }
    thread_lock(&r->lock);
    int64_t now = now_ns(r);
    struct query_view v = view_of(t, now);
    v.outcome = t->outcome;
    promql_meter_done(&t->meter);
    t->tenant->running--;
    r->running--;
    leave(r, t);
    note_slow(r, &v, now);
    bool slow =
        r->settings.slow_log_ms && v.elapsed_ns + v.waited_ns >= r->settings.slow_log_ms * 1000000;
    struct query_ticket *ready = dispatch(r);
    thread_unlock(&r->lock);
    launch(r, ready);
    if (slow)
        log_slow(&v);
    ticket_free(t);
    j->ticket = NULL;
}

static struct query_ticket *ticket_new(struct query_registry *r, struct job *j,
                                       const struct query_order *order)
{
    struct query_ticket *t = mem_new(sizeof *t);
    t->registry = r;
    t->job = j;
    t->work = order->work;
    t->view = (struct query_view){.text = keep(order->text),
                                  .client = keep(str_c(http_peer(j->request))),
                                  .tenant = keep(job_tenant(j->request)),
                                  .kind = order->kind,
                                  .since_ms = j->now_ms};
    t->outcome = "success";
    j->ticket = t;
    return t;
}

void query_registry_start(struct serve *s, struct http_request *request,
                          const struct query_order *order)
{
    struct query_registry *r = s->queries;
    struct job *j = job_new(s, request, ticket_work, order->context);
    if (!j)
        return;
    struct query_ticket *t = ticket_new(r, j, order);
    thread_lock(&r->lock);
    t->queued_ns = now_ns(r);
    t->deadline_ns = t->queued_ns + MIN(order->timeout_ms, r->settings.timeout_ms) * 1000000;
    /* Names that nobody has written under share a turn, so that strangers cannot add more. */
    t->tenant = tenant_of(r, j->tenant ? t->view.tenant : STR(""));
    t->meter.account = &t->tenant->account;
    bool full = r->stopping ||
                (t->tenant->waiting >= (size_t)r->settings.queue_max && !may_run(r, t->tenant));
    struct query_ticket *ready = NULL;
    if (!full) {
        t->view.id = ++r->next_id;
        enter(r, t);
        ready = dispatch(r);
        if (r->waiting)
            thread_wake(&r->changed); /* for who waits too long */
    }
    t->here = order->small && ready == t && !t->next;
    thread_unlock(&r->lock);
    if (full)
        refuse_busy(t);
    else if (ready == t && t->here)
        job_run_here(j);
    else
        launch(r, ready);
}

/* ---- the watcher */

/* Takes one out that must not wait any longer; NULL where all may. */
static struct query_ticket *take_expired(struct query_registry *r, bool *ret_gone)
{
    int64_t now = now_ns(r);
    for (struct query_ticket *t = r->first; t; t = t->after) {
        if (t->started_ns)
            continue;
        bool gone = http_gone(t->job->request) || atomic_load(&t->meter.canceled);
        bool late =
            now > t->deadline_ns || now - t->queued_ns > r->settings.queue_wait_ms * 1000000;
        if (!gone && !late && !r->stopping)
            continue;
        *ret_gone = gone;
        unqueue(r, t);
        leave(r, t);
        return t;
    }
    return NULL;
}

static void expire(struct query_registry *r)
{
    bool gone;
    for (struct query_ticket *t; (t = take_expired(r, &gone)) != NULL;) {
        if (gone)
            refuse(t, 499, "canceled", "query was canceled in query queue");
        else if (r->stopping)
            refuse(t, 503, "unavailable", "the server is shutting down");
        else
            refuse(t, 503, "timeout", "query timed out in query queue");
    }
    tell(r);
}

static void watch(void *context)
{
    struct query_registry *r = context;
    thread_lock(&r->lock);
    while (!r->stopping) {
        expire(r);
        if (r->waiting)
            (void)thread_wait_for(&r->changed, &r->lock, WATCH_MS * 1000000LL);
        else
            thread_wait(&r->changed, &r->lock);
    }
    expire(r);
    thread_unlock(&r->lock);
}

/* ---- life */

struct query_registry *query_registry_new(const struct serve_config *config,
                                          const struct query_settings *settings)
{
    struct query_registry *r = mem_new(sizeof *r);
    r->clock = config->clock;
    r->pool = config->pool;
    r->threads = settings->threads > 0 ? (size_t)settings->threads : 1;
    r->nice = settings->nice;
    r->account.whose = "all queries";
    r->cache = promql_cache_new((uint64_t)settings->cache_bytes_max);
    map_init(&r->by_name, 0);
    thread_lock_init(&r->lock);
    thread_cond_init(&r->changed);
    query_registry_set(r, settings);
    stat_register(&slow_ones);
    stat_register(&canceled);
    stat_register(&waited_out);
    stat_register(&running_now);
    stat_register(&waiting_now);
    stat_register(&bytes_now);
    thread_start(&r->watcher, "query-watch", watch, r);
    return r;
}

void query_registry_stop(struct query_registry *r)
{
    thread_lock(&r->lock);
    r->stopping = true;
    for (struct query_ticket *t = r->first; t; t = t->after)
        atomic_store(&t->meter.canceled, t->started_ns != 0);
    thread_wake_all(&r->changed);
    thread_unlock(&r->lock);
    thread_join(&r->watcher);
    r->watcher.running = false;
}

void query_registry_free(struct query_registry *r)
{
    if (!r)
        return;
    if (!r->stopping)
        query_registry_stop(r);
    size_t at = 0;
    for (struct map_slot *slot; (slot = map_next(&r->by_name, &at)) != NULL;)
        mem_free(slot->value.p);
    map_done(&r->by_name);
    while (r->slowest_n)
        drop_slow(r, 0);
    promql_cache_free(r->cache);
    must(pthread_cond_destroy(&r->changed) == 0);
    must(pthread_mutex_destroy(&r->lock) == 0);
    mem_free(r);
}

/* ---- looking and canceling */

static bool is_of(const struct query_view *v, struct str tenant)
{
    return tenant.n == 0 || str_eq(v->tenant, tenant);
}

bool query_registry_cancel(struct query_registry *r, uint64_t id, struct str tenant)
{
    bool found = false;
    thread_lock(&r->lock);
    for (struct query_ticket *t = r->first; t && !found; t = t->after) {
        if (t->view.id != id || !is_of(&t->view, tenant))
            continue;
        atomic_store(&t->meter.canceled, true);
        stat_add(&canceled, 1);
        found = true;
    }
    thread_wake(&r->changed);
    thread_unlock(&r->lock);
    return found;
}

static int by_time(const void *a, const void *b)
{
    int64_t x = ((const struct slow_query *)a)->view.elapsed_ns;
    int64_t y = ((const struct slow_query *)b)->view.elapsed_ns;
    return (x < y) - (x > y);
}

void query_registry_each(struct query_registry *r, struct str tenant, bool slow, query_view_f *f,
                         void *context)
{
    thread_lock(&r->lock);
    int64_t now = now_ns(r);
    for (struct query_ticket *t = slow ? NULL : r->first; t; t = t->after) {
        struct query_view v = view_of(t, now);
        if (is_of(&v, tenant))
            f(context, &v);
    }
    if (slow)
        qsort(r->slowest, r->slowest_n, sizeof r->slowest[0], by_time);
    for (size_t i = 0; slow && i < r->slowest_n; i++) {
        if (is_of(&r->slowest[i].view, tenant) && now - r->slowest[i].ended_ns <= SLOWEST_NS)
            f(context, &r->slowest[i].view);
    }
    thread_unlock(&r->lock);
}
