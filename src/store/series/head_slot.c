#include "store/series/head_slot.h"

#include <string.h>

#include "base/mem.h"
#include "model/sample.h"
#include "os/thread.h"
#include "store/series/chunk.h"

enum { NEIGHBOUR_MS = 600000 }; /* a sample is late rather than of another target beyond this */

static bool same_bits(double a, double b)
{
    return double_bits(a) == double_bits(b);
}

/* ---- groups */

/* The pair of that label of s, or PAIR_NONE. */
static uint32_t pair_of(const struct head *h, const struct head_series *s, struct str name)
{
    const struct pair_name *wanted = pairs_name(&h->pairs, name);
    for (uint8_t i = 0; wanted && i < s->pairs_n; i++)
        if (slab_at(&h->pairs.names, pairs_at(&h->pairs, s->pairs[i])->name) == wanted)
            return s->pairs[i];
    return PAIR_NONE;
}

static uint32_t new_group(struct head *h)
{
    uint32_t i = h->groups.n;
    struct head_group *g = slab_grow(&h->groups);
    g->last_ms = INT64_MIN;
    return i;
}

static uint32_t group_of_target(struct head *h, const uint32_t target[3])
{
    bool is_new;
    union map_value *v =
        map_put(&h->by_target, str_of((const char *)target, 3 * sizeof *target), &is_new);
    if (is_new)
        v->u = new_group(h);
    return (uint32_t)v->u;
}

uint32_t head_slot_group(struct head *h, struct head_series *s, uint32_t neighbour)
{
    uint32_t target[3] = {pair_of(h, s, STR("job")), pair_of(h, s, STR("instance")), s->gap};
    thread_lock(&h->group_lock);
    uint32_t group = s->group;
    if (group == HEAD_NO_GROUP) {
        if (s->strikes)
            group = s->gap ? group_of_target(h, target) : new_group(h);
        else if (target[0] != PAIR_NONE && target[1] != PAIR_NONE)
            group = group_of_target(h, target);
        else
            group = neighbour != HEAD_NO_GROUP ? neighbour : new_group(h);
        s->strikes = 0;
        __atomic_store_n(&s->group, group, __ATOMIC_RELEASE);
    }
    thread_unlock(&h->group_lock);
    return group;
}

/* ---- blocks */

static void add_chunk(struct head *h, struct head_series *s, struct head_chunk chunk)
{
    struct head_sealed *list = s->sealed;
    if (!list || list->n == list->capacity) {
        uint32_t capacity = list ? list->capacity * 2 : 2;
        uint32_t n = list ? list->n : 0;
        list = mem_resize(list, sizeof *list + capacity * sizeof *list->v);
        list->n = n;
        list->capacity = capacity;
        s->sealed = list;
    }
    list->v[list->n++] = chunk;
    atomic_fetch_add_explicit(&h->bytes_values, chunk.len + sizeof chunk, memory_order_relaxed);
}

void head_slot_free_values(struct head *h, struct head_series *s)
{
    atomic_fetch_sub_explicit(&h->bytes_values, s->capacity * sizeof *s->values,
                              memory_order_relaxed);
    mem_free(s->values);
    s->values = NULL;
    s->capacity = 0;
}

void head_slot_seal(struct head *h, struct head_series *s)
{
    if (s->n == 0)
        return;

    struct head_chunk chunk = {.of.constant = s->last, .first_slot = s->first_slot, .n = s->n};
    if (s->values) {
        struct buf bytes;
        buf_init(&bytes, CHUNK_BYTES_MAX);
        int err = chunk_encode(s->values, s->n, &bytes);
        must(!err && bytes.n > 0 && bytes.n <= UINT16_MAX);
        chunk.of.bytes = mem_copy(bytes.p, bytes.n);
        chunk.len = (uint16_t)bytes.n;
        buf_done(&bytes);
        head_slot_free_values(h, s);
    }
    add_chunk(h, s, chunk);
    s->first_slot += s->n;
    s->n = 0;
}

/* Gives the open block its values one by one, with room for wanted of them. */
static void spread(struct head *h, struct head_series *s, size_t wanted)
{
    if (s->values && wanted <= s->capacity)
        return;
    size_t capacity = MAX((size_t)s->capacity, (size_t)4);
    while (capacity < wanted)
        capacity *= 2;
    bool was_constant = !s->values;
    s->values = mem_resize(s->values, capacity * sizeof *s->values);
    atomic_fetch_add_explicit(&h->bytes_values, (capacity - s->capacity) * sizeof *s->values,
                              memory_order_relaxed);
    s->capacity = (uint16_t)capacity;
    for (uint16_t i = 0; was_constant && i < s->n; i++)
        s->values[i] = s->last;
}

static void push_value(struct head *h, struct head_series *s, double value)
{
    if (s->n == HEAD_OPEN_MAX)
        head_slot_seal(h, s);
    if (s->values || (s->n && !same_bits(value, s->last))) {
        spread(h, s, (size_t)s->n + 1);
        s->values[s->n] = value;
    }
    s->n++;
    s->last = value;
}

