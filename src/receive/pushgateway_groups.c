#include "receive/pushgateway_groups.h"

#include <stdio.h>

#include "base/bits.h"
#include "base/hash.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/vec.h"
#include "os/thread.h"

enum {
    KEY_COST = 64, /* bytes of a series beside its key, about */
    TYPES_N = METRIC_STATESET + 1,
};

static const char MAGIC[] = "sonde-pushed-1\n";

#define PUSHED STR("push_time_seconds")
#define FAILED STR("push_failure_time_seconds")

struct ended {
    struct str tenant, key;
    char *memory; /* of both, owned */
    bool histogram;
};

struct pushgateway_groups {
    pthread_mutex_t lock;
    struct {
        struct pushgateway_group **v; /* [n], owned */
        size_t n, capacity;
    } all;
    struct map by_id;  /* id -> group */
    struct map series; /* tenant and key -> group that has it */
    struct map types;  /* tenant and family -> TYPE_OF and how many groups have it */
    struct {
        struct ended *v;
        size_t n, capacity;
    } ended;
    size_t groups_max, bytes_max, bytes;
    bool changed;
};

void pushgateway_family_free(struct pushgateway_family *f)
{
    if (f == NULL)
        return;
    struct arena a = f->arena; /* f itself lies in it */
    arena_done(&a);
}

/* ---- names of groups and series */

static void put_id(struct buf *b, const struct pushgateway_grouping *grouping)
{
    buf_put_str(b, grouping->tenant);
    buf_put_c(b, 0);
    for (size_t i = 0; i < grouping->n; i++)
        labels_put(b, grouping->labels[i].name, grouping->labels[i].value);
}

static void put_series_id(struct buf *b, struct str tenant, struct str key)
{
    buf_clear(b);
    buf_put_str(b, tenant);
    buf_put_c(b, 0);
    buf_put_str(b, key);
}

/* The key of a gauge that has no labels but the group's. */
static struct str gauge_key(struct arena *a, const struct pushgateway_grouping *grouping,
                            struct str name)
{
    struct label labels[PUSHGATEWAY_LABELS_MAX + 1];
    struct buf key;
    buf_init(&key, LABELS_KEY_MAX);
    labels[0] = (struct label){LABEL_METRIC, name};
    memcpy(labels + 1, grouping->labels, grouping->n * sizeof *labels);
    /* The handler has checked the same labels: they make a key. */
    (void)!labels_encode(labels, grouping->n + 1, &key, NULL);
    struct str made = arena_str(a, buf_str(&key));
    buf_done(&key);
    return made;
}

static struct pushgateway_group *group_new(const struct pushgateway_grouping *grouping)
{
    struct arena a;
    struct buf id;
    arena_init(&a);
    struct pushgateway_group *group = arena_new(&a, sizeof *group);
    group->grouping.tenant = arena_str(&a, grouping->tenant);
    group->grouping.n = grouping->n;
    for (size_t i = 0; i < grouping->n; i++)
        group->grouping.labels[i] = (struct label){arena_str(&a, grouping->labels[i].name),
                                                   arena_str(&a, grouping->labels[i].value)};
    buf_init(&id, LABELS_KEY_MAX);
    put_id(&id, grouping);
    group->id = arena_str(&a, buf_str(&id));
    buf_done(&id);
    group->times[0].key = gauge_key(&a, grouping, PUSHED);
    group->times[1].key = gauge_key(&a, grouping, FAILED);
    group->arena = a;
    return group;
}

static void group_free(struct pushgateway_group *group)
{
    for (size_t i = 0; i < group->families.n; i++)
        pushgateway_family_free(group->families.v[i]);
    vec_free(&group->families);
    struct arena a = group->arena;
    arena_done(&a);
}

struct pushgateway_groups *pushgateway_groups_new(size_t groups_max, size_t bytes_max)
{
    struct pushgateway_groups *g = mem_new(sizeof *g);
    thread_lock_init(&g->lock);
    map_init(&g->by_id, 0);
    map_init(&g->series, 0);
    map_init(&g->types, 0);
    g->groups_max = groups_max;
    g->bytes_max = bytes_max;
    return g;
}

