#include "notify/message.h"

#include "model/labels.h"
#include "text/json.h"
#include "text/json_tree.h"

enum { ID_MAX = 100 /* bytes */, ALERTS_MAX = 100000 };

static const uint64_t FNV_START = 14695981039346656037ULL, FNV_PRIME = 1099511628211ULL;

static const char *const REASONS[] = {
    [MESSAGE_FIRST] = "first notification",
    [MESSAGE_NEW_ALERTS] = "new alerts in group",
    [MESSAGE_ALL_RESOLVED] = "all alerts resolved",
    [MESSAGE_NEW_RESOLVED] = "new resolved alerts",
    [MESSAGE_REPEAT] = "repeat interval elapsed",
    [MESSAGE_ESCALATION] = "not acknowledged",
    [MESSAGE_TEST] = "test",
};

const char *message_reason_text(enum message_reason r)
{
    return REASONS[r];
}

bool message_firing(const struct message *m)
{
    for (size_t i = 0; i < m->n; i++)
        if (!m->alerts[i].resolved)
            return true;
    return false;
}

static uint64_t fnv_add(uint64_t hash, struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        hash = (hash ^ (unsigned char)s.p[i]) * FNV_PRIME;
    return (hash ^ 0xff) * FNV_PRIME;
}

uint64_t message_fingerprint(struct str labels)
{
    const char *at = labels.p;
    struct label label;
    uint64_t hash = FNV_START;
    while (labels_next(labels, &at, &label, NULL))
        hash = fnv_add(fnv_add(hash, label.name), label.value);
    return hash;
}

/* ---- what alerts have in common */

static bool has(struct str key, const struct label *wanted)
{
    const char *at = key.p;
    struct label label;
    while (labels_next(key, &at, &label, NULL))
        if (str_eq(label.name, wanted->name))
            return str_eq(label.value, wanted->value);
    return false;
}

static struct str common(const struct message *m, bool annotations, struct arena *a)
{
    struct buf key;
    struct label label;
    struct str first = m->n == 0     ? STR("")
                       : annotations ? m->alerts[0].annotations
                                     : m->alerts[0].labels;
    buf_init(&key, LABELS_KEY_MAX);
    for (const char *at = first.p; labels_next(first, &at, &label, NULL);) {
        bool all = true;
        for (size_t i = 1; i < m->n && all; i++)
            all = has(annotations ? m->alerts[i].annotations : m->alerts[i].labels, &label);
        if (all)
            labels_put(&key, label.name, label.value);
    }
    struct str ret = arena_str(a, buf_str(&key));
    buf_done(&key);
    return ret;
}

struct str message_common_labels(const struct message *m, struct arena *a)
{
    return common(m, false, a);
}

struct str message_common_annotations(const struct message *m, struct arena *a)
{
    return common(m, true, a);
}

/* ---- writing */

void message_put_key(struct json_writer *w, const char *name, struct str key)
{
    const char *at = key.p;
    struct label label;
    json_key(w, str_c(name));
    json_begin_object(w);
    while (labels_next(key, &at, &label, NULL)) {
        json_key(w, label.name);
        json_text(w, label.value);
    }
    json_end_object(w);
}

void message_put_text(struct json_writer *w, const char *name, struct str text)
{
    json_key(w, str_c(name));
    json_text(w, text);
}

static void put_whole(struct json_writer *w, const char *name, int64_t v)
{
    json_key(w, str_c(name));
    json_i64(w, v);
}

static void put_alert(struct json_writer *w, const struct message_alert *a)
{
    json_begin_object(w);
    message_put_key(w, "labels", a->labels);
    message_put_key(w, "annotations", a->annotations);
    put_whole(w, "starts_ms", a->starts_ms);
    put_whole(w, "ends_ms", a->ends_ms);
    json_key(w, STR("resolved"));
    json_bool(w, a->resolved);
    message_put_text(w, "generator_url", a->generator_url);
    json_end_object(w);
}

void message_encode(const struct message *m, struct buf *out)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_object(&w);
    message_put_text(&w, "id", m->id);
    message_put_text(&w, "receiver", m->receiver);
    message_put_text(&w, "kind", m->kind);
    put_whole(&w, "index", m->index);
    message_put_text(&w, "group_key", m->group_key);
    message_put_key(&w, "group_labels", m->group_labels);
    message_put_key(&w, "route_labels", m->route_labels);
    message_put_text(&w, "reason", str_c(REASONS[m->reason]));
    put_whole(&w, "truncated", (int64_t)m->truncated);
    put_whole(&w, "time_ms", m->time_ms);
    message_put_text(&w, "external_url", m->external_url);
    message_put_text(&w, "context", m->context);
    json_key(&w, STR("alerts"));
    json_begin_array(&w);
    for (size_t i = 0; i < m->n; i++)
        put_alert(&w, &m->alerts[i]);
    json_end_array(&w);
    json_end_object(&w);
}

