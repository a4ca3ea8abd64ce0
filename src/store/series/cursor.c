#include "store/series/cursor.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/vec.h"
#include "model/sample.h"
#include "os/thread.h"
#include "store/series/column.h"
#include "store/series/part_read.h"

enum { WARNINGS_MAX = 10, WARNING_BYTES = 256 };

/* One part of the select. */
struct source {
    struct tenant_part *part;
    struct part_cursor *cursor;
    struct part_series series; /* the one it stands at */
    bool ended, present;       /* present: it has the series of the present view */
    bool tier;
};

/* What the cursors of one select share: constant but for refs. */
struct selection {
    atomic_uint refs;
    struct tenant *t;
    struct select how;
    struct index_matchers *matchers;
    struct tenant_part **held;
    size_t held_n;
    uint32_t *ids; /* [ids_n] of the head, in key order */
    size_t ids_n;
    struct tombstone *tombstones; /* [tombstones_n] that overlap the range */
    size_t tombstones_n;
    uint64_t generation;
};

struct series_cursor {
    struct selection *of;
    struct source *sources; /* [of->held_n] oldest first */

    struct head_reader reader;
    size_t ids_at, ids_end; /* of of->ids: those that this cursor has yet to give */
    struct buf head_key;
    bool head_present, head_loaded; /* head_loaded: head_key is that of ids[ids_at] */

    struct buf key;
    struct column_join join;
    struct {
        struct block *v;
        size_t n, capacity;
    } blocks;
    struct column whole; /* what a block with handle 0 decodes to */
    uint64_t series;
    char warnings[WARNINGS_MAX][WARNING_BYTES];
    size_t warnings_n;
};

static void note_warning(void *context, const char *text)
{
    struct series_cursor *c = context;
    for (size_t i = 0; i < c->warnings_n; i++)
        if (strncmp(c->warnings[i], text, WARNING_BYTES - 1) == 0)
            return;
    if (c->warnings_n < WARNINGS_MAX)
        snprintf(c->warnings[c->warnings_n++], WARNING_BYTES, "%s", text);
}

void cursor_warnings(struct series_cursor *c, series_warning_f *f, void *context)
{
    for (size_t i = 0; i < c->warnings_n; i++)
        f(context, c->warnings[i]);
}

/* ---- opening */

static int open_sources(struct series_cursor *c, struct why *why)
{
    c->sources = mem_array(c->of->held_n, sizeof *c->sources);
    for (size_t i = 0; i < c->of->held_n; i++) {
        struct source *s = &c->sources[i];
        s->part = c->of->held[i];
        s->tier = part_info(s->part->part)->tier != PART_RAW;
        int err = part_select(s->part->part, c->of->matchers, c->of->how.from_ms, c->of->how.to_ms,
                              note_warning, c, &s->cursor, why);
        if (!err && c->of->how.times_only)
            part_cursor_times_only(s->cursor);
        if (err == -ERR_CORRUPT) {
            char text[WARNING_BYTES];
            snprintf(text, sizeof text, "%s cannot be read, its samples are missing", s->part->dir);
            note_warning(c, text);
            s->ended = true;
        } else if (err) {
            return err;
        }
    }
    return 0;
}

static void copy_tombstones(struct selection *s)
{
    struct tenant *t = s->t;
    thread_lock(&t->parts_lock);
    s->tombstones = mem_array(t->tombstones.n, sizeof *s->tombstones);
    for (size_t i = 0; i < t->tombstones.n; i++)
        if (t->tombstones.v[i].from_ms <= s->how.to_ms &&
            t->tombstones.v[i].to_ms >= s->how.from_ms)
            s->tombstones[s->tombstones_n++] = t->tombstones.v[i];
    thread_unlock(&t->parts_lock);
}

static void selection_release(struct selection *s)
{
    if (atomic_fetch_sub(&s->refs, 1) > 1)
        return;
    tenant_release(s->held, s->held_n);
    tenant_read_end(s->t, s->generation);
    mem_free(s->tombstones);
    mem_free(s->ids);
    index_matchers_free(s->matchers);
    mem_free(s);
}

