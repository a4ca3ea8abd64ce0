#include "query/plain/plain_inside.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/must.h"
#include "text/regex.h"

/* --- one value after the other ------------------------------------------------------------------
 */

/* The larger of two: infinity before NaN, as Go has it. */
static double larger(double a, double b)
{
    if (a == INFINITY || b == INFINITY)
        return INFINITY;
    if (a == b)
        return signbit(a) ? b : a; /* 0 is larger than -0 */
    return isnan(a) || isnan(b) ? NAN : a > b ? a : b;
}

static double smaller(double a, double b)
{
    return -larger(-a, -b);
}

static double of_date(enum promql_function f, double v)
{
    struct tm d;
    if (!(fabs(v) < 9e15))
        return NAN;
    time_t seconds = (time_t)v;
    if (!gmtime_r(&seconds, &d))
        return NAN;
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t year = (int64_t)d.tm_year + 1900;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    switch (f) {
    case PROMQL_FN_MINUTE:
        return d.tm_min;
    case PROMQL_FN_HOUR:
        return d.tm_hour;
    case PROMQL_FN_DAY_OF_WEEK:
        return d.tm_wday;
    case PROMQL_FN_DAY_OF_MONTH:
        return d.tm_mday;
    case PROMQL_FN_DAY_OF_YEAR:
        return d.tm_yday + 1;
    case PROMQL_FN_DAYS_IN_MONTH:
        return lengths[d.tm_mon] + (d.tm_mon == 1 && leap);
    case PROMQL_FN_MONTH:
        return d.tm_mon + 1;
    default:
        return (double)year;
    }
}

struct one {
    enum promql_function function;
    double (*apply)(double v);
};

static double degrees(double v)
{
    return v * 180 / M_PI;
}

static double radians(double v)
{
    return v * M_PI / 180;
}

static const struct one exact[] = {
    {PROMQL_FN_ABS, fabs}, {PROMQL_FN_CEIL, ceil}, {PROMQL_FN_FLOOR, floor}};

static const struct one inexact[] = {
    {PROMQL_FN_EXP, exp},     {PROMQL_FN_SQRT, sqrt},   {PROMQL_FN_LN, log},
    {PROMQL_FN_LOG2, log2},   {PROMQL_FN_LOG10, log10}, {PROMQL_FN_SIN, sin},
    {PROMQL_FN_COS, cos},     {PROMQL_FN_TAN, tan},     {PROMQL_FN_ASIN, asin},
    {PROMQL_FN_ACOS, acos},   {PROMQL_FN_ATAN, atan},   {PROMQL_FN_SINH, sinh},
    {PROMQL_FN_COSH, cosh},   {PROMQL_FN_TANH, tanh},   {PROMQL_FN_ASINH, asinh},
    {PROMQL_FN_ACOSH, acosh}, {PROMQL_FN_ATANH, atanh}, {PROMQL_FN_DEG, degrees},
    {PROMQL_FN_RAD, radians}};

static bool is_one(enum promql_function f)
{
    bool found = f == PROMQL_FN_SGN;
    for (size_t i = 0; i < COUNTOF(exact); i++)
        found |= exact[i].function == f;
    for (size_t i = 0; i < COUNTOF(inexact); i++)
        found |= inexact[i].function == f;
    return found;
}

static double of_one(const struct plain *p, enum promql_function f, double v)
{
    for (size_t i = 0; i < COUNTOF(exact); i++) {
        if (exact[i].function == f)
            return exact[i].apply(v);
    }
    for (size_t i = 0; i < COUNTOF(inexact); i++) {
        if (inexact[i].function == f)
            return plain_rounded(p, 1000 + f, inexact[i].apply(v));
    }
    return v < 0 ? -1 : v > 0 ? 1 : v;
}

static bool is_date(enum promql_function f)
{
    return f == PROMQL_FN_MINUTE || f == PROMQL_FN_HOUR || f == PROMQL_FN_DAY_OF_WEEK ||
           f == PROMQL_FN_DAY_OF_MONTH || f == PROMQL_FN_DAY_OF_YEAR ||
           f == PROMQL_FN_DAYS_IN_MONTH || f == PROMQL_FN_MONTH || f == PROMQL_FN_YEAR;
}

