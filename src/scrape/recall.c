#include "scrape/recall.h"

#include "base/bits.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/must.h"
#include "base/vec.h"

enum {
    TABLE_MIN = 64,      /* slots; a power of two */
    QUIET = 3,           /* answers without anything new, after which no more room is kept */
    FORGOTTEN_FREE = 64, /* lines that may lie about unused besides half as many as are in use */
};

void recall_init(struct recall *r, uint64_t seed)
{
    *r = (struct recall){
        .seed = seed, .first = RECALL_NONE, .last = RECALL_NONE, .answer = 1, .good = 1};
}

void recall_done(struct recall *r)
{
    mem_free(r->lines);
    mem_free(r->bytes);
    mem_free(r->by_text.v);
    mem_free(r->by_key.v);
    recall_init(r, r->seed);
}

void recall_begin(struct recall *r)
{
    r->last = RECALL_NONE;
    r->answer++;
    r->seen_n = 0;
}

size_t recall_bytes(const struct recall *r)
{
    return r->capacity * sizeof *r->lines + r->bytes_capacity +
           (r->by_text.capacity + r->by_key.capacity) * sizeof(uint32_t);
}

/* ---- tables */

static uint32_t text_hash(const struct recall *r, struct str text, uint8_t context)
{
    return (uint32_t)hash_xxh3(text.p, text.n, r->seed + context);
}

static uint32_t key_hash(const struct recall *r, struct str key)
{
    return (uint32_t)hash_xxh3(key.p, key.n, r->seed);
}

static void table_put(struct recall_table *t, uint32_t hash, uint32_t line)
{
    size_t i = hash & (t->capacity - 1);
    while (t->v[i])
        i = (i + 1) & (t->capacity - 1);
    t->v[i] = line + 1;
    t->n++;
}

static uint32_t hash_in(const struct recall *r, const struct recall_table *t, uint32_t line)
{
    const struct recall_line *l = &r->lines[line];
    return t == &r->by_text ? l->hash : key_hash(r, recall_key(r, l));
}

/* Room for one more, at most two thirds full. */
static void table_grow(struct recall *r, struct recall_table *t)
{
    if ((t->n + 1) * 3 <= t->capacity * 2)
        return;
    struct recall_table old = *t;
    t->capacity = old.capacity ? 2 * old.capacity : TABLE_MIN;
    t->v = mem_array(t->capacity, sizeof *t->v);
    t->n = 0;
    for (size_t i = 0; i < old.capacity; i++)
        if (old.v[i])
            table_put(t, hash_in(r, t, old.v[i] - 1), old.v[i] - 1);
    mem_free(old.v);
}

uint32_t recall_find(const struct recall *r, struct str text, uint8_t context)
{
    const struct recall_table *t = &r->by_text;
    if (t->capacity == 0)
        return RECALL_NONE;
    uint32_t hash = text_hash(r, text, context);
    for (size_t i = hash & (t->capacity - 1); t->v[i]; i = (i + 1) & (t->capacity - 1)) {
        const struct recall_line *l = &r->lines[t->v[i] - 1];
        if (l->hash == hash && l->context == context && str_eq(recall_text(r, l), text))
            return t->v[i] - 1;
    }
    return RECALL_NONE;
}

uint32_t recall_owner(const struct recall *r, struct str key)
{
    const struct recall_table *t = &r->by_key;
    if (t->capacity == 0)
        return RECALL_NONE;
    uint32_t hash = key_hash(r, key);
    for (size_t i = hash & (t->capacity - 1); t->v[i]; i = (i + 1) & (t->capacity - 1))
        if (str_eq(recall_key(r, &r->lines[t->v[i] - 1]), key))
            return t->v[i] - 1;
    return RECALL_NONE;
}

/* ---- lines */

static uint32_t put_bytes(struct recall *r, struct str s)
{
    uint32_t at = (uint32_t)r->bytes_n;
    if (s.n)
        memcpy(r->bytes + r->bytes_n, s.p, s.n);
    r->bytes_n += s.n;
    return at;
}

double recall_bound(const struct recall *r, const struct recall_line *l)
{
    return bits_double(load64(r->bytes + l->key_at + l->key_n));
}

static void enter(struct recall *r, uint32_t line)
{
    struct recall_line *l = &r->lines[line];
    if (l->text_n) {
        table_grow(r, &r->by_text);
        table_put(&r->by_text, l->hash, line);
    }
    if (l->key_n && l->owner == line) {
        table_grow(r, &r->by_key);
        table_put(&r->by_key, key_hash(r, recall_key(r, l)), line);
    }
}

