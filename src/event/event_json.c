#include "event/event_json.h"

#include <math.h>
#include <string.h>
#include <time.h>

#include "model/labels.h"
#include "text/json.h"
#include "text/json_tree.h"

enum { LABELS_N_MAX = 64 };

static const double SECONDS_MAX = 1e11; /* greater numbers are milliseconds */

struct labels {
    struct label v[LABELS_N_MAX];
    size_t n;
};

/* ---- reading */

static bool is_there(const struct json_tree *node)
{
    return !json_tree_is_null(node);
}

/* 2026-11-22T10:00:00.5Z or with +01:00 */
static bool read_date(struct str s, int64_t *ret_ms)
{
    struct tm tm = {0};
    char text[40];
    if (s.n < 20 || s.n >= sizeof text)
        return false;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    int64_t ms = 0, scale = 100, offset_s = 0;
    if (rest && *rest == '.')
        for (rest++; *rest >= '0' && *rest <= '9'; rest++, scale /= 10)
            ms += (*rest - '0') * scale;
    if (!rest || (*rest != 'Z' && *rest != '+' && *rest != '-'))
        return false;
    if (*rest == 'Z') {
        rest++;
    } else {
        const char *p = rest;
        if (strlen(p) != 6 || p[3] != ':')
            return false;
        for (int i = 1; i < 6; i++)
            if (i != 3 && (p[i] < '0' || p[i] > '9'))
                return false;
        offset_s = ((p[1] - '0') * 10 + p[2] - '0') * 3600 + ((p[4] - '0') * 10 + p[5] - '0') * 60;
        offset_s = p[0] == '-' ? -offset_s : offset_s;
        rest += 6;
    }
    *ret_ms = ((int64_t)timegm(&tm) - offset_s) * 1000 + ms;
    return *rest == '\0';
}

static int read_time(const struct json_tree *node, const char *name, int64_t *ret, struct why *why)
{
    if (!is_there(node))
        return 0;
    if (node->type == JSON_NUMBER && node->number > 0 && node->number < SECONDS_MAX) {
        *ret = (int64_t)llround(node->number * 1000);
        return 0;
    }
    if (node->type == JSON_NUMBER && node->number >= SECONDS_MAX && node->number < 1e16) {
        *ret = (int64_t)node->number;
        return 0;
    }
    if (node->type == JSON_TEXT && read_date(node->text, ret))
        return 0;
    return why_set(why, ERR_FORMAT,
                   "%s must be a time: seconds or milliseconds since 1970, or 2026-01-02T03:04:05Z",
                   name);
}

static int add_label(struct labels *l, struct str name, struct str value, struct why *why)
{
    if (l->n >= LABELS_N_MAX)
        return why_set(why, ERR_FORMAT, "there are more than %d labels", LABELS_N_MAX);
    for (size_t i = 0; i < l->n; i++)
        if (str_eq(l->v[i].name, name)) {
            l->v[i].value = value;
            return 0;
        }
    l->v[l->n++] = (struct label){name, value};
    return 0;
}

static int read_labels(const struct json_tree *node, struct labels *l, struct why *why)
{
    if (!is_there(node))
        return 0;
    if (node->type != JSON_OBJECT)
        return why_set(why, ERR_FORMAT, "labels must be an object of texts");
    for (size_t i = 0; i < node->n; i++) {
        const struct json_tree *c = &node->children[i];
        struct str value = c->text;
        if (c->type == JSON_TRUE || c->type == JSON_FALSE)
            value = c->type == JSON_TRUE ? STR("true") : STR("false");
        else if (c->type != JSON_TEXT && c->type != JSON_NUMBER)
            return why_set(why, ERR_FORMAT, "label " STR_FMT " must be a text",
                           STR_ARG(str_sub(c->key, 0, 100)));
        int err = add_label(l, c->key, value, why);
        if (err)
            return err;
    }
    return 0;
}

static int encode(struct labels *l, struct arena *a, struct str *ret, struct why *why)
{
    struct buf key;
    buf_init(&key, EVENT_LABELS_MAX);
    int err = labels_encode_bare(l->v, l->n, &key, why);
    if (!err && buf_failed(&key))
        err = why_set(why, ERR_FORMAT, "the labels are longer than %d bytes", EVENT_LABELS_MAX);
    if (!err)
        *ret = arena_str(a, buf_str(&key));
    buf_done(&key);
    return err;
}

