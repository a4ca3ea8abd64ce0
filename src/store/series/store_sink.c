#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "base/hash.h"
#include "base/vec.h"
#include "model/labels.h"
#include "store/series/fields.h"
#include "store/series/store_inside.h"

enum { TENANTS_FILE_MAX = 128 << 20 };

/* ---- tenants: the file "tenants/list" has a name a line, numbered from 1 */

static bool name_ok(struct str name)
{
    if (name.n == 0 || name.n > TENANT_NAME_MAX || name.p[0] == '.')
        return false;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '.' || c == '-'))
            return false;
    }
    return true;
}

static struct tenant *find_tenant(struct store *s, struct str name)
{
    must(pthread_rwlock_rdlock(&s->tenants_lock) == 0);
    union map_value *v = map_get(&s->by_name, name);
    struct tenant *t = v ? v->p : NULL;
    must(pthread_rwlock_unlock(&s->tenants_lock) == 0);
    return t;
}

static int save_list(struct store *s, struct str added)
{
    struct buf text;
    buf_init(&text, TENANTS_FILE_MAX);
    for (size_t i = 0; i < s->tenants.n; i++)
        buf_printf(&text, "%s\n", s->tenants.v[i]->name);
    if (added.n)
        buf_printf(&text, "%.*s\n", STR_ARG(added));
    buf_printf(&text, "#%08x\n", hash_crc32c(0, text.p, text.n));
    int err = buf_failed(&text) ? -ERR_LIMIT
                                : disk_replace(s->config.disk, "tenants/list", text.p, text.n);
    buf_done(&text);
    return err;
}

static void enter_tenant(struct store *s, struct tenant *t)
{
    vec_push(&s->tenants, t);
    map_put(&s->by_name, str_c(t->name), NULL)->p = t;
}

/* tenants_lock is held for writing. */
static int add_tenant(struct store *s, struct str name, struct tenant **ret, struct why *why)
{
    if (s->tenants.n >= (size_t)s->settings.tenants_max)
        return why_set(why, ERR_LIMIT,
                       "there are %zu tenants, as many as there may be "
                       "(store.tenants_max)",
                       s->tenants.n);
    struct tenant *t;
    int err = tenant_open(s, (uint32_t)s->tenants.n + 1, name, false, &t, why);
    if (err)
        return err;
    err = save_list(s, name);
    if (err) {
        tenant_free(t);
        return why_set(why, (enum err) - err, "cannot write down tenant %.*s: %s", STR_ARG(name),
                       err_text(err));
    }
    enter_tenant(s, t);
    *ret = t;
    return 0;
}

int store_make_tenant(struct store *s, struct str name, struct tenant **ret, struct why *why)
{
    struct tenant *t = find_tenant(s, name);
    if (t) {
        *ret = t;
        return 0;
    }
    if (!name_ok(name))
        return why_set(why, ERR_FORMAT,
                       "\"%.*s\" is no name of a tenant: 1 to %d of a-z A-Z 0-9 _ . - that do not "
                       "begin with a dot",
                       (int)MIN(name.n, (size_t)100), name.n ? name.p : "", TENANT_NAME_MAX);
    int err = 0;
    must(pthread_rwlock_wrlock(&s->tenants_lock) == 0);
    union map_value *v = map_get(&s->by_name, name);
    if (v)
        *ret = v->p;
    else
        err = add_tenant(s, name, ret, why);
    must(pthread_rwlock_unlock(&s->tenants_lock) == 0);
    return err;
}

bool store_list_text(struct str *text)
{
    char wanted[16];
    if (text->n < 10 || text->p[text->n - 10] != '#')
        return false;
    struct str names = str_sub(*text, 0, text->n - 10);
    snprintf(wanted, sizeof wanted, "#%08x\n", hash_crc32c(0, names.p, names.n));
    if (!str_eq(str_sub(*text, names.n, text->n), str_c(wanted)))
        return false;
    *text = names;
    return true;
}

static int note_number(void *context, const struct disk_entry *e)
{
    uint64_t number, *most = context;
    if (e->is_dir && str_u64(str_c(e->name), &number) && number < UINT32_MAX)
        *most = MAX(*most, number);
    return 0;
}

/* The list from the names that the tenants' manifests know. */
static int rebuild_list(struct store *s, struct buf *ret)
{
    uint64_t most = 0;
    int err = disk_list(s->config.disk, "tenants", note_number, &most);
    for (uint64_t i = 1; i <= most && !err; i++) {
        struct manifest *m = NULL;
        char path[64];
        struct str name = {0};
        snprintf(path, sizeof path, "tenants/%04llu/manifest", (unsigned long long)i);
        /* Whatever is wrong with it will be told when the tenant is opened. */
        if (manifest_read(s->config.disk, path, &m, NULL) == 0 &&
            manifest_note(m, STR("tenant"), &name) && name_ok(name))
            buf_printf(ret, STR_FMT "\n", STR_ARG(name));
        else
            buf_printf(ret, "unknown-%llu\n", (unsigned long long)i);
        manifest_free(m);
    }
    return err;
}

