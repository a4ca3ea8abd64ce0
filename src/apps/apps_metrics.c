#include <stdio.h>
#include <string.h>

#include "apps/apps_inside.h"
#include "base/mem.h"
#include "model/labels.h"
#include "model/sample.h"

static struct stat samples =
    STAT_COUNTER("sonde_apps_samples_total", "Samples of applications that were taken.");
static struct stat samples_refused =
    STAT_COUNTER("sonde_apps_samples_refused_total",
                 "Samples of applications that were refused: they are wrong, or belong to a series "
                 "past apps.series_max.");
static struct stat ended = STAT_COUNTER("sonde_apps_series_ended_total",
                                        "Staleness markers written for series of applications.");
static struct stat lost = STAT_COUNTER("sonde_apps_commits_failed_total",
                                       "Cycles of metrics that could not be made durable.");

void apps_metrics_stats(void)
{
    stat_register(&samples);
    stat_register(&samples_refused);
    stat_register(&ended);
    stat_register(&lost);
}

/* ---- writing */

static void on_marked(void *context, int err)
{
    (void)context;
    if (err)
        stat_add(&lost, 1);
}

static void note_problem(struct app *app, const char *text)
{
    thread_lock(&app->apps->lock);
    snprintf(app->view.problem, sizeof app->view.problem, "%.*s", APPS_END_MAX - 1, text);
    thread_unlock(&app->apps->lock);
}

/* Writes the batch; rows that are refused are counted. -ERR_x where nothing could be taken. */
static int append(struct app *app, struct batch *b, uint64_t dropped)
{
    struct apps *a = app->apps;
    struct why why = {0};
    int taken = 0;
    if (b->n > 0)
        taken = a->config.sink->ops->append(a->config.sink, a->config.lane, a->tenant, b, &why);
    if (taken < 0) {
        note_problem(app, why.text[0] ? why.text : err_text(taken));
        return taken;
    }
    uint64_t refused = b->n - (uint64_t)taken + dropped;
    stat_add(&samples, (uint64_t)taken);
    stat_add(&samples_refused, refused);
    if (refused > 0)
        note_problem(app, dropped > 0
                              ? "it has more series than apps.series_max, or all have too many"
                              : why.text);
    thread_lock(&a->lock);
    app->view.samples += (uint64_t)taken;
    app->view.samples_refused += refused;
    thread_unlock(&a->lock);
    return 0;
}

static void put_mark(struct apps *a, struct str key, int64_t ts_ms, double value)
{
    struct batch *b = &a->marks;
    b->key[b->n] = key;
    b->ts_ms[b->n] = ts_ms;
    b->value[b->n] = value;
    b->histogram[b->n] = NULL;
    b->start_ms[b->n] = 0;
    b->n++;
}

/* A staleness marker that cannot be written now is one less: queries then see the series for a few
 * minutes more. */
static void flush_marks(struct apps *a)
{
    if (a->marks.n > 0)
        (void)!a->config.sink->ops->append(a->config.sink, a->config.lane, a->tenant, &a->marks,
                                           NULL);
    a->marks.n = 0;
}

static void write_up(struct app *app, int64_t ts_ms, double value)
{
    struct apps *a = app->apps;
    put_mark(a, buf_str(&app->up_key), ts_ms, value);
    flush_marks(a);
    app->up_ms = ts_ms;
}

/* ---- the series of an application */

static void count_bytes(struct app *app, int64_t n)
{
    app->series_bytes += (size_t)n;
    app->apps->series_bytes += (size_t)n;
}

/* Its place among the series of app; NULL where there are too many. */
static union map_value *place_of(struct app *app, struct str key)
{
    size_t max = (size_t)app->apps->config.settings->series_max;
    union map_value *v = map_get(&app->series, key);
    if (v != NULL)
        return v;
    if (app->series.n >= max || app->apps->series_bytes + key.n > APPS_SERIES_BYTES_MAX)
        return NULL;
    count_bytes(app, (int64_t)(key.n + sizeof(struct map_slot)));
    return map_put(&app->series, key, NULL);
}

/* Leaves out the rows of new series where there are too many; how many that were. */
static uint64_t admit(struct app *app, struct batch *b)
{
    size_t kept = 0, n = b->n;
    for (size_t i = 0; i < n; i++) {
        union map_value *v = place_of(app, b->key[i]);
        if (v == NULL)
            continue;
        if (v->u != app->cycle)
            app->cycle_n++;
        v->u = app->cycle;
        app->cycle_ts_ms = MAX(app->cycle_ts_ms, b->ts_ms[i]);
        b->key[kept] = b->key[i];
        b->ts_ms[kept] = b->ts_ms[i];
        b->value[kept] = b->value[i];
        b->histogram[kept] = b->histogram[i];
        b->start_ms[kept] = b->start_ms[i];
        kept++;
    }
    b->n = kept;
    return n - kept;
}

/* Up to BATCH_MAX series that the present cycle did not have end. */
static size_t end_some(struct app *app, int64_t ts_ms)
{
    struct apps *a = app->apps;
    struct str keys[BATCH_MAX];
    const struct map_slot *slot;
    struct arena arena;
    size_t at = 0, n = 0;
    arena_init(&arena);
    while (n < BATCH_MAX && (slot = map_next(&app->series, &at)) != NULL)
        if (slot->value.u != app->cycle)
            keys[n++] = arena_str(&arena, slot->key);
    for (size_t i = 0; i < n; i++) {
        put_mark(a, keys[i], ts_ms, sample_stale());
        map_drop(&app->series, keys[i]);
        count_bytes(app, -(int64_t)(keys[i].n + sizeof(struct map_slot)));
    }
    flush_marks(a);
    stat_add(&ended, n);
    arena_done(&arena);
    return n;
}

