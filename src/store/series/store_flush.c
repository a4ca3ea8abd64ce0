#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/vec.h"
#include "model/sample.h"
#include "store/series/chunk.h"
#include "store/series/head_flush.h"
#include "store/series/store_inside.h"

enum { FLUSH_DAYS_MAX = 4096, RETRY_MS = 200, BARRIER_MS = 120000 };

static struct stat stat_flushes =
    STAT_COUNTER("sonde_store_flushes_total", "Flushes of the heads into parts.");
static struct stat stat_failures =
    STAT_COUNTER("sonde_store_flush_failures_total", "Flushes that failed.");
static struct stat stat_seconds =
    STAT_HISTOGRAM("sonde_store_flush_duration_seconds", "Time of a flush of all tenants.");

/* The flush of one tenant. */
struct flush {
    struct store *s;
    struct tenant *t;
    uint32_t *order; /* [order_n] series by key */
    size_t order_n;
    struct flush_group {
        uint32_t base;
        int64_t *ts; /* [n] owned */
        size_t n;
        size_t day_from, day_to;         /* slots of the day being written */
        uint32_t ref[STORE_CLASSES_MAX]; /* column in the class's part + 1; 0: none yet */
    } * groups;                          /* [groups_n] */
    size_t groups_n;
    int64_t from_ms, to_ms; /* the day being written */
    bool first_day;
    struct part_writer *writers[STORE_CLASSES_MAX];
    char *dirs[STORE_CLASSES_MAX];
    struct {
        char **v;
        size_t n, capacity;
    } done;                     /* finished directories */
    struct arena arena;         /* of exemplars */
    struct exemplar *exemplars; /* [exemplars_n] by key, then time */
    size_t exemplars_n, exemplars_at;
    uint64_t exemplars_end; /* count of all that were noted when they were copied */
    struct why *why;
};

static bool in_range(const struct flush *f, int64_t ts)
{
    return ts >= f->from_ms && ts <= f->to_ms;
}

/* The writer of a class, made when first needed. */
static int writer_of(struct flush *f, size_t class, struct part_writer **ret)
{
    if (!f->writers[class]) {
        struct part_place at = store_place(f->s);
        struct part_info info = {.tier = PART_RAW, .level = 0};
        snprintf(info.tenant, sizeof info.tenant, "%s", f->t->name);
        snprintf(info.retention_class, sizeof info.retention_class, "%s",
                 f->s->classes[class].name);
        f->dirs[class] = tenant_new_dir(f->t);
        info.sequence = f->t->sequence;
        int err = part_writer_new(&at, f->dirs[class], &info, &f->writers[class], f->why);
        if (err) {
            mem_free(f->dirs[class]);
            f->dirs[class] = NULL;
            return err;
        }
    }
    *ret = f->writers[class];
    return 0;
}

/* Finds the slots of each group that lie in the day. */
static void find_day_slots(struct flush *f)
{
    for (size_t i = 0; i < f->groups_n; i++) {
        struct flush_group *g = &f->groups[i];
        size_t from = 0, to;
        while (from < g->n && g->ts[from] < f->from_ms)
            from++;
        for (to = from; to < g->n && g->ts[to] <= f->to_ms; to++)
            ;
        g->day_from = from;
        g->day_to = to;
        memset(g->ref, 0, sizeof g->ref);
    }
}

static void starts_for(const struct head_flush *data, const int64_t *ts, size_t n, int64_t *ret)
{
    for (size_t i = 0, k = 0; i < n; i++) {
        while (k < data->starts_n && data->starts[k].ts_ms <= ts[i])
            k++;
        ret[i] = k ? data->starts[k - 1].start_ms : 0;
    }
}

/* The column's slots of one series. */
static int write_slots(struct flush *f, struct part_writer *w, size_t class,
                       const struct head_flush *data, size_t first, size_t n)
{
    struct flush_group *g = &f->groups[data->group];
    if (g->ref[class] == 0) {
        int err = part_writer_ts(w, g->ts + g->day_from, g->day_to - g->day_from, &g->ref[class]);
        if (err)
            return err;
        g->ref[class]++;
    }
    const int64_t *ts = g->ts + first;
    const double *v = data->v + (first + g->base - data->first_slot);
    int64_t *starts = data->starts_n ? mem_array(n, sizeof *starts) : NULL;
    if (starts)
        starts_for(data, ts, n, starts);
    int err = part_writer_floats(w, g->ref[class] - 1, first - g->day_from, ts, v, n, starts);
    mem_free(starts);
    return err;
}

