#include "tool/query.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/query_chart.h"
#include "cli/query_chart_axis.h"
#include "cli/query_csv.h"
#include "cli/query_explain.h"
#include "cli/query_table.h"
#include "os/terminal.h"
#include "serve/param.h"
#include "tool/query_offline.h"

enum {
    BODY_MAX = 1 << 30,  /* bytes of an answer */
    PRINT_MAX = 1 << 30, /* bytes of what is printed of it */
    STEPS = 250,         /* points that a range has at most where no step is named */
    COLUMNS = 80,        /* where nothing says how wide the terminal is */
    LINES = 16,
    LINES_AROUND = 12, /* that axes, legend and prompt take of a terminal's height */
};

static const char DEFAULT_URL[] = "http://127.0.0.1:7663";

enum output { OUTPUT_DEFAULT, OUTPUT_TABLE, OUTPUT_JSON, OUTPUT_CSV, OUTPUT_CHART };

struct query {
    struct query_request request;
    enum output output;
    bool offline;
    const char *url;
};

static int usage(const char *text)
{
    fprintf(stderr, "sonde query: %s; see: sonde help query\n", text);
    return 2;
}

/* ---- the command line */

static bool named(const struct arguments *a, const char *option)
{
    size_t n = strlen(option);
    for (size_t i = 0; i < a->n; i++)
        if (a->v[i] && strncmp(a->v[i], option, n) == 0 && (!a->v[i][n] || a->v[i][n] == '='))
            return true;
    return false;
}

static bool read_output(struct arguments *a, enum output *ret)
{
    static const char *const NAMES[] = {[OUTPUT_TABLE] = "table",
                                        [OUTPUT_JSON] = "json",
                                        [OUTPUT_CSV] = "csv",
                                        [OUTPUT_CHART] = "chart"};
    const char *name = arguments_value(a, "output");
    *ret = OUTPUT_DEFAULT;
    if (name == NULL)
        return true;
    for (size_t i = OUTPUT_TABLE; i < COUNTOF(NAMES); i++)
        if (strcmp(name, NAMES[i]) == 0)
            *ret = (enum output)i;
    return *ret != OUTPUT_DEFAULT;
}

/* Now where text is NULL or "now". */
static bool read_time(const char *text, int64_t now_ms, int64_t *ret_ms)
{
    *ret_ms = now_ms;
    return text == NULL || strcmp(text, "now") == 0 || param_parse_time(str_c(text), ret_ms);
}

/* --start, --end, --step, --last; 0, or 2 after a sentence. */
static int read_range(struct arguments *a, int64_t now_ms, struct query_request *q)
{
    const char *start = arguments_value(a, "start"), *end = arguments_value(a, "end");
    const char *step = arguments_value(a, "step"), *last = arguments_value(a, "last");
    int64_t last_ms = 0;
    q->range = start || end || step || last;
    if (!q->range)
        return 0;
    if ((start == NULL) == (last == NULL))
        return usage("a range needs either --start or --last");
    if (!read_time(start, now_ms, &q->start_ms) || !read_time(end, now_ms, &q->end_ms))
        return usage("--start and --end take 2026-11-22T05:00:00Z, seconds since 1970 or now");
    if (last && (promql_duration(str_c(last), &last_ms) || last_ms <= 0))
        return usage("--last takes a duration such as 1h or 90s");
    if (last)
        q->start_ms = q->end_ms - last_ms;
    if (q->end_ms < q->start_ms)
        return usage("--end is before --start");
    q->step_ms = query_chart_axis_time_step(q->end_ms - q->start_ms, STEPS);
    if (step && (promql_duration(str_c(step), &q->step_ms) || q->step_ms <= 0))
        return usage("--step takes a duration such as 15s or 1h");
    return 0;
}

static int read_limit(struct arguments *a, struct query_request *q)
{
    const char *limit = arguments_value(a, "limit");
    if (limit && !str_u64(str_c(limit), &q->limit))
        return usage("--limit takes how many series there are to be at most");
    return 0;
}

/* 0, or 2 after a sentence. What offline_init() takes is left. */
static int read_query(struct arguments *a, struct query *ret)
{
    struct query_request *q = &ret->request;
    int64_t now_ms = clock_wall_ms(&clock_real);
    const char *tenant = arguments_value(a, "tenant"), *time = arguments_value(a, "time");
    *ret = (struct query){.url = DEFAULT_URL};
    q->tenant = tenant ? tenant : "default";
    q->stats = arguments_flag(a, "stats");
    q->explain = arguments_flag(a, "explain");
    ret->offline = named(a, "--data") || named(a, "--config");
    if (!read_output(a, &ret->output))
        return usage("--output takes table, json, csv or chart");
    int status = read_limit(a, q);
    if (status == 0)
        status = read_range(a, now_ms, q);
    if (status != 0)
        return status;
    if (q->range && time)
        return usage("--time is of an instant query, --start and --last are of a range");
    if (!q->range && !read_time(time, now_ms, &q->start_ms))
        return usage("--time takes 2026-11-22T05:00:00Z, seconds since 1970 or now");
    if (!q->range)
        q->end_ms = q->start_ms;
    return 0;
}

/* ---- printing */

