#include "collect/runner.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/stat.h"
#include "collect/collector.h"
#include "collect/crew.h"
#include "collect/process.h"
#include "model/sample.h"
#include "os/thread.h"

enum { SECOND_MS = 1000, NAP_MS = 1000 };

static const struct family DURATION = {"node_scrape_collector_duration_seconds",
                                       METRIC_GAUGE,
                                       "How long the last run of a collector took.",
                                       {"collector"}};
static const struct family SUCCESS = {"node_scrape_collector_success",
                                      METRIC_GAUGE,
                                      "Whether the last run of a collector succeeded.",
                                      {"collector"}};
static const struct family CPU = {"sonde_collector_cpu_seconds_total",
                                  METRIC_COUNTER,
                                  "CPU time that a collector has used.",
                                  {"collector"}};

static struct stat ticks = STAT_COUNTER("sonde_collect_ticks_total", "Collections made.");
static struct stat missed = STAT_COUNTER("sonde_collect_ticks_missed_total",
                                         "Collections left out because the one before took long.");
static struct stat samples = STAT_COUNTER("sonde_collect_samples_total", "Samples written.");
static struct stat refused =
    STAT_COUNTER("sonde_collect_samples_refused_total", "Samples that the store did not take.");
static struct stat overdue = STAT_COUNTER("sonde_collect_deadline_exceeded_total",
                                          "Runs of collectors that passed their deadline.");
static struct stat lost = STAT_COUNTER("sonde_collect_commits_failed_total",
                                       "Collections that could not be made durable.");

/* One collector in use. */
struct slot {
    struct crew_job job; /* first */
    const struct collector_host *host;
    const struct collector *collector;
    void *state;
    struct emit emit;
    int64_t interval_ms, due_ms;
    struct why why; /* of the last run */
    int64_t duration_ns, cpu_ns, cpu_total_ns;

    /* Not the job's: */
    bool ran, failed, late, warned;
    int64_t last_ms;
    double shown_duration_s, shown_cpu_s;
    char shown_text[WHY_MAX];
    struct emit_series **published; /* [published_n] */
    size_t published_n;
};

struct runner {
    struct runner_plan plan;
    struct collector_host host;
    char instance[HOST_NAME_MAX + 1];
    struct crew *crew;
    struct slot *slots; /* [n] */
    size_t n;
    struct slot own;       /* the runner's own series */
    struct crew_job **due; /* [n], scratch */

    struct tenant *tenant;
    struct batch *batch;
    struct map families; /* whose metadata has been written */
    bool sink_failed;

    struct thread thread;
    pthread_mutex_t lock; /* over what follows and over published series */
    pthread_cond_t wake;
    bool stop;
    struct emit_series **rows; /* [rows_n], families together */
    size_t rows_n;
};

/* ---- writing */

static void flush(struct runner *r)
{
    struct batch *b = r->batch;
    if (b->n == 0 || !r->plan.sink) {
        b->n = 0;
        return;
    }
    struct why why = {0};
    struct sink *s = r->plan.sink;
    int taken = s->ops->append(s, r->plan.lane, r->tenant, b, &why);
    size_t good = taken > 0 ? (size_t)taken : 0;
    stat_add(&samples, good);
    stat_add(&refused, b->n - good);
    bool failed = good < b->n;
    if (failed && !r->sink_failed)
        log_warn("collect", "the store does not take all samples of this host: %s",
                 why.text[0] ? why.text : err_text(taken < 0 ? taken : ERR_LIMIT));
    r->sink_failed = failed;
    b->n = 0;
}

static void put(struct runner *r, struct str key, int64_t ts_ms, double value)
{
    struct batch *b = r->batch;
    if (b->n == BATCH_MAX)
        flush(r);
    b->key[b->n] = key;
    b->ts_ms[b->n] = ts_ms;
    b->value[b->n] = value;
    b->histogram[b->n] = NULL;
    b->start_ms[b->n] = 0;
    b->err[b->n] = 0;
    b->n++;
}

static void put_metadata(struct runner *r, const struct emit_series *s)
{
    bool is_new;
    map_put(&r->families, s->base, &is_new); /* a set */
    if (!is_new || !r->plan.sink)
        return;
    struct metadata m = {.metric = s->base, .type = s->family->type, .help = s->help};
    struct sink *sink = r->plan.sink;
    /* Metadata is a convenience: without it the samples are still right. */
    (void)sink->ops->metadata(sink, r->plan.lane, r->tenant, &m);
}

static void committed(void *context, int err)
{
    (void)context;
    if (err)
        stat_add(&lost, 1);
}

/* ---- publishing what a slot has given */

