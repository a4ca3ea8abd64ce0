#include "serve/metric_api.h"

#include "base/map.h"
#include "serve/answer.h"
#include "serve/param.h"
#include "serve/query_registry.h"
#include "text/json.h"
#include "text/number.h"

enum {
    TAGS_MAX = 32,
    POINTS_DEFAULT = 240,
    SEARCH_DEFAULT = 100,
    SEARCH_MAX = 10000,
    SEARCH_LABELS_MAX = 64, /* label names shown of one metric */
    SEARCH_SERIES_MAX = 2000000,
    WINDOW_DEFAULT_MS = 3600 * 1000,
    STEP_DEFAULT_MIN_MS = 15000, /* what most senders keep to */
    RATE_WINDOW_MIN_MS = 60000,  /* a rate needs several samples */
};

/* In time: how the samples of one step become a point. */
static const struct {
    const char *name, *function;
} AGGREGATIONS[] = {
    {"avg", "avg_over_time"}, {"min", "min_over_time"},     {"max", "max_over_time"},
    {"sum", "sum_over_time"}, {"count", "count_over_time"}, {"last", "last_over_time"},
    {"rate", "rate"},         {"increase", "increase"},     {"delta", "delta"},
};

/* Over series. */
static const char *const GROUPS[] = {"sum", "avg", "min", "max", "count"};

struct metric_input {
    struct str name, query;
    int64_t from_ms, to_ms, step_ms;
    struct matcher *matchers;
    size_t matchers_n;
    uint64_t limit;
};

static void refuse(struct http_request *r, const char *text)
{
    http_reply_error(r, 400, -ERR_FORMAT, text);
}

/* key=value, key!=value, key=~expression or key!~expression. */
static bool parse_tag(struct str text, struct matcher *ret)
{
    size_t at = 0;
    while (at < text.n && text.p[at] != '=' && text.p[at] != '!')
        at++;
    struct str name = str_trim(str_sub(text, 0, at)), rest = str_sub(text, at, text.n);
    static const struct {
        struct str sign;
        enum match_type type;
    } SIGNS[] = {{{"=~", 2}, MATCH_REGEX},
                 {{"!~", 2}, MATCH_NOT_REGEX},
                 {{"!=", 2}, MATCH_NOT_EQUAL},
                 {{"=", 1}, MATCH_EQUAL}};
    for (size_t i = 0; i < COUNTOF(SIGNS); i++) {
        if (!str_starts(rest, SIGNS[i].sign))
            continue;
        *ret = (struct matcher){SIGNS[i].type, name, str_sub(rest, SIGNS[i].sign.n, rest.n)};
        return name.n > 0 && str_utf8(name) && str_utf8(ret->value);
    }
    return false;
}

/* Appends the request's tag parameters behind ret->matchers_n matchers. */
static bool read_tags(struct http_request *r, struct metric_input *ret)
{
    struct str text;
    for (size_t i = 0; http_param_at(r, STR("tag"), i, &text); i++) {
        if (i == TAGS_MAX) {
            refuse(r, "there are more than 32 tag parameters");
            return false;
        }
        if (!parse_tag(text, &ret->matchers[ret->matchers_n])) {
            refuse(r, "a tag is written tag=key=value (or key!=value, key=~expression, "
                      "key!~expression), once for each tag");
            return false;
        }
        ret->matchers_n++;
    }
    return true;
}

/* A time as the API has it, or -15m: before now. */
static bool read_time(struct http_request *r, struct str name, int64_t now_ms, int64_t fallback_ms,
                      int64_t *ret_ms)
{
    struct str text;
    int64_t ms;
    *ret_ms = fallback_ms;
    if (!http_param(r, name, &text) || text.n == 0)
        return true;
    if (str_eq(text, STR("now"))) {
        *ret_ms = now_ms;
        return true;
    }
    if (text.p[0] == '-' && promql_duration(str_sub(text, 1, text.n), &ms) == 0) {
        *ret_ms = now_ms - ms;
        return true;
    }
    return param_time(r, name, fallback_ms, ret_ms);
}

