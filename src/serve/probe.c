#include "serve/probe.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/stat.h"
#include "os/loop.h"
#include "os/thread.h"
#include "query/promql/promql.h"
#include "serve/serve_state.h"

enum { QUERY_TIMEOUT_MS = 2000, WAIT_MS = 2000 };

static const int64_t FRESH_NS = 1000000000, STALE_NS = 5000000000, SLOW_COMMIT_NS = 1000000000;

static struct stat probes = STAT_COUNTER("sonde_probes_total", "Probes of a write and a query.");
static struct stat failed =
    STAT_COUNTER("sonde_probe_failures_total", "Probes that could not write or not read back.");
static struct stat ready =
    STAT_GAUGE("sonde_ready", "1 where the last probe committed a write and read it back, else 0.");

/* A request that waits for the probe under way. Under the lock, except timer. */
struct waiter {
    struct loop *loop;
    struct http_request *request; /* until it is answered */
    void (*done)(struct http_request *r, void *context, const struct probe_outcome *outcome);
    void *context;
    struct timer *timer; /* the loop's */
    bool answered;       /* the loop's: timer and outcome race */
    struct probe_outcome outcome;
    struct waiter *next;
};

struct probe {
    struct serve *serve;
    pthread_mutex_t lock;
    bool running;
    int64_t began_ns; /* of the one that runs */
    bool ever;        /* outcome is one */
    int64_t done_ns;
    struct probe_outcome outcome;
    struct waiter *waiters;
    /* The probe under way; one step at a time. */
    int64_t ts_ms, committed_ns;
    double value;
    struct probe_outcome next;
};

struct probe *probe_new(struct serve *s)
{
    struct probe *p = mem_new(sizeof *p);
    p->serve = s;
    thread_lock_init(&p->lock);
    stat_register(&probes);
    stat_register(&failed);
    stat_register(&ready);
    return p;
}

void probe_free(struct probe *p)
{
    if (!p)
        return;
    while (p->waiters) { /* of a commit that never came back; their requests have been answered */
        struct waiter *w = p->waiters;
        p->waiters = w->next;
        mem_free(w);
    }
    pthread_mutex_destroy(&p->lock);
    mem_free(p);
}

static int64_t now_ns(const struct probe *p)
{
    return clock_monotonic_ns(p->serve->config.clock);
}

/* ---- ending a probe */

static void tell(void *context)
{
    struct waiter *w = context;
    if (!w->answered) {
        timer_free(w->timer);
        w->done(w->request, w->context, &w->outcome);
    }
    mem_free(w);
}

static void finish(struct probe *p)
{
    thread_lock(&p->lock);
    p->running = false;
    p->ever = true;
    p->done_ns = now_ns(p);
    p->outcome = p->next;
    stat_set(&ready, p->outcome.ready ? 1 : 0);
    if (!p->outcome.ready)
        stat_add(&failed, 1);
    struct waiter *w = p->waiters;
    p->waiters = NULL;
    struct probe_outcome outcome = p->outcome;
    thread_unlock(&p->lock);
    for (struct waiter *next; w; w = next) {
        next = w->next;
        w->outcome = outcome;
        loop_post(w->loop, tell, w);
    }
}

static void fail(struct probe *p, const char *what, int err, const char *text)
{
    p->next.ready = false;
    snprintf(p->next.text, sizeof p->next.text, "%s: %.180s", what,
             text && text[0] ? text : err_text(err));
    finish(p);
}

/* ---- the steps */

static bool read_back(struct promql_result *result, double value)
{
    struct promql_series one;
    while (promql_result_next(result, &one))
        if (one.n > 0 && one.value[one.n - 1] == value)
            return true;
    return false;
}

static void step_query(void *context)
{
    struct probe *p = context;
    struct series_store *store = p->serve->config.store;
    struct promql_failure failure;
    struct promql_expr *expr;
    struct promql_result *result;
    struct arena a;
    int64_t began = now_ns(p);
    arena_init(&a);
    int err = promql_parse(STR("sonde_probe"), NULL, &a, &expr, &failure);
    if (!err) {
        struct promql_query q = {.expr = expr,
                                 .store = store,
                                 .tenant = store->ops->tenant(store, STR("_sonde")),
                                 .start_ms = p->ts_ms,
                                 .end_ms = p->ts_ms,
                                 .instant = true,
                                 .limits = {.timeout_ns = (int64_t)QUERY_TIMEOUT_MS * 1000000}};
        err = promql_run(&q, &result, &failure);
    }
    p->next.query_s = (double)(now_ns(p) - began) / 1e9;
    if (err) {
        fail(p, "a query failed", err, failure.text);
    } else {
        bool found = read_back(result, p->value);
        promql_result_free(result);
        p->next.ready = found;
        if (found)
            finish(p);
        else
            fail(p, "a query failed", -ERR_NOENT, "what was just written is not there");
    }
    arena_done(&a);
}

