#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/vec.h"
#include "model/sample.h"
#include "store/series/part_read.h"
#include "store/series/part_tier.h"

enum { NO_BLOCK = UINT32_MAX, CHUNK_BYTES_LIMIT = 1 << 28 };

struct part_cursor {
    struct part *part;
    const struct index_matchers *how;
    bool check; /* the key of every series is to be looked at */
    int64_t from_ms, to_ms;
    series_warning_f *warn;
    void *context;
    uint32_t shard, shards;
    bool times_only;

    uint64_t *bits; /* [words] from series 64 * first_word on */
    size_t first_word, words, word;
    struct index_keys *keys;
    uint32_t block; /* whose directory is open, NO_BLOCK */
    bool block_bad; /* its directory cannot be read */
    struct part_directory directory;
    size_t first_chunk[INDEX_BLOCK]; /* of each series in directory.v */
    uint64_t *offsets;               /* [directory.n] of the chunks' bytes in data */

    struct {
        struct part_chunk *v;
        size_t n, capacity;
    } chunks;
    struct {
        const struct part_directory_entry **v;
        size_t n, capacity;
    } entries; /* of chunks */
    struct part_times *times;
    struct part_decoded *decoded;
    int64_t ts[CHUNK_MAX];
    struct block *tier; /* [CHUNK_MAX] once it is needed */
    struct arena arena;
};

static void warn(struct part_cursor *c, const char *what, int err)
{
    char text[WHY_MAX];
    if (!c->warn)
        return;
    snprintf(text, sizeof text, "part %s: %s: %s; what lies there is left out of the answer",
             c->part->dir, what, err_text(err));
    c->warn(c->context, text);
}

static struct part_cursor *cursor_new(struct part *p, const struct index_matchers *how,
                                      int64_t from_ms, int64_t to_ms)
{
    struct part_cursor *c = mem_new(sizeof *c);
    c->part = p;
    c->how = how;
    c->from_ms = from_ms;
    c->to_ms = to_ms;
    c->block = NO_BLOCK;
    c->keys = index_keys_new(p->index);
    c->times = part_times_new(p);
    c->decoded = mem_raw(sizeof *c->decoded);
    arena_init(&c->arena);
    return c;
}

int part_select(struct part *p, const struct index_matchers *how, int64_t from_ms, int64_t to_ms,
                series_warning_f *warning, void *context, struct part_cursor **ret, struct why *why)
{
    struct part_cursor *c = cursor_new(p, how, from_ms, to_ms);
    c->warn = warning;
    c->context = context;
    c->words = index_words(p->index);
    c->bits = mem_array(c->words + 1, sizeof *c->bits);
    bool outside = from_ms > p->info.last_ms || to_ms < p->info.first_ms;
    int err = outside ? 0 : index_select(p->index, how, c->bits, &c->check);
    if (err) {
        part_cursor_free(c);
        return why_set(why, (enum err) - err, "part %s: the index cannot be read: %s", p->dir,
                       err_text(err));
    }
    *ret = c;
    return 0;
}

void part_cursor_free(struct part_cursor *c)
{
    if (!c)
        return;
    mem_free(c->bits);
    mem_free(c->offsets);
    mem_free(c->decoded);
    mem_free(c->tier);
    index_keys_free(c->keys);
    part_times_free(c->times);
    part_directory_done(&c->directory);
    vec_free(&c->chunks);
    vec_free(&c->entries);
    arena_done(&c->arena);
    mem_free(c);
}

void part_cursor_shard(struct part_cursor *c, uint32_t shard, uint32_t shards)
{
    c->shard = shard;
    c->shards = shards;
}

uint64_t part_cursor_matches(const struct part_cursor *c)
{
    uint64_t n = 0;
    for (size_t i = 0; i < c->words; i++)
        n += c->bits[i] ? (uint64_t)__builtin_popcountll(c->bits[i]) : 0;
    return n;
}

void part_cursor_times_only(struct part_cursor *c)
{
    c->times_only = true;
}

