#include "store/series/pairs.h"

#include <stdlib.h>
#include <string.h>

#include "base/rand.h"
#include "base/vec.h"
#include "model/labels.h"

enum { POSTINGS_DOUBLE_MAX = 1024 }; /* ids; beyond that lists grow by a quarter */

void pairs_init(struct pairs *p)
{
    *p = (struct pairs){0};
    slab_init(&p->pairs, sizeof(struct pair));
    slab_init(&p->names, sizeof(struct pair_name));
    map_init(&p->by_bytes, rand_seed());
    map_init(&p->by_name, rand_seed());
}

void pairs_done(struct pairs *p)
{
    for (uint32_t i = 0; i < p->pairs.n; i++) {
        mem_free(pairs_at(p, i)->series.v);
        mem_free((void *)(uintptr_t)pairs_at(p, i)->bytes.p);
    }
    for (uint32_t i = 0; i < p->names.n; i++) {
        struct pair_name *name = slab_at(&p->names, i);
        mem_free(name->pairs);
        mem_free((void *)(uintptr_t)name->text.p);
    }
    slab_done(&p->pairs);
    slab_done(&p->names);
    map_done(&p->by_bytes);
    map_done(&p->by_name);
}

static struct label label_of(struct str bytes)
{
    struct label label = {0};
    const char *at = bytes.p;
    must(labels_next(bytes, &at, &label, NULL));
    return label;
}

static uint32_t intern_name(struct pairs *p, struct str text)
{
    bool is_new;
    union map_value *v = map_put(&p->by_name, text, &is_new);
    if (is_new) {
        v->u = p->names.n;
        struct pair_name *name = slab_grow(&p->names);
        name->text = str_of(mem_text(text.p, text.n), text.n);
        p->bytes += text.n + sizeof *name;
    }
    return (uint32_t)v->u;
}

static void name_adds(struct pair_name *name, uint32_t pair)
{
    if (name->n == name->capacity) {
        name->capacity = MAX(name->capacity * 2, 4u);
        name->pairs = mem_resize(name->pairs, name->capacity * sizeof *name->pairs);
    }
    name->pairs[name->n++] = pair;
}

uint32_t pairs_intern(struct pairs *p, struct str bytes)
{
    bool is_new;
    union map_value *v = map_put(&p->by_bytes, bytes, &is_new);
    if (!is_new)
        return (uint32_t)v->u;

    uint32_t id = p->pairs.n;
    v->u = id;
    struct pair *pair = slab_grow(&p->pairs);
    pair->bytes = str_of(mem_text(bytes.p, bytes.n), bytes.n);
    pair->name = intern_name(p, label_of(bytes).name);
    struct pair_name *name = slab_at(&p->names, pair->name);
    pair->in_name = name->n;
    name_adds(name, id);
    p->bytes += 2 * bytes.n + sizeof *pair + 48;
    return id;
}

struct pair_name *pairs_name(const struct pairs *p, struct str name)
{
    union map_value *v = map_get(&p->by_name, name);
    return v ? slab_at(&p->names, (uint32_t)v->u) : NULL;
}

uint32_t pairs_find(const struct pairs *p, struct str name, struct str value)
{
    struct buf bytes;
    buf_init(&bytes, name.n + value.n + 64);
    labels_put(&bytes, name, value);
    union map_value *v = map_get(&p->by_bytes, buf_str(&bytes));
    uint32_t found = v ? (uint32_t)v->u : PAIR_NONE;
    buf_done(&bytes);
    return found;
}

struct str pairs_value(const struct pair *pair)
{
    return label_of(pair->bytes).value;
}

void pairs_post(struct pairs *p, uint32_t pair, uint32_t id)
{
    struct postings *list = &pairs_at(p, pair)->series;
    if (list->n == list->capacity) {
        uint32_t before = list->capacity;
        list->capacity = before < POSTINGS_DOUBLE_MAX ? MAX(before * 2, 2u) : before + before / 4;
        list->v = mem_resize(list->v, list->capacity * sizeof *list->v);
        p->bytes += (list->capacity - before) * sizeof *list->v;
    }
    uint32_t at = list->n++;
    /* Ids come in ascending order but for the ones that are used again. */
    while (at > 0 && list->v[at - 1] > id) {
        list->v[at] = list->v[at - 1];
        at--;
    }
    list->v[at] = id;
}

static int by_bytes(const void *a, const void *b, void *context)
{
    const struct pairs *p = context;
    return str_cmp(pairs_at(p, *(const uint32_t *)a)->bytes,
                   pairs_at(p, *(const uint32_t *)b)->bytes);
}

void pairs_rank(struct pairs *p)
{
    if (p->ranked == p->pairs.n)
        return;

    uint32_t *order = mem_array(p->pairs.n, sizeof *order);
    for (uint32_t i = 0; i < p->pairs.n; i++)
        order[i] = i;
    qsort_r(order, p->pairs.n, sizeof *order, by_bytes, p);
    for (uint32_t i = 0; i < p->pairs.n; i++)
        pairs_at(p, order[i])->rank = i;
    p->ranked = p->pairs.n;
    mem_free(order);
}
