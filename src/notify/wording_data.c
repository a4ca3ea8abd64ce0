#include <inttypes.h>

#include "model/labels.h"
#include "notify/wording_inside.h"
#include "text/json.h"
#include "text/template_time.h"

#define MEMBER                                                                                     \
    struct template_call *c, const void *p, struct str name, const struct template_value *args,    \
        size_t n, struct template_value *ret, struct why *why

/* A field called with arguments. */
static int no_arguments(struct str name, size_t n, struct why *why)
{
    if (n == 0)
        return 0;
    return why_set(why, ERR_RANGE, STR_FMT " has arguments but cannot be invoked as function",
                   STR_ARG(name));
}

struct template_value wording_data_texts(const struct str *v, size_t n, struct arena *a)
{
    struct template_value *items = arena_array(a, n, sizeof *items);
    for (size_t i = 0; i < n; i++)
        items[i] = template_text(v[i]);
    struct template_value list = template_list(items, n);
    list.go = "[]string";
    return list;
}

/* ---- template.Pair, template.Pairs */

static int pair_member(MEMBER)
{
    const struct label *l = p;
    if (str_eq(name, STR("Name")))
        *ret = template_text(l->name);
    else if (str_eq(name, STR("Value")))
        *ret = template_text(l->value);
    else
        return -ERR_NOENT;
    return no_arguments(name, n, why);
}

static void pair_print(const void *p, struct buf *out)
{
    const struct label *l = p;
    buf_printf(out, "{" STR_FMT " " STR_FMT "}", STR_ARG(l->name), STR_ARG(l->value));
}

static const struct template_object PAIR = {"template.Pair", pair_member, pair_print};

static int pairs_member(MEMBER)
{
    const struct template_value *pairs = p;
    bool names = str_eq(name, STR("Names")), values = str_eq(name, STR("Values"));
    if (!names && !values && !str_eq(name, STR("String")))
        return -ERR_NOENT;
    struct str *texts = arena_array(c->arena, pairs->n, sizeof *texts);
    struct buf b;
    buf_init(&b, TEMPLATE_TEXT_MAX);
    for (size_t i = 0; i < pairs->n; i++) {
        const struct label *l = pairs->items[i].object.p;
        texts[i] = names ? l->name : l->value;
        if (!names && !values)
            buf_printf(&b, "%s" STR_FMT "=" STR_FMT, i ? ", " : "", STR_ARG(l->name),
                       STR_ARG(l->value));
    }
    *ret = names || values ? wording_data_texts(texts, pairs->n, c->arena)
                           : template_text(arena_str(c->arena, buf_str(&b)));
    buf_done(&b);
    return no_arguments(name, n, why);
}

static const struct template_object PAIRS = {"template.Pairs", pairs_member, NULL};

static struct template_value pairs_of(const struct label *labels, size_t n, struct arena *a)
{
    struct template_value *items = arena_array(a, n, sizeof *items);
    for (size_t i = 0; i < n; i++)
        items[i] = template_object(&PAIR, &labels[i]);
    struct template_value list = template_list(items, n);
    list.go = PAIRS.go;
    list.methods = &PAIRS;
    return list;
}

/* ---- template.KV */

static int kv_member(MEMBER);
static const struct template_object KV = {"template.KV", kv_member, NULL};

static struct template_value kv_of(struct template_pair *pairs, size_t n)
{
    struct template_value map = template_map(pairs, n);
    map.texts = true;
    map.go = KV.go;
    map.methods = &KV;
    return map;
}

static struct template_value kv_of_key(struct str key, struct arena *a)
{
    struct label label;
    size_t n = 0;
    for (const char *at = key.p; labels_next(key, &at, &label, NULL);)
        n++;
    struct template_pair *pairs = arena_array(a, n, sizeof *pairs);
    n = 0;
    for (const char *at = key.p; labels_next(key, &at, &label, NULL);)
        pairs[n++] = (struct template_pair){label.name, template_text(label.value)};
    return kv_of(pairs, n);
}

