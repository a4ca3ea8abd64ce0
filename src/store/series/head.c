#include "store/series/head.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "model/labels.h"
#include "os/thread.h"
#include "store/series/chunk.h"

static void index_lock_init(pthread_rwlock_t *lock)
{
    pthread_rwlockattr_t attributes;
    must(pthread_rwlockattr_init(&attributes) == 0);
    /* Lanes read all the time; without this a new series could wait for ever. */
    must(pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP) ==
         0);
    must(pthread_rwlock_init(lock, &attributes) == 0);
    must(pthread_rwlockattr_destroy(&attributes) == 0);
}

struct head *head_new(uint32_t tenant, const struct head_limits *limits, head_define_f *define,
                      void *context)
{
    struct head *h = mem_new(sizeof *h);
    h->tenant = tenant;
    h->limits = *limits;
    h->define = define;
    h->define_context = context;
    index_lock_init(&h->index_lock);
    thread_lock_init(&h->group_lock);
    fingerprint_key_init(&h->key);
    lookup_init(&h->lookup);
    pairs_init(&h->pairs);
    slab_init(&h->series, sizeof(struct head_series));
    slab_init(&h->groups, sizeof(struct head_group));
    map_init(&h->by_target, h->key.words[7]);
    head_span_clear(&h->spans[0]);
    head_span_clear(&h->spans[1]);
    return h;
}

static void free_extra(struct head_extra *extra)
{
    if (!extra)
        return;
    for (uint32_t i = 0; i < extra->late_n; i++)
        mem_free(extra->late[i].histogram);
    mem_free(extra->late);
    mem_free(extra->starts);
    mem_free(extra);
}

static void free_series(struct head_series *s)
{
    for (uint32_t i = 0; s->sealed && i < s->sealed->n; i++)
        if (s->sealed->v[i].len)
            mem_free(s->sealed->v[i].of.bytes);
    mem_free(s->sealed);
    mem_free(s->values);
    free_extra(s->extra);
    mem_free((void *)(uintptr_t)s->pairs);
    *s = (struct head_series){.group = HEAD_NO_GROUP};
}

void head_free(struct head *h)
{
    if (!h)
        return;
    for (uint32_t i = 0; i < h->series.n; i++)
        free_series(head_series_at(h, i));
    for (uint32_t i = 0; i < h->groups.n; i++)
        mem_free(head_group_at(h, i)->ts_ms);
    for (size_t i = 0; i < h->excess_n; i++)
        mem_free((void *)(uintptr_t)h->excess[i].metric.p);
    slab_done(&h->series);
    slab_done(&h->groups);
    lookup_done(&h->lookup);
    pairs_done(&h->pairs);
    map_done(&h->by_target);
    mem_free(h->free_ids);
    mem_free(h->order);
    mem_free(h->fresh);
    must(pthread_rwlock_destroy(&h->index_lock) == 0);
    must(pthread_mutex_destroy(&h->group_lock) == 0);
    mem_free(h);
}

void head_span_clear(struct head_span *span)
{
    atomic_store(&span->samples, 0);
    atomic_store(&span->first_ms, INT64_MAX);
    atomic_store(&span->last_ms, INT64_MIN);
}

uint64_t head_samples(const struct head *h)
{
    return atomic_load(&h->spans[0].samples) + atomic_load(&h->spans[1].samples);
}

int64_t head_first_ms(const struct head *h)
{
    return MIN(atomic_load(&h->spans[0].first_ms), atomic_load(&h->spans[1].first_ms));
}

int64_t head_last_ms(const struct head *h)
{
    return MAX(atomic_load(&h->spans[0].last_ms), atomic_load(&h->spans[1].last_ms));
}

static void widen(_Atomic long long *edge, int64_t v, bool down)
{
    long long seen = atomic_load_explicit(edge, memory_order_relaxed);
    while ((down ? v < seen : v > seen) && !atomic_compare_exchange_weak(edge, &seen, v))
        ;
}

void head_note(struct head *h, uint64_t samples, int64_t first_ms, int64_t last_ms)
{
    struct head_span *span = &h->spans[atomic_load(&h->span)];
    widen(&span->first_ms, first_ms, true);
    widen(&span->last_ms, last_ms, false);
    atomic_fetch_add(&span->samples, samples);
}

void head_group_lock(struct head_group *g)
{
    unsigned tries = 0;
    while (atomic_exchange_explicit(&g->lock, 1, memory_order_acquire)) {
        if (++tries % 64 == 0)
            sched_yield();
        __builtin_ia32_pause();
    }
}

void head_group_unlock(struct head_group *g)
{
    atomic_store_explicit(&g->lock, 0, memory_order_release);
}

void head_key(const struct head *h, uint32_t id, struct buf *out)
{
    const struct head_series *s = head_series_at(h, id);
    for (uint8_t i = 0; i < s->pairs_n; i++)
        buf_put_str(out, pairs_at(&h->pairs, s->pairs[i])->bytes);
}

