#include "serve/alert_answer.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/vec.h"
#include "model/labels.h"
#include "serve/answer.h"
#include "serve/member.h"
#include "serve/param.h"

enum { TEXT_MAX = 4096, LABEL_BYTES_MAX = 1 << 20, FILTERS_MAX = 1000 };

/* ---- errors */

static void put_code(struct job *j, int status, int code, struct str text)
{
    struct json_writer w;
    buf_clear(&j->body);
    j->status = status;
    json_writer_init(&w, &j->body);
    json_begin_object(&w);
    json_key(&w, STR("code"));
    json_i64(&w, code);
    json_key(&w, STR("message"));
    json_text(&w, text);
    json_end_object(&w);
}

void alert_answer_text(struct job *j, int status, const char *format, ...)
{
    char text[TEXT_MAX];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    buf_clear(&j->body);
    j->status = status;
    json_put_text(&j->body, str_of(text, MIN((size_t)MAX(n, 0), sizeof text - 1)));
    buf_put_c(&j->body, '\n');
}

void alert_answer_code(struct job *j, int status, int code, const char *format, ...)
{
    char text[TEXT_MAX];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    put_code(j, status, code, str_of(text, MIN((size_t)MAX(n, 0), sizeof text - 1)));
}

void alert_answer_empty(struct job *j, int status)
{
    buf_clear(&j->body);
    j->status = status;
    j->type = STR("");
}

struct alerting *alert_answer_engine(struct serve *s, struct http_request *r)
{
    if (s->config.alerts.alerting == NULL)
        answer_refuse(r, 404, "not_found", "this server keeps no alerts");
    return s->config.alerts.alerting;
}

/* ---- rows */

void alert_answer_date(struct json_writer *w, const char *key, int64_t ts_ms)
{
    char date[ANSWER_DATE_MAX];
    struct str text = answer_date(ts_ms, date);
    /* Alertmanager always writes three digits behind the second. */
    char full[ANSWER_DATE_MAX + 8];
    size_t dot = str_find(text, '.'), end = text.n > 0 ? text.n - 1 : 0;
    struct str head = str_sub(text, 0, MIN(dot, end)), digits = str_sub(text, dot + 1, end);
    int n = snprintf(full, sizeof full, STR_FMT "." STR_FMT "%.*sZ", STR_ARG(head), STR_ARG(digits),
                     (int)(digits.n < 3 ? 3 - digits.n : 0), "000");
    member_text(w, key, str_of(full, (size_t)n));
}

static void put_state(struct json_writer *w, const struct alert_row *r)
{
    json_key(w, STR("status"));
    json_begin_object(w);
    member_texts(w, "inhibitedBy", r->inhibited_by, r->inhibited_n);
    member_texts(w, "mutedBy", r->muted_by, r->muted_n);
    member_texts(w, "silencedBy", r->silenced_by, r->silenced_n);
    member_text(w, "state", str_c(r->state));
    json_end_object(w);
}

void alert_answer_row(struct json_writer *w, const struct alert_row *r)
{
    char fingerprint[24];
    snprintf(fingerprint, sizeof fingerprint, "%016" PRIx64, r->fingerprint);
    member_labels(w, "annotations", r->annotations);
    alert_answer_date(w, "endsAt", r->ends_ms);
    member_text(w, "fingerprint", str_c(fingerprint));
    json_key(w, STR("receivers"));
    json_begin_array(w);
    for (size_t i = 0; i < r->receivers_n; i++) {
        json_begin_object(w);
        member_text(w, "name", r->receivers[i]);
        json_end_object(w);
    }
    json_end_array(w);
    alert_answer_date(w, "startsAt", r->starts_ms);
    put_state(w, r);
    alert_answer_date(w, "updatedAt", r->updated_ms);
    if (r->generator_url.n > 0) {
        member_text(w, "generatorURL", r->generator_url);
    }
    member_labels(w, "labels", r->labels);
}

static void put_matcher(struct json_writer *w, const struct matcher_item *m)
{
    json_begin_object(w);
    json_key(w, STR("isEqual"));
    json_bool(w, m->op == MATCHER_EQUAL || m->op == MATCHER_REGEX);
    json_key(w, STR("isRegex"));
    json_bool(w, m->op == MATCHER_REGEX || m->op == MATCHER_NOT_REGEX);
    member_text(w, "name", m->name);
    member_text(w, "value", m->value);
    json_end_object(w);
}

