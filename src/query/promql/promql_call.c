#include "query/promql/promql_engine.h"
#include "query/promql/promql_explain.h"

#include <math.h>
#include <string.h>

/* --- scalars --------------------------------------------------------------------------------- */

double promql_operate(enum promql_token_kind operator, double l, double r)
{
    switch (operator) {
    case TOKEN_ADD:
        return l + r;
    case TOKEN_SUB:
        return l - r;
    case TOKEN_MUL:
        return l * r;
    case TOKEN_DIV:
        return l / r;
    case TOKEN_MOD:
        return fmod(l, r);
    case TOKEN_POW:
        return pow(l, r);
    case TOKEN_ATAN2:
        return atan2(l, r);
    case TOKEN_EQ:
        return l == r;
    case TOKEN_NE:
        return l != r;
    case TOKEN_LT:
        return l < r;
    case TOKEN_LE:
        return l <= r;
    case TOKEN_GT:
        return l > r;
    case TOKEN_GE:
        return l >= r;
    default:
        return NAN;
    }
}

static double query_scalar(const struct engine *e, enum promql_function f)
{
    const struct promql_query *q = e->query;
    switch (f) {
    case PROMQL_FN_START:
        return (double)q->start_ms / 1000;
    case PROMQL_FN_END:
        return (double)q->end_ms / 1000;
    case PROMQL_FN_STEP:
        return q->instant ? 0 : (double)q->step_ms / 1000;
    case PROMQL_FN_RANGE:
        return (double)(q->end_ms - q->start_ms) / 1000;
    default:
        return M_PI;
    }
}

/* scalar(v): the value where exactly one series has one. */
static int scalar_of_vector(struct engine *e, const struct promql_expr *x, const struct grid *g,
                            double *ret)
{
    struct stream *s;
    int err = promql_stream(e, x, g, &s);
    if (err < 0)
        return err;
    uint8_t *count = arena_array(e->arena, g->n, 1);
    struct row r;
    while ((err = s->next(e, s, &r)) > 0) {
        for (size_t i = 0; i < g->n; i++) {
            if (r.kind[i] != KIND_FLOAT)
                continue;
            ret[i] = r.value[i];
            count[i] = count[i] < 2 ? count[i] + 1 : 2;
        }
        if ((err = promql_engine_poll(e)) < 0)
            break;
    }
    for (size_t i = 0; i < g->n; i++) {
        if (count[i] != 1)
            ret[i] = NAN;
    }
    return err;
}

/* The larger of two; only infinity is larger than NaN, as in Go. */
static double larger(double a, double b)
{
    if (a == INFINITY || b == INFINITY)
        return INFINITY;
    if (a == b)
        return signbit(a) ? b : a; /* 0 is larger than -0 */
    return isnan(a) || isnan(b) ? NAN : fmax(a, b);
}

static double smaller(double a, double b)
{
    return -larger(-a, -b);
}

static int scalar_call(struct engine *e, const struct promql_expr *x, const struct grid *g,
                       double *v)
{
    double *a, *b;
    int err;
    switch (x->function) {
    case PROMQL_FN_TIME:
        for (size_t i = 0; i < g->n; i++)
            v[i] = (double)grid_ms(g, i) / 1000;
        return 0;
    case PROMQL_FN_SCALAR:
        return scalar_of_vector(e, x->arguments[0], g, v);
    case PROMQL_FN_MAX_OF:
    case PROMQL_FN_MIN_OF:
        err = promql_scalar(e, x->arguments[0], g, &a);
        if (err == 0)
            err = promql_scalar(e, x->arguments[1], g, &b);
        for (size_t i = 0; err == 0 && i < g->n; i++)
            v[i] = x->function == PROMQL_FN_MAX_OF ? larger(a[i], b[i]) : smaller(a[i], b[i]);
        return err;
    default:
        for (size_t i = 0; i < g->n; i++)
            v[i] = query_scalar(e, x->function);
        return 0;
    }
}

