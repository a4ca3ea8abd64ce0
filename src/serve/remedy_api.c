#include "serve/remedy_api.h"

#include "remedy/remedy.h"
#include "serve/answer.h"
#include "serve/job.h"
#include "serve/member.h"
#include "serve/param.h"
#include "serve/serve_state.h"
#include "text/json.h"

static struct remedies *remedies_of(struct http_request *r, const struct serve *s)
{
    if (!s->config.remedies)
        answer_refuse(r, 404, "not_found", "this server has no runbook");
    return s->config.remedies;
}

static void put_list(struct json_writer *w, const char *key, const struct option_list *list)
{
    json_key(w, str_c(key));
    json_begin_array(w);
    for (size_t i = 0; i < list->n; i++)
        json_text(w, str_c(list->v[i]));
    json_end_array(w);
}

static void put_view(struct json_writer *w, const struct remedy_view *v)
{
    const struct remedy_row *row = v->row;
    json_begin_object(w);
    member_text(w, "name", str_c(row->name));
    put_list(w, "match", &row->match);
    member_text(w, "action", str_c(row->action));
    member_text(w, "program", str_c(row->program));
    put_list(w, "command", &row->command);
    member_whole(w, "for_seconds", row->for_seconds);
    member_whole(w, "runs_max", row->runs_max);
    member_whole(w, "window_seconds", row->window_seconds);
    member_whole(w, "cooldown_seconds", row->cooldown_seconds);
    member_whole(w, "runs_in_window", (int64_t)v->runs_in_window);
    member_whole(w, "firing_n", (int64_t)v->firing);
    json_key(w, STR("dry_run"));
    json_bool(w, v->dry_run);
    json_key(w, STR("busy"));
    json_bool(w, v->busy);
    member_time(w, "last_ms", v->last_ms);
    member_text(w, "last_outcome", v->last_outcome);
    json_end_object(w);
}

static void list_work(struct job *j)
{
    struct remedies *r = j->serve->config.remedies;
    struct remedy_view *v;
    struct json_writer w;
    size_t n;
    remedy_list(r, &j->arena, &v, &n);
    answer_begin(j);
    json_writer_init(&w, &j->body);
    json_begin_object(&w);
    json_key(&w, STR("enabled"));
    json_bool(&w, remedy_enabled(r));
    json_key(&w, STR("remedies"));
    json_begin_array(&w);
    for (size_t i = 0; i < n; i++)
        put_view(&w, &v[i]);
    json_end_array(&w);
    json_end_object(&w);
    answer_end(j, NULL, STR(""));
}

void remedy_api_list(struct http_request *r, void *serve)
{
    if (remedies_of(r, serve))
        job_start(serve, r, list_work, NULL);
}

struct history {
    struct str name;
    uint64_t limit;
};

static void put_record(struct json_writer *w, const struct remedy_record *v)
{
    json_begin_object(w);
    member_whole(w, "id", v->id);
    member_whole(w, "time_ms", v->time_ms);
    member_whole(w, "duration_ms", v->duration_ms);
    member_text(w, "name", v->name);
    member_text(w, "who", v->who);
    member_text(w, "action", v->action);
    member_text(w, "outcome", v->outcome);
    member_text(w, "text", v->text);
    member_labels(w, "labels", v->labels);
    json_end_object(w);
}

static void history_work(struct job *j)
{
    const struct history *h = j->context;
    struct why why = {0};
    struct remedy_record *v;
    struct json_writer w;
    size_t n;
    int err = remedy_history(j->serve->config.remedies, h->name, (size_t)h->limit, &j->arena, &v,
                             &n, &why);
    if (err) {
        answer_failure(j, err, &why);
        return;
    }
    answer_begin(j);
    json_writer_init(&w, &j->body);
    json_begin_array(&w);
    for (size_t i = 0; i < n; i++)
        put_record(&w, &v[i]);
    json_end_array(&w);
    answer_end(j, NULL, STR(""));
}

void remedy_api_history(struct http_request *r, void *serve)
{
    struct history *h = arena_new(http_arena(r), sizeof *h);
    struct str name;
    if (!remedies_of(r, serve) || !param_limit(r, STR("limit"), &h->limit))
        return;
    if (http_param(r, STR("name"), &name))
        h->name = name;
    job_start(serve, r, history_work, h);
}

/* ---- by hand */

struct hand {
    struct str who;
    bool dry_run;
};

static void run_work(struct job *j)
{
    const struct hand *h = j->context;
    struct why why = {0};
    struct str text;
    struct json_writer w;
    bool ok;
    int err = remedy_by_hand(j->serve->config.remedies, http_segment(j->request, 0), h->who,
                             h->dry_run, &j->arena, &ok, &text, &why);
    if (err == -ERR_NOENT) {
        answer_fault(j, 404, "not_found", "%s", why.text);
        return;
    }
    if (err) {
        answer_failure(j, err, &why);
        return;
    }
    answer_begin(j);
    json_writer_init(&w, &j->body);
    json_begin_object(&w);
    member_text(&w, "outcome",
                !ok          ? STR("failed")
                : h->dry_run ? STR("dry run")
                             : STR("succeeded"));
    member_text(&w, "text", text);
    json_end_object(&w);
    answer_end(j, NULL, STR(""));
}

void remedy_api_run(struct http_request *r, void *serve)
{
    struct hand *h = arena_new(http_arena(r), sizeof *h);
    struct str value;
    if (!remedies_of(r, serve))
        return;
    if (http_param(r, STR("dry_run"), &value) && !param_parse_bool(value, &h->dry_run)) {
        param_refuse(r, STR("dry_run"), "must be true or false");
        return;
    }
    if (http_param(r, STR("who"), &value))
        h->who = value;
    job_start(serve, r, run_work, h);
}
