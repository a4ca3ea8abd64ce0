#include "serve/alert_api.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/rand.h"
#include "base/vec.h"
#include "model/labels.h"
#include "notify/outbox.h"
#include "serve/alert_answer.h"
#include "serve/answer.h"
#include "serve/member.h"
#include "serve/param.h"

enum {
    TEST_TIMEOUT_MS = 30 * 1000, /* of one integration */
    HISTORY_MAX = 10000,         /* rows */
    WHO_MAX = 200,               /* bytes */
    COMMENT_MAX = 10000,
    HOUR_MS = 3600 * 1000,
    DAY_MS = 24 * HOUR_MS,
};

static struct alerting *engine_of(const struct job *j)
{
    return j->serve->config.alerts.alerting;
}

static void begin(struct job *j, struct json_writer *w)
{
    answer_begin(j);
    json_writer_init(w, &j->body);
}

static void put_fingerprint(struct json_writer *w, uint64_t fingerprint)
{
    char text[24];
    snprintf(text, sizeof text, "%016" PRIx64, fingerprint);
    member_text(w, "fingerprint", str_c(text));
}

/* ---- alerts */

static const char *state_of(const struct alert_row *r)
{
    if (r->resolved)
        return "resolved";
    if (r->silenced_n > 0 || r->inhibited_n > 0 || r->muted_n > 0)
        return "suppressed";
    return r->acknowledged ? "acknowledged" : "firing";
}

static void put_people(struct json_writer *w, const struct alert_row *r)
{
    json_key(w, STR("acknowledged"));
    json_bool(w, r->acknowledged);
    member_text(w, "acknowledged_by", r->acknowledged_by);
    member_whole(w, "acknowledged_time_ms", r->acknowledged_ms);
    member_text(w, "assigned_to", r->assigned_to);
    json_key(w, STR("escalation"));
    if (r->escalation.n == 0) {
        json_null(w);
        return;
    }
    json_begin_object(w);
    member_text(w, "name", r->escalation);
    json_key(w, STR("step"));
    json_i64(w, r->escalation_step);
    member_whole(w, "next_time_ms", r->escalation_next_ms);
    json_end_object(w);
}

static void put_row(struct json_writer *w, const struct alert_row *r)
{
    json_begin_object(w);
    put_fingerprint(w, r->fingerprint);
    member_text(w, "state", str_c(state_of(r)));
    member_labels(w, "labels", r->labels);
    member_labels(w, "annotations", r->annotations);
    member_whole(w, "starts_time_ms", r->starts_ms);
    member_whole(w, "ends_time_ms", r->ends_ms);
    member_whole(w, "updated_time_ms", r->updated_ms);
    member_text(w, "generator_url", r->generator_url);
    json_key(w, STR("value"));
    json_number(w, r->value);
    member_texts(w, "receivers", r->receivers, r->receivers_n);
    member_texts(w, "silenced_by", r->silenced_by, r->silenced_n);
    member_texts(w, "inhibited_by", r->inhibited_by, r->inhibited_n);
    member_texts(w, "muted_by", r->muted_by, r->muted_n);
    put_people(w, r);
    json_end_object(w);
}

struct list_input {
    struct alert_filter filter;
    struct matcher_list match;
    bool resolved;
};

static void list_work(struct job *j)
{
    struct list_input *in = j->context;
    struct alert_row *v = NULL;
    struct json_writer w;
    struct why why = {0};
    size_t n = 0;
    int err = alert_list(engine_of(j), &in->filter, &j->arena, &v, &n, &why);
    matcher_list_done(&in->match);
    if (err != 0) {
        answer_refusal(j, err, &why);
        return;
    }
    begin(j, &w);
    json_begin_array(&w);
    for (size_t i = 0; i < n; i++)
        if (in->resolved || !v[i].resolved)
            put_row(&w, &v[i]);
    json_end_array(&w);
    answer_end(j, NULL, STR(""));
}