int part_cursor_share(struct part_cursor *c, size_t n, struct str *ret)
{
    uint64_t before = part_cursor_matches(c) / n, met = 0;
    size_t w = 0;
    while (w < c->words && met + (uint64_t)__builtin_popcountll(c->bits[w]) <= before)
        met += (uint64_t)__builtin_popcountll(c->bits[w++]);
    w = MAX(w, (size_t)1); /* the least that is cut off */
    uint64_t ordinal = (c->first_word + w) * 64;
    if (w >= c->words || ordinal >= index_series(c->part->index))
        return -ERR_RANGE; /* too few of them */
    return index_keys_at(c->keys, (uint32_t)ordinal, ret);
}

/* Is the key at ordinal before key? */
static int is_before(struct part_cursor *c, uint32_t ordinal, struct str key, bool *ret)
{
    struct str own;
    int err = index_keys_at(c->keys, ordinal, &own);
    if (!err)
        *ret = str_cmp(own, key) < 0;
    return err;
}

int part_cursor_place(struct part_cursor *c, struct str key, uint32_t *ret)
{
    uint32_t low = 0, high = index_series(c->part->index);
    while (low < high) {
        /* Block by block first, since a block is read from its front. */
        uint32_t mid = low + (high - low) / 2;
        if (high - low > INDEX_BLOCK)
            mid = MAX(mid / INDEX_BLOCK * INDEX_BLOCK, low);
        bool before = false;
        int err = is_before(c, mid, key, &before);
        if (err)
            return err;
        if (before)
            low = mid + 1;
        else
            high = mid;
    }
    *ret = low;
    return 0;
}

struct part_cursor *part_cursor_cut(struct part_cursor *c, uint32_t at, series_warning_f *warning,
                                    void *context)
{
    struct part_cursor *rest = cursor_new(c->part, c->how, c->from_ms, c->to_ms);
    size_t end = c->first_word + c->words, word = MIN(MAX(at / 64, c->first_word), end);
    rest->warn = warning;
    rest->context = context;
    rest->check = c->check;
    rest->shard = c->shard;
    rest->shards = c->shards;
    rest->times_only = c->times_only;
    rest->first_word = word;
    rest->words = end - word;
    rest->bits = mem_array(rest->words + 1, sizeof *rest->bits);
    memcpy(rest->bits, c->bits + (word - c->first_word), rest->words * sizeof *rest->bits);
    c->words = word - c->first_word;
    if (rest->words && at % 64 && at / 64 == word) {
        uint64_t mine = ((uint64_t)1 << at % 64) - 1;
        c->bits[c->words++] &= mine;
        rest->bits[0] &= ~mine;
    }
    return rest;
}

static int open_block(struct part_cursor *c, uint32_t ordinal)
{
    struct str bytes;
    uint32_t begin = ordinal / INDEX_BLOCK * INDEX_BLOCK;
    uint32_t series = MIN(index_series(c->part->index) - begin, (uint32_t)INDEX_BLOCK);
    int err = index_keys_directory(c->keys, ordinal, &bytes);
    if (!err)
        err = part_directory_decode((const uint8_t *)bytes.p, bytes.n, series, &c->directory);
    if (err)
        return err;
    struct part_directory *d = &c->directory;
    mem_free(c->offsets);
    c->offsets = mem_raw((d->n + 1) * sizeof *c->offsets);
    uint64_t at = d->offset;
    for (size_t i = 0; i < d->n; i++) {
        c->offsets[i] = at;
        at += d->v[i].bytes;
    }
    for (size_t s = 0, k = 0; s < series; s++) {
        c->first_chunk[s] = k;
        k += d->chunks[s];
    }
    return 0;
}

/* The directory of the block of ordinal; a bad one is told once and *ret_good false. */
static int block_ready(struct part_cursor *c, uint32_t ordinal, bool *ret_good)
{
    if (c->block != ordinal / INDEX_BLOCK) {
        int err = open_block(c, ordinal);
        if (err && !part_is_damage(err))
            return err;
        c->block = ordinal / INDEX_BLOCK;
        c->block_bad = err != 0;
        if (err)
            warn(c, "64 series have no readable directory", err);
    }
    *ret_good = !c->block_bad;
    return 0;
}

static uint64_t ts_id(const struct part *p, const struct part_directory_entry *e)
{
    if (!p->id || e->kind == PART_TIER || e->ts_ref >= 1u << 26)
        return 0;
    return (uint64_t)p->id << 52 | (uint64_t)e->ts_ref << 26 | (uint64_t)e->ts_first << 10 |
           e->slots;
}

