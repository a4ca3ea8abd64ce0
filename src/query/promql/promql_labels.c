#include "query/promql/promql_parallel.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "text/regex.h"

/* --- label_replace, label_join ---------------------------------------------------------------- */

struct relabel_stream {
    struct stream stream;
    struct stream *from;
    const struct promql_expr *expr;
    struct regex *regex; /* NULL: label_join */
};

static struct str label_value(const struct label_set *s, struct str name)
{
    for (size_t i = 0; i < s->n; i++) {
        if (str_eq(s->v[i].name, name))
            return s->v[i].value;
    }
    return STR("");
}

/* False where the source does not match: nothing changes. */
static bool replace(struct relabel_stream *s, struct label_set *set, struct buf *out)
{
    const struct promql_expr *x = s->expr;
    struct str source = label_value(set, promql_string(x->arguments[3]));
    if (!regex_expand(s->regex, source, promql_string(x->arguments[2]), out))
        return false;
    promql_label_set_put(set, promql_string(x->arguments[1]), buf_str(out));
    return true;
}

static void join(const struct promql_expr *x, struct label_set *set, struct buf *out)
{
    for (size_t i = 3; i < x->arguments_n; i++) {
        if (i > 3)
            buf_put_str(out, promql_string(x->arguments[2]));
        buf_put_str(out, label_value(set, promql_string(x->arguments[i])));
    }
    promql_label_set_put(set, promql_string(x->arguments[1]), buf_str(out));
}

static int relabel_next(struct engine *e, struct stream *stream, struct row *ret)
{
    struct relabel_stream *s = (struct relabel_stream *)stream;
    int more = s->from->next(e, s->from, ret);
    if (more <= 0)
        return more;
    struct label_set set;
    struct buf out;
    buf_init(&out, LABELS_KEY_MAX);
    promql_label_set_read(ret->key, &set);
    bool changed = true;
    if (s->regex)
        changed = replace(s, &set, &out);
    else
        join(s->expr, &set, &out);
    if (buf_failed(&out)) {
        buf_done(&out);
        return promql_engine_fail(e, PROMQL_EXECUTION,
                                  "the value that %s makes is longer than %d bytes",
                                  s->regex ? "label_replace()" : "label_join()", LABELS_KEY_MAX);
    }
    if (changed && str_eq(promql_string(s->expr->arguments[1]), LABEL_METRIC))
        ret->drop_name = false;
    ret->key = promql_label_set_key(e, &set);
    buf_done(&out);
    return 1;
}

static int check_label_names(struct engine *e, const struct promql_expr *x)
{
    const char *name = promql_function_row(x->function)->name;
    struct str target = promql_string(x->arguments[1]);
    if (target.n == 0 || !str_utf8(target))
        return promql_engine_fail(e, PROMQL_EXECUTION,
                                  "invalid destination label name in %s(): " STR_FMT, name,
                                  STR_ARG(target));
    for (size_t i = 3; x->function == PROMQL_FN_LABEL_JOIN && i < x->arguments_n; i++) {
        struct str source = promql_string(x->arguments[i]);
        if (source.n == 0 || !str_utf8(source))
            return promql_engine_fail(e, PROMQL_EXECUTION,
                                      "invalid source label name in %s(): " STR_FMT, name,
                                      STR_ARG(source));
    }
    return 0;
}

static int stream_relabel(struct engine *e, const struct promql_expr *x, const struct grid *g,
                          struct stream **ret)
{
    struct relabel_stream *s = arena_new(e->arena, sizeof *s);
    s->stream.next = relabel_next;
    s->expr = x;
    int err = check_label_names(e, x);
    if (err == 0)
        err = promql_stream(e, x->arguments[0], g, &s->from);
    if (err < 0)
        return err;
    if (x->function == PROMQL_FN_LABEL_REPLACE) {
        struct why why = {0};
        if (regex_new(promql_string(x->arguments[4]), &s->regex, &why) < 0)
            return promql_engine_fail(e, PROMQL_EXECUTION,
                                      "invalid regular expression in label_replace(): " STR_FMT,
                                      STR_ARG(promql_string(x->arguments[4])));
        vec_push(&e->regexes, s->regex);
    }
    *ret = promql_stream_unique(e, &s->stream, g->n);
    return 0;
}

