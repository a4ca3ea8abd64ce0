#include "store/series/head_flush.h"

#include <string.h>

#include "base/vec.h"
#include "os/thread.h"
#include "store/series/head_slot.h"

enum { TRIM_STEP = 4096 }; /* series trimmed under one hold of the index lock */

static uint32_t groups_n(struct head *h)
{
    thread_lock(&h->group_lock);
    uint32_t n = h->groups.n;
    thread_unlock(&h->group_lock);
    return n;
}

void head_flush_mark(struct head *h)
{
    /* Appends note what they took under the index lock: what is in the other span from here on lies
     * below the marks that follow. */
    must(pthread_rwlock_wrlock(&h->index_lock) == 0);
    atomic_store(&h->span, !atomic_load(&h->span));
    must(pthread_rwlock_unlock(&h->index_lock) == 0);
    uint32_t n = groups_n(h);
    for (uint32_t i = 0; i < n; i++) {
        struct head_group *g = head_group_at(h, i);
        head_group_lock(g);
        g->flush_end = g->base + g->n;
        head_group_unlock(g);
    }
}

void head_flush_times(struct head *h, uint32_t group, uint32_t *ret_base, int64_t **ret_ts,
                      size_t *ret_n)
{
    struct head_group *g = head_group_at(h, group);
    head_group_lock(g);
    size_t n = g->flush_end > g->base ? g->flush_end - g->base : 0;
    *ret_base = g->base;
    *ret_ts = n ? mem_copy(g->ts_ms, n * sizeof *g->ts_ms) : NULL;
    *ret_n = n;
    head_group_unlock(g);
}

/* The slots of s that the flush takes: *ret_first, count. A chunk may reach from the flush before
 * into this one. */
static size_t slots_below(const struct head_group *g, const struct head_series *s,
                          uint32_t *ret_first)
{
    uint32_t first = s->sealed && s->sealed->n ? s->sealed->v[0].first_slot : s->first_slot;
    uint32_t end = g->flush_end;
    first = MAX(first, g->base);
    uint32_t next = s->first_slot + s->n;
    *ret_first = first;
    return MIN(next, end) > first ? MIN(next, end) - first : 0;
}

static void copy_extra(struct head_reader *r, struct head_extra *x)
{
    arena_reset(&r->of_series);
    r->late.n = 0;
    for (uint32_t i = 0; i < x->late_flushed; i++) {
        struct head_late entry = x->late[i];
        if (entry.histogram)
            entry.histogram = histogram_clone(entry.histogram, &r->of_series);
        vec_push(&r->late, entry);
    }
}

bool head_flush_series(struct head_reader *r, uint32_t id, size_t groups_n, bool first,
                       struct head_flush *ret)
{
    struct head_series *s = head_series_at(r->head, id);
    *ret = (struct head_flush){.group = __atomic_load_n(&s->group, __ATOMIC_ACQUIRE)};
    if (ret->group >= groups_n)
        return false;

    struct head_group *g = head_group_at(r->head, ret->group);
    r->late.n = 0;
    must(pthread_rwlock_rdlock(&r->head->index_lock) == 0);
    head_group_lock(g);
    ret->n = slots_below(g, s, &ret->first_slot);
    vec_reserve(&r->values, ret->n + 1);
    if (ret->n)
        head_gather(s, ret->first_slot, r->values.v, ret->n);
    if (s->extra) {
        if (first)
            s->extra->late_flushed = s->extra->late_n;
        copy_extra(r, s->extra);
        ret->starts_n = s->extra->starts_n;
        struct head_start *starts = arena_array(&r->of_series, ret->starts_n, sizeof *starts);
        if (ret->starts_n)
            memcpy(starts, s->extra->starts, ret->starts_n * sizeof *starts);
        ret->starts = starts;
    }
    head_group_unlock(g);
    must(pthread_rwlock_unlock(&r->head->index_lock) == 0);

    ret->v = r->values.v;
    ret->late_n = r->late.n ? head_late_sort(r->late.v, r->late.n) : 0;
    ret->late = r->late.v;
    return ret->n || ret->late_n;
}

/* ---- trimming */

static void drop_sealed(struct head *h, struct head_series *s, uint32_t end)
{
    struct head_sealed *list = s->sealed;
    uint32_t gone = 0;
    size_t bytes = 0;
    while (list && gone < list->n && list->v[gone].first_slot + list->v[gone].n <= end) {
        bytes += list->v[gone].len + sizeof *list->v;
        if (list->v[gone].len)
            mem_free(list->v[gone].of.bytes);
        gone++;
    }
    if (gone == 0)
        return;
    memmove(list->v, list->v + gone, (list->n - gone) * sizeof *list->v);
    list->n -= gone;
    if (list->n == 0) {
        mem_free(list);
        s->sealed = NULL;
    }
    atomic_fetch_sub(&h->bytes_values, bytes);
}

