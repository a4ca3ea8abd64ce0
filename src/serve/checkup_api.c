#include "serve/checkup_api.h"

#include <string.h>

#include "discover/registry.h"
#include "health/checkup.h"
#include "serve/answer.h"
#include "serve/checkup_json.h"
#include "serve/health_api.h"
#include "serve/job.h"
#include "serve/member.h"
#include "serve/param.h"
#include "serve/serve_state.h"
#include "text/json_tree.h"

enum { HISTORY_MAX = 10000, RUN_WAIT_MS = 30000, DAYS_MAX = 366 };

static const int64_t DAY_MS = 86400000;

/* ---- who may */

static bool is_there(struct http_request *r, const struct serve *s)
{
    if (s->config.checkup != NULL)
        return true;
    answer_refuse(r, 404, "not_found", "this server makes no checks");
    return false;
}

static bool may_change(struct http_request *r, const struct serve *s)
{
    bool local = health_api_is_local(r);
    if (!is_there(r, s))
        return false;
    if (s->config.registry != NULL
            ? registry_allows(s->config.registry, http_header(r, STR("Authorization")), local)
            : local)
        return true;
    answer_refuse(r, 403, "forbidden",
                  "changing checks needs Authorization: Bearer with one of register_tokens of "
                  "[discover], or, where there are none, a program on this machine");
    return false;
}

static void fail(struct job *j, int err, const struct why *why)
{
    if (err == -ERR_LIMIT)
        answer_fault(j, 429, "too_many_requests", "%s", why->text[0] ? why->text : err_text(err));
    else
        answer_refusal(j, err, why);
}

/* ---- reading */

static void list_work(struct job *j)
{
    struct checkup_view *v;
    struct json_writer w;
    size_t n;
    checkup_list(j->serve->config.checkup, &j->arena, &v, &n);
    answer_begin(j);
    json_writer_init(&w, &j->body);
    json_begin_array(&w);
    for (size_t i = 0; i < n; i++)
        checkup_json_put(&w, &v[i], false);
    json_end_array(&w);
    answer_end(j, NULL, STR(""));
}

static void answer_one(struct job *j, struct str name)
{
    struct checkup_view v;
    struct json_writer w;
    struct why why = {0};
    int err = checkup_one(j->serve->config.checkup, name, &j->arena, &v);
    if (err != 0) {
        (void)why_set(&why, ERR_NOENT, "there is no check \"" STR_FMT "\"",
                      STR_ARG(str_sub(name, 0, 100)));
        fail(j, err, &why);
        return;
    }
    answer_begin(j);
    json_writer_init(&w, &j->body);
    checkup_json_put(&w, &v, true);
    answer_end(j, NULL, STR(""));
}

static void one_work(struct job *j)
{
    answer_one(j, http_segment(j->request, 0));
}

struct window {
    int64_t from_ms, to_ms;
    uint64_t limit;
};

static void put_change(struct json_writer *w, const struct checkup_change *c)
{
    json_begin_object(w);
    member_whole(w, "time_ms", c->from_ms);
    member_time(w, "end_ms", c->to_ms);
    member_text(w, "status", str_c(checkup_word(c->state)));
    json_key(w, STR("maintenance"));
    json_bool(w, c->maintenance);
    member_text(w, "message", c->message);
    member_number(w, "duration_seconds", c->duration_s);
    json_end_object(w);
}

static void history_work(struct job *j)
{
    const struct window *asked = j->context;
    struct checkup_change *v;
    struct json_writer w;
    struct why why = {0};
    size_t n, limit = asked->limit ? (size_t)asked->limit : 1000;
    int err =
        checkup_history(j->serve->config.checkup, http_segment(j->request, 0), asked->from_ms,
                        asked->to_ms, MIN(limit, (size_t)HISTORY_MAX), &j->arena, &v, &n, &why);
    if (err != 0) {
        fail(j, err, &why);
        return;
    }
    answer_begin(j);
    json_writer_init(&w, &j->body);
    json_begin_array(&w);
    for (size_t i = 0; i < n; i++)
        put_change(&w, &v[i]);
    json_end_array(&w);
    answer_end(j, NULL, STR(""));
}