/* A cursor without sources over all of the selection, to which it takes a reference. */
static struct series_cursor *cursor_new(struct selection *of)
{
    struct series_cursor *c = mem_new(sizeof *c);
    c->of = of;
    atomic_fetch_add(&of->refs, 1);
    column_join_init(&c->join);
    buf_init(&c->head_key, LABELS_KEY_MAX);
    buf_init(&c->key, LABELS_KEY_MAX);
    head_reader_init(&c->reader, of->t->head, of->how.from_ms, of->how.to_ms);
    c->ids_end = of->ids_n;
    c->head_present = true;
    return c;
}

int cursor_open(struct tenant *t, const struct select *how, struct series_cursor **ret,
                struct why *why)
{
    struct index_matchers *matchers;
    int err = index_matchers_new(how->matchers, how->matchers_n, &matchers, why);
    if (err)
        return err;

    struct selection *of = mem_new(sizeof *of);
    of->t = t;
    of->how = *how;
    of->matchers = matchers;
    of->generation = tenant_read_begin(t);
    copy_tombstones(of);
    if (head_samples(t->head))
        head_read_select(t->head, matchers, &of->ids, &of->ids_n);
    of->held = tenant_hold(t, how->from_ms, how->to_ms, &of->held_n);
    struct series_cursor *c = cursor_new(of);
    err = open_sources(c, why);
    if (err) {
        cursor_close(c);
        return err;
    }
    for (size_t i = 0; i < of->held_n; i++)
        c->sources[i].present = !c->sources[i].ended; /* stands before its first series */
    *ret = c;
    return 0;
}

void cursor_close(struct series_cursor *c)
{
    if (!c)
        return;
    for (size_t i = 0; c->sources && i < c->of->held_n; i++)
        part_cursor_free(c->sources[i].cursor);
    mem_free(c->sources);
    head_reader_done(&c->reader);
    buf_done(&c->head_key);
    buf_done(&c->key);
    column_join_done(&c->join);
    vec_free(&c->blocks);
    selection_release(c->of);
    mem_free(c);
}

/* ---- splitting */

uint64_t cursor_estimate(const struct series_cursor *c)
{
    uint64_t most = c->ids_end - c->ids_at;
    for (size_t i = 0; i < c->of->held_n; i++)
        if (!c->sources[i].ended)
            most = MAX(most, part_cursor_matches(c->sources[i].cursor));
    return most;
}

#define THE_HEAD SIZE_MAX

/* The source with most series, or the head. */
static size_t largest(const struct series_cursor *c)
{
    uint64_t most = c->ids_end - c->ids_at;
    size_t best = THE_HEAD;
    for (size_t i = 0; i < c->of->held_n; i++) {
        const struct source *s = &c->sources[i];
        uint64_t n = s->ended ? 0 : part_cursor_matches(s->cursor);
        if (n > most) {
            most = n;
            best = i;
        }
    }
    return best;
}

/* The first id from at on whose series is still there; its key in head_key. ids_end: none. */
static size_t head_key_from(struct series_cursor *c, size_t at)
{
    for (; at < c->ids_end; at++) {
        buf_clear(&c->head_key);
        if (head_reader_key(&c->reader, c->of->ids[at], &c->head_key))
            break;
    }
    return at;
}

/* The first of the head's ids that is not before the key. */
static size_t head_place(struct series_cursor *c, struct str key)
{
    size_t low = c->ids_at, high = c->ids_end;
    while (low < high) {
        size_t mid = (low + high) / 2, found = head_key_from(c, mid);
        if (found < high && str_cmp(buf_str(&c->head_key), key) < 0)
            low = found + 1;
        else
            high = mid;
    }
    return low;
}