static void put_quoted(struct buf *b, struct str s)
{
    buf_put_c(b, '"');
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == '"' || c == '\\')
            buf_printf(b, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            buf_printf(b, "\\x%02x", c);
        else
            buf_put_c(b, (char)c);
    }
    buf_put_c(b, '"');
}

static void put_selector(struct buf *b, const struct metric_input *in)
{
    static const char *const SIGNS[] = {"=", "!=", "=~", "!~"};
    bool plain = metric_name_plain(in->name);
    const char *separator = "";
    if (plain)
        buf_put_str(b, in->name);
    if (plain && in->matchers_n == 0)
        return;
    buf_put_c(b, '{');
    if (!plain) {
        put_quoted(b, in->name);
        separator = ",";
    }
    for (size_t i = 0; i < in->matchers_n; i++) {
        buf_put_str(b, str_c(separator));
        separator = ",";
        if (label_name_plain(in->matchers[i].name))
            buf_put_str(b, in->matchers[i].name);
        else
            put_quoted(b, in->matchers[i].name);
        buf_put_str(b, str_c(SIGNS[in->matchers[i].type]));
        put_quoted(b, in->matchers[i].value);
    }
    buf_put_c(b, '}');
}

/* The operator over series, or "" where none is asked for; false where the request is answered. */
static bool read_group(struct http_request *r, struct str *ret_group, struct str *ret_by)
{
    *ret_by = *ret_group = STR("");
    (void)http_param(r, STR("by"), ret_by);
    if (!http_param(r, STR("group"), ret_group))
        *ret_group = ret_by->n ? STR("sum") : STR("");
    if (ret_group->n == 0)
        return true;
    for (size_t i = 0; i < COUNTOF(GROUPS); i++)
        if (str_eq(*ret_group, str_c(GROUPS[i])))
            return true;
    refuse(r, "group is one of sum, avg, min, max, count");
    return false;
}

static bool put_by(struct buf *b, struct str by)
{
    struct str one;
    const char *separator = "";
    buf_put_str(b, STR(" by ("));
    while (str_split(&by, ',', &one)) {
        one = str_trim(one);
        if (one.n == 0)
            continue;
        if (!str_utf8(one))
            return false;
        buf_put_str(b, str_c(separator));
        separator = ", ";
        if (label_name_plain(one))
            buf_put_str(b, one);
        else
            put_quoted(b, one);
    }
    buf_put_str(b, STR(") "));
    return true;
}

/* Writes the PromQL that the parameters stand for into in->query. */
static bool write_query(struct http_request *r, struct metric_input *in)
{
    struct str aggregation = STR("avg"), group, by;
    const char *function = NULL;
    struct buf b;
    (void)http_param(r, STR("aggregation"), &aggregation);
    for (size_t i = 0; i < COUNTOF(AGGREGATIONS); i++)
        if (str_eq(aggregation, str_c(AGGREGATIONS[i].name)))
            function = AGGREGATIONS[i].function;
    if (!function) {
        refuse(r, "aggregation is one of avg, min, max, sum, count, last, rate, increase, delta");
        return false;
    }
    if (!read_group(r, &group, &by))
        return false;
    buf_init(&b, PROMQL_TEXT_MAX);
    bool good = true;
    if (group.n) {
        buf_put_str(&b, group);
        if (by.n)
            good = put_by(&b, by);
        buf_put_c(&b, '(');
    }
    buf_printf(&b, "%s(", function);
    put_selector(&b, in);
    buf_put_c(&b, '[');
    bool rate = str_eq(aggregation, STR("rate"));
    promql_duration_print(rate ? MAX(in->step_ms, RATE_WINDOW_MIN_MS) : in->step_ms, &b);
    buf_put_str(&b, group.n ? STR("]))") : STR("])"));
    good = good && !buf_failed(&b);
    if (good)
        in->query = arena_str(http_arena(r), buf_str(&b));
    else
        refuse(r, "the tags are too long or not UTF-8");
    buf_done(&b);
    return good;
}