/* Splits a canonical key into pairs; returns how many. */
static uint8_t intern_key(struct head *h, struct str key, uint32_t *pairs)
{
    const char *at = key.p;
    struct label label;
    uint8_t n = 0;
    for (;;) {
        const char *from = at;
        if (!labels_next(key, &at, &label, NULL))
            return n;
        must(n < LABELS_MAX);
        pairs[n++] = pairs_intern(&h->pairs, str_of(from, (size_t)(at - from)));
    }
}

static void note_fresh(struct head *h, uint32_t id)
{
    if (h->fresh_n == h->fresh_capacity) {
        h->fresh_capacity = MAX(h->fresh_capacity * 2, 16u);
        h->fresh = mem_resize(h->fresh, h->fresh_capacity * sizeof *h->fresh);
    }
    h->fresh[h->fresh_n++] = id;
}

/* Enters a new series; print is not looked at while the head is being opened. */
static void enter(struct head *h, uint32_t id, const uint32_t *pairs, uint8_t n,
                  struct fingerprint print)
{
    while (h->series.n <= id)
        ((struct head_series *)slab_grow(&h->series))->group = HEAD_NO_GROUP;
    struct head_series *s = head_series_at(h, id);
    must(!s->pairs);
    s->pairs_n = n;
    s->seen_minute = atomic_load(&h->minute);
    s->pairs = mem_copy(pairs, n * sizeof *pairs);
    note_fresh(h, id);
    h->alive++;
    if (h->opening)
        return;
    for (uint8_t i = 0; i < n; i++)
        pairs_post(&h->pairs, pairs[i], id);
    lookup_add(&h->lookup, print, id);
}

/* The fingerprint of a series by its pairs; key is scratch. */
static struct fingerprint print_of(const struct head *h, uint32_t id, struct buf *key)
{
    buf_clear(key);
    head_key(h, id, key);
    return fingerprint_of(&h->key, buf_str(key));
}

void head_index_all(struct head *h)
{
    enum { AHEAD = 16 }; /* entries whose memory is on its way */
    struct {
        struct fingerprint print;
        uint32_t id;
    } ring[AHEAD];
    struct buf key;
    size_t n = 0;
    buf_init(&key, LABELS_KEY_MAX);
    lookup_reserve(&h->lookup, h->alive);
    for (uint32_t id = 0; id < h->series.n; id++) {
        const struct head_series *s = head_series_at(h, id);
        if (!s->pairs)
            continue;
        if (n >= AHEAD)
            lookup_add(&h->lookup, ring[n % AHEAD].print, ring[n % AHEAD].id);
        ring[n % AHEAD].print = print_of(h, id, &key);
        ring[n % AHEAD].id = id;
        lookup_prefetch(&h->lookup, ring[n++ % AHEAD].print);
        for (uint8_t i = 0; i < s->pairs_n; i++)
            pairs_post(&h->pairs, s->pairs[i], id);
    }
    for (size_t i = n > AHEAD ? n - AHEAD : 0; i < n; i++)
        lookup_add(&h->lookup, ring[i % AHEAD].print, ring[i % AHEAD].id);
    buf_done(&key);
    h->opening = false;
}

/* A second definition is fine where it is the same. */
static int define_again(const struct head *h, uint32_t id, const uint32_t *pairs, uint8_t n)
{
    const struct head_series *s = head_series_at(h, id);
    bool same = s->pairs_n == n && memcmp(s->pairs, pairs, n * sizeof *pairs) == 0;
    return same ? 0 : -ERR_EXISTS;
}

void head_reserve(struct head *h, uint32_t id)
{
    if (id > h->series.n + HEAD_ID_JUMP_MAX)
        return;
    while (h->series.n <= id)
        ((struct head_series *)slab_grow(&h->series))->group = HEAD_NO_GROUP;
}

void head_reserve_orphans(struct head *h)
{
    while (h->series.n < h->orphan_end)
        ((struct head_series *)slab_grow(&h->series))->group = HEAD_NO_GROUP;
}

void head_free_holes(struct head *h)
{
    for (uint32_t id = 0; id < h->series.n; id++) {
        if (head_series_at(h, id)->pairs)
            continue;
        if (h->free_n == h->free_capacity) {
            h->free_capacity = MAX(h->free_capacity * 2, 16u);
            h->free_ids = mem_resize(h->free_ids, h->free_capacity * sizeof *h->free_ids);
        }
        h->free_ids[h->free_n++] = id;
    }
}

int head_define(struct head *h, uint32_t id, struct str key)
{
    uint32_t pairs[LABELS_MAX];
    if (id > h->series.n + HEAD_ID_JUMP_MAX)
        return -ERR_RANGE;
    uint8_t n = intern_key(h, key, pairs);
    if (id < h->series.n && head_series_at(h, id)->pairs)
        return define_again(h, id, pairs, n);
    enter(h, id, pairs, n, h->opening ? (struct fingerprint){0} : fingerprint_of(&h->key, key));
    return 0;
}

