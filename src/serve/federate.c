#include "serve/federate.h"

#include <stdlib.h>

#include "base/map.h"
#include "base/vec.h"
#include "codec/exposition_write.h"
#include "codec/metric_family.h"
#include "model/sample.h"
#include "serve/answer.h"
#include "serve/param.h"
#include "serve/query_registry.h"

enum { SERIES_MAX = 1000000, SELECTORS_MAX = 64, LABELS_BYTES_MAX = 2 * LABELS_KEY_MAX };

enum form { FORM_TEXT, FORM_OPENMETRICS, FORM_PROTOBUF };

struct federate_input {
    struct param_selectors selectors;
    struct str external; /* labels that are added, sorted; a bare key */
    int64_t lookback_ms;
    enum form form;
    enum name_escape escape;
};

struct newest {
    struct str key;                    /* the arena's */
    const struct histogram *histogram; /* NULL: value */
    double value;
    int64_t ts_ms;
};

struct newest_list {
    struct job *job;
    struct map seen;  /* where there are several selectors */
    struct newest *v; /* owned */
    size_t n, capacity;
};

/* ---- reading */

/* The last sample, where it is none that ends the series. */
static bool take_newest(const struct column *c, struct arena *a, struct newest *ret)
{
    if (c->n == 0)
        return false;
    size_t i = c->n - 1;
    const struct histogram *h = c->histogram ? c->histogram[i] : NULL;
    if (h ? histogram_is_stale(h) : sample_is_stale(c->value[i]))
        return false;
    ret->histogram = h ? histogram_clone(h, a) : NULL;
    ret->value = h ? 0 : c->value[i];
    ret->ts_ms = c->ts_ms[i];
    return true;
}

static int take_one(void *context, const struct series_view *view, struct why *why)
{
    struct newest_list *all = context;
    const struct federate_input *in = all->job->context;
    struct newest s;
    bool fresh = true;
    (void)why;
    if (!take_newest(&view->column, &all->job->arena, &s))
        return 0;
    if (s.histogram && in->form != FORM_PROTOBUF)
        return 0;
    if (in->selectors.n > 1)
        (void)map_put(&all->seen, view->key, &fresh);
    if (!fresh)
        return 0;
    s.key = arena_str(&all->job->arena, view->key);
    vec_push(all, s);
    return 0;
}

static int read_selector(struct newest_list *all, const struct param_selector *one, struct why *why)
{
    const struct federate_input *in = all->job->context;
    const struct select how = {.matchers = one->matchers,
                               .matchers_n = one->n,
                               .from_ms = all->job->now_ms - in->lookback_ms,
                               .to_ms = all->job->now_ms,
                               .want = SELECT_SAMPLES,
                               .series_max = SERIES_MAX};
    return job_each_series(all->job, &how, take_one, all, why);
}

static int by_name(const void *a, const void *b)
{
    const struct newest *x = a, *y = b;
    int order = str_cmp(labels_get(x->key, LABEL_METRIC), labels_get(y->key, LABEL_METRIC));
    return order ? order : labels_cmp(x->key, y->key);
}

/* ---- writing */

struct output {
    const struct federate_input *in;
    struct exposition_writer text;
    struct metric_family_writer protobuf;
    struct str name; /* of the open family */
    enum metric_family_type type;
    struct buf key; /* of the series with what was added */
    struct buf plain;
};

static void add_missing(struct buf *out, struct str key, struct str name, struct str value)
{
    struct label l;
    for (const char *at = key.p; labels_next(key, &at, &l, NULL);)
        if (str_eq(l.name, name))
            return;
    labels_put(out, name, value);
}

/* A name as the client takes it; one that is changed is left in o->plain. */
static struct str name_for(struct output *o, struct str name, bool metric)
{
    bool plain = metric ? metric_name_plain(name) : label_name_plain(name);
    if (o->in->escape == NAME_ESCAPE_NONE || (plain && o->in->escape != NAME_ESCAPE_DOTS))
        return name;
    buf_clear(&o->plain);
    name_escape_put(o->in->escape, name, &o->plain);
    for (size_t i = 0; i < o->plain.n && !metric; i++)
        if (o->plain.p[i] == ':')
            o->plain.p[i] = '_';
    return buf_str(&o->plain);
}

/* The series' labels, then the external ones it does not have. */
static struct str full_key(struct output *o, struct str key)
{
    struct label l;
    buf_clear(&o->key);
    for (const char *at = key.p; labels_next(key, &at, &l, NULL);) {
        bool metric = str_eq(l.name, LABEL_METRIC);
        struct str name = metric ? l.name : name_for(o, l.name, false);
        labels_put(&o->key, name, metric ? name_for(o, l.value, true) : l.value);
    }
    for (const char *at = o->in->external.p; labels_next(o->in->external, &at, &l, NULL);)
        add_missing(&o->key, key, l.name, l.value);
    return buf_str(&o->key);
}

static enum metric_family_type type_of(const struct newest *s)
{
    if (!s->histogram)
        return METRIC_FAMILY_UNTYPED;
    return s->histogram->reset == HISTOGRAM_RESET_GAUGE ? METRIC_FAMILY_GAUGE_HISTOGRAM
                                                        : METRIC_FAMILY_HISTOGRAM;
}

static void begin_family(struct output *o, struct str name, struct str shown,
                         enum metric_family_type type)
{
    o->name = name;
    o->type = type;
    if (o->in->form == FORM_PROTOBUF)
        metric_family_begin(&o->protobuf, shown, type);
    else
        exposition_write_family(&o->text, shown, METRIC_UNKNOWN, STR(""), STR(""));
}