void alert_api_list(struct http_request *r, void *serve)
{
    struct why why = {0};
    struct str receiver;
    if (alert_answer_engine(serve, r) == NULL)
        return;
    struct list_input *in = arena_new(http_arena(r), sizeof *in);
    if (alert_answer_filter(r, "filter", http_arena(r), &in->match, &why) != 0) {
        matcher_list_done(&in->match);
        answer_refuse(r, 400, "bad_data", "%s", why.text);
        return;
    }
    in->filter.match = &in->match;
    in->resolved = alert_answer_bool(r, "resolved", false);
    if (http_param(r, STR("receiver"), &receiver) && receiver.n > 0)
        in->filter.receiver = arena_str(http_arena(r), receiver).p;
    job_start(serve, r, list_work, in);
}

/* ---- history */

static void put_event(struct json_writer *w, const struct alert_history_row *r)
{
    json_begin_object(w);
    member_whole(w, "time_ms", r->time_ms);
    member_text(w, "what", r->what);
    put_fingerprint(w, r->fingerprint);
    member_labels(w, "labels", r->labels);
    member_text(w, "who", r->who);
    member_text(w, "text", r->text);
    json_end_object(w);
}

static void history_work(struct job *j)
{
    struct alert_history_row *v = NULL;
    struct json_writer w;
    struct why why = {0};
    size_t n = 0;
    int err = alert_history(engine_of(j), j->context, &j->arena, &v, &n, &why);
    if (err != 0) {
        answer_refusal(j, err, &why);
        return;
    }
    begin(j, &w);
    json_begin_array(&w);
    for (size_t i = 0; i < n; i++)
        put_event(&w, &v[i]);
    json_end_array(&w);
    answer_end(j, NULL, STR(""));
}

static bool parse_fingerprint(struct str text, uint64_t *ret)
{
    uint64_t v = 0;
    if (text.n == 0 || text.n > 16)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        int digit = str_hex(text.p[i]);
        if (digit < 0)
            return false;
        v = v << 4 | (uint64_t)digit;
    }
    *ret = v;
    return true;
}

void alert_api_history(struct http_request *r, void *serve)
{
    struct serve *s = serve;
    struct alert_history_query *q = arena_new(http_arena(r), sizeof *q);
    int64_t now = clock_wall_ms(s->config.clock);
    struct str fingerprint;
    uint64_t limit;
    if (alert_answer_engine(serve, r) == NULL || !param_time(r, STR("end"), now, &q->to_ms) ||
        !param_time(r, STR("start"), q->to_ms - DAY_MS, &q->from_ms) ||
        !param_limit(r, STR("limit"), &limit))
        return;
    q->limit = (size_t)MIN(limit, (uint64_t)HISTORY_MAX);
    if (http_param(r, STR("fingerprint"), &fingerprint) &&
        !parse_fingerprint(fingerprint, &q->fingerprint))
        param_refuse(r, STR("fingerprint"), "it has up to 16 hexadecimal digits");
    else
        job_start(serve, r, history_work, q);
}

/* ---- people */

/* What a body says; an empty one says nothing. */
static bool read_body(struct job *j, const struct json_tree **ret)
{
    struct why why = {0};
    *ret = NULL;
    if (str_trim(http_body(j->request)).n == 0)
        return true;
    int err = json_tree_parse(http_body(j->request), &j->arena, ret, &why);
    if (err == 0 && (*ret)->type != JSON_OBJECT)
        err = why_set(&why, ERR_FORMAT, "an object is wanted");
    if (err != 0)
        answer_fault(j, 400, "bad_data", "the body: %s", why.text);
    return err == 0;
}

struct action {
    enum alert_action what;
    const char *member; /* of the body: the text */
    bool needed;
    const char *past;
};

