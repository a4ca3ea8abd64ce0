#include "base/vec.h"
#include "rules/group_inside.h"

void group_labels_read(struct group_labels *l, struct str key)
{
    struct label one;
    l->n = 0;
    for (const char *at = key.p; labels_next(key, &at, &one, NULL);)
        vec_push(l, one);
}

void group_labels_set(struct group_labels *l, struct str name, struct str value)
{
    for (size_t i = 0; i < l->n; i++) {
        if (!str_eq(l->v[i].name, name))
            continue;
        if (value.n)
            l->v[i].value = value;
        else
            l->v[i] = l->v[--l->n];
        return;
    }
    struct label one = {name, value};
    if (value.n)
        vec_push(l, one);
}

int group_labels_key(struct group_labels *l, struct arena *a, struct str *ret, struct why *why)
{
    struct buf key;
    buf_init(&key, GROUP_KEY_MAX);
    int err = labels_encode_bare(l->v, l->n, &key, why);
    if (err == 0)
        *ret = arena_str(a, buf_str(&key));
    buf_done(&key);
    return err;
}

struct str group_labels_pairs(const struct rule_pair *v, size_t n, struct arena *a)
{
    struct buf key;
    buf_init(&key, (size_t)64 * 1024 * 1024);
    for (size_t i = 0; i < n; i++)
        labels_put(&key, v[i].name, v[i].value);
    struct str out = arena_str(a, buf_str(&key));
    buf_done(&key);
    return out;
}
