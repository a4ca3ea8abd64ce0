#include "serve/alertmanager_api.h"

#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "model/labels.h"
#include "serve/alert_answer.h"
#include "serve/member.h"
#include "text/regex.h"

/* What a list is asked for; in the request's arena. */
struct input {
    struct alert_filter filter;
    struct matcher_list match;
    bool active, expired, pending; /* of silences */
    bool muted;                    /* groups where all is held, too */
    struct why why;                /* of a parameter that is wrong */
    int err;
};

/* ---- what is asked */

static struct input *read_input(struct http_request *r)
{
    struct input *in = arena_new(http_arena(r), sizeof *in);
    struct str receiver;
    in->err = alert_answer_filter(r, "filter", http_arena(r), &in->match, &in->why);
    in->active = alert_answer_bool(r, "active", true);
    in->expired = alert_answer_bool(r, "expired", true);
    in->pending = alert_answer_bool(r, "pending", true);
    in->muted = alert_answer_bool(r, "muted", true);
    in->filter = (struct alert_filter){
        .match = &in->match,
        .no_active = !in->active,
        .no_silenced = !alert_answer_bool(r, "silenced", true),
        .no_inhibited = !alert_answer_bool(r, "inhibited", true),
        .no_unprocessed = !alert_answer_bool(r, "unprocessed", true),
    };
    if (http_param(r, STR("receiver"), &receiver) && receiver.n > 0)
        in->filter.receiver = arena_str(http_arena(r), receiver).p;
    return in;
}

/* False where a parameter was wrong, and is answered. */
static bool input_good(struct job *j, struct input *in)
{
    struct regex *regex;
    struct why why = {0};
    if (in->err != 0) {
        alert_answer_text(j, 400, "%s", in->why.text);
        matcher_list_done(&in->match);
        return false;
    }
    if (in->filter.receiver == NULL)
        return true;
    int err = regex_new(str_c(in->filter.receiver), &regex, &why);
    if (err == 0)
        regex_free(regex);
    else
        alert_answer_text(j, 400, "failed to parse receiver param: %s", why.text);
    if (err != 0)
        matcher_list_done(&in->match);
    return err == 0;
}

static void start(struct http_request *r, void *serve, void (*work)(struct job *j), bool list)
{
    if (alert_answer_engine(serve, r) != NULL)
        job_start(serve, r, work, list ? read_input(r) : NULL);
}

static void answer_err(struct job *j, int err, const struct why *why)
{
    int status = err == -ERR_NOENT ? 404 : err == -ERR_FORMAT || err == -ERR_RANGE ? 400 : 500;
    alert_answer_text(j, status, "%s", why->text[0] ? why->text : err_text(err));
}

static struct alerting *engine_of(const struct job *j)
{
    return j->serve->config.alerts.alerting;
}

/* ---- alerts */

static int by_fingerprint(const void *a, const void *b)
{
    uint64_t x = ((const struct alert_row *)a)->fingerprint;
    uint64_t y = ((const struct alert_row *)b)->fingerprint;
    return (x > y) - (x < y);
}

static void put_rows(struct json_writer *w, struct alert_row *v, size_t n)
{
    if (n > 1)
        qsort(v, n, sizeof *v, by_fingerprint);
    json_begin_array(w);
    for (size_t i = 0; i < n; i++) {
        json_begin_object(w);
        alert_answer_row(w, &v[i]);
        json_end_object(w);
    }
    json_end_array(w);
}

static void alerts_work(struct job *j)
{
    struct input *in = j->context;
    struct alert_row *v = NULL, *kept;
    struct json_writer w;
    struct why why = {0};
    size_t n = 0, kept_n = 0;
    if (!input_good(j, in))
        return;
    int err = alert_list(engine_of(j), &in->filter, &j->arena, &v, &n, &why);
    if (err != 0) {
        answer_err(j, err, &why);
    } else {
        kept = arena_array(&j->arena, n + 1, sizeof *kept);
        for (size_t i = 0; i < n; i++)
            if (!v[i].resolved)
                kept[kept_n++] = v[i];
        json_writer_init(&w, &j->body);
        put_rows(&w, kept, kept_n);
    }
    matcher_list_done(&in->match);
}

