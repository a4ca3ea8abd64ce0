#include "serve/series_api.h"

#include <stdlib.h>

#include "base/map.h"
#include "base/vec.h"
#include "serve/admin_api.h"
#include "serve/answer.h"
#include "serve/param.h"
#include "text/json.h"
#include "text/name_escape.h"
#include "text/number.h"

enum {
    SERIES_MAX = 1000000, /* series of one answer */
    SORTED_MAX = 200000,  /* that are sorted by their labels */
};

struct series_input {
    struct param_selectors selectors;
    int64_t from_ms, to_ms;
    uint64_t limit;
    int64_t metrics_max, per_metric_max; /* of /metadata; negative: no limit */
    struct str name;                     /* of a label or a metric */
};

/* Nobody has written, or nothing lies between the two times. */
static bool is_empty(const struct job *j)
{
    const struct series_input *in = j->context;
    return j->tenant == NULL || in->to_ms < in->from_ms;
}

static struct str cut_text(bool cut)
{
    return cut ? STR("results truncated due to limit") : STR("");
}

static struct select select_of(const struct series_input *in, const struct param_selector *one)
{
    return (struct select){
        .matchers = one ? one->matchers : NULL,
        .matchers_n = one ? one->n : 0,
        .from_ms = in->from_ms,
        .to_ms = in->to_ms,
        .want = SELECT_KEYS,
        .series_max = SERIES_MAX,
    };
}

/* ---- /series */

/* The series of an answer, each once. */
struct series_list {
    struct job *job;
    struct map seen; /* where there are several selectors */
    struct str *v;   /* [n] keys in the job's arena; owned */
    size_t n, capacity;
};

static int list_one(void *context, const struct series_view *view, struct why *why)
{
    struct series_list *list = context;
    const struct series_input *in = list->job->context;
    bool fresh = true;
    (void)why;
    if (in->selectors.n > 1)
        (void)map_put(&list->seen, view->key, &fresh);
    if (fresh)
        vec_push(list, arena_str(&list->job->arena, view->key));
    return 0;
}

static int by_labels(const void *a, const void *b)
{
    const struct str *x = a, *y = b;
    return labels_cmp(*x, *y);
}

/* In the order of their labels; that of more series than anybody looks at is left as it is. */
static bool put_series(struct series_list *list, uint64_t limit)
{
    struct buf *b = &list->job->body;
    bool cut = limit && list->n > limit;
    size_t n = cut ? (size_t)limit : list->n;
    if (list->n > 1 && list->n <= SORTED_MAX)
        qsort(list->v, list->n, sizeof *list->v, by_labels);
    answer_begin(list->job);
    buf_put_c(b, '[');
    for (size_t i = 0; i < n && !buf_failed(b); i++) {
        if (i)
            buf_put_c(b, ',');
        answer_labels(b, list->v[i]);
    }
    buf_put_c(b, ']');
    return cut;
}

static void series_work(struct job *j)
{
    const struct series_input *in = j->context;
    struct series_list list = {.job = j};
    struct why why = {0};
    int err = 0;
    map_init(&list.seen, (uint64_t)(uintptr_t)j);
    for (size_t i = 0; i < in->selectors.n && !is_empty(j) && !err; i++) {
        const struct select how = select_of(in, &in->selectors.v[i]);
        err = job_each_series(j, &how, list_one, &list, &why);
    }
    map_done(&list.seen);
    if (err) {
        answer_failure(j, err, &why);
    } else {
        bool cut = put_series(&list, in->limit);
        answer_end(j, NULL, cut_text(cut));
    }
    vec_free(&list);
}

static struct series_input *read_input(struct http_request *r, enum param_wanted wanted)
{
    struct series_input *in = arena_new(http_arena(r), sizeof *in);
    struct str text;
    if (wanted == PARAM_NEEDED && !http_param(r, STR("match[]"), &text)) {
        answer_refuse(r, 400, "bad_data", "no match[] parameter provided");
        return NULL;
    }
    if (!param_limit(r, STR("limit"), &in->limit) || !param_window(r, &in->from_ms, &in->to_ms) ||
        !param_selectors(r, wanted, &in->selectors))
        return NULL;
    return in;
}

void series_api_series(struct http_request *r, void *serve)
{
    struct series_input *in = read_input(r, PARAM_NEEDED);
    if (in)
        job_start(serve, r, series_work, in);
}

/* ---- /labels and /label/NAME/values */

static int compare_str(const void *a, const void *b)
{
    const struct str *x = a, *y = b;
    return str_cmp(*x, *y);
}

