#include "query/plain/expression.h"

struct writer {
    struct dice *dice;
    const struct expression_shape *shape;
    struct buf *out;
};

#define ONE_OF(w, list) dice_text((w)->dice, (list), COUNTOF(list))

static void vector(struct writer *w, unsigned depth);
static void scalar(struct writer *w, unsigned depth);
static void matrix(struct writer *w, unsigned depth);

static void put(struct writer *w, const char *text)
{
    buf_put_str(w->out, str_c(text));
}

static const char *const label_names[] = {"job", "instance", "zone", "code", "le", "nosuch"};

static const char *const label_lists[] = {
    "job",      "instance", "job, instance", "zone", "job, zone", "code",
    "instance", "le, job",  "nosuch",        "",     "job",       "instance, code"};

static void number(struct writer *w)
{
    static const char *const common[] = {"0", "1", "2", "0.5", "3", "10", "100", "-1", "1.5", "7"};
    static const char *const rare[] = {"NaN", "Inf", "-Inf", "1e300", "1e-300", "0.3", "5m", "-0"};
    put(w, dice_chance(w->dice, 85) ? ONE_OF(w, common) : ONE_OF(w, rare));
}

/* --- selectors ---------------------------------------------------------------------------------
 */

static void when(struct writer *w)
{
    static const char *const offsets[] = {"1m", "30s", "-1m", "10m", "4m7s", "0s", "-30m"};
    const struct world_shape *world = w->shape->world;
    if (dice_chance(w->dice, 15)) {
        put(w, " offset ");
        put(w, ONE_OF(w, offsets));
    }
    if (!dice_chance(w->dice, 8))
        return;
    int64_t ms = world->start_ms + (int64_t)dice_below(w->dice, 65536) * world->length_ms / 65536;
    switch (dice_below(w->dice, 3)) {
    case 0:
        put(w, " @ start()");
        break;
    case 1:
        put(w, " @ end()");
        break;
    default:
        buf_printf(w->out, " @ %lld.%03d", (long long)(ms / 1000), (int)(ms % 1000));
    }
}

static void plain_selector(struct writer *w)
{
    static const char *const names[] = {
        "requests_total",
        "requests_total",
        "busy_seconds_total",
        "busy_seconds_total",
        "temperature",
        "temperature",
        "memory_bytes",
        "up",
        "level",
        "odd",
        "brief",
        "latency_bucket",
    };
    static const char *const matchers[] = {
        "{job=\"a\"}",           "{job=~\"a|b\"}",    "{job!=\"a\"}",
        "{instance=~\"h[12]\"}", "{zone=\"\"}",       "{zone!=\"\"}",
        "{code!~\"5..\"}",       "{instance=\"h1\"}", "{job=\"a\",zone!~\"w.*\"}",
        "{nosuch=\"x\"}",        "{le!=\"x\"}",
    };
    static const char *const nameless[] = {"{job=\"a\",le=\"\"}", "{__name__=~\"up|temperature\"}",
                                           "{__name__=~\"b.*\",job=\"b\"}",
                                           "{instance=~\".*1\",__name__!~\"l.*\"}"};
    if (w->shape->histograms) {
        put(w, "waiting");
        if (dice_chance(w->dice, 25))
            put(w, "{job=\"a\"}");
        return;
    }
    if (dice_chance(w->dice, 5)) {
        put(w, ONE_OF(w, nameless));
        return;
    }
    put(w, ONE_OF(w, names));
    if (dice_chance(w->dice, 35))
        put(w, ONE_OF(w, matchers));
}

static void selector(struct writer *w)
{
    plain_selector(w);
    when(w);
}

static const char *const ranges[] = {"1m",
                                     "5m",
                                     "5m",
                                     "2m30s",
                                     "10m",
                                     "15s",
                                     "20m",
                                     "1h",
                                     "7s",
                                     "300",
                                     "2 * step() + 1m",
                                     "max_of(step(), 90s)",
                                     "min_of(10m, 2m + range())"};