void alertmanager_api_alerts(struct http_request *r, void *serve)
{
    start(r, serve, alerts_work, true);
}

static bool all_held(const struct alert_group_row *g)
{
    bool held = true;
    for (size_t i = 0; i < g->n && held; i++)
        held = g->alerts[i].silenced_n + g->alerts[i].inhibited_n + g->alerts[i].muted_n > 0;
    return held;
}

static int by_labels(const void *a, const void *b)
{
    const struct alert_group_row *x = a, *y = b;
    int order = labels_cmp(x->labels, y->labels);
    return order != 0 ? order : str_cmp(x->receiver, y->receiver);
}

static void put_group(struct json_writer *w, const struct alert_group_row *g)
{
    json_begin_object(w);
    json_key(w, STR("alerts"));
    put_rows(w, g->alerts, g->n);
    member_labels(w, "labels", g->labels);
    json_key(w, STR("receiver"));
    json_begin_object(w);
    json_key(w, STR("name"));
    json_text(w, g->receiver);
    json_end_object(w);
    member_labels(w, "routeLabels", STR(""));
    json_end_object(w);
}

static void groups_work(struct job *j)
{
    struct input *in = j->context;
    struct alert_group_row *v = NULL;
    struct json_writer w;
    struct why why = {0};
    size_t n = 0;
    if (!input_good(j, in))
        return;
    int err = alert_groups(engine_of(j), &in->filter, &j->arena, &v, &n, &why);
    if (err != 0) {
        answer_err(j, err, &why);
    } else {
        json_writer_init(&w, &j->body);
        json_begin_array(&w);
        if (n > 1)
            qsort(v, n, sizeof *v, by_labels);
        for (size_t i = 0; i < n; i++)
            if (v[i].n > 0 && (in->muted || !all_held(&v[i])))
                put_group(&w, &v[i]);
        json_end_array(&w);
    }
    matcher_list_done(&in->match);
}

void alertmanager_api_groups(struct http_request *r, void *serve)
{
    start(r, serve, groups_work, true);
}

/* ---- alerts from outside */

static bool take_posted(struct job *j, const struct json_tree *node, size_t i,
                        struct alert_posted *ret)
{
    struct why why = {0};
    const struct json_tree *labels = json_tree_get(node, "labels");
    *ret = (struct alert_posted){.generator_url = json_tree_text(node, "generatorURL")};
    if (json_tree_is_null(labels))
        alert_answer_code(j, 422, 602, "%zu.labels in body is required", i);
    else if (alert_answer_read_labels(labels, &j->arena, &ret->labels, &why) != 0 ||
             alert_answer_read_labels(json_tree_get(node, "annotations"), &j->arena,
                                      &ret->annotations, &why) != 0)
        alert_answer_text(j, 400, "invalid label set: %s", why.text);
    else if (alert_answer_time(json_tree_get(node, "startsAt"), &ret->starts_ms) != 0 ||
             alert_answer_time(json_tree_get(node, "endsAt"), &ret->ends_ms) != 0)
        alert_answer_code(j, 400, 400,
                          "parsing alerts body from \"\" failed, because %zu.startsAt or endsAt "
                          "is no time of RFC 3339",
                          i);
    else
        return true;
    return false;
}

