#include "receive/statsd_table.h"

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/rand.h"
#include "base/vec.h"

enum {
    SLOTS_FIRST = 1024,
    ALIASES_PER_SERIES = 2, /* on average; more are refused as new series are */
};

void statsd_table_init(struct statsd_table *t, size_t series_max)
{
    *t = (struct statsd_table){
        .capacity = SLOTS_FIRST, .series_max = series_max, .seed = rand_seed()};
    t->slots = mem_array(t->capacity, sizeof *t->slots);
    map_init(&t->by_key, rand_seed());
}

static void classic_free(struct statsd_classic *c)
{
    if (c == NULL)
        return;
    mem_free(c->counts);
    mem_free(c->keys);
    mem_free(c->keys_bytes);
    mem_free(c);
}

void statsd_series_free(struct statsd_series *s)
{
    while (s->aliases != NULL) {
        struct statsd_alias *a = s->aliases;
        s->aliases = a->next;
        mem_free(a);
    }
    mem_free((void *)(uintptr_t)s->key.p);
    mem_free(s->set.v);
    histogram_builder_done(&s->histogram);
    classic_free(s->classic);
    mem_free(s);
}

void statsd_table_done(struct statsd_table *t)
{
    for (size_t i = 0; i < t->series.n; i++)
        statsd_series_free(t->series.v[i]);
    vec_free(&t->series);
    map_done(&t->by_key);
    mem_free(t->slots);
}

uint64_t statsd_table_hash(const struct statsd_table *t, const struct statsd_id *id)
{
    uint64_t hash = hash_xxh3(id->name.p, id->name.n, t->seed + (unsigned char)id->type);
    if (id->tags.n > 0)
        hash = hash_xxh3(id->tags.p, id->tags.n, hash);
    if (UNLIKELY(id->container.n > 0))
        hash = hash_xxh3(id->container.p, id->container.n, ~hash);
    return hash;
}

static bool is_of(const struct statsd_alias *a, const struct statsd_id *id)
{
    if (a->type != id->type || a->name_n != id->name.n || a->tags_n != id->tags.n ||
        a->container_n != id->container.n || memcmp(a->bytes, id->name.p, id->name.n) != 0)
        return false;
    const char *at = a->bytes + a->name_n;
    if (a->tags_n > 0 && memcmp(at, id->tags.p, a->tags_n) != 0)
        return false;
    return a->container_n == 0 || memcmp(at + a->tags_n, id->container.p, a->container_n) == 0;
}

struct statsd_alias *statsd_table_find(const struct statsd_table *t, const struct statsd_id *id,
                                       uint64_t hash)
{
    size_t mask = t->capacity - 1;
    for (size_t i = hash & mask; t->slots[i].alias != NULL; i = (i + 1) & mask)
        if (t->slots[i].hash == hash && LIKELY(is_of(t->slots[i].alias, id)))
            return t->slots[i].alias;
    return NULL;
}

static void place(struct statsd_table *t, struct statsd_alias *a)
{
    size_t mask = t->capacity - 1, i = a->hash & mask;
    while (t->slots[i].alias != NULL)
        i = (i + 1) & mask;
    t->slots[i] = (struct statsd_slot){a->hash, a};
}

static void grow(struct statsd_table *t)
{
    struct statsd_slot *old = t->slots;
    size_t n = t->capacity;
    t->capacity *= 2;
    t->slots = mem_array(t->capacity, sizeof *t->slots);
    for (size_t i = 0; i < n; i++)
        if (old[i].alias != NULL)
            place(t, old[i].alias);
    mem_free(old);
}

static struct statsd_alias *alias_new(const struct statsd_id *id, uint64_t hash)
{
    struct statsd_alias *a = mem_new(sizeof *a + id->name.n + id->tags.n + id->container.n);
    a->hash = hash;
    a->scale = id->type == 'm' ? 0.001 : 1;
    a->type = id->type;
    a->name_n = (uint32_t)id->name.n;
    a->tags_n = (uint32_t)id->tags.n;
    a->container_n = (uint32_t)id->container.n;
    char *to = a->bytes;
    const struct str *parts[] = {&id->name, &id->tags, &id->container};
    for (size_t i = 0; i < COUNTOF(parts); i++) {
        if (parts[i]->n > 0)
            memcpy(to, parts[i]->p, parts[i]->n);
        to += parts[i]->n;
    }
    return a;
}

static struct statsd_series *series_new(struct statsd_table *t, struct str key,
                                        enum statsd_kind kind)
{
    struct statsd_series *s = mem_new(sizeof *s);
    s->key = str_of(mem_copy(key.p, key.n), key.n);
    s->kind = kind;
    histogram_builder_init(&s->histogram);
    vec_push(&t->series, s);
    return s;
}

enum statsd_bad statsd_table_add(struct statsd_table *t, const struct statsd_id *id, uint64_t hash,
                                 struct str key, enum statsd_kind kind, struct statsd_alias **ret,
                                 bool *ret_new)
{
    union map_value *known = map_get(&t->by_key, key);
    struct statsd_series *s = known == NULL ? NULL : known->p;
    if (s != NULL && s->kind != kind)
        return STATSD_BAD_KIND;
    if ((s == NULL && t->series.n >= t->series_max) ||
        t->aliases_n >= t->series_max * ALIASES_PER_SERIES)
        return STATSD_BAD_LIMIT;
    *ret_new = s == NULL;
    if (s == NULL) {
        s = series_new(t, key, kind);
        map_put(&t->by_key, key, NULL)->p = s;
    }
    if ((t->aliases_n + 1) * 2 > t->capacity)
        grow(t);
    struct statsd_alias *a = alias_new(id, hash);
    a->series = s;
    a->next = s->aliases;
    s->aliases = a;
    place(t, a);
    t->aliases_n++;
    *ret = a;
    return STATSD_FINE;
}

/* Empties the alias's slot and moves those behind it nearer to where they belong. */
static void unplace(struct statsd_table *t, const struct statsd_alias *a)
{
    size_t mask = t->capacity - 1, hole = a->hash & mask;
    while (t->slots[hole].alias != a)
        hole = (hole + 1) & mask;
    for (size_t i = (hole + 1) & mask; t->slots[i].alias != NULL; i = (i + 1) & mask) {
        size_t wanted = t->slots[i].hash & mask;
        if (((i - wanted) & mask) >= ((i - hole) & mask)) {
            t->slots[hole] = t->slots[i];
            hole = i;
        }
    }
    t->slots[hole] = (struct statsd_slot){0};
    t->aliases_n--;
}

struct statsd_series *statsd_table_take(struct statsd_table *t, size_t i)
{
    struct statsd_series *s = t->series.v[i];
    for (const struct statsd_alias *a = s->aliases; a != NULL; a = a->next)
        unplace(t, a);
    map_drop(&t->by_key, s->key);
    t->series.v[i] = t->series.v[--t->series.n];
    return s;
}