static void uptime_work(struct job *j)
{
    const int64_t *days = j->context;
    struct standing_sum *v = arena_array(&j->arena, (size_t)*days, sizeof *v);
    struct json_writer w;
    struct why why = {0};
    int64_t end = (j->now_ms / DAY_MS + 1) * DAY_MS; /* days of UTC; today's is in progress */
    int err = checkup_spent(j->serve->config.checkup, http_segment(j->request, 0), end, DAY_MS,
                            (size_t)*days, v);
    if (err != 0) {
        (void)why_set(&why, ERR_NOENT, "there is no such check");
        fail(j, err, &why);
        return;
    }
    answer_begin(j);
    json_writer_init(&w, &j->body);
    json_begin_array(&w);
    for (int64_t i = 0; i < *days; i++) {
        json_begin_object(&w);
        json_key(&w, STR("time_ms"));
        json_i64(&w, end - (*days - i) * DAY_MS);
        checkup_json_sum(&w, &v[i]);
        json_end_object(&w);
    }
    json_end_array(&w);
    answer_end(j, NULL, STR(""));
}

void checkup_api_list(struct http_request *r, void *serve)
{
    if (is_there(r, serve))
        job_start(serve, r, list_work, NULL);
}

void checkup_api_one(struct http_request *r, void *serve)
{
    if (is_there(r, serve))
        job_start(serve, r, one_work, NULL);
}

void checkup_api_history(struct http_request *r, void *serve)
{
    struct serve *s = serve;
    struct window *w = arena_new(http_arena(r), sizeof *w);
    int64_t now = clock_wall_ms(s->config.clock);
    if (is_there(r, s) && param_time(r, STR("from"), 0, &w->from_ms) &&
        param_time(r, STR("to"), now + 1, &w->to_ms) && param_limit(r, STR("limit"), &w->limit))
        job_start(s, r, history_work, w);
}

void checkup_api_uptime(struct http_request *r, void *serve)
{
    int64_t *days = arena_new(http_arena(r), sizeof *days);
    if (!is_there(r, serve) || !param_number(r, STR("days"), 30, days))
        return;
    if (*days < 1 || *days > DAYS_MAX)
        param_refuse(r, STR("days"), "a number from 1 to 366 is expected");
    else
        job_start(serve, r, uptime_work, days);
}

/* ---- groups */

static void put_component(struct json_writer *w, const struct checkup_view *v, size_t n,
                          const char *group)
{
    enum health_state worst = HEALTH_OK;
    bool known = false, maintained = false;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(v[i].settings.group, group) != 0)
            continue;
        maintained = maintained || v[i].maintenance;
        if (v[i].state == HEALTH_UNKNOWN)
            continue;
        known = true;
        worst = MAX(worst,
                    MIN(v[i].state, v[i].settings.required ? HEALTH_UNHEALTHY : HEALTH_DEGRADED));
    }
    json_begin_object(w);
    json_key(w, STR("name"));
    json_text(w, str_c(group));
    json_key(w, STR("status"));
    json_text(w, str_c(checkup_word(known ? worst : HEALTH_UNKNOWN)));
    json_key(w, STR("maintenance"));
    json_bool(w, maintained);
    json_key(w, STR("checks"));
    json_begin_array(w);
    for (size_t i = 0; i < n; i++)
        if (strcmp(v[i].settings.group, group) == 0)
            checkup_json_put(w, &v[i], false);
    json_end_array(w);
    json_end_object(w);
}

static void components_work(struct job *j)
{
    struct serve *s = j->serve;
    struct checkup_view *v;
    struct json_writer w;
    size_t n;
    enum health_state own = health_worst(s->config.health);
    checkup_list(s->config.checkup, &j->arena, &v, &n);
    json_writer_init(&w, &j->body);
    json_begin_object(&w);
    json_key(&w, STR("status"));
    json_text(&w, str_c(checkup_word(MAX(own, checkup_worst(s->config.checkup)))));
    json_key(&w, STR("time_ms"));
    json_i64(&w, j->now_ms);
    json_key(&w, STR("sonde"));
    json_text(&w, str_c(checkup_word(own)));
    json_key(&w, STR("components"));
    json_begin_array(&w);
    for (size_t i = 0; i < n; i++) {
        bool seen = false;
        for (size_t k = 0; k < i && !seen; k++)
            seen = strcmp(v[k].settings.group, v[i].settings.group) == 0;
        if (!seen)
            put_component(&w, v, n, v[i].settings.group);
    }
    json_end_array(&w);
    json_end_object(&w);
}