static void matrix(struct writer *w, unsigned depth)
{
    static const char *const steps[] = {"1m", "30s", "2m", "", "17s", "5m"};
    static const char *const spans[] = {"5m", "3m", "10m", "1m"};
    if (depth == 0 || dice_chance(w->dice, 75)) {
        plain_selector(w);
        buf_printf(w->out, "[%s]", ONE_OF(w, ranges));
    } else {
        put(w, "(");
        vector(w, depth - 1);
        buf_printf(w->out, ")[%s:", ONE_OF(w, spans));
        buf_printf(w->out, "%s]", ONE_OF(w, steps));
    }
    when(w);
}

/* --- functions ---------------------------------------------------------------------------------
 */

/* rate and its kin over a window that looks beyond its edges, or an instant between samples. */
static void extended(struct writer *w)
{
    static const char *const names[] = {"rate", "increase", "delta", "changes", "resets"};
    bool smoothed = dice_chance(w->dice, 50);
    if (smoothed && dice_chance(w->dice, 25)) {
        plain_selector(w);
        put(w, " smoothed");
        when(w);
        return;
    }
    buf_printf(w->out, "%s(", dice_text(w->dice, names, smoothed ? 3 : COUNTOF(names)));
    plain_selector(w);
    buf_printf(w->out, "[%s] %s", ONE_OF(w, ranges), smoothed ? "smoothed" : "anchored");
    when(w);
    put(w, ")");
}

static void native_over_time(struct writer *w)
{
    static const char *const natives[] = {
        "rate",
        "increase",
        "delta",
        "sum_over_time",
        "avg_over_time",
        "last_over_time",
        "count_over_time",
        "first_over_time",
        "changes",
        "resets",
        "present_over_time",
    };
    buf_printf(w->out, "%s(", ONE_OF(w, natives));
    matrix(w, 0);
    put(w, ")");
}

static void over_time(struct writer *w, unsigned depth)
{
    static const char *const floats[] = {
        "rate",
        "rate",
        "rate",
        "increase",
        "delta",
        "irate",
        "idelta",
        "deriv",
        "changes",
        "resets",
        "avg_over_time",
        "sum_over_time",
        "min_over_time",
        "max_over_time",
        "count_over_time",
        "last_over_time",
        "first_over_time",
        "stddev_over_time",
        "stdvar_over_time",
        "mad_over_time",
        "present_over_time",
        "ts_of_first_over_time",
        "ts_of_last_over_time",
        "ts_of_min_over_time",
        "ts_of_max_over_time",
        "absent_over_time",
    };
    if (w->shape->histograms) {
        native_over_time(w);
        return;
    }
    switch (dice_below(w->dice, 13)) {
    case 12:
        extended(w);
        return;
    case 0:
        put(w, "quantile_over_time(");
        scalar(w, depth ? depth - 1 : 0);
        put(w, ", ");
        matrix(w, depth);
        break;
    case 1:
        put(w, "predict_linear(");
        matrix(w, depth);
        put(w, ", ");
        scalar(w, depth ? depth - 1 : 0);
        break;
    case 2:
        put(w, "double_exponential_smoothing(");
        matrix(w, depth);
        put(w, ", 0.5, 0.25");
        break;
    default:
        buf_printf(w->out, "%s(", ONE_OF(w, floats));
        matrix(w, depth);
    }
    put(w, ")");
}

static void relabel(struct writer *w, unsigned depth)
{
    static const char *const targets[] = {"x", "job", "zone", "instance", "x", "__name__"};
    static const char *const replacements[] = {"$1", "$2-$1", "", "fixed", "${1}y"};
    static const char *const patterns[] = {"(.*)", "h(.)", "(.)(.*)", "a|b", "none"};
    static const char *const joins[] = {"\"job\", \"instance\"", "\"zone\"", "\"job\", \"nosuch\""};
    bool replace = dice_chance(w->dice, 60);
    put(w, replace ? "label_replace(" : "label_join(");
    vector(w, depth - 1);
    buf_printf(w->out, ", \"%s\", ", ONE_OF(w, targets));
    if (replace) {
        buf_printf(w->out, "\"%s\", ", ONE_OF(w, replacements));
        buf_printf(w->out, "\"%s\", ", ONE_OF(w, label_names));
        buf_printf(w->out, "\"%s\")", ONE_OF(w, patterns));
    } else {
        buf_printf(w->out, "\"-\", %s)", ONE_OF(w, joins));
    }
}

