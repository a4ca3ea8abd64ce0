#include "serve/checkin_api.h"

#include "checkin/checkin.h"
#include "serve/answer.h"
#include "serve/job.h"
#include "serve/member.h"
#include "serve/param.h"
#include "serve/serve_state.h"
#include "text/json.h"

enum { EXIT_MAX = 255 };

static struct checkins *checkins_of(struct http_request *r, const struct serve *s)
{
    if (!s->config.checkins)
        answer_refuse(r, 404, "not_found", "this server takes no check-ins");
    return s->config.checkins;
}

static void fail(struct job *j, int err, const struct why *why)
{
    if (err == -ERR_LIMIT)
        answer_fault(j, 429, "too_many_requests", "%s", why->text[0] ? why->text : err_text(err));
    else
        answer_refusal(j, err, why);
}

/* ---- pings */

struct ping {
    struct checkin_ping ping;
    struct checkin_schedule schedule;
};

static void ping_work(struct job *j)
{
    const struct ping *p = j->context;
    struct why why = {0};
    int err = checkin_ping(j->serve->config.checkins, http_segment(j->request, 0), &p->ping,
                           &p->schedule, &why);
    if (err) {
        fail(j, err, &why);
        return;
    }
    j->type = STR("text/plain; charset=utf-8");
    buf_put_str(&j->body, STR("OK"));
}

/* start, fail, success or an exit code behind the name. */
static bool read_kind(struct http_request *r, struct checkin_ping *ret)
{
    struct str word = http_segment(r, 1);
    uint64_t exit = 0;
    ret->kind = CHECKIN_SUCCESS;
    ret->exit = ret->duration_ms = -1;
    if (word.n == 0 || str_eq(word, STR("success"))) {
        ret->exit = word.n ? 0 : -1;
    } else if (str_eq(word, STR("start"))) {
        ret->kind = CHECKIN_START;
    } else if (str_eq(word, STR("fail"))) {
        ret->kind = CHECKIN_FAIL;
    } else if (str_u64(word, &exit) && exit <= EXIT_MAX) {
        ret->kind = exit ? CHECKIN_FAIL : CHECKIN_SUCCESS;
        ret->exit = (int64_t)exit;
    } else {
        answer_refuse(r, 400, "bad_data",
                      "behind a check-in's name stands start, fail, success or an exit code");
        return false;
    }
    return true;
}

static bool read_schedule(struct http_request *r, struct checkin_schedule *ret)
{
    struct str value;
    if (http_param(r, STR("cron"), &value))
        ret->cron = value;
    if (http_param(r, STR("zone"), &value))
        ret->zone = value;
    enum { GRACE_MS = 300 * 1000 };
    return param_duration(r, STR("every"), 0, &ret->every_ms) &&
           param_duration(r, STR("grace"), GRACE_MS, &ret->grace_ms) &&
           param_duration(r, STR("max_runtime"), 0, &ret->max_runtime_ms);
}

/* A GET of a ping changes something: no page of another site may make one. */
static bool is_own(struct http_request *r)
{
    struct str site = http_header(r, STR("Sec-Fetch-Site"));
    if (site.n == 0 || str_eq(site, STR("same-origin")) || str_eq(site, STR("none")))
        return true;
    answer_refuse(r, 403, "forbidden", "check-ins are not taken from pages of other sites");
    return false;
}

void checkin_api_ping(struct http_request *r, void *serve)
{
    struct ping *p = arena_new(http_arena(r), sizeof *p);
    if (!checkins_of(r, serve) || !is_own(r) || !read_kind(r, &p->ping) ||
        !read_schedule(r, &p->schedule))
        return;
    p->ping.output = http_body(r);
    if (!param_number(r, STR("duration_ms"), -1, &p->ping.duration_ms))
        return;
    job_start(serve, r, ping_work, p);
}

/* ---- looking */

