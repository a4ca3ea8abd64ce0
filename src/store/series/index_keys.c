#include <string.h>

#include "base/bits.h"
#include "base/mem.h"
#include "base/vec.h"
#include "model/labels.h"
#include "store/series/chunk_int.h"
#include "store/series/index_read.h"

enum { NO_BLOCK = UINT32_MAX, BLOCK_BYTES_MAX = 1 << 28, HEADS_ROOM = INDEX_BLOCK };

/* The block of values last read, of one name. */
struct recent {
    bool held;
    uint64_t block;
    struct index_read_values *values;
};

struct index_keys {
    struct index *x;
    struct recent *recent; /* [names] */
    uint32_t block;
    struct page_ref ref;
    struct str directory;
    int64_t heads[HEADS_ROOM];
    int64_t *rest; /* [rest_n] */
    size_t rest_n, rest_at;
    uint32_t next; /* series of the block that comes next */
    struct index_label labels[INDEX_LABELS_MAX];
    size_t end[INDEX_LABELS_MAX]; /* of a label's bytes in the key, where built */
    size_t labels_n, built;       /* labels of the present series; those whose bytes stand in key */
    struct buf key;
};

struct index_keys *index_keys_new(struct index *x)
{
    struct index_keys *k = mem_new(sizeof *k);
    k->x = x;
    k->block = NO_BLOCK;
    k->recent = mem_array(x->names_n + 1, sizeof *k->recent);
    buf_init(&k->key, LABELS_KEY_MAX);
    return k;
}

void index_keys_free(struct index_keys *k)
{
    if (!k)
        return;
    for (size_t i = 0; i < k->x->names_n; i++)
        if (k->recent[i].values) {
            index_read_values_done(k->recent[i].values);
            mem_free(k->recent[i].values);
        }
    mem_free(k->recent);
    mem_free(k->rest);
    buf_done(&k->key);
    page_release(&k->ref);
    mem_free(k);
}

/* The text of a value; borrowed until the next of the same name. */
static int text_of(struct index_keys *k, uint32_t name, uint64_t rank, struct str *ret)
{
    struct recent *r = &k->recent[name];
    uint64_t block = rank / INDEX_VALUES_BLOCK;
    if (!r->values) {
        r->values = mem_new(sizeof *r->values);
        index_read_values_init(r->values);
    }
    if (!r->held || r->block != block) {
        r->held = false;
        int err = index_read_block(k->x, name, block, r->values);
        if (err)
            return err;
        r->held = true;
        r->block = block;
    }
    *ret = r->values->text[rank % INDEX_VALUES_BLOCK];
    return 0;
}

/* How many integers the differences of all heads take; SIZE_MAX where a head is wrong. */
static size_t rest_of(const int64_t *heads, size_t n)
{
    size_t total = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t h = (uint64_t)heads[i];
        if (h & 1) {
            if (h >> 1 == 0 || h >> 1 > INDEX_LABELS_MAX)
                return SIZE_MAX;
            total += 2 * (h >> 1);
        } else {
            if (i == 0)
                return SIZE_MAX;
            total += (size_t)__builtin_popcountll(h);
        }
    }
    return total;
}

static int parse_block(struct index_keys *k, size_t n)
{
    const uint8_t *p = k->ref.p, *end = p + k->ref.n;
    uint64_t keys;
    size_t used;
    p = varint_get(p, end, &keys);
    if (!p || keys > (uint64_t)(end - p))
        return -ERR_CORRUPT;
    k->directory = str_of((const char *)p + keys, (size_t)(end - p) - keys);
    if (chunk_int_decode_copy(p, keys, n, k->heads, &used))
        return -ERR_CORRUPT;
    k->rest_n = rest_of(k->heads, n);
    if (k->rest_n == SIZE_MAX)
        return -ERR_CORRUPT;
    mem_free(k->rest);
    k->rest = mem_raw((k->rest_n + INDEX_BLOCK) * sizeof *k->rest);
    if (chunk_int_decode_copy(p + used, keys - used, k->rest_n, k->rest, NULL))
        return -ERR_CORRUPT;
    return 0;
}