static int read_list(struct store *s, struct buf *ret, bool *ret_rebuilt)
{
    void *file = NULL;
    size_t n = 0;
    int err = disk_slurp(s->config.disk, "tenants/list", TENANTS_FILE_MAX, &file, &n);
    struct str text = str_of(file, n);
    if (!err && store_list_text(&text)) {
        buf_put_str(ret, text);
        mem_free(file);
        return 0;
    }
    mem_free(file);
    if (err && err != -ERR_NOENT && err != -ERR_LIMIT)
        return err;
    bool missing = err == -ERR_NOENT;
    err = rebuild_list(s, ret);
    if (!err && (!missing || ret->n))
        store_warn(s, "tenants/list is %s: it is rebuilt from the tenants' directories",
                   missing ? "missing" : "damaged");
    *ret_rebuilt = !err && ret->n;
    return err;
}

int store_load_tenants(struct store *s, struct why *why)
{
    struct buf names;
    buf_init(&names, TENANTS_FILE_MAX);
    bool rebuilt = false;
    int err = read_list(s, &names, &rebuilt);
    if (err)
        why_set(why, (enum err) - err, "cannot read tenants/list: %s", err_text(err));
    struct str rest = buf_str(&names), line;
    while (!err && str_split(&rest, '\n', &line)) {
        struct tenant *t;
        if (line.n == 0)
            continue;
        if (!name_ok(line))
            err = why_set(why, ERR_CORRUPT, "tenants/list: line %zu is no name of a tenant",
                          s->tenants.n + 1);
        else
            err = tenant_open(s, (uint32_t)s->tenants.n + 1, line, true, &t, why);
        if (!err)
            enter_tenant(s, t);
    }
    buf_done(&names);
    if (!err && rebuilt && save_list(s, (struct str){0}))
        store_warn(s, "tenants/list cannot be written; it is tried again at the next start");
    return err;
}

/* ---- writing */

static struct store *of_sink(struct sink *sink)
{
    return (struct store *)(void *)sink;
}

static void log_definition(struct store *s, struct tenant *t, uint32_t lane, uint32_t id,
                           struct str key)
{
    struct buf *r = &s->lanes[lane].record;
    buf_clear(r);
    fields_put_number(r, t->number);
    fields_put_number(r, id);
    buf_put_str(r, key);
    if (log_append_first(s->log, lane, RECORD_SERIES, r->p, r->n))
        s->lanes[lane].failed = -ERR_IO; /* told by the append that follows */
}

void store_define(void *context, uint32_t lane, uint32_t id, struct str key)
{
    struct tenant *t = context;
    log_definition(t->store, t, lane, id, key);
}

/* Logs anew all definitions that only the log had: some of it may be lost, or this lane writes into
 * an older segment than they went to. */
static void repeat_definitions(struct store *s, struct tenant *t, uint32_t lane)
{
    struct buf key;
    buf_init(&key, LABELS_KEY_MAX);
    must(pthread_rwlock_rdlock(&t->head->index_lock) == 0);
    for (uint32_t id = 0; id < t->head->series.n; id++) {
        const struct head_series *series = head_series_at(t->head, id);
        if (!series->pairs || series->catalogued == HEAD_SAVED)
            continue;
        buf_clear(&key);
        head_key(t->head, id, &key);
        log_definition(s, t, lane, id, buf_str(&key));
    }
    must(pthread_rwlock_unlock(&t->head->index_lock) == 0);
    buf_done(&key);
}

/* Begins a turn of the lane; what it knew of another segment is forgotten. */
static int enter(struct store *s, uint32_t lane, struct tenant *t)
{
    struct store_lane *l = &s->lanes[lane];
    uint64_t segment;
    int err = log_enter(s->log, lane, &segment);
    if (err)
        return err;
    if (segment != l->segment)
        head_writer_forget(&l->writer);
    l->segment = segment;
    if (t != l->tenant) {
        l->tenant = t;
        l->writer.run_group = HEAD_NO_GROUP;
    }
    uint64_t floor = log_floor(s->log);
    if (!l->pending)
        l->floor = floor;
    l->pending = true;
    if (t->floor_seen != floor || segment < t->defined_in) {
        t->floor_seen = floor;
        repeat_definitions(s, t, lane);
    }
    if (segment > t->defined_in)
        t->defined_in = segment;
    return 0;
}

static void leave(struct store *s, uint32_t lane, int err)
{
    struct store_lane *l = &s->lanes[lane];
    if (err || l->failed) {
        /* What was applied to memory is not in the log: nothing may refer to it. */
        head_writer_forget(&l->writer);
        l->tenant->floor_seen = 0;
        l->failed = err ? err : l->failed;
    }
    log_leave(s->log, lane);
}

/* The first row that was too old, or b->n; why tells of it. */
static size_t refuse_old(struct store *s, struct batch *b, struct why *why)
{
    size_t first = b->n;
    int64_t window_s = atomic_load_explicit(&s->out_of_order_s, memory_order_relaxed);
    int64_t oldest = clock_wall_ms(s->config.clock) - window_s * 1000;
    for (size_t i = 0; i < b->n; i++) {
        if (b->err[i] || b->ts_ms[i] >= oldest)
            continue;
        b->err[i] = -ERR_OLD;
        if (first < b->n)
            continue;
        first = i;
        why_set(why, ERR_OLD,
                "the sample is %lld s old; older than %lld s is refused "
                "(store.out_of_order_window_s)",
                (long long)((clock_wall_ms(s->config.clock) - b->ts_ms[i]) / 1000),
                (long long)window_s);
    }
    return first;
}