void checkup_api_components(struct http_request *r, void *serve)
{
    job_start(serve, r, components_work, NULL);
}

/* ---- changing */

static void put_work(struct job *j)
{
    struct checkup *c = j->serve->config.checkup;
    struct str body = http_body(j->request), name = http_segment(j->request, 0);
    const struct json_tree *tree;
    struct why why = {0};
    bool is_new = false;
    int err = json_tree_parse(body, &j->arena, &tree, &why);
    if (err == 0 && name.n == 0)
        name = json_tree_text(tree, "name");
    if (err == 0 && json_tree_get(tree, "state") != NULL)
        err = checkup_report(c, name, body, &is_new, &why);
    else if (err == 0)
        err = checkup_put(c, name, body, &is_new, &why);
    if (err != 0) {
        fail(j, err, &why);
        return;
    }
    answer_one(j, name);
    if (is_new && j->status == 200)
        j->status = 201;
}

static void drop_work(struct job *j)
{
    struct why why = {0};
    int err = checkup_drop(j->serve->config.checkup, http_segment(j->request, 0), &why);
    if (err != 0)
        fail(j, err, &why);
    else
        answer_nothing(j);
}

static void run_work(struct job *j)
{
    struct why why = {0};
    struct str name = http_segment(j->request, 0);
    int err = checkup_run_now(j->serve->config.checkup, name, RUN_WAIT_MS, &why);
    if (err != 0)
        fail(j, err, &why);
    else
        answer_one(j, name);
}

void checkup_api_add(struct http_request *r, void *serve)
{
    if (may_change(r, serve))
        job_start(serve, r, put_work, NULL);
}

void checkup_api_put(struct http_request *r, void *serve)
{
    checkup_api_add(r, serve);
}

void checkup_api_drop(struct http_request *r, void *serve)
{
    if (may_change(r, serve))
        job_start(serve, r, drop_work, NULL);
}

void checkup_api_run(struct http_request *r, void *serve)
{
    if (may_change(r, serve))
        job_start(serve, r, run_work, NULL);
}

/* ---- maintenance */

static void maintenance_work(struct job *j)
{
    struct checkup_maintenance_view *v;
    struct json_writer w;
    size_t n;
    checkup_maintenance_list(j->serve->config.checkup, &j->arena, &v, &n);
    answer_begin(j);
    json_writer_init(&w, &j->body);
    json_begin_array(&w);
    for (size_t i = 0; i < n; i++) {
        json_begin_object(&w);
        json_key(&w, STR("id"));
        json_i64(&w, v[i].id);
        json_key(&w, STR("active"));
        json_bool(&w, v[i].active);
        checkup_settings_write(&checkup_settings_maintenance_options, &v[i].settings, true, &w);
        json_end_object(&w);
    }
    json_end_array(&w);
    answer_end(j, NULL, STR(""));
}

static void maintenance_add_work(struct job *j)
{
    struct why why = {0};
    int64_t id;
    int err = checkup_maintenance_add(j->serve->config.checkup, http_body(j->request), &id, &why);
    if (err != 0) {
        fail(j, err, &why);
        return;
    }
    answer_begin(j);
    buf_printf(&j->body, "{\"id\":%lld}", (long long)id);
    answer_end(j, NULL, STR(""));
    j->status = 201;
}

static void maintenance_drop_work(struct job *j)
{
    struct why why = {0};
    int64_t id;
    int err = -ERR_NOENT;
    if (str_i64(http_segment(j->request, 0), &id))
        err = checkup_maintenance_drop(j->serve->config.checkup, id, &why);
    if (err != 0)
        fail(j, err, &why);
    else
        answer_nothing(j);
}

void checkup_api_maintenance(struct http_request *r, void *serve)
{
    if (is_there(r, serve))
        job_start(serve, r, maintenance_work, NULL);
}

void checkup_api_maintenance_add(struct http_request *r, void *serve)
{
    if (may_change(r, serve))
        job_start(serve, r, maintenance_add_work, NULL);
}

void checkup_api_maintenance_drop(struct http_request *r, void *serve)
{
    if (may_change(r, serve))
        job_start(serve, r, maintenance_drop_work, NULL);
}