/* By name, alertname before all. */
static struct label *kv_sorted(const struct template_value *map, struct arena *a)
{
    struct label *labels = arena_array(a, map->n, sizeof *labels);
    size_t n = 0;
    for (size_t round = 0; round < 2; round++)
        for (size_t i = 0; i < map->n; i++)
            if (str_eq(map->pairs[i].key, STR("alertname")) == (round == 0))
                labels[n++] = (struct label){map->pairs[i].key, map->pairs[i].value.text};
    return labels;
}

static int kv_remove(struct template_call *c, const struct template_value *map,
                     const struct template_value *args, size_t n, struct template_value *ret,
                     struct why *why)
{
    struct template_pair *pairs = arena_array(c->arena, map->n, sizeof *pairs);
    size_t kept = 0;
    if (n != 1 || args[0].type != TEMPLATE_LIST)
        return why_set(why, ERR_RANGE, "wrong number of args for Remove: want 1 list, got %zu", n);
    for (size_t i = 0; i < map->n; i++) {
        bool gone = false;
        for (size_t k = 0; k < args[0].n && !gone; k++)
            gone = args[0].items[k].type == TEMPLATE_TEXT &&
                   str_eq(args[0].items[k].text, map->pairs[i].key);
        if (!gone)
            pairs[kept++] = map->pairs[i];
    }
    c->cost = map->n * args[0].n;
    *ret = kv_of(pairs, kept);
    return 0;
}

static int kv_member(MEMBER)
{
    const struct template_value *map = p;
    bool names = str_eq(name, STR("Names")), values = str_eq(name, STR("Values"));
    if (str_eq(name, STR("Remove")))
        return kv_remove(c, map, args, n, ret, why);
    if (!names && !values && !str_eq(name, STR("SortedPairs")) && !str_eq(name, STR("String")))
        return -ERR_NOENT;
    struct template_value sorted = pairs_of(kv_sorted(map, c->arena), map->n, c->arena);
    if (str_eq(name, STR("SortedPairs")))
        *ret = sorted;
    else
        return pairs_member(c, &sorted, name, args, n, ret, why);
    return no_arguments(name, n, why);
}

/* ---- template.Alert, template.Alerts */

static struct template_value time_of(struct template_call *c, int64_t ms)
{
    struct template_value v = template_time(c, ms ? ms : TEMPLATE_TIME_ZERO);
    return v;
}

static struct str status_of(bool firing)
{
    return firing ? STR("firing") : STR("resolved");
}

static int alert_member(MEMBER)
{
    const struct message_alert *a = p;
    if (str_eq(name, STR("Status")))
        *ret = template_text(status_of(!a->resolved));
    else if (str_eq(name, STR("Labels")))
        *ret = kv_of_key(a->labels, c->arena);
    else if (str_eq(name, STR("Annotations")))
        *ret = kv_of_key(a->annotations, c->arena);
    else if (str_eq(name, STR("StartsAt")))
        *ret = time_of(c, a->starts_ms);
    else if (str_eq(name, STR("EndsAt")))
        *ret = time_of(c, a->ends_ms);
    else if (str_eq(name, STR("GeneratorURL")))
        *ret = template_text(a->generator_url);
    else if (str_eq(name, STR("Fingerprint")))
        *ret = template_text(arena_printf(c->arena, "%016" PRIx64, a->fingerprint));
    else
        return -ERR_NOENT;
    return no_arguments(name, n, why);
}

static void alert_print(const void *p, struct buf *out)
{
    const struct message_alert *a = p;
    struct buf labels;
    buf_init(&labels, WORDING_TEXT_MAX);
    labels_print(a->labels, &labels);
    buf_printf(out, "{" STR_FMT " " STR_FMT "}", STR_ARG(status_of(!a->resolved)),
               STR_ARG(buf_str(&labels)));
    buf_done(&labels);
}

