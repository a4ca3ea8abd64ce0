#include "store/series/store.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/vec.h"
#include "os/memory.h"
#include "store/face/selector.h"
#include "store/series/store_inside.h"

enum {
    SERIES_BYTES = 640, /* memory set aside for one series when the limit is automatic */
    CACHE_SHARE = 20,   /* of the memory: one in so many */
    CACHE_MIN = 4 << 20,
    CACHE_MAX = 1 << 30,
    WORK_INTERVAL_MS = 250,
};

static struct stat stat_series = STAT_GAUGE("sonde_store_series", "Active series of all tenants.");
static struct stat stat_samples =
    STAT_GAUGE("sonde_store_head_samples", "Samples in memory that no part holds yet.");
static struct stat stat_parts = STAT_GAUGE("sonde_store_parts", "Parts of all tenants.");
static struct stat stat_disk =
    STAT_GAUGE("sonde_store_disk_bytes", "Bytes of parts on disk, all tenants.");
static struct stat stat_log = STAT_GAUGE("sonde_store_log_bytes", "Bytes of the write-ahead log.");
static struct stat stat_head =
    STAT_GAUGE("sonde_store_head_bytes", "Memory of the heads, roughly.");

struct part_place store_place(struct store *s)
{
    return (struct part_place){s->config.disk, s->cache, s->ring};
}

void store_warn(struct store *s, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (s->config.warn)
        s->config.warn(s->config.warn_context, text);
}

static const struct store_tenant_limits *limits_of(struct store *s, const struct tenant *t)
{
    const struct store_tenant_limits *rows = s->settings.tenants.v;
    for (size_t i = 0; i < s->settings.tenants.n; i++)
        if (strcmp(rows[i].name, t->name) == 0)
            return &rows[i];
    return NULL;
}

struct head_limits store_limits(struct store *s, const struct tenant *t)
{
    const struct store_tenant_limits *own = limits_of(s, t);
    uint64_t series_max = (uint64_t)s->settings.series_max;
    if (own && own->series_max)
        series_max = (uint64_t)own->series_max;
    return (struct head_limits){
        .series_max = series_max ? MIN(series_max, s->series_max_auto) : s->series_max_auto,
        .series_per_metric_max = (uint64_t)s->settings.series_per_metric_max,
    };
}

uint32_t store_minute(struct store *s)
{
    return (uint32_t)(MAX(clock_wall_ms(s->config.clock), 0) / 60000);
}

size_t store_exemplars_max(struct store *s)
{
    return (size_t)s->settings.exemplars_max;
}

size_t store_class_of(struct store *s, const struct tenant *t, struct str key)
{
    for (size_t i = 1; i < s->classes_n; i++)
        if ((!*s->classes[i].tenant || strcmp(s->classes[i].tenant, t->name) == 0) &&
            index_matchers_match(s->classes[i].matchers, key))
            return i;
    return 0;
}

struct tenant **store_tenants(struct store *s, size_t *ret_n)
{
    must(pthread_rwlock_rdlock(&s->tenants_lock) == 0);
    struct tenant **list = mem_copy(s->tenants.v, s->tenants.n * sizeof *list);
    *ret_n = s->tenants.n;
    must(pthread_rwlock_unlock(&s->tenants_lock) == 0);
    return list;
}

/* ---- opening */

static int compile_classes(struct store *s, struct why *why)
{
    const struct store_retention *rows = s->settings.retention.v;
    s->classes[0] =
        (struct store_class){.name = "", .tenant = "", .keep_s = s->settings.retention_s};
    s->classes_n = 1;
    for (size_t i = 0; i < s->settings.retention.n; i++) {
        if (s->classes_n == STORE_CLASSES_MAX)
            return why_set(why, ERR_LIMIT, "store.retention has more than %d rows",
                           STORE_CLASSES_MAX - 1);
        struct store_class *c = &s->classes[s->classes_n];
        struct arena arena;
        struct matcher *matchers;
        size_t n;
        arena_init(&arena);
        int err = selector_parse(str_c(rows[i].selector), &arena, &matchers, &n, why);
        if (!err)
            err = index_matchers_new(matchers, n, &c->matchers, why);
        arena_done(&arena);
        if (err) {
            why_prefix(why, "store.retention row %zu, selector", i + 1);
            return err;
        }
        snprintf(c->name, sizeof c->name, "keep-%lld-%u", (long long)rows[i].keep_s,
                 (unsigned)i + 1);
        c->tenant = rows[i].tenant;
        c->keep_s = rows[i].keep_s;
        s->classes_n++;
    }
    return 0;
}

