#include "daemon/respond_chart.h"

#include "model/labels.h"
#include "query/promql/promql_tree.h"
#include "text/json.h"

enum { SPAN_MS = 3600000, STEP_MS = 30000, SERIES_MAX = 20, NAME_MAX = 100 /* bytes */ };

static const uint64_t SAMPLES_MAX = 5000000, BYTES_MAX = 256 << 20;
static const int64_t TIMEOUT_NS = 3000000000;

/* The expression in ..?g0.expr=..&; "" where there is none. */
static struct str expression_of(struct str url, struct arena *a)
{
    struct str mark = STR("g0.expr=");
    size_t at = str_search(url, mark);
    if (at == url.n)
        return STR("");
    struct str s = str_sub(url, at + mark.n, url.n);
    s = str_sub(s, 0, str_find(s, '&'));
    char *p = arena_new(a, s.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        bool escaped =
            s.p[i] == '%' && i + 2 < s.n && str_hex(s.p[i + 1]) >= 0 && str_hex(s.p[i + 2]) >= 0;
        p[n++] = escaped         ? (char)(str_hex(s.p[i + 1]) << 4 | str_hex(s.p[i + 2]))
                 : s.p[i] == '+' ? ' '
                                 : s.p[i];
        i += escaped ? 2 : 0;
    }
    return str_of(p, n);
}

static const struct promql_expr *bare(const struct promql_expr *e)
{
    while (e->kind == EXPR_PAREN)
        e = e->left;
    return e;
}

/* What is compared, and with which number; e itself where it is no comparison. */
static const struct promql_expr *compared(const struct promql_expr *e, bool *ret_line,
                                          double *ret_number)
{
    e = bare(e);
    bool order =
        e->kind == EXPR_BINARY &&
        (e->operator== TOKEN_LT || e->operator== TOKEN_LE || e->operator== TOKEN_GT || e->operator==
         TOKEN_GE);
    *ret_line = order && bare(e->right)->kind == EXPR_NUMBER;
    if (!*ret_line)
        return e;
    *ret_number = bare(e->right)->number;
    return e->left;
}

/* Is the series one that an alert of m is about? */
static bool is_about(const struct message *m, struct str key)
{
    for (size_t i = 0; i < m->n; i++) {
        bool same = true;
        struct label l;
        for (const char *at = key.p; same && labels_next(key, &at, &l, NULL);) {
            struct str other = labels_get(m->alerts[i].labels, l.name);
            same = other.n == 0 || str_eq(other, l.value);
        }
        if (same)
            return true;
    }
    return m->n == 0;
}

static struct str name_of(struct str key, struct arena *a)
{
    struct buf b;
    struct str instance = labels_get(key, STR("instance"));
    if (instance.n > 0)
        return arena_str(a, instance);
    buf_init(&b, LABELS_KEY_MAX);
    labels_print(key, &b);
    struct str ret = arena_str(a, str_sub(buf_str(&b), 0, NAME_MAX));
    buf_done(&b);
    return ret;
}

static size_t put_series(struct json_writer *w, const struct message *m, struct promql_result *r,
                         struct arena *a)
{
    struct promql_series row;
    size_t drawn = 0;
    json_key(w, STR("series"));
    json_begin_array(w);
    while (drawn < SERIES_MAX && promql_result_next(r, &row)) {
        if (row.histogram || !is_about(m, row.key))
            continue;
        drawn++;
        json_begin_object(w);
        json_key(w, STR("name"));
        json_text(w, name_of(row.key, a));
        json_key(w, STR("points"));
        json_begin_array(w);
        for (size_t i = 0; i < row.n; i++) {
            json_begin_array(w);
            json_i64(w, row.ts_ms[i]);
            json_number(w, row.value[i]);
            json_end_array(w);
        }
        json_end_array(w);
        json_end_object(w);
    }
    json_end_array(w);
    return drawn;
}

static void put_frame(struct json_writer *w, const struct message *m, struct str expr, bool line,
                      double number)
{
    json_begin_object(w);
    json_key(w, STR("title"));
    json_text(w, expr);
    if (line) {
        json_key(w, STR("threshold"));
        json_number(w, number);
    }
    json_key(w, STR("marks"));
    json_begin_array(w);
    for (size_t i = 0; i < MIN(m->n, (size_t)1); i++) {
        json_begin_array(w);
        json_i64(w, m->alerts[i].starts_ms);
        json_i64(w, m->alerts[i].ends_ms ? m->alerts[i].ends_ms : m->time_ms);
        json_end_array(w);
    }
    json_end_array(w);
}

int respond_chart(void *context, const struct message *m, struct arena *a, struct buf *ret)
{
    struct series_store *store = context;
    struct str expr = m->n ? expression_of(m->alerts[0].generator_url, a) : STR("");
    struct promql_expr *tree;
    struct promql_result *result;
    struct promql_failure failure;
    struct json_writer w;
    bool line = false;
    double number = 0;
    if (expr.n == 0 || promql_parse(expr, NULL, a, &tree, &failure) != 0)
        return -ERR_NOENT;
    struct promql_query q = {
        .expr = compared(tree, &line, &number),
        .store = store,
        .tenant = store->ops->tenant(store, STR("default")),
        .start_ms = m->time_ms - SPAN_MS,
        .end_ms = m->time_ms,
        .step_ms = STEP_MS,
        .limits = {.samples_max = SAMPLES_MAX, .bytes_max = BYTES_MAX, .timeout_ns = TIMEOUT_NS},
    };
    if (promql_run(&q, &result, &failure) != 0)
        return -ERR_NOENT;
    if (promql_result_type(result) != PROMQL_MATRIX) {
        promql_result_free(result);
        return -ERR_NOENT;
    }
    json_writer_init(&w, ret);
    put_frame(&w, m, expr, line, number);
    size_t drawn = put_series(&w, m, result, a);
    json_end_object(&w);
    promql_result_free(result);
    return drawn > 0 && !buf_failed(ret) ? 0 : -ERR_NOENT;
}