/* The slot of ts_ms, pushed where it is newer than all; false where the column lacks it. */
static bool find_slot(struct head_group *g, int64_t ts_ms, uint32_t *ret)
{
    if (ts_ms > g->last_ms) {
        if (g->n == g->capacity) {
            g->capacity = MAX(g->capacity * 2, 8u);
            g->ts_ms = mem_resize(g->ts_ms, g->capacity * sizeof *g->ts_ms);
        }
        g->ts_ms[g->n++] = g->last_ms = ts_ms;
        *ret = g->base + g->n - 1;
        return true;
    }
    /* The usual case: the second and later series of a scrape. */
    uint32_t low = g->n && g->ts_ms[g->n - 1] == ts_ms
                       ? g->n - 1
                       : (uint32_t)sample_at_least(g->ts_ms, g->n, ts_ms);
    *ret = g->base + low;
    return low < g->n && g->ts_ms[low] == ts_ms;
}

/* A slot that the series has passed already. */
static enum head_slot_result overwrite(struct head *h, struct head_group *g, struct head_series *s,
                                       uint32_t slot, double value)
{
    if (s->n == 0 || slot < s->first_slot)
        return HEAD_SLOT_BESIDE;
    uint32_t at = slot - s->first_slot;
    double old = s->values ? s->values[at] : s->last;
    if (same_bits(old, value))
        return HEAD_SLOT_SAME;
    if (slot < g->flush_end)
        return HEAD_SLOT_BESIDE;
    spread(h, s, s->n);
    s->values[at] = value;
    if (at == (uint32_t)s->n - 1)
        s->last = value;
    return HEAD_SLOT_FILLED;
}

/* The series has missed slots: fills them where they are few, begins a new block otherwise. */
static void skip_slots(struct head *h, struct head_series *s, uint32_t slot)
{
    uint32_t gap = slot - (s->first_slot + s->n);
    s->gap = (uint8_t)MIN(gap + 1, 255u);
    s->strikes = (uint8_t)MIN(s->strikes + 1, 255);
    if (gap <= HEAD_ABSENT_MAX && s->values && s->n + gap < HEAD_OPEN_MAX) {
        spread(h, s, s->n + gap);
        for (uint32_t i = 0; i < gap; i++)
            s->values[s->n++] = chunk_absent();
        return;
    }
    head_slot_seal(h, s);
    s->first_slot = slot;
}

enum head_slot_result head_slot_put(struct head *h, struct head_group *g, struct head_series *s,
                                    int64_t ts_ms, double value)
{
    uint32_t slot;
    if (UNLIKELY(!find_slot(g, ts_ms, &slot))) {
        uint32_t next = s->first_slot + s->n;
        bool behind = s->n && next > g->base && ts_ms > g->ts_ms[next - 1 - g->base];
        /* In order for itself (as far as one knows), but not of this group. */
        bool newer = s->n == 0 && ts_ms > g->last_ms - NEIGHBOUR_MS;
        if (behind || newer) {
            s->strikes = (uint8_t)MIN(s->strikes + 1, 255);
            s->gap = 0;
        }
        return HEAD_SLOT_BESIDE;
    }

    if (s->n == 0 && !s->sealed && slot >= s->first_slot)
        s->first_slot = slot;
    uint32_t next = s->first_slot + s->n;
    if (UNLIKELY(slot < next))
        return overwrite(h, g, s, slot, value);
    if (UNLIKELY(slot < g->flush_end))
        return HEAD_SLOT_BESIDE; /* the flush may have taken the series' slots already */
    if (s->n == 0)
        s->first_slot = slot;
    else if (UNLIKELY(slot > next))
        skip_slots(h, s, slot);
    push_value(h, s, value);
    return HEAD_SLOT_IN_ORDER;
}

/* ---- what lies beside the column */

static struct head_extra *extra_of(struct head_series *s)
{
    if (!s->extra)
        s->extra = mem_new(sizeof *s->extra);
    return s->extra;
}

void head_slot_late(struct head *h, struct head_series *s, int64_t ts_ms, double value,
                    struct histogram *histogram)
{
    struct head_extra *x = extra_of(s);
    if (x->late_n == x->late_capacity) {
        x->late_capacity = MAX(x->late_capacity * 2, 4u);
        x->late = mem_resize(x->late, x->late_capacity * sizeof *x->late);
    }
    x->late[x->late_n++] = (struct head_late){ts_ms, value, histogram};
    size_t bytes = sizeof *x->late;
    if (histogram)
        bytes += sizeof *histogram + (histogram->positive_n + histogram->negative_n) * 8u;
    atomic_fetch_add_explicit(&h->bytes_values, bytes, memory_order_relaxed);
}

bool head_slot_start(struct head *h, struct head_series *s, int64_t ts_ms, int64_t start_ms)
{
    struct head_extra *x = extra_of(s);
    (void)h;
    if (x->starts_n && x->starts[x->starts_n - 1].start_ms == start_ms)
        return false;
    if (x->starts_n && x->starts[x->starts_n - 1].ts_ms >= ts_ms)
        return false; /* an old sample does not change when the present run began */
    if (x->starts_n == x->starts_capacity) {
        x->starts_capacity = MAX(x->starts_capacity * 2, 2u);
        x->starts = mem_resize(x->starts, x->starts_capacity * sizeof *x->starts);
    }
    x->starts[x->starts_n++] = (struct head_start){ts_ms, start_ms};
    return true;
}