void alert_answer_silence(struct json_writer *w, const struct alert_silence *s)
{
    json_begin_object(w);
    member_text(w, "id", s->id);
    json_key(w, STR("status"));
    json_begin_object(w);
    member_text(w, "state", str_c(s->state));
    json_end_object(w);
    alert_answer_date(w, "updatedAt", s->updated_ms);
    json_key(w, STR("annotations"));
    json_begin_object(w);
    if (s->until_resolved) {
        member_text(w, "until_resolved", STR("true"));
    }
    json_end_object(w);
    member_text(w, "comment", s->comment);
    member_text(w, "createdBy", s->created_by);
    alert_answer_date(w, "endsAt", s->ends_ms);
    json_key(w, STR("matchers"));
    json_begin_array(w);
    for (size_t i = 0; i < s->matchers.n; i++)
        put_matcher(w, &s->matchers.v[i]);
    json_end_array(w);
    alert_answer_date(w, "startsAt", s->starts_ms);
    json_end_object(w);
}

/* ---- reading */

bool alert_answer_bool(struct http_request *r, const char *name, bool fallback)
{
    static const char *const TRUE[] = {"true", "1", "yes",      "ok",      "y",
                                       "on",   "t", "selected", "checked", "enabled"};
    struct str text;
    bool yes = false;
    if (!http_param(r, str_c(name), &text) || text.n == 0)
        return fallback;
    for (size_t i = 0; i < COUNTOF(TRUE) && !yes; i++)
        yes = text.n == strlen(TRUE[i]) && strncasecmp(text.p, TRUE[i], text.n) == 0;
    return yes;
}

int alert_answer_filter(struct http_request *r, const char *name, struct arena *a,
                        struct matcher_list *ret, struct why *why)
{
    struct str text;
    int err = 0;
    for (size_t i = 0; err == 0 && http_param_at(r, str_c(name), i, &text); i++) {
        if (i == FILTERS_MAX)
            return why_set(why, ERR_LIMIT, "there are more than %d filters", FILTERS_MAX);
        struct why cause = {0};
        err = matcher_parse(text, a, ret, &cause);
        if (err != 0)
            (void)why_set(why, ERR_FORMAT, "bad matcher format: " STR_FMT,
                          STR_ARG(str_sub(text, 0, 500)));
    }
    return err;
}

int alert_answer_time(const struct json_tree *node, int64_t *ret_ms)
{
    if (json_tree_is_null(node)) {
        *ret_ms = 0;
        return 0;
    }
    struct str text = json_tree_text(node, "");
    int64_t ms;
    if (str_starts(text, STR("0001-01-01T00:00:00"))) {
        *ret_ms = 0;
        return 0;
    }
    if (str_find(text, 'T') == text.n || !param_parse_time(text, &ms))
        return -ERR_FORMAT;
    *ret_ms = ms;
    return 0;
}

int alert_answer_read_labels(const struct json_tree *node, struct arena *a, struct str *ret,
                             struct why *why)
{
    struct {
        struct label *v;
        size_t n, capacity;
    } all = {0};
    struct buf key;
    int err = 0;
    buf_init(&key, LABEL_BYTES_MAX);
    for (size_t i = 0; err == 0 && i < json_tree_n(node); i++) {
        const struct json_tree *c = &node->children[i];
        struct label one = {c->key, c->text};
        if (c->type != JSON_TEXT)
            err = why_set(why, ERR_FORMAT,
                          "json: cannot unmarshal a value that is no string into labels");
        vec_push(&all, one);
    }
    if (err == 0)
        err = labels_encode_bare(all.v, all.n, &key, why);
    if (err == 0)
        *ret = arena_str(a, buf_str(&key));
    buf_done(&key);
    vec_free(&all);
    return err;
}

int alert_answer_read_matchers(const struct json_tree *node, struct arena *a,
                               struct matcher_list *ret, struct why *why)
{
    int err = 0;
    for (size_t i = 0; err == 0 && i < json_tree_n(node); i++) {
        const struct json_tree *m = &node->children[i];
        const struct json_tree *equal = json_tree_get(m, "isEqual");
        bool is_equal = json_tree_is_null(equal) || json_tree_true(equal, "");
        bool is_regex = json_tree_true(m, "isRegex");
        enum matcher_op op = is_regex ? (is_equal ? MATCHER_REGEX : MATCHER_NOT_REGEX)
                                      : (is_equal ? MATCHER_EQUAL : MATCHER_NOT_EQUAL);
        err = matcher_add(json_tree_text(m, "name"), op, json_tree_text(m, "value"), a, ret, why);
    }
    return err;
}

bool alert_answer_is_uuid(struct str s)
{
    bool good = s.n == 36;
    for (size_t i = 0; i < s.n && good; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        good = dash ? s.p[i] == '-' : str_hex(s.p[i]) >= 0;
    }
    return good;
}
