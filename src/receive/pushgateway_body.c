#include "receive/pushgateway_body.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/vec.h"
#include "codec/exposition.h"
#include "codec/metric_family_read.h"

/* A time that no sample has: rows without one get it. */
#define NO_TIME INT64_MIN

/* A series on its way to its family. */
struct row {
    struct str key; /* as it came; in the gathering's arena */
    double value;
    const struct histogram *histogram;
};

struct family {
    struct str name, help, unit;
    enum metric_type type;
    struct {
        struct row *v;
        size_t n, capacity;
    } rows;
};

struct gathering {
    struct arena arena;
    struct {
        struct row *v;
        size_t n, capacity;
    } rows;
    struct {
        struct family *v;
        size_t n, capacity;
    } families;
    struct map by_name; /* name -> index of families */
    struct why *why;
};

static void gathering_done(struct gathering *g)
{
    for (size_t i = 0; i < g->families.n; i++)
        vec_free(&g->families.v[i].rows);
    vec_free(&g->families);
    vec_free(&g->rows);
    map_done(&g->by_name);
    arena_done(&g->arena);
}

static struct family *family_named(struct gathering *g, struct str name)
{
    bool is_new;
    union map_value *at = map_put(&g->by_name, name, &is_new);
    if (is_new) {
        at->u = g->families.n;
        vec_push(&g->families, (struct family){.name = arena_str(&g->arena, name)});
    }
    return &g->families.v[at->u];
}

/* ---- bodies into rows and names of families */

static int take(struct gathering *g, const struct batch *b, const struct sides *s)
{
    if (s->bad_n > 0)
        return why_set(g->why, ERR_FORMAT, "text format parsing error: " STR_FMT,
                       STR_ARG(s->bad[0].reason));
    for (size_t i = 0; i < s->metadata_n; i++) {
        struct family *f = family_named(g, s->metadata[i].metric);
        f->type = s->metadata[i].type;
        f->help = arena_str(&g->arena, s->metadata[i].help);
        f->unit = arena_str(&g->arena, s->metadata[i].unit);
    }
    for (size_t i = 0; i < b->n; i++) {
        if (b->ts_ms[i] != NO_TIME)
            return why_set(g->why, ERR_FORMAT, "pushed metrics must not have timestamps");
        struct row row = {.key = arena_str(&g->arena, b->key[i]), .value = b->value[i]};
        if (b->histogram[i] != NULL)
            row.histogram = histogram_clone(b->histogram[i], &g->arena);
        vec_push(&g->rows, row);
    }
    return 0;
}

static int read_text(struct gathering *g, struct str body, enum exposition_format format,
                     struct batch *b, struct sides *s)
{
    struct exposition_reader *r = mem_new(sizeof *r);
    int err = 0;
    exposition_init(r);
    exposition_begin(r, body, format, NO_TIME);
    while (err == 0 && exposition_next(r, b, s) > 0)
        err = take(g, b, s);
    exposition_done(r);
    mem_free(r);
    return err;
}

static int read_protobuf(struct gathering *g, struct str body, struct batch *b, struct sides *s)
{
    struct metric_family_reader *r = mem_new(sizeof *r);
    int err = 0, got = 1;
    metric_family_read_init(r);
    metric_family_read_begin(r, body, NO_TIME);
    r->native = r->classic = true;
    while (err == 0 && (got = metric_family_read(r, b, s, g->why)) > 0)
        err = take(g, b, s);
    metric_family_read_done(r);
    mem_free(r);
    return err != 0 ? err : got;
}

/* ---- rows into families */

/* The types whose samples have names of their own, by what stands behind the family's. */
static bool suffix_fits(enum metric_type type, struct str suffix)
{
    static const struct {
        struct str suffix;
        unsigned types;
    } SUFFIXES[] = {
        {{"_bucket", 7}, 1U << METRIC_HISTOGRAM | 1U << METRIC_GAUGEHISTOGRAM},
        {{"_count", 6}, 1U << METRIC_HISTOGRAM | 1U << METRIC_SUMMARY},
        {{"_sum", 4}, 1U << METRIC_HISTOGRAM | 1U << METRIC_SUMMARY},
        {{"_gcount", 7}, 1U << METRIC_GAUGEHISTOGRAM},
        {{"_gsum", 5}, 1U << METRIC_GAUGEHISTOGRAM},
        {{"_total", 6}, 1U << METRIC_COUNTER},
        {{"_info", 5}, 1U << METRIC_INFO},
        {{"_created", 8},
         1U << METRIC_COUNTER | 1U << METRIC_HISTOGRAM | 1U << METRIC_GAUGEHISTOGRAM |
             1U << METRIC_SUMMARY},
    };
    for (size_t i = 0; i < COUNTOF(SUFFIXES); i++)
        if (str_eq(suffix, SUFFIXES[i].suffix))
            return SUFFIXES[i].types >> type & 1U;
    return false;
}

