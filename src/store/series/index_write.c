#include "store/series/index.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/bits.h"
#include "base/map.h"
#include "base/must.h"
#include "base/vec.h"
#include "model/labels.h"
#include "store/series/chunk_int.h"

enum { BUF_MAX = 1 << 30, HASHED_MAX = LABELS_KEY_MAX + 64 };

struct value {
    struct str text;
    uint32_t name;   /* in order of appearance */
    uint32_t rank;   /* among the sorted values of its name */
    uint32_t series; /* how many have it */
};

struct name {
    struct str text;
    uint32_t rank;
    uint32_t values; /* how many */
    uint64_t series;
    uint64_t table; /* where the table of its value blocks lies */
};

struct index_writer {
    struct arena a; /* texts */
    struct map name_of, value_of;
    struct {
        struct name *v;
        size_t n, capacity;
    } names;
    struct {
        struct value *v;
        size_t n, capacity;
    } values;
    struct {
        uint32_t *v; /* values of all series, one after the other */
        size_t n, capacity;
    } labels;
    struct {
        uint16_t *v; /* labels of each series */
        size_t n, capacity;
    } counts;
    struct buf last, hashed;
};

struct index_writer *index_writer_new(void)
{
    struct index_writer *w = mem_new(sizeof *w);
    arena_init(&w->a);
    map_init(&w->name_of, 0);
    map_init(&w->value_of, 0);
    buf_init(&w->last, LABELS_KEY_MAX);
    buf_init(&w->hashed, HASHED_MAX);
    return w;
}

void index_writer_free(struct index_writer *w)
{
    if (!w)
        return;
    vec_free(&w->names);
    vec_free(&w->values);
    vec_free(&w->labels);
    vec_free(&w->counts);
    map_done(&w->name_of);
    map_done(&w->value_of);
    buf_done(&w->last);
    buf_done(&w->hashed);
    arena_done(&w->a);
    mem_free(w);
}

uint32_t index_writer_n(const struct index_writer *w)
{
    return (uint32_t)w->counts.n;
}

static uint32_t name_of(struct index_writer *w, struct str text)
{
    bool new;
    union map_value *at = map_put(&w->name_of, text, &new);
    if (new) {
        at->u = w->names.n;
        struct name name = {.text = arena_str(&w->a, text)};
        vec_push(&w->names, name);
    }
    return (uint32_t)at->u;
}

static uint32_t value_of(struct index_writer *w, uint32_t name, struct str text)
{
    uint8_t prefix[4];
    bool new;
    store32(prefix, name);
    buf_clear(&w->hashed);
    buf_put(&w->hashed, prefix, sizeof prefix);
    buf_put_str(&w->hashed, text);
    union map_value *at = map_put(&w->value_of, buf_str(&w->hashed), &new);
    if (new) {
        at->u = w->values.n;
        struct value value = {.text = arena_str(&w->a, text), .name = name};
        vec_push(&w->values, value);
        w->names.v[name].values++;
    }
    return (uint32_t)at->u;
}

/* The value that the series before has at place i, if it is this label. */
static bool as_before(const struct index_writer *w, const uint32_t *before, size_t before_n,
                      size_t i, const struct label *l, uint32_t *ret)
{
    if (i >= before_n)
        return false;
    const struct value *v = &w->values.v[before[i]];
    if (!str_eq(v->text, l->value) || !str_eq(w->names.v[v->name].text, l->name))
        return false;
    *ret = before[i];
    return true;
}

int index_writer_add(struct index_writer *w, struct str key)
{
    if (w->counts.n && str_cmp(key, buf_str(&w->last)) <= 0)
        return -ERR_FORMAT;
    size_t before_n = w->counts.n ? w->counts.v[w->counts.n - 1] : 0, n = 0;
    size_t begin = w->labels.n;
    vec_reserve(&w->labels, begin + 1); /* before may be nothing, but not nowhere */
    const char *at = key.p;
    struct label l;
    bool bad = false;
    while (n <= INDEX_LABELS_MAX && labels_next(key, &at, &l, &bad)) {
        uint32_t value;
        if (!as_before(w, w->labels.v + begin - before_n, before_n, n, &l, &value))
            value = value_of(w, name_of(w, l.name), l.value);
        vec_push(&w->labels, value);
        n++;
    }
    if (bad || n == 0 || n > INDEX_LABELS_MAX || key.n > LABELS_KEY_MAX) {
        w->labels.n = begin;
        return -ERR_FORMAT;
    }
    for (size_t i = begin; i < w->labels.n; i++) {
        struct value *v = &w->values.v[w->labels.v[i]];
        v->series++;
        w->names.v[v->name].series++;
    }
    vec_push(&w->counts, (uint16_t)n);
    buf_clear(&w->last);
    buf_put_str(&w->last, key);
    return 0;
}

/* ---- finish ---- */

struct finish {
    struct index_writer *w;
    struct page_writer *out;
    uint32_t *names;  /* sorted */
    uint32_t *values; /* sorted by name, then text */
    uint64_t *first;  /* [values + 1] where a value's ordinals begin, in order of appearance */
    uint32_t *ordinals;
    struct buf buf;
};