static void with_scalars(struct writer *w, unsigned depth)
{
    static const char *const names[] = {"clamp", "clamp_min", "clamp_max", "round"};
    uint32_t which = dice_below(w->dice, COUNTOF(names));
    buf_printf(w->out, "%s(", names[which]);
    vector(w, depth - 1);
    if (which == 3 && dice_chance(w->dice, 40)) {
        put(w, ")");
        return;
    }
    for (int i = 0; i < (which == 0 ? 2 : 1); i++) {
        put(w, ", ");
        scalar(w, depth - 1);
    }
    put(w, ")");
}

static void of_one(struct writer *w, unsigned depth)
{
    static const char *const names[] = {
        "abs",       "ceil",        "floor",        "exp",         "sqrt",          "ln",
        "log2",      "log10",       "sin",          "cos",         "tan",           "asin",
        "acos",      "atan",        "sinh",         "cosh",        "tanh",          "asinh",
        "acosh",     "atanh",       "deg",          "rad",         "sgn",           "minute",
        "hour",      "day_of_week", "day_of_month", "day_of_year", "days_in_month", "month",
        "year",      "timestamp",   "absent",       "sort",        "sort_desc",     "abs",
        "timestamp", "absent",      "ceil",
    };
    static const char *const natives[] = {"histogram_count", "histogram_sum", "histogram_avg"};
    buf_printf(w->out, "%s(", w->shape->histograms ? ONE_OF(w, natives) : ONE_OF(w, names));
    vector(w, depth - 1);
    put(w, ")");
}

static void quantile_of_buckets(struct writer *w, unsigned depth)
{
    static const char *const inner[] = {"latency_bucket", "rate(latency_bucket[5m])",
                                        "sum by (le) (rate(latency_bucket[5m]))",
                                        "sum by (le, job) (latency_bucket)"};
    static const char *const natives[] = {"waiting", "rate(waiting[5m])", "waiting offset 2m",
                                          "sum by (job) (rate(waiting[5m]))",
                                          "sum_over_time(waiting[10m])"};
    put(w, "histogram_quantile(");
    if (w->shape->histograms) { /* of counts that are not below zero */
        buf_printf(w->out, "0.%u, %s)", dice_below(w->dice, 100), ONE_OF(w, natives));
        return;
    }
    scalar(w, depth - 1 < 2 ? depth - 1 : 1);
    put(w, ", ");
    if (dice_chance(w->dice, 85))
        put(w, ONE_OF(w, inner));
    else
        vector(w, depth - 1);
    put(w, ")");
}

/* --- aggregations ------------------------------------------------------------------------------
 */

static void grouping(struct writer *w)
{
    if (dice_chance(w->dice, 35))
        return;
    buf_printf(w->out, dice_chance(w->dice, 65) ? " by (%s) " : " without (%s) ",
               ONE_OF(w, label_lists));
}

static void aggregate(struct writer *w, unsigned depth)
{
    static const char *const floats[] = {"sum", "sum",   "avg",    "count", "min",
                                         "max", "group", "stddev", "stdvar"};
    static const char *const natives[] = {"sum", "avg", "count", "group"};
    static const char *const choosers[] = {"topk", "bottomk", "quantile", "count_values"};
    uint32_t which = 0;
    if (w->shape->histograms || dice_chance(w->dice, 70)) {
        put(w, w->shape->histograms ? ONE_OF(w, natives) : ONE_OF(w, floats));
        grouping(w);
        put(w, "(");
    } else if (dice_chance(w->dice, 10)) {
        put(w, "count(limitk"); /* how many is told, but not which */
        grouping(w);
        buf_printf(w->out, "(%u, ", dice_below(w->dice, 4));
        vector(w, depth - 1);
        put(w, "))");
        return;
    } else {
        which = dice_below(w->dice, COUNTOF(choosers));
        put(w, choosers[which]);
        grouping(w);
        put(w, "(");
        if (which == 3)
            put(w, dice_chance(w->dice, 80) ? "\"value\"" : "\"job\"");
        else if (dice_chance(w->dice, 80))
            put(w, which == 2 ? "0.5" : "2");
        else
            scalar(w, depth - 1);
        put(w, ", ");
    }
    vector(w, depth - 1);
    put(w, ")");
}