/* Names (values of in->name) of one selector, appended to *all. */
static int collect_texts(struct job *j, const struct param_selector *one, struct str **all,
                         size_t *n, struct why *why)
{
    const struct series_input *in = j->context;
    struct series_store *store = j->serve->config.store;
    struct select how = select_of(in, one);
    struct str *v = NULL;
    size_t v_n = 0;
    int err =
        in->name.n
            ? store->ops->label_values(store, j->tenant, in->name, &how, &j->arena, &v, &v_n, why)
            : store->ops->label_names(store, j->tenant, &how, &j->arena, &v, &v_n, why);
    if (err || v_n == 0)
        return err;
    struct str *joined = arena_array(&j->arena, *n + v_n, sizeof *joined);
    for (size_t i = 0; i < *n; i++)
        joined[i] = (*all)[i];
    for (size_t i = 0; i < v_n; i++)
        joined[*n + i] = v[i];
    *all = joined;
    *n += v_n;
    return 0;
}

static void texts_work(struct job *j)
{
    const struct series_input *in = j->context;
    struct why why = {0};
    struct str *all = NULL;
    size_t n = 0;
    uint64_t put = 0;
    bool cut = false;
    int err = 0;
    if (!is_empty(j) && in->selectors.n == 0)
        err = collect_texts(j, NULL, &all, &n, &why);
    for (size_t i = 0; i < in->selectors.n && !is_empty(j) && !err; i++)
        err = collect_texts(j, &in->selectors.v[i], &all, &n, &why);
    if (err) {
        answer_failure(j, err, &why);
        return;
    }
    if (in->selectors.n > 1 && n > 1)
        qsort(all, n, sizeof *all, compare_str);
    answer_begin(j);
    buf_put_c(&j->body, '[');
    for (size_t i = 0; i < n && !cut; i++) {
        if (i > 0 && str_eq(all[i], all[i - 1]))
            continue;
        if (in->limit && put == in->limit) {
            cut = true;
            continue;
        }
        if (put++)
            buf_put_c(&j->body, ',');
        json_put_text(&j->body, all[i]);
    }
    buf_put_c(&j->body, ']');
    answer_end(j, NULL, cut_text(cut));
}

void series_api_labels(struct http_request *r, void *serve)
{
    struct series_input *in = read_input(r, PARAM_OPTIONAL);
    if (in)
        job_start(serve, r, texts_work, in);
}

/* U__my_2e_metric as my.metric; a name that is not escaped stays as it is. */
static struct str unescape(struct http_request *r, struct str name)
{
    struct buf b;
    buf_init(&b, name.n * 4 + 4);
    name_escape_undo(NAME_ESCAPE_VALUES, name, &b);
    struct str plain = arena_str(http_arena(r), buf_str(&b));
    buf_done(&b);
    return plain;
}

/* A text in quotes, bytes that are not UTF-8 as \xff (Go's %q, as far as names need it). */
static const char *quoted(struct http_request *r, struct str text)
{
    struct buf b;
    bool good = str_utf8(text);
    buf_init(&b, LABEL_NAME_MAX * 5);
    text = str_sub(text, 0, LABEL_NAME_MAX);
    buf_put_c(&b, '"');
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c == '"' || c == '\\')
            buf_put_c(&b, '\\');
        if (c < ' ' || c == 127 || (c > 127 && !good))
            buf_printf(&b, "\\x%02x", c);
        else
            buf_put_c(&b, (char)c);
    }
    buf_put_c(&b, '"');
    const char *copy = arena_str(http_arena(r), buf_str(&b)).p;
    buf_done(&b);
    return copy;
}

void series_api_values(struct http_request *r, void *serve)
{
    struct str name = unescape(r, http_segment(r, 0));
    if (name.n == 0 || name.n > LABEL_NAME_MAX || !str_utf8(name)) {
        answer_refuse(r, 400, "bad_data", "invalid label name: %s", quoted(r, name));
        return;
    }
    struct series_input *in = read_input(r, PARAM_OPTIONAL);
    if (!in)
        return;
    in->name = name;
    job_start(serve, r, texts_work, in);
}

/* ---- /metadata */

static void put_metadata(struct buf *b, const struct metadata *m)
{
    struct json_writer w;
    json_writer_init(&w, b);
    json_begin_object(&w);
    json_key(&w, STR("type"));
    json_text(&w, str_c(metric_type_text(m->type)));
    json_key(&w, STR("help"));
    json_text(&w, m->help);
    json_key(&w, STR("unit"));
    json_text(&w, m->unit);
    json_end_object(&w);
}

static void metadata_work(struct job *j)
{
    const struct series_input *in = j->context;
    struct series_store *store = j->serve->config.store;
    struct metadata *v = NULL;
    size_t n = 0;
    int64_t metrics = 0;
    struct why why = {0};
    int err = j->tenant ? store->ops->metadata(store, j->tenant, in->name, &j->arena, &v, &n) : 0;
    if (err) {
        answer_failure(j, err, &why);
        return;
    }
    answer_begin(j);
    buf_put_c(&j->body, '{');
    for (size_t i = 0; i < n;) {
        size_t end = i;
        int64_t put = 0;
        if (in->metrics_max >= 0 && metrics >= in->metrics_max)
            break;
        if (metrics++)
            buf_put_c(&j->body, ',');
        json_put_text(&j->body, v[i].metric);
        buf_put_str(&j->body, STR(":["));
        for (; end < n && str_eq(v[end].metric, v[i].metric); end++) {
            if (in->per_metric_max > 0 && put == in->per_metric_max)
                continue;
            if (put++)
                buf_put_c(&j->body, ',');
            put_metadata(&j->body, &v[end]);
        }
        buf_put_c(&j->body, ']');
        i = end;
    }
    buf_put_c(&j->body, '}');
    answer_end(j, NULL, STR(""));
}

