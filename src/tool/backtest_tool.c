#include "tool/backtest_tool.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/buf.h"
#include "net/client.h"
#include "os/file.h"
#include "rules/rule_file.h"
#include "text/duration.h"
#include "text/json.h"
#include "text/json_tree.h"

enum { PATIENCE_MS = 600000, FIRINGS_SHOWN = 50 };

static const char *const SERVER = "http://127.0.0.1:7663";

struct task {
    const char *server, *expr, *pend, *keep, *interval, *range, *start, *end, *tenant;
    struct arena arena;
    bool json;
    int status;
};

static int fail(const char *text)
{
    fprintf(stderr, "sonde rules backtest: %s\n", text);
    return 1;
}

static void put(struct json_writer *w, const char *key, struct str text)
{
    if (text.n == 0)
        return;
    json_key(w, str_c(key));
    json_text(w, text);
}

static struct str span_of(struct arena *a, int64_t ms)
{
    struct buf b;
    buf_init(&b, 64);
    if (ms > 0)
        duration_put(&b, ms);
    struct str out = arena_str(a, buf_str(&b));
    buf_done(&b);
    return out;
}

/* The request for one rule. */
static void put_body(const struct task *t, struct str expr, struct str pend, struct str keep,
                     struct str interval, struct buf *out)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_object(&w);
    json_key(&w, STR("rule"));
    json_begin_object(&w);
    put(&w, "expr", expr);
    put(&w, "for", pend);
    put(&w, "keep_firing_for", keep);
    put(&w, "interval", interval);
    json_end_object(&w);
    put(&w, "range", str_c(t->range));
    put(&w, "start", str_c(t->start));
    put(&w, "end", str_c(t->end));
    json_end_object(&w);
}

/* ---- the answer */

static void put_date(int64_t ms)
{
    char text[48];
    time_t s = (time_t)(ms / 1000);
    struct tm tm;
    if (gmtime_r(&s, &tm) != NULL && strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &tm) > 0)
        printf("%s", text);
}

static void show_firing(struct task *t, const struct json_tree *f)
{
    const struct json_tree *labels = json_tree_get(f, "labels");
    int64_t from = json_tree_whole(f, "start_time_ms"), to = json_tree_whole(f, "end_time_ms");
    printf("  ");
    put_date(from);
    struct str span = span_of(&t->arena, (to - from) / 1000 * 1000);
    printf("  for %s%s", span.n > 0 ? span.p : "0s",
           json_tree_true(f, "still_firing") ? " (still firing)" : "");
    printf("  peak " STR_FMT "  {", STR_ARG(json_tree_get(f, "peak")->text));
    for (size_t i = 0; i < json_tree_n(labels); i++)
        printf("%s" STR_FMT "=\"" STR_FMT "\"", i > 0 ? ", " : "", STR_ARG(labels->children[i].key),
               STR_ARG(labels->children[i].text));
    printf("}\n");
}

static void show(struct task *t, const char *name, const struct json_tree *data)
{
    const struct json_tree *firings = json_tree_get(data, "firings");
    printf("%s%s" STR_FMT "\n", name, name[0] ? ": " : "",
           STR_ARG(json_tree_text(data, "summary")));
    for (size_t i = 0; i < json_tree_n(firings) && i < FIRINGS_SHOWN; i++)
        show_firing(t, &firings->children[i]);
    if (json_tree_whole(data, "fired") > FIRINGS_SHOWN)
        printf("  .. and %" PRId64 " more\n", json_tree_whole(data, "fired") - FIRINGS_SHOWN);
    printf("  noise: %" PRId64 " over within 5m, %" PRId64 " again within 1h, %" PRId64
           " pended in vain; in all ",
           json_tree_whole(data, "noise.over_within_5m"),
           json_tree_whole(data, "noise.again_within_1h"),
           json_tree_whole(data, "noise.pended_in_vain"));
    struct str total = span_of(&t->arena, json_tree_whole(data, "firing_ms"));
    printf("%s firing\n", total.n > 0 ? total.p : "0s");
}

