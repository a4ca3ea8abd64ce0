#include "custom/custom.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/stat.h"
#include "collect/emit_writer.h"
#include "custom/custom_source.h"
#include "os/loop.h"
#include "os/pool.h"
#include "os/thread.h"

enum {
    NAP_MS = 1000, /* between two looks at the clock at most: it may be set */
    NAP_LEAST_MS = 1,
    QUEUE_MAX = 4 * CUSTOM_SETTINGS_ROWS_MAX,
};

#define HEALTH(metric, type, help)                                                                 \
    {                                                                                              \
        "sonde_custom_" metric, type, help,                                                        \
        {                                                                                          \
            "kind", "name"                                                                         \
        }                                                                                          \
    }

static const struct family UP = HEALTH("up", METRIC_GAUGE, "Did the row's last run succeed?");
static const struct family DURATION =
    HEALTH("duration_seconds", METRIC_GAUGE, "How long the row's last run took.");
static const struct family SERIES = HEALTH("series", METRIC_GAUGE, "Series of the row.");
static const struct family RUNS = HEALTH("runs_total", METRIC_COUNTER, "Runs of the row.");
static const struct family FAILURES =
    HEALTH("failures_total", METRIC_COUNTER, "Runs of the row that failed.");
static const struct family MISSED =
    HEALTH("missed_total", METRIC_COUNTER, "Runs left out since the one before was not over.");

static const struct family STATUS =
    HEALTH("exit_status", METRIC_GAUGE, "Exit status of the program, -1 where a signal ended it.");

static struct stat samples = STAT_COUNTER("sonde_custom_samples_total", "Samples written.");
static struct stat refused =
    STAT_COUNTER("sonde_custom_samples_refused_total", "Samples that the store did not take.");
static struct stat lost = STAT_COUNTER("sonde_custom_commits_failed_total",
                                       "Runs whose samples could not be made durable.");

struct source {
    struct custom *custom;
    const struct custom_settings_row *row;
    const struct custom_source_ops *ops;
    void *state;

    /* The run's, and the loop's while there is none. */
    struct custom_source_run run;
    int err;
    int64_t begun_ns, duration_ns;

    /* The loop's. */
    struct emit health;
    bool busy, warned;
    int64_t due_ms, run_ms;
    unsigned fruitless;      /* runs in a row that gave nothing */
    struct custom_view view; /* under the lock */
};

struct custom {
    struct custom_plan plan;
    struct source *v; /* [n] */
    size_t n;
    struct tenant *tenant;
    struct emit_writer writer;
    struct loop *loop;
    struct fetcher *fetcher;
    struct timer *timer;
    struct pool *pool;
    struct thread thread;
    pthread_mutex_t lock; /* over the views */
};

/* ---- writing */

static void committed(void *context, int err)
{
    (void)context;
    if (err)
        stat_add(&lost, 1);
}

static void report(struct source *s)
{
    struct emit *e = &s->health;
    const struct custom_view *v = &s->view;
    struct str kind = str_c(s->ops->kind), name = str_c(s->row->name);
    emit_begin(e);
    emit(e, &UP, v->up, kind, name);
    emit(e, &DURATION, v->duration_s, kind, name);
    emit(e, &SERIES, (double)v->series, kind, name);
    emit(e, &RUNS, (double)v->runs, kind, name);
    emit(e, &FAILURES, (double)v->failures, kind, name);
    emit(e, &MISSED, (double)v->missed, kind, name);
    if (s->run.ended)
        emit(e, &STATUS, s->run.status, kind, name);
    emit_end(e);
    emit_writer_run(&s->custom->writer, e, s->run_ms);
}

/* ---- a run */

static void tell(struct source *s)
{
    bool failed = s->err != 0;
    if (failed && s->run.why.text[0] == '\0')
        (void)why_set(&s->run.why, (enum err) - s->err, "%s", err_text(s->err)); /* for its text */
    if (failed && !s->warned)
        log_warn("custom", "%s %s: %s", s->ops->kind, s->row->name, s->run.why.text);
    if (!failed && s->warned)
        log_info("custom", "%s %s: works again", s->ops->kind, s->row->name);
    s->warned = failed;
}

