#include <string.h>

#include "base/mem.h"
#include "base/vec.h"
#include "model/labels.h"
#include "model/sample.h"
#include "os/thread.h"
#include "store/series/chunk.h"
#include "store/series/head.h"
#include "store/series/head_slot.h"

/* ---- finding and making series */

/* Counts a refusal by metric name, so that the operator learns who it was. */
static void count_excess(struct head *h, struct str metric)
{
    for (size_t i = 0; i < h->excess_n; i++) {
        if (str_eq(h->excess[i].metric, metric)) {
            h->excess[i].refused++;
            return;
        }
    }
    if (h->excess_n == HEAD_EXCESS_MAX) {
        h->excess_other++;
        return;
    }
    h->excess[h->excess_n++] =
        (struct head_excess){str_of(mem_text(metric.p, metric.n), metric.n), 1};
}

static int check_limits(struct head *h, struct str key, struct why *why)
{
    struct str metric = labels_get(key, LABEL_METRIC);
    if (h->limits.series_max && h->alive >= h->limits.series_max) {
        count_excess(h, metric);
        return why_set(why, ERR_LIMIT,
                       "the tenant has %llu series, as many as it may: the new series of %.*s are "
                       "refused (raise store.series_max or send fewer)",
                       (unsigned long long)h->alive, STR_ARG(metric));
    }
    uint32_t pair = pairs_find(&h->pairs, LABEL_METRIC, metric);
    if (h->limits.series_per_metric_max && pair != PAIR_NONE &&
        pairs_at(&h->pairs, pair)->series.n >= h->limits.series_per_metric_max) {
        count_excess(h, metric);
        return why_set(
            why, ERR_LIMIT,
            "metric %.*s has %llu series, as many as one may: its new series are refused "
            "(raise store.series_per_metric_max or drop a label)",
            STR_ARG(metric), (unsigned long long)h->limits.series_per_metric_max);
    }
    return 0;
}

/* The id of a key off the wire that the table does not know; makes the series where it is new.
 * index_lock is held for writing. */
static int make_series(struct head *h, struct head_writer *w, struct str raw, struct fingerprint f,
                       uint32_t *ret, struct why *why)
{
    buf_clear(&w->key);
    int err = labels_canonical(raw, &w->key, why);
    if (err)
        return err;

    struct str key = buf_str(&w->key);
    struct fingerprint canonical = fingerprint_of(&h->key, key);
    uint32_t id = lookup_find(&h->lookup, canonical);
    if (id == LOOKUP_NONE) {
        err = check_limits(h, key, why);
        if (err)
            return err;
        id = h->free_n ? h->free_ids[h->free_n - 1] : h->series.n;
        err = head_define(h, id, key);
        must(!err);
        if (h->free_n && id == h->free_ids[h->free_n - 1])
            h->free_n--;
        h->define(h->define_context, w->lane, id, key);
    }
    if (lookup_find(&h->lookup, f) == LOOKUP_NONE)
        lookup_add(&h->lookup, f, id);
    *ret = id;
    return 0;
}

static void make_missing(struct head *h, struct head_writer *w, struct batch *b,
                         const struct fingerprint *prints, uint32_t *ids, struct why *why)
{
    must(pthread_rwlock_wrlock(&h->index_lock) == 0);
    for (size_t i = 0; i < b->n; i++) {
        if (b->err[i] || ids[i] != LOOKUP_NONE)
            continue;
        ids[i] = lookup_find(&h->lookup, prints[i]);
        if (ids[i] == LOOKUP_NONE)
            b->err[i] = (int8_t)make_series(h, w, b->key[i], prints[i], &ids[i], why);
        why = b->err[i] ? NULL : why; /* the first refusal is the one told */
    }
    must(pthread_rwlock_unlock(&h->index_lock) == 0);
}

/* Fills ids for all samples without err; LOOKUP_NONE is left only where make_missing() refused. */
static void find_all(struct head *h, struct head_writer *w, struct batch *b, uint32_t *ids,
                     struct why *why)
{
    struct fingerprint prints[BATCH_MAX];
    bool missing = false;

    must(pthread_rwlock_rdlock(&h->index_lock) == 0);
    for (size_t i = 0; i < b->n; i++) {
        prints[i] = fingerprint_of(&h->key, b->key[i]);
        lookup_prefetch(&h->lookup, prints[i]);
    }
    for (size_t i = 0; i < b->n; i++) {
        ids[i] = b->err[i] ? LOOKUP_NONE : lookup_find(&h->lookup, prints[i]);
        if (ids[i] != LOOKUP_NONE)
            __builtin_prefetch(head_series_at(h, ids[i]), 1);
        else
            missing |= !b->err[i];
    }
    must(pthread_rwlock_unlock(&h->index_lock) == 0);
    if (missing)
        make_missing(h, w, b, prints, ids, why);
}