static void put_series(struct job *j, struct promql_result *result, struct str name)
{
    struct buf *b = &j->body;
    struct promql_series one;
    struct label l;
    for (const char *comma = ""; promql_result_next(result, &one); comma = ",") {
        const char *separator = "";
        buf_put_str(b, str_c(comma));
        buf_put_str(b, STR("{\"name\":"));
        json_put_text(b, name);
        buf_put_str(b, STR(",\"tags\":{"));
        for (const char *at = one.key.p; labels_next(one.key, &at, &l, NULL);) {
            if (str_eq(l.name, LABEL_METRIC))
                continue;
            buf_put_str(b, str_c(separator));
            separator = ",";
            json_put_text(b, l.name);
            buf_put_c(b, ':');
            json_put_text(b, l.value);
        }
        buf_put_str(b, STR("},\"points\":["));
        for (size_t i = 0; i < one.n; i++) {
            bool histogram = one.histogram && one.histogram[i];
            buf_put_str(b, i ? STR(",[") : STR("["));
            answer_time(b, one.ts_ms[i]);
            buf_put_c(b, ',');
            if (histogram)
                answer_histogram(b, one.histogram[i]);
            else
                json_put_number(b, one.value[i]);
            buf_put_c(b, ']');
        }
        buf_put_str(b, STR("]}"));
    }
}

static void query_work(struct job *j)
{
    const struct metric_input *in = j->context;
    const struct serve_config *config = &j->serve->config;
    struct promql_failure failure;
    struct promql_expr *expr;
    struct promql_result *result;
    struct query_rules rules;
    query_registry_rules(j->serve->queries, &rules);
    if (promql_parse(in->query, NULL, &j->arena, &expr, &failure) != 0) {
        query_registry_outcome(j->ticket, "bad_data");
        answer_error(j, PROMQL_BAD_DATA, "%s", failure.text);
        return;
    }
    struct promql_query q = {
        .expr = expr,
        .store = config->store,
        .tenant = j->tenant,
        .start_ms = in->from_ms,
        .end_ms = in->to_ms,
        .step_ms = in->step_ms,
        .pool = config->pool,
    };
    query_registry_fill(j->ticket, &rules, &q);
    if (promql_run(&q, &result, &failure) != 0) {
        query_registry_outcome(j->ticket, promql_error_text(failure.kind));
        answer_error(j, failure.kind, "%s", failure.text);
        return;
    }
    buf_put_str(&j->body, STR("{\"query\":"));
    json_put_text(&j->body, in->query);
    buf_put_str(&j->body, STR(",\"from\":"));
    answer_time(&j->body, in->from_ms);
    buf_put_str(&j->body, STR(",\"to\":"));
    answer_time(&j->body, in->to_ms);
    buf_put_str(&j->body, STR(",\"step_seconds\":"));
    answer_time(&j->body, in->step_ms);
    buf_put_str(&j->body, STR(",\"series\":["));
    put_series(j, result, in->name);
    buf_put_c(&j->body, ']');
    answer_end(j, result, STR(""));
    promql_result_free(result);
}

static bool read_window(struct serve *s, struct http_request *r, struct metric_input *in,
                        int64_t default_ms)
{
    int64_t now = clock_wall_ms(s->config.clock);
    if (!read_time(r, STR("to"), now, now, &in->to_ms) ||
        !read_time(r, STR("from"), now, in->to_ms - default_ms, &in->from_ms))
        return false;
    if (in->to_ms >= in->from_ms)
        return true;
    refuse(r, "from must not be after to");
    return false;
}

