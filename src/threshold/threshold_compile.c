#include <math.h>
#include <string.h>

#include "model/labels.h"
#include "text/duration.h"
#include "text/number.h"
#include "threshold/threshold.h"

/* The limits of a row as comparisons of a value. */
struct limits {
    bool above, below, clear;
};

static bool is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static int duration_of(const char *text, const char *fallback, const char *member, int64_t *ret_ms,
                       struct why *why)
{
    struct why cause = {0};
    int err = duration_read(str_c(text[0] ? text : fallback), ret_ms, &cause);
    if (err == 0 && *ret_ms > 0)
        return 0;
    return why_set(why, ERR_FORMAT, "%s: \"%s\" is no duration as 5m or 1h30m", member, text);
}

/* A name of a metric, or a selector: whatever it is, one selector and nothing behind it. */
static int check_metric(const struct threshold_row *t, struct arena *a, struct why *why)
{
    struct matcher *matchers;
    struct promql_failure failure = {0};
    size_t n;
    if (t->metric[0] == '\0')
        return why_set(why, ERR_FORMAT, "metric is missing: a name, or a selector");
    if (promql_parse_selector(str_c(t->metric), a, &matchers, &n, &failure) == 0)
        return 0;
    return why_set(why, ERR_FORMAT, "metric: %s", failure.text);
}

static int check_members(const struct threshold_row *t, const struct limits *l, struct why *why)
{
    bool limited = !is(t->kind, "absence") && !is(t->kind, "expression");
    if (!limited && (l->above || l->below || l->clear))
        return why_set(why, ERR_FORMAT, "above, below and clear mean nothing for kind %s", t->kind);
    if (limited && !l->above && !l->below)
        return why_set(why, ERR_FORMAT, "one of above and below is missing");
    if (l->above && l->below && !is(t->kind, "change") && t->above <= t->below)
        return why_set(why, ERR_FORMAT, "above has to be greater than below");
    if (l->clear && l->above == l->below)
        return why_set(why, ERR_FORMAT, "clear goes with one of above and below");
    if (l->clear && l->above && t->clear > t->above)
        return why_set(why, ERR_FORMAT, "clear: it has to be at most above");
    if (l->clear && l->below && t->clear < t->below)
        return why_set(why, ERR_FORMAT, "clear: it has to be at least below");
    if (t->percent && !is(t->kind, "change"))
        return why_set(why, ERR_FORMAT, "percent is for kind change");
    if (t->within[0] != '\0' && !is(t->kind, "forecast"))
        return why_set(why, ERR_FORMAT, "within is for kind forecast");
    if ((t->expr[0] != '\0' || t->clear_expr[0] != '\0') && !is(t->kind, "expression"))
        return why_set(why, ERR_FORMAT, "expr and clear_expr are for kind expression");
    if (t->by.n > 0 && is(t->aggregation, "none"))
        return why_set(why, ERR_FORMAT, "by goes with an aggregation");
    if (t->window[0] != '\0' && (is(t->kind, "threshold") || is(t->kind, "expression")))
        return why_set(why, ERR_FORMAT, "window means nothing for kind %s", t->kind);
    for (size_t i = 0; i < t->by.n; i++)
        if (!label_name_plain(str_c(t->by.v[i])))
            return why_set(why, ERR_FORMAT, "by: \"%s\" is no name of a label", t->by.v[i]);
    return 0;
}

/* ---- text */

/* `avg by (a, b) (` .. `)`, or nothing. */
static void put_aggregation(const struct threshold_row *t, struct buf *out)
{
    if (is(t->aggregation, "none"))
        return;
    buf_put_str(out, str_c(t->aggregation));
    if (t->by.n > 0) {
        buf_put_str(out, STR(" by ("));
        for (size_t i = 0; i < t->by.n; i++)
            buf_printf(out, "%s%s", i > 0 ? ", " : "", t->by.v[i]);
        buf_put_str(out, STR(") "));
    }
    buf_put_c(out, '(');
}

static void put_end(const struct threshold_row *t, struct buf *out)
{
    if (!is(t->aggregation, "none"))
        buf_put_c(out, ')');
}

static void put_series(const struct threshold_row *t, const char *suffix, struct buf *out)
{
    put_aggregation(t, out);
    buf_printf(out, "%s%s", t->metric, suffix);
    put_end(t, out);
}

static struct str text_of(struct arena *a, int64_t ms)
{
    struct buf b;
    buf_init(&b, 64);
    duration_put(&b, ms);
    struct str out = arena_str(a, buf_str(&b));
    buf_done(&b);
    return out;
}

