#include "serve/admin_api.h"

#include "serve/answer.h"
#include "serve/health_api.h"
#include "serve/job.h"
#include "text/json.h"

static void finish(struct job *j, int err, const struct why *why)
{
    if (err != 0) {
        answer_failure(j, err, why);
        return;
    }
    j->status = 204;
    j->type = STR("");
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

static void start(struct http_request *r, struct serve *s, void (*work)(struct job *j))
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
    start(r, serve, flush_work);
}

void admin_api_merge(struct http_request *r, void *serve)
{
    start(r, serve, merge_work);
}

void admin_api_snapshot(struct http_request *r, void *serve)
{
    start(r, serve, snapshot_work);
}
