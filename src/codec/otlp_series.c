#include "codec/otlp_series.h"

#include "base/bits.h"
#include "codec/otlp_labels.h"
#include "codec/otlp_value.h"
#include "text/number.h"

enum { KEYS_BYTES_MAX = 16 << 20 }; /* of all series of one point */

#define SERVICE_NAME      STR("service.name")
#define SERVICE_NAMESPACE STR("service.namespace")
#define SERVICE_INSTANCE  STR("service.instance.id")

static struct str keep(struct otlp_translate *t, struct str s)
{
    return s.n ? arena_str(&t->cache.arena, s) : (struct str){0};
}

static const char *keep_why(struct otlp_translate *t, const struct why *why)
{
    return arena_str(&t->cache.arena, str_c(why->text)).p;
}

/* The labels that have been gathered, for as long as the cache lasts. */
static const struct label *keep_labels(struct otlp_translate *t, const struct otlp_labels *l)
{
    struct label *v = arena_array(&t->cache.arena, l->n + 1, sizeof *v);
    for (size_t i = 0; i < l->n; i++)
        v[i] = (struct label){keep(t, l->v[i].name), keep(t, l->v[i].value)};
    return v;
}

static struct otlp_labels *new_labels(struct otlp_translate *t)
{
    struct otlp_labels *l = arena_raw(&t->passing, sizeof *l);
    l->n = 0;
    return l;
}

/* ---- resources */

static struct str value_of(const struct otlp_attribute *v, size_t n, struct str key)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(v[i].key, key))
            return v[i].value;
    return (struct str){0};
}

static bool identifying(struct str key)
{
    return str_eq(key, SERVICE_NAME) || str_eq(key, SERVICE_NAMESPACE) ||
           str_eq(key, SERVICE_INSTANCE);
}

static struct str join_job(struct otlp_translate *t, struct str space, struct str name)
{
    struct buf b;
    buf_init(&b, LABEL_VALUE_MAX * 2);
    if (name.n && space.n) {
        buf_put_str(&b, space);
        buf_put_c(&b, '/');
    }
    buf_put_str(&b, name);
    struct str job = keep(t, buf_str(&b));
    buf_done(&b);
    return job;
}

static void set_identity(struct otlp_labels *l, const struct otlp_series_resource *r)
{
    if (r->job.n)
        otlp_labels_set(l, STR("job"), r->job);
    if (r->instance.n)
        otlp_labels_set(l, STR("instance"), r->instance);
}

/* target_info has the attributes that job and instance are not made of; it needs one of both. */
static int make_target_info(struct otlp_translate *t, const struct otlp_attribute *v, size_t n,
                            struct otlp_series_resource *r, struct why *why)
{
    struct otlp_labels *l = new_labels(t);
    size_t others = 0;
    for (size_t i = 0; i < n; i++) {
        bool identity = identifying(v[i].key);
        others += !identity;
        if (identity && !t->settings->keep_identifying_resource_attributes)
            continue;
        int err = otlp_labels_attribute(l, &t->rules, STR(""), &v[i], true, &t->passing, why);
        if (err)
            return err;
    }
    if (others == 0 || (r->job.n == 0 && r->instance.n == 0))
        return 0;
    set_identity(l, r);
    otlp_labels_set(l, LABEL_METRIC, STR("target_info"));
    return otlp_labels_key(l, &t->cache.arena, &r->target_info, why);
}

static int fill_resource(struct otlp_translate *t, struct otlp_series_resource *r, struct why *why)
{
    struct otlp_attribute *v;
    size_t n;
    int err =
        otlp_value_attributes(t->resource_bytes, OTLP_ATTRIBUTES_MAX, &t->passing, &v, &n, why);
    if (err)
        return err;
    r->job = join_job(t, value_of(v, n, SERVICE_NAMESPACE), value_of(v, n, SERVICE_NAME));
    r->instance = keep(t, value_of(v, n, SERVICE_INSTANCE));
    struct otlp_labels *l = new_labels(t);
    for (size_t i = 0; i < n && err == 0; i++)
        if (otlp_settings_promoted(t->settings, v[i].key))
            err = otlp_labels_attribute(l, &t->rules, STR(""), &v[i], false, &t->passing, why);
    r->promoted = keep_labels(t, l);
    r->promoted_n = l->n;
    return err ? err : make_target_info(t, v, n, r, why);
}

