#include "store/series/index_read.h"

#include "base/bits.h"
#include "base/mem.h"
#include "model/labels.h"
#include "store/series/chunk_int.h"

enum { VALUES_BYTES_MAX = INDEX_VALUES_BLOCK * (LABEL_VALUE_MAX + 64), BLOCK_BYTES_MAX = 1 << 28 };

static bool get(const uint8_t **p, const uint8_t *end, uint64_t *ret)
{
    const uint8_t *next = varint_get(*p, end, ret);
    if (next)
        *p = next;
    return next != NULL;
}

static bool get_names(struct index *x, const uint8_t **p, const uint8_t *end)
{
    for (size_t i = 0; i < x->names_n; i++) {
        struct index_read_name *name = &x->names[i];
        uint64_t n;
        if (!get(p, end, &n) || n > (uint64_t)(end - *p))
            return false;
        name->text = arena_str(&x->a, str_of((const char *)*p, n));
        *p += n;
        if (!get(p, end, &name->values) || !get(p, end, &name->series) ||
            !get(p, end, &name->table) || !name->values || name->values > name->series ||
            name->series > x->series)
            return false;
        if (i && str_cmp(x->names[i - 1].text, name->text) >= 0)
            return false;
    }
    return true;
}

int index_open(struct page_file *file, const uint8_t *top, size_t n, struct index **ret,
               size_t *ret_used)
{
    const uint8_t *p = top, *end = top + n;
    uint64_t series, blocks, names;
    if (!get(&p, end, &series) || !get(&p, end, &blocks) || !get(&p, end, &names) ||
        series > UINT32_MAX - INDEX_BLOCK || names > (uint64_t)(end - p))
        return -ERR_CORRUPT;
    struct index *x = mem_new(sizeof *x);
    arena_init(&x->a);
    x->file = file;
    x->series = (uint32_t)series;
    x->blocks = blocks;
    x->names_n = names;
    x->names = arena_array(&x->a, names + 1, sizeof *x->names);
    if (!get_names(x, &p, end)) {
        index_free(x);
        return -ERR_CORRUPT;
    }
    *ret = x;
    *ret_used = (size_t)(p - top);
    return 0;
}

void index_free(struct index *x)
{
    if (!x)
        return;
    arena_done(&x->a);
    mem_free(x);
}

uint32_t index_series(const struct index *x)
{
    return x->series;
}

size_t index_names(const struct index *x)
{
    return x->names_n;
}

struct str index_name(const struct index *x, size_t i)
{
    return x->names[i].text;
}

uint64_t index_name_values(const struct index *x, size_t i)
{
    return x->names[i].values;
}

size_t index_words(const struct index *x)
{
    return ((size_t)x->series + 63) / 64;
}