/* The key before which one of n parts of a source lies; false where it cannot be told. */
static bool split_key(struct series_cursor *c, size_t by, size_t n, struct buf *ret)
{
    struct str key;
    buf_clear(ret);
    if (by == THE_HEAD) {
        if (head_key_from(c, c->ids_at + (c->ids_end - c->ids_at) / n) == c->ids_end)
            return false;
        key = buf_str(&c->head_key);
    } else if (part_cursor_share(c->sources[by].cursor, n, &key) != 0) {
        return false;
    }
    buf_put_str(ret, key);
    return true;
}

/* Takes what is not before the key out of c, as a cursor of its own; NULL where a part's keys
 * cannot be read. */
static struct series_cursor *cut(struct series_cursor *c, struct str key)
{
    size_t held_n = c->of->held_n;
    uint32_t *places = mem_array(held_n, sizeof *places);
    bool good = true;
    for (size_t i = 0; i < held_n && good; i++)
        good = c->sources[i].ended || part_cursor_place(c->sources[i].cursor, key, &places[i]) == 0;
    struct series_cursor *rest = NULL;
    if (good) {
        rest = cursor_new(c->of);
        rest->ids_at = head_place(c, key);
        rest->ids_end = c->ids_end;
        c->ids_end = rest->ids_at;
        rest->sources = mem_array(held_n, sizeof *rest->sources);
        for (size_t i = 0; i < held_n; i++) {
            rest->sources[i] = c->sources[i];
            rest->sources[i].cursor = NULL;
            if (!c->sources[i].ended)
                rest->sources[i].cursor =
                    part_cursor_cut(c->sources[i].cursor, places[i], note_warning, rest);
        }
    }
    mem_free(places);
    return rest;
}

size_t cursor_split(struct series_cursor *c, size_t n, struct series_cursor **ret)
{
    size_t by = largest(c), made = 0;
    struct series_cursor *rest = c;
    struct buf key;
    buf_init(&key, LABELS_KEY_MAX);
    while (made + 1 < n && split_key(rest, by, n - made, &key)) {
        rest = cut(rest, buf_str(&key));
        if (!rest)
            break;
        ret[made++] = rest;
    }
    buf_done(&key);
    return made;
}

/* ---- moving */

/* Moves the sources that had the series before to their next one. */
static int advance(struct series_cursor *c)
{
    for (size_t i = 0; i < c->of->held_n; i++) {
        struct source *s = &c->sources[i];
        if (!s->present || s->ended)
            continue;
        int got = part_cursor_next(s->cursor, &s->series);
        if (got < 0)
            return got;
        s->ended = got == 0;
        s->present = false;
    }
    if (c->head_present) {
        c->ids_at += c->head_loaded;
        c->head_present = c->head_loaded = false;
    }
    while (!c->head_loaded && c->ids_at < c->ids_end) {
        buf_clear(&c->head_key);
        c->head_loaded = head_reader_key(&c->reader, c->of->ids[c->ids_at], &c->head_key);
        c->ids_at += !c->head_loaded;
    }
    return 0;
}

/* Finds the least key and marks who has it; false at the end. */
static bool find_least(struct series_cursor *c)
{
    struct str least = {0};
    bool any = false;
    if (c->head_loaded) {
        least = buf_str(&c->head_key);
        any = true;
    }
    for (size_t i = 0; i < c->of->held_n; i++) {
        const struct source *s = &c->sources[i];
        if (!s->ended && (!any || str_cmp(s->series.key, least) < 0)) {
            least = s->series.key;
            any = true;
        }
    }
    if (!any)
        return false;
    buf_clear(&c->key);
    buf_put_str(&c->key, least);
    least = buf_str(&c->key);
    for (size_t i = 0; i < c->of->held_n; i++)
        c->sources[i].present = !c->sources[i].ended && str_eq(c->sources[i].series.key, least);
    c->head_present = c->head_loaded && str_eq(buf_str(&c->head_key), least);
    return true;
}

static bool in_shard(const struct series_cursor *c)
{
    return c->of->how.shards <= 1 ||
           hash_xxh3(c->key.p, c->key.n, 0) % c->of->how.shards == c->of->how.shard;
}

/* ---- samples */