static int load_block(struct index_keys *k, uint32_t block)
{
    uint8_t entries[16];
    k->block = NO_BLOCK;
    page_release(&k->ref);
    int err =
        page_copy(k->x->file, k->x->blocks + 8 * (uint64_t)block, sizeof entries, entries, NULL);
    if (err)
        return err;
    uint64_t from = load64(entries), to = load64(entries + 8);
    if (to < from || to - from > BLOCK_BYTES_MAX)
        return -ERR_CORRUPT;
    err = page_read(k->x->file, from, to - from, &k->ref, NULL);
    if (!err)
        err = parse_block(k, MIN(k->x->series - block * INDEX_BLOCK, (uint32_t)INDEX_BLOCK));
    if (err)
        return err;
    k->block = block;
    k->next = 0;
    k->rest_at = 0;
    k->labels_n = k->built = 0;
    return 0;
}

/* Moves the present labels on by one series. */
static int step(struct index_keys *k)
{
    uint64_t head = (uint64_t)k->heads[k->next++];
    const int64_t *rest = k->rest;
    if (head & 1) {
        k->labels_n = head >> 1;
        k->built = 0;
        for (size_t i = 0; i < k->labels_n; i++) {
            uint64_t name = (uint64_t)rest[k->rest_at++], rank = (uint64_t)rest[k->rest_at++];
            if (name >= k->x->names_n || rank >= k->x->names[name].values)
                return -ERR_CORRUPT;
            k->labels[i] = (struct index_label){.name = (uint32_t)name, .rank = rank};
        }
        return 0;
    }
    for (uint64_t left = head >> 1; left; left &= left - 1) {
        size_t i = (size_t)__builtin_ctzll(left);
        if (i >= k->labels_n)
            return -ERR_CORRUPT;
        struct index_label *l = &k->labels[i];
        l->rank += (uint64_t)rest[k->rest_at++];
        if (l->rank >= k->x->names[l->name].values)
            return -ERR_CORRUPT;
        k->built = MIN(k->built, i);
    }
    return 0;
}

/* Writes the bytes of the labels that have changed. */
static int build(struct index_keys *k)
{
    k->key.n = k->built ? k->end[k->built - 1] : 0;
    for (; k->built < k->labels_n; k->built++) {
        struct index_label *l = &k->labels[k->built];
        struct str text;
        int err = text_of(k, l->name, l->rank, &text);
        if (err)
            return err;
        labels_put(&k->key, k->x->names[l->name].text, text);
        if (buf_failed(&k->key)) {
            buf_clear(&k->key);
            k->built = 0;
            return -ERR_CORRUPT;
        }
        k->end[k->built] = k->key.n;
    }
    return 0;
}

static int go_to(struct index_keys *k, uint32_t ordinal, bool rewind)
{
    if (ordinal >= k->x->series)
        return -ERR_RANGE;
    uint32_t block = ordinal / INDEX_BLOCK, at = ordinal % INDEX_BLOCK;
    if (k->block != block)
        return load_block(k, block);
    if (rewind && at + 1 < k->next) {
        k->next = 0;
        k->rest_at = 0;
        k->built = k->labels_n = 0;
    }
    return 0;
}

static int walk(struct index_keys *k, uint32_t ordinal)
{
    int err = go_to(k, ordinal, true);
    while (!err && k->next <= ordinal % INDEX_BLOCK)
        err = step(k);
    if (err)
        k->block = NO_BLOCK;
    return err;
}

int index_keys_at(struct index_keys *k, uint32_t ordinal, struct str *ret)
{
    int err = walk(k, ordinal);
    if (!err)
        err = build(k);
    if (!err)
        *ret = buf_str(&k->key);
    return err;
}

int index_keys_labels(struct index_keys *k, uint32_t ordinal, const struct index_label **ret,
                      size_t *ret_n)
{
    int err = walk(k, ordinal);
    if (!err) {
        *ret = k->labels;
        *ret_n = k->labels_n;
    }
    return err;
}

int index_keys_directory(struct index_keys *k, uint32_t ordinal, struct str *ret)
{
    int err = go_to(k, ordinal, false);
    if (!err)
        *ret = k->directory;
    return err;
}