/* Is row i the first that was refused? */
static bool is_first(const struct batch *b, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (b->err[k])
            return false;
    return i < b->n;
}

static int sink_append(struct sink *sink, size_t lane, struct tenant *t, struct batch *b,
                       struct why *why)
{
    struct store *s = of_sink(sink);
    must(lane < s->config.lanes && b->n <= BATCH_MAX);
    int err = enter(s, (uint32_t)lane, t);
    if (err)
        return why_set(why, (enum err) - err, "the log takes no records at present: %s",
                       err_text(err));

    struct store_lane *l = &s->lanes[lane];
    memset(b->err, 0, b->n * sizeof b->err[0]);
    struct why old = {0};
    size_t first_old = refuse_old(s, b, &old);
    l->writer.sequence = atomic_fetch_add(&s->sequence, 1);
    int taken = head_append(t->head, &l->writer, b, why);
    if (why && is_first(b, first_old))
        *why = old; /* why tells of the first that was refused */
    if (taken) {
        struct str record = record_finish(&l->writer.record);
        written_note(&t->written, b->ts_ms, b->n);
        err = log_append(s->log, (uint32_t)lane, RECORD_SAMPLES, record.p, record.n);
    }
    leave(s, (uint32_t)lane, err);
    if (err)
        return why_set(why, (enum err) - err, "the log took no record: %s", err_text(err));
    return taken;
}

static int sink_exemplar(struct sink *sink, size_t lane, struct tenant *t, const struct exemplar *e,
                         struct why *why)
{
    struct store *s = of_sink(sink);
    struct store_lane *l = &s->lanes[lane];
    buf_clear(&l->writer.key);
    int err = labels_canonical(e->key, &l->writer.key, why);
    if (!err)
        err = enter(s, (uint32_t)lane, t);
    if (err)
        return err;

    struct exemplar stored = *e;
    stored.key = buf_str(&l->writer.key);
    struct buf *r = &l->record;
    buf_clear(r);
    fields_put_number(r, t->number);
    fields_put_text(r, stored.key);
    fields_put_text(r, e->labels);
    fields_put_number(r, zigzag(e->ts_ms));
    fields_put_number(r, double_bits(e->value));
    err = buf_failed(r) ? -ERR_LIMIT
                        : log_append(s->log, (uint32_t)lane, RECORD_EXEMPLAR, r->p, r->n);
    if (!err)
        tenant_note_exemplar(t, &stored);
    leave(s, (uint32_t)lane, err);
    return err ? why_set(why, (enum err) - err, "the exemplar was not logged: %s", err_text(err))
               : 0;
}

static int sink_metadata(struct sink *sink, size_t lane, struct tenant *t, const struct metadata *m)
{
    struct store *s = of_sink(sink);
    bool is_new;
    if (m->metric.n == 0 || m->metric.n > LABEL_VALUE_MAX || m->help.n > LOG_RECORD_MAX / 4 ||
        m->unit.n > LABEL_NAME_MAX)
        return -ERR_LIMIT;
    tenant_note_metadata(t, m, &is_new);
    if (!is_new)
        return 0;
    int err = enter(s, (uint32_t)lane, t);
    if (err)
        return err;
    struct buf *r = &s->lanes[lane].record;
    buf_clear(r);
    fields_put_number(r, t->number);
    fields_put_number(r, m->type);
    fields_put_text(r, m->metric);
    fields_put_text(r, m->help);
    fields_put_text(r, m->unit);
    err = log_append(s->log, (uint32_t)lane, RECORD_METADATA, r->p, r->n);
    leave(s, (uint32_t)lane, err);
    return err;
}

static void sink_commit(struct sink *sink, size_t lane, void (*done)(void *context, int err),
                        void *context)
{
    struct store *s = of_sink(sink);
    struct store_lane *l = &s->lanes[lane];
    uint64_t segment;
    int err = log_enter(s->log, (uint32_t)lane, &segment);
    if (!err) {
        /* A commit that failed since the first append may have taken some of it along. */
        err = l->failed ? l->failed : l->pending && log_floor(s->log) != l->floor ? -ERR_IO : 0;
        if (!err)
            log_commit(s->log, (uint32_t)lane, done, context);
        log_leave(s->log, (uint32_t)lane);
    }
    l->failed = 0;
    l->pending = false;
    if (err)
        done(context, log_ready(s->log) ? log_ready(s->log) : err);
}

static int sink_tenant(struct sink *sink, struct str name, struct tenant **ret, struct why *why)
{
    return store_make_tenant(of_sink(sink), name, ret, why);
}

const struct sink_ops store_sink_ops = {sink_tenant, sink_append, sink_exemplar, sink_metadata,
                                        sink_commit};