static int64_t first_raw(const struct series_cursor *c)
{
    int64_t first = c->head_present ? head_first_ms(c->of->t->head) : INT64_MAX;
    for (size_t i = 0; i < c->of->held_n; i++) {
        const struct source *s = &c->sources[i];
        if (s->present && !s->tier && s->series.chunks_n)
            first = MIN(first, s->series.chunks[0].first_ms);
    }
    return first;
}

/* Tiers answer for the time before the first sample that is still there, the finest that has it. */
static int64_t tier_end(const struct series_cursor *c, const struct source *tier)
{
    int64_t end = first_raw(c);
    for (size_t i = 0; i < c->of->held_n; i++) {
        const struct source *s = &c->sources[i];
        if (s->present && s->tier && s->series.chunks_n &&
            part_info(s->part->part)->tier < part_info(tier->part->part)->tier)
            end = MIN(end, s->series.chunks[0].first_ms);
    }
    return end;
}

/* Of histograms a tier keeps samples: those before end. */
static int add_tier_histograms(struct series_cursor *c, struct source *s, size_t i, int64_t end)
{
    struct column column;
    int err = part_cursor_read(s->cursor, i, &column);
    if (err)
        return err;
    column.n = sample_at_least(column.ts_ms, column.n, end);
    column_join_add(&c->join, &column, c->of->how.from_ms, c->of->how.to_ms);
    return 0;
}

static bool is_tier(const struct source *s, size_t i)
{
    return part_cursor_entry(s->cursor, i)->kind == PART_TIER;
}

/* A tier as samples: the last value of each bucket at its time. */
static int add_tier(struct series_cursor *c, struct source *s)
{
    int64_t end = tier_end(c, s);
    for (size_t i = 0; i < s->series.chunks_n; i++) {
        const struct block *blocks = NULL;
        size_t n = 0;
        int err = is_tier(s, i) ? part_cursor_tier(s->cursor, i, &blocks, &n)
                                : add_tier_histograms(c, s, i, end);
        if (err == -ERR_CORRUPT)
            continue;
        if (err)
            return err;
        for (size_t k = 0; k < n && blocks[k].last_ms < end; k++) {
            struct column one = {.ts_ms = &blocks[k].last_ms, .value = &blocks[k].last, .n = 1};
            column_join_add(&c->join, &one, c->of->how.from_ms, c->of->how.to_ms);
        }
    }
    return 0;
}

static int add_part(struct series_cursor *c, struct source *s)
{
    for (size_t i = 0; i < s->series.chunks_n; i++) {
        struct column column;
        int err = part_cursor_read(s->cursor, i, &column);
        if (err == -ERR_CORRUPT)
            continue; /* the warning is noted, the rest is read */
        if (err)
            return err;
        column_join_add(&c->join, &column, c->of->how.from_ms, c->of->how.to_ms);
    }
    return 0;
}

static void remove_deleted(struct series_cursor *c, const struct source *s)
{
    for (size_t i = 0; i < c->of->tombstones_n; i++)
        if (s->part->number <= c->of->tombstones[i].sequence &&
            index_matchers_match(c->of->tombstones[i].matchers, buf_str(&c->key)))
            column_join_remove(&c->join, c->of->tombstones[i].from_ms, c->of->tombstones[i].to_ms);
}

static void add_head(struct series_cursor *c)
{
    struct column main, late;
    uint32_t id = c->of->ids[c->ids_at];
    head_reader_samples(&c->reader, id, &main, &late);
    column_join_add(&c->join, &main, c->of->how.from_ms, c->of->how.to_ms);
    column_join_add(&c->join, &late, c->of->how.from_ms, c->of->how.to_ms);
}

/* The created timestamps that only the head knows. */
static void add_head_starts(struct series_cursor *c, struct column *column)
{
    struct column_join *j = &c->join;
    if (!c->head_present || column->n == 0)
        return;
    vec_reserve(&j->b.starts, column->n);
    if (!head_reader_starts(&c->reader, c->of->ids[c->ids_at], column->ts_ms, column->n,
                            j->b.starts.v))
        return;
    for (size_t i = 0; column->start_ms && i < column->n; i++)
        if (j->b.starts.v[i] == 0)
            j->b.starts.v[i] = column->start_ms[i];
    column->start_ms = j->b.starts.v;
}

