#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/query_answer.h"
#include "model/labels.h"
#include "net/client.h"
#include "text/json_tree.h"
#include "text/quote.h"
#include "text/template.h"
#include "tool/import_state.h"

enum {
    URL_BYTES = 4096,
    WINDOW_MS = 6 * 3600 * 1000, /* of one query; halved where the server finds it too large */
    WINDOW_MIN_MS = 60 * 1000,
    PATIENCE_MS = 600000,
    REASON_BYTES = 200,
};

/* Where it is asked, and how. */
struct asking {
    struct import *im;
    const char *url;
    struct str selector; /* "{job=\"x\"}" or "" */
    int64_t window_ms;
};

/* POSTs a form to a path of the API; the body is the caller's. */
static int ask(const struct asking *q, const char *path, struct str form, struct client_reply *ret,
               struct why *why)
{
    static const char *const HEADERS[] = {"Content-Type: application/x-www-form-urlencoded"};
    char url[URL_BYTES];
    if (snprintf(url, sizeof url, "%s%s", q->url, path) >= (int)sizeof url)
        return why_set(why, ERR_LIMIT, "the server's URL is too long");
    struct client_request request = {.method = "POST",
                                     .url = url,
                                     .headers = HEADERS,
                                     .headers_n = 1,
                                     .body = form,
                                     .timeout_ms = PATIENCE_MS};
    return client_send(&request, ret, why);
}

/* ---- names */

/* The names of the metrics that match; memory from a. */
static int ask_names(const struct asking *q, struct arena *a, const struct json_tree **ret,
                     struct why *why)
{
    struct client_reply reply;
    char url[URL_BYTES];
    struct buf path;
    buf_init(&path, URL_BYTES);
    buf_printf(&path, "%s/api/v1/label/__name__/values?start=%" PRId64 "&end=%" PRId64, q->url,
               q->im->from_ms / 1000, q->im->to_ms / 1000 + 1);
    if (q->selector.n) {
        buf_put_str(&path, STR("&match[]="));
        template_escape_query(q->selector, &path);
    }
    bool fits = !buf_failed(&path) && path.n < sizeof url;
    if (fits)
        snprintf(url, sizeof url, STR_FMT, STR_ARG(buf_str(&path)));
    buf_done(&path);
    if (!fits)
        return why_set(why, ERR_LIMIT, "the selector is too long");
    int err = client_get(url, &reply, why);
    if (err != 0)
        return err;
    struct str body = arena_str(a, buf_str(&reply.body));
    int status = reply.status;
    client_reply_done(&reply);
    if (status != 200)
        return why_set(why, ERR_FORMAT, "%s answers %d: " STR_FMT, q->url, status,
                       STR_ARG(str_sub(str_trim(body), 0, REASON_BYTES)));
    const struct json_tree *tree;
    err = json_tree_parse(body, a, &tree, why);
    *ret = err == 0 ? json_tree_get(tree, "data") : NULL;
    return err;
}

/* ---- samples */

static int take_series(struct import *im, const struct query_series *s, struct why *why)
{
    struct label labels[LABELS_MAX];
    struct buf key;
    struct why own = {0};
    if (s->labels_n > LABELS_MAX) {
        import_refused(im, STR("a series with more labels than are accepted"));
        return 0;
    }
    for (size_t i = 0; i < s->labels_n; i++)
        labels[i] = (struct label){s->labels[i].name, s->labels[i].value};
    buf_init(&key, LABELS_KEY_MAX);
    int err = labels_encode(labels, s->labels_n, &key, &own);
    if (err != 0)
        import_refused(im, str_c(own.text));
    for (size_t i = 0; err == 0 && i < s->n; i++) {
        /* The answer shows a native histogram's bounds, not its schema. */
        if (s->points[i].histogram)
            import_skipped(im, STR("a native histogram, which the query API does not give whole: "
                                   "import the data directory instead"));
        else if (import_put(im, buf_str(&key), s->points[i].ts_ms, s->points[i].value, NULL, why) !=
                 0)
            err = why->err;
    }
    if (err == 0 || own.text[0])
        err = import_flush(im, why); /* the key goes */
    buf_done(&key);
    return err;
}

/* One window of one metric. 1: the server finds it too large. */
static int ask_window(struct asking *q, struct str name, int64_t from_ms, int64_t to_ms,
                      struct why *why)
{
    struct client_reply reply;
    struct query_answer answer;
    struct arena a;
    struct buf text, form;
    buf_init(&text, 1 << 20);
    buf_init(&form, 4 << 20);
    arena_init(&a);
    /* {__name__="name",job="x"}[30s]; the window's begin is open or closed by version: a sample
     * that comes twice is the same one. */
    buf_put_str(&text, STR("{__name__="));
    quote_put(&text, name);
    if (q->selector.n > 2) {
        buf_put_c(&text, ',');
        buf_put_str(&text, str_sub(q->selector, 1, q->selector.n - 1));
    }
    buf_printf(&text, "}[%" PRId64 "ms]", to_ms - from_ms + 1);
    buf_printf(&form, "time=%" PRId64 ".%03d&query=", to_ms / 1000, (int)(to_ms % 1000));
    template_escape_query(buf_str(&text), &form);
    int err = ask(q, "/api/v1/query", buf_str(&form), &reply, why);
    if (err == 0) {
        struct str body = buf_str(&reply.body);
        bool too_large = reply.status == 422 || reply.status == 503;
        err = too_large ? 1 : query_answer_read(body, &a, &answer, why);
        if (err == 0 && answer.error.n)
            err = why_set(why, ERR_FORMAT, "%s: " STR_FMT, q->url, STR_ARG(answer.error));
        for (size_t i = 0; err == 0 && i < answer.n; i++)
            err = take_series(q->im, &answer.series[i], why);
        client_reply_done(&reply);
    }
    buf_done(&form);
    buf_done(&text);
    arena_done(&a);
    return err;
}

static int ask_metric(struct asking *q, struct str name, struct why *why)
{
    int err = 0;
    for (int64_t from = q->im->from_ms; from <= q->im->to_ms && err == 0;) {
        int64_t to = MIN(from + q->window_ms - 1, q->im->to_ms);
        err = ask_window(q, name, from, to, why);
        if (err == 1 && q->window_ms > WINDOW_MIN_MS) {
            q->window_ms /= 2;
            err = 0;
            continue;
        }
        if (err == 1)
            err = why_set(why, ERR_LIMIT, "%s refuses even a minute of " STR_FMT, q->url,
                          STR_ARG(name));
        from = to + 1;
    }
    return err;
}

int import_server(struct import *im, const char *url, const char *selector, struct why *why)
{
    struct asking q = {im, url, str_trim(str_c(selector)), WINDOW_MS};
    const struct json_tree *names;
    struct arena a;
    if (q.selector.n && (q.selector.p[0] != '{' || q.selector.p[q.selector.n - 1] != '}'))
        return why_set(why, ERR_FORMAT, "--match takes a selector in braces, such as {job=\"x\"}");
    arena_init(&a);
    int err = ask_names(&q, &a, &names, why);
    for (size_t i = 0; err == 0 && i < json_tree_n(names); i++) {
        err = ask_metric(&q, names->children[i].text, why);
        import_progress(im, url);
    }
    arena_done(&a);
    return err;
}
