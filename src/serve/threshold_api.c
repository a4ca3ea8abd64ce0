#include "serve/threshold_api.h"

#include "rules/rule_file.h"
#include "serve/answer.h"
#include "serve/job.h"
#include "serve/param.h"
#include "serve/query_registry.h"
#include "text/duration.h"
#include "text/json.h"
#include "text/json_tree.h"
#include "threshold/backtest.h"
#include "threshold/threshold_list.h"

enum { DAY_MS = 86400 * 1000, INTERVAL_MS = 60 * 1000 };

static struct threshold_list *list_of(const struct job *j)
{
    return j->serve->config.alerts.custom;
}

static void start(struct http_request *r, void *serve, void (*work)(struct job *j))
{
    struct serve *s = serve;
    if (s->config.alerts.custom == NULL)
        answer_refuse(r, 404, "not_found", "this server has no custom alerts");
    else
        job_start(s, r, work, NULL);
}

/* ---- rows */

struct listing {
    struct job *job;
    struct json_writer w;
    struct rules_view view;
};

/* Of the rule as it runs now; NULL where it is not enabled. */
static const struct rule_view *running(const struct listing *l, const char *name)
{
    for (size_t i = 0; i < l->view.groups_n; i++) {
        const struct group_view *g = &l->view.groups[i];
        if (str_eq(g->file, STR(THRESHOLD_FILE)) && str_eq(g->name, str_c(name)))
            return g->rules;
    }
    return NULL;
}

static void put_running(struct listing *l, const struct rule_view *r)
{
    struct json_writer *w = &l->w;
    json_key(w, STR("state"));
    json_text(w, r == NULL ? STR("disabled") : str_c(alert_state_text(r->state)));
    if (r == NULL)
        return;
    json_key(w, STR("health"));
    json_text(w, str_c(rule_health_text(r->health)));
    json_key(w, STR("last_error"));
    json_text(w, r->last_error);
    json_key(w, STR("last_evaluation_time_ms"));
    json_i64(w, r->last_evaluation_ms);
    json_key(w, STR("alerts"));
    json_u64(w, r->alerts_n);
}

static void put_row(void *context, const struct threshold_list_row *row)
{
    struct listing *l = context;
    struct json_writer *w = &l->w;
    struct str expr, hold;
    json_begin_object(w);
    threshold_json_put(w, row->row);
    json_key(w, STR("source"));
    json_text(w, row->from_file ? STR("file") : STR("api"));
    json_key(w, STR("created_time_ms"));
    json_i64(w, row->created_ms);
    json_key(w, STR("updated_time_ms"));
    json_i64(w, row->updated_ms);
    if (threshold_compile(row->row, &l->job->arena, &expr, &hold, NULL) == 0) {
        json_key(w, STR("query"));
        json_text(w, expr);
        json_key(w, STR("hold_query"));
        json_text(w, hold);
    }
    put_running(l, running(l, row->row->name));
    json_end_object(w);
}

static void listing_init(struct listing *l, struct job *j)
{
    const struct serve_rules *rules = &j->serve->config.rules;
    *l = (struct listing){.job = j};
    if (rules->view != NULL)
        rules->view(rules->rules, &j->arena, &l->view);
    answer_begin(j);
    json_writer_init(&l->w, &j->body);
}

static void list_work(struct job *j)
{
    struct listing l;
    listing_init(&l, j);
    json_begin_array(&l.w);
    threshold_list_each(list_of(j), STR(""), put_row, &l);
    json_end_array(&l.w);
    answer_end(j, NULL, STR(""));
}

static void answer_one(struct job *j, struct str name)
{
    struct listing l;
    listing_init(&l, j);
    if (threshold_list_each(list_of(j), name, put_row, &l) > 0)
        answer_end(j, NULL, STR(""));
    else
        answer_fault(j, 404, "not_found", "there is no custom alert \"" STR_FMT "\"",
                     STR_ARG(str_sub(name, 0, 200)));
}

static void get_work(struct job *j)
{
    answer_one(j, http_segment(j->request, 0));
}

static int read_row(struct job *j, struct threshold_row *ret, struct why *why)
{
    const struct json_tree *tree;
    int err = json_tree_parse(http_body(j->request), &j->arena, &tree, why);
    return err != 0 ? err : threshold_json_read(tree, &j->arena, ret, why);
}

static void add_work(struct job *j)
{
    struct threshold_row row;
    struct why why = {0};
    int err = read_row(j, &row, &why);
    if (err == 0)
        err = threshold_list_put(list_of(j), &row, THRESHOLD_LIST_NEW, &why);
    if (err != 0) {
        answer_refusal(j, err, &why);
        return;
    }
    j->status = 201;
    answer_one(j, str_c(row.name));
}

