#include "receive/pushgateway_writer.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/stat.h"
#include "model/sample.h"
#include "os/thread.h"

enum {
    SAVE_EVERY_MS = 1000,
    NAP_MS = 1000,
    FILE_BYTES_MAX = 1 << 30,
};

static const char *const MODULE = "pushgateway";
static const char FILE_NAME[] = "pushgateway";
static const char FILE_BAD[] = "pushgateway.damaged";

static struct stat groups_stat =
    STAT_GAUGE("sonde_pushgateway_groups", "Groups that are pushed and not deleted.");
static struct stat samples =
    STAT_COUNTER("sonde_pushgateway_samples_total", "Samples that were written of pushed groups.");
static struct stat refused = STAT_COUNTER("sonde_pushgateway_refused_total",
                                          "Samples of pushed groups that the store did not take.");

struct pushgateway_writer {
    struct pushgateway_writer_plan plan;
    struct thread thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool woken, stop;
    size_t commits; /* under way */
    int64_t due_ms, saved_ms;
    /* The thread's: */
    int64_t now_ms;
    bool appended;
    struct tenant *tenant;
    struct batch batch;
};

static void flush(struct pushgateway_writer *w)
{
    struct why why = {0};
    struct batch *b = &w->batch;
    if (b->n == 0)
        return;
    int n = w->plan.sink->ops->append(w->plan.sink, w->plan.lane, w->tenant, b, &why);
    if (n < 0 || (size_t)n < b->n)
        log_debug(MODULE, "%s", why.text[0] ? why.text : err_text(n < 0 ? n : -ERR_FORMAT));
    stat_add(&samples, (uint64_t)MAX(n, 0));
    stat_add(&refused, b->n - (uint64_t)MAX(n, 0));
    w->appended = w->appended || n > 0;
    b->n = 0;
}

static void put(struct pushgateway_writer *w, struct str key, double value,
                const struct histogram *h)
{
    struct batch *b = &w->batch;
    size_t i = b->n++;
    b->key[i] = key;
    b->ts_ms[i] = w->now_ms;
    b->value[i] = value;
    b->histogram[i] = h;
    b->start_ms[i] = 0;
    if (b->n == BATCH_MAX)
        flush(w);
}

static void put_series(struct pushgateway_writer *w, const struct pushgateway_series *s)
{
    put(w, s->key, s->value, s->histogram);
}

/* Under the lock of the groups. */
static void write_group(void *context, struct pushgateway_group *group)
{
    struct pushgateway_writer *w = context;
    const struct sink_ops *ops = w->plan.sink->ops;
    if (group->tenant == NULL &&
        ops->tenant(w->plan.sink, group->grouping.tenant, &group->tenant, NULL) != 0)
        return; /* too many tenants: there may be room later */
    w->tenant = group->tenant;
    for (size_t i = 0; i < group->families.n; i++) {
        const struct pushgateway_family *f = group->families.v[i];
        for (size_t k = 0; k < f->n; k++)
            put_series(w, &f->v[k]);
    }
    put_series(w, &group->times[0]);
    put_series(w, &group->times[1]);
    flush(w);
    for (size_t i = 0; group->dirty && i < group->families.n; i++) {
        const struct pushgateway_family *f = group->families.v[i];
        const struct metadata m = {f->name, f->type, f->help, f->unit};
        /* A help text that is refused is no loss of data. */
        (void)!ops->metadata(w->plan.sink, w->plan.lane, w->tenant, &m);
    }
}

/* Staleness markers for what is gone. */
static void write_ended(struct pushgateway_writer *w)
{
    static const struct histogram STALE = {.sum = 0};
    struct histogram stale = STALE;
    struct arena a;
    struct pushgateway_ended *ended;
    arena_init(&a);
    stale.sum = sample_stale();
    size_t n = pushgateway_groups_ended(w->plan.groups, &a, &ended);
    for (size_t i = 0; i < n; i++) {
        struct tenant *tenant;
        if (w->plan.sink->ops->tenant(w->plan.sink, ended[i].tenant, &tenant, NULL) != 0)
            continue; /* the store has no such series then */
        if (tenant != w->tenant)
            flush(w);
        w->tenant = tenant;
        put(w, ended[i].key, sample_stale(), ended[i].histogram ? &stale : NULL);
    }
    flush(w);
    arena_done(&a);
}

static void committed(void *context, int err)
{
    struct pushgateway_writer *w = context;
    if (err != 0)
        log_warn(MODULE, "pushed groups could not be stored: %s", err_text(err));
    thread_lock(&w->lock);
    w->commits--;
    thread_wake_all(&w->changed);
    thread_unlock(&w->lock);
}