static struct page_cache *make_cache(const struct store_settings *settings)
{
    uint64_t bytes = (uint64_t)settings->page_cache_bytes;
    if (bytes == 0)
        bytes =
            MIN(MAX(memory_limit_bytes() / CACHE_SHARE, (uint64_t)CACHE_MIN), (uint64_t)CACHE_MAX);
    return page_cache_new(bytes);
}

static int open_log(struct store *s, uint64_t last_segment, struct why *why)
{
    struct log_settings settings = {
        .lanes = s->config.lanes,
        .segment_bytes = (uint64_t)s->settings.log_segment_bytes,
        .commit_interval_ms = s->settings.commit_interval_ms,
        .unsynced = strcmp(s->settings.acknowledge, "appended") == 0,
        .first_segment = last_segment + 1,
        .manual = s->config.manual,
    };
    return log_open(s->config.disk, "log", s->ring, &settings, &s->log, why);
}

static void register_stats(void)
{
    struct stat *all[] = {&stat_series, &stat_samples, &stat_parts,
                          &stat_disk,   &stat_log,     &stat_head};
    for (size_t i = 0; i < COUNTOF(all); i++)
        stat_register(all[i]);
}

/* Where definitions of series were lost, the log must not be read a second time with other series
 * under their ids: what could be read of it goes into parts at once, and the catalogue is written
 * anew. Else ids that nothing names may be given out. */
static void settle(struct store *s)
{
    struct why why = {0};
    bool lost = s->orphans || s->replay_bad;
    for (size_t i = 0; i < s->tenants.n; i++) {
        lost |= s->tenants.v[i]->catalogue.lost;
        if (!s->tenants.v[i]->catalogue.lost && s->orphans == 0 && s->replay_bad == 0)
            head_free_holes(s->tenants.v[i]->head);
    }
    if (lost && store_flush_all(s, &why))
        store_warn(s, "flush: %s", why.text);
}

static int open_files(struct store *s, struct why *why)
{
    uint64_t last_segment = 0;
    int err = disk_lock(s->config.disk, "lock");
    if (err)
        return why_set(why, (enum err) - err, "the data directory is in use by another process: %s",
                       err_text(err));
    if (*s->settings.key_file)
        err = keyring_load(s->settings.key_file, &s->ring, why);
    if (err)
        return err;
    s->cache = make_cache(&s->settings);
    err = disk_make_dir(s->config.disk, "tenants");
    if (err)
        return why_set(why, (enum err) - err, "cannot write to the data directory: %s",
                       err_text(err));
    store_snapshot_clean(s);
    err = store_load_tenants(s, why);
    if (!err)
        err = store_replay(s, &last_segment, why);
    if (!err)
        err = open_log(s, last_segment, why);
    if (!err)
        settle(s);
    return err;
}

static void background(void *context)
{
    struct store *s = context;
    thread_background();
    thread_lock(&s->wake_lock);
    while (!s->stopping) {
        thread_wait_for(&s->wake, &s->wake_lock, (int64_t)WORK_INTERVAL_MS * 1000000);
        thread_unlock(&s->wake_lock);
        while (!s->stopping && store_work(s))
            ;
        thread_lock(&s->wake_lock);
    }
    thread_unlock(&s->wake_lock);
}

int store_open(const struct store_config *config, struct store **ret, struct why *why)
{
    must(config->lanes > 0 && config->lanes <= SINK_LANES_MAX);
    struct store *s = mem_new(sizeof *s);
    s->sink.ops = &store_sink_ops;
    s->face.ops = &store_face_ops;
    s->config = *config;
    s->settings = *config->settings;
    atomic_init(&s->out_of_order_s, s->settings.out_of_order_window_s);
    s->series_max_auto = MAX(memory_limit_bytes() / 2 / SERIES_BYTES, (uint64_t)10000);
    must(pthread_rwlock_init(&s->tenants_lock, NULL) == 0);
    thread_lock_init(&s->work_lock);
    thread_lock_init(&s->wake_lock);
    thread_cond_init(&s->wake);
    map_init(&s->by_name, 0);
    for (uint32_t i = 0; i < config->lanes; i++) {
        head_writer_init(&s->lanes[i].writer, i);
        buf_init(&s->lanes[i].record, LOG_RECORD_MAX);
    }
    register_stats();

    int err = compile_classes(s, why);
    if (!err)
        err = open_files(s, why);
    if (err) {
        store_abandon(s);
        return err;
    }
    if (!config->manual)
        thread_start(&s->background, "background", background, s);
    *ret = s;
    return 0;
}