/* --- absent ---------------------------------------------------------------------------------- */

/* The labels that the selector pins with one equality each. */
static struct str absent_key(struct engine *e, const struct promql_expr *x)
{
    struct label_set set = {.n = 0};
    x = promql_bare(x);
    struct str seen[64];
    size_t seen_n = 0;
    for (size_t i = 0; x->kind == EXPR_SELECTOR && i < x->matchers_n; i++) {
        const struct matcher *m = &x->matchers[i];
        bool again = false;
        for (size_t j = 0; j < seen_n; j++)
            again |= str_eq(seen[j], m->name);
        if (str_eq(m->name, LABEL_METRIC))
            continue;
        bool take = m->type == MATCH_EQUAL && !again && seen_n < COUNTOF(seen);
        promql_label_set_put(&set, m->name, take ? m->value : STR(""));
        if (take)
            seen[seen_n++] = m->name;
    }
    return promql_label_set_key(e, &set);
}

static int absent_result(struct engine *e, const struct promql_expr *x, const struct grid *g,
                         const uint8_t *present, struct stream **ret)
{
    struct rows t = {0};
    struct row_buffer *r = promql_rows_of(e, &t, absent_key(e, x->arguments[0]), g->n);
    for (size_t i = 0; i < g->n; i++) {
        r->kind[i] = present[i] ? KIND_NONE : KIND_FLOAT;
        r->value[i] = 1;
    }
    *ret = promql_rows_stream(e, &t);
    promql_rows_done(&t);
    return 0;
}

static int stream_absent(struct engine *e, const struct promql_expr *x, const struct grid *g,
                         struct stream **ret)
{
    uint8_t *present = arena_array(e->arena, g->n, 1);
    struct stream *s;
    int err = promql_stream(e, x->arguments[0], g, &s);
    struct row r;
    while (err >= 0 && (err = s->next(e, s, &r)) > 0) {
        for (size_t i = 0; i < g->n; i++)
            present[i] |= r.kind[i] != KIND_NONE;
    }
    return err < 0 ? err : absent_result(e, x, g, present, ret);
}

static void mark_windows(const struct source *s, const struct column *c, uint8_t *present)
{
    size_t lo = 0;
    for (size_t i = 0; i < s->grid.n; i++) {
        int64_t to = promql_source_ms(s, i), from = to - s->range_ms;
        while (lo < c->n && c->ts_ms[lo] <= from)
            lo++;
        for (size_t j = lo; j < c->n && c->ts_ms[j] <= to && !present[i]; j++) {
            const struct histogram *h = c->histogram ? c->histogram[j] : NULL;
            present[i] = h ? !histogram_is_stale(h) : !sample_is_stale(c->value[j]);
        }
    }
}

static int stream_absent_over_time(struct engine *e, const struct promql_expr *x,
                                   const struct grid *g, struct stream **ret)
{
    uint8_t *present = arena_array(e->arena, g->n, 1);
    struct source *s;
    int err = promql_extended_check(e, x, promql_bare(x->arguments[0]));
    if (err == 0)
        err = promql_source(e, x->arguments[0], g, false, &s);
    struct samples in;
    while (err >= 0 && (err = s->next(e, s, &in)) > 0)
        mark_windows(s, &in.column, present);
    return err < 0 ? err : absent_result(e, x, g, present, ret);
}

/* --- sort ------------------------------------------------------------------------------------ */

struct sort_item {
    struct row_buffer row;
    const struct promql_expr *expr;
    size_t place;
};