/* --- operators ---------------------------------------------------------------------------------
 */

static const char *const arithmetic[] = {"+", "-", "*", "/", "%", "^", "atan2", "+", "-", "*", "/"};
static const char *const comparisons[] = {"==", "!=", "<", "<=", ">", ">="};

static void operator(struct writer *w)
{
    if (dice_chance(w->dice, 60)) {
        buf_printf(w->out, " %s ", ONE_OF(w, arithmetic));
        return;
    }
    /* Whether two histograms are equal hangs on buckets that hold nothing: not asked. */
    static const char *const ordered[] = {"<", "<=", ">", ">="};
    buf_printf(w->out, " %s ", w->shape->histograms ? ONE_OF(w, ordered) : ONE_OF(w, comparisons));
    if (dice_chance(w->dice, 40))
        put(w, "bool ");
}

static void fill(struct writer *w)
{
    static const char *const fills[] = {"fill(0) ", "fill_left(1) ", "fill_right(2.5) ",
                                        "fill_left(1) fill_right(2) ", "fill(NaN) "};
    if (dice_chance(w->dice, 15))
        put(w, ONE_OF(w, fills));
}

/* The same series on both sides: one to one, in one of many ways. */
static void alike(struct writer *w)
{
    static const char *const wraps[] = {
        "%s",     "rate(%s[5m])",          "%s offset 1m",
        "-%s",    "sum_over_time(%s[2m])", "last_over_time(%s[10m])",
        "abs(%s)"};
    struct buf name, *out = w->out;
    buf_init(&name, 4096);
    w->out = &name;
    plain_selector(w);
    buf_put_c(&name, 0);
    w->out = out;
    for (int side = 0; side < 2; side++) {
        const char *wrap = ONE_OF(w, wraps);
        struct str text = str_c(wrap);
        size_t at = str_search(text, STR("%s"));
        if (side)
            operator(w);
        if (side && dice_chance(w->dice, 15))
            put(w, "ignoring(nosuch) ");
        if (side)
            fill(w);
        buf_put_str(out, str_sub(text, 0, at));
        put(w, name.p);
        buf_put_str(out, str_sub(text, at + 2, text.n));
    }
    buf_done(&name);
}

static void many_to_one(struct writer *w, unsigned depth)
{
    static const char *const labels[] = {"job", "instance", "job, instance", "zone"};
    static const char *const includes[] = {"", "zone", "nosuch", ""};
    const char *on = ONE_OF(w, labels), *include = ONE_OF(w, includes);
    if (str_eq(str_c(on), str_c(include)))
        include = "";
    bool right = dice_chance(w->dice, 30);
    for (int side = 0; side < 2; side++) {
        if (side) {
            operator(w);
            buf_printf(w->out, "on(%s) group_%s(%s) ", on, right ? "right" : "left", include);
            fill(w);
        }
        if ((side == 0) == right)
            buf_printf(w->out, "sum by (%s) ", on);
        put(w, "(");
        vector(w, depth - 1);
        put(w, ")");
    }
}

static void grouped_alike(struct writer *w, unsigned depth)
{
    static const char *const words[] = {"sum", "max", "count", "avg"};
    const char *by = ONE_OF(w, label_lists);
    for (int side = 0; side < 2; side++) {
        if (side) {
            operator(w);
            fill(w);
        }
        buf_printf(w->out, "%s by (%s) (", ONE_OF(w, words), by);
        vector(w, depth - 1);
        put(w, ")");
    }
}