static const char *find_resource(struct otlp_translate *t)
{
    bool fresh;
    t->resource = otlp_cache_get(&t->cache, OTLP_SERIES_RESOURCE, t->tenant, t->resource_bytes,
                                 STR(""), &fresh);
    if (fresh) {
        struct otlp_series_resource *r = arena_new(&t->cache.arena, sizeof *r);
        struct why why = {0};
        if (fill_resource(t, r, &why))
            r->fault = keep_why(t, &why);
        t->resource->payload = r;
    }
    return ((struct otlp_series_resource *)t->resource->payload)->fault;
}

/* ---- scopes */

static int fill_scope(struct otlp_translate *t, struct otlp_series_scope *s, struct why *why)
{
    struct str name, version, attributes;
    struct otlp_attribute *v;
    size_t n;
    if (!t->settings->promote_scope_metadata)
        return 0;
    if (!otlp_metrics_scope(t->scope_bytes.message, &t->passing, &name, &version, &attributes))
        return why_set(why, ERR_FORMAT, "a malformed scope");
    if (name.n == 0)
        return 0;
    int err = otlp_value_attributes(attributes, OTLP_ATTRIBUTES_MAX, &t->passing, &v, &n, why);
    struct otlp_labels *l = new_labels(t);
    otlp_labels_set(l, STR("otel_scope_name"), name);
    otlp_labels_set(l, STR("otel_scope_version"), version);
    otlp_labels_set(l, STR("otel_scope_schema_url"), t->scope_bytes.schema_url);
    for (size_t i = 0; err == 0 && i < n; i++)
        err =
            otlp_labels_attribute(l, &t->rules, STR("otel_scope_"), &v[i], false, &t->passing, why);
    s->labels = keep_labels(t, l);
    s->labels_n = l->n;
    return err;
}

static const char *find_scope(struct otlp_translate *t)
{
    bool fresh;
    t->scope = otlp_cache_get(&t->cache, OTLP_SERIES_SCOPE, t->resource->id, t->scope_bytes.message,
                              t->scope_bytes.schema_url, &fresh);
    if (fresh) {
        struct otlp_series_scope *s = arena_new(&t->cache.arena, sizeof *s);
        struct why why = {0};
        if (fill_scope(t, s, &why))
            s->fault = keep_why(t, &why);
        t->scope->payload = s;
    }
    const char *fault = ((struct otlp_series_scope *)t->scope->payload)->fault;
    if (fault)
        t->scope = NULL; /* to be asked for again by the next metric */
    return fault;
}

/* ---- metrics */

static void fill_metric(struct otlp_translate *t, struct otlp_series_metric *m)
{
    struct buf name, unit;
    struct why why = {0};
    buf_init(&name, LABEL_VALUE_MAX);
    buf_init(&unit, LABEL_VALUE_MAX);
    if (t->metric.name.n > LABEL_VALUE_MAX / 2 || t->metric.unit.n > LABEL_NAME_MAX)
        (void)why_set(&why, ERR_LIMIT, "the name or unit of a metric is too long");
    else if (!otlp_name_metric(&t->rules, &t->metric, &name))
        (void)why_set(&why, ERR_FORMAT, "nothing of the metric \"" STR_FMT "\" is left as a name",
                      STR_ARG(t->metric.name));
    else
        otlp_name_unit(&t->rules, t->metric.unit, &unit);
    m->name = keep(t, buf_str(&name));
    m->unit = keep(t, buf_str(&unit));
    m->metadata_ms = INT64_MIN / 2;
    if (why.text[0])
        m->fault = keep_why(t, &why);
    buf_done(&name);
    buf_done(&unit);
}

static const char *find_metric(struct otlp_translate *t)
{
    bool fresh;
    uint32_t level = OTLP_SERIES_METRIC + (uint32_t)t->metric.kind * 2 + t->metric.monotonic;
    t->series_of =
        otlp_cache_get(&t->cache, level, t->scope->id, t->metric.name, t->metric.unit, &fresh);
    if (fresh) {
        struct otlp_series_metric *m = arena_new(&t->cache.arena, sizeof *m);
        fill_metric(t, m);
        t->series_of->payload = m;
    }
    return ((struct otlp_series_metric *)t->series_of->payload)->fault;
}

const char *otlp_series_above(struct otlp_translate *t)
{
    const char *fault = t->resource && t->scope ? NULL : find_resource(t);
    if (fault == NULL && t->scope == NULL)
        fault = find_scope(t);
    if (fault == NULL)
        fault = find_metric(t);
    return fault;
}

/* ---- points */