/* On the loop, when a run is over. */
static void finish(struct source *s)
{
    struct custom *c = s->custom;
    emit_end(&s->run.emit);
    tell(s);
    s->fruitless = s->run.emit.emitted == 0 && s->err != 0 ? s->fruitless + 1 : 0;
    if (s->fruitless == 0 || s->fruitless >= CUSTOM_FAILURES_MAX)
        emit_writer_run(&c->writer, &s->run.emit, s->run_ms);
    thread_lock(&c->lock);
    struct custom_view *v = &s->view;
    v->busy = s->busy = false;
    v->up = s->err == 0;
    v->last_ms = s->run_ms;
    v->duration_s = (double)s->duration_ns / 1e9;
    v->series = s->run.emit.n;
    v->runs++;
    v->failures += s->err != 0;
    snprintf(v->text, sizeof v->text, "%s", s->err != 0 ? s->run.why.text : "");
    thread_unlock(&c->lock);
    report(s);
    c->plan.sink->ops->commit(c->plan.sink, c->plan.lane, committed, NULL);
}

static void end_run(struct source *s, int err)
{
    s->err = err;
    s->duration_ns = clock_monotonic_ns(s->custom->plan.clock) - s->begun_ns;
}

static void on_finished(void *context)
{
    struct source *s = context;
    if (s->custom->timer != NULL) /* else it ends with the daemon: there is no sink to write to */
        finish(s);
}

static void on_pool(void *context)
{
    struct source *s = context;
    s->begun_ns = clock_monotonic_ns(s->custom->plan.clock);
    end_run(s, s->ops->run(s->state, &s->run));
    loop_post(s->custom->loop, on_finished, s);
}

static void on_done(void *context, int err)
{
    struct source *s = context;
    end_run(s, err);
    finish(s);
}

static void begin(struct source *s)
{
    struct custom *c = s->custom;
    thread_lock(&c->lock);
    bool busy = s->busy;
    s->view.missed += busy;
    s->view.busy = s->busy = true;
    thread_unlock(&c->lock);
    if (busy)
        return;
    s->run_ms = s->due_ms;
    s->run.why = (struct why){0};
    s->run.ended = false;
    s->begun_ns = clock_monotonic_ns(c->plan.clock);
    emit_begin(&s->run.emit);
    if (s->ops->start != NULL)
        s->ops->start(s->state, &s->run, on_done, s);
    else if (pool_run(c->pool, on_pool, s) != 0)
        on_done(s, why_set(&s->run.why, ERR_BUSY, "too many rows wait for a thread"));
}

/* ---- time */

static int64_t after(int64_t now_ms, int64_t step_ms)
{
    return (now_ms / step_ms + 1) * step_ms;
}

static void tick(void *context)
{
    struct custom *c = context;
    int64_t now = clock_wall_ms(c->plan.clock), next = now + NAP_MS;
    for (size_t i = 0; i < c->n; i++) {
        struct source *s = &c->v[i];
        int64_t step = s->row->interval_ms;
        if (s->due_ms - now > step + NAP_MS) /* the clock was set back */
            s->due_ms = after(now, step);
        if (s->due_ms <= now) {
            if (now - s->due_ms >= step) /* missed ones are passed over */
                s->due_ms = now / step * step;
            begin(s);
            s->due_ms = after(now, step);
        }
        next = MIN(next, s->due_ms);
    }
    timer_again(c->timer, MAX(next - now, (int64_t)NAP_LEAST_MS), 0);
}

static void run(void *context)
{
    struct custom *c = context;
    loop_run(c->loop);
}

void custom_start(struct custom *c)
{
    /* The first runs come soon, whatever the interval is. */
    int64_t now = clock_wall_ms(c->plan.clock);
    for (size_t i = 0; i < c->n; i++)
        c->v[i].due_ms = after(now, MIN(c->v[i].row->interval_ms, (int64_t)NAP_MS));
    if (c->n > 0)
        thread_start(&c->thread, "custom", run, c);
}

/* ---- life */

