#include "serve/query_api.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/stat.h"
#include "query/promql/promql_explain.h"
#include "query/promql/promql_reach.h"
#include "serve/param.h"
#include "serve/query_registry.h"
#include "text/json.h"
#include "text/number.h"

enum {
    TIMES_KEPT = 1024,
    POINT_MAX = ANSWER_TIME_MAX + NUMBER_MAX + 8, /* bytes of a point with a float */
    POINT_USUAL = ANSWER_TIME_MAX + 40,           /* number_format_point() writes at most 32 */
    POINTS_AT_ONCE = 64
};

static struct stat durations =
    STAT_HISTOGRAM("sonde_query_duration_seconds", "Time to evaluate a query of the HTTP API.");
static struct stat queries = STAT_COUNTER("sonde_queries_total", "Queries of the HTTP API.");
static struct stat failures =
    STAT_COUNTER("sonde_query_failures_total", "Queries of the HTTP API that failed.");
static struct stat samples =
    STAT_COUNTER("sonde_query_samples_total", "Samples that queries have read.");

void query_api_open(void)
{
    stat_register(&durations);
    stat_register(&queries);
    stat_register(&failures);
    stat_register(&samples);
}

struct query_input {
    struct str text;
    int64_t start_ms, end_ms, step_ms, timeout_ms, lookback_ms;
    uint64_t limit;
    bool instant, stats, stats_all, nocache, explain;
    struct query_rules rules; /* as they were when it came */
    struct promql_expr *expr; /* NULL: work() parses it */
};

/* Is a parameter there, with anything but an empty text, "0" and "false"? */
static bool is_on(struct http_request *r, struct str name)
{
    struct str text;
    return http_param(r, name, &text) && text.n && !str_eq(text, STR("0")) &&
           !str_eq(text, STR("false"));
}

/* What both forms share; false where the request has been answered. */
static bool read_common(struct serve *s, struct http_request *r, struct query_input *ret)
{
    struct str text;
    query_registry_rules(s->queries, &ret->rules);
    int64_t most = ret->rules.settings.timeout_ms;
    if (!http_param(r, STR("query"), &ret->text))
        ret->text = STR("");
    if (!param_limit(r, STR("limit"), &ret->limit) ||
        !param_duration(r, STR("timeout"), most, &ret->timeout_ms) ||
        !param_duration(r, STR("lookback_delta"), 0, &ret->lookback_ms))
        return false;
    if (ret->timeout_ms > most || ret->timeout_ms <= 0)
        ret->timeout_ms = most;
    if (ret->lookback_ms < 0) {
        param_refuse(r, STR("lookback_delta"), "a look-back must not be negative");
        return false;
    }
    ret->stats = http_param(r, STR("stats"), &text) && text.n > 0;
    ret->stats_all = ret->stats && str_eq(text, STR("all"));
    ret->nocache = is_on(r, STR("nocache"));
    ret->explain = is_on(r, STR("explain"));
    return true;
}

/* What a time's text was, for the next point with that time: all series of a range query have the
 * same times, and most lie in the same place of the answer. */
struct times {
    struct {
        int64_t ts_ms;
        uint8_t n; /* 0: none yet */
        char text[ANSWER_TIME_MAX];
    } v[TIMES_KEPT];
};

static size_t put_time(struct times *t, size_t i, int64_t ts_ms, char *to)
{
    size_t at = i % TIMES_KEPT;
    if (t == NULL)
        return answer_time_text(ts_ms, to);
    if (t->v[at].n == 0 || t->v[at].ts_ms != ts_ms) {
        t->v[at].ts_ms = ts_ms;
        t->v[at].n = (uint8_t)answer_time_text(ts_ms, t->v[at].text);
    }
    memcpy(to, t->v[at].text, ANSWER_TIME_MAX);
    return t->v[at].n;
}

/* [time,"value"] into POINT_MAX bytes; the length. */
static size_t float_text(struct times *times, const struct promql_series *one, size_t i, char *to)
{
    size_t n = 0;
    to[n++] = '[';
    n += put_time(times, i, one->ts_ms[i], to + n);
    to[n++] = ',';
    to[n++] = '"';
    n += number_format_point(one->value[i], to + n);
    to[n++] = '"';
    to[n++] = ']';
    return n;
}

static void put_float(struct buf *b, struct times *times, const struct promql_series *one, size_t i)
{
    char *to = buf_reserve(b, POINT_MAX);
    if (to)
        buf_commit(b, float_text(times, one, i, to));
}

/* ,"values":[..] of a series without histograms: an answer may have millions of points, so that
 * room is made for many at once. */