/* ---- appending */

static void log_late(struct head_writer *w, uint32_t id, int64_t ts_ms, double value,
                     const struct histogram *histogram)
{
    if (!histogram) {
        record_late(&w->record, id, ts_ms, double_bits(value));
        return;
    }
    buf_clear(&w->scratch);
    histogram_encode(histogram, &w->scratch);
    record_histogram(&w->record, id, ts_ms, buf_str(&w->scratch));
}

static void append_one(struct head *h, struct head_writer *w, struct head_group *g, uint32_t id,
                       const struct batch *b, size_t i)
{
    struct head_series *s = head_series_at(h, id);
    double value = chunk_is_absent(b->value[i]) ? bits_double(SAMPLE_NAN_BITS) : b->value[i];
    const struct histogram *histogram = b->histogram[i];

    if (UNLIKELY(b->start_ms[i] != 0) && head_slot_start(h, s, b->ts_ms[i], b->start_ms[i]))
        record_start(&w->record, id, b->ts_ms[i], b->start_ms[i]);

    uint64_t before = double_bits(s->last);
    enum head_slot_result result =
        histogram ? HEAD_SLOT_BESIDE : head_slot_put(h, g, s, b->ts_ms[i], value);
    if (result == HEAD_SLOT_IN_ORDER) {
        bool absolute = s->log_epoch != w->epoch;
        record_sample(&w->record, id, b->ts_ms[i], absolute ? 0 : before, absolute,
                      double_bits(value));
        s->log_epoch = w->epoch;
    } else if (result != HEAD_SLOT_SAME) {
        s->log_epoch = 0; /* last may have changed without the log's readers knowing */
        if (result == HEAD_SLOT_BESIDE)
            head_slot_late(h, s, b->ts_ms[i], value, histogram ? histogram_copy(histogram) : NULL);
        log_late(w, id, b->ts_ms[i], value, histogram);
    }
}

enum { AHEAD = 8 }; /* samples whose memory is asked for in time */

/* Asks for the cache line of the next value. Read without the group's lock: what comes of a pointer
 * that changes meanwhile is a prefetch in vain. */
RACY static void prefetch_value(const struct head_series *s)
{
    const double *values = __atomic_load_n(&s->values, __ATOMIC_RELAXED);
    if (values)
        __builtin_prefetch(values + __atomic_load_n(&s->n, __ATOMIC_RELAXED), 1);
}

/* Appends all that have an id. The group's lock is kept over a run of its series. */
static int append_all(struct head *h, struct head_writer *w, struct batch *b, const uint32_t *ids)
{
    struct head_group *locked = NULL;
    int taken = 0;

    for (size_t i = 0; i < b->n; i++) {
        if (i + AHEAD < b->n && ids[i + AHEAD] != LOOKUP_NONE)
            prefetch_value(head_series_at(h, ids[i + AHEAD]));
        if (b->err[i])
            continue;
        struct head_series *s = head_series_at(h, ids[i]);
        uint32_t group = __atomic_load_n(&s->group, __ATOMIC_ACQUIRE);
        if (group == HEAD_NO_GROUP) {
            if (locked)
                head_group_unlock(locked);
            locked = NULL;
            group =
                head_slot_group(h, s, b->ts_ms[i] == w->run_ts_ms ? w->run_group : HEAD_NO_GROUP);
        }
        struct head_group *g = head_group_at(h, group);
        if (g != locked) {
            if (locked)
                head_group_unlock(locked);
            head_group_lock(g);
            locked = g;
        }
        append_one(h, w, g, ids[i], b, i);
        w->run_group = group;
        w->run_ts_ms = b->ts_ms[i];
        taken++;
    }
    if (locked)
        head_group_unlock(locked);
    return taken;
}

static void note_taken(struct head *h, const struct batch *b, int taken)
{
    int64_t first = INT64_MAX, last = INT64_MIN;
    for (size_t i = 0; i < b->n; i++) {
        if (b->err[i])
            continue;
        first = MIN(first, b->ts_ms[i]);
        last = MAX(last, b->ts_ms[i]);
    }
    head_note(h, (uint64_t)taken, first, last);
}