struct mixed {
    struct {
        int64_t *v;
        size_t n, capacity;
    } ts, starts;
    struct {
        double *v;
        size_t n, capacity;
    } values;
    struct {
        const struct histogram **v;
        size_t n, capacity;
    } histograms;
};

static void add_mixed(struct mixed *m, int64_t ts, double v, const struct histogram *h)
{
    vec_push(&m->ts, ts);
    vec_push(&m->values, v);
    vec_push(&m->histograms, h);
}

/* Slots and late entries of the day in one list by time; a late entry wins over a slot. */
static void mix(const struct flush *f, const struct head_flush *data, size_t first, size_t n,
                struct mixed *m)
{
    const struct flush_group *g = &f->groups[data->group];
    size_t i = first, k = 0;
    while (i < first + n || k < data->late_n) {
        bool late = k < data->late_n && (i == first + n || data->late[k].ts_ms <= g->ts[i]);
        if (late) {
            if (i < first + n && data->late[k].ts_ms == g->ts[i])
                i++;
            if (in_range(f, data->late[k].ts_ms))
                add_mixed(m, data->late[k].ts_ms, data->late[k].value, data->late[k].histogram);
            k++;
            continue;
        }
        double v = data->v[i + g->base - data->first_slot];
        if (!chunk_is_absent(v))
            add_mixed(m, g->ts[i], v, NULL);
        i++;
    }
}

/* A part's chunk has either floats or histograms: runs of the same kind are written apart. */
static int write_mixed(struct flush *f, struct part_writer *w, const struct head_flush *data,
                       size_t first, size_t n)
{
    struct mixed m = {0};
    int err = 0;
    mix(f, data, first, n, &m);
    vec_reserve(&m.starts, m.ts.n);
    starts_for(data, m.ts.v, m.ts.n, m.starts.v);
    for (size_t i = 0, end; i < m.ts.n && !err; i = end) {
        bool histogram = m.histograms.v[i] != NULL;
        for (end = i + 1; end < m.ts.n && (m.histograms.v[end] != NULL) == histogram; end++)
            ;
        err = part_writer_own(w, m.ts.v + i, m.values.v + i, histogram ? m.histograms.v + i : NULL,
                              end - i, data->starts_n ? m.starts.v + i : NULL);
    }
    vec_free(&m.ts);
    vec_free(&m.starts);
    vec_free(&m.values);
    vec_free(&m.histograms);
    return err;
}

static bool any_late(const struct flush *f, const struct head_flush *data)
{
    for (size_t i = 0; i < data->late_n; i++)
        if (in_range(f, data->late[i].ts_ms))
            return true;
    return false;
}

/* The exemplars of the present series in the day; they are sorted by key like the series. */
static int write_exemplars(struct flush *f, struct part_writer *w, struct str key)
{
    int err = 0;
    for (; f->exemplars_at < f->exemplars_n && !err; f->exemplars_at++) {
        const struct exemplar *e = &f->exemplars[f->exemplars_at];
        int order = str_cmp(e->key, key);
        if (order > 0)
            break;
        if (order == 0 && in_range(f, e->ts_ms))
            err = part_writer_exemplar(w, e);
    }
    return err;
}

static int write_series(struct flush *f, struct head_reader *reader, uint32_t id, struct buf *key)
{
    struct head_flush data;
    if (!head_flush_series(reader, id, f->groups_n, f->first_day, &data))
        return 0;
    const struct flush_group *g = &f->groups[data.group];
    size_t first = MAX(g->day_from, (size_t)(data.first_slot - g->base));
    size_t end = MIN(g->day_to, (size_t)(data.first_slot - g->base) + data.n);
    size_t n = data.n && end > first ? end - first : 0;
    bool late = any_late(f, &data);
    if (n == 0 && !late)
        return 0;

    buf_clear(key);
    if (!head_reader_key(reader, id, key))
        return 0;
    size_t class = store_class_of(f->s, f->t, buf_str(key));
    struct part_writer *w;
    int err = writer_of(f, class, &w);
    if (!err)
        err = part_writer_series(w, buf_str(key));
    if (!err)
        err = late ? write_mixed(f, w, &data, first, n) : write_slots(f, w, class, &data, first, n);
    if (!err)
        err = write_exemplars(f, w, buf_str(key));
    return err;
}