/* The value of a function of a float and up to two scalars; false: nothing. */
static bool of_value(const struct plain *p, enum promql_function f, double v, const double *a,
                     double *ret)
{
    switch (f) {
    case PROMQL_FN_CLAMP:
        *ret = larger(a[0], smaller(a[1], v));
        return !(a[0] > a[1]);
    case PROMQL_FN_CLAMP_MIN:
        *ret = larger(a[0], v);
        return true;
    case PROMQL_FN_CLAMP_MAX:
        *ret = smaller(a[0], v);
        return true;
    case PROMQL_FN_ROUND:
        *ret = plain_rounded(p, 'R', floor(v * (1 / a[0]) + 0.5) / (1 / a[0]));
        return true;
    default:
        *ret = is_date(f) ? of_date(f, v) : of_one(p, f, v);
        return true;
    }
}

/* Functions that look at each element alone. */
static struct plain_vector mapped(struct plain *p, const struct promql_expr *x, int64_t t,
                                  const struct plain_grid *g)
{
    struct plain_vector in = {0}, out = {0};
    double a[2] = {1, 0};
    if (x->arguments_n)
        in = plain_vector(p, x->arguments[0], t, g);
    else
        plain_push(p, &in, (struct plain_element){.value = (double)t / 1000});
    for (size_t i = 1; i < x->arguments_n; i++)
        a[i - 1] = plain_scalar(p, x->arguments[i], t, g);
    for (size_t i = 0; i < in.n; i++) {
        struct plain_element e = in.v[i];
        if (e.histogram || !of_value(p, x->function, e.value, a, &e.value))
            continue;
        plain_drop_name(p, &e);
        plain_push(p, &out, e);
    }
    plain_unique(p, &out);
    return out;
}

static struct plain_vector of_natives(struct plain *p, const struct promql_expr *x, int64_t t,
                                      const struct plain_grid *g)
{
    struct plain_vector in = plain_vector(p, x->arguments[0], t, g), out = {0};
    for (size_t i = 0; i < in.n; i++) {
        struct plain_element e = in.v[i];
        const struct histogram *h = e.histogram;
        if (!h)
            continue;
        e.histogram = NULL;
        e.value = x->function == PROMQL_FN_HISTOGRAM_COUNT ? h->count
                  : x->function == PROMQL_FN_HISTOGRAM_SUM ? h->sum
                                                           : h->sum / h->count;
        plain_drop_name(p, &e);
        plain_push(p, &out, e);
    }
    plain_unique(p, &out);
    return out;
}

static struct plain_vector timestamp(struct plain *p, const struct promql_expr *x, int64_t t,
                                     const struct plain_grid *g)
{
    const struct promql_expr *of = plain_bare(x->arguments[0]);
    if (of->kind == EXPR_SELECTOR)
        return plain_selector(p, of, t, true);
    struct plain_vector out = plain_vector(p, of, t, g);
    for (size_t i = 0; i < out.n; i++) {
        out.v[i].value = (double)t / 1000;
        out.v[i].histogram = NULL;
        plain_drop_name(p, &out.v[i]);
    }
    plain_unique(p, &out);
    return out;
}

/* --- labels --------------------------------------------------------------------------------------
 */

static struct str text_of(const struct promql_expr *x)
{
    return plain_bare(x)->string;
}

static struct plain_vector relabelled(struct plain *p, const struct promql_expr *x, int64_t t,
                                      const struct plain_grid *g)
{
    struct plain_vector out = plain_vector(p, x->arguments[0], t, g);
    bool replace = x->function == PROMQL_FN_LABEL_REPLACE;
    struct str target = text_of(x->arguments[1]);
    struct regex *re = NULL;
    struct why why;
    if (replace && regex_new(text_of(x->arguments[4]), &re, &why) < 0)
        plain_fail(p, "invalid regular expression");
    if (target.n == 0)
        plain_fail(p, "invalid destination label name");
    for (size_t i = 0; i < out.n && !p->answer->error; i++) {
        struct plain_element *e = &out.v[i];
        struct buf b;
        buf_init(&b, LABELS_KEY_MAX);
        bool matched = true;
        if (replace) {
            struct str source = plain_labels_get(e->labels, text_of(x->arguments[3]));
            matched = regex_expand(re, source, text_of(x->arguments[2]), &b);
        }
        for (size_t k = 3; k < x->arguments_n && !replace; k++) {
            if (k > 3)
                buf_put_str(&b, text_of(x->arguments[2]));
            buf_put_str(&b, plain_labels_get(e->labels, text_of(x->arguments[k])));
        }
        if (matched)
            e->labels = plain_labels_set(p, e->labels, target, arena_str(p->arena, buf_str(&b)));
        if (matched && str_eq(target, LABEL_METRIC))
            e->drop_name = false;
        buf_done(&b);
    }
    regex_free(re);
    plain_unique(p, &out);
    return out;
}