static void act_work(struct job *j)
{
    const struct action *action = j->context;
    const struct json_tree *body;
    struct why why = {0};
    uint64_t fingerprint;
    if (!parse_fingerprint(http_segment(j->request, 0), &fingerprint)) {
        answer_fault(j, 400, "bad_data", "an alert is named by its fingerprint");
        return;
    }
    if (!read_body(j, &body))
        return;
    struct str who = json_tree_text(body, "who"), text = json_tree_text(body, action->member);
    if (who.n == 0)
        who = STR("anonymous");
    if (who.n > WHO_MAX || text.n > COMMENT_MAX) {
        answer_fault(j, 400, "bad_data", "who has at most %d bytes, %s at most %d", WHO_MAX,
                     action->member, COMMENT_MAX);
        return;
    }
    if (action->needed && text.n == 0) {
        answer_fault(j, 400, "bad_data", "the member \"%s\" is missing", action->member);
        return;
    }
    int err = alert_act(engine_of(j), fingerprint, action->what, who, text, &why);
    if (err != 0) {
        answer_refusal(j, err, &why);
        return;
    }
    struct json_writer w;
    begin(j, &w);
    json_begin_object(&w);
    put_fingerprint(&w, fingerprint);
    member_text(&w, "what", str_c(action->past));
    member_text(&w, "who", who);
    json_end_object(&w);
    answer_end(j, NULL, STR(""));
}

static void act(struct http_request *r, void *serve, const struct action *action)
{
    if (alert_answer_engine(serve, r) != NULL)
        job_start(serve, r, act_work, (void *)(uintptr_t)action);
}

void alert_api_acknowledge(struct http_request *r, void *serve)
{
    static const struct action ACTION = {ALERT_ACKNOWLEDGE, "comment", false, "acknowledged"};
    act(r, serve, &ACTION);
}

void alert_api_unacknowledge(struct http_request *r, void *serve)
{
    static const struct action ACTION = {ALERT_UNACKNOWLEDGE, "comment", false, "unacknowledged"};
    act(r, serve, &ACTION);
}

void alert_api_assign(struct http_request *r, void *serve)
{
    static const struct action ACTION = {ALERT_ASSIGN, "to", false, "assigned"};
    act(r, serve, &ACTION);
}

void alert_api_comment(struct http_request *r, void *serve)
{
    static const struct action ACTION = {ALERT_COMMENT, "comment", true, "comment"};
    act(r, serve, &ACTION);
}

/* ---- what a silence would hide */

static int preview_matchers(const struct json_tree *body, struct arena *a, struct matcher_list *ret,
                            struct why *why)
{
    const struct json_tree *list = json_tree_get(body, "matchers");
    if (list != NULL && list->type == JSON_TEXT)
        return matcher_parse(list->text, a, ret, why);
    if (json_tree_n(list) == 0)
        return why_set(why, ERR_FORMAT,
                       "\"matchers\" is missing: a list as in a silence, or a "
                       "text as {alertname=\"Down\"}");
    return alert_answer_read_matchers(list, a, ret, why);
}

static void preview_work(struct job *j)
{
    struct alert_filter filter = {0};
    struct matcher_list match = {0};
    struct alert_row *v = NULL;
    const struct json_tree *body;
    struct json_writer w;
    struct why why = {0};
    size_t n = 0;
    if (!read_body(j, &body))
        return;
    int err = preview_matchers(body, &j->arena, &match, &why);
    filter.match = &match;
    if (err == 0)
        err = alert_list(engine_of(j), &filter, &j->arena, &v, &n, &why);
    matcher_list_done(&match);
    if (err != 0) {
        answer_refusal(j, err, &why);
        return;
    }
    begin(j, &w);
    json_begin_object(&w);
    json_key(&w, STR("alerts"));
    json_begin_array(&w);
    size_t hidden = 0;
    for (size_t i = 0; i < n; i++) {
        if (v[i].resolved)
            continue;
        hidden++;
        put_row(&w, &v[i]);
    }
    json_end_array(&w);
    json_key(&w, STR("hides"));
    json_u64(&w, hidden);
    json_end_object(&w);
    answer_end(j, NULL, STR(""));
}