/* ---- reading */

static struct str text_of(const struct json_tree *node, const char *name, struct arena *a)
{
    return arena_str(a, json_tree_text(node, name));
}

static int key_of(const struct json_tree *node, const char *name, struct arena *a, struct str *ret,
                  struct why *why)
{
    const struct json_tree *map = json_tree_get(node, name);
    size_t n = json_tree_n(map);
    struct label *labels = arena_array(a, n, sizeof *labels);
    struct buf key;
    for (size_t i = 0; i < n; i++)
        labels[i] = (struct label){map->children[i].key, map->children[i].text};
    buf_init(&key, LABELS_KEY_MAX);
    int err = labels_encode_bare(labels, n, &key, why);
    if (!err)
        *ret = arena_str(a, buf_str(&key));
    buf_done(&key);
    return err;
}

static int alert_of(const struct json_tree *node, struct arena *a, struct message_alert *ret,
                    struct why *why)
{
    int err = key_of(node, "labels", a, &ret->labels, why);
    if (!err)
        err = key_of(node, "annotations", a, &ret->annotations, why);
    if (err)
        return err;
    ret->starts_ms = json_tree_whole(node, "starts_ms");
    ret->ends_ms = json_tree_whole(node, "ends_ms");
    ret->resolved = json_tree_true(node, "resolved");
    ret->generator_url = text_of(node, "generator_url", a);
    ret->fingerprint = message_fingerprint(ret->labels);
    return 0;
}

static int reason_of(struct str text, enum message_reason *ret, struct why *why)
{
    for (size_t i = 0; i < COUNTOF(REASONS); i++)
        if (str_eq(text, str_c(REASONS[i]))) {
            *ret = (enum message_reason)i;
            return 0;
        }
    return why_set(why, ERR_FORMAT, "a message without a known reason");
}

static int alerts_of(const struct json_tree *list, struct arena *a, struct message *ret,
                     struct why *why)
{
    size_t n = json_tree_n(list);
    if (n > ALERTS_MAX)
        return why_set(why, ERR_FORMAT, "a message of more than %d alerts", ALERTS_MAX);
    struct message_alert *alerts = arena_array(a, n, sizeof *alerts);
    for (size_t i = 0; i < n; i++) {
        int err = alert_of(&list->children[i], a, &alerts[i], why);
        if (err)
            return err;
    }
    ret->alerts = alerts;
    ret->n = n;
    return 0;
}

/* Who is told, and is there an id that can stand in a header? */
static int check(const struct message *m, int64_t index, struct why *why)
{
    bool plain = m->id.n > 0 && m->id.n <= ID_MAX;
    for (size_t i = 0; i < m->id.n && plain; i++)
        plain = m->id.p[i] > ' ' && m->id.p[i] < 0x7f;
    if (!plain)
        return why_set(why, ERR_FORMAT, "a message without an id of at most %d letters", ID_MAX);
    if (m->kind.n == 0 || index < 0 || index > UINT32_MAX)
        return why_set(why, ERR_FORMAT, "a message without a receiver");
    return 0;
}

int message_decode(struct str json, struct arena *a, struct message *ret, struct why *why)
{
    const struct json_tree *root;
    struct message m = {0};
    int err = json_tree_parse(json, a, &root, why);
    if (err)
        return -ERR_FORMAT;
    if (root->type != JSON_OBJECT)
        return why_set(why, ERR_FORMAT, "a message that is no object");
    int64_t index = json_tree_whole(root, "index");
    m.id = text_of(root, "id", a);
    m.receiver = text_of(root, "receiver", a);
    m.kind = text_of(root, "kind", a);
    m.group_key = text_of(root, "group_key", a);
    m.truncated = (uint64_t)json_tree_whole(root, "truncated");
    m.time_ms = json_tree_whole(root, "time_ms");
    m.external_url = text_of(root, "external_url", a);
    m.context = text_of(root, "context", a);
    err = check(&m, index, why);
    m.index = (uint32_t)index;
    if (!err)
        err = reason_of(json_tree_text(root, "reason"), &m.reason, why);
    if (!err)
        err = key_of(root, "group_labels", a, &m.group_labels, why);
    if (!err)
        err = key_of(root, "route_labels", a, &m.route_labels, why);
    if (!err)
        err = alerts_of(json_tree_get(root, "alerts"), a, &m, why);
    if (err)
        return -ERR_FORMAT; /* whatever limit it was: it is not one of ours */
    *ret = m;
    return 0;
}
