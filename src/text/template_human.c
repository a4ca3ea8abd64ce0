#include "text/template_human.h"

#include <math.h>

#include "text/number.h"
#include "text/template_time.h"

enum {
    TEXT_MAX = 600, /* bytes of a readable number */
    DIGITS = 4,     /* that are shown */
    MINUTE = 60,    /* seconds */
    HOUR = 3600,    /* seconds */
    DAY = 86400,    /* seconds */
};

static const char *const LARGE[] = {"k", "M", "G", "T", "P", "E", "Z", "Y"};
static const char *const SMALL[] = {"m", "u", "n", "p", "f", "a", "z", "y"};
static const char *const BINARY[] = {"ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"};

int template_human_number(const struct template_value *v, double *ret, struct why *why)
{
    if (v->type == TEMPLATE_FLOAT) {
        *ret = v->number;
    } else if (v->type == TEMPLATE_INT) {
        *ret = (double)v->integer;
    } else if (v->type == TEMPLATE_OBJECT && v->object.type == &template_time_duration_object) {
        *ret = (double)*(const int64_t *)v->object.p / 1e9;
    } else if (v->type == TEMPLATE_TEXT) {
        int err = number_parse(v->text, ret);
        if (err) {
            struct buf quoted;
            buf_init(&quoted, WHY_MAX);
            template_quote(v->text, &quoted);
            err = why_set(why, ERR_FORMAT, "strconv.ParseFloat: parsing " STR_FMT ": %s",
                          STR_ARG(buf_str(&quoted)),
                          err == -ERR_RANGE ? "value out of range" : "invalid syntax");
            buf_done(&quoted);
            return err;
        }
    } else {
        return why_set(why, ERR_FORMAT, "can't convert %s to float",
                       v->type == TEMPLATE_NIL ? "<nil>" : template_type_text(v));
    }
    return 0;
}

/* v with four digits, or less. */
static void put(double v, struct buf *out)
{
    template_format_float(v, 'g', DIGITS, out);
}

/* Multiplies until at least 1 and puts the prefix that stands for it. */
static void put_small(double v, const char *unit, struct buf *out)
{
    const char *prefix = "";
    for (size_t i = 0; i < COUNTOF(SMALL) && fabs(v) < 1; i++) {
        prefix = SMALL[i];
        v *= 1000;
    }
    put(v, out);
    buf_printf(out, "%s%s", prefix, unit);
}

static void put_large(double v, double base, const char *const prefixes[8], struct buf *out)
{
    const char *prefix = "";
    for (size_t i = 0; i < COUNTOF(LARGE) && fabs(v) >= base; i++) {
        prefix = prefixes[i];
        v /= base;
    }
    put(v, out);
    buf_put_str(out, str_c(prefix));
}

/* Answers with the number of args[0] as print writes it. */
static int give(TEMPLATE_WORDS_ARGUMENTS, void (*print)(double v, struct buf *out))
{
    struct buf b;
    double v;
    (void)n;
    int err = template_human_number(&args[0], &v, why);
    if (err)
        return err;
    buf_init(&b, TEXT_MAX);
    print(v, &b);
    return template_words_give(c, &b, ret, why);
}

static void put_decimal(double v, struct buf *out)
{
    if (v == 0 || !isfinite(v))
        put(v, out);
    else if (fabs(v) >= 1)
        put_large(v, 1000, LARGE, out);
    else
        put_small(v, "", out);
}

int template_human_decimal(TEMPLATE_WORDS_ARGUMENTS)
{
    return give(c, args, n, ret, why, put_decimal);
}

static void put_binary(double v, struct buf *out)
{
    if (!isfinite(v))
        put(v, out);
    else
        put_large(v, 1024, BINARY, out);
}

int template_human_1024(TEMPLATE_WORDS_ARGUMENTS)
{
    return give(c, args, n, ret, why, put_binary);
}

/* A second or more, v > 0. */
static void put_seconds(double v, struct buf *out)
{
    /* What int64 cannot hold is its least value in Go too. */
    int64_t whole = v < 0x1p63 ? (int64_t)v : INT64_MIN;
    long long days = whole / DAY, hours = whole / HOUR % 24, minutes = whole / MINUTE % 60;
    long long seconds = whole % MINUTE;
    if (days)
        buf_printf(out, "%lldd %lldh %lldm %llds", days, hours, minutes, seconds);
    else if (hours)
        buf_printf(out, "%lldh %lldm %llds", hours, minutes, seconds);
    else if (minutes)
        buf_printf(out, "%lldm %llds", minutes, seconds);
    else
        put(v, out);
    if (!days && !hours && !minutes)
        buf_put_c(out, 's');
}

static void put_duration(double v, struct buf *out)
{
    if (!isfinite(v)) {
        put(v, out);
    } else if (v == 0) {
        put(v, out);
        buf_put_c(out, 's');
    } else if (fabs(v) >= 1) {
        if (v < 0)
            buf_put_c(out, '-');
        put_seconds(fabs(v), out);
    } else {
        put_small(v, "s", out);
    }
}

int template_human_duration(TEMPLATE_WORDS_ARGUMENTS)
{
    return give(c, args, n, ret, why, put_duration);
}

static void put_percentage(double v, struct buf *out)
{
    put(v * 100, out);
    buf_put_c(out, '%');
}

int template_human_percentage(TEMPLATE_WORDS_ARGUMENTS)
{
    return give(c, args, n, ret, why, put_percentage);
}

int template_human_timestamp(TEMPLATE_WORDS_ARGUMENTS)
{
    struct buf b;
    double v;
    struct template_time_value t = {0};
    (void)n;
    int err = template_human_number(&args[0], &v, why);
    if (!err && isfinite(v))
        err = template_time_of_seconds(v, &t.ms, why);
    if (err)
        return err;
    buf_init(&b, TEXT_MAX);
    if (isfinite(v))
        template_time_object.print(&t, &b);
    else
        put(v, &b);
    return template_words_give(c, &b, ret, why);
}