void metric_api_query(struct http_request *r, void *serve)
{
    struct serve *s = serve;
    struct metric_input *in = arena_new(http_arena(r), sizeof *in);
    in->matchers = arena_array(http_arena(r), TAGS_MAX, sizeof *in->matchers);
    if (!http_param(r, STR("name"), &in->name) || in->name.n == 0 || !str_utf8(in->name)) {
        refuse(r, "the parameter name is missing: which metric? /api/metrics/search lists them");
        return;
    }
    if (!read_window(s, r, in, WINDOW_DEFAULT_MS))
        return;
    int64_t step = (in->to_ms - in->from_ms) / POINTS_DEFAULT;
    step = MAX((step + 999) / 1000 * 1000, STEP_DEFAULT_MIN_MS);
    if (!param_duration(r, STR("step"), step, &in->step_ms))
        return;
    if (in->step_ms <= 0 || (in->to_ms - in->from_ms) / in->step_ms > PROMQL_STEPS_MAX) {
        refuse(r, "step must be above zero and give at most 11000 points: take a longer step or a "
                  "shorter time");
        return;
    }
    if (read_tags(r, in) && write_query(r, in))
        query_registry_start(s, r,
                             &(struct query_order){.work = query_work,
                                                   .context = in,
                                                   .kind = "metric",
                                                   .text = in->query,
                                                   .timeout_ms = INT64_MAX / 1000000});
}

/* ---- search */

/* A metric while its series pass by. */
struct found {
    struct str name;
    struct str labels[SEARCH_LABELS_MAX];
    size_t labels_n;
    uint64_t series;
};

static const struct metadata *family_of(const struct map *families, struct str name)
{
    static const struct str SUFFIXES[] = {{"", 0},       {"_total", 6}, {"_bucket", 7},
                                          {"_count", 6}, {"_sum", 4},   {"_info", 5}};
    for (size_t i = 0; i < COUNTOF(SUFFIXES); i++) {
        if (!str_ends(name, SUFFIXES[i]))
            continue;
        union map_value *v = map_get(families, str_sub(name, 0, name.n - SUFFIXES[i].n));
        if (v)
            return v->p;
    }
    return NULL;
}

static void put_found(struct json_writer *w, const struct found *f, const struct map *families)
{
    const struct metadata *m = family_of(families, f->name);
    json_begin_object(w);
    json_key(w, STR("name"));
    json_text(w, f->name);
    json_key(w, STR("type"));
    json_text(w, str_c(metric_type_text(m ? m->type : METRIC_UNKNOWN)));
    json_key(w, STR("help"));
    json_text(w, m ? m->help : STR(""));
    json_key(w, STR("unit"));
    json_text(w, m ? m->unit : STR(""));
    json_key(w, STR("series"));
    json_u64(w, f->series);
    json_key(w, STR("tags"));
    json_begin_array(w);
    for (size_t i = 0; i < f->labels_n; i++)
        json_text(w, f->labels[i]);
    json_end_array(w);
    json_end_object(w);
}

static void found_labels(struct found *f, struct str key, struct arena *a)
{
    struct label l;
    for (const char *at = key.p; labels_next(key, &at, &l, NULL);) {
        size_t i = 0;
        if (str_eq(l.name, LABEL_METRIC))
            continue;
        while (i < f->labels_n && !str_eq(f->labels[i], l.name))
            i++;
        if (i == f->labels_n && i < SEARCH_LABELS_MAX)
            f->labels[f->labels_n++] = arena_str(a, l.name);
    }
}

/* Series come sorted by key, so that those of a metric follow each other. */
static int walk_metrics(struct job *j, struct series_cursor *cursor, const struct map *families,
                        bool *ret_cut, struct why *why)
{
    const struct metric_input *in = j->context;
    struct series_store *store = j->serve->config.store;
    struct found *f = arena_new(&j->arena, sizeof *f);
    struct series_view view;
    struct json_writer w;
    uint64_t metrics = 0;
    int err;
    json_writer_init(&w, &j->body);
    json_begin_array(&w);
    while ((err = store->ops->next(cursor, &view, why)) == 1) {
        struct str name = labels_get(view.key, LABEL_METRIC);
        if (metrics == 0 || !str_eq(name, f->name)) {
            if (metrics > 0)
                put_found(&w, f, families);
            if (metrics == in->limit) {
                *ret_cut = true;
                metrics = 0;
                err = 0;
                break;
            }
            metrics++;
            *f = (struct found){.name = arena_str(&j->arena, name)};
        }
        f->series++;
        found_labels(f, view.key, &j->arena);
    }
    if (metrics > 0 && !err)
        put_found(&w, f, families);
    json_end_array(&w);
    return err;
}