static void change_work(struct job *j)
{
    struct threshold_row row;
    struct why why = {0};
    struct str name = http_segment(j->request, 0);
    int err = read_row(j, &row, &why);
    if (err == 0 && row.name[0] == '\0')
        row.name = arena_str(&j->arena, name).p;
    if (err == 0 && !str_eq(str_c(row.name), name))
        err = why_set(&why, ERR_FORMAT, "name: a name stays as it is; drop the alert instead");
    if (err == 0)
        err = threshold_list_put(list_of(j), &row, THRESHOLD_LIST_CHANGE, &why);
    if (err != 0)
        answer_refusal(j, err, &why);
    else
        answer_one(j, name);
}

static void drop_work(struct job *j)
{
    struct why why = {0};
    int err = threshold_list_drop(list_of(j), http_segment(j->request, 0), &why);
    if (err != 0)
        answer_refusal(j, err, &why);
    else
        answer_nothing(j);
}

void threshold_api_list(struct http_request *r, void *serve)
{
    start(r, serve, list_work);
}

void threshold_api_add(struct http_request *r, void *serve)
{
    start(r, serve, add_work);
}

void threshold_api_get(struct http_request *r, void *serve)
{
    start(r, serve, get_work);
}

void threshold_api_change(struct http_request *r, void *serve)
{
    start(r, serve, change_work);
}

void threshold_api_drop(struct http_request *r, void *serve)
{
    start(r, serve, drop_work);
}

/* ---- backtest: {"rule": {a custom alert} or {"expr", "clear_expr", "for", ..}, "start", "end",
 * "interval"} */

struct test {
    struct query_rules rules;
    struct threshold_row row;
    struct str expr, hold;
    int64_t start_ms, end_ms, interval_ms, for_ms, keep_ms;
    struct promql_expr *tree, *hold_tree;
};

/* Seconds as a number or a text, or RFC 3339. */
static int time_of(const struct json_tree *node, int64_t fallback, const char *name,
                   int64_t *ret_ms, struct why *why)
{
    *ret_ms = fallback;
    if (json_tree_is_null(node) || param_parse_time(node->text, ret_ms))
        return 0;
    return why_set(why, ERR_FORMAT, "%s: a time is seconds since 1970 or RFC 3339", name);
}

static int span_of(const char *text, const char *name, int64_t fallback, int64_t *ret_ms,
                   struct why *why)
{
    struct why cause = {0};
    *ret_ms = fallback;
    if (text[0] == '\0' || duration_read(str_c(text), ret_ms, &cause) == 0)
        return 0;
    return why_set(why, ERR_FORMAT, "%s: %s", name, cause.text);
}

static int parse(struct test *t, struct str text, const char *name, struct arena *a,
                 struct promql_expr **ret, struct why *why)
{
    struct promql_failure failure = {0};
    if (promql_parse(text, &t->rules.language, a, ret, &failure) != 0)
        return why_set(why, ERR_FORMAT, "%s: %s", name, failure.text);
    if (promql_type(*ret) == PROMQL_SCALAR || promql_type(*ret) == PROMQL_VECTOR)
        return 0;
    return why_set(why, ERR_FORMAT, "%s: a rule gives a vector or a scalar", name);
}

static int read_times(struct serve *s, const struct json_tree *tree, struct test *t,
                      struct why *why)
{
    int64_t now = clock_wall_ms(s->config.clock), range;
    const char *days = json_tree_text(tree, "range").p;
    int err = time_of(json_tree_get(tree, "end"), now, "end", &t->end_ms, why);
    if (err == 0)
        err = span_of(days != NULL ? days : "", "range", 7LL * DAY_MS, &range, why);
    if (err == 0)
        err = time_of(json_tree_get(tree, "start"), t->end_ms - range, "start", &t->start_ms, why);
    if (err == 0)
        err = span_of(t->row.interval, "interval", INTERVAL_MS, &t->interval_ms, why);
    if (err == 0)
        err = span_of(t->row.pend, "for", 0, &t->for_ms, why);
    if (err == 0)
        err = span_of(t->row.keep_firing_for, "keep_firing_for", 0, &t->keep_ms, why);
    /* Rules run at whole intervals. */
    if (err == 0 && t->interval_ms > 0)
        t->start_ms -= t->start_ms % t->interval_ms;
    return err;
}

static int read_test(struct serve *s, struct http_request *r, struct test *t, struct why *why)
{
    struct arena *a = http_arena(r);
    const struct json_tree *tree, *rule;
    int err = json_tree_parse(http_body(r), a, &tree, why);
    if (err != 0)
        return err;
    query_registry_rules(s->queries, &t->rules);
    rule = json_tree_get(tree, "rule");
    if (rule == NULL)
        return why_set(why, ERR_FORMAT,
                       "the member \"rule\" is missing: a custom alert, or "
                       "{\"expr\": ..}");
    err = threshold_json_read(rule, a, &t->row, why);
    if (err == 0 && t->row.expr[0] != '\0')
        t->row.kind = "expression";
    if (err == 0)
        err = threshold_compile(&t->row, a, &t->expr, &t->hold, why);
    if (err == 0)
        err = parse(t, t->expr, "expr", a, &t->tree, why);
    if (err == 0 && t->hold.n > 0)
        err = parse(t, t->hold, "clear_expr", a, &t->hold_tree, why);
    return err != 0 ? err : read_times(s, tree, t, why);
}

