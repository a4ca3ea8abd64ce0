#include "receive/pushgateway.h"
#include "text/json.h"
#include "text/number.h"

static void put_number(struct json_writer *w, double v)
{
    char text[NUMBER_MAX];
    json_text(w, str_of(text, number_format_exposition(v, text)));
}

static const char *type_text(enum metric_type type)
{
    switch (type) {
    case METRIC_COUNTER:
        return "COUNTER";
    case METRIC_GAUGE:
        return "GAUGE";
    case METRIC_HISTOGRAM:
        return "HISTOGRAM";
    case METRIC_GAUGEHISTOGRAM:
        return "GAUGE_HISTOGRAM";
    case METRIC_SUMMARY:
        return "SUMMARY";
    default:
        return "UNTYPED";
    }
}

/* The labels of a key but its name and without. */
static void put_labels(struct json_writer *w, struct str key, struct str without)
{
    const char *at = key.p;
    struct label label;
    json_key(w, STR("labels"));
    json_begin_object(w);
    while (labels_next(key, &at, &label, NULL)) {
        if (str_eq(label.name, LABEL_METRIC) || str_eq(label.name, without))
            continue;
        json_key(w, label.name);
        json_text(w, label.value);
    }
    json_end_object(w);
}

/* Have two series the same labels but for the name and one that tells parts of a metric apart? */
static bool same_metric(struct str a, struct str b, struct str without)
{
    const char *at_a = a.p, *at_b = b.p;
    struct label la, lb;
    for (;;) {
        bool more_a, more_b;
        while ((more_a = labels_next(a, &at_a, &la, NULL)) &&
               (str_eq(la.name, LABEL_METRIC) || str_eq(la.name, without)))
            continue;
        while ((more_b = labels_next(b, &at_b, &lb, NULL)) &&
               (str_eq(lb.name, LABEL_METRIC) || str_eq(lb.name, without)))
            continue;
        if (!more_a || !more_b)
            return more_a == more_b;
        if (!str_eq(la.name, lb.name) || !str_eq(la.value, lb.value))
            return false;
    }
}

/* What tells the parts of one metric of that type apart, or an empty text. */
static struct str part_label(enum metric_type type)
{
    if (type == METRIC_HISTOGRAM || type == METRIC_GAUGEHISTOGRAM)
        return STR("le");
    return type == METRIC_SUMMARY ? STR("quantile") : STR("");
}

/* The series v [n], which are one histogram or summary. */
static void put_parts(struct json_writer *w, const struct pushgateway_family *f,
                      const struct pushgateway_series *v, size_t n)
{
    struct str part = part_label(f->type);
    json_begin_object(w);
    put_labels(w, v->key, part);
    json_key(w, f->type == METRIC_SUMMARY ? STR("quantiles") : STR("buckets"));
    json_begin_object(w);
    for (size_t i = 0; i < n; i++) {
        struct str bound = labels_get(v[i].key, part);
        if (bound.n == 0 || v[i].histogram != NULL)
            continue;
        json_key(w, bound);
        put_number(w, v[i].value);
    }
    json_end_object(w);
    for (size_t i = 0; i < n; i++) {
        struct str name = labels_get(v[i].key, LABEL_METRIC);
        bool count = str_ends(name, STR("_count")), sum = str_ends(name, STR("_sum"));
        if (labels_get(v[i].key, part).n || v[i].histogram != NULL || !(count || sum))
            continue;
        json_key(w, count ? STR("count") : STR("sum"));
        put_number(w, v[i].value);
    }
    json_end_object(w);
}

static void put_family(struct json_writer *w, const struct pushgateway_family *f)
{
    struct str part = part_label(f->type);
    json_key(w, f->name);
    json_begin_object(w);
    json_key(w, STR("help"));
    json_text(w, f->help);
    json_key(w, STR("metrics"));
    json_begin_array(w);
    for (size_t i = 0, n; i < f->n; i += n) {
        n = 1;
        if (part.n == 0) {
            json_begin_object(w);
            put_labels(w, f->v[i].key, part);
            json_key(w, STR("value"));
            put_number(w, f->v[i].value);
            json_end_object(w);
            continue;
        }
        while (i + n < f->n && same_metric(f->v[i].key, f->v[i + n].key, part))
            n++;
        put_parts(w, f, f->v + i, n);
    }
    json_end_array(w);
    json_key(w, STR("type"));
    json_text(w, str_c(type_text(f->type)));
    json_end_object(w);
}

static void put_grouping(struct json_writer *w, const struct pushgateway_grouping *grouping)
{
    json_key(w, STR("labels"));
    json_begin_object(w);
    for (size_t i = 0; i < grouping->n; i++) {
        json_key(w, grouping->labels[i].name);
        json_text(w, grouping->labels[i].value);
    }
    json_end_object(w);
}

static void put_group(void *context, struct pushgateway_group *group)
{
    static const char *const HELP[] = {
        "Last Unix time when changing this group in the Pushgateway succeeded.",
        "Last Unix time when changing this group in the Pushgateway failed.",
    };
    struct json_writer *w = context;
    json_begin_object(w);
    put_grouping(w, &group->grouping);
    json_key(w, STR("last_push_successful"));
    json_bool(w, group->pushed_ms > group->failed_ms);
    for (size_t i = 0; i < COUNTOF(HELP); i++) {
        struct pushgateway_family f = {.name = labels_get(group->times[i].key, LABEL_METRIC),
                                       .help = str_c(HELP[i]),
                                       .type = METRIC_GAUGE,
                                       .v = &group->times[i],
                                       .n = 1};
        put_family(w, &f);
    }
    for (size_t i = 0; i < group->families.n; i++)
        put_family(w, group->families.v[i]);
    json_end_object(w);
}

static void list(struct pushgateway_groups *groups, struct buf *out,
                 void (*f)(void *context, struct pushgateway_group *group))
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_object(&w);
    json_key(&w, STR("status"));
    json_text(&w, STR("success"));
    json_key(&w, STR("data"));
    json_begin_array(&w);
    pushgateway_groups_each(groups, false, f, &w);
    json_end_array(&w);
    json_end_object(&w);
}

void pushgateway_list(struct pushgateway_groups *groups, struct buf *out)
{
    list(groups, out, put_group);
}

static void put_short(void *context, struct pushgateway_group *group)
{
    struct json_writer *w = context;
    json_begin_object(w);
    json_key(w, STR("tenant"));
    json_text(w, group->grouping.tenant);
    put_grouping(w, &group->grouping);
    json_key(w, STR("pushed_ms"));
    json_i64(w, group->pushed_ms);
    json_key(w, STR("failed_ms"));
    json_i64(w, group->failed_ms);
    json_key(w, STR("lifetime_ms"));
    json_i64(w, group->lifetime_ms);
    json_key(w, STR("families"));
    json_begin_array(w);
    for (size_t i = 0; i < group->families.n; i++) {
        json_begin_object(w);
        json_key(w, STR("name"));
        json_text(w, group->families.v[i]->name);
        json_key(w, STR("type"));
        json_text(w, str_c(metric_type_text(group->families.v[i]->type)));
        json_key(w, STR("series"));
        json_u64(w, group->families.v[i]->n);
        json_end_object(w);
    }
    json_end_array(w);
    json_end_object(w);
}

void pushgateway_list_short(struct pushgateway_groups *groups, struct buf *out)
{
    list(groups, out, put_short);
}