static void commit(struct pushgateway_writer *w)
{
    if (!w->appended)
        return;
    w->appended = false;
    thread_lock(&w->lock);
    w->commits++;
    thread_unlock(&w->lock);
    w->plan.sink->ops->commit(w->plan.sink, w->plan.lane, committed, w);
}

/* ---- the file */

static void save(struct pushgateway_writer *w)
{
    struct buf bytes;
    if (w->plan.disk == NULL || !pushgateway_groups_changed(w->plan.groups))
        return;
    buf_init(&bytes, FILE_BYTES_MAX);
    pushgateway_groups_save(w->plan.groups, &bytes);
    int err =
        buf_failed(&bytes) ? -ERR_LIMIT : disk_replace(w->plan.disk, FILE_NAME, bytes.p, bytes.n);
    if (err != 0)
        log_warn(MODULE, "pushed groups could not be kept in DATA/%s: %s", FILE_NAME,
                 err_text(err));
    buf_done(&bytes);
}

static void load(struct pushgateway_writer *w)
{
    struct why why = {0};
    void *bytes;
    size_t n;
    if (w->plan.disk == NULL)
        return;
    int err = disk_slurp(w->plan.disk, FILE_NAME, FILE_BYTES_MAX, &bytes, &n);
    if (err == -ERR_NOENT)
        return;
    if (err == 0) {
        err = pushgateway_groups_load(w->plan.groups, str_of(bytes, n), &why);
        mem_free(bytes);
    }
    if (err == 0)
        return;
    log_warn(MODULE, "%s; it is put aside as %s", why.text[0] ? why.text : err_text(err), FILE_BAD);
    err = disk_rename(w->plan.disk, FILE_NAME, FILE_BAD);
    if (err != 0)
        log_warn(MODULE, "%s cannot be renamed: %s", FILE_NAME, err_text(err));
}

/* ---- the thread */

static void round_of(struct pushgateway_writer *w)
{
    w->now_ms = clock_wall_ms(w->plan.clock);
    pushgateway_groups_expire(w->plan.groups, w->now_ms);
    bool due = w->now_ms >= w->due_ms || w->due_ms - w->now_ms > 2 * w->plan.interval_ms;
    write_ended(w);
    pushgateway_groups_each(w->plan.groups, true, write_group, w);
    if (due) {
        w->due_ms = (w->now_ms / w->plan.interval_ms + 1) * w->plan.interval_ms;
        pushgateway_groups_each(w->plan.groups, false, write_group, w);
    }
    commit(w);
    if (w->now_ms - w->saved_ms >= SAVE_EVERY_MS || w->now_ms < w->saved_ms) {
        save(w);
        w->saved_ms = w->now_ms;
    }
    stat_set(&groups_stat, (double)pushgateway_groups_n(w->plan.groups));
}

static void run(void *context)
{
    struct pushgateway_writer *w = context;
    for (;;) {
        thread_lock(&w->lock);
        if (!w->woken && !w->stop)
            thread_wait_for(&w->changed, &w->lock, NAP_MS * 1000000LL);
        bool stop = w->stop;
        w->woken = false;
        thread_unlock(&w->lock);
        round_of(w);
        if (stop)
            break;
    }
    save(w);
}

struct pushgateway_writer *pushgateway_writer_new(const struct pushgateway_writer_plan *plan)
{
    struct pushgateway_writer *w = mem_new(sizeof *w);
    w->plan = *plan;
    thread_lock_init(&w->lock);
    thread_cond_init(&w->changed);
    stat_register(&groups_stat);
    stat_register(&samples);
    stat_register(&refused);
    load(w);
    thread_start(&w->thread, "pushgateway", run, w);
    return w;
}

void pushgateway_writer_wake(struct pushgateway_writer *w)
{
    thread_lock(&w->lock);
    w->woken = true;
    thread_wake_all(&w->changed);
    thread_unlock(&w->lock);
}

void pushgateway_writer_free(struct pushgateway_writer *w)
{
    if (w == NULL)
        return;
    thread_lock(&w->lock);
    w->stop = true;
    thread_wake_all(&w->changed);
    thread_unlock(&w->lock);
    thread_join(&w->thread);
    thread_lock(&w->lock);
    while (w->commits > 0)
        thread_wait(&w->changed, &w->lock);
    thread_unlock(&w->lock);
    mem_free(w);
}