void pushgateway_groups_free(struct pushgateway_groups *g)
{
    if (g == NULL)
        return;
    for (size_t i = 0; i < g->all.n; i++)
        group_free(g->all.v[i]);
    vec_free(&g->all);
    for (size_t i = 0; i < g->ended.n; i++)
        mem_free(g->ended.v[i].memory);
    vec_free(&g->ended);
    map_done(&g->by_id);
    map_done(&g->series);
    map_done(&g->types);
    mem_free(g);
}

/* ---- under the lock */

static size_t cost(const struct pushgateway_family *f)
{
    return f->arena.total + f->n * KEY_COST;
}

static void note_ended(struct pushgateway_groups *g, struct str tenant,
                       const struct pushgateway_series *s)
{
    char *p = mem_raw(tenant.n + s->key.n + 1);
    memcpy(p, tenant.p, tenant.n);
    memcpy(p + tenant.n, s->key.p, s->key.n);
    struct ended e = {str_of(p, tenant.n), str_of(p + tenant.n, s->key.n), p, s->histogram != NULL};
    vec_push(&g->ended, e);
}

/* Counts the groups that have the family, by one up or down. */
static void count_type(struct pushgateway_groups *g, struct str tenant,
                       const struct pushgateway_family *f, bool up)
{
    struct buf id;
    buf_init(&id, LABELS_KEY_MAX + 1024);
    put_series_id(&id, tenant, f->name);
    union map_value *v = map_put(&g->types, buf_str(&id), NULL);
    uint64_t n = v->u / TYPES_N + (up ? 1 : 0) - (up ? 0 : 1);
    v->u = n * TYPES_N + (uint64_t)f->type;
    if (n == 0)
        map_drop(&g->types, buf_str(&id));
    buf_done(&id);
}

/* The i-th family of a group goes. */
static void drop_family(struct pushgateway_groups *g, struct pushgateway_group *group, size_t i)
{
    struct pushgateway_family *f = group->families.v[i];
    struct buf id;
    buf_init(&id, LABELS_KEY_MAX + 1024);
    for (size_t k = 0; k < f->n; k++) {
        put_series_id(&id, group->grouping.tenant, f->v[k].key);
        map_drop(&g->series, buf_str(&id));
        note_ended(g, group->grouping.tenant, &f->v[k]);
    }
    buf_done(&id);
    g->bytes -= cost(f);
    count_type(g, group->grouping.tenant, f, false);
    group->families.v[i] = group->families.v[--group->families.n];
    pushgateway_family_free(f);
}

static void add_family(struct pushgateway_groups *g, struct pushgateway_group *group,
                       struct pushgateway_family *f)
{
    struct buf id;
    buf_init(&id, LABELS_KEY_MAX + 1024);
    for (size_t k = 0; k < f->n; k++) {
        put_series_id(&id, group->grouping.tenant, f->v[k].key);
        map_put(&g->series, buf_str(&id), NULL)->p = group;
    }
    buf_done(&id);
    g->bytes += cost(f);
    count_type(g, group->grouping.tenant, f, true);
    vec_push(&group->families, f);
}

static void set_times(struct pushgateway_group *group)
{
    group->times[0].value = (double)group->pushed_ms / 1000;
    group->times[1].value = (double)group->failed_ms / 1000;
}

static struct pushgateway_group *find(struct pushgateway_groups *g,
                                      const struct pushgateway_grouping *grouping)
{
    struct buf id;
    buf_init(&id, LABELS_KEY_MAX + 1024);
    put_id(&id, grouping);
    union map_value *found = map_get(&g->by_id, buf_str(&id));
    buf_done(&id);
    return found == NULL ? NULL : found->p;
}

