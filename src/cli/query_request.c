#include "cli/query_request.h"

#include <stdio.h>

#include "cli/post.h"
#include "cli/query_answer.h"
#include "net/client.h"

enum { URL_BYTES = 1024, FORM_MAX = 4 << 20 /* bytes */, PATIENCE_MS = 600000 };

static void put_ms(const char *name, int64_t ms, struct buf *out)
{
    bool minus = ms < 0;
    uint64_t size = minus ? 0 - (uint64_t)ms : (uint64_t)ms;
    buf_printf(out, "&%s=%s%llu.%03u", name, minus ? "-" : "", (unsigned long long)(size / 1000),
               (unsigned)(size % 1000));
}

static void put_form(const struct query_request *q, struct buf *out)
{
    buf_put_str(out, STR("query="));
    post_encode(str_c(q->expression), out);
    if (q->range) {
        put_ms("start", q->start_ms, out);
        put_ms("end", q->end_ms, out);
        put_ms("step", q->step_ms, out);
    } else {
        put_ms("time", q->start_ms, out);
    }
    if (q->limit)
        buf_printf(out, "&limit=%llu", (unsigned long long)q->limit);
    if (q->stats)
        buf_put_str(out, STR("&stats=true"));
    if (q->explain)
        buf_put_str(out, STR("&explain=true"));
}

static int send_form(const struct query_request *q, const char *url, struct str form,
                     struct client_reply *ret, struct why *why)
{
    char path[URL_BYTES], tenant[URL_BYTES];
    int n = snprintf(path, sizeof path, "%s/api/v1/query%s", url, q->range ? "_range" : "");
    int m = snprintf(tenant, sizeof tenant, "X-Scope-OrgID: %s", q->tenant);
    const char *const headers[] = {"Content-Type: application/x-www-form-urlencoded", tenant};
    struct client_request request = {.method = "POST",
                                     .url = path,
                                     .headers = headers,
                                     .headers_n = COUNTOF(headers),
                                     .body = form,
                                     .timeout_ms = PATIENCE_MS};
    if (n >= (int)sizeof path || m >= (int)sizeof tenant)
        return why_set(why, ERR_LIMIT, "the URL or the tenant's name is too long");
    return client_send(&request, ret, why);
}

int query_request_send(const struct query_request *q, const char *url, struct buf *ret,
                       struct why *why)
{
    struct client_reply reply;
    struct buf form;
    buf_init(&form, FORM_MAX);
    put_form(q, &form);
    int err = buf_failed(&form) ? why_set(why, ERR_LIMIT, "the expression is too long")
                                : send_form(q, url, buf_str(&form), &reply, why);
    buf_done(&form);
    if (err)
        return err;
    struct str body = buf_str(&reply.body);
    if (body.n == 0 || body.p[0] != '{')
        err = why_set(why, ERR_FORMAT, "%s answers with status %d: " STR_FMT, url, reply.status,
                      STR_ARG(str_trim(str_sub(body, 0, 200))));
    else
        buf_put_str(ret, body);
    client_reply_done(&reply);
    return err;
}

/* "1:5: " at p[0..n): its line and column. */
static bool place_of(struct str text, unsigned *ret_line, unsigned *ret_column)
{
    struct str line, column;
    uint64_t v[2];
    struct str rest = text;
    if (!str_split(&rest, ':', &line) || !str_split(&rest, ':', &column) || rest.p == NULL ||
        !str_u64(line, &v[0]) || !str_u64(column, &v[1]) || v[0] == 0 || v[1] == 0 ||
        v[0] > UINT32_MAX || v[1] > UINT32_MAX)
        return false;
    *ret_line = (unsigned)v[0];
    *ret_column = (unsigned)v[1];
    return true;
}

static void put_caret(const char *expression, unsigned line, unsigned column, struct buf *out)
{
    struct str rest = str_c(expression), text = STR("");
    for (unsigned i = 0; i < line; i++)
        if (!str_split(&rest, '\n', &text))
            return;
    struct str before = str_sub(text, 0, column - 1);
    buf_put_str(out, STR("  "));
    buf_put_str(out, text);
    buf_put_str(out, STR("\n  "));
    for (size_t i = 0; i < before.n; i++) /* tabs stay tabs, so that the caret stays below */
        if (before.p[i] == '\t')
            buf_put_c(out, '\t');
        else if (((unsigned char)before.p[i] & 0xc0) != 0x80)
            buf_put_c(out, ' ');
    buf_put_str(out, STR("^\n"));
}

void query_request_failure(const struct query_request *q, struct str text, struct buf *out)
{
    static const char PREFIX[] = "invalid parameter \"query\": ";
    unsigned line, column;
    struct str shown = text;
    if (str_starts(text, str_c(PREFIX)))
        shown = str_sub(text, sizeof PREFIX - 1, text.n);
    buf_put_str(out, STR("sonde query: "));
    query_answer_visible(shown, out);
    buf_put_c(out, '\n');
    if (place_of(shown, &line, &column))
        put_caret(q->expression, line, column, out);
}