static int by_family(const void *a, const void *b)
{
    const struct emit_series *x = *(struct emit_series *const *)a;
    const struct emit_series *y = *(struct emit_series *const *)b;
    int order = str_cmp(x->base, y->base);
    return order ? order : str_cmp(x->key, y->key);
}

static void rebuild_rows(struct runner *r)
{
    size_t total = r->own.published_n;
    for (size_t i = 0; i < r->n; i++)
        total += r->slots[i].published_n;
    r->rows = mem_resize(r->rows, (total + 1) * sizeof *r->rows);
    r->rows_n = 0;
    for (size_t i = 0; i <= r->n; i++) {
        const struct slot *s = i < r->n ? &r->slots[i] : &r->own;
        for (size_t k = 0; k < s->published_n; k++)
            r->rows[r->rows_n++] = s->published[k];
    }
    qsort(r->rows, r->rows_n, sizeof *r->rows, by_family);
}

/* The series of a slot that hangs have ended until it comes back. True where there were any. */
static bool withdraw(struct runner *r, struct slot *s, int64_t ts_ms)
{
    bool any = s->published_n > 0;
    for (size_t i = 0; i < s->published_n; i++) {
        s->published[i]->published = false;
        put(r, s->published[i]->key, ts_ms, sample_stale());
    }
    flush(r); /* the keys belong to the emitter, which is not ours */
    s->published_n = 0;
    return any;
}

/* Writes what s gave in its last run; true where its set of series has changed. */
static bool publish(struct runner *r, struct slot *s, int64_t ts_ms)
{
    struct emit *e = &s->emit;
    bool changed = e->n != s->published_n;
    for (size_t i = e->n; i-- > 0;) {
        struct emit_series *x = e->v[i];
        if (x->run == e->run) {
            if (!x->published)
                put_metadata(r, x);
            changed |= !x->published;
            x->published = true;
            x->shown = x->value;
            x->shown_ms = ts_ms;
            continue;
        }
        changed = true;
        if (x->published) {
            put(r, x->key, ts_ms, sample_stale());
            flush(r); /* before its key goes */
        }
        emit_drop(e, i);
    }
    for (size_t i = 0; i < e->n; i++)
        put(r, e->v[i]->key, ts_ms, e->v[i]->value);
    if (changed) {
        s->published = mem_resize(s->published, (e->n + 1) * sizeof *s->published);
        memcpy(s->published, e->v, e->n * sizeof *s->published);
        s->published_n = e->n;
    }
    return changed;
}

/* ---- one collection */

static void run_slot(struct crew_job *job)
{
    struct slot *s = (struct slot *)job;
    int64_t cpu = thread_cpu_ns(), begin = clock_monotonic_ns(&clock_real);
    s->why = (struct why){0};
    emit_begin(&s->emit);
    int err = s->collector->ops->run(s->state, s->host, &s->emit, &s->why);
    emit_end(&s->emit);
    s->why.err = err;
    if (err && s->why.text[0] == 0)
        (void)why_set(&s->why, (enum err) - err, "%s", err_text(err)); /* only for its text */
    s->duration_ns = clock_monotonic_ns(&clock_real) - begin;
    s->cpu_ns = thread_cpu_ns() - cpu;
    s->cpu_total_ns += s->cpu_ns;
}

static void judge(struct slot *s)
{
    bool failed = s->why.err != 0;
    bool loud = failed && s->why.err != -ERR_NOENT;
    if (loud && !s->warned)
        log_warn("collect", "%s: %s", s->collector->name, s->why.text);
    if (!failed && s->warned)
        log_info("collect", "%s: works again", s->collector->name);
    s->warned = loud;
    s->failed = failed;
    s->ran = true;
    s->shown_duration_s = (double)s->duration_ns / 1e9;
    s->shown_cpu_s = (double)s->cpu_total_ns / 1e9;
    memcpy(s->shown_text, s->why.text, sizeof s->shown_text);
}

/* With the lock held. */
static bool settle(struct runner *r, struct slot *s, bool busy, int64_t ts_ms)
{
    if (!busy) {
        s->late = false;
        s->last_ms = ts_ms;
        judge(s);
        return publish(r, s, ts_ms);
    }
    if (!s->late) {
        stat_add(&overdue, 1);
        log_warn("collect", "%s: left behind after its deadline of %lld ms", s->collector->name,
                 (long long)r->plan.settings->deadline_ms);
    }
    s->late = s->failed = s->warned = s->ran = true;
    s->shown_duration_s = (double)r->plan.settings->deadline_ms / 1e3;
    memcpy(s->shown_text, "left behind after its deadline",
           sizeof "left behind after its deadline");
    return withdraw(r, s, ts_ms);
}