static int add_rows(struct custom *c, const struct option_rows *rows, size_t size,
                    const struct custom_source_ops *ops, struct why *why)
{
    const struct custom_source_host host = {c->plan.launcher, c->fetcher, c->plan.disk,
                                            c->plan.clock};
    for (size_t i = 0; i < rows->n; i++) {
        struct source *s = &c->v[c->n];
        s->custom = c;
        s->ops = ops;
        s->row = (const void *)((const char *)rows->v + i * size);
        s->view = (struct custom_view){
            .kind = ops->kind, .name = s->row->name, .interval_ms = s->row->interval_ms};
        int err = ops->open(&host, s->row, &s->state, why);
        if (err != 0) {
            why_prefix(why, "custom %s %s", ops->kind, s->row->name);
            return err;
        }
        emit_init(&s->run.emit, str_c(s->row->job), c->plan.instance);
        emit_init(&s->health, str_c(s->row->job), c->plan.instance);
        c->n++;
    }
    return 0;
}

static int add_all(struct custom *c, struct why *why)
{
    const struct custom_settings *s = c->plan.settings;
    int err = add_rows(c, &s->commands, sizeof(struct custom_settings_command),
                       &custom_command_source, why);
    if (err == 0)
        err = add_rows(c, &s->https, sizeof(struct custom_settings_http), &custom_http_source, why);
    if (err == 0)
        err = add_rows(c, &s->sqls, sizeof(struct custom_settings_sql), &custom_sql_source, why);
    if (err == 0)
        err = add_rows(c, &s->logs, sizeof(struct custom_settings_log), &custom_log_source, why);
    return err;
}

int custom_new(const struct custom_plan *plan, struct custom **ret, struct why *why)
{
    const struct custom_settings *s = plan->settings;
    size_t rows = s->commands.n + s->https.n + s->sqls.n + s->logs.n;
    struct custom *c = mem_new(sizeof *c);
    c->plan = *plan;
    c->v = mem_array(rows + 1, sizeof *c->v);
    thread_lock_init(&c->lock);
    stat_register(&samples);
    stat_register(&refused);
    stat_register(&lost);
    int err = plan->sink->ops->tenant(plan->sink, plan->tenant, &c->tenant, why);
    const struct emit_writer_plan writer = {.sink = plan->sink,
                                            .lane = plan->lane,
                                            .tenant = c->tenant,
                                            .subject = "custom",
                                            .what = "custom metrics",
                                            .samples = &samples,
                                            .refused = &refused};
    emit_writer_init(&c->writer, &writer);
    if (err == 0 && rows > 0) {
        err = loop_new(&c->loop);
        if (err == 0)
            err = fetcher_new(c->loop, NULL, &c->fetcher);
        if (err != 0)
            why_set(why, (enum err) - err, "no event loop for custom metrics: %s", err_text(err));
    }
    if (err == 0)
        err = add_all(c, why);
    if (err != 0) {
        custom_free(c);
        return err;
    }
    if (rows > 0) {
        c->pool = pool_new("custom", (size_t)MIN(s->own.threads, (int64_t)rows), QUEUE_MAX);
        c->timer = timer_new(c->loop, 1, 0, tick, c);
    }
    *ret = c;
    return 0;
}

void custom_free(struct custom *c)
{
    if (c == NULL)
        return;
    if (c->thread.running) {
        loop_stop(c->loop);
        thread_join(&c->thread);
    }
    timer_free(c->timer);
    c->timer = NULL;
    if (c->plan.launcher != NULL)
        launch_quit(c->plan.launcher);
    pool_free(c->pool);
    for (size_t i = 0; i < c->n; i++)
        c->v[i].ops->close(c->v[i].state);
    fetcher_free(c->fetcher);
    loop_free(c->loop);
    for (size_t i = 0; i < c->n; i++) {
        emit_done(&c->v[i].run.emit);
        emit_done(&c->v[i].health);
    }
    emit_writer_done(&c->writer);
    pthread_mutex_destroy(&c->lock);
    mem_free(c->v);
    mem_free(c);
}

void custom_each(struct custom *c, void (*f)(void *context, const struct custom_view *view),
                 void *context)
{
    for (size_t i = 0; c != NULL && i < c->n; i++) {
        thread_lock(&c->lock);
        struct custom_view view = c->v[i].view;
        thread_unlock(&c->lock);
        f(context, &view);
    }
}