static void post_work(struct job *j)
{
    const struct json_tree *tree = NULL;
    struct why why = {0};
    struct str body = str_trim(http_body(j->request));
    if (body.n == 0) {
        alert_answer_code(j, 422, 602, "alerts in body is required");
        return;
    }
    int err = json_tree_parse(body, &j->arena, &tree, &why);
    if (err == 0 && tree->type != JSON_ARRAY)
        err = why_set(&why, ERR_FORMAT, "json: a list of alerts is wanted");
    if (err != 0) {
        alert_answer_code(j, 400, 400, "parsing alerts body from \"\" failed, because %s",
                          why.text);
        return;
    }
    struct alert_posted *v = arena_array(&j->arena, json_tree_n(tree) + 1, sizeof *v);
    for (size_t i = 0; i < json_tree_n(tree); i++)
        if (!take_posted(j, &tree->children[i], i, &v[i]))
            return;
    err = alert_post(engine_of(j), v, json_tree_n(tree), &why);
    /* "alert 3: at least ..": Alertmanager does not number them. */
    struct str said = str_c(why.text);
    size_t colon = str_search(said, STR(": "));
    if (err == -ERR_FORMAT && str_starts(said, STR("alert ")) && colon < said.n)
        alert_answer_text(j, 400, "%s", why.text + colon + 2);
    else if (err != 0)
        answer_err(j, err, &why);
    else
        alert_answer_empty(j, 200);
}

void alertmanager_api_post(struct http_request *r, void *serve)
{
    start(r, serve, post_work, false);
}

/* ---- silences */

static int state_order(const struct alert_silence *s)
{
    return s->state[0] == 'a' ? 0 : s->state[0] == 'p' ? 1 : 2;
}

/* Active ones by their end, pending ones by their start, expired ones by their end, newest first.
 */
static int by_state(const void *a, const void *b)
{
    const struct alert_silence *x = a, *y = b;
    int order = state_order(x) - state_order(y);
    if (order != 0)
        return order;
    int64_t m = state_order(x) == 1 ? x->starts_ms : x->ends_ms;
    int64_t n = state_order(x) == 1 ? y->starts_ms : y->ends_ms;
    order = (m > n) - (m < n);
    return state_order(x) == 2 ? -order : order;
}

/* A silence is found by matchers that it has itself, just as they are. */
static bool found_by(const struct alert_silence *s, const struct matcher_list *match)
{
    bool all = true;
    for (size_t i = 0; i < match->n && all; i++) {
        const struct matcher_item *want = &match->v[i];
        bool has = false;
        for (size_t k = 0; k < s->matchers.n && !has; k++) {
            const struct matcher_item *m = &s->matchers.v[k];
            has = m->op == want->op && str_eq(m->name, want->name) && str_eq(m->value, want->value);
        }
        all = has;
    }
    return all;
}

static bool state_wanted(const struct input *in, const struct alert_silence *s)
{
    int order = state_order(s);
    return order == 0 ? in->active : order == 1 ? in->pending : in->expired;
}

static void silences_work(struct job *j)
{
    struct input *in = j->context;
    struct alert_silence *v = NULL;
    struct json_writer w;
    struct why why = {0};
    size_t n = 0;
    if (!input_good(j, in))
        return;
    int err = alert_silence_list(engine_of(j), &j->arena, &v, &n, &why);
    if (err != 0) {
        answer_err(j, err, &why);
    } else {
        json_writer_init(&w, &j->body);
        json_begin_array(&w);
        if (n > 1)
            qsort(v, n, sizeof *v, by_state);
        for (size_t i = 0; i < n; i++)
            if (state_wanted(in, &v[i]) && found_by(&v[i], &in->match))
                alert_answer_silence(&w, &v[i]);
        json_end_array(&w);
    }
    matcher_list_done(&in->match);
}

void alertmanager_api_silences(struct http_request *r, void *serve)
{
    start(r, serve, silences_work, true);
}

