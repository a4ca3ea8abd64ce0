#include <stdio.h>

#include "base/mem.h"
#include "model/sample.h"
#include "net/http.h"
#include "scrape/scrape_inside.h"

enum report {
    UP,
    DURATION,
    SCRAPED,
    KEPT,
    ADDED,
    TIMEOUT,
    SAMPLE_LIMIT,
    BODY_SIZE,
};

const struct str scrape_take_reports[SCRAPE_REPORTS_MAX] = {
    [UP] = {"up", 2},
    [DURATION] = {"scrape_duration_seconds", 23},
    [SCRAPED] = {"scrape_samples_scraped", 22},
    [KEPT] = {"scrape_samples_post_metric_relabeling", 37},
    [ADDED] = {"scrape_series_added", 19},
    [TIMEOUT] = {"scrape_timeout_seconds", 22},
    [SAMPLE_LIMIT] = {"scrape_sample_limit", 19},
    [BODY_SIZE] = {"scrape_body_size_bytes", 22},
};

/* How a scrape went. */
struct outcome {
    struct writing_count count;
    size_t samples, body_bytes;
    bool too_long; /* the body */
    struct why why;
    int err;
};

static void fail(struct outcome *o, enum err code, const char *text)
{
    o->err = why_set(&o->why, code, "%s", text);
}

/* Which limit was it? By the words, which are Prometheus's. */
static void count_limit(const struct outcome *o)
{
    struct str text = str_c(o->why.text);
    if (o->err != -ERR_LIMIT)
        return;
    if (str_search(text, STR("sample limit")) < text.n)
        stat_add(&scrape_stats_limits[SCRAPE_STATS_SAMPLES], 1);
    else if (str_search(text, STR("bucket limit")) < text.n)
        stat_add(&scrape_stats_limits[SCRAPE_STATS_BUCKETS], 1);
    else if (str_search(text, STR("label")) < text.n)
        stat_add(&scrape_stats_limits[SCRAPE_STATS_LABELS], 1);
}

static void take_body(struct scrape_target *t, const struct fetch_answer *answer, struct outcome *o)
{
    struct scrape_thread *thread = t->thread;
    struct reading *r = thread->reading;
    enum reading_format format;
    o->body_bytes = answer->body.n;
    o->err = reading_format_of(answer->content_type, t->client->config->fallback, &format, &o->why);
    if (o->err)
        return;
    r->config = t->client->config;
    r->target = t->is.labels;
    r->recall = &t->recall;
    r->now_ms = t->ts_ms;
    recall_begin(&t->recall);
    size_t refused = thread->writing.refused;
    o->err = reading_take(r, answer->body, format, &o->why);
    o->samples = r->samples;
    if (!o->err)
        o->err = writing_take(&thread->writing, r, &o->count, &o->why);
    else
        count_limit(o);
    stat_add(&scrape_stats_samples, r->samples);
    stat_add(&scrape_stats_misses, r->misses);
    stat_add(&scrape_stats_duplicates, o->count.duplicates);
    stat_add(&scrape_stats_ended, o->count.gone);
    stat_add(&scrape_stats_refused, thread->writing.refused - refused);
}

static void take_answer(struct scrape_target *t, const struct fetch_answer *answer,
                        struct outcome *o)
{
    stat_add(&scrape_stats_bytes, answer->body.n);
    stat_add(&scrape_stats_wire_bytes, answer->wire_bytes);
    if (answer->err == -ERR_LIMIT) {
        o->too_long = true;
        stat_add(&scrape_stats_limits[SCRAPE_STATS_BODY], 1);
        fail(o, ERR_LIMIT, "body size limit exceeded");
    } else if (answer->err) {
        fail(o, (enum err) - answer->err, answer->why);
    } else if (answer->status != 200) {
        char text[128];
        snprintf(text, sizeof text, "server returned HTTP status %d %s", answer->status,
                 http_reason(answer->status));
        fail(o, ERR_FORMAT, text);
    } else {
        take_body(t, answer, o);
    }
}

static void put_report(struct scrape_target *t, enum report which, double value)
{
    writing_put(&t->thread->writing, t->reports[which], t->ts_ms, value);
    t->reported[which] = true;
}

static void report(struct scrape_target *t, const struct outcome *o)
{
    const struct promfile_scrape *config = t->client->config;
    bool good = o->err == 0;
    put_report(t, UP, good);
    put_report(t, DURATION, (double)t->duration_ns / 1e9);
    put_report(t, SCRAPED, (double)o->samples);
    put_report(t, KEPT, (double)o->count.kept);
    put_report(t, ADDED, (double)o->count.added);
    if (config->extra_metrics) {
        put_report(t, TIMEOUT, (double)t->is.timeout_ms / 1e3);
        put_report(t, SAMPLE_LIMIT, (double)config->sample_limit);
        put_report(t, BODY_SIZE, o->too_long ? -1 : (double)o->body_bytes);
    }
    (void)writing_flush(&t->thread->writing); /* counted below; there is nobody else to tell */
}

static void set_error(struct scrape_target *t, const char *text)
{
    if (text == NULL && t->error == NULL)
        return;
    if (text && t->error && strcmp(text, t->error) == 0)
        return;
    mem_free(t->error);
    t->error = text ? mem_text(text, strlen(text)) : NULL;
}

void scrape_take(struct scrape_target *t, const struct fetch_answer *answer, const char *error)
{
    struct scrape_thread *thread = t->thread;
    struct outcome o = {0};
    thread_lock(&thread->lock);
    if (answer)
        take_answer(t, answer, &o);
    else
        fail(&o, ERR_STATE, error);
    if (o.err) {
        stat_add(&scrape_stats_failed, 1);
        stat_add(&scrape_stats_ended, writing_end_all(&thread->writing, &t->recall, t->ts_ms));
    }
    t->last_ms = t->ts_ms;
    t->duration_ns = clock_monotonic_ns(&clock_real) - t->begun_ns;
    t->health = o.err ? SCRAPE_DOWN : SCRAPE_UP;
    set_error(t, o.err ? o.why.text : NULL);
    report(t, &o);
    thread_unlock(&thread->lock);
}

void scrape_take_end(struct scrape_target *t, int64_t ts_ms)
{
    struct scrape_thread *thread = t->thread;
    thread_lock(&thread->lock);
    stat_add(&scrape_stats_ended, writing_end_all(&thread->writing, &t->recall, ts_ms));
    for (size_t i = 0; i < SCRAPE_REPORTS_MAX; i++)
        if (t->reported[i])
            writing_put(&thread->writing, t->reports[i], ts_ms, sample_stale());
    (void)writing_flush(&thread->writing); /* the target is gone: nobody to tell */
    thread_unlock(&thread->lock);
}