bool index_name_find(const struct index *x, struct str name, size_t *ret)
{
    size_t low = 0, high = x->names_n;
    while (low < high) {
        size_t mid = (low + high) / 2;
        int c = str_cmp(x->names[mid].text, name);
        if (c == 0) {
            *ret = mid;
            return true;
        }
        if (c < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return false;
}

/* ---- values ---- */

void index_read_values_init(struct index_read_values *v)
{
    v->n = 0;
    buf_init(&v->bytes, VALUES_BYTES_MAX);
}

void index_read_values_done(struct index_read_values *v)
{
    buf_done(&v->bytes);
}

uint64_t index_read_blocks(const struct index *x, size_t i)
{
    return (x->names[i].values + INDEX_VALUES_BLOCK - 1) / INDEX_VALUES_BLOCK;
}

/* Unfolds front-coded texts from [p, end). */
static int unfold(const uint8_t *p, const uint8_t *end, struct index_read_values *v)
{
    size_t at[INDEX_VALUES_BLOCK + 1] = {0};
    buf_clear(&v->bytes);
    for (size_t i = 0; i < v->n; i++) {
        uint64_t same, rest;
        size_t before = i ? at[i] - at[i - 1] : 0;
        if (!get(&p, end, &same) || !get(&p, end, &rest) || same > before ||
            rest > (uint64_t)(end - p))
            return -ERR_CORRUPT;
        char *to = buf_reserve(&v->bytes, same + rest);
        if (!to)
            return -ERR_CORRUPT;
        if (same)
            memcpy(to, v->bytes.p + at[i - 1], same);
        if (rest)
            memcpy(to + same, p, rest);
        buf_commit(&v->bytes, same + rest);
        p += rest;
        at[i + 1] = v->bytes.n;
    }
    for (size_t i = 0; i < v->n; i++)
        v->text[i] = str_of(v->bytes.p + at[i], at[i + 1] - at[i]);
    return 0;
}

static int parse_values(const uint8_t *p, size_t len, uint64_t postings, uint64_t postings_end,
                        struct index_read_values *v)
{
    int64_t lengths[INDEX_BLOCK];
    size_t used;
    if (chunk_int_decode_copy(p, len, v->n, lengths, &used))
        return -ERR_CORRUPT;
    for (size_t i = 0; i < v->n; i++) {
        v->handle[i] = postings;
        v->postings[i] = (size_t)lengths[i];
        if (lengths[i] < 0 || (uint64_t)lengths[i] > postings_end - postings)
            return -ERR_CORRUPT;
        postings += (uint64_t)lengths[i];
    }
    return unfold(p + used, p + len, v);
}

int index_read_block(const struct index *x, size_t i, uint64_t b, struct index_read_values *ret)
{
    const struct index_read_name *name = &x->names[i];
    uint8_t entries[32];
    int err = page_copy(x->file, name->table + 16 * b, sizeof entries, entries, NULL);
    if (err)
        return err;
    uint64_t from = load64(entries), to = load64(entries + 16);
    uint64_t postings = load64(entries + 8), postings_end = load64(entries + 24);
    if (to < from || to - from > BLOCK_BYTES_MAX || postings_end < postings)
        return -ERR_CORRUPT;
    struct page_ref ref = {0};
    err = page_read(x->file, from, to - from, &ref, NULL);
    if (err)
        return err;
    ret->n = MIN(name->values - b * INDEX_VALUES_BLOCK, (uint64_t)INDEX_VALUES_BLOCK);
    err = parse_values(ref.p, ref.n, postings, postings_end, ret);
    page_release(&ref);
    return err;
}

int index_read_seek(const struct index *x, size_t i, struct str text, struct index_read_values *v,
                    uint64_t *ret)
{
    uint64_t low = 0, high = index_read_blocks(x, i);
    while (high - low > 1) {
        uint64_t mid = (low + high) / 2;
        int err = index_read_block(x, i, mid, v);
        if (err)
            return err;
        if (str_cmp(v->text[0], text) <= 0)
            low = mid;
        else
            high = mid;
    }
    *ret = low;
    return 0;
}

int index_values(struct index *x, size_t i,
                 int (*f)(void *context, struct str value, uint64_t handle, size_t bytes),
                 void *context)
{
    struct index_read_values v;
    index_read_values_init(&v);
    int err = 0;
    for (uint64_t b = 0; b < index_read_blocks(x, i) && !err; b++) {
        err = index_read_block(x, i, b, &v);
        for (size_t k = 0; k < v.n && !err; k++)
            err = f(context, v.text[k], v.handle[k], v.postings[k]);
    }
    index_read_values_done(&v);
    return err;
}

/* ---- postings ---- */

static void set_run(uint64_t *bits, uint64_t from, uint64_t n)
{
    uint64_t to = from + n;
    for (; from < to && from % 64; from++)
        bits[from / 64] |= (uint64_t)1 << (from % 64);
    for (; from + 64 <= to; from += 64)
        bits[from / 64] = UINT64_MAX;
    for (; from < to; from++)
        bits[from / 64] |= (uint64_t)1 << (from % 64);
}

static int set_all(const int64_t *o, size_t n, bool by_run, uint32_t series, uint64_t *bits)
{
    uint64_t at = 0;
    for (size_t i = 0; i < n; i += by_run ? 2 : 1) {
        uint64_t from = by_run ? at + (uint64_t)o[i] : (uint64_t)o[i];
        uint64_t len = by_run ? (uint64_t)o[i + 1] : 1;
        if (from >= series || len > series - from)
            return -ERR_CORRUPT;
        set_run(bits, from, len);
        at = from + len;
    }
    return 0;
}

int index_postings(struct index *x, uint64_t handle, size_t bytes, uint64_t *bits)
{
    struct page_ref ref = {0};
    int err = page_read(x->file, handle, bytes, &ref, NULL);
    if (err)
        return err;
    const uint8_t *p = ref.p, *end = p + ref.n;
    uint64_t head;
    err = -ERR_CORRUPT;
    if (get(&p, end, &head) && head >> 1 <= x->series) {
        size_t n = head & 1 ? head & ~(uint64_t)1 : head >> 1;
        int64_t *o = mem_raw((n + INDEX_BLOCK) * sizeof *o);
        if (chunk_int_decode_copy(p, (size_t)(end - p), n, o, NULL) == 0)
            err = set_all(o, n, head & 1, x->series, bits);
        mem_free(o);
    }
    page_release(&ref);
    return err;
}