/* The form that the schema asks for; false where it is answered. */
static bool silence_whole(struct job *j, const struct json_tree *tree)
{
    static const char *const NAMES[] = {"comment", "createdBy", "endsAt", "matchers", "startsAt"};
    for (size_t i = 0; i < COUNTOF(NAMES); i++) {
        if (!json_tree_is_null(json_tree_get(tree, NAMES[i])))
            continue;
        alert_answer_code(j, 422, 602, "%s in body is required", NAMES[i]);
        return false;
    }
    const struct json_tree *matchers = json_tree_get(tree, "matchers");
    if (json_tree_n(matchers) == 0) {
        alert_answer_code(j, 422, 612, "matchers in body should have at least 1 items");
        return false;
    }
    for (size_t i = 0; i < json_tree_n(matchers); i++) {
        static const char *const MEMBERS[] = {"isRegex", "name", "value"};
        for (size_t k = 0; k < COUNTOF(MEMBERS); k++) {
            if (!json_tree_is_null(json_tree_get(&matchers->children[i], MEMBERS[k])))
                continue;
            alert_answer_code(j, 422, 602, "matchers.%zu.%s in body is required", i, MEMBERS[k]);
            return false;
        }
    }
    return true;
}

static void set_silence(struct job *j, struct alert_silence *s)
{
    struct str id = STR("");
    struct json_writer w;
    struct why why = {0};
    if (s->starts_ms >= s->ends_ms)
        alert_answer_text(j, 400, "Failed to create silence: start time must be before end time");
    else if (s->ends_ms < j->now_ms)
        alert_answer_text(j, 400, "Failed to create silence: end time can't be in the past");
    else {
        int err = alert_silence_set(engine_of(j), s, &j->arena, &id, &why);
        if (err == -ERR_NOENT)
            alert_answer_text(j, 404, "silence not found");
        else if (err == -ERR_FORMAT && str_starts(str_c(why.text), STR("invalid silence: ")))
            alert_answer_text(j, 400, "silence invalid: %s",
                              why.text + strlen("invalid silence: "));
        else if (err != 0)
            answer_err(j, err, &why);
        if (err != 0)
            return;
        json_writer_init(&w, &j->body);
        json_begin_object(&w);
        json_key(&w, STR("silenceID"));
        json_text(&w, id);
        json_end_object(&w);
    }
}

static void silence_post_work(struct job *j)
{
    const struct json_tree *tree = NULL;
    struct why why = {0};
    int err = json_tree_parse(http_body(j->request), &j->arena, &tree, &why);
    if (err == 0 && tree->type != JSON_OBJECT)
        err = why_set(&why, ERR_FORMAT, "json: a silence is wanted");
    if (err != 0) {
        alert_answer_code(j, 400, 400, "parsing silence body from \"\" failed, because %s",
                          why.text);
        return;
    }
    if (!silence_whole(j, tree))
        return;
    struct alert_silence s = {
        .id = json_tree_text(tree, "id"),
        .created_by = json_tree_text(tree, "createdBy"),
        .comment = json_tree_text(tree, "comment"),
        .until_resolved = str_eq(json_tree_text(tree, "annotations.until_resolved"), STR("true")) ||
                          json_tree_true(tree, "until_resolved"),
    };
    if (alert_answer_time(json_tree_get(tree, "startsAt"), &s.starts_ms) != 0 ||
        alert_answer_time(json_tree_get(tree, "endsAt"), &s.ends_ms) != 0) {
        alert_answer_code(j, 400, 400,
                          "parsing silence body from \"\" failed, because startsAt or endsAt is no "
                          "time of RFC 3339");
        return;
    }
    err = alert_answer_read_matchers(json_tree_get(tree, "matchers"), &j->arena, &s.matchers, &why);
    if (err != 0)
        alert_answer_text(j, 400, "silence invalid: %s", why.text);
    else
        set_silence(j, &s);
    matcher_list_done(&s.matchers);
}

void alertmanager_api_silence_post(struct http_request *r, void *serve)
{
    start(r, serve, silence_post_work, false);
}

static bool id_good(struct job *j, struct str id)
{
    if (alert_answer_is_uuid(id))
        return true;
    struct str cut = str_sub(id, 0, 200);
    alert_answer_code(j, 422, 601, "silenceID in path must be of type uuid: \"" STR_FMT "\"",
                      STR_ARG(cut));
    return false;
}