/* On the committing thread: the rest goes to the pool. */
static void committed(void *context, int err)
{
    struct probe *p = context;
    p->next.commit_s = (double)(now_ns(p) - p->committed_ns) / 1e9;
    if (err)
        fail(p, "a write could not be committed", err, NULL);
    else if (pool_run(p->serve->config.pool, step_query, p) != 0)
        fail(p, "queries are not answered", -ERR_BUSY, "too many of them are waiting");
}

static void step_write(void *context)
{
    struct probe *p = context;
    const struct serve_config *config = &p->serve->config;
    struct why why = {0};
    struct tenant *tenant;
    struct buf key;
    struct batch *b = mem_new(sizeof *b);
    p->next = (struct probe_outcome){0};
    p->committed_ns = now_ns(p);
    p->ts_ms = clock_wall_ms(config->clock);
    p->value += 1;
    buf_init(&key, 64);
    labels_put(&key, LABEL_METRIC, STR("sonde_probe"));
    b->n = 1;
    b->key[0] = buf_str(&key);
    b->ts_ms[0] = p->ts_ms;
    b->value[0] = p->value;
    int err = config->sink->ops->tenant(config->sink, STR("_sonde"), &tenant, &why);
    if (!err) {
        err = config->sink->ops->append(config->sink, config->probe_lane, tenant, b, &why);
        err = err == 1 ? 0 : err < 0 ? err : b->err[0];
    }
    buf_done(&key);
    mem_free(b);
    if (err)
        fail(p, "a write was refused", err, why.text);
    else
        config->sink->ops->commit(config->sink, config->probe_lane, committed, p);
}

/* Starts one where none runs and the last is not fresh. Under the lock; false: the pool is full. */
static bool start(struct probe *p)
{
    bool fresh = p->ever && now_ns(p) - p->done_ns < FRESH_NS;
    if (p->running || fresh)
        return true;
    if (pool_run(p->serve->config.pool, step_write, p) != 0)
        return false;
    stat_add(&probes, 1);
    p->running = true;
    p->began_ns = now_ns(p);
    return true;
}

/* ---- asking */

static void late(void *context)
{
    struct waiter *w = context;
    struct probe_outcome o = {0};
    snprintf(o.text, sizeof o.text,
             "a write or a query has been waiting for more than %d s: is the disk responding?",
             WAIT_MS / 1000);
    w->answered = true; /* the waiter itself goes when the probe comes back */
    timer_free(w->timer);
    w->done(w->request, w->context, &o);
}

void probe_ask(struct probe *p, struct http_request *r,
               void (*done)(struct http_request *r, void *context,
                            const struct probe_outcome *outcome),
               void *context)
{
    struct probe_outcome now = {0};
    bool at_once = false;
    thread_lock(&p->lock);
    if (!start(p)) {
        snprintf(now.text, sizeof now.text, "queries are not answered: too many are waiting");
        at_once = true;
    } else if (!p->running) {
        now = p->outcome;
        now.age_s = (double)(now_ns(p) - p->done_ns) / 1e9;
        at_once = true;
    } else {
        struct waiter *w = mem_new(sizeof *w);
        w->loop = http_loop(r);
        w->request = r;
        w->done = done;
        w->context = context;
        w->timer = timer_new(w->loop, WAIT_MS, 0, late, w);
        w->next = p->waiters;
        p->waiters = w;
    }
    thread_unlock(&p->lock);
    if (at_once)
        done(r, context, &now);
}

/* ---- as checks */

static struct probe_outcome last(struct probe *p)
{
    struct probe_outcome o;
    thread_lock(&p->lock);
    if (!start(p) && p->ever && now_ns(p) - p->done_ns > STALE_NS) {
        p->outcome.ready = false;
        snprintf(p->outcome.text, sizeof p->outcome.text,
                 "queries are not answered: too many are waiting");
    }
    o = p->outcome;
    if (!p->ever)
        o.ready = true; /* the first one is under way */
    if (p->running && now_ns(p) - p->began_ns > (int64_t)WAIT_MS * 1000000) {
        o.ready = false;
        snprintf(o.text, sizeof o.text, "a write or a query has been waiting for %" PRId64 " s",
                 (now_ns(p) - p->began_ns) / 1000000000);
    }
    thread_unlock(&p->lock);
    return o;
}

void probe_commit_check(void *context, struct health_reading *ret)
{
    struct probe_outcome o = last(context);
    ret->value = o.commit_s;
    if (!o.ready)
        ret->state = HEALTH_UNHEALTHY;
    else if (o.commit_s * 1e9 > (double)SLOW_COMMIT_NS)
        ret->state = HEALTH_DEGRADED;
    if (!o.ready)
        snprintf(ret->output, sizeof ret->output, "%.*s", (int)sizeof ret->output - 1, o.text);
    else if (ret->state == HEALTH_DEGRADED)
        snprintf(ret->output, sizeof ret->output, "a commit took %.1f s: the disk is slow",
                 o.commit_s);
}

void probe_query_check(void *context, struct health_reading *ret)
{
    struct probe_outcome o = last(context);
    ret->value = o.query_s;
    if (o.query_s > 1) {
        ret->state = HEALTH_DEGRADED;
        snprintf(ret->output, sizeof ret->output, "the probe's query took %.1f s", o.query_s);
    }
}
