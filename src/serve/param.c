#include "serve/param.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "text/number.h"

enum { SELECTORS_MAX = 64 };

/* What Prometheus takes and gives for "since ever" and "for ever". */
static const int64_t TIME_MIN_MS = INT64_MIN / 2000, TIME_MAX_MS = INT64_MAX / 2000;
static const double SECONDS_MAX = 9.2e15;

void param_refuse(struct http_request *r, struct str name, const char *text)
{
    struct str message =
        arena_printf(http_arena(r), "invalid parameter \"" STR_FMT "\": %s", STR_ARG(name), text);
    http_reply_error(r, 400, -ERR_FORMAT, message.p);
}

/* Days from 1970-01-01 of a date in the proleptic Gregorian calendar. */
static int64_t days_of(int64_t y, unsigned m, unsigned d)
{
    y -= m <= 2;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    unsigned year = (unsigned)(y - era * 400);
    unsigned day = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;
    unsigned of_era = year * 365 + year / 4 - year / 100 + day;
    return era * 146097 + (int64_t)of_era - 719468;
}

/* n decimal digits at *p. */
static bool digits(const char **p, const char *end, unsigned n, unsigned *ret)
{
    unsigned v = 0;
    if ((size_t)(end - *p) < n)
        return false;
    for (unsigned i = 0; i < n; i++) {
        char c = (*p)[i];
        if (c < '0' || c > '9')
            return false;
        v = v * 10 + (unsigned)(c - '0');
    }
    *p += n;
    *ret = v;
    return true;
}

static bool sign(const char **p, const char *end, char c)
{
    if (*p == end || **p != c)
        return false;
    (*p)++;
    return true;
}

/* Z or +hh:mm as minutes east. */
static bool offset(const char **p, const char *end, int64_t *ret_minutes)
{
    unsigned h, m;
    int64_t side = 1;
    *ret_minutes = 0;
    if (sign(p, end, 'Z') || sign(p, end, 'z'))
        return true;
    if (sign(p, end, '-'))
        side = -1;
    else if (!sign(p, end, '+'))
        return false;
    if (!digits(p, end, 2, &h) || !sign(p, end, ':') || !digits(p, end, 2, &m) || h > 23 || m > 59)
        return false;
    *ret_minutes = side * (int64_t)(h * 60 + m);
    return true;
}

static bool rfc3339(struct str s, int64_t *ret_ms)
{
    const char *p = s.p, *end = s.p + s.n;
    unsigned year, month, day, h, m, sec, ms = 0;
    int64_t zone;
    if (!digits(&p, end, 4, &year) || !sign(&p, end, '-') || !digits(&p, end, 2, &month) ||
        !sign(&p, end, '-') || !digits(&p, end, 2, &day))
        return false;
    if (!sign(&p, end, 'T') && !sign(&p, end, 't'))
        return false;
    if (!digits(&p, end, 2, &h) || !sign(&p, end, ':') || !digits(&p, end, 2, &m) ||
        !sign(&p, end, ':') || !digits(&p, end, 2, &sec))
        return false;
    if (sign(&p, end, '.')) {
        unsigned scale = 100, n = 0;
        for (; p < end && *p >= '0' && *p <= '9'; p++, scale /= 10, n++)
            ms += (unsigned)(*p - '0') * scale;
        if (n == 0)
            return false;
    }
    static const unsigned LENGTHS[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (month < 1 || month > 12 || day < 1 ||
        day > LENGTHS[month - 1] + (month == 2 && leap ? 1 : 0) || h > 23 || m > 59 || sec > 59)
        return false;
    if (!offset(&p, end, &zone) || p != end)
        return false;
    int64_t days = days_of(year, month, day);
    *ret_ms = ((days * 24 + h) * 60 + m - zone) * 60000 + (int64_t)sec * 1000 + ms;
    return true;
}

bool param_parse_time(struct str text, int64_t *ret_ms)
{
    double seconds;
    if (number_parse(text, &seconds) == 0) {
        if (!(fabs(seconds) < SECONDS_MAX))
            return false;
        *ret_ms = (int64_t)round(seconds * 1000);
        return true;
    }
    if (str_eq(text, STR("-292273086-05-16T16:47:06Z"))) {
        *ret_ms = TIME_MIN_MS;
        return true;
    }
    if (str_eq(text, STR("292277025-08-18T07:12:54.999999999Z"))) {
        *ret_ms = TIME_MAX_MS;
        return true;
    }
    return rfc3339(text, ret_ms);
}

/* `cannot parse "TEXT" to a valid KIND` */
static void refuse_text(struct http_request *r, struct str name, struct str text, const char *kind)
{
    struct str cut = str_sub(text, 0, 200);
    param_refuse(r, name,
                 arena_printf(http_arena(r), "cannot parse \"" STR_FMT "\" to a valid %s",
                              STR_ARG(cut), kind)
                     .p);
}

bool param_time(struct http_request *r, struct str name, int64_t fallback_ms, int64_t *ret_ms)
{
    struct str text;
    if (!http_param(r, name, &text) || text.n == 0) {
        *ret_ms = fallback_ms;
        return true;
    }
    if (param_parse_time(text, ret_ms))
        return true;
    refuse_text(r, name, text, "timestamp");
    return false;
}

bool param_duration(struct http_request *r, struct str name, int64_t fallback_ms, int64_t *ret_ms)
{
    struct str text;
    if (!http_param(r, name, &text) || text.n == 0) {
        *ret_ms = fallback_ms;
        return true;
    }
    if (promql_duration(text, ret_ms) == 0)
        return true;
    refuse_text(r, name, text, "duration");
    return false;
}

bool param_limit(struct http_request *r, struct str name, uint64_t *ret)
{
    struct str text;
    *ret = 0;
    if (!http_param(r, name, &text) || text.n == 0)
        return true;
    if (str_u64(text, ret))
        return true;
    if (text.p[0] == '-')
        param_refuse(r, name, "limit must be non-negative");
    else
        refuse_text(r, name, text, "limit");
    return false;
}

bool param_selectors(struct http_request *r, bool needed, struct param_selectors *ret)
{
    struct str text;
    struct param_selectors out = {.v = arena_array(http_arena(r), SELECTORS_MAX, sizeof *out.v)};
    while (http_param_at(r, STR("match[]"), out.n, &text)) {
        struct promql_failure failure;
        struct param_selector *one = &out.v[out.n];
        if (out.n == SELECTORS_MAX) {
            param_refuse(r, STR("match[]"), "there are more than 64 selectors");
            return false;
        }
        if (promql_parse_selector(text, http_arena(r), &one->matchers, &one->n, &failure) != 0) {
            param_refuse(r, STR("match[]"), failure.text);
            return false;
        }
        out.n++;
    }
    if (needed && out.n == 0) {
        http_reply_error(r, 400, -ERR_FORMAT, "no match[] parameter provided");
        return false;
    }
    *ret = out;
    return true;
}

bool param_window(struct http_request *r, int64_t *ret_from_ms, int64_t *ret_to_ms)
{
    int64_t from, to;
    if (!param_time(r, STR("start"), TIME_MIN_MS, &from) ||
        !param_time(r, STR("end"), TIME_MAX_MS, &to))
        return false;
    if (to < from) {
        param_refuse(r, STR("end"), "end timestamp must not be before start time");
        return false;
    }
    *ret_from_ms = from;
    *ret_to_ms = to;
    return true;
}