static void add_chunk(struct part_cursor *c, size_t i)
{
    const struct part_directory_entry *e = &c->directory.v[i];
    struct part_chunk chunk = {
        .first_ms = e->first_ms,
        .last_ms = e->last_ms,
        .slots = e->slots,
        .n = e->slots - e->absent,
        .kind = (enum part_kind)e->kind,
        .has_start = e->has_start,
        .value = e->value,
        .ts_id = e->absent ? 0 : ts_id(c->part, e),
        .ts_ref = e->ts_ref,
        .ts_first = e->ts_first,
        .offset = c->offsets[i],
        .bytes = e->bytes,
    };
    vec_push(&c->chunks, chunk);
    vec_push(&c->entries, e);
}

/* The chunks of a series that overlap the range; false where there is none. */
static bool collect(struct part_cursor *c, uint32_t ordinal)
{
    size_t from = c->first_chunk[ordinal % INDEX_BLOCK];
    size_t to = from + c->directory.chunks[ordinal % INDEX_BLOCK];
    c->chunks.n = c->entries.n = 0;
    for (size_t i = from; i < to; i++) {
        const struct part_directory_entry *e = &c->directory.v[i];
        if (e->last_ms >= c->from_ms && e->first_ms <= c->to_ms)
            add_chunk(c, i);
    }
    return c->chunks.n > 0;
}

static bool next_ordinal(struct part_cursor *c, uint32_t *ret)
{
    while (c->word < c->words && !c->bits[c->word])
        c->word++;
    if (c->word == c->words)
        return false;
    *ret = (uint32_t)((c->first_word + c->word) * 64 + (size_t)__builtin_ctzll(c->bits[c->word]));
    c->bits[c->word] &= c->bits[c->word] - 1;
    return true;
}

int part_cursor_next(struct part_cursor *c, struct part_series *ret)
{
    uint32_t ordinal;
    while (next_ordinal(c, &ordinal)) {
        struct str key;
        bool good;
        int err = block_ready(c, ordinal, &good);
        if (err)
            return err;
        if (!good || !collect(c, ordinal))
            continue;
        err = index_keys_at(c->keys, ordinal, &key);
        if (err && !part_is_damage(err))
            return err;
        if (err) {
            warn(c, "the labels of a series cannot be read", err);
            continue;
        }
        if (c->shards && part_shard(key, c->shards) != c->shard)
            continue;
        if (c->check && !index_matchers_match(c->how, key))
            continue;
        *ret = (struct part_series){ordinal, key, c->chunks.v, c->chunks.n};
        return 1;
    }
    return 0;
}

uint32_t part_shard(struct str key, uint32_t shards)
{
    return (uint32_t)(hash_xxh3(key.p, key.n, 0) % shards);
}

static int read_bytes(struct part_cursor *c, size_t i, struct page_ref *ret)
{
    const struct part_chunk *chunk = &c->chunks.v[i];
    if (chunk->bytes > CHUNK_BYTES_LIMIT)
        return -ERR_CORRUPT;
    *ret = (struct page_ref){0};
    if (!chunk->bytes)
        return 0;
    return page_read(c->part->data, chunk->offset, chunk->bytes, ret, NULL);
}

int part_cursor_block(struct part_cursor *c, size_t i, struct block *ret)
{
    struct page_ref bytes = {0};
    const struct part_directory_entry *e = c->entries.v[i];
    if (e->kind == PART_TIER)
        return -ERR_STATE;
    if (c->times_only && e->kind == PART_FLOATS && e->summarised) {
        *ret = (struct block){.first_ms = e->first_ms,
                              .last_ms = e->last_ms,
                              .n = e->slots - e->absent,
                              .summarised = true};
        return 0;
    }
    int err = e->kind == PART_FLOATS && e->summarised ? read_bytes(c, i, &bytes) : 0;
    if (!err)
        err = part_decode_block(e, bytes.p, bytes.n, ret);
    page_release(&bytes);
    if (err)
        warn(c, "a chunk cannot be read", err);
    return err;
}

