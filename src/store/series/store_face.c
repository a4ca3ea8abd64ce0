#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "model/labels.h"
#include "store/series/cursor.h"
#include "store/series/store_inside.h"

static struct store *of_face(struct series_store *face)
{
    return (struct store *)(void *)((char *)face - offsetof(struct store, face));
}

static struct tenant *face_tenant(struct series_store *face, struct str name)
{
    struct store *s = of_face(face);
    must(pthread_rwlock_rdlock(&s->tenants_lock) == 0);
    union map_value *v = map_get(&s->by_name, name);
    struct tenant *t = v ? v->p : NULL;
    must(pthread_rwlock_unlock(&s->tenants_lock) == 0);
    return t;
}

static int face_select(struct series_store *face, struct tenant *t, const struct select *how,
                       struct series_cursor **ret, struct why *why)
{
    (void)face;
    return cursor_open(t, how, ret, why);
}

/* ---- names and values: a set of texts, sorted at the end */

struct text_set {
    struct map map;
    struct arena *arena;
};

static void add_text(void *context, struct str text)
{
    struct text_set *set = context;
    map_put(&set->map, text, NULL);
}

static int by_text(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static void give_sorted(struct text_set *set, struct arena *a, struct str **ret, size_t *ret_n)
{
    struct str *list = arena_array(a, set->map.n, sizeof *list);
    size_t n = 0, at = 0;
    for (struct map_slot *slot; (slot = map_next(&set->map, &at)) != NULL;)
        list[n++] = arena_str(a, slot->key);
    if (n)
        qsort(list, n, sizeof *list, by_text);
    *ret = list;
    *ret_n = n;
    map_done(&set->map);
}

static bool head_overlaps(const struct head *h, int64_t from_ms, int64_t to_ms)
{
    return head_first_ms(h) <= to_ms && head_last_ms(h) >= from_ms;
}

/* The names (or, with name, its values) of the head's series that match. */
static void head_texts(struct head *h, const struct index_matchers *m, const struct str *name,
                       struct text_set *set)
{
    uint32_t *ids = NULL;
    size_t n = 0;
    bool all = index_matchers_n(m) == 0;
    if (!all)
        head_read_select(h, m, &ids, &n);
    must(pthread_rwlock_rdlock(&h->index_lock) == 0);
    for (uint32_t i = 0; all && i < h->pairs.pairs.n; i++) {
        const struct pair *pair = pairs_at(&h->pairs, i);
        const struct pair_name *own = slab_at(&h->pairs.names, pair->name);
        if (pair->series.n && (!name || str_eq(own->text, *name)))
            add_text(set, name ? pairs_value(pair) : own->text);
    }
    for (size_t i = 0; i < n; i++) {
        const struct head_series *s = head_series_at(h, ids[i]);
        for (uint8_t k = 0; s->pairs && k < s->pairs_n; k++) {
            const struct pair *pair = pairs_at(&h->pairs, s->pairs[k]);
            const struct pair_name *own = slab_at(&h->pairs.names, pair->name);
            if (!name || str_eq(own->text, *name))
                add_text(set, name ? pairs_value(pair) : own->text);
        }
    }
    must(pthread_rwlock_unlock(&h->index_lock) == 0);
    mem_free(ids);
}

static int texts(struct tenant *t, const struct str *name, const struct select *how,
                 struct arena *a, struct str **ret, size_t *ret_n, struct why *why)
{
    struct text_set set = {.arena = a};
    struct index_matchers *m;
    size_t held_n;
    int err = index_matchers_new(how->matchers, how->matchers_n, &m, why);
    if (err)
        return err;
    map_init(&set.map, 0);
    if (head_overlaps(t->head, how->from_ms, how->to_ms))
        head_texts(t->head, m, name, &set);
    struct tenant_part **held = tenant_hold(t, how->from_ms, how->to_ms, &held_n);
    for (size_t i = 0; i < held_n && !err; i++)
        err = name ? part_label_values(held[i]->part, *name, m, how->from_ms, how->to_ms, add_text,
                                       &set)
                   : part_label_names(held[i]->part, m, how->from_ms, how->to_ms, add_text, &set);
    tenant_release(held, held_n);
    index_matchers_free(m);
    give_sorted(&set, a, ret, ret_n);
    return err ? why_set(why, (enum err) - err, "reading the index: %s", err_text(err)) : 0;
}

static int face_label_names(struct series_store *face, struct tenant *t, const struct select *how,
                            struct arena *a, struct str **ret, size_t *ret_n, struct why *why)
{
    (void)face;
    return texts(t, NULL, how, a, ret, ret_n, why);
}

static int face_label_values(struct series_store *face, struct tenant *t, struct str name,
                             const struct select *how, struct arena *a, struct str **ret,
                             size_t *ret_n, struct why *why)
{
    (void)face;
    return texts(t, &name, how, a, ret, ret_n, why);
}

/* ---- exemplars */

struct exemplar_list {
    struct exemplar *v;
    size_t n, capacity;
    struct arena *arena;
};

static void add_exemplar(void *context, const struct exemplar *e)
{
    struct exemplar_list *list = context;
    struct exemplar copy = *e;
    copy.key = arena_str(list->arena, e->key);
    copy.labels = arena_str(list->arena, e->labels);
    vec_push(list, copy);
}

static int by_key_and_time(const void *a, const void *b)
{
    const struct exemplar *x = a, *y = b;
    int order = str_cmp(x->key, y->key);
    return order ? order : (x->ts_ms > y->ts_ms) - (x->ts_ms < y->ts_ms);
}

static int face_exemplars(struct series_store *face, struct tenant *t, const struct select *how,
                          struct arena *a, struct exemplar **ret, size_t *ret_n, struct why *why)
{
    struct exemplar_list list = {.arena = a};
    struct exemplar *fresh;
    struct index_matchers *m;
    size_t n, held_n;
    (void)face;
    int err = index_matchers_new(how->matchers, how->matchers_n, &m, why);
    if (err)
        return err;
    tenant_exemplars(t, a, &fresh, &n);
    for (size_t i = 0; i < n; i++)
        if (fresh[i].ts_ms >= how->from_ms && fresh[i].ts_ms <= how->to_ms &&
            index_matchers_match(m, fresh[i].key))
            vec_push(&list, fresh[i]);
    struct tenant_part **held = tenant_hold(t, how->from_ms, how->to_ms, &held_n);
    for (size_t i = 0; i < held_n && !err; i++)
        err = part_exemplars(held[i]->part, m, how->from_ms, how->to_ms, add_exemplar, &list);
    tenant_release(held, held_n);
    index_matchers_free(m);
    if (list.n)
        qsort(list.v, list.n, sizeof *list.v, by_key_and_time);
    *ret = arena_array(a, list.n, sizeof **ret);
    if (list.n)
        memcpy(*ret, list.v, list.n * sizeof **ret);
    *ret_n = list.n;
    vec_free(&list);
    return err ? why_set(why, (enum err) - err, "reading exemplars: %s", err_text(err)) : 0;
}

/* ---- metadata */

static int by_metric(const void *a, const void *b)
{
    return str_cmp(((const struct metadata *)a)->metric, ((const struct metadata *)b)->metric);
}

static int face_metadata(struct series_store *face, struct tenant *t, struct str metric,
                         struct arena *a, struct metadata **ret, size_t *ret_n)
{
    (void)face;
    size_t at = 0, n = 0;
    thread_lock(&t->notes_lock);
    struct metadata *list = arena_array(a, t->metadata.n, sizeof *list);
    for (struct map_slot *slot; (slot = map_next(&t->metadata, &at)) != NULL;) {
        const struct stored_metadata *m = slot->value.p;
        if (metric.n && !str_eq(metric, slot->key))
            continue;
        list[n++] = (struct metadata){arena_str(a, slot->key), m->type,
                                      arena_str(a, str_c(m->help)), arena_str(a, str_c(m->unit))};
    }
    thread_unlock(&t->notes_lock);
    if (n)
        qsort(list, n, sizeof *list, by_metric);
    *ret = list;
    *ret_n = n;
    return 0;
}

/* ---- cardinality */

static int by_count(const void *a, const void *b)
{
    const struct cardinality_row *x = a, *y = b;
    if (x->n != y->n)
        return x->n < y->n ? 1 : -1;
    return str_cmp(x->name, y->name);
}

static size_t cut_top(struct cardinality_row *rows, size_t n, size_t top)
{
    if (n)
        qsort(rows, n, sizeof *rows, by_count);
    return MIN(n, top);
}

/* Open blocks, sealed chunks and late lists that hold something. Under index_lock. */
static uint64_t count_chunks(struct head *h)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < h->series.n; i++) {
        const struct head_series *s = slab_at(&h->series, i);
        if (s->pairs == NULL || s->group == HEAD_NO_GROUP)
            continue;
        struct head_group *g = slab_at(&h->groups, s->group);
        head_group_lock(g);
        n += (s->n > 0) + (s->sealed ? s->sealed->n : 0) + (s->extra && s->extra->late_n > 0);
        head_group_unlock(g);
    }
    return n;
}

