#include "forward/tap.h"

#include <stdatomic.h>

#include "base/hash.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/must.h"
#include "base/vec.h"
#include "forward/row.h"
#include "os/thread.h"

enum {
    FLUSH_BYTES = 256 * 1024, /* of rows that wait for a commit */
    FAMILIES_MAX = 100000,    /* whose metadata is remembered */
};

struct known {
    struct tenant *tenant;
    char name[TENANT_NAME_MAX + 1];
};

struct lane {
    struct row_writer rows;
    bool open, wanted;
    struct known of;     /* whose the rows are */
    uint64_t generation; /* of the target that wanted is of */
};

struct tap {
    struct sink sink;
    struct sink *next;
    _Atomic bool active;
    pthread_rwlock_t in_use; /* read by lanes while they use target and their own rows */
    struct tap_target target;
    uint64_t generation; /* counts targets */
    struct lane lanes[SINK_LANES_MAX];
    pthread_mutex_t lock; /* guards the rest but lost */
    struct {
        struct known *v;
        size_t n, capacity;
    } tenants;
    struct map families; /* tenant, NUL, family -> hash of its metadata */
    _Atomic uint64_t lost;
};

static struct tap *tap_of(struct sink *s)
{
    return (struct tap *)(void *)s; /* its first member */
}

/* ---- lanes; under in_use */
static void flush(struct tap *t, struct lane *lane)
{
    if (lane->rows.rows == 0)
        return;
    if (queue_append(t->target.queue, str_c(lane->of.name), buf_str(&lane->rows.bytes),
                     lane->rows.rows))
        atomic_fetch_add(&t->lost, lane->rows.rows);
    row_writer_clear(&lane->rows);
    t->target.filled(t->target.context);
}

static void look_up(struct tap *t, struct lane *lane, struct tenant *tenant)
{
    lane->of = (struct known){0};
    lane->wanted = false;
    lane->generation = t->generation;
    thread_lock(&t->lock);
    for (size_t i = 0; i < t->tenants.n; i++)
        if (t->tenants.v[i].tenant == tenant)
            lane->of = t->tenants.v[i];
    thread_unlock(&t->lock);
    for (size_t i = 0; i < t->target.tenants_n && t->target.queue; i++)
        lane->wanted |= str_eq(t->target.tenants[i], str_c(lane->of.name));
}

static void leave(struct tap *t)
{
    must(pthread_rwlock_unlock(&t->in_use) == 0);
}

/* The lane, ready for rows of the tenant, to be left again; NULL where nobody wants them. */
static struct lane *enter(struct tap *t, size_t index, struct tenant *tenant)
{
    struct lane *lane = &t->lanes[index];
    if (!atomic_load_explicit(&t->active, memory_order_relaxed))
        return NULL;
    must(pthread_rwlock_rdlock(&t->in_use) == 0);
    if (!lane->open) {
        row_writer_init(&lane->rows, QUEUE_BLOCK_MAX);
        lane->open = true;
    }
    if (lane->of.tenant != tenant || lane->generation != t->generation) {
        flush(t, lane);
        look_up(t, lane, tenant);
    }
    if (lane->wanted)
        return lane;
    leave(t);
    return NULL;
}

static void put(struct tap *t, struct lane *lane, const struct row *row)
{
    if (row_put(&lane->rows, row) == 0)
        return;
    flush(t, lane);
    if (row_put(&lane->rows, row)) /* a row that is larger than a block */
        atomic_fetch_add(&t->lost, 1);
}

/* ---- the sink */
static int on_tenant(struct sink *s, struct str name, struct tenant **ret, struct why *why)
{
    struct tap *t = tap_of(s);
    int err = t->next->ops->tenant(t->next, name, ret, why);
    if (err || name.n > TENANT_NAME_MAX)
        return err;
    struct known known = {.tenant = *ret};
    memcpy(known.name, name.p, name.n);
    thread_lock(&t->lock);
    bool there = false;
    for (size_t i = 0; i < t->tenants.n; i++)
        there |= t->tenants.v[i].tenant == *ret;
    if (!there)
        vec_push(&t->tenants, known);
    thread_unlock(&t->lock);
    return 0;
}

static int on_append(struct sink *s, size_t index, struct tenant *tenant, struct batch *b,
                     struct why *why)
{
    struct tap *t = tap_of(s);
    int taken = t->next->ops->append(t->next, index, tenant, b, why);
    struct lane *lane = taken > 0 ? enter(t, index, tenant) : NULL;
    if (lane == NULL)
        return taken;
    for (size_t i = 0; i < b->n; i++) {
        if (b->err[i])
            continue;
        struct row row = {.kind = b->histogram[i] ? ROW_HISTOGRAM : ROW_FLOAT,
                          .key = b->key[i],
                          .ts_ms = b->ts_ms[i],
                          .start_ms = b->start_ms[i],
                          .value = b->value[i],
                          .histogram = b->histogram[i]};
        put(t, lane, &row);
    }
    if (lane->rows.bytes.n > FLUSH_BYTES)
        flush(t, lane);
    leave(t);
    return taken;
}