static int scalar_binary(struct engine *e, const struct promql_expr *x, const struct grid *g,
                         double *v)
{
    double *l, *r;
    int err = promql_scalar(e, x->left, g, &l);
    if (err == 0)
        err = promql_scalar(e, x->right, g, &r);
    for (size_t i = 0; err == 0 && i < g->n; i++)
        v[i] = promql_operate(x->operator, l[i], r[i]);
    return err;
}

int promql_scalar(struct engine *e, const struct promql_expr *x, const struct grid *g, double **ret)
{
    x = promql_bare(x);
    int err = promql_engine_poll(e);
    double *v = arena_array(e->arena, g->n, sizeof *v), *inner;
    if (err < 0)
        return err;
    switch (x->kind) {
    case EXPR_NUMBER:
        for (size_t i = 0; i < g->n; i++)
            v[i] = x->number;
        break;
    case EXPR_UNARY:
        err = promql_scalar(e, x->left, g, &inner);
        for (size_t i = 0; err == 0 && i < g->n; i++)
            v[i] = x->operator== TOKEN_SUB ? -inner[i] : inner[i];
        break;
    case EXPR_BINARY:
        err = scalar_binary(e, x, g, v);
        break;
    default:
        err = scalar_call(e, x, g, v);
    }
    *ret = v;
    return err;
}

/* --- functions of one value ------------------------------------------------------------------- */

typedef double value_f(enum promql_function f, double v, double a, double b);

struct map_stream {
    struct stream stream;
    struct stream *from;
    struct grid grid;
    value_f *apply;
    enum promql_function function;
    const double *a, *b; /* scalar arguments, or NULL */
    bool keep_name, negate_histograms, any_kind;
    struct row_buffer row;
};

static double apply_math(enum promql_function f, double v, double a, double b)
{
    static double (*const table[])(double) = {
        [PROMQL_FN_ABS] = fabs,    [PROMQL_FN_CEIL] = ceil,   [PROMQL_FN_FLOOR] = floor,
        [PROMQL_FN_EXP] = exp,     [PROMQL_FN_SQRT] = sqrt,   [PROMQL_FN_LN] = log,
        [PROMQL_FN_LOG2] = log2,   [PROMQL_FN_LOG10] = log10, [PROMQL_FN_SIN] = sin,
        [PROMQL_FN_COS] = cos,     [PROMQL_FN_TAN] = tan,     [PROMQL_FN_ASIN] = asin,
        [PROMQL_FN_ACOS] = acos,   [PROMQL_FN_ATAN] = atan,   [PROMQL_FN_SINH] = sinh,
        [PROMQL_FN_COSH] = cosh,   [PROMQL_FN_TANH] = tanh,   [PROMQL_FN_ASINH] = asinh,
        [PROMQL_FN_ACOSH] = acosh, [PROMQL_FN_ATANH] = atanh,
    };
    (void)a;
    (void)b;
    switch (f) {
    case PROMQL_FN_DEG:
        return v * 180 / M_PI;
    case PROMQL_FN_RAD:
        return v * M_PI / 180;
    case PROMQL_FN_SGN:
        return v < 0 ? -1 : v > 0 ? 1 : v;
    default:
        return table[f](v);
    }
}

static bool is_math(enum promql_function f)
{
    static const enum promql_function list[] = {
        PROMQL_FN_ABS,  PROMQL_FN_CEIL, PROMQL_FN_FLOOR, PROMQL_FN_EXP,   PROMQL_FN_SQRT,
        PROMQL_FN_LN,   PROMQL_FN_LOG2, PROMQL_FN_LOG10, PROMQL_FN_SIN,   PROMQL_FN_COS,
        PROMQL_FN_TAN,  PROMQL_FN_ASIN, PROMQL_FN_ACOS,  PROMQL_FN_ATAN,  PROMQL_FN_SINH,
        PROMQL_FN_COSH, PROMQL_FN_TANH, PROMQL_FN_ASINH, PROMQL_FN_ACOSH, PROMQL_FN_ATANH,
        PROMQL_FN_DEG,  PROMQL_FN_RAD,  PROMQL_FN_SGN,
    };
    for (size_t i = 0; i < COUNTOF(list); i++) {
        if (list[i] == f)
            return true;
    }
    return false;
}