static void put_i64(struct json_writer *w, const char *key, int64_t v)
{
    json_key(w, str_c(key));
    json_i64(w, v);
}

static void put_firing(struct json_writer *w, const struct backtest_firing *f)
{
    json_begin_object(w);
    json_key(w, STR("labels"));
    struct buf labels;
    buf_init(&labels, SERVE_BODY_MAX);
    answer_labels(&labels, f->labels);
    json_raw(w, buf_str(&labels));
    buf_done(&labels);
    put_i64(w, "start_time_ms", f->start_ms);
    put_i64(w, "end_time_ms", f->end_ms);
    json_key(w, STR("still_firing"));
    json_bool(w, f->open);
    json_key(w, STR("peak"));
    json_number(w, f->peak);
    json_end_object(w);
}

static struct str sentence(struct job *j, const struct test *t, const struct backtest_result *r)
{
    struct buf b;
    buf_init(&b, 256);
    buf_printf(&b, "would have fired %llu time%s in ", (unsigned long long)r->fired,
               r->fired == 1 ? "" : "s");
    int64_t span = t->end_ms - t->start_ms, unit = span > 600000 ? 60000 : 1000;
    if (span >= DAY_MS)
        buf_printf(&b, "%.3g days", (double)span / DAY_MS);
    else
        duration_put(&b, MAX((span + unit / 2) / unit, 1) * unit);
    struct str text = arena_str(&j->arena, buf_str(&b));
    buf_done(&b);
    return text;
}

static void put_result(struct job *j, const struct test *t, const struct backtest_result *r)
{
    struct json_writer w;
    answer_begin(j);
    json_writer_init(&w, &j->body);
    json_begin_object(&w);
    json_key(&w, STR("summary"));
    json_text(&w, sentence(j, t, r));
    json_key(&w, STR("query"));
    json_text(&w, t->expr);
    json_key(&w, STR("hold_query"));
    json_text(&w, t->hold);
    put_i64(&w, "start_time_ms", t->start_ms);
    put_i64(&w, "end_time_ms", t->end_ms);
    put_i64(&w, "interval_ms", t->interval_ms);
    put_i64(&w, "evaluations", (int64_t)r->steps);
    put_i64(&w, "fired", (int64_t)r->fired);
    put_i64(&w, "series", (int64_t)r->series);
    put_i64(&w, "firing_ms", r->firing_ms);
    json_key(&w, STR("noise"));
    json_begin_object(&w);
    put_i64(&w, "pended_in_vain", (int64_t)r->pended);
    put_i64(&w, "over_within_5m", (int64_t)r->brief);
    put_i64(&w, "again_within_1h", (int64_t)r->again);
    put_i64(&w, "median_ms", r->median_ms);
    put_i64(&w, "longest_ms", r->longest_ms);
    json_end_object(&w);
    json_key(&w, STR("firings"));
    json_begin_array(&w);
    for (size_t i = 0; i < r->n; i++)
        put_firing(&w, &r->firings[i]);
    json_end_array(&w);
    json_end_object(&w);
    answer_end(j, NULL, STR(""));
}

static void backtest_work(struct job *j)
{
    const struct test *t = j->context;
    struct backtest_result result;
    struct promql_failure failure = {0};
    struct backtest b = {.expr = t->tree,
                         .hold = t->hold_tree,
                         .start_ms = t->start_ms,
                         .end_ms = t->end_ms,
                         .interval_ms = t->interval_ms,
                         .for_ms = t->for_ms,
                         .keep_firing_for_ms = t->keep_ms};
    b.query.store = j->serve->config.store;
    b.query.tenant = j->tenant;
    b.query.pool = j->serve->config.pool;
    query_registry_fill(j->ticket, &t->rules, &b.query);
    if (backtest_run(&b, &j->arena, &result, &failure) == 0) {
        put_result(j, t, &result);
        return;
    }
    answer_error(j, failure.kind, "%s", failure.text);
    query_registry_outcome(j->ticket, promql_error_text(failure.kind));
}

void threshold_api_backtest(struct http_request *r, void *serve)
{
    struct serve *s = serve;
    struct test *t = arena_new(http_arena(r), sizeof *t);
    struct why why = {0};
    if (read_test(s, r, t, &why) != 0) {
        answer_refuse(r, 400, "bad_data", "%s", why.text);
        return;
    }
    struct query_order order = {.work = backtest_work,
                                .context = t,
                                .kind = "backtest",
                                .text = t->expr,
                                .timeout_ms = t->rules.settings.timeout_ms};
    query_registry_start(s, r, &order);
}