/* NaN last in both directions. */
static int cmp_value(const void *a, const void *b)
{
    const struct sort_item *x = a, *y = b;
    double l = x->row.value[0], r = y->row.value[0];
    bool descending = x->expr->function == PROMQL_FN_SORT_DESC;
    if (isnan(l) || isnan(r))
        return isnan(l) != isnan(r) ? (isnan(l) ? 1 : -1) : (x->place > y->place ? 1 : -1);
    if (l == r)
        return x->place > y->place ? 1 : -1;
    return (l < r) != descending ? -1 : 1;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The run of digits, or of what are none, at the beginning of *rest, which moves behind it. */
static struct str next_run(struct str *rest)
{
    size_t n = 1;
    while (n < rest->n && is_digit(rest->p[n]) == is_digit(rest->p[0]))
        n++;
    struct str run = str_sub(*rest, 0, n);
    *rest = str_sub(*rest, n, rest->n);
    return run;
}

/* Runs of digits compare as numbers, others as texts, one after the other. */
static int natural_cmp(struct str a, struct str b)
{
    while (a.n && b.n) {
        struct str x = next_run(&a), y = next_run(&b);
        int64_t l, r;
        bool numbers = is_digit(x.p[0]) && is_digit(y.p[0]) && str_i64(x, &l) && str_i64(y, &r);
        int cmp = numbers ? (l > r) - (l < r) : str_cmp(x, y);
        if (cmp)
            return cmp;
    }
    return (a.n > 0) - (b.n > 0);
}

static int cmp_labels(const void *a, const void *b)
{
    const struct sort_item *x = a, *y = b;
    const struct promql_expr *expr = x->expr;
    int sign = expr->function == PROMQL_FN_SORT_BY_LABEL_DESC ? -1 : 1;
    for (size_t i = 1; i < expr->arguments_n; i++) {
        struct str name = promql_string(expr->arguments[i]);
        int cmp = natural_cmp(labels_get(x->row.key, name), labels_get(y->row.key, name));
        if (cmp)
            return sign * cmp;
    }
    return sign * labels_cmp(x->row.key, y->row.key);
}

static int stream_sort(struct engine *e, const struct promql_expr *x, const struct grid *g,
                       struct stream **ret)
{
    if (!e->query->instant) {
        promql_engine_warn(e, x, "%s",
                           "sort is ineffective for range queries since results are "
                           "always ordered by labels");
    }
    struct rows t = {0};
    int err = promql_parallel_rows(e, x->arguments[0], g, &t);
    bool by_label =
        x->function == PROMQL_FN_SORT_BY_LABEL || x->function == PROMQL_FN_SORT_BY_LABEL_DESC;
    struct sort_item *items = mem_array(t.n + 1, sizeof *items);
    size_t n = 0;
    for (size_t i = 0; i < t.n; i++) {
        for (size_t k = 0; !by_label && k < g->n; k++) {
            if (t.v[i].kind[k] == KIND_HISTOGRAM)
                t.v[i].kind[k] = KIND_NONE; /* has no place in an order of values */
        }
        if (by_label || g->n > 1 || t.v[i].kind[0] == KIND_FLOAT)
            items[n++] = (struct sort_item){t.v[i], x, i};
    }
    if (g->n == 1)
        qsort(items, n, sizeof *items, by_label ? cmp_labels : cmp_value);
    for (size_t i = 0; i < n; i++)
        t.v[i] = items[i].row;
    t.n = n;
    mem_free(items);
    *ret = promql_rows_stream(e, &t);
    promql_rows_done(&t);
    return err;
}

int promql_stream_labels(struct engine *e, const struct promql_expr *x, const struct grid *g,
                         struct stream **ret)
{
    switch (x->function) {
    case PROMQL_FN_LABEL_REPLACE:
    case PROMQL_FN_LABEL_JOIN:
        return stream_relabel(e, x, g, ret);
    case PROMQL_FN_ABSENT:
        return stream_absent(e, x, g, ret);
    case PROMQL_FN_ABSENT_OVER_TIME:
        return stream_absent_over_time(e, x, g, ret);
    default:
        return stream_sort(e, x, g, ret);
    }
}
