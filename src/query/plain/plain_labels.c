#include "query/plain/plain_inside.h"

#include <string.h>

struct plain_labels plain_labels_read(struct plain *p, struct str key)
{
    struct label v[LABELS_MAX];
    size_t n = 0;
    const char *at = key.p;
    while (key.n && labels_next(key, &at, &v[n], NULL))
        n++;
    struct plain_labels l = {arena_array(p->arena, n + 1, sizeof *l.v), n};
    memcpy(l.v, v, n * sizeof *v);
    return l;
}

struct str plain_labels_key(struct plain *p, struct plain_labels l)
{
    struct label copy[LABELS_MAX];
    struct buf b;
    if (l.n)
        memcpy(copy, l.v, l.n * sizeof *copy);
    labels_sort(copy, l.n);
    buf_init(&b, LABELS_KEY_MAX);
    for (size_t i = 0; i < l.n; i++)
        labels_put(&b, copy[i].name, copy[i].value);
    struct str key = arena_str(p->arena, buf_str(&b));
    buf_done(&b);
    return key;
}

struct str plain_labels_get(struct plain_labels l, struct str name)
{
    for (size_t i = 0; i < l.n; i++) {
        if (str_eq(l.v[i].name, name))
            return l.v[i].value;
    }
    return STR("");
}

struct plain_labels plain_labels_set(struct plain *p, struct plain_labels l, struct str name,
                                     struct str value)
{
    struct plain_labels to = {arena_array(p->arena, l.n + 1, sizeof *to.v), 0};
    for (size_t i = 0; i < l.n; i++) {
        if (!str_eq(l.v[i].name, name))
            to.v[to.n++] = l.v[i];
    }
    if (value.n)
        to.v[to.n++] = (struct label){name, value};
    labels_sort(to.v, to.n);
    return to;
}

bool plain_labels_equal(struct plain_labels a, struct plain_labels b)
{
    bool same = a.n == b.n;
    for (size_t i = 0; same && i < a.n; i++)
        same = str_eq(a.v[i].name, b.v[i].name) && str_eq(a.v[i].value, b.v[i].value);
    return same;
}

struct plain_labels plain_labels_some(struct plain *p, struct plain_labels l,
                                      const struct promql_labels *names, bool keep)
{
    struct plain_labels to = {arena_array(p->arena, l.n + 1, sizeof *to.v), 0};
    for (size_t i = 0; i < l.n; i++) {
        bool named = false;
        for (size_t k = 0; k < names->n; k++)
            named |= str_eq(names->v[k], l.v[i].name);
        if (keep ? named : !named && !str_eq(l.v[i].name, LABEL_METRIC))
            to.v[to.n++] = l.v[i];
    }
    return to;
}

void plain_push(struct plain *p, struct plain_vector *to, struct plain_element e)
{
    if (to->n == to->capacity) {
        struct plain_element *v = arena_array(p->arena, to->n * 2 + 8, sizeof *v);
        if (to->n)
            memcpy(v, to->v, to->n * sizeof *v);
        to->v = v;
        to->capacity = to->n * 2 + 8;
    }
    to->v[to->n++] = e;
}

void plain_drop_name(struct plain *p, struct plain_element *e)
{
    if (p->delayed)
        e->drop_name = true;
    else
        e->labels = plain_labels_set(p, e->labels, LABEL_METRIC, STR(""));
}

void plain_unique(struct plain *p, const struct plain_vector *v)
{
    for (size_t i = 0; i < v->n; i++) {
        for (size_t k = 0; k < i; k++) {
            if (plain_labels_equal(v->v[i].labels, v->v[k].labels))
                plain_fail(p, "vector cannot contain metrics with the same labelset");
        }
    }
}
