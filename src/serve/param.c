#include "serve/param.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "serve/answer.h"
#include "text/number.h"

enum { SELECTORS_MAX = 64 };

/* What Prometheus takes and gives for "since ever" and "for ever". */
static const int64_t TIME_MIN_MS = INT64_MIN / 2000, TIME_MAX_MS = INT64_MAX / 2000;
static const double SECONDS_MAX = 9.2e15;

void param_refuse(struct http_request *r, struct str name, const char *text)
{
    answer_refuse(r, 400, "bad_data", "invalid parameter \"" STR_FMT "\": %s", STR_ARG(name), text);
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

bool param_time_needed(struct http_request *r, struct str name, int64_t *ret_ms)
{
    struct str text;
    if (!http_param(r, name, &text))
        text = STR("");
    if (param_parse_time(text, ret_ms))
        return true;
    refuse_text(r, name, text, "timestamp");
    return false;
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
    struct str cut = str_sub(text, 0, 200);
    param_refuse(r, name,
                 arena_printf(http_arena(r),
                              "Invalid time value for '" STR_FMT "': cannot parse \"" STR_FMT
                              "\" to a valid timestamp",
                              STR_ARG(name), STR_ARG(cut))
                     .p);
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

/* A number as Go reads one: digits with a sign. */
static bool whole_number(struct str text, int64_t *ret)
{
    if (text.n > 1 && text.p[0] == '+')
        text = str_sub(text, 1, text.n);
    return str_i64(text, ret);
}

/* The texts of Go's strconv.Atoi. */
static const char *number_fault(struct http_request *r, struct str text)
{
    struct str cut = str_sub(text, 0, 200);
    size_t i = text.n > 1 && (text.p[0] == '-' || text.p[0] == '+') ? 1 : 0;
    bool decimal = i < text.n;
    for (; i < text.n && decimal; i++)
        decimal = text.p[i] >= '0' && text.p[i] <= '9';
    return arena_printf(http_arena(r), "strconv.Atoi: parsing \"" STR_FMT "\": %s", STR_ARG(cut),
                        decimal ? "value out of range" : "invalid syntax")
        .p;
}

bool param_limit(struct http_request *r, struct str name, uint64_t *ret)
{
    struct str text;
    int64_t n;
    *ret = 0;
    if (!http_param(r, name, &text) || text.n == 0)
        return true;
    if (!whole_number(text, &n)) {
        param_refuse(r, name, number_fault(r, text));
        return false;
    }
    if (n < 0) {
        param_refuse(r, name, "limit must be non-negative");
        return false;
    }
    *ret = (uint64_t)n;
    return true;
}

bool param_number(struct http_request *r, struct str name, int64_t fallback, int64_t *ret)
{
    struct str text;
    *ret = fallback;
    if (!http_param(r, name, &text) || text.n == 0 || whole_number(text, ret))
        return true;
    answer_refuse(r, 400, "bad_data", STR_FMT " must be a number", STR_ARG(name));
    return false;
}

bool param_parse_bool(struct str text, bool *ret)
{
    static const struct {
        const char *yes, *no;
    } WORDS[] = {{"1", "0"},        {"t", "f"},        {"T", "F"},
                 {"true", "false"}, {"True", "False"}, {"TRUE", "FALSE"}};
    for (size_t i = 0; i < COUNTOF(WORDS); i++) {
        bool yes = str_eq(text, str_c(WORDS[i].yes));
        if (!yes && !str_eq(text, str_c(WORDS[i].no)))
            continue;
        *ret = yes;
        return true;
    }
    return false;
}

bool param_selectors(struct http_request *r, enum param_wanted wanted, struct param_selectors *ret)
{
    struct str text;
    struct param_selectors out = {.v = arena_array(http_arena(r), SELECTORS_MAX, sizeof *out.v)};
    const char *before = wanted == PARAM_NEEDED ? "invalid parameter \"match[]\": " : "";
    while (http_param_at(r, STR("match[]"), out.n, &text)) {
        struct promql_failure failure;
        struct param_selector *one = &out.v[out.n];
        if (out.n == SELECTORS_MAX) {
            param_refuse(r, STR("match[]"), "there are more than 64 selectors");
            return false;
        }
        if (promql_parse_selector(text, http_arena(r), &one->matchers, &one->n, &failure) != 0) {
            bool empty = str_search(str_c(failure.text), STR("at least one non-empty matcher")) <
                         strlen(failure.text);
            answer_refuse(r, 400, "bad_data", "%s%s", before,
                          empty ? "match[] must contain at least one non-empty matcher"
                                : failure.text);
            return false;
        }
        out.n++;
    }
    if (wanted == PARAM_NEEDED && out.n == 0) {
        answer_refuse(r, 400, "bad_data", "no match[] parameter provided");
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
    *ret_from_ms = from;
    *ret_to_ms = to;
    return true;
}