static void search_work(struct job *j)
{
    const struct metric_input *in = j->context;
    struct series_store *store = j->serve->config.store;
    struct select how = {.matchers = in->matchers,
                         .matchers_n = in->matchers_n,
                         .from_ms = in->from_ms,
                         .to_ms = in->to_ms,
                         .want = SELECT_KEYS,
                         .series_max = SEARCH_SERIES_MAX};
    struct series_cursor *cursor = NULL;
    struct metadata *v = NULL;
    struct map families;
    struct why why = {0};
    size_t n = 0;
    bool cut = false;
    int err = 0;
    map_init(&families, 0);
    buf_put_str(&j->body, STR("{\"metrics\":"));
    if (j->tenant) {
        err = store->ops->metadata(store, j->tenant, STR(""), &j->arena, &v, &n);
        for (size_t i = 0; i < n && !err; i++)
            map_put(&families, v[i].metric, NULL)->p = &v[i];
        if (!err)
            err = store->ops->select(store, j->tenant, &how, &cursor, &why);
    }
    if (!err && cursor)
        err = walk_metrics(j, cursor, &families, &cut, &why);
    else
        buf_put_str(&j->body, STR("[]"));
    if (cursor)
        store->ops->close(cursor);
    map_done(&families);
    if (err)
        answer_failure(j, err, &why);
    else
        answer_end(j, NULL, cut ? STR("there are more metrics than limit") : STR(""));
}

/* cpu becomes .*cpu.*; with * and ? in it the pattern stands for the whole name. */
static struct str pattern_regex(struct http_request *r, struct str pattern)
{
    struct buf b;
    bool whole = str_find(pattern, '*') < pattern.n || str_find(pattern, '?') < pattern.n;
    buf_init(&b, pattern.n * 2 + 16);
    if (!whole)
        buf_put_str(&b, STR(".*"));
    for (size_t i = 0; i < pattern.n; i++) {
        char c = pattern.p[i];
        if (c == '*')
            buf_put_str(&b, STR(".*"));
        else if (c == '?')
            buf_put_c(&b, '.');
        else if (strchr("\\.+()[]{}^$|", c) && c)
            buf_put(&b, (const char[]){'\\', c}, 2);
        else
            buf_put_c(&b, c);
    }
    if (!whole)
        buf_put_str(&b, STR(".*"));
    struct str regex = arena_str(http_arena(r), buf_str(&b));
    buf_done(&b);
    return regex;
}

void metric_api_search(struct http_request *r, void *serve)
{
    struct serve *s = serve;
    struct str pattern = STR("");
    struct metric_input *in = arena_new(http_arena(r), sizeof *in);
    in->matchers = arena_array(http_arena(r), TAGS_MAX + 1, sizeof *in->matchers);
    (void)http_param(r, STR("name"), &pattern);
    if (pattern.n > LABEL_NAME_MAX || !str_utf8(pattern)) {
        refuse(r, "name is a part of a metric's name, or a pattern with * and ?");
        return;
    }
    in->matchers[in->matchers_n++] =
        (struct matcher){pattern.n ? MATCH_REGEX : MATCH_NOT_EQUAL, LABEL_METRIC,
                         pattern.n ? pattern_regex(r, pattern) : STR("")};
    if (!read_window(s, r, in, (int64_t)WINDOW_DEFAULT_MS * 24) || !read_tags(r, in) ||
        !param_limit(r, STR("limit"), &in->limit))
        return;
    if (in->limit == 0)
        in->limit = SEARCH_DEFAULT;
    in->limit = MIN(in->limit, SEARCH_MAX);
    job_start(s, r, search_work, in);
}