static void read_text(const struct json_tree *node, const char *name, struct str *ret)
{
    struct str s = json_tree_text(node, name);
    if (s.n)
        *ret = s;
}

/* "api v1.2 was deployed", of what the labels say. */
static struct str title_of(const struct event *v, struct arena *a)
{
    struct str service = labels_get(v->labels, STR("service"));
    struct str version = labels_get(v->labels, STR("version"));
    const char *verb = str_eq(v->status, STR("failed"))    ? "could not be deployed"
                       : str_eq(v->status, STR("started")) ? "is being deployed"
                                                           : "was deployed";
    if (!str_eq(v->kind, STR("deployment")) || service.n == 0)
        return v->title;
    if (version.n == 0)
        return arena_printf(a, STR_FMT " %s", STR_ARG(service), verb);
    return arena_printf(a, STR_FMT " " STR_FMT " %s", STR_ARG(service), STR_ARG(version), verb);
}

static int read_one(const struct json_tree *node, const struct event *like, struct arena *a,
                    struct event *ret, struct why *why)
{
    static const char *const BESIDE[] = {"service", "version", "environment"};
    struct event v = *like;
    struct labels l = {0};
    if (node->type != JSON_OBJECT)
        return why_set(why, ERR_FORMAT, "an event must be an object");
    read_text(node, "kind", &v.kind);
    read_text(node, "title", &v.title);
    read_text(node, "text", &v.text);
    read_text(node, "source", &v.source);
    read_text(node, "status", &v.status);
    read_text(node, "id_key", &v.id_key);
    read_text(node, "url", &v.url);
    int err = read_time(json_tree_get(node, "time"), "time", &v.time_ms, why);
    if (!err)
        err = read_time(json_tree_get(node, "time_ms"), "time_ms", &v.time_ms, why);
    if (!err)
        err = read_time(json_tree_get(node, "end"), "end", &v.end_ms, why);
    if (!err)
        err = read_time(json_tree_get(node, "end_ms"), "end_ms", &v.end_ms, why);
    for (size_t i = 0; i < COUNTOF(BESIDE) && !err; i++) {
        struct str value = json_tree_text(node, BESIDE[i]);
        err = value.n ? add_label(&l, str_c(BESIDE[i]), value, why) : 0;
    }
    if (!err)
        err = read_labels(json_tree_get(node, "labels"), &l, why);
    if (!err && l.n)
        err = encode(&l, a, &v.labels, why);
    if (err)
        return err;
    if (v.title.n == 0)
        v.title = title_of(&v, a);
    *ret = v;
    return 0;
}

int event_json_read(struct str body, const struct event *like, struct arena *a, struct event **ret,
                    size_t *ret_n, struct why *why)
{
    const struct json_tree *tree;
    int err = json_tree_parse(body, a, &tree, why);
    if (err)
        return err;
    bool many = tree->type == JSON_ARRAY;
    size_t n = many ? tree->n : 1;
    if (n == 0 || n > EVENT_JSON_EVENTS_MAX)
        return why_set(why, ERR_FORMAT, "the body must be one to %d events", EVENT_JSON_EVENTS_MAX);
    struct event *v = arena_array(a, n, sizeof *v);
    for (size_t i = 0; i < n; i++) {
        err = read_one(many ? &tree->children[i] : tree, like, a, &v[i], why);
        if (err && many)
            (void)why_prefix(why, "event %zu", i);
        if (err)
            return err;
    }
    *ret = v;
    *ret_n = n;
    return 0;
}

/* ---- Grafana's annotations */

static bool speaks_of_deployment(struct str tag)
{
    static const char *const WORDS[] = {"deploy", "deployment", "release", "rollout"};
    for (size_t i = 0; i < COUNTOF(WORDS); i++)
        if (str_eq(tag, str_c(WORDS[i])))
            return true;
    return false;
}

static int read_tag(struct str tag, struct labels *l, struct event *v, struct why *why)
{
    size_t at = MIN(str_find(tag, ':'), str_find(tag, '='));
    if (speaks_of_deployment(tag))
        v->kind = STR("deployment");
    if (at > 0 && at + 1 < tag.n)
        return add_label(l, str_sub(tag, 0, at), str_sub(tag, at + 1, tag.n), why);
    return tag.n ? add_label(l, tag, STR("true"), why) : 0;
}