void series_api_metadata(struct http_request *r, void *serve)
{
    struct series_input *in = arena_new(http_arena(r), sizeof *in);
    if (!param_number(r, STR("limit"), -1, &in->metrics_max) ||
        !param_number(r, STR("limit_per_metric"), -1, &in->per_metric_max))
        return;
    if (!http_param(r, STR("metric"), &in->name))
        in->name = STR("");
    job_start(serve, r, metadata_work, in);
}

/* ---- /query_exemplars */

static void put_exemplar(struct buf *b, const struct exemplar *e)
{
    buf_put_str(b, STR("{\"labels\":"));
    answer_labels(b, e->labels);
    buf_put_str(b, STR(",\"value\":\""));
    number_put_point(b, e->value);
    buf_put_str(b, STR("\",\"timestamp\":"));
    answer_time(b, e->ts_ms);
    buf_put_c(b, '}');
}

struct exemplar_walk {
    struct job *job;
    const struct series_input *in;
    uint64_t series;
    struct why why;
    int err;
};

/* The exemplars of one selector, grouped by series as the store gives them. */
static void walk_selector(struct exemplar_walk *w, const struct matcher *matchers, size_t n)
{
    struct job *j = w->job;
    struct series_store *store = j->serve->config.store;
    struct param_selector one = {.matchers = (struct matcher *)(uintptr_t)matchers, .n = n};
    struct select how = select_of(w->in, &one);
    struct exemplar *v = NULL;
    size_t v_n = 0;
    w->err = store->ops->exemplars(store, j->tenant, &how, &j->arena, &v, &v_n, &w->why);
    if (w->err)
        return;
    for (size_t i = 0; i < v_n; i++) {
        bool first = i == 0 || !str_eq(v[i].key, v[i - 1].key);
        if (first) {
            if (i > 0)
                buf_put_str(&j->body, STR("]}"));
            buf_put_str(&j->body,
                        w->series++ ? STR(",{\"seriesLabels\":") : STR("{\"seriesLabels\":"));
            answer_labels(&j->body, v[i].key);
            buf_put_str(&j->body, STR(",\"exemplars\":["));
        } else {
            buf_put_c(&j->body, ',');
        }
        put_exemplar(&j->body, &v[i]);
    }
    if (v_n)
        buf_put_str(&j->body, STR("]}"));
}

static void exemplars_work(struct job *j)
{
    const struct series_input *in = j->context;
    struct exemplar_walk w = {.job = j, .in = in};
    struct promql_failure failure;
    struct promql_expr *expr;
    if (promql_parse(in->name, NULL, &j->arena, &expr, &failure) != 0) {
        answer_error(j, PROMQL_BAD_DATA, "%s", failure.text);
        return;
    }
    struct promql_selectors all;
    promql_selectors(expr, &j->arena, &all);
    if (all.n == 0) {
        answer_nothing(j);
        return;
    }
    answer_begin(j);
    buf_put_c(&j->body, '[');
    for (size_t i = 0; i < all.n && j->tenant && !w.err; i++)
        walk_selector(&w, all.v[i].matchers, all.v[i].n);
    buf_put_c(&j->body, ']');
    if (w.err)
        answer_failure(j, w.err, &w.why);
    else
        answer_end(j, NULL, STR(""));
}

void series_api_exemplars(struct http_request *r, void *serve)
{
    struct series_input *in = arena_new(http_arena(r), sizeof *in);
    if (!param_window(r, &in->from_ms, &in->to_ms))
        return;
    if (in->to_ms < in->from_ms) {
        answer_refuse(r, 400, "bad_data", "end timestamp must not be before start timestamp");
        return;
    }
    if (!http_param(r, STR("query"), &in->name))
        in->name = STR("");
    job_start(serve, r, exemplars_work, in);
}

/* ---- admin: delete_series */

static void delete_work(struct job *j)
{
    const struct series_input *in = j->context;
    struct series_store *store = j->serve->config.store;
    struct why why = {0};
    int err = 0;
    for (size_t i = 0; i < in->selectors.n && !is_empty(j) && !err; i++)
        err = store->ops->remove(store, j->tenant, in->selectors.v[i].matchers,
                                 in->selectors.v[i].n, in->from_ms, in->to_ms, &why);
    if (err)
        answer_failure(j, err, &why);
    else
        answer_nothing(j);
}

void series_api_delete(struct http_request *r, void *serve)
{
    struct serve *s = serve;
    if (!admin_api_enabled(s, r))
        return;
    struct series_input *in = read_input(r, PARAM_NEEDED);
    if (in)
        job_start(s, r, delete_work, in);
}
