#include "serve/admin_api.h"

#include "serve/answer.h"
#include "serve/health_api.h"
#include "serve/job.h"
#include "serve/param.h"
#include "text/json.h"

static void finish(struct job *j, int err, const struct why *why)
{
    if (err != 0)
        answer_failure(j, err, why);
    else
        answer_nothing(j);
}

static void flush_work(struct job *j)
{
    const struct serve_admin *admin = &j->serve->config.admin;
    struct why why = {0};
    int err = admin->flush(admin->context, &why);
    finish(j, err, &why);
}

static void merge_work(struct job *j)
{
    const struct serve_admin *admin = &j->serve->config.admin;
    struct why why = {0};
    int err = admin->flush(admin->context, &why);
    if (err == 0)
        err = admin->merge(admin->context, &why);
    finish(j, err, &why);
}

static void snapshot_work(struct job *j)
{
    const struct serve_admin *admin = &j->serve->config.admin;
    struct why why = {0};
    struct str name;
    int err = admin->snapshot(admin->context, &j->arena, &name, &why);
    if (err != 0) {
        answer_failure(j, err, &why);
        return;
    }
    for (size_t at; (at = str_find(name, '/')) < name.n;)
        name = str_sub(name, at + 1, name.n);
    answer_begin(j);
    buf_put_str(&j->body, STR("{\"name\":"));
    json_put_text(&j->body, name);
    buf_put_c(&j->body, '}');
    answer_end(j, NULL, STR(""));
}

/* What only an operator on this machine may ask for. */
static void start_here(struct http_request *r, struct serve *s, void (*work)(struct job *j))
{
    if (s->config.admin.flush == NULL)
        http_reply_error(r, 404, -ERR_NOENT, "this server has no store of its own");
    else if (!health_api_is_local(r))
        http_reply_error(r, 403, -ERR_DENIED, "only from this machine itself");
    else
        job_start(s, r, work, NULL);
}

void admin_api_flush(struct http_request *r, void *serve)
{
    start_here(r, serve, flush_work);
}

void admin_api_merge(struct http_request *r, void *serve)
{
    start_here(r, serve, merge_work);
}

void admin_api_snapshot_here(struct http_request *r, void *serve)
{
    start_here(r, serve, snapshot_work);
}

/* ---- as Prometheus has them */

bool admin_api_enabled(const struct serve *s, struct http_request *r)
{
    if (!s->config.admin_api || s->config.admin.flush == NULL)
        answer_refuse(r, 500, "unavailable", "admin APIs disabled");
    return s->config.admin_api && s->config.admin.flush != NULL;
}

void admin_api_snapshot(struct http_request *r, void *serve)
{
    struct serve *s = serve;
    struct str text;
    bool skip;
    if (!admin_api_enabled(s, r))
        return;
    /* What is in memory is written into parts first, so that there is no head to skip. */
    if (http_param(r, STR("skip_head"), &text) && text.n && !param_parse_bool(text, &skip)) {
        struct str cut = str_sub(text, 0, 200);
        answer_refuse(r, 400, "bad_data",
                      "invalid parameter \"skip_head\": unable to parse boolean: "
                      "strconv.ParseBool: parsing \"" STR_FMT "\": invalid syntax",
                      STR_ARG(cut));
        return;
    }
    job_start(s, r, snapshot_work, NULL);
}

void admin_api_clean(struct http_request *r, void *serve)
{
    if (admin_api_enabled(serve, r))
        job_start(serve, r, merge_work, NULL);
}
