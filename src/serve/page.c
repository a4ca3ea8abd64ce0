#include "serve/page.h"

#include "pack/pack.h"
#include "query/promql/promql.h"
#include "serve/serve_state.h"

/* connect-src 'self' covers the live socket on the same host in today's browsers. */
#define POLICY                                                                                     \
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "                 \
    "frame-ancestors 'none'"

enum { UNPACKED_MAX = 16 * 1024 * 1024 };

static const struct asset *find(const struct serve *s, struct str path)
{
    if (str_eq(path, STR("/index.html")))
        path = STR("/");
    for (size_t i = 0; i < s->config.assets_n; i++)
        if (str_eq(path, str_c(s->config.assets[i].path)))
            return &s->config.assets[i];
    return NULL;
}

static void send_unpacked(struct http_request *r, const struct asset *a)
{
    struct buf plain;
    buf_init(&plain, UNPACKED_MAX);
    int err = pack_unpack(PACK_GZIP, str_of((const char *)a->gzip, a->gzip_n), &plain,
                          UNPACKED_MAX - PACK_SLACK, NULL);
    if (err)
        http_reply_error(r, 500, err, "a file of the page in this binary is damaged: rebuild it");
    else
        http_reply(r, 200, str_c(a->type), buf_str(&plain));
    buf_done(&plain);
}

void page_handle(struct http_request *r, void *serve)
{
    const struct asset *a = find(serve, http_path(r));
    struct str accepted = http_header(r, STR("Accept-Encoding"));
    if (!a) {
        http_reply(r, 404, STR("text/plain; charset=utf-8"), STR("404 page not found\n"));
        return;
    }
    http_reply_header(r, STR("Content-Security-Policy"), STR(POLICY));
    http_reply_header(r, STR("Referrer-Policy"), STR("no-referrer"));
    http_reply_header(r, STR("Cross-Origin-Opener-Policy"), STR("same-origin"));
    http_reply_header(r, STR("ETag"), str_c(a->etag));
    http_reply_header(r, STR("Cache-Control"),
                      a->immutable ? STR("public, max-age=31536000, immutable") : STR("no-cache"));
    if (str_eq(http_header(r, STR("If-None-Match")), str_c(a->etag))) {
        http_reply(r, 304, STR(""), STR(""));
        return;
    }
    if (str_search(accepted, STR("gzip")) == accepted.n) {
        send_unpacked(r, a);
        return;
    }
    http_reply_header(r, STR("Content-Encoding"), STR("gzip"));
    http_reply_header(r, STR("Vary"), STR("Accept-Encoding"));
    http_reply(r, 200, str_c(a->type), str_of((const char *)a->gzip, a->gzip_n));
}

static void put_encoded(struct buf *b, struct str text)
{
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '_' || c == '.' || c == '~';
        if (plain)
            buf_put_c(b, (char)c);
        else
            buf_printf(b, "%%%02X", c);
    }
}

/* The view of our page that stands for a page of Prometheus. */
static struct str view_of(struct str path)
{
    if (str_eq(path, STR("/graph")) || str_eq(path, STR("/query")))
        return STR("/?view=query");
    if (str_eq(path, STR("/alerts")) || str_eq(path, STR("/rules")))
        return STR("/?view=alerts");
    if (str_eq(path, STR("/targets")) || str_eq(path, STR("/service-discovery")))
        return STR("/?view=targets");
    return STR("/");
}

void page_redirect(struct http_request *r, void *serve)
{
    struct str expression, tab;
    struct buf to;
    (void)serve;
    buf_init(&to, 4 * PROMQL_TEXT_MAX);
    buf_put_str(&to, view_of(http_path(r)));
    if (http_param(r, STR("g0.expr"), &expression) && expression.n) {
        buf_put_str(&to, to.n == 1 ? STR("?expr=") : STR("&expr="));
        put_encoded(&to, expression);
        if (http_param(r, STR("g0.tab"), &tab) &&
            (str_eq(tab, STR("1")) || str_eq(tab, STR("table"))))
            buf_put_str(&to, STR("&tab=table"));
    }
    http_reply_header(r, STR("Location"), buf_failed(&to) ? STR("/") : buf_str(&to));
    http_reply(r, 302, STR("text/plain; charset=utf-8"), STR("Found\n"));
    buf_done(&to);
}