static void put_change(const struct threshold_row *t, struct str window, struct arena *a,
                       struct buf *out)
{
    const char *before = arena_printf(a, " offset " STR_FMT, STR_ARG(window)).p;
    if (t->percent)
        buf_put_str(out, STR("100 * "));
    buf_put_c(out, '(');
    put_series(t, "", out);
    buf_put_str(out, STR(" - "));
    put_series(t, before, out);
    buf_put_c(out, ')');
    if (t->percent) {
        buf_put_str(out, STR(" / abs("));
        put_series(t, before, out);
        buf_put_c(out, ')');
    }
}

/* What is compared. */
static int put_value(const struct threshold_row *t, struct arena *a, struct buf *out,
                     struct why *why)
{
    int64_t window = 0, within = 0;
    int err = duration_of(t->window, is(t->kind, "forecast") ? "1h" : "5m", "window", &window, why);
    struct str span = err == 0 ? text_of(a, window) : STR("");
    if (err == 0 && is(t->kind, "threshold")) {
        put_series(t, "", out);
    } else if (err == 0 && is(t->kind, "change")) {
        put_change(t, span, a, out);
    } else if (err == 0 && is(t->kind, "rate")) {
        put_aggregation(t, out);
        buf_printf(out, "rate(%s[" STR_FMT "])", t->metric, STR_ARG(span));
        put_end(t, out);
    } else if (err == 0) {
        err = duration_of(t->within, "", "within", &within, why);
        put_aggregation(t, out);
        buf_printf(out, "predict_linear(%s[" STR_FMT "], %.10g)", t->metric, STR_ARG(span),
                   (double)within / 1000);
        put_end(t, out);
    }
    return err;
}

static void put_comparison(struct str value, const char *op, double limit, struct buf *out)
{
    buf_printf(out, STR_FMT " %s ", STR_ARG(value), op);
    number_put(out, limit);
}

static struct str compare(struct str value, const struct threshold_row *t, const struct limits *l,
                          double above, double below, struct arena *a)
{
    struct buf out;
    buf_init(&out, (size_t)8 * THRESHOLD_TEXT_MAX);
    if (l->above)
        put_comparison(value, ">", above, &out);
    if (l->above && l->below)
        buf_put_str(&out, STR(" or "));
    if (l->below)
        put_comparison(value, "<", below, &out);
    struct str text = arena_str(a, buf_str(&out));
    buf_done(&out);
    (void)t;
    return text;
}

static int compile_limits(const struct threshold_row *t, const struct limits *l, struct arena *a,
                          struct str *ret_expr, struct str *ret_hold, struct why *why)
{
    struct buf value;
    buf_init(&value, THRESHOLD_TEXT_MAX);
    int err = put_value(t, a, &value, why);
    if (err == 0) {
        *ret_expr = compare(buf_str(&value), t, l, t->above, t->below, a);
        if (l->clear)
            *ret_hold = compare(buf_str(&value), t, l, t->clear, t->clear, a);
    }
    buf_done(&value);
    return err;
}

static int compile_absence(const struct threshold_row *t, struct arena *a, struct str *ret_expr,
                           struct why *why)
{
    int64_t window = 0;
    if (!is(t->aggregation, "none"))
        return why_set(why, ERR_FORMAT, "aggregation means nothing for kind absence");
    int err = duration_of(t->window, "5m", "window", &window, why);
    if (err == 0)
        *ret_expr = arena_printf(a, "absent_over_time(%s[" STR_FMT "])", t->metric,
                                 STR_ARG(text_of(a, window)));
    return err;
}

static int compile_expression(const struct threshold_row *t, struct str *ret_expr,
                              struct str *ret_hold, struct why *why)
{
    if (t->expr[0] == '\0')
        return why_set(why, ERR_FORMAT, "expr is missing");
    if (t->metric[0] != '\0' || !is(t->aggregation, "none"))
        return why_set(why, ERR_FORMAT, "metric and aggregation mean nothing for kind expression");
    *ret_expr = str_c(t->expr);
    *ret_hold = str_c(t->clear_expr);
    return 0;
}

int threshold_compile(const struct threshold_row *t, struct arena *a, struct str *ret_expr,
                      struct str *ret_hold, struct why *why)
{
    struct limits l = {fabs(t->above) < THRESHOLD_NONE, fabs(t->below) < THRESHOLD_NONE,
                       fabs(t->clear) < THRESHOLD_NONE};
    *ret_hold = STR("");
    int err = check_members(t, &l, why);
    if (err == 0 && is(t->kind, "expression"))
        return compile_expression(t, ret_expr, ret_hold, why);
    if (err == 0)
        err = check_metric(t, a, why);
    if (err == 0 && is(t->kind, "absence"))
        return compile_absence(t, a, ret_expr, why);
    return err != 0 ? err : compile_limits(t, &l, a, ret_expr, ret_hold, why);
}
