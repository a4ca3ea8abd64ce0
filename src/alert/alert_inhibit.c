#include "alert/alert_inside.h"

#include "base/vec.h"
#include "model/labels.h"

enum { EQUAL_BYTES_MAX = 1 << 20 };

/* The values of `equal`, each behind its length: a label that is missing is an empty one. */
static void put_equal(const struct plan_inhibit *rule, struct str labels, struct buf *key)
{
    for (size_t k = 0; k < rule->equal_n; k++) {
        struct str value = labels_get(labels, rule->equal[k]);
        buf_put_varint(key, value.n);
        buf_put_str(key, value);
    }
    buf_put_c(key, '.'); /* a map's key is never empty */
}

static struct alert_bucket *bucket_of(struct alert_rule *r, struct str labels, bool make)
{
    struct buf key;
    buf_init(&key, EQUAL_BYTES_MAX);
    put_equal(r->rule, labels, &key);
    union map_value *v = map_get(&r->buckets, buf_str(&key));
    if (v == NULL && make) {
        v = map_put(&r->buckets, buf_str(&key), NULL);
        v->p = mem_new(sizeof(struct alert_bucket));
    }
    buf_done(&key);
    return v ? v->p : NULL;
}

static struct alert_bucket_list *list_of(const struct alert_place *p)
{
    return p->both ? &p->bucket->both : &p->bucket->single;
}

void alert_inhibit_add(struct alerting *a, struct alert_item *i)
{
    alert_inhibit_drop(i);
    for (size_t k = 0; k < a->rules_n; k++) {
        const struct plan_inhibit *rule = a->rules[k].rule;
        if (!matcher_list_holds(&rule->source, i->labels))
            continue;
        struct alert_place place = {.bucket = bucket_of(&a->rules[k], i->labels, true),
                                    .both = matcher_list_holds(&rule->target, i->labels)};
        struct alert_bucket_list *list = list_of(&place);
        place.at = list->n;
        vec_push(list, ((struct alert_bucket_slot){i, i->places.n}));
        vec_push(&i->places, place);
    }
}

void alert_inhibit_drop(struct alert_item *i)
{
    for (size_t k = 0; k < i->places.n; k++) {
        const struct alert_place *p = &i->places.v[k];
        struct alert_bucket_list *list = list_of(p);
        struct alert_bucket_slot last = list->v[--list->n];
        if (p->at == list->n)
            continue;
        list->v[p->at] = last;
        last.item->places.v[last.place].at = p->at;
    }
    i->places.n = 0;
}

/* Sources that have ended but were not acted upon yet do not count. */
static const struct alert_item *any_of(const struct alert_bucket_list *list, int64_t now_ms)
{
    for (size_t k = 0; k < list->n; k++)
        if (list->v[k].item->ends_ms > now_ms)
            return list->v[k].item;
    return NULL;
}

const struct alert_item *alert_inhibit_by(const struct alerting *a, const struct alert_item *i,
                                          int64_t now_ms)
{
    for (size_t k = 0; k < a->rules_n; k++) {
        const struct plan_inhibit *rule = a->rules[k].rule;
        if (!matcher_list_holds(&rule->target, i->labels))
            continue;
        const struct alert_bucket *b = bucket_of(&a->rules[k], i->labels, false);
        if (b == NULL)
            continue;
        const struct alert_item *by = any_of(&b->single, now_ms);
        /* An alert on both sides is not inhibited by one that is on both sides. */
        if (by == NULL && b->both.n && !matcher_list_holds(&rule->source, i->labels))
            by = any_of(&b->both, now_ms);
        if (by)
            return by;
    }
    return NULL;
}

void alert_inhibit_close(struct alerting *a)
{
    size_t at = 0;
    for (struct map_slot *m; (m = map_next(&a->items, &at)) != NULL;)
        ((struct alert_item *)m->value.p)->places.n = 0;
    for (size_t k = 0; k < a->rules_n; k++) {
        at = 0;
        for (struct map_slot *m; (m = map_next(&a->rules[k].buckets, &at)) != NULL;) {
            struct alert_bucket *b = m->value.p;
            vec_free(&b->single);
            vec_free(&b->both);
            mem_free(b);
        }
        map_done(&a->rules[k].buckets);
    }
    mem_free(a->rules);
    a->rules = NULL;
    a->rules_n = 0;
}

void alert_inhibit_open(struct alerting *a, const struct plan *p)
{
    size_t at = 0;
    a->rules = mem_array(p->inhibits_n, sizeof *a->rules);
    a->rules_n = p->inhibits_n;
    for (size_t k = 0; k < a->rules_n; k++) {
        a->rules[k].rule = &p->inhibits[k];
        map_init(&a->rules[k].buckets, 0);
    }
    for (struct map_slot *m; (m = map_next(&a->items, &at)) != NULL;) {
        struct alert_item *i = m->value.p;
        if (!i->resolved)
            alert_inhibit_add(a, i);
    }
}