/* NULL where there are too many. */
static struct pushgateway_group *make(struct pushgateway_groups *g,
                                      const struct pushgateway_grouping *grouping)
{
    if (g->all.n >= g->groups_max)
        return NULL;
    struct pushgateway_group *group = group_new(grouping);
    map_put(&g->by_id, group->id, NULL)->p = group;
    vec_push(&g->all, group);
    return group;
}

static void drop(struct pushgateway_groups *g, struct pushgateway_group *group)
{
    size_t i = 0;
    while (group->families.n > 0)
        drop_family(g, group, group->families.n - 1);
    note_ended(g, group->grouping.tenant, &group->times[0]);
    note_ended(g, group->grouping.tenant, &group->times[1]);
    map_drop(&g->by_id, group->id);
    while (g->all.v[i] != group)
        i++;
    g->all.v[i] = g->all.v[--g->all.n];
    group_free(group);
    g->changed = true;
}

/* ---- consistency */

static bool has_family(const struct pushgateway_group *group, struct str name)
{
    for (size_t i = 0; i < group->families.n; i++)
        if (str_eq(group->families.v[i]->name, name))
            return true;
    return false;
}

/* Has another group a family of that name with another type? */
static int check_type(const struct pushgateway_groups *g, const struct pushgateway_group *own,
                      struct str tenant, const struct pushgateway_family *f, struct why *why)
{
    struct buf id;
    buf_init(&id, LABELS_KEY_MAX + 1024);
    put_series_id(&id, tenant, f->name);
    const union map_value *v = map_get(&g->types, buf_str(&id));
    buf_done(&id);
    if (v == NULL || v->u % TYPES_N == (uint64_t)f->type ||
        v->u / TYPES_N == (own != NULL && has_family(own, f->name)))
        return 0;
    return why_set(why, ERR_FORMAT,
                   "pushed metrics are invalid or inconsistent with existing metrics: " STR_FMT
                   " has type %s, but another group has it as %s",
                   STR_ARG(f->name), metric_type_text(f->type),
                   metric_type_text((enum metric_type)(v->u % TYPES_N)));
}

/* Has the push a series twice, or one that another group has? */
static int check_series(const struct pushgateway_groups *g, const struct pushgateway_group *own,
                        struct str tenant, struct pushgateway_family **families, size_t n,
                        struct why *why)
{
    struct map seen;
    struct buf id, text;
    int err = 0;
    map_init(&seen, 0);
    buf_init(&id, LABELS_KEY_MAX + 1024);
    for (size_t i = 0; i < n && err == 0; i++)
        for (size_t k = 0; k < families[i]->n && err == 0; k++) {
            bool is_new;
            put_series_id(&id, tenant, families[i]->v[k].key);
            map_put(&seen, buf_str(&id), &is_new);
            const union map_value *other = map_get(&g->series, buf_str(&id));
            if (is_new && (other == NULL || other->p == own))
                continue;
            buf_init(&text, WHY_MAX);
            labels_print(families[i]->v[k].key, &text);
            err =
                why_set(why, ERR_FORMAT,
                        "pushed metrics are invalid or inconsistent with existing metrics: " STR_FMT
                        " was collected before with the same name and label values",
                        STR_ARG(buf_str(&text)));
            buf_done(&text);
        }
    buf_done(&id);
    map_done(&seen);
    return err;
}

/* ---- changes */

static int check(const struct pushgateway_groups *g, const struct pushgateway_group *own,
                 struct str tenant, struct pushgateway_family **families, size_t n, struct why *why)
{
    size_t bytes = 0;
    int err = check_series(g, own, tenant, families, n, why);
    for (size_t i = 0; i < n && err == 0; i++) {
        err = check_type(g, own, tenant, families[i], why);
        bytes += cost(families[i]);
    }
    if (err == 0 && g->bytes + bytes > g->bytes_max)
        err = why_set(why, ERR_LIMIT,
                      "all pushed groups together would take more than %zu bytes "
                      "(pushgateway.bytes_max)",
                      g->bytes_max);
    return err;
}