static void put_floats(struct buf *b, struct times *times, const struct promql_series *one)
{
    buf_put_str(b, STR(",\"values\":["));
    for (size_t i = 0; i < one->n;) {
        size_t end = MIN(i + POINTS_AT_ONCE, one->n), n = 0;
        char *to = buf_reserve(b, (end - i) * POINT_USUAL + POINT_MAX);
        if (!to)
            return;
        for (; i < end; i++) {
            if (i)
                to[n++] = ',';
            n += float_text(times, one, i, to + n);
        }
        buf_commit(b, n);
    }
    buf_put_c(b, ']');
}

static void put_point(struct buf *b, struct times *times, const struct promql_series *one, size_t i)
{
    if (!one->histogram || !one->histogram[i]) {
        put_float(b, times, one, i);
        return;
    }
    buf_put_c(b, '[');
    answer_time(b, one->ts_ms[i]);
    buf_put_c(b, ',');
    answer_histogram(b, one->histogram[i]);
    buf_put_c(b, ']');
}

/* "values":[..] or "histograms":[..], the points of that kind. */
static void put_points(struct buf *b, struct times *times, const struct promql_series *one,
                       bool histograms)
{
    size_t n = 0;
    for (size_t i = 0; i < one->n; i++) {
        bool is_histogram = one->histogram && one->histogram[i];
        if (is_histogram != histograms)
            continue;
        if (n++ == 0)
            buf_put_str(b, histograms ? STR(",\"histograms\":[") : STR(",\"values\":["));
        else
            buf_put_c(b, ',');
        put_point(b, times, one, i);
    }
    if (n)
        buf_put_c(b, ']');
}

static bool put_series(struct buf *b, struct promql_result *result, bool matrix, uint64_t limit)
{
    struct promql_series one;
    struct times *times = matrix ? mem_new(sizeof *times) : NULL;
    uint64_t n = 0;
    bool cut = false;
    while (promql_result_next(result, &one)) {
        cut = limit && n == limit;
        if (cut)
            break;
        buf_put_str(b, n++ ? STR(",{\"metric\":") : STR("{\"metric\":"));
        answer_labels(b, one.key);
        if (matrix && !one.histogram) {
            put_floats(b, times, &one);
        } else if (matrix) {
            put_points(b, times, &one, false);
            put_points(b, times, &one, true);
        } else {
            bool is_histogram = one.histogram && one.histogram[0];
            buf_put_str(b, is_histogram ? STR(",\"histogram\":") : STR(",\"value\":"));
            put_point(b, NULL, &one, 0);
        }
        buf_put_c(b, '}');
    }
    mem_free(times);
    return cut;
}

/* [1.5,"text"]: scalars and strings print their time as a plain number. */
static void put_single(struct buf *b, struct promql_result *result, enum promql_type type)
{
    int64_t at_ms;
    struct str text = STR("");
    double v = 0;
    if (type == PROMQL_STRING)
        text = promql_result_string(result, &at_ms);
    else
        v = promql_result_scalar(result, &at_ms);
    buf_put_c(b, '[');
    number_put(b, (double)at_ms / 1000);
    buf_put_c(b, ',');
    if (type == PROMQL_STRING) {
        json_put_text(b, text);
    } else {
        buf_put_c(b, '"');
        number_put(b, v);
        buf_put_c(b, '"');
    }
    buf_put_c(b, ']');
}

bool query_api_result(struct buf *b, struct promql_result *result, uint64_t limit)
{
    enum promql_type type = promql_result_type(result);
    bool cut = false;
    buf_printf(b, "{\"resultType\":\"%s\",\"result\":", promql_type_text(type));
    if (type == PROMQL_SCALAR || type == PROMQL_STRING) {
        put_single(b, result, type);
    } else {
        buf_put_c(b, '[');
        cut = put_series(b, result, type == PROMQL_MATRIX, limit);
        buf_put_c(b, ']');
    }
    return cut;
}

static void put_seconds(struct buf *b, const char *name, int64_t ns)
{
    buf_printf(b, "\"%s\":", name);
    number_put(b, (double)ns / 1e9);
}

static void put_step_samples(struct buf *b, const struct query_input *in,
                             const struct promql_statistics *s)
{
    buf_put_str(b, STR("\"totalQueryableSamplesPerStep\":["));
    for (size_t i = 0; i < s->steps_n; i++) {
        buf_put_str(b, i ? STR(",[") : STR("["));
        number_put(b, (double)(in->start_ms + (int64_t)i * in->step_ms) / 1000);
        buf_put_c(b, ',');
        buf_put_u64(b, s->step_samples[i]);
        buf_put_c(b, ']');
    }
    buf_put_str(b, STR("],"));
}