static const struct template_object ALERT = {"template.Alert", alert_member, alert_print};

static int alerts_member(MEMBER);
static const struct template_object ALERTS = {"template.Alerts", alerts_member, NULL};

static struct template_value alerts_of(const struct template_value *items, size_t n)
{
    struct template_value list = template_list(items, n);
    list.go = ALERTS.go;
    list.methods = &ALERTS;
    return list;
}

static int alerts_member(MEMBER)
{
    const struct template_value *all = p;
    bool firing = str_eq(name, STR("Firing"));
    size_t kept = 0;
    (void)args;
    if (!firing && !str_eq(name, STR("Resolved")))
        return -ERR_NOENT;
    struct template_value *items = arena_array(c->arena, all->n, sizeof *items);
    for (size_t i = 0; i < all->n; i++) {
        const struct message_alert *a = all->items[i].object.p;
        if (a->resolved != firing)
            items[kept++] = all->items[i];
    }
    *ret = alerts_of(items, kept);
    return no_arguments(name, n, why);
}

/* ---- template.Data */

static struct template_value data_alerts(const struct message *m, struct arena *a)
{
    struct template_value *items = arena_array(a, m->n, sizeof *items);
    for (size_t i = 0; i < m->n; i++)
        items[i] = template_object(&ALERT, &m->alerts[i]);
    return alerts_of(items, m->n);
}

static int data_member(MEMBER)
{
    const struct message *m = p;
    (void)args;
    if (str_eq(name, STR("Receiver")))
        *ret = template_text(m->receiver);
    else if (str_eq(name, STR("Status")))
        *ret = template_text(status_of(message_firing(m)));
    else if (str_eq(name, STR("NotificationReason")))
        *ret = template_text(str_c(message_reason_text(m->reason)));
    else if (str_eq(name, STR("Alerts")))
        *ret = data_alerts(m, c->arena);
    else if (str_eq(name, STR("GroupLabels")))
        *ret = kv_of_key(m->group_labels, c->arena);
    else if (str_eq(name, STR("RouteLabels")))
        *ret = kv_of_key(m->route_labels, c->arena);
    else if (str_eq(name, STR("CommonLabels")))
        *ret = kv_of_key(message_common_labels(m, c->arena), c->arena);
    else if (str_eq(name, STR("CommonAnnotations")))
        *ret = kv_of_key(message_common_annotations(m, c->arena), c->arena);
    else if (str_eq(name, STR("ExternalURL")))
        *ret = template_text(m->external_url);
    else if (str_eq(name, STR("GroupKey")))
        *ret = template_text(m->group_key);
    else if (str_eq(name, STR("TruncatedAlerts")))
        *ret = template_int((int64_t)m->truncated);
    else if (str_eq(name, STR("Context")))
        *ret = template_text(m->context);
    else
        return -ERR_NOENT;
    return no_arguments(name, n, why);
}

static void data_print(const void *p, struct buf *out)
{
    const struct message *m = p;
    buf_printf(out, "{" STR_FMT " " STR_FMT "}", STR_ARG(m->receiver),
               STR_ARG(status_of(message_firing(m))));
}

static const struct template_object DATA = {"*template.Data", data_member, data_print};

struct template_value wording_data(const struct message *m, struct arena *a)
{
    struct message *copy = arena_new(a, sizeof *copy);
    *copy = *m;
    return template_object(&DATA, copy);
}

/* ---- as JSON */

