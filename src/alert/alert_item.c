#include "alert/alert_inside.h"

#include <stdlib.h>

#include "base/vec.h"
#include "model/labels.h"

static struct str key_of(const uint64_t *fingerprint)
{
    return str_of((const char *)fingerprint, sizeof *fingerprint);
}

struct alert_item *alert_item_find(const struct alerting *a, uint64_t fingerprint)
{
    union map_value *v = map_get(&a->items, key_of(&fingerprint));
    return v ? v->p : NULL;
}

struct alert_item *alert_item_add(struct alerting *a, uint64_t fingerprint)
{
    struct alert_item *i = mem_new(sizeof *i);
    i->fingerprint = fingerprint;
    map_put(&a->items, key_of(&fingerprint), NULL)->p = i;
    return i;
}

bool alert_item_say(struct alert_item *i, struct str labels, struct str annotations, struct str url)
{
    if (i->text && str_eq(i->labels, labels) && str_eq(i->annotations, annotations) &&
        str_eq(i->url, url))
        return false;
    char *text = mem_raw(labels.n + annotations.n + url.n + 1);
    char *p = text;
    struct str *const parts[] = {&labels, &annotations, &url};
    for (size_t k = 0; k < COUNTOF(parts); k++) {
        if (parts[k]->n)
            memcpy(p, parts[k]->p, parts[k]->n);
        *parts[k] = str_of(p, parts[k]->n);
        p += parts[k]->n;
    }
    mem_free(i->text);
    i->text = text;
    i->labels = labels;
    i->annotations = annotations;
    i->url = url;
    return true;
}

void alert_item_free(struct alert_item *i)
{
    if (i == NULL)
        return;
    mem_free(i->text);
    mem_free(i->acknowledged_by);
    mem_free(i->assigned_to);
    mem_free(i->escalation_name);
    vec_free(&i->groups);
    vec_free(&i->gone);
    vec_free(&i->places);
    vec_free(&i->silences);
    mem_free(i);
}

void alert_item_touch(struct alerting *a, struct alert_item *i)
{
    if (i->dirty)
        return;
    i->dirty = true;
    vec_push(&a->batch.items, i);
}

void alert_item_history(struct alerting *a, const struct alert_item *i, int64_t now_ms,
                        const char *what, struct str who, struct str text)
{
    alert_batch_history(a, &(struct alert_history_row){.time_ms = now_ms,
                                                       .fingerprint = i->fingerprint,
                                                       .labels = i->labels,
                                                       .what = str_c(what),
                                                       .who = who,
                                                       .text = text});
}

/* ---- sets of fingerprints */

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

bool alert_item_set_has(const struct alert_set *s, uint64_t v)
{
    return s->n && bsearch(&v, s->v, s->n, sizeof *s->v, compare_u64) != NULL;
}

void alert_item_set_add(struct alert_set *s, uint64_t v)
{
    if (alert_item_set_has(s, v))
        return;
    vec_push(s, v);
    size_t at = s->n - 1;
    for (; at > 0 && s->v[at - 1] > v; at--)
        s->v[at] = s->v[at - 1];
    s->v[at] = v;
}

void alert_item_set_sort(struct alert_set *s)
{
    if (s->n < 2)
        return;
    qsort(s->v, s->n, sizeof *s->v, compare_u64);
    size_t n = 1;
    for (size_t k = 1; k < s->n; k++)
        if (s->v[k] != s->v[n - 1])
            s->v[n++] = s->v[k];
    s->n = n;
}

bool alert_item_set_within(const struct alert_set *inner, const struct alert_set *outer)
{
    size_t at = 0;
    for (size_t k = 0; k < inner->n; k++) {
        while (at < outer->n && outer->v[at] < inner->v[k])
            at++;
        if (at == outer->n || outer->v[at] != inner->v[k])
            return false;
    }
    return true;
}

/* ---- order */

static size_t count(struct str labels)
{
    size_t n = 0;
    struct label l;
    for (const char *at = labels.p; labels_next(labels, &at, &l, NULL);)
        n++;
    return n;
}

/* Name by name in the order of both; who has a name that the other lacks comes behind where it
 * stands first. */
static int order_rest(struct str a, struct str b)
{
    const char *at_a = a.p, *at_b = b.p;
    struct label x, y;
    for (;;) {
        bool more_a = labels_next(a, &at_a, &x, NULL), more_b = labels_next(b, &at_b, &y, NULL);
        if (!more_a || !more_b)
            return (int)more_a - (int)more_b;
        int names = str_cmp(x.name, y.name);
        if (names != 0) /* the smaller name is missing in the other */
            return names < 0 ? 1 : -1;
        int values = str_cmp(x.value, y.value);
        if (values != 0)
            return values;
    }
}

int alert_item_order(struct str a, struct str b)
{
    static const char *const FIRST[] = {"job", "instance"};
    for (size_t k = 0; k < COUNTOF(FIRST); k++) {
        struct str x = labels_get(a, str_c(FIRST[k])), y = labels_get(b, str_c(FIRST[k]));
        if (x.n == 0 && y.n == 0)
            continue;
        if (x.n == 0 || y.n == 0)
            return x.n == 0 ? 1 : -1;
        int values = str_cmp(x, y);
        if (values != 0)
            return values;
    }
    size_t n = count(a), m = count(b);
    return n != m ? (n < m ? -1 : 1) : order_rest(a, b);
}