static int take_answer(struct task *t, const char *name, struct str body)
{
    const struct json_tree *tree;
    struct why why = {0};
    if (t->json) {
        printf(STR_FMT "\n", STR_ARG(body));
        return 0;
    }
    if (json_tree_parse(body, &t->arena, &tree, &why) != 0)
        return fail(why.text);
    if (!str_eq(json_tree_text(tree, "status"), STR("success")))
        return fail(json_tree_text(tree, "error").n > 0 ? json_tree_text(tree, "error").p
                                                        : "the daemon gave no answer");
    show(t, name, json_tree_get(tree, "data"));
    return 0;
}

static int ask(struct task *t, const char *name, struct str body)
{
    struct why why = {0};
    struct client_reply reply;
    const char *headers[] = {"Content-Type: application/json",
                             arena_printf(&t->arena, "X-Scope-OrgID: %s", t->tenant).p};
    struct client_request request = {
        .method = "POST",
        .url = arena_printf(&t->arena, "%s/api/alerts/backtest", t->server).p,
        .headers = headers,
        .headers_n = COUNTOF(headers),
        .body = body,
        .timeout_ms = PATIENCE_MS};
    if (client_send(&request, &reply, &why) != 0)
        return fail(why.text);
    int status = take_answer(t, name, buf_str(&reply.body));
    client_reply_done(&reply);
    return status;
}

/* ---- rules */

static int run_rule(struct task *t, const struct rule_group *g, const struct rule *r)
{
    struct buf body;
    if (r->alert.n == 0)
        return 0; /* recording rules do not fire */
    buf_init(&body, (size_t)4 * PROMQL_TEXT_MAX);
    struct str interval =
        t->interval[0] != '\0' ? str_c(t->interval) : span_of(&t->arena, g->interval_ms);
    put_body(t, r->expr, span_of(&t->arena, r->for_ms), span_of(&t->arena, r->keep_firing_for_ms),
             interval, &body);
    int status = ask(t, arena_str(&t->arena, r->alert).p, buf_str(&body));
    buf_done(&body);
    return status;
}

static int run_file(struct task *t, const char *path)
{
    const struct promql_options options = promql_options_all();
    struct buf text, problems;
    struct rule_file *f = NULL;
    struct why why = {0};
    int status = 0;
    buf_init(&text, RULE_FILE_BYTES_MAX);
    buf_init(&problems, 1 << 20);
    if (file_read(path, &text, &why) != 0)
        status = fail(why.text);
    else if (rule_file_read(buf_str(&text), str_c(path), &options, &f, &problems) != 0)
        status = 1;
    fprintf(stderr, STR_FMT, STR_ARG(buf_str(&problems)));
    for (size_t i = 0; f != NULL && i < f->groups_n; i++)
        for (size_t k = 0; k < f->groups[i].rules_n; k++)
            status |= run_rule(t, &f->groups[i], &f->groups[i].rules[k]);
    rule_file_free(f);
    buf_done(&problems);
    buf_done(&text);
    return status;
}

static int run_expr(struct task *t)
{
    struct buf body;
    buf_init(&body, (size_t)4 * PROMQL_TEXT_MAX);
    put_body(t, str_c(t->expr), str_c(t->pend), str_c(t->keep), str_c(t->interval), &body);
    int status = ask(t, "", buf_str(&body));
    buf_done(&body);
    return status;
}

static const char *value(struct arguments *a, const char *name, const char *fallback)
{
    const char *v = arguments_value(a, name);
    return v != NULL ? v : fallback;
}

int backtest_tool_run(struct arguments *a)
{
    const char *server = arguments_server(a), *file;
    struct task t = {.server = server != NULL ? server : SERVER,
                     .expr = arguments_value(a, "expr"),
                     .pend = value(a, "for", ""),
                     .keep = value(a, "keep-firing-for", ""),
                     .interval = value(a, "interval", ""),
                     .range = value(a, "range", ""),
                     .start = value(a, "start", ""),
                     .end = value(a, "end", ""),
                     .tenant = value(a, "tenant", "default"),
                     .json = arguments_flag(a, "json")};
    int status = 0;
    size_t n = t.expr != NULL;
    arena_init(&t.arena);
    if (t.expr != NULL)
        status = run_expr(&t);
    for (; (file = arguments_word(a)) != NULL; n++)
        status |= run_file(&t, file);
    if (!arguments_end(a, "rules backtest"))
        status = 2;
    else if (n == 0)
        status = 1 + fail("name a rule file, or say --expr");
    arena_done(&t.arena);
    return status;
}