static int on_exemplar(struct sink *s, size_t index, struct tenant *tenant,
                       const struct exemplar *e, struct why *why)
{
    struct tap *t = tap_of(s);
    int err = t->next->ops->exemplar(t->next, index, tenant, e, why);
    struct lane *lane = err == 0 ? enter(t, index, tenant) : NULL;
    if (lane) {
        struct row row = {.kind = ROW_EXEMPLAR,
                          .key = e->key,
                          .ts_ms = e->ts_ms,
                          .value = e->value,
                          .labels = e->labels};
        put(t, lane, &row);
        leave(t);
    }
    return err;
}

/* Does it say anything new? */
static bool remember(struct tap *t, const char *tenant, const struct metadata *m)
{
    uint64_t hash = hash_xxh3(m->help.p, m->help.n, (uint64_t)m->type + 1);
    hash = hash_xxh3(m->unit.p, m->unit.n, hash) | 1;
    char key[TENANT_NAME_MAX + 1 + LABEL_NAME_MAX];
    size_t n = strlen(tenant) + 1;
    if (m->metric.n > LABEL_NAME_MAX)
        return false;
    memcpy(key, tenant, n);
    memcpy(key + n, m->metric.p, m->metric.n);
    bool changed = false;
    thread_lock(&t->lock);
    if (t->families.n < FAMILIES_MAX || map_get(&t->families, str_of(key, n + m->metric.n))) {
        union map_value *v = map_put(&t->families, str_of(key, n + m->metric.n), NULL);
        changed = v->u != hash;
        v->u = hash;
    }
    thread_unlock(&t->lock);
    return changed;
}

static int on_metadata(struct sink *s, size_t index, struct tenant *tenant,
                       const struct metadata *m)
{
    struct tap *t = tap_of(s);
    int err = t->next->ops->metadata(t->next, index, tenant, m);
    struct lane *lane = err == 0 ? enter(t, index, tenant) : NULL;
    if (lane == NULL)
        return err;
    if (remember(t, lane->of.name, m)) {
        struct row row = {.kind = ROW_METADATA, .metadata = *m};
        put(t, lane, &row);
    }
    leave(t);
    return err;
}

static void on_commit(struct sink *s, size_t index, void (*done)(void *context, int err),
                      void *context)
{
    struct tap *t = tap_of(s);
    if (atomic_load_explicit(&t->active, memory_order_relaxed)) {
        must(pthread_rwlock_rdlock(&t->in_use) == 0);
        if (t->lanes[index].open)
            flush(t, &t->lanes[index]);
        leave(t);
    }
    t->next->ops->commit(t->next, index, done, context);
}

static const struct sink_ops OPS = {on_tenant, on_append, on_exemplar, on_metadata, on_commit};

struct tap *tap_new(struct sink *next)
{
    struct tap *t = mem_new(sizeof *t);
    t->sink.ops = &OPS;
    t->next = next;
    must(pthread_rwlock_init(&t->in_use, NULL) == 0);
    thread_lock_init(&t->lock);
    map_init(&t->families, 0);
    return t;
}

void tap_set(struct tap *t, const struct tap_target *target)
{
    must(pthread_rwlock_wrlock(&t->in_use) == 0);
    for (size_t i = 0; i < SINK_LANES_MAX; i++)
        if (t->lanes[i].open)
            flush(t, &t->lanes[i]);
    t->target = *target;
    t->generation++;
    map_done(&t->families); /* who is new wants to hear it all */
    map_init(&t->families, 0);
    atomic_store(&t->active, target->queue != NULL);
    must(pthread_rwlock_unlock(&t->in_use) == 0);
}

void tap_free(struct tap *t)
{
    if (t == NULL)
        return;
    tap_set(t, &(struct tap_target){0});
    for (size_t i = 0; i < SINK_LANES_MAX; i++)
        if (t->lanes[i].open)
            row_writer_done(&t->lanes[i].rows);
    vec_free(&t->tenants);
    map_done(&t->families);
    pthread_mutex_destroy(&t->lock);
    pthread_rwlock_destroy(&t->in_use);
    mem_free(t);
}

struct sink *tap_sink(struct tap *t)
{
    return &t->sink;
}

uint64_t tap_lost(const struct tap *t)
{
    return atomic_load(&t->lost);
}
