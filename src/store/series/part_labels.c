#include <string.h>

#include "base/bits.h"
#include "base/mem.h"
#include "store/series/part_read.h"

/* What series of a selection have: a bit per name, or per value of one name. */
struct marks {
    uint64_t *bits;
    size_t at;
    void (*f)(void *context, struct str text);
    void *context;
};

static bool marked(const uint64_t *bits, size_t i)
{
    return bits[i / 64] >> (i % 64) & 1;
}

static void mark(uint64_t *bits, size_t i)
{
    bits[i / 64] |= (uint64_t)1 << (i % 64);
}

/* Marks the names (name SIZE_MAX), or the values of name, of the series that match. */
static int mark_all(struct part *p, const struct index_matchers *how, int64_t from_ms,
                    int64_t to_ms, size_t name, uint64_t *bits)
{
    struct part_cursor *c;
    struct part_series series;
    int err = part_select(p, how, from_ms, to_ms, NULL, NULL, &c, NULL);
    if (err)
        return err;
    struct index_keys *keys = index_keys_new(p->index);
    while (!err && part_cursor_next(c, &series) == 1) {
        const struct index_label *labels;
        size_t n;
        err = index_keys_labels(keys, series.ordinal, &labels, &n);
        for (size_t i = 0; i < n && !err; i++) {
            if (name == SIZE_MAX)
                mark(bits, labels[i].name);
            else if (labels[i].name == name)
                mark(bits, labels[i].rank);
        }
    }
    index_keys_free(keys);
    part_cursor_free(c);
    return err;
}

/* Without matchers the tables answer as a whole where the part meets the range at all: which of its
 * values had a sample in just that hour would need every series. Prometheus answers by block too.
 */
static bool whole(const struct part *p, const struct index_matchers *how, int64_t from_ms,
                  int64_t to_ms)
{
    return (!how || index_matchers_n(how) == 0) && from_ms <= p->info.last_ms &&
           to_ms >= p->info.first_ms;
}

int part_label_names(struct part *p, const struct index_matchers *how, int64_t from_ms,
                     int64_t to_ms, void (*f)(void *context, struct str), void *context)
{
    size_t n = index_names(p->index);
    bool all = whole(p, how, from_ms, to_ms);
    uint64_t *bits = mem_array(n / 64 + 1, sizeof *bits);
    int err = all ? 0 : mark_all(p, how, from_ms, to_ms, SIZE_MAX, bits);
    for (size_t i = 0; i < n && !err; i++)
        if (all || marked(bits, i))
            f(context, index_name(p->index, i));
    mem_free(bits);
    return err;
}

static int give_value(void *context, struct str value, uint64_t handle, size_t bytes)
{
    struct marks *m = context;
    if (!m->bits || marked(m->bits, m->at))
        m->f(m->context, value);
    m->at++;
    return 0;
}

int part_label_values(struct part *p, struct str name, const struct index_matchers *how,
                      int64_t from_ms, int64_t to_ms, void (*f)(void *context, struct str),
                      void *context)
{
    size_t at;
    int err = 0;
    struct marks m = {.f = f, .context = context};
    if (!index_name_find(p->index, name, &at))
        return 0;
    if (!whole(p, how, from_ms, to_ms)) {
        m.bits = mem_array(index_name_values(p->index, at) / 64 + 1, sizeof *m.bits);
        err = mark_all(p, how, from_ms, to_ms, at, m.bits);
    }
    if (!err)
        err = index_values(p->index, at, give_value, &m);
    mem_free(m.bits);
    return err;
}

/* The next exemplar of [*p, end): its series and, without key, the rest. */
static bool next_exemplar(const uint8_t **p, const uint8_t *end, uint32_t series,
                          uint64_t *ret_ordinal, struct exemplar *ret)
{
    uint64_t ordinal, ts, n;
    const uint8_t *at = varint_get(*p, end, &ordinal);
    at = at ? varint_get(at, end, &ts) : NULL;
    if (!at || end - at < 8 || ordinal >= series)
        return false;
    double value = bits_double(load64(at));
    at = varint_get(at + 8, end, &n);
    if (!at || n > (uint64_t)(end - at))
        return false;
    *ret_ordinal = ordinal;
    *ret = (struct exemplar){
        .labels = str_of((const char *)at, n), .ts_ms = unzigzag(ts), .value = value};
    *p = at + n;
    return true;
}

static int give_exemplars(struct part *p, const uint8_t *at, const uint8_t *end,
                          const struct index_matchers *how, const uint64_t *bits, bool check,
                          int64_t from_ms, int64_t to_ms,
                          void (*f)(void *context, const struct exemplar *), void *context)
{
    struct index_keys *keys = index_keys_new(p->index);
    int err = 0;
    while (at < end && !err) {
        uint64_t ordinal;
        struct exemplar e;
        if (!next_exemplar(&at, end, index_series(p->index), &ordinal, &e)) {
            err = -ERR_CORRUPT;
            break;
        }
        if (!marked(bits, ordinal) || e.ts_ms < from_ms || e.ts_ms > to_ms)
            continue;
        err = index_keys_at(keys, (uint32_t)ordinal, &e.key);
        if (!err && (!check || index_matchers_match(how, e.key)))
            f(context, &e);
    }
    index_keys_free(keys);
    return err;
}

int part_exemplars(struct part *p, const struct index_matchers *how, int64_t from_ms, int64_t to_ms,
                   void (*f)(void *context, const struct exemplar *), void *context)
{
    if (!p->exemplars_n)
        return 0;
    struct page_ref ref = {0};
    bool check;
    uint64_t *bits = mem_array(index_words(p->index) + 1, sizeof *bits);
    int err = index_select(p->index, how, bits, &check);
    if (!err)
        err = page_read(p->idx, p->exemplars, p->exemplars_n, &ref, NULL);
    if (!err)
        err = give_exemplars(p, ref.p, ref.p + ref.n, how, bits, check, from_ms, to_ms, f, context);
    page_release(&ref);
    mem_free(bits);
    return err;
}