int head_append(struct head *h, struct head_writer *w, struct batch *b, struct why *why)
{
    uint32_t ids[BATCH_MAX];
    record_begin(&w->record, h->tenant, w->sequence);
    find_all(h, w, b, ids, why);

    must(pthread_rwlock_rdlock(&h->index_lock) == 0);
    /* A sweep between the two locks may have taken an id away: such a series is simply looked for
     * again. It is as rare as a sweep. */
    for (size_t i = 0; i < b->n; i++)
        if (!b->err[i] && UNLIKELY(!head_series_at(h, ids[i])->pairs))
            b->err[i] = -ERR_BUSY;
    int taken = append_all(h, w, b, ids);
    if (taken)
        note_taken(h, b, taken); /* under the lock: a flush that begins sees all of it or none */
    must(pthread_rwlock_unlock(&h->index_lock) == 0);
    return taken;
}

/* ---- replay */

static void replay_room(struct head_replay *r, size_t n)
{
    if (n <= r->n)
        return;
    size_t wanted = MAX(n, r->n * 2);
    r->bits = mem_resize(r->bits, wanted * sizeof *r->bits);
    r->segment = mem_resize(r->segment, wanted * sizeof *r->segment);
    memset(r->segment + r->n, 0xff, (wanted - r->n) * sizeof *r->segment);
    r->n = wanted;
}

/* The value of an entry in order; -ERR_CORRUPT where it leans on one that is not there. */
static int replay_value(struct head_replay *r, uint32_t segment, const struct record_entry *e,
                        double *ret)
{
    replay_room(r, (size_t)e->id + 1);
    if (!e->absolute && r->segment[e->id] != segment)
        return -ERR_CORRUPT;
    uint64_t bits = e->change ^ (e->absolute ? 0 : r->bits[e->id]);
    r->bits[e->id] = bits;
    r->segment[e->id] = segment;
    *ret = bits_double(bits);
    return 0;
}

static int replay_histogram(struct head *h, struct head_series *s, const struct record_entry *e)
{
    struct arena arena;
    struct histogram *histogram;
    size_t used;
    arena_init(&arena);
    int err = histogram_decode((const uint8_t *)e->bytes.p, e->bytes.n, &arena, &histogram, &used);
    if (!err)
        head_slot_late(h, s, e->ts_ms, 0, histogram_copy(histogram));
    arena_done(&arena);
    return err;
}

static int replay_entry(struct head *h, struct head_series *s, const struct record_entry *e,
                        double value, uint32_t run_group)
{
    if (s->group == HEAD_NO_GROUP)
        head_slot_group(h, s, run_group);
    switch (e->kind) {
    case RECORD_IN_ORDER:
        if (head_slot_put(h, head_group_at(h, s->group), s, e->ts_ms, value) == HEAD_SLOT_BESIDE)
            head_slot_late(h, s, e->ts_ms, value, NULL);
        return 0;
    case RECORD_LATE:
        value = bits_double(e->change);
        if (head_slot_put(h, head_group_at(h, s->group), s, e->ts_ms, value) == HEAD_SLOT_BESIDE)
            head_slot_late(h, s, e->ts_ms, value, NULL);
        return 0;
    case RECORD_HISTOGRAM:
        return replay_histogram(h, s, e);
    case RECORD_START:
        head_slot_start(h, s, e->ts_ms, e->start_ms);
        return 0;
    }
    must_not_reach();
}

int head_apply(struct head *h, struct head_replay *r, uint32_t segment,
               struct record_reader *record, uint64_t *ret_orphans)
{
    struct record_entry e;
    uint32_t run_group = HEAD_NO_GROUP;
    int64_t run_ts = INT64_MIN, first = INT64_MAX, last = INT64_MIN;
    uint64_t n = 0;
    int got, err = 0;

    while ((got = record_next(record, &e)) == 1) {
        double value = 0;
        if (e.kind == RECORD_IN_ORDER && (err = replay_value(r, segment, &e, &value)) != 0)
            break;
        if (e.id >= h->series.n || !head_series_at(h, e.id)->pairs) {
            ++*ret_orphans;
            if (e.id <= MAX(h->series.n, h->orphan_end) + HEAD_ID_JUMP_MAX)
                h->orphan_end = MAX(h->orphan_end, e.id + 1ull);
            continue;
        }
        struct head_series *s = head_series_at(h, e.id);
        err = replay_entry(h, s, &e, value, e.ts_ms == run_ts ? run_group : HEAD_NO_GROUP);
        if (err)
            break;
        run_group = s->group;
        run_ts = e.ts_ms;
        first = MIN(first, e.ts_ms);
        last = MAX(last, e.ts_ms);
        n += e.kind != RECORD_START;
    }
    if (n)
        head_note(h, n, first, last);
    return err ? err : got;
}