/* All labels but the name and what tells the series of one point from each other. */
static int gather(struct otlp_translate *t, struct str attributes, struct otlp_labels *l,
                  struct why *why)
{
    const struct otlp_series_resource *r = t->resource->payload;
    const struct otlp_series_scope *s = t->scope->payload;
    struct otlp_attribute *v;
    size_t n;
    int err = otlp_value_attributes(attributes, OTLP_ATTRIBUTES_MAX, &t->passing, &v, &n, why);
    for (size_t i = 0; err == 0 && i < n; i++)
        err = otlp_labels_attribute(l, &t->rules, STR(""), &v[i], true, &t->passing, why);
    if (err)
        return err;
    for (size_t i = 0; i < r->promoted_n; i++)
        otlp_labels_default(l, r->promoted[i].name, r->promoted[i].value);
    for (size_t i = 0; i < s->labels_n; i++)
        otlp_labels_set(l, s->labels[i].name, s->labels[i].value);
    set_identity(l, r);
    return 0;
}

struct making {
    struct otlp_translate *t;
    const struct otlp_labels *base;
    struct otlp_labels *own; /* of one series */
    struct otlp_cache_entry *e;
    size_t bytes;
    struct why *why;
};

/* One series more: the metric's name with a suffix, and one label where name is not empty. */
static int add_key(struct making *m, struct str suffix, struct str name, struct str value)
{
    const struct otlp_series_metric *metric = m->t->series_of->payload;
    struct str full = metric->name;
    if (suffix.n) {
        char *to = arena_raw(&m->t->passing, full.n + suffix.n);
        memcpy(to, full.p, full.n);
        memcpy(to + full.n, suffix.p, suffix.n);
        full = str_of(to, full.n + suffix.n);
    }
    m->own->n = m->base->n;
    memcpy(m->own->v, m->base->v, m->base->n * sizeof *m->own->v);
    if (name.n)
        otlp_labels_set(m->own, name, value);
    otlp_labels_set(m->own, LABEL_METRIC, full);
    struct str key;
    int err = otlp_labels_key(m->own, &m->t->cache.arena, &key, m->why);
    if (err)
        return err;
    m->bytes += key.n;
    if (m->bytes > KEYS_BYTES_MAX)
        return why_set(m->why, ERR_LIMIT, "the names of a histogram's series are too long");
    m->e->keys[m->e->keys_n++] = key;
    return 0;
}

static int add_bounds(struct making *m, struct str bounds, struct str suffix, struct str label)
{
    int err = 0;
    for (size_t i = 0; err == 0 && i + 8 <= bounds.n; i += 8) {
        char text[NUMBER_MAX];
        size_t n = number_format_f(bits_double(load64(bounds.p + i)), text);
        err = add_key(m, suffix, label, str_of(text, n));
    }
    return err;
}

static int add_keys(struct making *m, struct str bounds)
{
    enum otlp_kind kind = m->t->metric.kind;
    bool classic = kind == OTLP_HISTOGRAM && !m->t->settings->convert_histograms_to_nhcb;
    bool single = !classic && kind != OTLP_SUMMARY;
    size_t n = single ? 1 : bounds.n / 8 + OTLP_SERIES_BOUNDS;
    m->e->keys = arena_array(&m->t->cache.arena, n, sizeof *m->e->keys);
    if (single)
        return add_key(m, STR(""), STR(""), STR(""));
    int err = add_key(m, STR("_count"), STR(""), STR(""));
    if (err == 0)
        err = add_key(m, STR("_sum"), STR(""), STR(""));
    if (err == 0 && classic)
        err = add_key(m, STR("_bucket"), STR("le"), STR("+Inf"));
    if (err == 0)
        err = add_bounds(m, bounds, classic ? STR("_bucket") : STR(""),
                         classic ? STR("le") : STR("quantile"));
    return err;
}

struct otlp_cache_entry *otlp_series_of(struct otlp_translate *t, struct str attributes,
                                        struct str bounds, struct why *why)
{
    bool fresh;
    struct otlp_cache_entry *e =
        otlp_cache_get(&t->cache, OTLP_SERIES_POINT, t->series_of->id, attributes, bounds, &fresh);
    if (LIKELY(!fresh))
        return e;
    struct otlp_labels *base = new_labels(t);
    struct making m = {t, base, new_labels(t), e, 0, why};
    int err = gather(t, attributes, base, why);
    if (err == 0)
        err = add_keys(&m, bounds);
    if (err == 0)
        return e;
    otlp_cache_drop(&t->cache, e);
    return NULL;
}