static int finish_writers(struct flush *f)
{
    int err = 0;
    for (size_t i = 0; i < STORE_CLASSES_MAX; i++) {
        struct part_info info;
        if (!f->writers[i])
            continue;
        int one = err ? err : part_writer_finish(f->writers[i], &info, f->why);
        part_writer_free(f->writers[i]);
        f->writers[i] = NULL;
        if (one == 0) {
            vec_push(&f->done, f->dirs[i]);
        } else {
            /* What cannot be removed now is an orphan of the next start. */
            int ignored UNUSED = disk_remove_tree(f->s->config.disk, f->dirs[i]);
            mem_free(f->dirs[i]);
            err = one == -ERR_SPARSE ? err : one;
        }
        f->dirs[i] = NULL;
    }
    return err;
}

static int write_day(struct flush *f)
{
    struct head_reader reader;
    struct buf key;
    int err = 0;
    find_day_slots(f);
    f->exemplars_at = 0;
    head_reader_init(&reader, f->t->head, INT64_MIN, INT64_MAX);
    buf_init(&key, LABELS_KEY_MAX);
    for (size_t i = 0; i < f->order_n && !err; i++)
        err = write_series(f, &reader, f->order[i], &key);
    buf_done(&key);
    head_reader_done(&reader);
    int last = finish_writers(f);
    err = err ? err : last;
    if (err && f->why && !f->why->err)
        why_set(f->why, (enum err) - err, "a part of tenant %s could not be written: %s",
                f->t->name, err_text(err));
    return err;
}

/* ---- one tenant */

static void begin(struct flush *f)
{
    struct head *h = f->t->head;
    head_flush_mark(h);
    must(pthread_rwlock_wrlock(&h->index_lock) == 0);
    head_sort(h);
    f->order_n = h->order_n;
    f->order = mem_copy(h->order, h->order_n * sizeof *f->order);
    must(pthread_rwlock_unlock(&h->index_lock) == 0);
    thread_lock(&h->group_lock);
    f->groups_n = h->groups.n;
    thread_unlock(&h->group_lock);
    arena_init(&f->arena);
    f->exemplars_end = tenant_exemplars(f->t, &f->arena, &f->exemplars, &f->exemplars_n);
    f->groups = mem_array(f->groups_n, sizeof *f->groups);
    for (uint32_t i = 0; i < f->groups_n; i++)
        head_flush_times(h, i, &f->groups[i].base, &f->groups[i].ts, &f->groups[i].n);
}

static void end(struct flush *f)
{
    for (size_t i = 0; i < f->groups_n; i++)
        mem_free(f->groups[i].ts);
    for (size_t i = 0; i < f->done.n; i++)
        mem_free(f->done.v[i]);
    vec_free(&f->done);
    arena_done(&f->arena);
    mem_free(f->groups);
    mem_free(f->order);
}

static int write_days(struct flush *f)
{
    int64_t first = head_first_ms(f->t->head), last = head_last_ms(f->t->head);
    int err = 0;
    if (first > last)
        return 0;
    if (store_day(last) - store_day(first) > FLUSH_DAYS_MAX)
        return why_set(f->why, ERR_RANGE, "the samples in memory span %" PRId64 " days",
                       store_day(last) - store_day(first));
    for (int64_t day = store_day(first); day <= store_day(last) && !err; day++) {
        f->from_ms = day * STORE_DAY_MS;
        f->to_ms = f->from_ms + STORE_DAY_MS - 1;
        f->first_day = day == store_day(first);
        err = write_day(f);
    }
    return err;
}

