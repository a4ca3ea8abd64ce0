#include "serve/search_api.h"

#include <stdlib.h>

#include "base/mem.h"
#include "serve/answer.h"
#include "serve/fuzzy.h"
#include "serve/param.h"
#include "text/json.h"

enum { TERMS_MAX = 32, LIMIT_DEFAULT = 100, BATCH_DEFAULT = 100 };

static const int64_t SPAN_MS = 3600000; /* searched where the request names no times */
static const double SCORE_INSIDE = 0.9; /* of a term within a name, not at its begin */

enum order { ORDER_NATURAL, ORDER_ALPHA, ORDER_ALPHA_DOWN, ORDER_SCORE };
enum what { SEARCH_METRICS, SEARCH_NAMES, SEARCH_VALUES };

struct search_input {
    enum what what;
    struct str label; /* whose values are searched */
    struct param_selectors selectors;
    struct str terms[TERMS_MAX]; /* [terms_n], none of them empty */
    size_t terms_n;
    double threshold;
    bool jaro_winkler, fold, with_score, with_metadata;
    enum order order;
    int64_t from_ms, to_ms;
    uint64_t limit, batch;
};

struct found {
    struct str text;
    double score;
};

/* ---- reading the request */

static bool read_bool(struct http_request *r, struct str name, bool *ret)
{
    struct str text;
    if (!http_param(r, name, &text) || text.n == 0 || param_parse_bool(text, ret))
        return true;
    struct str cut = str_sub(text, 0, 200);
    answer_refuse(r, 400, "bad_data", "invalid " STR_FMT " \"" STR_FMT "\": must be boolean",
                  STR_ARG(name), STR_ARG(cut));
    return false;
}

static bool read_count(struct http_request *r, struct str name, uint64_t fallback, uint64_t *ret)
{
    struct str text;
    *ret = fallback;
    if (!http_param(r, name, &text) || text.n == 0)
        return true;
    if (!str_u64(text, ret) || *ret > INT64_MAX) {
        struct str cut = str_sub(text, 0, 200);
        answer_refuse(r, 400, "bad_data",
                      "invalid " STR_FMT " \"" STR_FMT "\": must be non-negative integer",
                      STR_ARG(name), STR_ARG(cut));
        return false;
    }
    if (*ret == 0)
        *ret = fallback;
    return true;
}

static bool read_fuzziness(struct http_request *r, struct search_input *in)
{
    struct str text;
    uint64_t percent = 0;
    if (http_param(r, STR("fuzz_threshold"), &text) && text.n &&
        (!str_u64(text, &percent) || percent > 100)) {
        struct str cut = str_sub(text, 0, 200);
        answer_refuse(r, 400, "bad_data", "invalid fuzz_threshold \"" STR_FMT "\": must be 0-100",
                      STR_ARG(cut));
        return false;
    }
    in->threshold = (double)percent / 100;
    if (!http_param(r, STR("fuzz_alg"), &text) || text.n == 0)
        text = STR("subsequence");
    in->jaro_winkler = str_eq(text, STR("jarowinkler"));
    if (in->jaro_winkler || str_eq(text, STR("subsequence")))
        return true;
    struct str cut = str_sub(text, 0, 200);
    answer_refuse(r, 400, "bad_data",
                  "unsupported fuzz_alg \"" STR_FMT "\": must be one of [subsequence jarowinkler]",
                  STR_ARG(cut));
    return false;
}

static bool refuse_order(struct http_request *r, const char *text)
{
    answer_refuse(r, 400, "bad_data", "%s", text);
    return false;
}

static bool read_order(struct http_request *r, const char *endpoint, bool searches,
                       struct search_input *in)
{
    struct str by, direction;
    if (!http_param(r, STR("sort_by"), &by))
        by = STR("");
    if (!http_param(r, STR("sort_dir"), &direction))
        direction = STR("");
    bool score = str_eq(by, STR("score")), down = str_eq(direction, STR("dsc"));
    if (direction.n && by.n == 0)
        return refuse_order(r, "sort_dir is only valid when sort_by is set");
    if (direction.n && score)
        return refuse_order(r, "sort_dir is not supported for sort_by=score");
    if (direction.n && !down && !str_eq(direction, STR("asc"))) {
        struct str cut = str_sub(direction, 0, 200);
        answer_refuse(r, 400, "bad_data",
                      "invalid sort_dir \"" STR_FMT "\": must be \"asc\" or \"dsc\"", STR_ARG(cut));
        return false;
    }
    if (score && !searches)
        return refuse_order(r, "sort_by=score requires search[] to be set");
    if (by.n && !score && !str_eq(by, STR("alpha"))) {
        struct str cut = str_sub(by, 0, 200);
        answer_refuse(r, 400, "bad_data",
                      "invalid sort_by \"" STR_FMT "\" for %s: must be \"alpha\" or \"score\"",
                      STR_ARG(cut), endpoint);
        return false;
    }
    if (by.n)
        in->order = score ? ORDER_SCORE : down ? ORDER_ALPHA_DOWN : ORDER_ALPHA;
    return true;
}