void head_define_pairs(struct head *h, uint32_t id, const uint32_t *pairs, uint8_t n)
{
    must(h->opening);
    enter(h, id, pairs, n, (struct fingerprint){0});
}

static void merge_order(struct head *h);

/* ---- sweeping */

static bool idle(const struct head_series *s, uint32_t minute)
{
    return s->pairs && s->n == 0 && !s->sealed && !s->extra && s->seen_minute < minute;
}

static int is_dead(void *context, uint32_t id)
{
    return !head_series_at(context, id)->pairs;
}

static void sweep_postings(struct head *h)
{
    for (uint32_t i = 0; i < h->pairs.pairs.n; i++) {
        struct postings *list = &pairs_at(&h->pairs, i)->series;
        uint32_t kept = 0;
        for (uint32_t k = 0; k < list->n; k++)
            if (head_series_at(h, list->v[k])->pairs)
                list->v[kept++] = list->v[k];
        list->n = kept;
    }
}

void head_sweep(struct head *h, uint32_t minute, uint32_t *ids, size_t max, size_t *n)
{
    size_t before = *n;
    must(pthread_rwlock_wrlock(&h->index_lock) == 0);
    for (uint32_t id = 0; id < h->series.n && *n < max; id++) {
        struct head_series *s = head_series_at(h, id);
        if (!idle(s, minute))
            continue;
        free_series(s);
        h->alive--;
        ids[(*n)++] = id;
    }
    if (*n > before) {
        lookup_sweep(&h->lookup, is_dead, h);
        sweep_postings(h);
        merge_order(h);
    }
    must(pthread_rwlock_unlock(&h->index_lock) == 0);
}

/* By the ranks of their pairs: the same order as memcmp() of their keys. */
int head_compare(const struct head *h, uint32_t a, uint32_t b)
{
    const struct head_series *s = head_series_at(h, a), *t = head_series_at(h, b);
    uint8_t n = MIN(s->pairs_n, t->pairs_n);
    for (uint8_t i = 0; i < n; i++)
        if (s->pairs[i] != t->pairs[i])
            return pairs_at(&h->pairs, s->pairs[i])->rank < pairs_at(&h->pairs, t->pairs[i])->rank
                       ? -1
                       : 1;
    return (s->pairs_n > t->pairs_n) - (s->pairs_n < t->pairs_n);
}

static int by_key(const void *a, const void *b, void *context)
{
    return head_compare(context, *(const uint32_t *)a, *(const uint32_t *)b);
}

static void merge_order(struct head *h)
{
    uint32_t total = h->order_n + h->fresh_n;
    uint32_t *merged = mem_raw(total * sizeof *merged);
    uint32_t i = 0, k = 0, n = 0;
    while (i < h->order_n || k < h->fresh_n) {
        if (i < h->order_n && !head_series_at(h, h->order[i])->pairs)
            i++; /* swept since */
        else if (k < h->fresh_n && !head_series_at(h, h->fresh[k])->pairs)
            k++;
        else if (i == h->order_n)
            merged[n++] = h->fresh[k++];
        else if (k == h->fresh_n || head_compare(h, h->order[i], h->fresh[k]) < 0)
            merged[n++] = h->order[i++];
        else
            merged[n++] = h->fresh[k++];
    }
    mem_free(h->order);
    h->order = merged;
    h->order_n = n;
    h->order_capacity = total;
    h->fresh_n = 0;
}

void head_sort(struct head *h)
{
    if (h->fresh_n == 0)
        return;
    pairs_rank(&h->pairs);
    qsort_r(h->fresh, h->fresh_n, sizeof *h->fresh, by_key, h);
    merge_order(h);
}

size_t head_bytes(const struct head *h)
{
    return sizeof *h + h->series.bytes + h->groups.bytes + lookup_bytes(&h->lookup) +
           h->pairs.bytes + h->alive * 48 + atomic_load(&h->bytes_values) +
           (h->order_capacity + h->fresh_capacity) * sizeof(uint32_t);
}

void head_writer_init(struct head_writer *w, uint32_t lane)
{
    *w = (struct head_writer){.lane = lane, .run_group = HEAD_NO_GROUP};
    head_writer_forget(w);
    record_init(&w->record);
    buf_init(&w->key, LABELS_KEY_MAX);
    buf_init(&w->scratch, CHUNK_HISTOGRAM_BYTES_MAX);
}

void head_writer_forget(struct head_writer *w)
{
    static _Atomic uint32_t next = 1;
    w->epoch = atomic_fetch_add(&next, 1);
}

void head_writer_done(struct head_writer *w)
{
    record_done(&w->record);
    buf_done(&w->key);
    buf_done(&w->scratch);
}

void head_replay_done(struct head_replay *r)
{
    mem_free(r->bits);
    mem_free(r->segment);
    *r = (struct head_replay){0};
}