static int face_cardinality(struct series_store *face, struct tenant *t, size_t top,
                            struct arena *a, struct cardinality *ret)
{
    (void)face;
    struct head *h = t->head;
    must(pthread_rwlock_rdlock(&h->index_lock) == 0);
    size_t pairs = h->pairs.pairs.n, names = h->pairs.names.n, metrics = 0, live = 0, n = 0;
    struct cardinality_row *by_pair = arena_array(a, pairs, sizeof *by_pair);
    struct cardinality_row *by_name = arena_array(a, pairs, sizeof *by_name);
    struct cardinality_row *by_label = arena_array(a, names, sizeof *by_label);
    struct cardinality_row *by_bytes = arena_array(a, names, sizeof *by_bytes);
    for (uint32_t i = 0; i < pairs; i++) {
        const struct pair *pair = pairs_at(&h->pairs, i);
        const struct pair_name *name = slab_at(&h->pairs.names, pair->name);
        if (pair->series.n == 0)
            continue;
        by_label[pair->name].n++;
        by_bytes[pair->name].n += (uint64_t)pairs_value(pair).n * pair->series.n;
        if (str_eq(name->text, LABEL_METRIC))
            by_name[metrics++] =
                (struct cardinality_row){arena_str(a, pairs_value(pair)), pair->series.n};
        by_pair[live++] = (struct cardinality_row){
            arena_printf(a, "%.*s=%.*s", STR_ARG(name->text), STR_ARG(pairs_value(pair))),
            pair->series.n};
    }
    for (uint32_t i = 0; i < names; i++) {
        if (by_label[i].n == 0)
            continue;
        const struct pair_name *name = slab_at(&h->pairs.names, i);
        struct str text = arena_str(a, name->text);
        by_bytes[n] = (struct cardinality_row){text, by_bytes[i].n};
        by_label[n++] = (struct cardinality_row){text, by_label[i].n};
    }
    *ret = (struct cardinality){
        .series = h->alive,
        .label_pairs = live,
        .label_names = n,
        .chunks = count_chunks(h),
        .first_ms = head_first_ms(h),
        .last_ms = head_last_ms(h),
        .by_metric = by_name,
        .by_metric_n = cut_top(by_name, metrics, top),
        .by_label = by_label,
        .by_label_n = cut_top(by_label, n, top),
        .by_bytes = by_bytes,
        .by_bytes_n = cut_top(by_bytes, n, top),
        .by_pair = by_pair,
        .by_pair_n = cut_top(by_pair, live, top),
    };
    must(pthread_rwlock_unlock(&h->index_lock) == 0);
    return 0;
}