int event_json_read_annotation(struct str body, struct arena *a, struct event *ret, struct why *why)
{
    const struct json_tree *tree;
    struct labels l = {0};
    struct event v = {.kind = STR("note"), .source = STR("grafana")};
    int err = json_tree_parse(body, a, &tree, why);
    if (!err && tree->type != JSON_OBJECT)
        err = why_set(why, ERR_FORMAT, "an annotation must be an object");
    if (!err)
        err = read_time(json_tree_get(tree, "time"), "time", &v.time_ms, why);
    if (!err)
        err = read_time(json_tree_get(tree, "timeEnd"), "timeEnd", &v.end_ms, why);
    const struct json_tree *tags = err ? NULL : json_tree_get(tree, "tags");
    for (size_t i = 0; i < json_tree_n(tags) && !err; i++)
        err = read_tag(json_tree_text(&tags->children[i], ""), &l, &v, why);
    if (!err)
        err = encode(&l, a, &v.labels, why);
    if (err)
        return err;
    struct str text = json_tree_text(tree, "text");
    v.title = str_trim(str_sub(text, 0, str_find(text, '\n')));
    v.text = str_trim(str_sub(text, str_find(text, '\n'), text.n));
    if (v.title.n > EVENT_TITLE_MAX) {
        v.text = text;
        v.title = STR("annotation");
    }
    *ret = v;
    return 0;
}

/* ---- writing */

static void put_labels(struct json_writer *w, struct str labels)
{
    struct label l;
    json_begin_object(w);
    for (const char *at = labels.p; labels_next(labels, &at, &l, NULL);) {
        json_key(w, l.name);
        json_text(w, l.value);
    }
    json_end_object(w);
}

void event_json_put(const struct event *v, struct buf *out)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_object(&w);
    json_key(&w, STR("id"));
    json_i64(&w, v->id);
    json_key(&w, STR("time_ms"));
    json_i64(&w, v->time_ms);
    json_key(&w, STR("end_ms"));
    json_i64(&w, v->end_ms);
    const struct {
        struct str name, value;
    } texts[] = {{STR("kind"), v->kind},     {STR("title"), v->title},   {STR("text"), v->text},
                 {STR("source"), v->source}, {STR("status"), v->status}, {STR("id_key"), v->id_key},
                 {STR("url"), v->url}};
    for (size_t i = 0; i < COUNTOF(texts); i++) {
        json_key(&w, texts[i].name);
        json_text(&w, texts[i].value);
    }
    json_key(&w, STR("labels"));
    put_labels(&w, v->labels);
    json_end_object(&w);
}

void event_json_put_annotation(const struct event *v, struct buf *out)
{
    struct json_writer w;
    struct label l;
    struct buf text;
    json_writer_init(&w, out);
    buf_init(&text, EVENT_TEXT_MAX + EVENT_TITLE_MAX + LABEL_VALUE_MAX);
    json_begin_object(&w);
    json_key(&w, STR("id"));
    json_i64(&w, v->id);
    json_key(&w, STR("time"));
    json_i64(&w, v->time_ms);
    json_key(&w, STR("timeEnd"));
    json_i64(&w, v->end_ms ? v->end_ms : v->time_ms);
    json_key(&w, STR("text"));
    buf_put_str(&text, v->title);
    if (v->text.n)
        buf_printf(&text, "\n" STR_FMT, STR_ARG(v->text));
    json_text(&w, buf_str(&text));
    json_key(&w, STR("tags"));
    json_begin_array(&w);
    json_text(&w, v->kind);
    for (const char *at = v->labels.p; labels_next(v->labels, &at, &l, NULL);) {
        buf_clear(&text);
        buf_printf(&text, STR_FMT ":" STR_FMT, STR_ARG(l.name), STR_ARG(l.value));
        json_text(&w, buf_str(&text));
    }
    json_end_array(&w);
    json_end_object(&w);
    buf_done(&text);
}

int event_json_labels(const struct str *pairs, size_t n, struct arena *a, struct str *ret,
                      struct why *why)
{
    struct labels l = {0};
    int err = 0;
    for (size_t i = 0; i < n && !err; i++) {
        size_t at = str_find(pairs[i], '=');
        if (at == 0 || at >= pairs[i].n)
            return why_set(why, ERR_FORMAT, "\"" STR_FMT "\" is not NAME=VALUE",
                           STR_ARG(str_sub(pairs[i], 0, 100)));
        err = add_label(&l, str_sub(pairs[i], 0, at), str_sub(pairs[i], at + 1, pairs[i].n), why);
    }
    return err ? err : encode(&l, a, ret, why);
}