/* ---- closing */

static void stop_background(struct store *s)
{
    thread_lock(&s->wake_lock);
    s->stopping = true;
    thread_wake_all(&s->wake);
    thread_unlock(&s->wake_lock);
    thread_join(&s->background);
}

void store_abandon(struct store *s)
{
    if (!s)
        return;
    stop_background(s);
    log_close(s->log);
    for (size_t i = 0; i < s->tenants.n; i++)
        tenant_free(s->tenants.v[i]);
    vec_free(&s->tenants);
    map_done(&s->by_name);
    for (size_t i = 1; i < s->classes_n; i++)
        index_matchers_free(s->classes[i].matchers);
    for (uint32_t i = 0; i < s->config.lanes; i++) {
        head_writer_done(&s->lanes[i].writer);
        buf_done(&s->lanes[i].record);
    }
    page_cache_free(s->cache);
    keyring_free(s->ring);
    must(pthread_rwlock_destroy(&s->tenants_lock) == 0);
    must(pthread_mutex_destroy(&s->work_lock) == 0);
    must(pthread_mutex_destroy(&s->wake_lock) == 0);
    must(pthread_cond_destroy(&s->wake) == 0);
    mem_free(s);
}

void store_close(struct store *s)
{
    if (!s)
        return;
    stop_background(s);
    struct why why = {0};
    if (s->log && store_flush(s, &why))
        store_warn(s, "the last flush failed, the log keeps the samples: %s", why.text);
    store_abandon(s);
}

/* ---- the rest */

struct sink *store_sink(struct store *s)
{
    return &s->sink;
}

struct series_store *store_face(struct store *s)
{
    return &s->face;
}

int store_writable(struct store *s, struct why *why)
{
    int err = log_ready(s->log);
    return err ? why_set(why, (enum err) - err, "writes are refused: %s", err_text(err)) : 0;
}

void store_reload(struct store *s, const struct store_settings *settings)
{
    thread_lock(&s->work_lock);
    must(pthread_rwlock_wrlock(&s->tenants_lock) == 0); /* who makes a tenant reads its limits */
    struct store_settings before = s->settings;
    s->settings = *settings;
    atomic_store_explicit(&s->out_of_order_s, settings->out_of_order_window_s,
                          memory_order_relaxed);
    s->settings.retention = before.retention; /* compiled at the start */
    s->settings.key_file = before.key_file;
    s->settings.acknowledge = before.acknowledge;
    s->classes[0].keep_s = s->settings.retention_s;
    must(pthread_rwlock_unlock(&s->tenants_lock) == 0);
    size_t n;
    struct tenant **list = store_tenants(s, &n);
    for (size_t i = 0; i < n; i++) {
        must(pthread_rwlock_wrlock(&list[i]->head->index_lock) == 0);
        list[i]->head->limits = store_limits(s, list[i]);
        must(pthread_rwlock_unlock(&list[i]->head->index_lock) == 0);
    }
    mem_free(list);
    thread_unlock(&s->work_lock);
}

int store_flush(struct store *s, struct why *why)
{
    thread_lock(&s->work_lock);
    int err = store_flush_all(s, why);
    thread_unlock(&s->work_lock);
    return err;
}

int store_merge(struct store *s, bool final, struct why *why)
{
    size_t n;
    int err = 0;
    thread_lock(&s->work_lock);
    struct tenant **list = store_tenants(s, &n);
    for (size_t i = 0; i < n && !err; i++)
        for (bool any = true; any && !err;)
            err = store_merge_tenant(s, list[i], final, &any, why);
    mem_free(list);
    thread_unlock(&s->work_lock);
    return err;
}

