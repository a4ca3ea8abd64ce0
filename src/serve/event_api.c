#include "serve/event_api.h"

#include "event/event.h"
#include "event/event_json.h"
#include "serve/answer.h"
#include "serve/job.h"
#include "serve/param.h"
#include "serve/serve_state.h"
#include "text/json.h"

enum { FILTERS_MAX = 16 };

/* Grafana asks for so much of the past where it does not say. */
static const int64_t ANNOTATIONS_MS = 7LL * 24 * 3600 * 1000;

/* The events of a server, or an answer that there are none. */
static struct events *events_of(struct http_request *r, const struct serve *s)
{
    if (!s->config.events)
        answer_refuse(r, 404, "not_found", "this server keeps no events");
    return s->config.events;
}

/* ---- adding */

static void add_work(struct job *j)
{
    const struct event like = {.kind = STR("note"), .source = STR("api")};
    struct why why = {0};
    struct event *v;
    size_t n;
    int err = event_json_read(http_body(j->request), &like, &j->arena, &v, &n, &why);
    int64_t *ids = err ? NULL : arena_array(&j->arena, n, sizeof *ids);
    size_t failed = 0;
    if (!err)
        err = event_add_all(j->serve->config.events, v, n, ids, &failed, &why);
    if (err == -ERR_FORMAT && ids && n > 1)
        why_prefix(&why, "event %zu", failed);
    if (err) {
        answer_refusal(j, err, &why);
        return;
    }
    answer_begin(j);
    struct json_writer w;
    json_writer_init(&w, &j->body);
    json_begin_object(&w);
    json_key(&w, STR("ids"));
    json_begin_array(&w);
    for (size_t i = 0; i < n; i++)
        json_i64(&w, ids[i]);
    json_end_array(&w);
    json_end_object(&w);
    answer_end(j, NULL, STR(""));
}

void event_api_add(struct http_request *r, void *serve)
{
    if (events_of(r, serve))
        job_start(serve, r, add_work, NULL);
}

/* ---- listing */

/* start, end, kind, source, label=NAME=VALUE .., limit, before_id; in the request's arena. */
static struct event_query *query_of(struct http_request *r)
{
    struct event_query *q = arena_new(http_arena(r), sizeof *q);
    struct str *equal = arena_array(http_arena(r), FILTERS_MAX, sizeof *equal), value;
    uint64_t limit;
    if (!param_time(r, STR("start"), 0, &q->from_ms) || !param_time(r, STR("end"), 0, &q->to_ms) ||
        !param_limit(r, STR("limit"), &limit) ||
        !param_number(r, STR("before_id"), 0, &q->before_id))
        return NULL;
    while (q->equal_n < FILTERS_MAX && http_param_at(r, STR("label"), q->equal_n, &value)) {
        if (str_find(value, '=') == value.n) {
            param_refuse(r, STR("label"), "must be NAME=VALUE");
            return NULL;
        }
        equal[q->equal_n++] = value;
    }
    if (http_param(r, STR("kind"), &value))
        q->kind = value;
    if (http_param(r, STR("source"), &value))
        q->source = value;
    q->equal = equal;
    q->limit = (size_t)limit;
    return q;
}

static int put_list(struct job *j, void (*put)(const struct event *v, struct buf *out))
{
    struct why why = {0};
    struct event *v;
    size_t n;
    int err = event_list(j->serve->config.events, j->context, &j->arena, &v, &n, &why);
    if (err) {
        answer_refusal(j, err, &why);
        return err;
    }
    buf_put_c(&j->body, '[');
    for (size_t i = 0; i < n; i++) {
        buf_put_str(&j->body, i ? STR(",") : STR(""));
        put(&v[i], &j->body);
    }
    buf_put_c(&j->body, ']');
    return 0;
}

static void list_work(struct job *j)
{
    answer_begin(j);
    if (put_list(j, event_json_put) == 0)
        answer_end(j, NULL, STR(""));
}

void event_api_list(struct http_request *r, void *serve)
{
    struct event_query *q;
    if (events_of(r, serve) && (q = query_of(r)))
        job_start(serve, r, list_work, q);
}

static void delete_work(struct job *j)
{
    struct why why = {0};
    int64_t id;
    int err = str_i64(http_segment(j->request, 0), &id)
                  ? event_delete(j->serve->config.events, id, &why)
                  : why_set(&why, ERR_FORMAT, "an event's id is a number");
    if (err)
        answer_refusal(j, err, &why);
    else
        answer_nothing(j);
}

void event_api_delete(struct http_request *r, void *serve)
{
    if (events_of(r, serve))
        job_start(serve, r, delete_work, NULL);
}

/* ---- Grafana */

static void annotate_work(struct job *j)
{
    struct why why = {0};
    struct event v;
    int64_t id;
    int err = event_json_read_annotation(http_body(j->request), &j->arena, &v, &why);
    if (!err)
        err = event_add_now(j->serve->config.events, &v, &id, &why);
    if (err)
        answer_refusal(j, err, &why);
    else
        buf_printf(&j->body, "{\"message\":\"Annotation added\",\"id\":%lld}", (long long)id);
}

void event_api_annotate(struct http_request *r, void *serve)
{
    if (events_of(r, serve))
        job_start(serve, r, annotate_work, NULL);
}

static void annotations_work(struct job *j)
{
    (void)put_list(j, event_json_put_annotation); /* a failure is in the answer already */
}

void event_api_annotations(struct http_request *r, void *serve)
{
    struct serve *s = serve;
    struct event_query *q = arena_new(http_arena(r), sizeof *q);
    uint64_t limit;
    int64_t now_ms = clock_wall_ms(s->config.clock);
    if (!events_of(r, s) || !param_number(r, STR("from"), now_ms - ANNOTATIONS_MS, &q->from_ms) ||
        !param_number(r, STR("to"), 0, &q->to_ms) || !param_limit(r, STR("limit"), &limit))
        return;
    q->limit = limit ? (size_t)limit : 100;
    job_start(s, r, annotations_work, q);
}