static void put_sample(struct output *o, const struct newest *s)
{
    struct str name = labels_get(s->key, LABEL_METRIC), key = full_key(o, s->key);
    if (!str_eq(name, o->name) || type_of(s) != o->type)
        begin_family(o, name, labels_get(key, LABEL_METRIC), type_of(s));
    if (s->histogram)
        metric_family_histogram(&o->protobuf, key, s->histogram, s->ts_ms);
    else if (o->in->form == FORM_PROTOBUF)
        metric_family_untyped(&o->protobuf, key, s->value, s->ts_ms);
    else
        exposition_write_sample(&o->text, key, s->value, true, s->ts_ms);
}

static void put_all(struct job *j, const struct newest_list *all)
{
    const struct federate_input *in = j->context;
    struct output o = {.in = in, .name = STR("")};
    enum exposition_format format =
        in->form == FORM_OPENMETRICS ? EXPOSITION_OPENMETRICS : EXPOSITION_TEXT;
    buf_init(&o.key, LABELS_BYTES_MAX);
    buf_init(&o.plain, LABELS_BYTES_MAX);
    exposition_write_init(&o.text, &j->body, format, NAME_ESCAPE_NONE);
    metric_family_init(&o.protobuf, &j->body);
    for (size_t i = 0; i < all->n; i++)
        if (labels_get(all->v[i].key, LABEL_METRIC).n)
            put_sample(&o, &all->v[i]);
    metric_family_done(&o.protobuf);
    if (in->form != FORM_PROTOBUF)
        exposition_write_end(&o.text);
    buf_done(&o.key);
    buf_done(&o.plain);
    j->type = in->form == FORM_PROTOBUF ? METRIC_FAMILY_CONTENT_TYPE
                                        : exposition_write_content_type(format);
}

static void federate_work(struct job *j)
{
    const struct federate_input *in = j->context;
    struct newest_list all = {.job = j};
    struct why why = {0};
    int err = 0;
    map_init(&all.seen, (uint64_t)(uintptr_t)j);
    for (size_t i = 0; i < in->selectors.n && j->tenant && !err; i++)
        err = read_selector(&all, &in->selectors.v[i], &why);
    map_done(&all.seen);
    if (err) {
        j->status = 500;
        j->type = STR("text/plain; charset=utf-8");
        buf_printf(&j->body, "%s\n", why.text[0] ? why.text : err_text(err));
    } else {
        if (all.n)
            qsort(all.v, all.n, sizeof *all.v, by_name);
        put_all(j, &all);
    }
    vec_free(&all);
}

/* ---- the request */

static enum form form_of(struct str accept, enum name_escape *ret_escape)
{
    enum name_escape escape = NAME_ESCAPE_UNDERSCORES;
    double protobuf = metric_family_weight(accept, &escape);
    double openmetrics = exposition_write_weight_of(accept, EXPOSITION_OPENMETRICS);
    double text = exposition_write_weight_of(accept, EXPOSITION_TEXT);
    enum form form = openmetrics > 0 && openmetrics >= text ? FORM_OPENMETRICS : FORM_TEXT;
    if (protobuf > 0 && protobuf >= openmetrics && protobuf >= text)
        form = FORM_PROTOBUF;
    *ret_escape =
        form == FORM_PROTOBUF
            ? escape
            : exposition_write_escape_of(accept, form == FORM_OPENMETRICS ? EXPOSITION_OPENMETRICS
                                                                          : EXPOSITION_TEXT);
    return form;
}

/* Labels, which are sorted, with an empty instance in its place where they have none. */
static struct str with_instance(struct arena *a, struct str labels)
{
    const struct str name = STR("instance");
    struct label l;
    struct buf b;
    bool there = false;
    buf_init(&b, LABELS_BYTES_MAX);
    for (const char *at = labels.p; labels_next(labels, &at, &l, NULL);) {
        int order = str_cmp(l.name, name);
        if (order > 0 && !there)
            labels_put(&b, name, STR(""));
        there = there || order >= 0;
        labels_put(&b, l.name, l.value);
    }
    if (!there)
        labels_put(&b, name, STR(""));
    struct str all = arena_str(a, buf_str(&b));
    buf_done(&b);
    return all;
}

static void refuse(struct http_request *r, const char *text)
{
    http_reply(r, 400, STR("text/plain; charset=utf-8"), arena_printf(http_arena(r), "%s\n", text));
}

static bool read_selectors(struct http_request *r, struct param_selectors *ret)
{
    struct str text;
    ret->n = 0;
    ret->v = arena_array(http_arena(r), SELECTORS_MAX, sizeof *ret->v);
    while (http_param_at(r, STR("match[]"), ret->n, &text)) {
        struct param_selector *one = &ret->v[ret->n];
        struct promql_failure failure;
        if (ret->n == SELECTORS_MAX) {
            refuse(r, "there are more than 64 selectors");
            return false;
        }
        if (promql_parse_selector(text, http_arena(r), &one->matchers, &one->n, &failure) != 0) {
            refuse(r, failure.text);
            return false;
        }
        ret->n++;
    }
    return true;
}

void federate_handle(struct http_request *r, void *serve)
{
    struct serve *s = serve;
    const struct serve_daemon *daemon = &s->config.daemon;
    struct federate_input *in = arena_new(http_arena(r), sizeof *in);
    struct serve_facts facts = {0};
    struct query_rules rules;
    struct str accept = http_header(r, STR("Accept"));
    if (!read_selectors(r, &in->selectors))
        return;
    if (daemon->facts)
        daemon->facts(daemon->context, http_arena(r), &facts);
    in->external = with_instance(http_arena(r), facts.external_labels);
    query_registry_rules(s->queries, &rules);
    in->lookback_ms = rules.settings.lookback_ms;
    in->form = form_of(accept, &in->escape);
    job_start(s, r, federate_work, in);
}
