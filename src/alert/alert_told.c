#include "alert/alert_inside.h"

#include "base/vec.h"

enum { KEY_BYTES_MAX = 4 << 20 };

static void put_key(struct buf *b, struct str group_key, struct str receiver, struct str kind,
                    uint32_t index)
{
    buf_put_str(b, group_key);
    buf_put_c(b, '\0');
    buf_put_str(b, receiver);
    buf_put_c(b, '\0');
    buf_put_str(b, kind);
    buf_put_c(b, '\0');
    buf_put_u64(b, index);
}

struct alert_told *alert_told_load(struct alerting *a, struct str key)
{
    bool fresh;
    union map_value *v = map_put(&a->told, key, &fresh);
    if (!fresh)
        return v->p;
    struct alert_told *t = mem_new(sizeof *t);
    t->key = mem_text(key.p, key.n);
    t->key_n = key.n;
    v->p = t;
    return t;
}

struct alert_told *alert_told_make(struct alerting *a, struct str group_key, struct str receiver,
                                   struct str kind, uint32_t index)
{
    struct buf key;
    buf_init(&key, KEY_BYTES_MAX);
    put_key(&key, group_key, receiver, kind, index);
    struct alert_told *t = alert_told_load(a, buf_str(&key));
    buf_done(&key);
    t->gone = false;
    return t;
}

struct alert_told *alert_told_find(struct alerting *a, struct str group_key, struct str receiver,
                                   struct str kind, uint32_t index, int64_t now_ms)
{
    struct buf key;
    buf_init(&key, KEY_BYTES_MAX);
    put_key(&key, group_key, receiver, kind, index);
    union map_value *v = map_get(&a->told, buf_str(&key));
    buf_done(&key);
    struct alert_told *t = v ? v->p : NULL;
    return t && !t->gone && t->expires_ms > now_ms ? t : NULL;
}

void alert_told_touch(struct alerting *a, struct alert_told *t)
{
    if (t->dirty)
        return;
    t->dirty = true;
    vec_push(&a->batch.told, t);
}

/* Its memory goes when the disk has heard of it. */
void alert_told_drop(struct alerting *a, struct alert_told *t)
{
    t->gone = true;
    t->firing.n = t->resolved.n = 0;
    t->over = false;
    alert_told_touch(a, t);
}

void alert_told_free(struct alert_told *t)
{
    if (t == NULL)
        return;
    vec_free(&t->firing);
    vec_free(&t->resolved);
    mem_free(t->key);
    mem_free(t);
}

void alert_told_tidy(struct alerting *a, int64_t now_ms)
{
    size_t at = 0;
    for (struct map_slot *m; (m = map_next(&a->told, &at)) != NULL;) {
        struct alert_told *t = m->value.p;
        if (!t->gone && t->expires_ms <= now_ms)
            alert_told_drop(a, t);
    }
}