static const struct {
    const struct template_object *type;
    const char *field, *json;
} JSON_FIELDS[] = {
    {&PAIR, "Name", "Name"},
    {&PAIR, "Value", "Value"},
    {&ALERT, "Status", "status"},
    {&ALERT, "Labels", "labels"},
    {&ALERT, "Annotations", "annotations"},
    {&ALERT, "StartsAt", "startsAt"},
    {&ALERT, "EndsAt", "endsAt"},
    {&ALERT, "GeneratorURL", "generatorURL"},
    {&ALERT, "Fingerprint", "fingerprint"},
    {&DATA, "Receiver", "receiver"},
    {&DATA, "Status", "status"},
    {&DATA, "NotificationReason", "notification_reason"},
    {&DATA, "Alerts", "alerts"},
    {&DATA, "GroupLabels", "groupLabels"},
    {&DATA, "CommonLabels", "commonLabels"},
    {&DATA, "CommonAnnotations", "commonAnnotations"},
    {&DATA, "RouteLabels", "routeLabels"},
    {&DATA, "ExternalURL", "externalURL"},
};

static void put_value(struct json_writer *w, const struct template_value *v, struct arena *a);

static void put_object(struct json_writer *w, const struct template_value *v, struct arena *a)
{
    struct template_call call = {.arena = a};
    struct buf text;
    if (v->object.type == &template_time_duration_object) {
        json_i64(w, *(const int64_t *)v->object.p);
        return;
    }
    if (v->object.type == &template_time_object) {
        buf_init(&text, WHY_MAX);
        template_time_format(v->object.p, STR("2006-01-02T15:04:05.999999999Z07:00"), &text);
        json_text(w, buf_str(&text));
        buf_done(&text);
        return;
    }
    json_begin_object(w);
    for (size_t i = 0; i < COUNTOF(JSON_FIELDS); i++) {
        struct template_value field;
        if (JSON_FIELDS[i].type != v->object.type ||
            v->object.type->member(&call, v->object.p, str_c(JSON_FIELDS[i].field), NULL, 0, &field,
                                   NULL) != 0)
            continue;
        json_key(w, str_c(JSON_FIELDS[i].json));
        put_value(w, &field, a);
    }
    json_end_object(w);
}

static void put_map(struct json_writer *w, const struct template_value *v, struct arena *a)
{
    json_begin_object(w);
    for (size_t i = 0; i < v->n; i++) {
        json_key(w, v->pairs[i].key);
        put_value(w, &v->pairs[i].value, a);
    }
    json_end_object(w);
}

static void put_value(struct json_writer *w, const struct template_value *v, struct arena *a)
{
    switch (v->type) {
    case TEMPLATE_BOOL:
        json_bool(w, v->boolean);
        break;
    case TEMPLATE_INT:
        json_i64(w, v->integer);
        break;
    case TEMPLATE_FLOAT:
        json_number(w, v->number);
        break;
    case TEMPLATE_TEXT:
        json_text(w, v->text);
        break;
    case TEMPLATE_LIST:
        json_begin_array(w);
        for (size_t i = 0; i < v->n && !buf_failed(w->out); i++)
            put_value(w, &v->items[i], a);
        json_end_array(w);
        break;
    case TEMPLATE_MAP:
        put_map(w, v, a);
        break;
    case TEMPLATE_OBJECT:
        put_object(w, v, a);
        break;
    default:
        json_null(w);
    }
}

/* How deep v is; more than max counts as max + 1. */
static unsigned depth_of(const struct template_value *v, unsigned max)
{
    unsigned deepest = 0;
    if (max == 0)
        return 1;
    for (size_t i = 0; (v->type == TEMPLATE_LIST || v->type == TEMPLATE_MAP) && i < v->n; i++)
        deepest =
            MAX(deepest,
                depth_of(v->type == TEMPLATE_LIST ? &v->items[i] : &v->pairs[i].value, max - 1));
    return deepest + 1;
}

void wording_data_json(const struct template_value *v, struct buf *out)
{
    enum { OWN_DEPTH = 8 /* of an object of ours */ };
    struct json_writer w;
    struct arena a;
    if (depth_of(v, JSON_DEPTH_MAX - OWN_DEPTH) > JSON_DEPTH_MAX - OWN_DEPTH) {
        buf_put_str(out, STR("null"));
        return;
    }
    arena_init(&a);
    json_writer_init(&w, out);
    put_value(&w, v, &a);
    arena_done(&a);
}