/* Halves go up, for negative values too. */
static double apply_round(enum promql_function f, double v, double to, double b)
{
    (void)f;
    (void)b;
    double inverse = 1 / to;
    return floor(v * inverse + 0.5) / inverse;
}

static double apply_clamp(enum promql_function f, double v, double a, double b)
{
    if (f == PROMQL_FN_CLAMP_MIN)
        return larger(a, v);
    if (f == PROMQL_FN_CLAMP_MAX)
        return smaller(a, v);
    return larger(a, smaller(b, v));
}

/* Days since 1970 to a civil date (Howard Hinnant's algorithm). */
static void civil(int64_t days, int64_t *year, int *month, int *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t of_era = days - era * 146097;
    int64_t y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * y + y / 4 - y / 100);
    int64_t m = (5 * of_year + 2) / 153;
    *day = (int)(of_year - (153 * m + 2) / 5 + 1);
    *month = (int)(m < 10 ? m + 3 : m - 9);
    *year = y + era * 400 + (*month <= 2);
}

static bool is_leap(int64_t y)
{
    return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
}

static double apply_date(enum promql_function f, double v, double a, double b)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    (void)a;
    (void)b;
    if (!(fabs(v) < 9e15))
        return isnan(v) ? v : NAN;
    int64_t seconds = (int64_t)v;
    int64_t days = seconds / 86400 - (seconds % 86400 < 0);
    int64_t rest = seconds - days * 86400, year;
    int month, day;
    civil(days, &year, &month, &day);
    switch (f) {
    case PROMQL_FN_MINUTE:
        return (double)(rest / 60 % 60);
    case PROMQL_FN_HOUR:
        return (double)(rest / 3600);
    case PROMQL_FN_DAY_OF_WEEK:
        return (double)(((days + 4) % 7 + 7) % 7);
    case PROMQL_FN_DAY_OF_MONTH:
        return day;
    case PROMQL_FN_DAYS_IN_MONTH:
        return lengths[month - 1] + (month == 2 && is_leap(year));
    case PROMQL_FN_MONTH:
        return month;
    case PROMQL_FN_YEAR:
        return (double)year;
    default: /* day_of_year */
        for (int m = 1; m < month; m++)
            day += lengths[m - 1] + (m == 2 && is_leap(year));
        return day;
    }
}

static double apply_negate(enum promql_function f, double v, double a, double b)
{
    (void)f;
    (void)a;
    (void)b;
    return -v;
}

static int mapped_next(struct engine *e, struct stream *stream, struct row *ret)
{
    struct map_stream *s = (struct map_stream *)stream;
    struct row in;
    int more = s->from->next(e, s->from, &in);
    if (more <= 0)
        return more;
    s->row.key = in.key;
    s->row.drop_name = in.drop_name;
    if (!s->keep_name)
        promql_row_drop_name(e, &s->row.key, &s->row.drop_name);
    bool clamp = s->function == PROMQL_FN_CLAMP;
    for (size_t i = 0; i < s->grid.n; i++) {
        s->row.kind[i] = KIND_NONE;
        if (in.kind[i] == KIND_HISTOGRAM && s->negate_histograms)
            promql_row_histogram(e, &s->row, s->grid.n, i,
                                 promql_histogram_scale(e, in.histogram[i], -1));
        if (in.kind[i] == KIND_HISTOGRAM && s->any_kind) {
            s->row.kind[i] = KIND_FLOAT;
            s->row.value[i] = s->a[i];
        }
        if (in.kind[i] != KIND_FLOAT || (clamp && s->a[i] > s->b[i]))
            continue;
        s->row.kind[i] = KIND_FLOAT;
        s->row.value[i] = s->any_kind ? s->a[i]
                                      : s->apply(s->function, in.value[i], s->a ? s->a[i] : 0,
                                                 s->b ? s->b[i] : 0);
    }
    promql_row_view(&s->row, ret);
    return 1;
}

static struct map_stream *mapped_new(struct engine *e, const struct grid *g, struct stream *from)
{
    struct map_stream *s = arena_new(e->arena, sizeof *s);
    s->stream.next = mapped_next;
    s->grid = *g;
    s->from = from;
    promql_row_new(e, g->n, &s->row);
    return s;
}