static void apply(struct pushgateway_groups *g, struct pushgateway_group *group, bool replace,
                  struct pushgateway_family **families, size_t n)
{
    for (size_t i = group->families.n; i-- > 0;) {
        bool goes = replace;
        for (size_t k = 0; k < n && !goes; k++)
            goes = str_eq(families[k]->name, group->families.v[i]->name);
        if (goes)
            drop_family(g, group, i);
    }
    for (size_t i = 0; i < n; i++)
        add_family(g, group, families[i]);
}

static void mark_failed(struct pushgateway_groups *g, struct pushgateway_group *group,
                        int64_t now_ms)
{
    group->failed_ms = now_ms;
    group->dirty = true;
    set_times(group);
    g->changed = true;
}

int pushgateway_groups_push(struct pushgateway_groups *g,
                            const struct pushgateway_grouping *grouping, bool replace,
                            struct pushgateway_family **families, size_t n, int64_t now_ms,
                            int64_t lifetime_ms, struct why *why)
{
    thread_lock(&g->lock);
    struct pushgateway_group *group = find(g, grouping);
    int err = check(g, group, grouping->tenant, families, n, why);
    bool said = err == -ERR_FORMAT;
    if ((err == 0 || said) && group == NULL)
        group = make(g, grouping);
    if (group == NULL && (err == 0 || said))
        err = why_set(why, ERR_LIMIT, "there are %zu groups already (pushgateway.groups_max)",
                      g->groups_max);
    if (err == 0 && group != NULL) {
        apply(g, group, replace, families, n);
        group->pushed_ms = now_ms;
        group->lifetime_ms = lifetime_ms >= 0 ? lifetime_ms : group->lifetime_ms;
        group->dirty = true;
        set_times(group);
        g->changed = true;
    } else if (said && group != NULL) {
        mark_failed(g, group, now_ms);
    }
    thread_unlock(&g->lock);
    for (size_t i = 0; i < n && err != 0; i++)
        pushgateway_family_free(families[i]);
    return err;
}

void pushgateway_groups_failed(struct pushgateway_groups *g,
                               const struct pushgateway_grouping *grouping, int64_t now_ms)
{
    thread_lock(&g->lock);
    struct pushgateway_group *group = find(g, grouping);
    if (group == NULL)
        group = make(g, grouping);
    if (group != NULL)
        mark_failed(g, group, now_ms);
    thread_unlock(&g->lock);
}

bool pushgateway_groups_delete(struct pushgateway_groups *g,
                               const struct pushgateway_grouping *grouping)
{
    thread_lock(&g->lock);
    struct pushgateway_group *group = find(g, grouping);
    if (group != NULL)
        drop(g, group);
    thread_unlock(&g->lock);
    return group != NULL;
}

size_t pushgateway_groups_expire(struct pushgateway_groups *g, int64_t now_ms)
{
    size_t n = 0;
    thread_lock(&g->lock);
    for (size_t i = g->all.n; i-- > 0;) {
        struct pushgateway_group *group = g->all.v[i];
        int64_t last = MAX(group->pushed_ms, group->failed_ms);
        if (group->lifetime_ms > 0 && now_ms - last >= group->lifetime_ms) {
            drop(g, group);
            n++;
        }
    }
    thread_unlock(&g->lock);
    return n;
}

/* ---- for the writer */

void pushgateway_groups_each(struct pushgateway_groups *g, bool only_dirty,
                             void (*f)(void *context, struct pushgateway_group *group),
                             void *context)
{
    thread_lock(&g->lock);
    /* From behind: what takes the place of one that goes has been there already. */
    for (size_t i = g->all.n; i-- > 0;) {
        if (i >= g->all.n)
            continue;
        struct pushgateway_group *group = g->all.v[i];
        if (only_dirty && !group->dirty)
            continue;
        f(context, group);
        if (only_dirty)
            group->dirty = false;
        /* Handlers on their loops do not wait for all of them. */
        thread_unlock(&g->lock);
        thread_lock(&g->lock);
    }
    thread_unlock(&g->lock);
}

