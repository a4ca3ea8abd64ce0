#include "serve/job.h"

#include "base/mem.h"
#include "os/loop.h"
#include "pack/pack.h"

enum { PACK_FROM = 64 * 1024 /* bytes; shorter bodies are packed by the server on the loop */ };

struct str job_tenant(const struct http_request *r)
{
    struct str name = http_header(r, STR("X-Scope-OrgID"));
    return name.n ? name : STR("default");
}

static bool tenant_good(struct str name)
{
    if (name.n == 0 || name.n > TENANT_NAME_MAX || name.p[0] == '.')
        return false;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '_' || c == '.' || c == '-';
        if (!good)
            return false;
    }
    return true;
}

static void job_free(struct job *j)
{
    buf_done(&j->body);
    arena_done(&j->arena);
    mem_free(j);
}

static void answer(void *context)
{
    struct job *j = context;
    if (j->encoding.n)
        http_reply_header(j->request, STR("Content-Encoding"), j->encoding);
    http_reply(j->request, j->status, j->type, buf_str(&j->body));
    job_free(j);
}

/* Packs a long body where the client takes gzip; the header goes with it on the loop. */
static void answer_packed(void *context)
{
    struct job *j = context;
    j->encoding = STR("gzip");
    http_reply_header(j->request, STR("Vary"), STR("Accept-Encoding"));
    answer(j);
}

static bool pack_body(struct job *j)
{
    struct buf packed;
    if (j->body.n < PACK_FROM || j->encoding.n ||
        str_search(http_header(j->request, STR("Accept-Encoding")), STR("gzip")) ==
            http_header(j->request, STR("Accept-Encoding")).n)
        return false;
    buf_init(&packed, j->body.n);
    if (pack_pack(PACK_GZIP, 1, buf_str(&j->body), &packed) != 0) {
        buf_done(&packed); /* it does not shrink: sent as it is */
        return false;
    }
    buf_done(&j->body);
    j->body = packed;
    return true;
}

void job_answer(struct job *j)
{
    loop_post(http_loop(j->request), answer, j);
}

static void do_work(struct job *j)
{
    j->work(j);
    if (!buf_failed(&j->body))
        return;
    size_t max = j->body.max;
    buf_done(&j->body);
    buf_init(&j->body, SERVE_ANSWER_MAX);
    j->status = 422;
    buf_printf(&j->body,
               "{\"status\":\"error\",\"errorType\":\"execution\",\"error\":\"the answer "
               "is larger than %zu MiB: ask for fewer series, a shorter time or a limit\"}",
               max >> 20);
}

void job_run(void *context)
{
    struct job *j = context;
    struct loop *loop = http_loop(j->request);
    do_work(j);
    loop_post(loop, pack_body(j) ? answer_packed : answer, j);
}

void job_run_here(struct job *j)
{
    do_work(j);
    answer(j);
}

struct job *job_new(struct serve *s, struct http_request *r, void (*work)(struct job *j),
                    void *context)
{
    struct str tenant = job_tenant(r);
    if (!tenant_good(tenant)) {
        http_reply_error(r, 400, -ERR_FORMAT,
                         "the header X-Scope-OrgID must be a tenant's name: up to 64 of a-z, A-Z, "
                         "0-9, '_', '.', '-', not starting with '.'");
        return NULL;
    }
    struct job *j = mem_new(sizeof *j);
    j->serve = s;
    j->request = r;
    j->work = work;
    j->context = context;
    j->status = 200;
    j->type = STR("application/json");
    j->tenant = s->config.store->ops->tenant(s->config.store, tenant);
    j->now_ms = clock_wall_ms(s->config.clock);
    arena_init(&j->arena);
    buf_init(&j->body, SERVE_ANSWER_MAX);
    return j;
}

void job_start(struct serve *s, struct http_request *r, void (*work)(struct job *j), void *context)
{
    struct job *j = job_new(s, r, work, context);
    if (j && pool_run(s->config.pool, job_run, j) != 0) {
        job_free(j);
        http_reply_error(r, 503, -ERR_BUSY, "too many queries are waiting: try again in a moment");
    }
}

int job_each_series(struct job *j, const struct select *how,
                    int (*take)(void *context, const struct series_view *view, struct why *why),
                    void *context, struct why *why)
{
    struct series_store *store = j->serve->config.store;
    struct series_cursor *cursor;
    struct series_view view;
    int err = store->ops->select(store, j->tenant, how, &cursor, why);
    if (err)
        return err;
    while ((err = store->ops->next(cursor, &view, why)) == 1) {
        err = take(context, &view, why);
        if (err || http_gone(j->request))
            break;
    }
    store->ops->close(cursor);
    return err;
}