static int compare_names(const void *a, const void *b, void *context)
{
    const struct index_writer *w = context;
    return str_cmp(w->names.v[*(const uint32_t *)a].text, w->names.v[*(const uint32_t *)b].text);
}

static int compare_values(const void *a, const void *b, void *context)
{
    const struct index_writer *w = context;
    const struct value *x = &w->values.v[*(const uint32_t *)a];
    const struct value *y = &w->values.v[*(const uint32_t *)b];
    uint32_t p = w->names.v[x->name].rank, q = w->names.v[y->name].rank;
    return p != q ? (p < q ? -1 : 1) : str_cmp(x->text, y->text);
}

static void rank(struct finish *f)
{
    struct index_writer *w = f->w;
    f->names = mem_array(w->names.n + 1, sizeof *f->names);
    f->values = mem_array(w->values.n + 1, sizeof *f->values);
    for (size_t i = 0; i < w->names.n; i++)
        f->names[i] = (uint32_t)i;
    qsort_r(f->names, w->names.n, sizeof *f->names, compare_names, w);
    for (size_t i = 0; i < w->names.n; i++)
        w->names.v[f->names[i]].rank = (uint32_t)i;
    for (size_t i = 0; i < w->values.n; i++)
        f->values[i] = (uint32_t)i;
    qsort_r(f->values, w->values.n, sizeof *f->values, compare_values, w);
    uint32_t at = 0;
    for (size_t i = 0; i < w->values.n; i++) {
        struct value *v = &w->values.v[f->values[i]];
        at = i && w->values.v[f->values[i - 1]].name == v->name ? at + 1 : 0;
        v->rank = at;
    }
}

static void collect(struct finish *f)
{
    struct index_writer *w = f->w;
    f->first = mem_array(w->values.n + 1, sizeof *f->first);
    f->ordinals = mem_array(w->labels.n + 1, sizeof *f->ordinals);
    for (size_t i = 0; i < w->values.n; i++)
        f->first[i + 1] = f->first[i] + w->values.v[i].series;
    uint64_t *at = mem_copy(f->first, (w->values.n + 1) * sizeof *at);
    size_t label = 0;
    for (size_t s = 0; s < w->counts.n; s++)
        for (size_t k = 0; k < w->counts.v[s]; k++, label++)
            f->ordinals[at[w->labels.v[label]]++] = (uint32_t)s;
    mem_free(at);
}

/* Postings of one value: runs (gap, length) where that is shorter, else the ordinals. */
static void put_postings(struct buf *out, const uint32_t *o, size_t n)
{
    int64_t *x = mem_array(n + 2, sizeof *x);
    size_t runs = 0;
    uint32_t at = 0;
    for (size_t i = 0; i < n && 2 * runs + 1 < n; runs++) {
        size_t len = 1;
        while (i + len < n && o[i + len] == o[i] + len)
            len++;
        x[2 * runs] = o[i] - at;
        x[2 * runs + 1] = (int64_t)len;
        at = o[i] + (uint32_t)len;
        i += len;
    }
    bool by_run = 2 * runs + 1 < n;
    if (!by_run)
        for (size_t i = 0; i < n; i++)
            x[i] = o[i];
    buf_put_varint(out, (uint64_t)(by_run ? runs : n) << 1 | by_run);
    chunk_int_encode(x, by_run ? 2 * runs : n, out);
    mem_free(x);
}

static void flush(struct finish *f)
{
    page_writer_put(f->out, f->buf.p, f->buf.n);
    buf_clear(&f->buf);
}

static size_t shared(struct str a, struct str b)
{
    size_t n = MIN(a.n, b.n), i = 0;
    while (i < n && a.p[i] == b.p[i])
        i++;
    return i;
}

/* One block of values: lengths of their postings, then the front-coded texts. */
static void put_values(struct buf *out, const struct index_writer *w, const uint32_t *values,
                       size_t n, const int64_t *lengths)
{
    struct str before = {0};
    chunk_int_encode(lengths, n, out);
    for (size_t i = 0; i < n; i++) {
        struct str text = w->values.v[values[i]].text;
        size_t same = shared(before, text);
        buf_put_varint(out, same);
        buf_put_varint(out, text.n - same);
        buf_put(out, text.p + same, text.n - same);
        before = text;
    }
}

/* Values and postings of one name; its table has 16 bytes a block: where the block and where its
 * postings begin; one more entry ends both. */