static bool read_terms(struct http_request *r, struct search_input *in, bool *ret_any)
{
    struct str text;
    size_t i = 0;
    for (; http_param_at(r, STR("search[]"), i, &text); i++) {
        if (in->terms_n == TERMS_MAX) {
            answer_refuse(r, 400, "bad_data", "there are more than 32 terms in search[]");
            return false;
        }
        if (text.n)
            in->terms[in->terms_n++] = text;
    }
    *ret_any = i > 0;
    return true;
}

/* NULL where the request has been answered. */
static struct search_input *read_input(struct http_request *r, const struct serve *s,
                                       const char *endpoint, enum what what)
{
    struct search_input *in = arena_new(http_arena(r), sizeof *in);
    int64_t now_ms = clock_wall_ms(s->config.clock);
    bool sensitive = true, any;
    in->what = what;
    if (!param_time(r, STR("start"), now_ms - SPAN_MS, &in->from_ms) ||
        !param_time(r, STR("end"), now_ms, &in->to_ms) ||
        !param_selectors(r, PARAM_OPTIONAL, &in->selectors) || !read_terms(r, in, &any) ||
        !read_fuzziness(r, in) || !read_bool(r, STR("case_sensitive"), &sensitive) ||
        !read_bool(r, STR("include_score"), &in->with_score) || !read_order(r, endpoint, any, in) ||
        !read_count(r, STR("limit"), LIMIT_DEFAULT, &in->limit) ||
        !read_count(r, STR("batch_size"), BATCH_DEFAULT, &in->batch))
        return NULL;
    in->fold = !sensitive;
    return in;
}

/* ---- finding */

static int select_texts(struct job *j, const struct param_selector *one, struct str **ret,
                        size_t *ret_n, struct why *why)
{
    const struct search_input *in = j->context;
    struct series_store *store = j->serve->config.store;
    const struct select how = {.matchers = one ? one->matchers : NULL,
                               .matchers_n = one ? one->n : 0,
                               .from_ms = in->from_ms,
                               .to_ms = in->to_ms,
                               .want = SELECT_KEYS};
    return in->what == SEARCH_NAMES
               ? store->ops->label_names(store, j->tenant, &how, &j->arena, ret, ret_n, why)
               : store->ops->label_values(store, j->tenant, in->label, &how, &j->arena, ret, ret_n,
                                          why);
}

struct search {
    const struct search_input *in;
    struct fuzzy_text *terms; /* [terms_n] */
    struct fuzzy_text *text;
};

static double score_term(const struct search *s, const struct fuzzy_text *term)
{
    if (fuzzy_starts(s->text, term))
        return 1;
    if (!s->in->jaro_winkler) {
        double score = fuzzy_subsequence(s->text, term);
        return score >= s->in->threshold ? score : 0;
    }
    if (fuzzy_contains(s->text, term))
        return SCORE_INSIDE;
    double score = s->in->threshold > 0 ? fuzzy_jaro_winkler(term, s->text) : 0;
    return score >= s->in->threshold ? score : 0;
}

/* The best score of all terms; 0: none fits. */
static double score_of(const struct search *s, struct str text)
{
    double best = s->in->terms_n ? 0 : 1;
    if (s->in->terms_n)
        fuzzy_read(text, s->in->fold, s->text);
    for (size_t i = 0; i < s->in->terms_n; i++)
        best = MAX(best, score_term(s, &s->terms[i]));
    return best;
}

static int by_text(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    return str_cmp(x->text, y->text);
}

static int by_text_down(const void *a, const void *b)
{
    return by_text(b, a);
}

static int by_score(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    return by_text(a, b);
}

/* What fits, each once, in the order that is wanted. */
static size_t rank(struct job *j, const struct str *texts, size_t n, struct found *ret)
{
    const struct search_input *in = j->context;
    struct search s = {.in = in, .text = mem_new(sizeof *s.text)};
    size_t kept = 0, unique = 0;
    s.terms = mem_array(in->terms_n, sizeof *s.terms);
    for (size_t i = 0; i < in->terms_n; i++)
        fuzzy_read(in->terms[i], in->fold, &s.terms[i]);
    for (size_t i = 0; i < n && !http_gone(j->request); i++) {
        double score = score_of(&s, texts[i]);
        if (score > 0)
            ret[kept++] = (struct found){texts[i], score};
    }
    mem_free(s.terms);
    mem_free(s.text);
    if (kept)
        qsort(ret, kept, sizeof *ret, by_text);
    for (size_t i = 0; i < kept; i++)
        if (i == 0 || !str_eq(ret[i].text, ret[i - 1].text))
            ret[unique++] = ret[i];
    if (unique && in->order >= ORDER_ALPHA_DOWN)
        qsort(ret, unique, sizeof *ret, in->order == ORDER_SCORE ? by_score : by_text_down);
    return unique;
}