size_t pushgateway_groups_ended(struct pushgateway_groups *g, struct arena *a,
                                struct pushgateway_ended **ret)
{
    struct buf id;
    size_t n = 0;
    buf_init(&id, LABELS_KEY_MAX + 1024);
    thread_lock(&g->lock);
    *ret = arena_array(a, g->ended.n + 1, sizeof **ret);
    for (size_t i = 0; i < g->ended.n; i++) {
        struct ended *e = &g->ended.v[i];
        put_series_id(&id, e->tenant, e->key);
        if (map_get(&g->series, buf_str(&id)) == NULL)
            (*ret)[n++] = (struct pushgateway_ended){arena_str(a, e->tenant), arena_str(a, e->key),
                                                     e->histogram};
        mem_free(e->memory);
    }
    g->ended.n = 0;
    thread_unlock(&g->lock);
    buf_done(&id);
    return n;
}

size_t pushgateway_groups_n(struct pushgateway_groups *g)
{
    thread_lock(&g->lock);
    size_t n = g->all.n;
    thread_unlock(&g->lock);
    return n;
}

bool pushgateway_groups_changed(struct pushgateway_groups *g)
{
    thread_lock(&g->lock);
    bool changed = g->changed;
    thread_unlock(&g->lock);
    return changed;
}

/* ---- bytes */

static void put_text(struct buf *b, struct str s)
{
    buf_put_varint(b, s.n);
    buf_put_str(b, s);
}

static void put_family(struct buf *b, const struct pushgateway_family *f)
{
    struct buf h;
    buf_init(&h, 1 << 20);
    put_text(b, f->name);
    buf_put_varint(b, (uint64_t)f->type);
    put_text(b, f->help);
    put_text(b, f->unit);
    buf_put_varint(b, f->n);
    for (size_t i = 0; i < f->n; i++) {
        put_text(b, f->v[i].key);
        buf_clear(&h);
        if (f->v[i].histogram != NULL)
            histogram_encode(f->v[i].histogram, &h);
        put_text(b, buf_str(&h));
        buf_put_double_raw(b, f->v[i].value);
    }
    buf_done(&h);
}

static void put_group(struct buf *b, const struct pushgateway_group *group)
{
    const struct pushgateway_grouping *grouping = &group->grouping;
    put_text(b, grouping->tenant);
    buf_put_varint(b, grouping->n);
    for (size_t i = 0; i < grouping->n; i++) {
        put_text(b, grouping->labels[i].name);
        put_text(b, grouping->labels[i].value);
    }
    buf_put_varint(b, (uint64_t)group->pushed_ms);
    buf_put_varint(b, (uint64_t)group->failed_ms);
    buf_put_varint(b, (uint64_t)group->lifetime_ms);
    buf_put_varint(b, group->families.n);
    for (size_t i = 0; i < group->families.n; i++)
        put_family(b, group->families.v[i]);
}

void pushgateway_groups_save(struct pushgateway_groups *g, struct buf *out)
{
    uint8_t crc[4];
    thread_lock(&g->lock);
    buf_put(out, MAGIC, sizeof MAGIC - 1);
    buf_put_varint(out, g->all.n);
    for (size_t i = 0; i < g->all.n; i++)
        put_group(out, g->all.v[i]);
    g->changed = false;
    thread_unlock(&g->lock);
    store32(crc, hash_crc32c(0, out->p, out->n));
    buf_put(out, crc, sizeof crc);
}

/* Reads from p up to end; p is NULL once something did not fit. */
struct cursor {
    const uint8_t *p, *end;
};

static uint64_t get_number(struct cursor *c)
{
    uint64_t v = 0;
    if (c->p != NULL)
        c->p = varint_get(c->p, c->end, &v);
    return v;
}

static struct str get_text(struct cursor *c)
{
    uint64_t n = get_number(c);
    if (c->p == NULL || n > (size_t)(c->end - c->p)) {
        c->p = NULL;
        return (struct str){0};
    }
    struct str s = str_of((const char *)c->p, (size_t)n);
    c->p += n;
    return s;
}