static struct query_chart_style style_of_terminal(size_t series)
{
    struct query_chart_style style = {.columns = COLUMNS, .lines = LINES};
    const char *columns = getenv("COLUMNS"), *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    unsigned height = 0;
    uint64_t n;
    if (columns && str_u64(str_c(columns), &n) && n < QUERY_CHART_COLUMNS_MAX)
        style.columns = (unsigned)n;
    terminal_size(1, &style.columns, &height);
    if (height > LINES_AROUND + series)
        style.lines = height - LINES_AROUND - (unsigned)series;
    style.lines = MIN(style.lines, 2u * LINES);
    style.unicode = terminal_utf8();
    style.color = terminal_is(1) && !(no_color && *no_color) && term && strcmp(term, "dumb") != 0;
    return style;
}

static enum output output_of(const struct query *q)
{
    if (q->output != OUTPUT_DEFAULT)
        return q->output;
    return q->request.range && terminal_is(1) ? OUTPUT_CHART : OUTPUT_TABLE;
}

static void put_notes(const struct query_answer *answer)
{
    struct buf b;
    buf_init(&b, BODY_MAX);
    for (size_t i = 0; i < answer->warnings_n + answer->infos_n; i++) {
        bool warning = i < answer->warnings_n;
        buf_put_str(&b, warning ? STR("warning: ") : STR("info: "));
        query_answer_visible(warning ? answer->warnings[i] : answer->infos[i - answer->warnings_n],
                             &b);
        buf_put_c(&b, '\n');
    }
    if (answer->n == 0)
        buf_put_str(&b, STR("no series\n"));
    fprintf(stderr, STR_FMT, STR_ARG(buf_str(&b)));
    buf_done(&b);
}

static int put_figures(const struct query_answer *answer, struct buf *out, struct why *why)
{
    int err = 0;
    if (answer->stats.n)
        err = query_table_figures(answer->stats, "\nstatistics", out, why);
    if (answer->explain.n && !err)
        err = query_explain(answer->explain, out, why);
    return err;
}

static int put_answer(const struct query *q, const struct query_answer *answer)
{
    struct buf out;
    struct why why = {0};
    int err = 0;
    enum output output = output_of(q);
    buf_init(&out, PRINT_MAX);
    if (output == OUTPUT_CSV) {
        query_csv(answer, &out);
    } else if (output == OUTPUT_CHART) {
        struct query_chart_style style = style_of_terminal(answer->n);
        style.from_ms = q->request.start_ms;
        style.to_ms = q->request.end_ms;
        query_chart(answer, &style, &out);
    } else {
        query_table(answer, &out);
    }
    if (output != OUTPUT_CSV)
        err = put_figures(answer, &out, &why);
    fwrite(out.p, 1, out.n, stdout);
    put_notes(answer);
    if (err)
        fprintf(stderr, "sonde query: %s\n", why.text);
    if (buf_failed(&out))
        fprintf(stderr, "sonde query: this is not all: more than 1 GiB is not printed\n");
    bool failed = err || buf_failed(&out);
    buf_done(&out);
    return failed;
}

static int show(const struct query *q, struct str body)
{
    struct query_answer answer;
    struct arena a;
    struct why why = {0};
    arena_init(&a);
    int status = 1, err = query_answer_read(body, &a, &answer, &why);
    if (q->output == OUTPUT_JSON)
        printf(STR_FMT "\n", STR_ARG(body));
    if (err) {
        fprintf(stderr, "sonde query: %s\n", why.text);
    } else if (answer.error.n) {
        struct buf text;
        buf_init(&text, BODY_MAX);
        query_request_failure(&q->request, answer.error, &text);
        fprintf(stderr, STR_FMT, STR_ARG(buf_str(&text)));
        buf_done(&text);
    } else {
        status = q->output == OUTPUT_JSON ? 0 : put_answer(q, &answer);
    }
    arena_done(&a);
    return status;
}

static int ask(const struct query *q, struct offline *o, struct buf *body)
{
    struct why why = {0};
    if (q->offline)
        return query_offline(o, &q->request, body);
    if (query_request_send(&q->request, q->url, body, &why) == 0)
        return 0;
    fprintf(stderr, "sonde query: %s\n", why.text);
    return 1;
}

/* The options that are left, the expression, and the question. */
static int run(struct arguments *a, struct query *q, struct offline *o)
{
    if (q->offline && !offline_init(o, "sonde query", a))
        return 2;
    if (q->offline && o->server_named)
        return usage("either --data or --server says where the data is, not both");
    const char *url = q->offline ? NULL : arguments_server(a);
    q->request.expression = arguments_word(a);
    q->url = url ? url : q->url;
    if (!arguments_end(a, "query"))
        return 2;
    if (q->request.expression == NULL)
        return usage("name an expression: sonde query 'up == 0'");
    struct buf body;
    buf_init(&body, BODY_MAX);
    int status = ask(q, o, &body);
    if (status == 0)
        status = show(q, buf_str(&body));
    buf_done(&body);
    return status;
}

int query_run(int argc, char **argv)
{
    struct arguments a;
    struct query q;
    struct offline o = {0};
    if (!arguments_init(&a, argc, argv))
        return 2;
    int status = read_query(&a, &q);
    if (status == 0)
        status = run(&a, &q, &o);
    offline_done(&o);
    return status;
}