uint32_t recall_add(struct recall *r, struct str text, enum recall_kind kind, uint8_t context,
                    struct str key, double bound)
{
    char raw[8];
    if (r->bytes_n + text.n + key.n + sizeof raw > RECALL_BYTES_MAX || r->n >= RECALL_NONE - 1)
        return RECALL_NONE;
    uint32_t owner = key.n ? recall_owner(r, key) : RECALL_NONE;
    r->quiet = 0;
    uint32_t line = (uint32_t)r->n;
    r->bytes = vec_grow(r->bytes, 1, r->bytes_n + text.n + key.n + sizeof raw, &r->bytes_capacity);
    r->lines = vec_grow(r->lines, sizeof *r->lines, r->n + 1, &r->capacity);
    struct recall_line *l = &r->lines[r->n++];
    *l = (struct recall_line){.next = RECALL_NONE,
                              .owner = owner == RECALL_NONE ? line : owner,
                              .context = context,
                              .kind = (uint8_t)kind};
    l->text_n = (uint32_t)text.n;
    l->text_at = put_bytes(r, text);
    l->key_n = (uint32_t)key.n;
    l->hash = text_hash(r, text, context);
    if (owner == RECALL_NONE || kind == RECALL_BUCKET) {
        l->key_at = put_bytes(r, key);
    } else {
        l->key_at = r->lines[owner].key_at;
    }
    if (kind == RECALL_BUCKET) {
        store64(raw, double_bits(bound));
        put_bytes(r, str_of(raw, sizeof raw));
    }
    enter(r, line);
    return line;
}

/* ---- forgetting */

/* Puts the lines that keep() names into tables and bytes of their own. */
static void rebuild(struct recall *r, const bool *keep, bool texts)
{
    struct recall old = *r;
    uint32_t *place = mem_array(old.n + 1, sizeof *place);
    size_t n = 0;
    for (size_t i = 0; i < old.n; i++)
        place[i] = keep[i] ? (uint32_t)n++ : RECALL_NONE;
    r->lines = NULL;
    r->bytes = NULL;
    r->n = r->capacity = r->bytes_n = r->bytes_capacity = 0;
    r->by_text = r->by_key = (struct recall_table){0};
    r->first = r->last = RECALL_NONE;
    for (size_t i = 0; i < old.n; i++) {
        const struct recall_line *l = &old.lines[i];
        if (!keep[i])
            continue;
        uint32_t line = recall_add(r, texts ? recall_text(&old, l) : (struct str){0},
                                   (enum recall_kind)l->kind, l->context, recall_key(&old, l),
                                   l->kind == RECALL_BUCKET ? recall_bound(&old, l) : 0);
        must(line == place[i]);
        struct recall_line *to = &r->lines[line];
        to->seen = l->seen;
        to->live = l->live && to->owner == line;
        to->hidden = l->hidden;
        bool part = l->kind >= RECALL_BUCKET && l->kind <= RECALL_SUM;
        to->group = part && texts ? place[l->group] : l->group;
        if (texts)
            to->next = l->next == RECALL_NONE ? RECALL_NONE : place[l->next];
    }
    if (texts && old.first != RECALL_NONE)
        r->first = place[old.first];
    mem_free(place);
    recall_done(&old);
}

/* Gives back the room that was left for growing. */
static void shrink(struct recall *r)
{
    r->capacity = MAX(r->n, (size_t)1);
    r->lines = mem_resize(r->lines, r->capacity * sizeof *r->lines);
    r->bytes_capacity = MAX(r->bytes_n, (size_t)1);
    r->bytes = mem_resize(r->bytes, r->bytes_capacity);
}

void recall_end(struct recall *r)
{
    if (++r->quiet == QUIET && r->n)
        shrink(r);
    if (r->n - r->seen_n <= r->seen_n / 2 + FORGOTTEN_FREE)
        return;
    bool *keep = mem_array(r->n, sizeof *keep);
    for (size_t i = 0; i < r->n; i++) {
        const struct recall_line *l = &r->lines[i];
        bool part = l->kind >= RECALL_BUCKET && l->kind <= RECALL_SUM;
        if (l->seen != r->answer && !l->live)
            continue;
        keep[i] = keep[l->owner] = true;
        if (part)
            keep[l->group] = true;
    }
    rebuild(r, keep, true);
    mem_free(keep);
}

void recall_forget(struct recall *r)
{
    bool *keep = mem_array(r->n + 1, sizeof *keep);
    for (size_t i = 0; i < r->n; i++)
        keep[i] = r->lines[i].owner == i && r->lines[i].live;
    rebuild(r, keep, false);
    for (size_t i = 0; i < r->n; i++)
        r->lines[i].kind = RECALL_SAMPLE;
    mem_free(keep);
}
