#include <stdio.h>

#include "base/hash.h"
#include "base/mem.h"
#include "scrape/scrape_inside.h"
#include "scrape/series_key.h"

enum {
    TIMEOUT_HEADER_MAX = 80,
    TOLERANCE_MIN_MS = 2, /* a scrape that begins later than this, and than 1 % of its interval, */
    TOLERANCE_MAX_MS = 100, /* or than this, is dated by when it begins */
    PATIENCE = 10, /* a scrape waits for the end of the one before for this part of its interval, */
    COMMITS_MAX = 8, /* of one target in progress: a disk that hangs may hold up so many scrapes */
    RETRIES = 50,    /* and looks again after this part */
};

/* Where a copy of s goes; *at moves behind it and a NUL. */
static struct str place(char **at, struct str s)
{
    struct str ret = {*at, s.n};
    if (s.n)
        memcpy(*at, s.p, s.n);
    (*at)[s.n] = 0;
    *at += s.n + 1;
    return ret;
}

struct scrape_target *scrape_target_new(struct scrape *s, const struct target *is,
                                        struct scrape_client *client)
{
    struct scrape_target *t = mem_new(sizeof *t);
    struct arena a;
    arena_init(&a);
    size_t size = is->labels.n + is->url.n + is->global_url.n + 3;
    for (size_t i = 0; i < SCRAPE_REPORTS_MAX; i++) {
        t->reports[i] = series_key_report(is->labels, scrape_take_reports[i], &a);
        size += t->reports[i].n + 1;
    }
    char *at = t->texts = mem_raw(size);
    t->is = *is;
    t->discovered = mem_text(is->discovered.p, is->discovered.n);
    t->is.discovered.p = t->discovered;
    t->is.labels = place(&at, is->labels);
    t->is.url = place(&at, is->url);
    t->is.global_url = place(&at, is->global_url);
    for (size_t i = 0; i < SCRAPE_REPORTS_MAX; i++)
        t->reports[i] = place(&at, t->reports[i]);
    arena_done(&a);
    t->client = client;
    t->thread = client->thread;
    recall_init(&t->recall, s->seed ^ is->hash);
    atomic_init(&t->users, 1);
    return t;
}

static void unref(struct scrape_target *t)
{
    if (atomic_fetch_sub(&t->users, 1) > 1)
        return;
    recall_done(&t->recall);
    mem_free(t->texts);
    mem_free(t->discovered);
    mem_free(t->error);
    mem_free(t);
}

/* ---- commits: they come back on any thread */

static void committed(void *context, int err)
{
    struct scrape_target *t = context;
    if (err)
        stat_add(&scrape_stats_commits_failed, 1);
    atomic_fetch_sub(&t->commits, 1);
    unref(t);
}

static void commit(struct scrape_target *t)
{
    struct writing *w = &t->thread->writing;
    atomic_fetch_add(&t->users, 1);
    atomic_fetch_add(&t->commits, 1);
    w->sink->ops->commit(w->sink, w->lane, committed, t);
}

/* ---- one scrape */

static void finish(struct scrape_target *t, const struct fetch_answer *answer, const char *error)
{
    t->fetch = NULL;
    scrape_take(t, answer, error);
    commit(t);
}

static void answered(void *context, const struct fetch_answer *answer)
{
    finish(context, answer, NULL);
}

static size_t put_seconds(char *to, size_t n, int64_t ms)
{
    int len = ms % 1000 ? snprintf(to, n, "%g", (double)ms / 1000)
                        : snprintf(to, n, "%lld", (long long)(ms / 1000));
    return (size_t)len;
}

static void ask(struct scrape_target *t)
{
    const struct scrape_client *c = t->client;
    struct scrape *s = t->thread->scrape;
    char timeout[TIMEOUT_HEADER_MAX] = "X-Prometheus-Scrape-Timeout-Seconds: ";
    size_t n = strlen(timeout);
    put_seconds(timeout + n, sizeof timeout - n, t->is.timeout_ms);
    const char *const headers[] = {c->accept, timeout};
    uint64_t limit = c->config->body_size_limit;
    struct fetch_request request = {.url = t->is.url.p,
                                    .headers = headers,
                                    .headers_n = COUNTOF(headers),
                                    .timeout_ms = t->is.timeout_ms,
                                    .body_max =
                                        limit ? (size_t)limit : (size_t)s->settings.body_bytes_max,
                                    .gzip = c->config->enable_compression,
                                    .done = answered,
                                    .context = t};
    fetch_start(c->client, &request, &t->fetch);
}