/* A catalogue written anew is without the swept series: their ids may be given out again. */
static void settle_catalogue(struct tenant *t, bool applied)
{
    bool whole = t->catalogue.saved_first == t->catalogue.saved_last;
    catalogue_settle(&t->catalogue, t->head, applied);
    if (!applied || !whole || t->dead_ids.n == 0)
        return;
    struct head *h = t->head;
    must(pthread_rwlock_wrlock(&h->index_lock) == 0);
    h->free_capacity = h->free_n + (uint32_t)t->dead_ids.n;
    h->free_ids = mem_resize(h->free_ids, h->free_capacity * sizeof *h->free_ids);
    memcpy(h->free_ids + h->free_n, t->dead_ids.v, t->dead_ids.n * sizeof *h->free_ids);
    h->free_n = h->free_capacity;
    must(pthread_rwlock_unlock(&h->index_lock) == 0);
    t->dead_ids.n = 0;
}

static int flush_tenant(struct store *s, struct tenant *t, struct why *why)
{
    struct flush f = {.s = s, .t = t, .why = why};
    struct manifest_edit edit;
    bool any_series = false;
    if (head_samples(t->head) == 0 && !t->catalogue.lost && !catalogue_unsaved(t->head))
        return tenant_save_metadata(t, why);

    begin(&f);
    manifest_edit_init(&edit);
    int err = write_days(&f);
    if (!err)
        err = catalogue_save(&t->catalogue, t->head, &edit, &any_series, why);
    if (!err)
        err = tenant_publish(t, (const char *const *)f.done.v, f.done.n, NULL, 0, &edit, why);
    if (any_series)
        settle_catalogue(t, !err);
    if (!err && tenant_read_barrier(t, BARRIER_MS))
        err = why_set(why, ERR_BUSY, "a query has been reading for over %d s", BARRIER_MS / 1000);
    manifest_edit_done(&edit);
    if (err && why && !why->text[0])
        why_set(why, (enum err) - err, "cannot write a part of tenant %s: %s", t->name,
                err_text(err));
    if (err) {
        head_flush_cancel(t->head);
    } else {
        head_flush_trim(t->head);
        tenant_drop_exemplars(t, f.exemplars_end);
        err = tenant_save_metadata(t, why);
    }
    end(&f);
    t->flushed_ms = clock_monotonic_ns(&clock_real) / 1000000;
    return err;
}

/* ---- all tenants */

static int note_replay_from(struct store *s, uint64_t segment)
{
    char text[48];
    int n = snprintf(text, sizeof text, "%" PRIu64, segment);
    n += snprintf(text + n, sizeof text - (size_t)n, " %08x\n", hash_crc32c(0, text, (size_t)n));
    return disk_replace(s->config.disk, "replay-from", text, (size_t)n);
}

int store_flush_all(struct store *s, struct why *why)
{
    int64_t begun = clock_monotonic_ns(&clock_real);
    size_t n;
    int err = 0;
    stat_register(&stat_flushes);
    stat_register(&stat_failures);
    stat_register(&stat_seconds);

    uint64_t segment = log_rotate(s->log);
    struct tenant **list = store_tenants(s, &n);
    for (size_t i = 0; i < n; i++) {
        int one = flush_tenant(s, list[i], err ? NULL : why);
        err = err ? err : one;
    }
    mem_free(list);
    if (!err) {
        err = note_replay_from(s, segment);
        if (!err)
            err = log_drop_before(s->log, segment);
        if (err)
            why_set(why, (enum err) - err, "cannot drop the log that was flushed: %s",
                    err_text(err));
    }
    if (err) {
        stat_add(&stat_failures, 1);
        s->retry_flush_ns = clock_monotonic_ns(&clock_real) + (int64_t)RETRY_MS * 1000000;
    } else {
        stat_add(&stat_flushes, 1);
    }
    stat_observe(&stat_seconds, clock_monotonic_ns(&clock_real) - begun);
    return err;
}

bool store_flush_due(struct store *s)
{
    int64_t now = clock_monotonic_ns(&clock_real);
    uint64_t samples = 0, bytes = 0;
    bool old = false;
    size_t n;
    if (now < s->retry_flush_ns)
        return false;
    struct tenant **list = store_tenants(s, &n);
    for (size_t i = 0; i < n; i++) {
        uint64_t own = head_samples(list[i]->head);
        samples += own;
        bytes += atomic_load(&list[i]->head->bytes_values);
        old |= own && now / 1000000 - list[i]->flushed_ms > s->settings.flush_interval_s * 1000;
    }
    mem_free(list);
    return old || samples >= (uint64_t)s->settings.flush_samples_max ||
           bytes >= (uint64_t)s->settings.flush_bytes_max;
}