static int stream_unary(struct engine *e, const struct promql_expr *x, const struct grid *g,
                        struct stream **ret)
{
    int err = promql_stream(e, x->left, g, ret);
    if (err < 0 || x->operator== TOKEN_ADD)
        return err;
    struct map_stream *s = mapped_new(e, g, *ret);
    s->apply = apply_negate;
    s->negate_histograms = true;
    *ret = &s->stream;
    if (promql_names_may_meet(x->left))
        *ret = promql_stream_unique(e, *ret, g->n);
    return 0;
}

/* One series without labels that has a value at every step. */
static struct stream *constant_row(struct engine *e, const struct grid *g, double *value)
{
    struct rows t = {0};
    struct row_buffer *r = promql_rows_of(e, &t, STR(""), g->n);
    memset(r->kind, KIND_FLOAT, g->n);
    memcpy(r->value, value, g->n * sizeof *value);
    struct stream *s = promql_rows_stream(e, &t);
    promql_rows_done(&t);
    return s;
}

static double *times_of(struct engine *e, const struct grid *g)
{
    double *v = arena_array(e->arena, g->n, sizeof *v);
    for (size_t i = 0; i < g->n; i++)
        v[i] = (double)grid_ms(g, i) / 1000;
    return v;
}

static int stream_timestamp(struct engine *e, const struct promql_expr *x, const struct grid *g,
                            struct stream **ret)
{
    const struct promql_expr *of = promql_bare(x->arguments[0]);
    if (x->function == PROMQL_FN_START_TIMESTAMP) {
        struct rows none = {0};
        *ret = promql_rows_stream(e, &none);
        if (!e->start_timestamps || of->kind != EXPR_SELECTOR || of->anchored || of->smoothed)
            return 0; /* an expression has no created times */
        return promql_stream_selector(e, of, g, SELECTOR_STARTS, ret);
    }
    if (of->kind == EXPR_SELECTOR)
        return promql_stream_selector(e, of, g, SELECTOR_TIMES, ret);
    int err = promql_stream(e, of, g, ret);
    if (err < 0)
        return err;
    struct map_stream *s = mapped_new(e, g, *ret);
    s->any_kind = true;
    s->a = times_of(e, g);
    *ret = &s->stream;
    return 0;
}

static value_f *apply_of(enum promql_function f)
{
    if (is_math(f))
        return apply_math;
    switch (f) {
    case PROMQL_FN_ROUND:
        return apply_round;
    case PROMQL_FN_CLAMP:
    case PROMQL_FN_CLAMP_MIN:
    case PROMQL_FN_CLAMP_MAX:
        return apply_clamp;
    case PROMQL_FN_MINUTE:
    case PROMQL_FN_HOUR:
    case PROMQL_FN_DAY_OF_WEEK:
    case PROMQL_FN_DAY_OF_MONTH:
    case PROMQL_FN_DAY_OF_YEAR:
    case PROMQL_FN_DAYS_IN_MONTH:
    case PROMQL_FN_MONTH:
    case PROMQL_FN_YEAR:
        return apply_date;
    default:
        return NULL;
    }
}

bool promql_is_map_function(enum promql_function f)
{
    return apply_of(f) != NULL;
}

static int map_arguments(struct engine *e, const struct promql_expr *x, const struct grid *g,
                         struct map_stream *s)
{
    double *v;
    int err = 0;
    if (x->arguments_n > 1 && (err = promql_scalar(e, x->arguments[1], g, &v)) == 0)
        s->a = v;
    if (err == 0 && x->arguments_n > 2 && (err = promql_scalar(e, x->arguments[2], g, &v)) == 0)
        s->b = v;
    if (err == 0 && x->function == PROMQL_FN_ROUND && !s->a) {
        v = arena_array(e->arena, g->n, sizeof *v);
        for (size_t i = 0; i < g->n; i++)
            v[i] = 1;
        s->a = v;
    }
    return err;
}