void store_stats(struct store *s, struct store_stats *ret)
{
    size_t n;
    struct tenant **list = store_tenants(s, &n);
    struct log_stats log = log_stats(s->log);
    *ret = (struct store_stats){.tenants = n,
                                .log_bytes = log.bytes,
                                .replayed_samples = s->replayed_samples,
                                .orphans = s->orphans,
                                .replay_ns = s->replay_ns};
    for (size_t i = 0; i < n; i++) {
        ret->series += list[i]->head->alive;
        ret->samples_in_head += head_samples(list[i]->head);
        ret->head_bytes += head_bytes(list[i]->head);
        thread_lock(&list[i]->parts_lock);
        ret->parts += list[i]->parts.n;
        for (size_t k = 0; k < list[i]->parts.n; k++)
            ret->bytes_on_disk += part_info(list[i]->parts.v[k]->part)->disk_bytes;
        thread_unlock(&list[i]->parts_lock);
    }
    mem_free(list);
    uint64_t free_bytes = 0, total = 0;
    if (disk_space(s->config.disk, &free_bytes, &total) == 0) {
        ret->disk_free = (int64_t)free_bytes;
        ret->disk_total = (int64_t)total;
    }
    stat_set(&stat_series, (double)ret->series);
    stat_set(&stat_samples, (double)ret->samples_in_head);
    stat_set(&stat_parts, (double)ret->parts);
    stat_set(&stat_disk, (double)ret->bytes_on_disk);
    stat_set(&stat_log, (double)ret->log_bytes);
    stat_set(&stat_head, (double)ret->head_bytes);
}

/* The eight metrics that were refused most. */
static void worst_of(const struct head *h, struct store_tenant_stats *ret)
{
    for (size_t i = 0; i < h->excess_n; i++) {
        ret->refused += h->excess[i].refused;
        size_t k = ret->worst_n < COUNTOF(ret->worst) ? ret->worst_n++ : ret->worst_n;
        if (k == COUNTOF(ret->worst) && ret->worst[k - 1].refused >= h->excess[i].refused)
            continue;
        for (k = MIN(k, COUNTOF(ret->worst) - 1);
             k > 0 && ret->worst[k - 1].refused < h->excess[i].refused; k--)
            ret->worst[k] = ret->worst[k - 1];
        ret->worst[k] = (struct store_excess){h->excess[i].metric, h->excess[i].refused};
    }
    ret->refused += h->excess_other;
}

void store_each_tenant(struct store *s, void (*f)(void *context, const struct store_tenant_stats *),
                       void *context)
{
    size_t n;
    struct tenant **list = store_tenants(s, &n);
    for (size_t i = 0; i < n; i++) {
        struct tenant *t = list[i];
        struct store_tenant_stats row = {.name = str_c(t->name)};
        must(pthread_rwlock_rdlock(&t->head->index_lock) == 0);
        row.series = t->head->alive;
        row.series_max = t->head->limits.series_max;
        worst_of(t->head, &row);
        thread_lock(&t->parts_lock);
        row.parts = t->parts.n;
        for (size_t k = 0; k < t->parts.n; k++)
            row.bytes_on_disk += part_info(t->parts.v[k]->part)->disk_bytes;
        thread_unlock(&t->parts_lock);
        f(context, &row);
        must(pthread_rwlock_unlock(&t->head->index_lock) == 0);
    }
    mem_free(list);
}

static void each_part(struct tenant *t, void (*f)(void *context, const struct store_part *),
                      void *context)
{
    thread_lock(&t->parts_lock);
    for (size_t i = 0; i < t->parts.n; i++) {
        const struct part_info *info = part_info(t->parts.v[i]->part);
        if (info->tier != PART_RAW)
            continue;
        struct store_part row = {.dir = t->parts.v[i]->dir,
                                 .first_ms = info->first_ms,
                                 .last_ms = info->last_ms,
                                 .samples = info->samples,
                                 .series = info->series,
                                 .chunks = info->chunks,
                                 .level = info->level};
        f(context, &row);
    }
    thread_unlock(&t->parts_lock);
}

void store_each_part(struct store *s, struct str tenant,
                     void (*f)(void *context, const struct store_part *), void *context)
{
    size_t n;
    struct tenant **list = store_tenants(s, &n);
    for (size_t i = 0; i < n; i++)
        if (str_eq(str_c(list[i]->name), tenant))
            each_part(list[i], f, context);
    mem_free(list);
}