static void silence_work(struct job *j)
{
    struct str id = http_segment(j->request, 0);
    struct alert_silence *v = NULL;
    struct json_writer w;
    struct why why = {0};
    size_t n = 0;
    if (!id_good(j, id))
        return;
    int err = alert_silence_list(engine_of(j), &j->arena, &v, &n, &why);
    if (err != 0) {
        answer_err(j, err, &why);
        return;
    }
    json_writer_init(&w, &j->body);
    for (size_t i = 0; i < n; i++) {
        if (!str_eq(v[i].id, id))
            continue;
        alert_answer_silence(&w, &v[i]);
        return;
    }
    alert_answer_empty(j, 404);
}

void alertmanager_api_silence(struct http_request *r, void *serve)
{
    start(r, serve, silence_work, false);
}

static void expire_work(struct job *j)
{
    struct str id = http_segment(j->request, 0);
    struct why why = {0};
    if (!id_good(j, id))
        return;
    int err = alert_silence_expire(engine_of(j), id, &why);
    if (err == -ERR_NOENT)
        alert_answer_text(j, 404, "silence not found");
    else if (err != 0 && err != -ERR_STATE) /* one that is over already stays so */
        answer_err(j, err, &why);
    else
        alert_answer_empty(j, 200);
}

void alertmanager_api_silence_expire(struct http_request *r, void *serve)
{
    start(r, serve, expire_work, false);
}

/* ---- who is told, and the configuration */

static void put_receivers(void *context, const struct plan *plan)
{
    struct json_writer *w = context;
    for (size_t i = 0; i < plan->receivers_n; i++) {
        json_begin_object(w);
        json_key(w, STR("name"));
        json_text(w, plan->receivers[i].name);
        json_end_object(w);
    }
}

static void receivers_work(struct job *j)
{
    const struct serve_alerts *a = &j->serve->config.alerts;
    struct json_writer w;
    json_writer_init(&w, &j->body);
    json_begin_array(&w);
    if (a->plan != NULL)
        a->plan(a->context, put_receivers, &w);
    json_end_array(&w);
}

void alertmanager_api_receivers(struct http_request *r, void *serve)
{
    start(r, serve, receivers_work, false);
}

static void put_original(void *context, const struct plan *plan)
{
    json_text(context, plan->text);
}

static void put_texts(struct json_writer *w, const char *const *v, size_t n)
{
    for (size_t i = 0; i + 1 < n; i += 2) {
        json_key(w, str_c(v[i]));
        json_text(w, str_c(v[i + 1]));
    }
}

static void status_work(struct job *j)
{
    const struct serve_alerts *a = &j->serve->config.alerts;
    const char *revision = j->serve->config.revision;
    const char *const version[] = {"branch",    "",
                                   "buildDate", "",
                                   "buildUser", "",
                                   "goVersion", "",
                                   "revision",  revision != NULL ? revision : "",
                                   "version",   "sonde " SONDE_VERSION};
    struct json_writer w;
    json_writer_init(&w, &j->body);
    json_begin_object(&w);
    json_key(&w, STR("cluster"));
    json_begin_object(&w);
    json_key(&w, STR("peers"));
    json_begin_array(&w);
    json_end_array(&w);
    json_key(&w, STR("status"));
    json_text(&w, STR("disabled"));
    json_end_object(&w);
    json_key(&w, STR("config"));
    json_begin_object(&w);
    json_key(&w, STR("original"));
    if (a->plan != NULL)
        a->plan(a->context, put_original, &w);
    else
        json_text(&w, STR(""));
    json_end_object(&w);
    alert_answer_date(&w, "uptime", j->serve->config.start_ms);
    json_key(&w, STR("versionInfo"));
    json_begin_object(&w);
    put_texts(&w, version, COUNTOF(version));
    json_end_object(&w);
    json_end_object(&w);
}

void alertmanager_api_status(struct http_request *r, void *serve)
{
    start(r, serve, status_work, false);
}