/* As Prometheus prints them. */
static void put_statistics(struct buf *b, const struct query_input *in,
                           const struct promql_result *result, int64_t waited_ns)
{
    struct promql_statistics s = promql_result_statistics(result);
    buf_put_str(b, STR(",\"stats\":{\"timings\":{"));
    put_seconds(b, "evalTotalTime", s.elapsed_ns);
    buf_put_c(b, ',');
    put_seconds(b, "resultSortTime", s.sort_ns);
    buf_put_c(b, ',');
    put_seconds(b, "queryPreparationTime", s.prepare_ns);
    buf_put_c(b, ',');
    put_seconds(b, "innerEvalTime", s.eval_ns);
    buf_put_c(b, ',');
    put_seconds(b, "execQueueTime", waited_ns);
    buf_put_c(b, ',');
    put_seconds(b, "execTotalTime", waited_ns + s.elapsed_ns);
    buf_put_str(b, STR("},\"samples\":{"));
    if (in->stats_all)
        put_step_samples(b, in, &s);
    buf_put_str(b, STR("\"totalQueryableSamples\":"));
    buf_put_u64(b, s.queryable_samples);
    buf_put_str(b, STR(",\"peakSamples\":"));
    buf_put_u64(b, s.samples_peak);
    buf_put_str(b, STR("}}"));
}

static void put_explanation(struct buf *b, const struct promql_profile *profile,
                            const struct promql_cache_use *use,
                            const struct promql_estimate *estimate)
{
    buf_printf(b,
               ",\"explain\":{\"estimate\":{\"samples\":%llu,\"series\":%llu},\"cache\":{"
               "\"used\":%s,\"steps\":%zu,\"held\":%zu,\"evaluations\":%u},\"tree\":",
               (unsigned long long)estimate->samples, (unsigned long long)estimate->series,
               use->asked ? "true" : "false", use->steps, use->held, use->runs);
    promql_profile_put(profile, b);
    buf_put_c(b, '}');
}

/* One evaluation: what goes in and what comes out. */
struct evaluation {
    struct job *job;
    struct promql_query q;
    struct promql_estimate estimate;
    struct promql_cache_use use;
    struct promql_result *result;
    struct promql_failure failure;
};

static void fail(struct job *j, enum promql_error kind, const char *before, const char *text)
{
    stat_add(&failures, 1);
    query_registry_outcome(j->ticket, promql_error_text(kind));
    answer_error(j, kind, "%s%s", before, text);
}

static bool too_much(struct evaluation *v)
{
    const struct query_input *in = v->job->context;
    uint64_t most = (uint64_t)in->rules.settings.samples_read_max;
    promql_reach_estimate(&v->q, most, &v->estimate);
    if (v->estimate.samples <= most)
        return false;
    v->failure.kind = PROMQL_EXECUTION;
    snprintf(v->failure.text, sizeof v->failure.text,
             "the query would read %s %llu samples of %llu series (limit %llu): narrow the "
             "selectors or shorten the time that they look at",
             v->estimate.more ? "more than" : "about", (unsigned long long)v->estimate.samples,
             (unsigned long long)v->estimate.series, (unsigned long long)most);
    return true;
}

/* The answer is memory of the query too. */
static bool has_room(struct evaluation *v)
{
    enum { POINT_BYTES = 40, SERIES_BYTES = 200 };
    const struct promql_account *full;
    uint64_t bytes = promql_result_points(v->result) * POINT_BYTES +
                     promql_result_count(v->result) * SERIES_BYTES;
    if (promql_meter_charge(v->q.meter, bytes, &full))
        return true;
    v->failure.kind = PROMQL_EXECUTION;
    snprintf(v->failure.text, sizeof v->failure.text,
             "the answer would use more than %llu bytes of memory (limit of %s)",
             (unsigned long long)atomic_load(&full->bytes_max), full->whose);
    return false;
}

static bool evaluate(struct evaluation *v)
{
    const struct query_input *in = v->job->context;
    struct serve *s = v->job->serve;
    int64_t began = clock_monotonic_ns(s->config.clock);
    if (too_much(v))
        return false;
    int err = in->nocache ? promql_run(&v->q, &v->result, &v->failure)
                          : promql_cache_run(query_registry_cache(s->queries), &v->q, &v->use,
                                             &v->result, &v->failure);
    stat_observe(&durations, clock_monotonic_ns(s->config.clock) - began);
    if (err)
        return false;
    stat_add(&samples, promql_result_statistics(v->result).samples);
    if (has_room(v))
        return true;
    promql_result_free(v->result);
    return false;
}

static void put_answer(struct evaluation *v)
{
    struct job *j = v->job;
    const struct query_input *in = j->context;
    size_t max = MIN((size_t)SERVE_ANSWER_MAX, (size_t)in->rules.settings.bytes_max);
    buf_init(&j->body, max);
    answer_begin(j);
    bool cut = query_api_result(&j->body, v->result, in->limit);
    if (in->stats)
        put_statistics(&j->body, in, v->result, query_registry_waited_ns(j->ticket));
    if (in->explain)
        put_explanation(&j->body, v->q.profile, &v->use, &v->estimate);
    buf_put_c(&j->body, '}');
    answer_end(j, v->result, cut ? STR("results truncated due to limit") : STR(""));
}