static bool report(struct runner *r, int64_t ts_ms)
{
    struct emit *e = &r->own.emit;
    emit_begin(e);
    for (size_t i = 0; i < r->n; i++) {
        const struct slot *s = &r->slots[i];
        if (!s->ran)
            continue;
        struct str name = str_c(s->collector->name);
        emit(e, &DURATION, s->shown_duration_s, name);
        emit(e, &SUCCESS, s->failed ? 0 : 1, name);
        emit(e, &CPU, s->shown_cpu_s, name);
    }
    emit_end(e);
    return publish(r, &r->own, ts_ms);
}

void runner_tick(struct runner *r, int64_t ts_ms)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++) {
        struct slot *s = &r->slots[i];
        if (s->due_ms > ts_ms)
            continue;
        s->due_ms = (ts_ms / s->interval_ms + 1) * s->interval_ms;
        r->due[n++] = &s->job;
    }
    if (n == 0)
        return;
    crew_run(r->crew, r->due, n);

    thread_lock(&r->lock);
    bool changed = false;
    for (size_t i = 0; i < n; i++)
        changed |= settle(r, (struct slot *)r->due[i], crew_busy(r->crew, r->due[i]), ts_ms);
    changed |= report(r, ts_ms);
    flush(r);
    if (changed)
        rebuild_rows(r);
    thread_unlock(&r->lock);

    stat_add(&ticks, 1);
    if (r->plan.sink)
        r->plan.sink->ops->commit(r->plan.sink, r->plan.lane, committed, NULL);
}

/* ---- time */

/* When the next collection is due; a clock that was set back makes it nearer. */
static int64_t next_due(struct runner *r, int64_t now_ms)
{
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < r->n; i++) {
        struct slot *s = &r->slots[i];
        if (s->due_ms - now_ms > s->interval_ms + SECOND_MS)
            s->due_ms = (now_ms / s->interval_ms + 1) * s->interval_ms;
        next = MIN(next, s->due_ms);
    }
    return next;
}

/* The moment to collect for, at or before now: missed ones are passed over. */
static int64_t catch_up(struct runner *r, int64_t due_ms, int64_t now_ms)
{
    int64_t step = INT64_MAX;
    for (size_t i = 0; i < r->n; i++)
        step = MIN(step, r->slots[i].interval_ms);
    int64_t behind = (now_ms - due_ms) / step;
    if (behind <= 0)
        return due_ms;
    stat_add(&missed, (uint64_t)behind);
    return due_ms + behind * step;
}

static void run(void *p)
{
    struct runner *r = p;
    int64_t now = clock_wall_ms(r->plan.clock);
    for (size_t i = 0; i < r->n; i++) {
        int64_t step = MIN(r->slots[i].interval_ms, SECOND_MS);
        r->slots[i].due_ms = (now / step + 1) * step;
    }
    thread_lock(&r->lock);
    while (!r->stop) {
        now = clock_wall_ms(r->plan.clock);
        int64_t due = next_due(r, now);
        if (due > now) {
            /* Short naps: the wall clock may be set meanwhile. */
            (void)thread_wait_for(&r->wake, &r->lock, MIN(due - now, NAP_MS) * 1000000);
            continue;
        }
        thread_unlock(&r->lock);
        runner_tick(r, catch_up(r, due, now));
        thread_lock(&r->lock);
    }
    thread_unlock(&r->lock);
}

/* ---- life */

static bool listed(const struct option_list *list, const char *name)
{
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->v[i], name) == 0)
            return true;
    return false;
}

static void open_slot(struct runner *r, const struct collector *c)
{
    const struct settings *s = r->plan.settings;
    int at = collector_find(c->name);
    int64_t interval = at < 0 || r->plan.collectors ? c->interval_ms : s->intervals.ms[at];
    if (interval == 0 || listed(&s->disabled, c->name) || (s->only.n && !listed(&s->only, c->name)))
        return;
    struct slot *slot = &r->slots[r->n];
    struct why why = {0};
    *slot = (struct slot){
        .job = {run_slot, false}, .host = &r->host, .collector = c, .interval_ms = interval};
    int err = collector_open(c->ops, &r->host, &slot->state, &why);
    if (err) {
        log_warn("collect", "%s cannot start and is left out: %s", c->name,
                 why.text[0] ? why.text : err_text(err));
        return;
    }
    emit_init(&slot->emit, str_c(s->job), str_c(r->instance));
    r->n++;
}

static void register_stats(void)
{
    stat_register(&ticks);
    stat_register(&missed);
    stat_register(&samples);
    stat_register(&refused);
    stat_register(&overdue);
    stat_register(&lost);
}

