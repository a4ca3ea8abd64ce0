#include "serve/expression_api.h"

#include "query/promql/promql.h"
#include "serve/answer.h"
#include "text/json.h"

/* The expression of the request, or NULL where the job has its answer. */
static struct promql_expr *parse(struct job *j)
{
    const struct promql_options all = promql_options_all();
    const struct str *text = j->context;
    struct promql_failure failure;
    struct promql_expr *expr;
    if (promql_parse(*text, &all, &j->arena, &expr, &failure) == 0)
        return expr;
    answer_error(j, failure.kind, "invalid parameter \"query\": %s", failure.text);
    return NULL;
}

static void format_work(struct job *j)
{
    struct buf text;
    const struct promql_expr *expr = parse(j);
    if (!expr)
        return;
    buf_init(&text, SERVE_FORMATTED_MAX);
    promql_format(expr, &text);
    if (buf_failed(&text)) {
        answer_error(j, PROMQL_EXECUTION, "the formatted query is larger than 64 MiB");
    } else {
        answer_begin(j);
        json_put_text(&j->body, buf_str(&text));
        answer_end(j, NULL, STR(""));
    }
    buf_done(&text);
}

static void parse_work(struct job *j)
{
    const struct promql_expr *expr = parse(j);
    if (!expr)
        return;
    answer_begin(j);
    promql_json(expr, &j->body);
    answer_end(j, NULL, STR(""));
}

static void start(struct http_request *r, struct serve *s, void (*work)(struct job *j))
{
    struct str *text = arena_new(http_arena(r), sizeof *text);
    if (!http_param(r, STR("query"), text))
        *text = STR("");
    job_start(s, r, work, text);
}

void expression_api_format(struct http_request *r, void *serve)
{
    start(r, serve, format_work);
}

void expression_api_parse(struct http_request *r, void *serve)
{
    start(r, serve, parse_work);
}