static struct family *family_of(struct gathering *g, struct str name)
{
    const union map_value *at = map_get(&g->by_name, name);
    if (at != NULL)
        return &g->families.v[at->u];
    for (size_t i = name.n; i-- > 1;) {
        if (name.p[i] != '_')
            continue;
        at = map_get(&g->by_name, str_sub(name, 0, i));
        if (at != NULL && suffix_fits(g->families.v[at->u].type, str_sub(name, i, name.n)))
            return &g->families.v[at->u];
        break; /* suffixes have no other '_' */
    }
    return family_named(g, name);
}

/* The key with the grouping's labels, checked. */
static int make_key(const struct pushgateway_grouping *grouping, struct str raw, struct buf *out,
                    struct why *why)
{
    struct label labels[LABELS_MAX + PUSHGATEWAY_LABELS_MAX], label;
    const char *at = raw.p;
    bool bad = false;
    size_t n = grouping->n;
    memcpy(labels, grouping->labels, n * sizeof *labels);
    while (labels_next(raw, &at, &label, &bad)) {
        bool own = false;
        for (size_t i = 0; i < grouping->n && !own; i++)
            own = str_eq(label.name, grouping->labels[i].name);
        if (own)
            continue;
        if (n == COUNTOF(labels))
            return why_set(why, ERR_LIMIT, "a series has more than %d labels", LABELS_MAX);
        labels[n++] = label;
    }
    return labels_encode(labels, n, out, why);
}

static int build(struct gathering *g, const struct family *from,
                 const struct pushgateway_grouping *grouping, struct pushgateway_family **ret)
{
    struct arena a;
    struct buf key;
    int err = 0;
    arena_init(&a);
    buf_init(&key, LABELS_KEY_MAX);
    struct pushgateway_family *f = arena_new(&a, sizeof *f);
    f->name = arena_str(&a, from->name);
    f->help = arena_str(&a, from->help);
    f->unit = arena_str(&a, from->unit);
    f->type = from->type;
    f->v = arena_array(&a, from->rows.n + 1, sizeof *f->v);
    for (; f->n < from->rows.n && err == 0; f->n++) {
        const struct row *row = &from->rows.v[f->n];
        struct pushgateway_series *to = &f->v[f->n];
        buf_clear(&key);
        err = make_key(grouping, row->key, &key, g->why);
        to->key = arena_str(&a, buf_str(&key));
        to->value = row->value;
        to->histogram = row->histogram ? histogram_clone(row->histogram, &a) : NULL;
    }
    buf_done(&key);
    f->arena = a;
    if (err != 0)
        pushgateway_family_free(f);
    else
        *ret = f;
    return err;
}

/* The gateway's own two gauges are no business of a push. */
static bool is_own(struct str name)
{
    return str_eq(name, STR("push_time_seconds")) || str_eq(name, STR("push_failure_time_seconds"));
}

static int build_all(struct gathering *g, const struct pushgateway_grouping *grouping,
                     struct pushgateway_family ***ret, size_t *ret_n)
{
    size_t n = 0;
    int err = 0;
    for (size_t i = 0; i < g->rows.n; i++) {
        struct family *f = family_of(g, labels_get(g->rows.v[i].key, LABEL_METRIC));
        vec_push(&f->rows, g->rows.v[i]);
    }
    struct pushgateway_family **v = mem_array(g->families.n + 1, sizeof *v);
    for (size_t i = 0; i < g->families.n && err == 0; i++) {
        if (g->families.v[i].rows.n == 0 || is_own(g->families.v[i].name))
            continue;
        err = build(g, &g->families.v[i], grouping, &v[n]);
        n += err == 0;
    }
    while (err != 0 && n > 0)
        pushgateway_family_free(v[--n]);
    if (err != 0) {
        mem_free(v);
        return err;
    }
    *ret = v;
    *ret_n = n;
    return 0;
}

int pushgateway_body_read(struct str body, enum pushgateway_format format,
                          const struct pushgateway_grouping *grouping,
                          struct pushgateway_family ***ret, size_t *ret_n, struct why *why)
{
    struct gathering g = {.why = why};
    struct batch *b = mem_new(sizeof *b);
    struct sides *s = mem_new(sizeof *s);
    int err;
    arena_init(&g.arena);
    map_init(&g.by_name, 0);
    if (format == PUSHGATEWAY_PROTOBUF)
        err = read_protobuf(&g, body, b, s);
    else
        err = read_text(
            &g, body, format == PUSHGATEWAY_TEXT ? EXPOSITION_TEXT : EXPOSITION_OPENMETRICS, b, s);
    if (err == 0)
        err = build_all(&g, grouping, ret, ret_n);
    gathering_done(&g);
    mem_free(b);
    mem_free(s);
    return err;
}