/* The source that has all of the present series, in one chunk; NULL where it is not so. */
static struct source *single(struct series_cursor *c)
{
    struct source *only = NULL;
    if (c->head_present || c->of->tombstones_n)
        return NULL;
    for (size_t i = 0; i < c->of->held_n; i++) {
        struct source *s = &c->sources[i];
        if (!s->present)
            continue;
        if (only || s->tier || s->series.chunks_n != 1)
            return NULL;
        only = s;
    }
    return only;
}

/* Such a series needs no joining: its chunk is given as it was decoded. */
static int read_single(struct series_cursor *c, struct source *s, struct column *ret)
{
    struct column column;
    int err = part_cursor_read(s->cursor, 0, &column);
    *ret = (struct column){0};
    if (err == 0)
        column_cut(&column, c->of->how.from_ms, c->of->how.to_ms, ret);
    return err == -ERR_CORRUPT ? 0 : err; /* the warning is noted */
}

static int read_whole(struct series_cursor *c, struct column *ret)
{
    struct source *only = single(c);
    if (only)
        return read_single(c, only, ret);
    column_join_reset(&c->join);
    for (size_t i = 0; i < c->of->held_n; i++) {
        struct source *s = &c->sources[i];
        if (!s->present)
            continue;
        int err = s->tier ? add_tier(c, s) : add_part(c, s);
        if (err)
            return err;
        /* What was deleted is out of the older parts; newer sources are added after that. */
        if (c->of->tombstones_n)
            remove_deleted(c, s);
    }
    if (c->head_present)
        add_head(c);
    column_join_finish(&c->join, ret);
    add_head_starts(c, ret);
    return 0;
}

/* ---- blocks */

/* Do deletions concern the present series? Then nothing but reading it all will do. */
static bool has_deletions(const struct series_cursor *c)
{
    for (size_t i = 0; i < c->of->tombstones_n; i++)
        if (index_matchers_match(c->of->tombstones[i].matchers, buf_str(&c->key)))
            return true;
    return false;
}

/* *ret_whole is set where histograms are among them: those are no blocks. */
static int add_tier_blocks(struct series_cursor *c, struct source *s, bool *ret_whole)
{
    int64_t end = tier_end(c, s);
    for (size_t i = 0; i < s->series.chunks_n; i++) {
        const struct block *blocks;
        size_t n;
        if (!is_tier(s, i)) {
            *ret_whole |= part_cursor_entry(s->cursor, i)->first_ms < end;
            continue;
        }
        int err = part_cursor_tier(s->cursor, i, &blocks, &n);
        if (err == -ERR_CORRUPT)
            continue;
        if (err)
            return err;
        for (size_t k = 0; k < n && blocks[k].last_ms < end; k++)
            if (blocks[k].last_ms >= c->of->how.from_ms && blocks[k].first_ms <= c->of->how.to_ms)
                vec_push(&c->blocks, blocks[k]);
    }
    return 0;
}

static int add_part_blocks(struct series_cursor *c, size_t source)
{
    struct source *s = &c->sources[source];
    for (size_t i = 0; i < s->series.chunks_n; i++) {
        struct block b = {0};
        int err = part_cursor_block(s->cursor, i, &b);
        if (err == -ERR_CORRUPT)
            continue;
        if (err)
            return err;
        b.handle = (uint64_t)(source + 1) << 32 | i;
        vec_push(&c->blocks, b);
    }
    return 0;
}

/* The head's samples as one block without aggregates. */
static void add_head_block(struct series_cursor *c)
{
    column_join_reset(&c->join);
    add_head(c);
    column_join_finish(&c->join, &c->whole);
    add_head_starts(c, &c->whole);
    if (c->whole.n)
        vec_push(&c->blocks, ((struct block){.first_ms = c->whole.ts_ms[0],
                                             .last_ms = c->whole.ts_ms[c->whole.n - 1],
                                             .n = (uint32_t)c->whole.n}));
}