/* The open block keeps what lies at or after end; as a rule that is all or nothing. */
static void drop_open(struct head *h, struct head_series *s, uint32_t end)
{
    if (s->n == 0 || s->first_slot >= end)
        return;
    uint32_t gone = MIN((uint32_t)s->n, end - s->first_slot);
    s->n = (uint16_t)(s->n - gone);
    s->first_slot += gone;
    if (s->values && s->n)
        memmove(s->values, s->values + gone, s->n * sizeof *s->values);
    if (s->values && s->n == 0)
        head_slot_free_values(h, s);
}

static void drop_late(struct head *h, struct head_series *s)
{
    struct head_extra *x = s->extra;
    if (!x)
        return;
    size_t bytes = 0;
    for (uint32_t i = 0; i < x->late_flushed; i++) {
        bytes += sizeof *x->late;
        if (x->late[i].histogram)
            bytes += sizeof *x->late[i].histogram +
                     (x->late[i].histogram->positive_n + x->late[i].histogram->negative_n) * 8u;
        mem_free(x->late[i].histogram);
    }
    if (x->late_flushed) /* a series with created timestamps alone has no list */
        memmove(x->late, x->late + x->late_flushed,
                (x->late_n - x->late_flushed) * sizeof *x->late);
    x->late_n -= x->late_flushed;
    x->late_flushed = 0;
    if (x->starts_n > 1) { /* only the last one speaks of what comes */
        x->starts[0] = x->starts[x->starts_n - 1];
        x->starts_n = 1;
    }
    atomic_fetch_sub(&h->bytes_values, MIN(bytes, (size_t)atomic_load(&h->bytes_values)));
    if (x->late_n == 0 && x->starts_n == 0) {
        mem_free(x->late);
        mem_free(x->starts);
        mem_free(x);
        s->extra = NULL;
    }
}

/* The group's lock is held. */
static void trim_series(struct head *h, struct head_group *g, struct head_series *s)
{
    uint32_t first;
    size_t n = slots_below(g, s, &first);
    if (s->extra)
        n += s->extra->late_flushed;
    if (n)
        s->seen_minute = atomic_load(&h->minute);
    drop_sealed(h, s, g->flush_end);
    drop_open(h, s, g->flush_end);
    drop_late(h, s);

    /* Nothing is left that speaks of the group's slots: a misfit may move to another group. */
    if (s->n == 0 && !s->sealed && s->strikes >= HEAD_STRIKES) {
        s->first_slot = 0;
        __atomic_store_n(&s->group, HEAD_NO_GROUP, __ATOMIC_RELEASE);
    } else if (s->strikes < HEAD_STRIKES) {
        s->strikes = 0;
    }
}

static void trim_group(struct head_group *g)
{
    head_group_lock(g);
    uint32_t gone = g->flush_end > g->base ? g->flush_end - g->base : 0;
    if (g->n > gone)
        memmove(g->ts_ms, g->ts_ms + gone, (g->n - gone) * sizeof *g->ts_ms);
    g->base += gone;
    g->n -= gone;
    if (g->n == 0) {
        mem_free(g->ts_ms);
        g->ts_ms = NULL;
        g->capacity = 0;
    }
    g->flush_end = 0;
    head_group_unlock(g);
}

/* index_lock is held. */
static void trim_one(struct head *h, uint32_t id, uint32_t groups)
{
    struct head_series *s = head_series_at(h, id);
    uint32_t group = __atomic_load_n(&s->group, __ATOMIC_ACQUIRE);
    if (!s->pairs || group == HEAD_NO_GROUP || group >= groups)
        return;
    struct head_group *g = head_group_at(h, group);
    head_group_lock(g);
    trim_series(h, g, s);
    head_group_unlock(g);
}

void head_flush_trim(struct head *h)
{
    uint32_t groups = groups_n(h);
    for (uint32_t id = 0, more = 1; more; id += TRIM_STEP) {
        /* In steps, so that new series need not wait for all of it. */
        must(pthread_rwlock_rdlock(&h->index_lock) == 0);
        for (uint32_t i = id; i < h->series.n && i < id + TRIM_STEP; i++)
            trim_one(h, i, groups);
        more = id + TRIM_STEP < h->series.n;
        must(pthread_rwlock_unlock(&h->index_lock) == 0);
    }
    for (uint32_t i = 0; i < groups; i++)
        trim_group(head_group_at(h, i));

    /* All that was noted before the mark has been written and let go. */
    head_span_clear(&h->spans[!atomic_load(&h->span)]);
}

void head_flush_cancel(struct head *h)
{
    uint32_t n = groups_n(h);
    for (uint32_t i = 0; i < n; i++) {
        struct head_group *g = head_group_at(h, i);
        head_group_lock(g);
        g->flush_end = 0;
        head_group_unlock(g);
    }
}