static void set_operation(struct writer *w, unsigned depth)
{
    static const char *const words[] = {"and", "or", "unless"};
    static const char *const how[] = {
        "", "", "on(job) ", "ignoring(code) ", "on() ", "on(instance, job) "};
    put(w, "(");
    vector(w, depth - 1);
    buf_printf(w->out, ") %s ", ONE_OF(w, words));
    put(w, ONE_OF(w, how));
    put(w, "(");
    vector(w, depth - 1);
    put(w, ")");
}

static void with_scalar(struct writer *w, unsigned depth)
{
    bool first = dice_chance(w->dice, 30);
    for (int side = 0; side < 2; side++) {
        if (side)
            operator(w);
        put(w, "(");
        if ((side == 0) == first)
            scalar(w, depth - 1);
        else
            vector(w, depth - 1);
        put(w, ")");
    }
}

static void binary(struct writer *w, unsigned depth)
{
    uint32_t which = dice_below(w->dice, 100);
    if (which < 30) {
        with_scalar(w, depth);
    } else if (which < 50) {
        alike(w);
    } else if (which < 63) {
        grouped_alike(w, depth);
    } else if (which < 75) {
        many_to_one(w, depth);
    } else if (which < 93) {
        set_operation(w, depth);
    } else {
        put(w, "(");
        vector(w, depth - 1);
        put(w, ")");
        operator(w);
        put(w, "(");
        vector(w, depth - 1);
        put(w, ")");
    }
}

/* --- any expression ----------------------------------------------------------------------------
 */

static void comparison(struct writer *w, unsigned depth)
{
    put(w, "(");
    scalar(w, depth - 1);
    buf_printf(w->out, " %s bool ", ONE_OF(w, comparisons));
    scalar(w, depth - 1);
    put(w, ")");
}

static void scalar(struct writer *w, unsigned depth)
{
    static const char *const calls[] = {"time()", "pi()",    "time()", "start()",
                                        "end()",  "range()", "step()"};
    uint32_t which = depth == 0 ? dice_below(w->dice, 60) : dice_below(w->dice, 100);
    if (which < 55) {
        number(w);
    } else if (which < 62) {
        put(w, ONE_OF(w, calls));
    } else if (which < 80) {
        put(w, "scalar(");
        vector(w, depth - 1);
        put(w, ")");
    } else if (which < 85) {
        comparison(w, depth);
    } else if (which < 90) {
        put(w, "-(");
        scalar(w, depth - 1);
        put(w, ")");
    } else {
        put(w, "(");
        scalar(w, depth - 1);
        buf_printf(w->out, " %s ", ONE_OF(w, arithmetic));
        scalar(w, depth - 1);
        put(w, ")");
    }
}

static void other_vector(struct writer *w, unsigned depth)
{
    switch (dice_below(w->dice, 5)) {
    case 0:
        relabel(w, depth);
        break;
    case 1:
        put(w, "-(");
        vector(w, depth - 1);
        put(w, ")");
        break;
    case 2:
        put(w, "vector(");
        scalar(w, depth - 1);
        put(w, ")");
        break;
    default:
        with_scalars(w, depth);
    }
}

static void vector(struct writer *w, unsigned depth)
{
    uint32_t which = dice_below(w->dice, 100);
    if (depth == 0) {
        if (which < 30)
            over_time(w, 0);
        else
            selector(w);
        return;
    }
    if (which < 8)
        selector(w);
    else if (which < 32)
        over_time(w, depth - 1);
    else if (which < 52)
        aggregate(w, depth);
    else if (which < 62)
        of_one(w, depth);
    else if (which < 67)
        quantile_of_buckets(w, depth);
    else if (which < 78)
        other_vector(w, depth);
    else
        binary(w, depth);
}

void expression_make(struct dice *d, const struct expression_shape *shape, struct buf *out)
{
    struct writer w = {d, shape, out};
    uint32_t which = dice_below(d, 100);
    unsigned depth = dice_below(d, shape->depth + 1);
    if (shape->range_vector && which < 4)
        matrix(&w, depth);
    else if (which < 10)
        scalar(&w, depth);
    else
        vector(&w, depth);
}