static void put_schedule(struct json_writer *w, const struct checkin_schedule *s)
{
    member_time(w, "every_ms", s->every_ms);
    member_text(w, "cron", s->cron);
    member_text(w, "zone", s->zone);
    member_whole(w, "grace_ms", s->grace_ms);
    member_time(w, "max_runtime_ms", s->max_runtime_ms);
}

/* The members of an object that is begun. */
static void put_view(struct json_writer *w, const struct checkin_view *v)
{
    const struct {
        const char *key;
        struct str text;
    } texts[] = {{"name", v->name},
                 {"title", v->title},
                 {"severity", v->severity},
                 {"state", str_c(checkin_state_text(v->state))},
                 {"made_by", v->configured ? STR("configuration") : STR("ping")}};
    for (size_t i = 0; i < COUNTOF(texts); i++)
        member_text(w, texts[i].key, texts[i].text);
    put_schedule(w, &v->schedule);
    member_time(w, "since_ms", v->since_ms);
    member_time(w, "created_ms", v->created_ms);
    member_time(w, "start_ms", v->start_ms);
    member_time(w, "end_ms", v->end_ms);
    member_time(w, "success_ms", v->success_ms);
    member_time(w, "due_ms", v->due_ms);
    member_known(w, "duration_ms", v->duration_ms, v->duration_ms >= 0);
    member_known(w, "exit_code", v->exit, v->exit >= 0);
    member_whole(w, "pings", v->pings);
    member_labels(w, "labels", v->labels);
}

static void list_work(struct job *j)
{
    struct checkin_view *v;
    struct json_writer w;
    size_t n;
    checkin_list(j->serve->config.checkins, &j->arena, &v, &n);
    answer_begin(j);
    json_writer_init(&w, &j->body);
    json_begin_array(&w);
    for (size_t i = 0; i < n; i++) {
        json_begin_object(&w);
        put_view(&w, &v[i]);
        json_end_object(&w);
    }
    json_end_array(&w);
    answer_end(j, NULL, STR(""));
}

static void put_pings(struct json_writer *w, const struct checkin_ping *v, size_t n)
{
    json_key(w, STR("history"));
    json_begin_array(w);
    for (size_t i = 0; i < n; i++) {
        json_begin_object(w);
        member_whole(w, "time_ms", v[i].time_ms);
        member_text(w, "kind", str_c(checkin_kind_text(v[i].kind)));
        member_known(w, "exit_code", v[i].exit, v[i].exit >= 0);
        member_known(w, "duration_ms", v[i].duration_ms, v[i].duration_ms >= 0);
        member_text(w, "output", v[i].output);
        json_end_object(w);
    }
    json_end_array(w);
}

static void one_work(struct job *j)
{
    struct checkins *c = j->serve->config.checkins;
    struct str name = http_segment(j->request, 0);
    struct why why = {0};
    struct checkin_view v;
    struct checkin_ping *pings;
    struct json_writer w;
    size_t n;
    int err = checkin_one(c, name, &j->arena, &v, &why);
    if (!err)
        err = checkin_pings(c, name, &j->arena, &pings, &n, &why);
    if (err) {
        fail(j, err, &why);
        return;
    }
    answer_begin(j);
    json_writer_init(&w, &j->body);
    json_begin_object(&w);
    put_view(&w, &v);
    put_pings(&w, pings, n);
    json_end_object(&w);
    answer_end(j, NULL, STR(""));
}

static void delete_work(struct job *j)
{
    struct why why = {0};
    int err = checkin_delete(j->serve->config.checkins, http_segment(j->request, 0), &why);
    if (err)
        fail(j, err, &why);
    else
        answer_nothing(j);
}

void checkin_api_list(struct http_request *r, void *serve)
{
    if (checkins_of(r, serve))
        job_start(serve, r, list_work, NULL);
}

void checkin_api_one(struct http_request *r, void *serve)
{
    if (checkins_of(r, serve))
        job_start(serve, r, one_work, NULL);
}

void checkin_api_delete(struct http_request *r, void *serve)
{
    if (checkins_of(r, serve))
        job_start(serve, r, delete_work, NULL);
}
