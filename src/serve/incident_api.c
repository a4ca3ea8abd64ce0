#include "serve/incident_api.h"

#include "incident/incident.h"
#include "incident/incident_moved.h"
#include "serve/answer.h"
#include "serve/job.h"
#include "serve/member.h"
#include "serve/param.h"
#include "serve/serve_state.h"
#include "text/json.h"
#include "text/json_tree.h"

enum { SENTENCE_MAX = 8192 };

static struct incidents *incidents_of(struct http_request *r, const struct serve *s)
{
    if (!s->config.incidents)
        answer_refuse(r, 404, "not_found", "incidents are switched off (incident.enabled)");
    return s->config.incidents;
}

/* ---- looking */

/* The members of an object that is begun. */
static void put_incident(struct json_writer *w, const struct incident *v)
{
    json_key(w, STR("id"));
    json_i64(w, v->id);
    member_text(w, "state", v->open ? STR("open") : STR("closed"));
    member_time(w, "opened_ms", v->opened_ms);
    member_time(w, "closed_ms", v->closed_ms);
    member_text(w, "title", v->title);
    member_text(w, "summary", v->summary);
    member_text(w, "severity", v->severity);
    json_key(w, STR("alerts_n"));
    json_u64(w, v->problems);
    json_key(w, STR("firing_n"));
    json_u64(w, v->firing);
    member_time(w, "merged_into", v->merged_into);
    member_labels(w, "labels", v->labels);
}

static void list_work(struct job *j)
{
    struct why why = {0};
    struct incident *v;
    struct json_writer w;
    size_t n;
    int err = incident_list(j->serve->config.incidents, j->context, &j->arena, &v, &n, &why);
    if (err) {
        answer_refusal(j, err, &why);
        return;
    }
    answer_begin(j);
    json_writer_init(&w, &j->body);
    json_begin_array(&w);
    for (size_t i = 0; i < n; i++) {
        json_begin_object(&w);
        put_incident(&w, &v[i]);
        json_end_object(&w);
    }
    json_end_array(&w);
    answer_end(j, NULL, STR(""));
}

void incident_api_list(struct http_request *r, void *serve)
{
    struct incident_query *q = arena_new(http_arena(r), sizeof *q);
    struct str state;
    uint64_t limit;
    if (!incidents_of(r, serve) || !param_time(r, STR("start"), 0, &q->from_ms) ||
        !param_time(r, STR("end"), 0, &q->to_ms) || !param_limit(r, STR("limit"), &limit))
        return;
    q->limit = (size_t)limit;
    q->open_only = http_param(r, STR("state"), &state) && str_eq(state, STR("open"));
    job_start(serve, r, list_work, q);
}

static void put_problems(struct json_writer *w, const struct incident_full *f)
{
    json_key(w, STR("alerts"));
    json_begin_array(w);
    for (size_t i = 0; i < f->problems_n; i++) {
        const struct incident_problem *p = &f->problems[i];
        json_begin_object(w);
        member_text(w, "title", p->title);
        member_text(w, "severity", p->severity);
        member_time(w, "starts_ms", p->starts_ms);
        member_time(w, "ends_ms", p->ends_ms);
        member_labels(w, "labels", p->labels);
        json_end_object(w);
    }
    json_end_array(w);
}

static void put_moved(struct json_writer *w, const struct incident_full *f)
{
    struct buf say;
    buf_init(&say, SENTENCE_MAX);
    json_key(w, STR("moved"));
    json_begin_array(w);
    for (size_t i = 0; i < f->moved_n; i++) {
        const struct incident_moved *m = &f->moved[i];
        json_begin_object(w);
        member_labels(w, "metric", m->key);
        json_key(w, STR("before"));
        json_number(w, m->before);
        json_key(w, STR("after"));
        json_number(w, m->after);
        json_key(w, STR("score"));
        json_number(w, m->score);
        json_key(w, STR("rate"));
        json_bool(w, m->rate);
        buf_clear(&say);
        incident_moved_say(m, &say);
        member_text(w, "text", buf_str(&say));
        json_end_object(w);
    }
    json_end_array(w);
    buf_done(&say);
}

static void put_timeline(struct json_writer *w, const struct incident_full *f)
{
    json_key(w, STR("timeline"));
    json_begin_array(w);
    for (size_t i = 0; i < f->timeline_n; i++) {
        const struct incident_entry *e = &f->timeline[i];
        json_begin_object(w);
        member_time(w, "time_ms", e->time_ms);
        member_time(w, "end_ms", e->end_ms);
        member_text(w, "kind", e->kind);
        member_text(w, "title", e->title);
        member_text(w, "text", e->text);
        member_text(w, "source", e->source);
        member_labels(w, "labels", e->labels);
        json_end_object(w);
    }
    json_end_array(w);
}

static void one_work(struct job *j)
{
    struct why why = {0};
    struct incident_full full;
    struct json_writer w;
    int64_t id;
    int err = str_i64(http_segment(j->request, 0), &id)
                  ? incident_get(j->serve->config.incidents, id, &j->arena, &full, &why)
                  : why_set(&why, ERR_FORMAT, "an incident's id is a number");
    if (err) {
        answer_refusal(j, err, &why);
        return;
    }
    answer_begin(j);
    json_writer_init(&w, &j->body);
    json_begin_object(&w);
    put_incident(&w, &full.incident);
    member_time(&w, "before_ms", full.before_ms);
    put_problems(&w, &full);
    put_moved(&w, &full);
    put_timeline(&w, &full);
    json_end_object(&w);
    answer_end(j, NULL, STR(""));
}

void incident_api_one(struct http_request *r, void *serve)
{
    if (incidents_of(r, serve))
        job_start(serve, r, one_work, NULL);
}

/* ---- people: {"who":.., "text":.., "into":..} */

enum deed { DEED_NOTE, DEED_CLOSE, DEED_MERGE };

static int do_it(struct job *j, enum deed deed, int64_t id, struct why *why)
{
    struct incidents *i = j->serve->config.incidents;
    struct str body = http_body(j->request);
    const struct json_tree *tree = NULL;
    int err = str_trim(body).n ? json_tree_parse(body, &j->arena, &tree, why) : 0;
    if (err)
        return err;
    struct str who = json_tree_text(tree, "who");
    if (deed == DEED_NOTE)
        return incident_note(i, id, who, json_tree_text(tree, "text"), why);
    if (deed == DEED_CLOSE)
        return incident_end(i, id, who, why);
    return incident_merge(i, id, json_tree_whole(tree, "into"), who, why);
}

static void deed_work(struct job *j)
{
    struct why why = {0};
    int64_t id;
    int err = str_i64(http_segment(j->request, 0), &id)
                  ? do_it(j, *(const enum deed *)j->context, id, &why)
                  : why_set(&why, ERR_FORMAT, "an incident's id is a number");
    if (err)
        answer_refusal(j, err, &why);
    else
        answer_nothing(j);
}

static void begin(struct http_request *r, void *serve, enum deed deed)
{
    enum deed *own = arena_new(http_arena(r), sizeof *own);
    *own = deed;
    if (incidents_of(r, serve))
        job_start(serve, r, deed_work, own);
}

void incident_api_note(struct http_request *r, void *serve)
{
    begin(r, serve, DEED_NOTE);
}

void incident_api_close(struct http_request *r, void *serve)
{
    begin(r, serve, DEED_CLOSE);
}

void incident_api_merge(struct http_request *r, void *serve)
{
    begin(r, serve, DEED_MERGE);
}