static struct promql_query query_of(const struct query_input *in, struct promql_expr *expr,
                                    const struct serve *s, struct tenant *tenant)
{
    return (struct promql_query){.expr = expr,
                                 .store = s->config.store,
                                 .tenant = tenant,
                                 .start_ms = in->start_ms,
                                 .end_ms = in->end_ms,
                                 .step_ms = in->step_ms,
                                 .instant = in->instant,
                                 .lookback_ms = in->lookback_ms,
                                 .count_steps = in->stats,
                                 .pool = s->config.pool};
}

static void work(struct job *j)
{
    struct query_input *in = j->context;
    struct evaluation v = {.job = j};
    stat_add(&queries, 1);
    if (!in->expr &&
        promql_parse(in->text, &in->rules.language, &j->arena, &in->expr, &v.failure) != 0) {
        fail(j, PROMQL_BAD_DATA, "invalid parameter \"query\": ", v.failure.text);
        return;
    }
    v.q = query_of(in, in->expr, j->serve, j->tenant);
    query_registry_fill(j->ticket, &in->rules, &v.q);
    v.q.profile = in->explain ? promql_profile_new(in->expr) : NULL;
    if (evaluate(&v)) {
        put_answer(&v);
        promql_result_free(v.result);
    } else {
        fail(j, v.failure.kind, "", v.failure.text);
    }
    promql_profile_free(v.q.profile);
}

/* Most queries of dashboards that ask for a number or two are answered in less time than it takes
 * to wake another thread and to be woken by it. */
static bool is_small(struct serve *s, struct http_request *r, struct query_input *in)
{
    enum { TEXT_MAX = 512 };
    const struct series_store_ops *ops = s->config.store->ops;
    struct promql_failure failure;
    if (in->text.n > TEXT_MAX || in->stats || in->explain)
        return false;
    if (promql_parse(in->text, &in->rules.language, http_arena(r), &in->expr, &failure) != 0) {
        in->expr = NULL;
        return false; /* work() will say why */
    }
    struct tenant *tenant = ops->tenant(s->config.store, job_tenant(r));
    struct promql_query q = query_of(in, in->expr, s, tenant);
    query_registry_limits(&in->rules, &q);
    return promql_reach_small(&q, http_arena(r));
}

static void start(struct serve *s, struct http_request *r, struct query_input *in)
{
    struct query_order order = {.work = work,
                                .context = in,
                                .kind = in->instant ? "instant" : "range",
                                .text = in->text,
                                .timeout_ms = in->timeout_ms,
                                .small = is_small(s, r, in)};
    query_registry_start(s, r, &order);
}

void query_api_instant(struct http_request *r, void *serve)
{
    struct serve *s = serve;
    struct query_input *in = arena_new(http_arena(r), sizeof *in);
    if (!read_common(s, r, in) ||
        !param_time(r, STR("time"), clock_wall_ms(s->config.clock), &in->start_ms))
        return;
    in->end_ms = in->start_ms;
    in->instant = true;
    start(s, r, in);
}

static bool step_needed(struct http_request *r, int64_t *ret_ms)
{
    struct str text;
    if (http_param(r, STR("step"), &text) && text.n)
        return param_duration(r, STR("step"), 0, ret_ms);
    param_refuse(r, STR("step"), "cannot parse \"\" to a valid duration");
    return false;
}

void query_api_range(struct http_request *r, void *serve)
{
    struct serve *s = serve;
    struct query_input *in = arena_new(http_arena(r), sizeof *in);
    if (!param_time_needed(r, STR("start"), &in->start_ms) ||
        !param_time_needed(r, STR("end"), &in->end_ms))
        return;
    if (in->end_ms < in->start_ms) {
        param_refuse(r, STR("end"), "end timestamp must not be before start time");
        return;
    }
    if (!step_needed(r, &in->step_ms))
        return;
    if (in->step_ms <= 0) {
        param_refuse(r, STR("step"),
                     "zero or negative query resolution step widths are not accepted. Try a "
                     "positive integer");
        return;
    }
    if ((in->end_ms - in->start_ms) / in->step_ms > PROMQL_STEPS_MAX) {
        answer_refuse(r, 400, "bad_data",
                      "exceeded maximum resolution of 11,000 points per timeseries. Try "
                      "decreasing the query resolution (?step=XX)");
        return;
    }
    if (read_common(s, r, in))
        start(s, r, in);
}