void alert_api_preview(struct http_request *r, void *serve)
{
    if (alert_answer_engine(serve, r) != NULL)
        job_start(serve, r, preview_work, NULL);
}

/* ---- notifications */

static void put_integration(struct json_writer *w, const struct outbox_row *r)
{
    json_begin_object(w);
    member_text(w, "receiver", r->receiver);
    member_text(w, "kind", r->kind);
    json_key(w, STR("index"));
    json_u64(w, r->index);
    json_key(w, STR("waiting"));
    json_u64(w, r->waiting);
    json_key(w, STR("sent"));
    json_u64(w, r->sent);
    json_key(w, STR("failed"));
    json_u64(w, r->failed);
    json_key(w, STR("dropped"));
    json_u64(w, r->dropped);
    member_whole(w, "last_attempt_time_ms", r->last_attempt_ms);
    member_whole(w, "last_sent_time_ms", r->last_sent_ms);
    member_whole(w, "next_attempt_time_ms", r->next_attempt_ms);
    json_key(w, STR("last_duration_seconds"));
    json_number(w, (double)r->last_duration_ns / 1e9);
    member_text(w, "last_error", r->last_error);
    json_end_object(w);
}

static bool has_outbox(struct serve *s, struct http_request *r)
{
    if (s->config.alerts.outbox == NULL)
        answer_refuse(r, 404, "not_found", "this server tells nobody of alerts");
    return s->config.alerts.outbox != NULL;
}

/* A test goes to those integrations of a receiver that are asked for. */
struct test {
    struct str receiver, kind; /* kind "": all */
    struct arena *arena;
    struct str url;
    bool found;
    struct {
        struct message *v;
        size_t n, capacity;
    } messages;
};

/* Integrations are counted by kind. */
static uint32_t index_of(const struct plan_receiver *r, size_t i)
{
    uint32_t n = 0;
    for (size_t k = 0; k < i; k++)
        n += r->integrations[k].notifier == r->integrations[i].notifier;
    return n;
}

/* Those that nothing was sent to yet are shown too. */
struct listing {
    struct json_writer *w;
    const struct outbox_row *v; /* [n] */
    size_t n;
};

static bool is_listed(const struct listing *l, const struct outbox_row *row)
{
    bool found = false;
    for (size_t i = 0; i < l->n && !found; i++)
        found = l->v[i].index == row->index && str_eq(l->v[i].receiver, row->receiver) &&
                str_eq(l->v[i].kind, row->kind);
    return found;
}

static void list_integrations(void *context, const struct plan *plan)
{
    struct listing *l = context;
    for (size_t r = 0; r < plan->receivers_n; r++)
        for (size_t i = 0; i < plan->receivers[r].n; i++) {
            const struct plan_receiver *receiver = &plan->receivers[r];
            const struct outbox_row row = {
                .receiver = receiver->name,
                .kind = str_c(receiver->integrations[i].notifier->kind),
                .index = index_of(receiver, i),
            };
            if (!is_listed(l, &row))
                put_integration(l->w, &row);
        }
}

static void notify_work(struct job *j)
{
    const struct serve_alerts *a = &j->serve->config.alerts;
    struct outbox_row *v = NULL;
    struct json_writer w;
    size_t n = 0;
    outbox_view(a->outbox, &j->arena, &v, &n);
    begin(j, &w);
    json_begin_array(&w);
    for (size_t i = 0; i < n; i++)
        put_integration(&w, &v[i]);
    if (a->plan != NULL)
        a->plan(a->context, list_integrations, &(struct listing){&w, v, n});
    json_end_array(&w);
    answer_end(j, NULL, STR(""));
}

