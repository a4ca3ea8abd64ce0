#include "serve/query_list_api.h"

#include "serve/health_api.h"
#include "serve/query_registry.h"
#include "text/json.h"
#include "text/number.h"

enum { LIST_MAX = 64 * 1024 * 1024 };

static void put_seconds(struct buf *b, const char *name, int64_t ns)
{
    buf_printf(b, ",\"%s\":", name);
    number_put(b, (double)ns / 1e9);
}

static void put_count(struct buf *b, const char *name, uint64_t n)
{
    buf_printf(b, ",\"%s\":%llu", name, (unsigned long long)n);
}

struct list {
    struct buf *b;
    bool any;
};

static void put_query(void *context, const struct query_view *v)
{
    struct list *list = context;
    struct buf *b = list->b;
    buf_put_str(b, list->any ? STR(",{\"id\":") : STR("{\"id\":"));
    list->any = true;
    buf_put_u64(b, v->id);
    buf_put_str(b, STR(",\"tenant\":"));
    json_put_text(b, v->tenant);
    buf_put_str(b, STR(",\"query\":"));
    json_put_text(b, v->text);
    buf_printf(b, ",\"kind\":\"%s\",\"client\":", v->kind);
    json_put_text(b, v->client);
    buf_put_str(b, STR(",\"since\":"));
    number_put(b, (double)v->since_ms / 1000);
    put_seconds(b, "waited", v->waited_ns);
    put_seconds(b, "elapsed", v->elapsed_ns);
    put_count(b, "series", v->series);
    put_count(b, "samples", v->samples);
    put_count(b, "bytes", v->bytes);
}

static void put_present(void *context, const struct query_view *v)
{
    put_query(context, v);
    buf_printf(((struct list *)context)->b, ",\"state\":\"%s\"}",
               v->running ? "running" : "waiting");
}

static void put_past(void *context, const struct query_view *v)
{
    put_query(context, v);
    buf_printf(((struct list *)context)->b, ",\"outcome\":\"%s\"}", v->outcome);
}

/* Whose queries are asked about; "" for all. False where the request has been refused. */
static bool whose(struct http_request *r, struct str *ret)
{
    struct str all;
    *ret = job_tenant(r);
    if (!http_param(r, STR("all"), &all) || !str_eq(all, STR("true")))
        return true;
    *ret = STR("");
    if (health_api_is_local(r))
        return true;
    http_reply_error(r, 403, -ERR_DENIED, "all=true is for this machine itself");
    return false;
}

void query_list_api_list(struct http_request *r, void *serve)
{
    const struct serve *s = serve;
    struct str tenant;
    struct buf b;
    if (!whose(r, &tenant))
        return;
    buf_init(&b, LIST_MAX);
    struct list list = {.b = &b};
    buf_put_str(&b, STR("{\"status\":\"success\",\"data\":{\"running\":["));
    query_registry_each(s->queries, tenant, false, put_present, &list);
    buf_put_str(&b, STR("],\"slowest\":["));
    list.any = false;
    query_registry_each(s->queries, tenant, true, put_past, &list);
    buf_put_str(&b, STR("]}}"));
    if (buf_failed(&b))
        http_reply_error(r, 500, -ERR_LIMIT, "the list is too long");
    else
        http_reply(r, 200, STR("application/json"), buf_str(&b));
    buf_done(&b);
}

void query_list_api_cancel(struct http_request *r, void *serve)
{
    const struct serve *s = serve;
    struct str tenant;
    uint64_t id;
    if (!whose(r, &tenant))
        return;
    if (!str_u64(http_segment(r, 0), &id)) {
        http_reply_error(r, 400, -ERR_FORMAT, "/api/queries/ID needs the number of a query");
        return;
    }
    if (!query_registry_cancel(s->queries, id, tenant)) {
        http_reply_error(r, 404, -ERR_NOENT, "there is no such query (any more)");
        return;
    }
    http_reply(r, 200, STR("application/json"),
               STR("{\"status\":\"success\",\"data\":{\"canceled\":true}}"));
}