static bool sort_blocks(struct series_cursor *c)
{
    struct block *v = c->blocks.v;
    for (size_t i = 1; i < c->blocks.n; i++) { /* they come nearly sorted */
        struct block b = v[i];
        size_t k = i;
        for (; k > 0 && v[k - 1].first_ms > b.first_ms; k--)
            v[k] = v[k - 1];
        v[k] = b;
    }
    for (size_t i = 1; i < c->blocks.n; i++)
        if (v[i].first_ms <= v[i - 1].last_ms)
            return false;
    return true;
}

static int read_blocks(struct series_cursor *c)
{
    bool whole = c->of->tombstones_n && has_deletions(c);
    c->blocks.n = 0;
    for (size_t i = 0; i < c->of->held_n && !whole; i++) {
        if (!c->sources[i].present)
            continue;
        int err =
            c->sources[i].tier ? add_tier_blocks(c, &c->sources[i], &whole) : add_part_blocks(c, i);
        if (err)
            return err;
    }
    if (!whole && c->head_present)
        add_head_block(c);
    if (!whole && sort_blocks(c))
        return 0;

    /* Blocks overlap (late samples, a flush in progress): the merged samples are one block. */
    c->blocks.n = 0;
    int err = read_whole(c, &c->whole);
    if (!err && c->whole.n)
        vec_push(&c->blocks, ((struct block){.first_ms = c->whole.ts_ms[0],
                                             .last_ms = c->whole.ts_ms[c->whole.n - 1],
                                             .n = (uint32_t)c->whole.n}));
    return err;
}

int cursor_decode(struct series_cursor *c, const struct block *b, struct column *ret)
{
    if (b->tier)
        return -ERR_STATE;
    if (b->handle == 0) {
        *ret = c->whole;
        return 0;
    }
    struct source *s = &c->sources[(b->handle >> 32) - 1];
    int err = part_cursor_read(s->cursor, (size_t)(b->handle & UINT32_MAX), ret);
    if (err == -ERR_CORRUPT) {
        *ret = (struct column){0};
        err = 0;
    }
    return err;
}

/* ---- series by series */

static bool has_any(struct series_cursor *c)
{
    for (size_t i = 0; i < c->of->held_n; i++)
        if (c->sources[i].present && c->sources[i].series.chunks_n)
            return true;
    return c->head_present && head_reader_any(&c->reader, c->of->ids[c->ids_at]);
}

/* Fills the view; false where the series has nothing in the range. */
static int fill(struct series_cursor *c, struct series_view *ret, bool *ret_any)
{
    int err = 0;
    *ret = (struct series_view){.key = buf_str(&c->key)};
    switch (c->of->how.want) {
    case SELECT_KEYS:
        *ret_any = has_any(c);
        break;
    case SELECT_SAMPLES:
        err = read_whole(c, &ret->column);
        *ret_any = ret->column.n > 0;
        break;
    case SELECT_BLOCKS:
        err = read_blocks(c);
        ret->blocks = c->blocks.v;
        ret->blocks_n = c->blocks.n;
        *ret_any = c->blocks.n > 0;
        break;
    }
    return err;
}

int cursor_next(struct series_cursor *c, struct series_view *ret, struct why *why)
{
    for (;;) {
        bool any = false;
        int err = advance(c);
        if (err)
            return why_set(why, (enum err) - err, "reading the store: %s", err_text(err));
        if (!find_least(c))
            return 0;
        if (!in_shard(c))
            continue;
        err = fill(c, ret, &any);
        if (err)
            return why_set(why, (enum err) - err, "reading the store: %s", err_text(err));
        if (!any)
            continue;
        if (c->of->how.series_max && ++c->series > c->of->how.series_max)
            return why_set(why, ERR_LIMIT,
                           "the selector matches more than %llu series; make it narrower",
                           (unsigned long long)c->of->how.series_max);
        return 1;
    }
}