/* Moves the samples together that are there. */
static size_t compact(struct part_cursor *c, const struct part_directory_entry *e,
                      const int64_t *ts)
{
    struct part_decoded *d = c->decoded;
    size_t k = 0;
    for (size_t i = 0; i < e->slots; i++) {
        if (e->kind == PART_HISTOGRAMS ? !d->histogram[i] : chunk_is_absent(d->value[i]))
            continue;
        c->ts[k] = ts[i];
        d->value[k] = d->value[i];
        d->histogram[k] = d->histogram[i];
        d->start_ms[k] = d->start_ms[i];
        k++;
    }
    return k;
}

/* Can the samples do without their values, as they are floats, all there, and none a marker? */
static bool no_values(const struct part_cursor *c, const struct part_directory_entry *e)
{
    return c->times_only && !e->absent &&
           (e->kind == PART_FLOATS ? e->summarised
                                   : e->kind == PART_CONST && !sample_is_stale(e->value));
}

int part_cursor_slots(struct part_cursor *c, size_t i, struct arena *a, struct column *ret)
{
    static const double zeros[CHUNK_MAX];
    const struct part_directory_entry *e = c->entries.v[i];
    struct page_ref bytes = {0};
    const int64_t *ts = NULL;
    if (e->kind == PART_TIER)
        return -ERR_STATE;
    int err = part_times_get(c->times, e->ts_ref, e->ts_first, e->slots, &ts);
    if (!err && no_values(c, e)) {
        *ret = (struct column){
            .ts_ms = ts, .value = zeros, .n = e->slots, .ts_id = c->chunks.v[i].ts_id};
        return 0;
    }
    if (!err)
        err = read_bytes(c, i, &bytes);
    if (!err)
        err = part_decode(e, bytes.p, bytes.n, a, c->decoded);
    page_release(&bytes);
    if (err) {
        warn(c, "a chunk cannot be read", err);
        return err;
    }
    *ret = (struct column){
        .ts_ms = ts,
        .value = c->decoded->value,
        .histogram = e->kind == PART_HISTOGRAMS ? c->decoded->histogram : NULL,
        .start_ms = e->has_start ? c->decoded->start_ms : NULL,
        .n = e->slots,
        .ts_id = c->chunks.v[i].ts_id,
    };
    return 0;
}

int part_cursor_read(struct part_cursor *c, size_t i, struct column *ret)
{
    const struct part_directory_entry *e = c->entries.v[i];
    struct column col;
    arena_reset(&c->arena);
    int err = part_cursor_slots(c, i, &c->arena, &col);
    if (err)
        return err;
    if (e->absent) {
        col.n = compact(c, e, col.ts_ms);
        col.ts_ms = c->ts;
    }
    if (col.n != e->slots - e->absent) {
        warn(c, "a chunk has other samples than its directory says", -ERR_CORRUPT);
        return -ERR_CORRUPT;
    }
    *ret = col;
    return 0;
}

const struct part_directory_entry *part_cursor_entry(const struct part_cursor *c, size_t i)
{
    return c->entries.v[i];
}

bool part_is_damage(int err)
{
    return err == -ERR_CORRUPT || err == -ERR_FORMAT;
}

int part_cursor_tier(struct part_cursor *c, size_t i, const struct block **ret, size_t *ret_n)
{
    const struct part_directory_entry *e = c->entries.v[i];
    struct page_ref bytes = {0};
    if (e->kind != PART_TIER)
        return -ERR_STATE;
    if (!c->tier)
        c->tier = mem_array(CHUNK_MAX, sizeof *c->tier);
    int err = read_bytes(c, i, &bytes);
    if (!err && part_tier_decode(bytes.p, bytes.n, e->slots, c->tier, NULL))
        err = -ERR_CORRUPT;
    page_release(&bytes);
    if (err) {
        warn(c, "a chunk of aggregates cannot be read", err);
        return err;
    }
    *ret = c->tier;
    *ret_n = e->slots;
    return 0;
}

int part_cursor_bytes(struct part_cursor *c, size_t i, struct page_ref *ret)
{
    int err = read_bytes(c, i, ret);
    if (err)
        warn(c, "a chunk cannot be read", err);
    return err;
}

int part_cursor_times(struct part_cursor *c, uint32_t ref, uint32_t first, uint32_t n,
                      const int64_t **ret)
{
    int err = part_times_get(c->times, ref, first, n, ret);
    if (err)
        warn(c, "a column of timestamps cannot be read", err);
    return err;
}