/* ---- deleting */

static int face_remove(struct series_store *face, struct tenant *t, const struct matcher *matchers,
                       size_t matchers_n, int64_t from_ms, int64_t to_ms, struct why *why)
{
    struct store *s = of_face(face);
    thread_lock(&s->work_lock);
    /* Deletions hide parts only: what is in memory has to become one first. */
    int err = store_flush_all(s, why);
    if (!err)
        err = tenant_add_tombstone(t, matchers, matchers_n, from_ms, to_ms, why);
    written_note_range(&t->written, from_ms, to_ms);
    thread_unlock(&s->work_lock);
    return err;
}

static uint64_t face_mark(struct series_store *face, struct tenant *t)
{
    (void)face;
    return written_mark(&t->written);
}

static uint64_t face_written(struct series_store *face, struct tenant *t, int64_t from_ms,
                             int64_t to_ms)
{
    (void)face;
    return written_newest(&t->written, from_ms, to_ms);
}

static void face_bound(struct series_store *face, struct tenant *t, int64_t from_ms, int64_t to_ms,
                       uint64_t *ret_samples, uint64_t *ret_series)
{
    (void)face;
    bool head = head_overlaps(t->head, from_ms, to_ms);
    *ret_samples = head ? head_samples(t->head) : 0;
    must(pthread_rwlock_rdlock(&t->head->index_lock) == 0);
    *ret_series = t->head->alive;
    must(pthread_rwlock_unlock(&t->head->index_lock) == 0);
    thread_lock(&t->parts_lock);
    for (size_t i = 0; i < t->parts.n; i++) {
        const struct part_info *info = part_info(t->parts.v[i]->part);
        if (info->first_ms > to_ms || info->last_ms < from_ms)
            continue;
        *ret_samples += info->samples;
        *ret_series = MAX(*ret_series, info->series);
    }
    thread_unlock(&t->parts_lock);
}

const struct series_store_ops store_face_ops = {
    .mark = face_mark,
    .written = face_written,
    .bound = face_bound,
    .tenant = face_tenant,
    .select = face_select,
    .next = cursor_next,
    .estimate = cursor_estimate,
    .split = cursor_split,
    .decode = cursor_decode,
    .warnings = cursor_warnings,
    .close = cursor_close,
    .label_names = face_label_names,
    .label_values = face_label_values,
    .exemplars = face_exemplars,
    .metadata = face_metadata,
    .cardinality = face_cardinality,
    .remove = face_remove,
};