static int stream_map(struct engine *e, const struct promql_expr *x, const struct grid *g,
                      value_f *apply, struct stream **ret)
{
    struct stream *from;
    if (x->arguments_n == 0) {
        from = constant_row(e, g, times_of(e, g));
    } else {
        int err = promql_stream(e, x->arguments[0], g, &from);
        if (err < 0)
            return err;
    }
    struct map_stream *s = mapped_new(e, g, from);
    s->function = x->function;
    s->apply = apply;
    *ret = &s->stream;
    return map_arguments(e, x, g, s);
}

int promql_stream_call(struct engine *e, const struct promql_expr *x, const struct grid *g,
                       struct stream **ret)
{
    value_f *apply = apply_of(x->function);
    int err;
    if (apply) {
        err = stream_map(e, x, g, apply, ret);
    } else if (x->function == PROMQL_FN_TIMESTAMP || x->function == PROMQL_FN_START_TIMESTAMP) {
        err = stream_timestamp(e, x, g, ret);
    } else if (x->function == PROMQL_FN_VECTOR) {
        double *v;
        err = promql_scalar(e, x->arguments[0], g, &v);
        if (err == 0)
            *ret = constant_row(e, g, v);
        return err;
    } else if (x->function == PROMQL_FN_INFO) {
        return promql_stream_info(e, x, g, ret);
    } else if (promql_is_range_function(x->function)) {
        err = promql_stream_range(e, x, g, ret);
    } else if (strncmp(promql_function_row(x->function)->name, "histogram_", 10) == 0) {
        err = promql_stream_histogram(e, x, g, ret);
    } else {
        return promql_stream_labels(e, x, g, ret);
    }
    if (err == 0 && promql_names_may_meet(x))
        *ret = promql_stream_unique(e, *ret, g->n);
    return err;
}

/* --- any vector ------------------------------------------------------------------------------ */

struct broadcast_stream {
    struct stream stream;
    struct stream *from;
    size_t n;
    struct row_buffer row;
};

static int broadcast_next(struct engine *e, struct stream *stream, struct row *ret)
{
    struct broadcast_stream *s = (struct broadcast_stream *)stream;
    struct row in;
    int more = s->from->next(e, s->from, &in);
    if (more <= 0)
        return more;
    memset(s->row.kind, in.kind[0], s->n);
    s->row.key = in.key;
    s->row.drop_name = in.drop_name;
    for (size_t i = 0; i < s->n; i++) {
        if (in.kind[0] == KIND_HISTOGRAM)
            promql_row_histogram(e, &s->row, s->n, i, in.histogram[0]);
        else
            s->row.value[i] = in.value[0];
    }
    promql_row_view(&s->row, ret);
    return 1;
}

static int stream_fixed(struct engine *e, const struct promql_expr *x, const struct grid *g,
                        struct stream **ret)
{
    struct grid one = {g->start_ms, g->step_ms, 1};
    struct broadcast_stream *s = arena_new(e->arena, sizeof *s);
    s->stream.next = broadcast_next;
    s->n = g->n;
    promql_row_new(e, g->n, &s->row);
    *ret = &s->stream;
    return promql_stream(e, x, &one, &s->from);
}

static int stream_of(struct engine *e, const struct promql_expr *x, const struct grid *g,
                     struct stream **ret)
{
    if (g->n > 1 && promql_is_fixed(x))
        return stream_fixed(e, x, g, ret);
    switch (x->kind) {
    case EXPR_SELECTOR:
        if (x->smoothed)
            return promql_stream_range(e, x, g, ret);
        return promql_stream_selector(e, x, g, SELECTOR_VALUES, ret);
    case EXPR_UNARY:
        return stream_unary(e, x, g, ret);
    case EXPR_BINARY:
        return promql_stream_binary(e, x, g, ret);
    case EXPR_AGGREGATE:
        return promql_stream_aggregate(e, x, g, ret);
    default:
        return promql_stream_call(e, x, g, ret);
    }
}

int promql_stream(struct engine *e, const struct promql_expr *x, const struct grid *g,
                  struct stream **ret)
{
    x = promql_bare(x);
    int err = promql_engine_poll(e);
    if (err == 0)
        err = stream_of(e, x, g, ret);
    if (err == 0 && e->profile)
        *ret = promql_profile_stream(e, x, *ret);
    return err;
}