void alert_api_notify(struct http_request *r, void *serve)
{
    if (has_outbox(serve, r))
        job_start(serve, r, notify_work, NULL);
}

static void find_integrations(void *context, const struct plan *plan)
{
    struct test *t = context;
    const struct plan_receiver *r = plan_receiver(plan, t->receiver);
    t->found = r != NULL;
    t->url = arena_str(t->arena, plan->external_url);
    for (size_t i = 0; r != NULL && i < r->n; i++) {
        struct str kind = str_c(r->integrations[i].notifier->kind);
        struct message m = {.receiver = t->receiver,
                            .kind = kind,
                            .index = index_of(r, i),
                            .external_url = t->url,
                            .reason = MESSAGE_TEST};
        if (t->kind.n == 0 || str_eq(t->kind, kind))
            vec_push(&t->messages, m);
    }
}

static struct str key_of(struct arena *a, const char *const *v, size_t n)
{
    struct buf key;
    buf_init(&key, LABELS_KEY_MAX);
    for (size_t i = 0; i + 1 < n; i += 2)
        labels_put(&key, str_c(v[i]), str_c(v[i + 1]));
    struct str out = arena_str(a, buf_str(&key));
    buf_done(&key);
    return out;
}

static void put_test(struct job *j, struct json_writer *w, struct message *m)
{
    static const char *const LABELS[] = {"alertname", "Test", "severity", "info"};
    static const char *const NOTES[] = {"summary", "A test of notifications, asked for by hand."};
    struct why why = {0};
    struct message_alert alert = {.labels = key_of(&j->arena, LABELS, COUNTOF(LABELS)),
                                  .annotations = key_of(&j->arena, NOTES, COUNTOF(NOTES)),
                                  .starts_ms = j->now_ms};
    alert.fingerprint = message_fingerprint(alert.labels);
    m->id = arena_printf(&j->arena, "test-%016" PRIx64, rand_seed());
    m->group_key = STR("{}:{alertname=\"Test\"}");
    m->group_labels = key_of(&j->arena, LABELS, 2);
    m->alerts = &alert;
    m->n = 1;
    m->time_ms = j->now_ms;
    int err = outbox_test(j->serve->config.alerts.outbox, m, TEST_TIMEOUT_MS, &why);
    json_begin_object(w);
    member_text(w, "receiver", m->receiver);
    member_text(w, "kind", m->kind);
    json_key(w, STR("index"));
    json_u64(w, m->index);
    json_key(w, STR("sent"));
    json_bool(w, err == 0);
    member_text(w, "error", str_c(err == 0 ? "" : why.text[0] ? why.text : err_text(err)));
    json_end_object(w);
}

static void test_work(struct job *j)
{
    const struct serve_alerts *a = &j->serve->config.alerts;
    const struct json_tree *body;
    struct json_writer w;
    if (!read_body(j, &body))
        return;
    struct test t = {.receiver = json_tree_text(body, "receiver"),
                     .kind = json_tree_text(body, "kind"),
                     .arena = &j->arena};
    if (t.receiver.n == 0) {
        answer_fault(j, 400, "bad_data", "the member \"receiver\" is missing");
        return;
    }
    if (a->plan != NULL)
        a->plan(a->context, find_integrations, &t);
    if (t.messages.n == 0) {
        answer_fault(j, 404, "not_found", "%s",
                     !t.found        ? "there is no such receiver"
                     : t.kind.n == 0 ? "this receiver has no integration"
                                     : "this receiver has no integration of that kind");
        return;
    }
    begin(j, &w);
    json_begin_array(&w);
    for (size_t i = 0; i < t.messages.n; i++)
        put_test(j, &w, &t.messages.v[i]);
    json_end_array(&w);
    answer_end(j, NULL, STR(""));
    vec_free(&t.messages);
}

void alert_api_notify_test(struct http_request *r, void *serve)
{
    if (has_outbox(serve, r))
        job_start(serve, r, test_work, NULL);
}