/* When the last thread has ended. */
static void release(void *context)
{
    struct runner *r = context;
    for (size_t i = 0; i < r->n; i++) {
        struct slot *s = &r->slots[i];
        collector_close(s->collector->ops, s->state);
        emit_done(&s->emit);
        mem_free(s->published);
    }
    emit_done(&r->own.emit);
    mem_free(r->own.published);
    process_table_free(r->host.processes);
    mem_free(r->slots);
    mem_free(r->due);
    mem_free(r->rows);
    mem_free(r->batch);
    map_done(&r->families);
    pthread_mutex_destroy(&r->lock);
    pthread_cond_destroy(&r->wake);
    mem_free(r);
}

static void name_instance(struct runner *r)
{
    const char *wanted = r->plan.settings->instance;
    if (wanted[0] == 0 && gethostname(r->instance, sizeof r->instance - 1) == 0)
        return;
    size_t n = MIN(strlen(wanted), sizeof r->instance - 1);
    memcpy(r->instance, wanted, n);
    r->instance[n] = 0;
}

int runner_new(const struct runner_plan *plan, struct runner **ret, struct why *why)
{
    struct tenant *tenant = NULL;
    if (plan->sink) {
        int err = plan->sink->ops->tenant(plan->sink, plan->tenant, &tenant, why);
        if (err)
            return err;
    }
    register_stats();
    struct runner *r = mem_new(sizeof *r);
    r->plan = *plan;
    r->tenant = tenant;
    name_instance(r);
    r->host = (struct collector_host){.proc = plan->proc ? plan->proc : "/proc",
                                      .sys = plan->sys ? plan->sys : "/sys",
                                      .cgroup = plan->cgroup ? plan->cgroup : "/sys/fs/cgroup",
                                      .root = plan->root ? plan->root : "",
                                      .clock = plan->clock,
                                      .settings = plan->settings,
                                      .launcher = plan->launcher};
    r->host.processes = process_table_new(&r->host);
    const struct collector *all = plan->collectors ? plan->collectors : collector_all;
    size_t n = plan->collectors ? plan->collectors_n : COLLECTORS_N;
    r->slots = mem_array(n + 1, sizeof *r->slots);
    r->due = mem_array(n + 1, sizeof *r->due);
    r->batch = mem_new(sizeof *r->batch);
    map_init(&r->families, 1);
    thread_lock_init(&r->lock);
    thread_cond_init(&r->wake);
    emit_init(&r->own.emit, str_c(plan->settings->job), str_c(r->instance));
    for (size_t i = 0; i < n; i++)
        open_slot(r, &all[i]);
    r->crew = crew_new("collectors", plan->settings->deadline_ms, release, r);
    *ret = r;
    return 0;
}

void runner_start(struct runner *r)
{
    if (r->n)
        thread_start(&r->thread, "collect", run, r);
}

void runner_free(struct runner *r)
{
    if (!r)
        return;
    thread_lock(&r->lock);
    r->stop = true;
    thread_wake_all(&r->wake);
    thread_unlock(&r->lock);
    thread_join(&r->thread);
    crew_free(r->crew); /* frees r through release(), now or when the last late one is back */
}

/* ---- looking */

void runner_each(struct runner *r, void (*f)(void *context, const struct runner_row *row),
                 void *context)
{
    thread_lock(&r->lock);
    for (size_t i = 0; i < r->rows_n; i++) {
        const struct emit_series *s = r->rows[i];
        struct runner_row row = {s->base, s->help,         s->text,  s->name,
                                 s->key,  s->family->type, s->shown, s->shown_ms};
        f(context, &row);
    }
    thread_unlock(&r->lock);
}

size_t runner_series(struct runner *r)
{
    thread_lock(&r->lock);
    size_t n = r->rows_n;
    thread_unlock(&r->lock);
    return n;
}

void runner_states(struct runner *r, void (*f)(void *context, const struct runner_state *state),
                   void *context)
{
    thread_lock(&r->lock);
    for (size_t i = 0; i < r->n; i++) {
        const struct slot *s = &r->slots[i];
        struct runner_state state = {.name = s->collector->name,
                                     .prose = s->collector->prose,
                                     .interval_ms = s->interval_ms,
                                     .ran = s->ran,
                                     .failed = s->failed,
                                     .late = s->late,
                                     .absent = s->failed && !s->late && !s->warned,
                                     .last_ms = s->last_ms,
                                     .duration_s = s->shown_duration_s,
                                     .cpu_s = s->shown_cpu_s,
                                     .series = s->published_n};
        memcpy(state.text, s->shown_text, sizeof state.text);
        f(context, &state);
    }
    thread_unlock(&r->lock);
}