static double get_double(struct cursor *c)
{
    if (c->p == NULL || c->end - c->p < 8) {
        c->p = NULL;
        return 0;
    }
    double v = bits_double(load64(c->p));
    c->p += 8;
    return v;
}

static bool get_series(struct cursor *c, struct arena *a, struct pushgateway_series *ret)
{
    struct histogram *h = NULL;
    size_t used;
    ret->key = arena_str(a, get_text(c));
    struct str bytes = get_text(c);
    ret->value = get_double(c);
    if (c->p == NULL || labels_get(ret->key, LABEL_METRIC).n == 0)
        return false;
    if (bytes.n && histogram_decode((const uint8_t *)bytes.p, bytes.n, a, &h, &used) != 0)
        return false;
    ret->histogram = h;
    return true;
}

/* NULL for damage. */
static struct pushgateway_family *get_family(struct cursor *c)
{
    struct arena a;
    arena_init(&a);
    struct pushgateway_family *f = arena_new(&a, sizeof *f);
    f->name = arena_str(&a, get_text(c));
    uint64_t type = get_number(c);
    f->type = type <= METRIC_STATESET ? (enum metric_type)type : METRIC_UNKNOWN;
    f->help = arena_str(&a, get_text(c));
    f->unit = arena_str(&a, get_text(c));
    uint64_t n = get_number(c);
    bool good = c->p != NULL && n <= (size_t)(c->end - c->p);
    if (good)
        f->v = arena_array(&a, (size_t)n + 1, sizeof *f->v);
    while (good && f->n < n) {
        good = get_series(c, &a, &f->v[f->n]);
        f->n += good;
    }
    f->arena = a;
    if (good)
        return f;
    pushgateway_family_free(f);
    return NULL;
}

static bool get_group(struct pushgateway_groups *g, struct cursor *c)
{
    struct pushgateway_grouping grouping = {.tenant = get_text(c)};
    uint64_t n = get_number(c);
    if (c->p == NULL || n > PUSHGATEWAY_LABELS_MAX)
        return false;
    for (; grouping.n < n; grouping.n++) {
        grouping.labels[grouping.n].name = get_text(c);
        grouping.labels[grouping.n].value = get_text(c);
    }
    struct pushgateway_group *group =
        c->p == NULL || find(g, &grouping) ? NULL : make(g, &grouping);
    if (group == NULL)
        return false;
    group->pushed_ms = (int64_t)get_number(c);
    group->failed_ms = (int64_t)get_number(c);
    group->lifetime_ms = (int64_t)get_number(c);
    set_times(group);
    for (uint64_t left = get_number(c); left > 0 && c->p != NULL; left--) {
        struct pushgateway_family *f = get_family(c);
        if (f == NULL)
            return false;
        add_family(g, group, f);
    }
    return c->p != NULL;
}

int pushgateway_groups_load(struct pushgateway_groups *g, struct str bytes, struct why *why)
{
    if (bytes.n < sizeof MAGIC - 1 + 4 || !str_starts(bytes, str_c(MAGIC)))
        return why_set(why, ERR_FORMAT, "the file of pushed groups does not begin as one");
    size_t n = bytes.n - 4;
    if (load32(bytes.p + n) != hash_crc32c(0, bytes.p, n))
        return why_set(why, ERR_CORRUPT, "the file of pushed groups is damaged");
    struct cursor c = {(const uint8_t *)bytes.p + sizeof MAGIC - 1, (const uint8_t *)bytes.p + n};
    bool good = true;
    thread_lock(&g->lock);
    for (uint64_t left = get_number(&c); left > 0 && good; left--)
        good = get_group(g, &c);
    good = good && c.p == c.end;
    while (!good && g->all.n > 0)
        drop(g, g->all.v[g->all.n - 1]);
    g->changed = false;
    thread_unlock(&g->lock);
    return good ? 0 : why_set(why, ERR_FORMAT, "the file of pushed groups cannot be read");
}