static void put_name(struct finish *f, struct name *name, const uint32_t *values)
{
    size_t n = name->values, blocks = (n + INDEX_VALUES_BLOCK - 1) / INDEX_VALUES_BLOCK;
    uint8_t *table = mem_array(blocks + 1, 16);
    int64_t *lengths = mem_array(n, sizeof *lengths);
    for (size_t i = 0; i < n; i++) {
        if (i % INDEX_VALUES_BLOCK == 0)
            store64(table + 16 * (i / INDEX_VALUES_BLOCK) + 8, page_writer_position(f->out));
        uint64_t from = f->first[values[i]];
        put_postings(&f->buf, f->ordinals + from, f->first[values[i] + 1] - from);
        lengths[i] = (int64_t)f->buf.n;
        flush(f);
    }
    store64(table + 16 * blocks + 8, page_writer_position(f->out));
    for (size_t b = 0; b < blocks; b++) {
        size_t at = b * INDEX_VALUES_BLOCK;
        store64(table + 16 * b, page_writer_position(f->out));
        put_values(&f->buf, f->w, values + at, MIN(n - at, (size_t)INDEX_VALUES_BLOCK),
                   lengths + at);
        flush(f);
    }
    store64(table + 16 * blocks, page_writer_position(f->out));
    name->table = page_writer_position(f->out);
    page_writer_put(f->out, table, 16 * (blocks + 1));
    mem_free(table);
    mem_free(lengths);
}

struct integers {
    int64_t *v;
    size_t n, capacity;
};

/* The keys of one block. A series with the names of the one before it has an even head: which
 * values differ (a bit each) shifted by one; then the differences of their ranks. Another has
 * labels * 2 + 1, then name and rank of each label. */
static void put_keys(struct finish *f, const uint32_t *labels, const uint16_t *counts, size_t n,
                     struct buf *out)
{
    const struct index_writer *w = f->w;
    struct integers heads = {0}, rest = {0};
    const uint32_t *before = NULL;
    for (size_t s = 0; s < n; s++) {
        bool same = s && counts[s] == counts[s - 1] && counts[s] <= 62;
        uint64_t differ = 0;
        for (size_t i = 0; same && i < counts[s]; i++) {
            same = w->values.v[labels[i]].name == w->values.v[before[i]].name;
            differ |= (uint64_t)(labels[i] != before[i]) << i;
        }
        vec_push(&heads, same ? (int64_t)(differ << 1) : counts[s] * 2 + 1);
        for (size_t i = 0; i < counts[s]; i++) {
            const struct value *v = &w->values.v[labels[i]];
            if (!same) {
                vec_push(&rest, w->names.v[v->name].rank);
                vec_push(&rest, v->rank);
            } else if (differ >> i & 1) {
                vec_push(&rest, (int64_t)v->rank - w->values.v[before[i]].rank);
            }
        }
        before = labels;
        labels += counts[s];
    }
    chunk_int_encode(heads.v, heads.n, out);
    chunk_int_encode(rest.v, rest.n, out);
    vec_free(&heads);
    vec_free(&rest);
}

static uint64_t put_blocks(struct finish *f, const struct buf *directory,
                           const uint64_t *directory_at)
{
    const struct index_writer *w = f->w;
    size_t blocks = (w->counts.n + INDEX_BLOCK - 1) / INDEX_BLOCK, label = 0;
    uint8_t *table = mem_array(blocks + 1, 8);
    struct buf keys;
    buf_init(&keys, BUF_MAX);
    for (size_t b = 0; b < blocks; b++) {
        size_t s = b * INDEX_BLOCK, n = MIN(w->counts.n - s, (size_t)INDEX_BLOCK);
        buf_clear(&keys);
        put_keys(f, w->labels.v + label, w->counts.v + s, n, &keys);
        buf_put_varint(&f->buf, keys.n);
        buf_put_str(&f->buf, buf_str(&keys));
        buf_put(&f->buf, directory->p + directory_at[b], directory_at[b + 1] - directory_at[b]);
        store64(table + 8 * b, page_writer_position(f->out));
        flush(f);
        for (size_t k = 0; k < n; k++)
            label += w->counts.v[s + k];
    }
    store64(table + 8 * blocks, page_writer_position(f->out));
    uint64_t at = page_writer_position(f->out);
    page_writer_put(f->out, table, 8 * (blocks + 1));
    mem_free(table);
    buf_done(&keys);
    return at;
}

int index_writer_finish(struct index_writer *w, const struct buf *directory,
                        const uint64_t *directory_at, struct page_writer *out, struct buf *top)
{
    struct finish f = {.w = w, .out = out};
    buf_init(&f.buf, BUF_MAX);
    rank(&f);
    collect(&f);
    for (size_t i = 0, at = 0; i < w->names.n; i++) {
        struct name *name = &w->names.v[f.names[i]];
        put_name(&f, name, f.values + at);
        at += name->values;
    }
    uint64_t blocks = put_blocks(&f, directory, directory_at);
    buf_put_varint(top, w->counts.n);
    buf_put_varint(top, blocks);
    buf_put_varint(top, w->names.n);
    for (size_t i = 0; i < w->names.n; i++) {
        const struct name *name = &w->names.v[f.names[i]];
        buf_put_varint(top, name->text.n);
        buf_put_str(top, name->text);
        buf_put_varint(top, name->values);
        buf_put_varint(top, name->series);
        buf_put_varint(top, name->table);
    }
    mem_free(f.names);
    mem_free(f.values);
    mem_free(f.first);
    mem_free(f.ordinals);
    bool failed = buf_failed(&f.buf) || buf_failed(top);
    buf_done(&f.buf);
    return failed ? -ERR_LIMIT : page_writer_error(out);
}