static void begin(struct scrape_target *t)
{
    const struct scrape_client *c = t->client;
    t->begun_ns = clock_monotonic_ns(&clock_real);
    stat_add(&scrape_stats_scrapes, 1);
    if (atomic_load_explicit(c->over_limit, memory_order_relaxed)) {
        char text[128];
        snprintf(text, sizeof text, "target_limit exceeded (limit: %llu)",
                 (unsigned long long)c->config->target_limit);
        stat_add(&scrape_stats_limits[SCRAPE_STATS_TARGETS], 1);
        finish(t, NULL, text);
    } else if (!c->client) {
        finish(t, NULL, c->why.text);
    } else {
        ask(t);
    }
}

/* ---- the timer */

static uint64_t offset_of(const struct scrape_target *t)
{
    return hash_u64(t->is.hash ^ t->thread->scrape->offset_seed);
}

/* Sets the timer for the next scrape behind now_ms. */
static void arm(struct scrape_target *t, int64_t now_ms)
{
    t->due_ms = target_next(now_ms, t->is.interval_ms, offset_of(t));
    timer_again(t->timer, t->due_ms - now_ms, 0);
}

/* What a scrape that was due and begins now is dated by. */
static int64_t date(const struct scrape_target *t, int64_t now_ms)
{
    int64_t tolerance = t->is.interval_ms / 100;
    tolerance = MAX((int64_t)TOLERANCE_MIN_MS, MIN((int64_t)TOLERANCE_MAX_MS, tolerance));
    int64_t late = now_ms - t->due_ms;
    if (late <= tolerance && late >= -tolerance)
        return t->due_ms;
    stat_add(&scrape_stats_late, 1);
    return now_ms;
}

static void on_due(void *context)
{
    struct scrape_target *t = context;
    int64_t now_ms = clock_wall_ms(t->thread->scrape->config.clock), due_ms = t->due_ms;
    /* A clock that has been set back would keep it waiting; one set forward is no fault of ours. */
    int64_t skipped = (now_ms - due_ms) / t->is.interval_ms;
    if (skipped > 0)
        stat_add(&scrape_stats_missed[SCRAPE_STATS_THREAD], (uint64_t)skipped);
    bool committing = atomic_load(&t->commits) >= COMMITS_MAX, busy = t->fetch || committing;
    if (busy && now_ms - due_ms < t->is.interval_ms / PATIENCE) {
        /* A target that answers never is given up at just this time. */
        timer_again(t->timer, MAX(t->is.interval_ms / RETRIES, (int64_t)1), 0);
        return;
    }
    if (busy) {
        stat_add(&scrape_stats_missed[committing ? SCRAPE_STATS_COMMIT : SCRAPE_STATS_ANSWER], 1);
    } else {
        t->ts_ms = MAX(date(t, now_ms), t->ts_ms + 1);
        begin(t);
    }
    arm(t, MAX(now_ms, due_ms));
    if (t->due_ms - now_ms > 2 * t->is.interval_ms)
        arm(t, now_ms);
}

void scrape_target_start(struct scrape_target *t)
{
    struct scrape_thread *thread = t->thread;
    thread_lock(&thread->lock);
    t->next = thread->targets;
    if (t->next)
        t->next->previous = t;
    thread->targets = t;
    thread->targets_n++;
    thread_unlock(&thread->lock);
    t->timer = timer_new(thread->loop, 1, 0, on_due, t);
    arm(t, clock_wall_ms(thread->scrape->config.clock));
}

void scrape_target_again(struct scrape_target *t, bool forget)
{
    if (forget) {
        thread_lock(&t->thread->lock);
        recall_forget(&t->recall);
        thread_unlock(&t->thread->lock);
    }
    if (!t->fetch)
        return;
    fetch_cancel(t->fetch);
    t->fetch = NULL;
    begin(t);
}

void scrape_target_stop(struct scrape_target *t)
{
    struct scrape_thread *thread = t->thread;
    fetch_cancel(t->fetch);
    timer_free(t->timer);
    thread_lock(&thread->lock);
    if (t->previous)
        t->previous->next = t->next;
    else
        thread->targets = t->next;
    if (t->next)
        t->next->previous = t->previous;
    thread->targets_n--;
    thread_unlock(&thread->lock);
    if (!thread->ending && t->last_ms) {
        int64_t now_ms = clock_wall_ms(thread->scrape->config.clock);
        scrape_take_end(t, MAX(now_ms, t->ts_ms + 1));
        commit(t);
    }
    unref(t);
}