static struct plain_labels absent_labels(struct plain *p, const struct promql_expr *x)
{
    struct plain_labels l = {0};
    x = plain_bare(x);
    for (size_t i = 0; x->kind == EXPR_SELECTOR && i < x->matchers_n; i++) {
        const struct matcher *m = &x->matchers[i];
        bool again = false;
        for (size_t k = 0; k < i; k++)
            again |= str_eq(x->matchers[k].name, m->name) && x->matchers[k].type == MATCH_EQUAL;
        if (!str_eq(m->name, LABEL_METRIC))
            l = plain_labels_set(p, l, m->name,
                                 m->type == MATCH_EQUAL && !again ? m->value : STR(""));
    }
    return l;
}

static struct plain_vector absent(struct plain *p, const struct promql_expr *x, int64_t t,
                                  const struct plain_grid *g)
{
    struct plain_vector out = {0};
    bool over_time = x->function == PROMQL_FN_ABSENT_OVER_TIME;
    size_t n = over_time ? plain_matrix(p, x->arguments[0], t, g).n
                         : plain_vector(p, x->arguments[0], t, g).n;
    if (n == 0)
        plain_push(p, &out,
                   (struct plain_element){absent_labels(p, x->arguments[0]), false, 1, NULL});
    return out;
}

/* --- sort ----------------------------------------------------------------------------------------
 */

/* NaN last; true where b must stand before a. */
static bool is_turned(const struct plain_element *a, const struct plain_element *b, bool descending)
{
    if (isnan(a->value) || isnan(b->value))
        return isnan(a->value) && !isnan(b->value);
    return descending ? a->value < b->value : a->value > b->value;
}

static struct plain_vector sorted(struct plain *p, const struct promql_expr *x, int64_t t,
                                  const struct plain_grid *g)
{
    struct plain_vector in = plain_vector(p, x->arguments[0], t, g), out = {0};
    bool by_label =
        x->function == PROMQL_FN_SORT_BY_LABEL || x->function == PROMQL_FN_SORT_BY_LABEL_DESC;
    if (!p->query->instant)
        plain_warn(p, "sort is ineffective for range queries");
    if (by_label || !p->query->instant)
        return in;
    for (size_t i = 0; i < in.n; i++) {
        if (in.v[i].histogram)
            plain_info(p, "ignored histogram in sort");
        else
            plain_push(p, &out, in.v[i]);
    }
    for (size_t i = 1; i < out.n; i++) {
        for (size_t k = i;
             k > 0 && is_turned(&out.v[k - 1], &out.v[k], x->function == PROMQL_FN_SORT_DESC);
             k--) {
            struct plain_element e = out.v[k];
            out.v[k] = out.v[k - 1];
            out.v[k - 1] = e;
        }
    }
    return out;
}

struct plain_vector plain_call(struct plain *p, const struct promql_expr *x, int64_t t,
                               const struct plain_grid *g)
{
    if (is_one(x->function) || is_date(x->function))
        return mapped(p, x, t, g);
    struct plain_vector out = {0};
    switch (x->function) {
    case PROMQL_FN_ROUND:
    case PROMQL_FN_CLAMP:
    case PROMQL_FN_CLAMP_MIN:
    case PROMQL_FN_CLAMP_MAX:
        return mapped(p, x, t, g);
    case PROMQL_FN_TIMESTAMP:
        return timestamp(p, x, t, g);
    case PROMQL_FN_VECTOR:
        plain_push(p, &out,
                   (struct plain_element){.value = plain_scalar(p, x->arguments[0], t, g)});
        return out;
    case PROMQL_FN_LABEL_REPLACE:
    case PROMQL_FN_LABEL_JOIN:
        return relabelled(p, x, t, g);
    case PROMQL_FN_ABSENT:
    case PROMQL_FN_ABSENT_OVER_TIME:
        return absent(p, x, t, g);
    case PROMQL_FN_SORT:
    case PROMQL_FN_SORT_DESC:
    case PROMQL_FN_SORT_BY_LABEL:
    case PROMQL_FN_SORT_BY_LABEL_DESC:
        return sorted(p, x, t, g);
    case PROMQL_FN_HISTOGRAM_QUANTILE:
        return plain_buckets(p, x, t, g);
    case PROMQL_FN_HISTOGRAM_COUNT:
    case PROMQL_FN_HISTOGRAM_SUM:
    case PROMQL_FN_HISTOGRAM_AVG:
        return of_natives(p, x, t, g);
    default:
        return plain_window(p, x, t, g);
    }
}