static int find(struct job *j, struct found **ret, size_t *ret_n, struct why *why)
{
    const struct search_input *in = j->context;
    size_t sets = MAX(in->selectors.n, (size_t)1), total = 0;
    struct str **texts = arena_array(&j->arena, sets, sizeof *texts);
    size_t *n = arena_array(&j->arena, sets, sizeof *n);
    bool empty = j->tenant == NULL || in->to_ms < in->from_ms;
    for (size_t i = 0; i < sets && !empty; i++) {
        const struct param_selector *one = in->selectors.n ? &in->selectors.v[i] : NULL;
        int err = select_texts(j, one, &texts[i], &n[i], why);
        if (err)
            return err;
        total += n[i];
    }
    struct str *all = arena_array(&j->arena, total, sizeof *all);
    for (size_t i = 0, at = 0; i < sets; i++)
        for (size_t k = 0; k < n[i]; k++)
            all[at++] = texts[i][k];
    *ret = arena_array(&j->arena, total, sizeof **ret);
    *ret_n = rank(j, all, total, *ret);
    return 0;
}

/* ---- writing */

static void put_metadata(struct job *j, struct json_writer *w, struct str metric)
{
    struct series_store *store = j->serve->config.store;
    struct metadata *v = NULL;
    size_t n = 0;
    if (store->ops->metadata(store, j->tenant, metric, &j->arena, &v, &n) != 0 || n == 0)
        return; /* a name without what is known of it is still an answer */
    for (size_t i = 0; i < n; i++) {
        if (!str_eq(v[i].metric, metric))
            continue;
        const struct str pairs[][2] = {{STR("type"), str_c(metric_type_text(v[i].type))},
                                       {STR("help"), v[i].help},
                                       {STR("unit"), v[i].unit}};
        for (size_t k = 0; k < COUNTOF(pairs); k++) {
            if (pairs[k][1].n == 0)
                continue;
            json_key(w, pairs[k][0]);
            json_text(w, pairs[k][1]);
        }
        return;
    }
}

static void put_found(struct job *j, struct json_writer *w, const struct found *f)
{
    const struct search_input *in = j->context;
    json_begin_object(w);
    json_key(w, STR("name"));
    json_text(w, f->text);
    /* Prometheus's description calls it value, its program name: clients find both. */
    if (in->what == SEARCH_VALUES) {
        json_key(w, STR("value"));
        json_text(w, f->text);
    }
    if (in->with_score) {
        json_key(w, STR("score"));
        json_number(w, f->score);
    }
    if (in->with_metadata)
        put_metadata(j, w, f->text);
    json_end_object(w);
}

static void search_work(struct job *j)
{
    const struct search_input *in = j->context;
    struct found *v = NULL;
    struct why why = {0};
    size_t n = 0, at = 0;
    int err = find(j, &v, &n, &why);
    if (err) {
        answer_failure(j, err, &why);
        return;
    }
    bool more = n > in->limit;
    n = MIN(n, (size_t)in->limit);
    do {
        struct json_writer w;
        size_t end = at + MIN(n - at, (size_t)in->batch);
        json_writer_init(&w, &j->body);
        json_begin_object(&w);
        json_key(&w, STR("results"));
        json_begin_array(&w);
        for (; at < end; at++)
            put_found(j, &w, &v[at]);
        json_end_array(&w);
        json_end_object(&w);
        buf_put_c(&j->body, '\n');
    } while (at < n);
    buf_printf(&j->body, "{\"status\":\"success\",\"has_more\":%s}\n", more ? "true" : "false");
    j->type = STR("application/x-ndjson; charset=utf-8");
}

void search_api_metrics(struct http_request *r, void *serve)
{
    struct search_input *in = read_input(r, serve, "metric_names", SEARCH_METRICS);
    if (!in || !read_bool(r, STR("include_metadata"), &in->with_metadata))
        return;
    in->label = LABEL_METRIC;
    job_start(serve, r, search_work, in);
}

void search_api_names(struct http_request *r, void *serve)
{
    struct search_input *in = read_input(r, serve, "label_names", SEARCH_NAMES);
    if (in)
        job_start(serve, r, search_work, in);
}

void search_api_values(struct http_request *r, void *serve)
{
    struct search_input *in = read_input(r, serve, "label_values", SEARCH_VALUES);
    if (!in)
        return;
    if (!http_param(r, STR("label"), &in->label) || in->label.n == 0) {
        answer_refuse(r, 400, "bad_data", "missing required parameter \"label\"");
        return;
    }
    job_start(serve, r, search_work, in);
}
