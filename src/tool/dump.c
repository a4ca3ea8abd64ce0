#include "tool/dump.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "net/client.h"
#include "query/promql/promql.h"
#include "serve/dump.h"
#include "text/template.h"
#include "tool/offline.h"

enum { PIECE_MAX = 1 << 30, PRINT_AT = 1 << 20, URL_BYTES = 8192, PATIENCE_MS = 600000 };

struct task {
    struct offline offline;
    const char *selector, *tenant;
    int64_t from_ms, to_ms;
};

static bool print(struct buf *out)
{
    bool fine = !buf_failed(out) && fwrite(out->p, 1, out->n, stdout) == out->n;
    buf_clear(out);
    return fine;
}

/* ---- a data directory */

static int dump_all(struct task *t, struct series_store *face, struct series_cursor *cursor,
                    struct why *why)
{
    struct series_view view;
    struct dump d;
    struct buf out;
    int got;
    buf_init(&out, PIECE_MAX);
    dump_begin(&d, &out);
    while ((got = face->ops->next(cursor, &view, why)) > 0) {
        dump_series(&d, &view);
        if (out.n >= PRINT_AT && !print(&out)) {
            got = why_set(why, ERR_IO, "standard output takes no more");
            break;
        }
    }
    dump_end(&d);
    if (got == 0 && !print(&out))
        got = why_set(why, ERR_IO, "standard output takes no more");
    buf_done(&out);
    if (d.histograms)
        fprintf(stderr, "%s: %" PRIu64 " native histograms were left out: OpenMetrics has none\n",
                t->offline.command, d.histograms);
    return got;
}

static int dump_here(struct task *t)
{
    struct arena a;
    struct promql_failure failure;
    struct select how = {.from_ms = t->from_ms, .to_ms = t->to_ms, .want = SELECT_SAMPLES};
    struct matcher *matchers;
    struct series_cursor *cursor;
    struct why why = {0};
    arena_init(&a);
    int err = promql_parse_selector(str_c(t->selector), &a, &matchers, &how.matchers_n, &failure);
    if (err != 0) {
        arena_done(&a);
        return offline_fail(&t->offline, failure.text);
    }
    how.matchers = matchers;
    struct store *s = offline_store(&t->offline);
    if (s != NULL) {
        struct series_store *face = store_face(s);
        struct tenant *tenant = face->ops->tenant(face, str_c(t->tenant));
        err = tenant == NULL ? why_set(&why, ERR_NOENT, "there is no tenant %s", t->tenant)
                             : face->ops->select(face, tenant, &how, &cursor, &why);
        if (err == 0) {
            err = dump_all(t, face, cursor, &why);
            face->ops->close(cursor);
        }
        store_close(s);
    }
    arena_done(&a);
    if (s == NULL)
        return 1;
    return err == 0 ? 0 : offline_fail(&t->offline, why.text);
}

/* ---- a running daemon */

static int dump_there(struct task *t)
{
    struct client_reply reply;
    struct why why = {0};
    struct buf url;
    char tenant[TENANT_NAME_MAX + 32];
    const char *const headers[] = {tenant};
    snprintf(tenant, sizeof tenant, "X-Scope-OrgID: %s", t->tenant);
    buf_init(&url, URL_BYTES);
    buf_printf(&url, "%s/api/metrics/dump?start=%" PRId64 ".%03d&end=%" PRId64 ".%03d&match[]=",
               t->offline.server, t->from_ms / 1000, (int)(t->from_ms % 1000), t->to_ms / 1000,
               (int)(t->to_ms % 1000));
    template_escape_query(str_c(t->selector), &url);
    buf_put_c(&url, '\0');
    const struct client_request request = {.url = buf_failed(&url) ? "" : url.p,
                                           .headers = headers,
                                           .headers_n = 1,
                                           .timeout_ms = PATIENCE_MS,
                                           .body_max = PIECE_MAX};
    int err = client_send(&request, &reply, &why);
    buf_done(&url);
    if (err != 0)
        return offline_fail(&t->offline, why.text);
    int status = reply.status == 200 ? 0 : 1;
    if (status == 0 && !print(&reply.body))
        status = offline_fail(&t->offline, "standard output takes no more");
    else if (status != 0)
        fprintf(stderr, "%s: %s: " STR_FMT "\n", t->offline.command, t->offline.server,
                STR_ARG(str_trim(buf_str(&reply.body))));
    client_reply_done(&reply);
    return status;
}

/* ---- the command line */

static int dump_task(struct task *t, struct arguments *a)
{
    const char *tenant = arguments_value(a, "tenant");
    t->tenant = tenant == NULL ? "default" : tenant;
    t->to_ms = clock_wall_ms(&clock_real);
    if (!offline_time(&t->offline, a, "start", &t->from_ms) ||
        !offline_time(&t->offline, a, "end", &t->to_ms))
        return 2;
    t->selector = arguments_word(a);
    if (t->selector == NULL)
        t->selector = "{__name__=~\".+\"}";
    if (!arguments_end(a, "dump"))
        return 2;
    int busy = t->offline.server_named ? 1 : offline_busy(&t->offline);
    if (busy < 0 || (busy == 0 && !offline_disk(&t->offline)))
        return 1;
    return busy == 1 ? dump_there(t) : dump_here(t);
}

int dump_run(int argc, char **argv)
{
    struct arguments a;
    struct task t = {.selector = NULL};
    int status = 2;
    if (!arguments_init(&a, argc, argv))
        return 2;
    if (offline_init(&t.offline, "sonde dump", &a))
        status = dump_task(&t, &a);
    offline_done(&t.offline);
    return status;
}