static void end_missing(struct app *app, int64_t ts_ms)
{
    while (app->series.n > app->cycle_n && end_some(app, ts_ms) > 0)
        continue;
}

/* ---- frames */

struct committing {
    struct app *app;
    struct frame_header header;
    int err;
};

static void settle(void *context)
{
    struct committing *c = context;
    c->app->pending_bytes -= c->header.length;
    apps_answer_frame(c->app, &c->header, c->err, NULL);
    apps_release(c->app);
    mem_free(c);
}

/* On any thread. */
static void on_commit(void *context, int err)
{
    struct committing *c = context;
    if (err)
        stat_add(&lost, 1);
    c->err = err;
    loop_post(c->app->apps->loop, settle, c);
}

static void commit(struct app *app, const struct frame_header *h)
{
    struct apps *a = app->apps;
    struct committing *c = mem_new(sizeof *c);
    *c = (struct committing){app, *h, 0};
    app->pending_bytes += h->length;
    apps_hold(app);
    a->config.sink->ops->commit(a->config.sink, a->config.lane, on_commit, c);
}

static void end_cycle(struct app *app)
{
    int64_t ts_ms = app->cycle_ts_ms ? app->cycle_ts_ms : clock_wall_ms(app->apps->config.clock);
    end_missing(app, ts_ms);
    write_up(app, ts_ms, 1);
    thread_lock(&app->apps->lock);
    app->view.series = app->series.n;
    thread_unlock(&app->apps->lock);
    app->cycle++;
    app->cycle_n = 0;
    app->cycle_ts_ms = 0;
}

void apps_metrics_take(struct app *app, const struct frame *f)
{
    struct apps *a = app->apps;
    const struct sink_ops *ops = a->config.sink->ops;
    struct why why = {0};
    int got, err = 0;
    rw1_begin(&a->rw1, f->payload);
    while (err == 0 && (got = rw1_next(&a->rw1, &a->batch, &a->sides, &why)) != 0) {
        if (got < 0) {
            note_problem(app, why.text);
            apps_answer_frame(app, &f->header, got, why.text);
            return;
        }
        uint64_t dropped = admit(app, &a->batch);
        for (size_t i = 0; i < a->sides.bad_n; i++)
            dropped += a->sides.bad[i].samples;
        err = append(app, &a->batch, dropped);
        for (size_t i = 0; i < a->sides.metadata_n && err == 0; i++)
            /* A help text that is refused is no loss of data. */
            (void)!ops->metadata(a->config.sink, a->config.lane, a->tenant, &a->sides.metadata[i]);
        for (size_t i = 0; i < a->sides.exemplars_n && err == 0; i++)
            (void)!ops->exemplar(a->config.sink, a->config.lane, a->tenant, &a->sides.exemplars[i],
                                 NULL);
    }
    if (err) {
        apps_answer_frame(app, &f->header, err, app->view.problem);
        return;
    }
    bool more = (f->header.flags & FRAME_MORE) != 0;
    if (!more)
        end_cycle(app);
    if (!more || (f->header.flags & FRAME_ACK_WANTED))
        commit(app, &f->header);
}

/* ---- the connection */
void apps_metrics_begin(struct app *app)
{
    struct label labels[] = {
        {LABEL_METRIC, STR("up")},
        {STR("job"), str_c(app->view.hello.service)},
        {STR("instance"), str_c(app->view.hello.instance)},
    };
    app->cycle = 1;
    if (labels_encode(labels, COUNTOF(labels), &app->up_key, NULL) != 0)
        buf_clear(&app->up_key); /* it cannot be: hello_read() has checked both texts */
    write_up(app, clock_wall_ms(app->apps->config.clock), 1);
}

void apps_metrics_tick(struct app *app)
{
    int64_t now_ms = clock_wall_ms(app->apps->config.clock);
    if (now_ms - app->up_ms < APPS_UP_MS)
        return;
    write_up(app, now_ms, 1);
    app->apps->config.sink->ops->commit(app->apps->config.sink, app->apps->config.lane, on_marked,
                                        NULL);
}

/* Has it connected anew before its old connection was seen to be broken? */
static bool is_back(const struct app *app)
{
    const struct hello *h = &app->view.hello;
    for (const struct app *other = app->apps->first; other != NULL; other = other->next)
        if (other != app && other->state == APP_KNOWN &&
            strcmp(other->view.hello.service, h->service) == 0 &&
            strcmp(other->view.hello.instance, h->instance) == 0)
            return true;
    return false;
}

void apps_metrics_end(struct app *app)
{
    struct apps *a = app->apps;
    if (is_back(app))
        return;
    int64_t last_ms = MAX(app->cycle_ts_ms, app->up_ms);
    int64_t ts_ms = MAX(clock_wall_ms(a->config.clock), last_ms + 1);
    app->cycle++; /* none of its series is of the present one */
    app->cycle_n = 0;
    end_missing(app, ts_ms);
    write_up(app, ts_ms, sample_stale());
    a->config.sink->ops->commit(a->config.sink, a->config.lane, on_marked, NULL);
}
