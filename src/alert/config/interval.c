#include "alert/config/interval.h"

#include <stdio.h>
#include <time.h>

#include "os/file.h"
#include "text/letter.h"
#include "text/yaml_struct.h"
#include "text/zone.h"

enum {
    MINUTES_OF_DAY = 24 * 60,
    SHORTEST_MONTH = 28,
    LIST_MAX = 10000,
    YEAR_BASE = 1900, /* of struct tm */
};

/* Both ends belong to it, but of times the last does not. */
struct interval_range {
    int64_t from, to;
};

struct ranges {
    const struct interval_range *v; /* [n] */
    size_t n;
    bool given; /* an empty list fits nothing; one that is missing fits all */
};

struct interval_span {
    struct ranges times;    /* minutes of the day */
    struct ranges weekdays; /* 0: Sunday */
    struct ranges days;     /* of the month, from 1; negative: from its end, -1 the last */
    struct ranges months;   /* from 1 */
    struct ranges years;
    const struct zone *zone; /* NULL: UTC */
};

struct reading {
    struct arena *a;
    struct yaml_place *place;
    struct why *why;
};

static int at(struct reading *r, const struct yaml_node *node, int err)
{
    if (err != 0)
        *r->place = node->place;
    return err;
}

/* ---- names and numbers */

static const char *const WEEKDAYS[] = {"sunday",   "monday", "tuesday", "wednesday",
                                       "thursday", "friday", "saturday"};
static const char *const MONTHS[] = {"january",   "february", "march",    "april",
                                     "may",       "june",     "july",     "august",
                                     "september", "october",  "november", "december"};

/* The place of a name in names [n], or n. */
static size_t name_at(struct str text, const char *const *names, size_t n)
{
    struct buf lower;
    buf_init(&lower, 4096);
    letter_put_lower(text, &lower);
    size_t i = 0;
    while (i < n && !str_eq(buf_str(&lower), str_c(names[i])))
        i++;
    buf_done(&lower);
    return i;
}

static int whole_of(struct str text, int64_t *ret, struct why *why)
{
    struct str digits = str_starts(text, STR("+")) ? str_sub(text, 1, text.n) : text;
    if (str_i64(digits, ret) && !(digits.n < text.n && digits.p[0] == '-') && *ret > INT32_MIN &&
        *ret < INT32_MAX)
        return 0;
    return why_set(why, ERR_FORMAT, "strconv.Atoi: parsing \"" STR_FMT "\": invalid syntax",
                   STR_ARG(text));
}

static int weekday_of(struct str text, int64_t *ret, struct why *why)
{
    size_t i = name_at(text, WEEKDAYS, COUNTOF(WEEKDAYS));
    if (i == COUNTOF(WEEKDAYS))
        return why_set(why, ERR_FORMAT, STR_FMT " is not a valid weekday", STR_ARG(text));
    *ret = (int64_t)i;
    return 0;
}

static int month_of(struct str text, int64_t *ret, struct why *why)
{
    size_t i = name_at(text, MONTHS, COUNTOF(MONTHS));
    if (i < COUNTOF(MONTHS)) {
        *ret = (int64_t)i + 1;
        return 0;
    }
    if (whole_of(text, ret, NULL) != 0)
        return why_set(why, ERR_FORMAT, STR_FMT " is not a valid month", STR_ARG(text));
    return 0;
}

/* ---- ranges */

static int check_weekdays(struct str text, const struct interval_range *r, struct why *why)
{
    return r->from <= r->to ? 0 : why_set(why, ERR_FORMAT, "start day cannot be before end day");
}

static int check_days(struct str text, const struct interval_range *r, struct why *why)
{
    const int64_t both[] = {r->from, r->to};
    for (size_t i = 0; i < COUNTOF(both); i++)
        if (both[i] == 0 || both[i] < -31 || both[i] > 31)
            return why_set(why, ERR_FORMAT, "%d is not a valid day of the month: out of range",
                           (int)both[i]);
    if (r->from < 0 && r->to > 0)
        return why_set(why, ERR_FORMAT, "end day must be negative if start day is negative");
    int64_t from = r->from < 0 ? SHORTEST_MONTH + r->from : r->from;
    int64_t to = r->to < 0 ? SHORTEST_MONTH + r->to : r->to;
    if (from > to)
        return why_set(why, ERR_FORMAT, "end day %d is always before start day %d", (int)r->to,
                       (int)r->from);
    return 0;
}

/* A month that there is not fits never; Alertmanager does not refuse it. */
static int check_months(struct str text, const struct interval_range *r, struct why *why)
{
    struct str from = str_sub(text, 0, str_find(text, ':'));
    struct str to = str_sub(text, from.n + 1, text.n);
    if (r->from > r->to)
        return why_set(why, ERR_FORMAT, "end month " STR_FMT " is before start month " STR_FMT,
                       STR_ARG(to), STR_ARG(from));
    return 0;
}

static int check_years(struct str text, const struct interval_range *r, struct why *why)
{
    return r->from <= r->to ? 0
                            : why_set(why, ERR_FORMAT, "end year %d is before start year %d",
                                      (int)r->to, (int)r->from);
}

/* How a list of ranges is read. */
struct manner {
    const char *key;
    int (*of)(struct str text, int64_t *ret, struct why *why);
    int (*check)(struct str text, const struct interval_range *r, struct why *why);
    size_t offset; /* of the struct ranges in a span */
};

static const struct manner MANNERS[] = {
    {"weekdays", weekday_of, check_weekdays, offsetof(struct interval_span, weekdays)},
    {"days_of_month", whole_of, check_days, offsetof(struct interval_span, days)},
    {"months", month_of, check_months, offsetof(struct interval_span, months)},
    {"years", whole_of, check_years, offsetof(struct interval_span, years)},
};

static int read_range(const struct manner *m, struct str text, struct interval_range *ret,
                      struct why *why)
{
    struct str from = str_sub(text, 0, str_find(text, ':'));
    struct str to = from.n == text.n ? from : str_sub(text, from.n + 1, text.n);
    if (str_find(to, ':') < to.n && from.n < text.n)
        return why_set(why, ERR_FORMAT, "couldn't parse range " STR_FMT ", invalid format",
                       STR_ARG(text));
    int err = m->of(from, &ret->from, why);
    if (err == 0)
        err = m->of(to, &ret->to, why);
    return err != 0 ? err : m->check(text, ret, why);
}

static int expect_list(struct reading *r, const struct yaml_node *list, const char *what)
{
    int err = yaml_expect(list, YAML_SEQUENCE, what, r->why);
    if (err == 0 && !yaml_is_null(list) && list->n > LIST_MAX)
        err = why_set(r->why, ERR_LIMIT, "more than %d entries", LIST_MAX);
    return at(r, list, err);
}

static int read_ranges(struct reading *r, const struct yaml_node *list, const struct manner *m,
                       struct ranges *ret)
{
    int err = expect_list(r, list, "[]timeinterval.Range");
    if (err != 0 || yaml_is_null(list))
        return err;
    struct interval_range *v = arena_array(r->a, list->n + 1, sizeof *v);
    for (size_t i = 0; i < list->n && err == 0; i++) {
        const struct yaml_node *node = list->members[i].value;
        struct str text = {0};
        err = yaml_text(node, &text, r->why);
        if (err == 0)
            err = read_range(m, text, &v[i], r->why);
        err = at(r, node, err);
    }
    *ret = (struct ranges){v, list->n, true};
    return err;
}

/* ---- times of the day */

/* "HH:MM" in minutes; 24:00 is the end of the day. */
static int minutes_of(struct str t, int64_t *ret, struct why *why)
{
    bool good = t.n == 5 && t.p[2] == ':';
    for (size_t i = 0; i < t.n && good; i++)
        good = i == 2 || (t.p[i] >= '0' && t.p[i] <= '9');
    int64_t v =
        good ? ((t.p[0] - '0') * 10 + t.p[1] - '0') * 60 + (t.p[3] - '0') * 10 + t.p[4] - '0' : 0;
    if (!good || t.p[3] > '5' || v > MINUTES_OF_DAY)
        return why_set(why, ERR_FORMAT, "couldn't parse timestamp " STR_FMT ", invalid format",
                       STR_ARG(t));
    *ret = v;
    return 0;
}

struct clock_times {
    struct str start, end;
};

static const struct yaml_struct_field TIME_FIELDS[] = {
    {"start_time", YAML_STRUCT_TEXT, offsetof(struct clock_times, start)},
    {"end_time", YAML_STRUCT_TEXT, offsetof(struct clock_times, end)},
};
static const struct yaml_struct TIME_SHAPE = {"timeinterval.yamlTimeRange", TIME_FIELDS,
                                              COUNTOF(TIME_FIELDS), NULL};

static int read_time(struct reading *r, const struct yaml_node *node, struct interval_range *ret)
{
    struct clock_times t = {STR(""), STR("")};
    int err = yaml_struct_read(node, &TIME_SHAPE, r->a, &t, r->place, r->why);
    if (err != 0)
        return err;
    if (t.start.n == 0 || t.end.n == 0)
        err = why_set(r->why, ERR_FORMAT, "both start and end times must be provided");
    if (err == 0)
        err = minutes_of(t.start, &ret->from, r->why);
    if (err == 0)
        err = minutes_of(t.end, &ret->to, r->why);
    if (err == 0 && ret->from >= ret->to)
        err = why_set(r->why, ERR_FORMAT, "start time cannot be equal or greater than end time");
    return at(r, node, err);
}

static int read_times(struct reading *r, const struct yaml_node *list, struct ranges *ret)
{
    int err = expect_list(r, list, "[]timeinterval.TimeRange");
    if (err != 0 || yaml_is_null(list))
        return err;
    struct interval_range *v = arena_array(r->a, list->n + 1, sizeof *v);
    for (size_t i = 0; i < list->n && err == 0; i++)
        err = read_time(r, list->members[i].value, &v[i]);
    *ret = (struct ranges){v, list->n, true};
    return err;
}

/* ---- places */

/* "Local" is the machine's own zone. */
static int read_zone(struct reading *r, struct str name, const struct zone **ret)
{
    static const char FOLDER[] = "/usr/share/zoneinfo/";
    struct buf bytes;
    if (name.n == 0 || str_eq(name, STR("UTC")))
        return 0;
    bool local = str_eq(name, STR("Local"));
    struct str path =
        local ? STR("/etc/localtime") : arena_printf(r->a, "%s" STR_FMT, FOLDER, STR_ARG(name));
    buf_init(&bytes, ZONE_FILE_MAX);
    int err = local || zone_name_plain(name) ? file_read(path.p, &bytes, NULL) : -ERR_NOENT;
    if (err == 0)
        err = zone_parse(buf_str(&bytes), r->a, ret, NULL);
    buf_done(&bytes);
    if (err == 0 || local) /* a machine that says nothing of its zone has UTC */
        return 0;
    return why_set(r->why, ERR_FORMAT, "unknown time zone " STR_FMT, STR_ARG(name));
}

/* ---- spans */

struct span_texts {
    struct str location;
};

static const struct yaml_struct_field SPAN_FIELDS[] = {
    {"times", YAML_STRUCT_ELSE, 0},
    {"weekdays", YAML_STRUCT_ELSE, 0},
    {"days_of_month", YAML_STRUCT_ELSE, 0},
    {"months", YAML_STRUCT_ELSE, 0},
    {"years", YAML_STRUCT_ELSE, 0},
    {"location", YAML_STRUCT_TEXT, offsetof(struct span_texts, location)},
};
static const struct yaml_struct SPAN_SHAPE = {"timeinterval.TimeInterval", SPAN_FIELDS,
                                              COUNTOF(SPAN_FIELDS), NULL};

static int read_span(struct reading *r, const struct yaml_node *node, struct interval_span *ret)
{
    struct span_texts texts = {STR("")};
    if (yaml_is_null(node))
        return 0;
    int err = yaml_struct_read(node, &SPAN_SHAPE, r->a, &texts, r->place, r->why);
    if (err == 0)
        err = read_times(r, yaml_get(node, "times"), &ret->times);
    for (size_t i = 0; i < COUNTOF(MANNERS) && err == 0; i++)
        err = read_ranges(r, yaml_get(node, MANNERS[i].key), &MANNERS[i],
                          (struct ranges *)((char *)ret + MANNERS[i].offset));
    return err != 0 ? err
                    : at(r, yaml_get(node, "location"), read_zone(r, texts.location, &ret->zone));
}

int interval_read(const struct yaml_node *list, struct arena *a, struct interval *ret,
                  struct yaml_place *ret_place, struct why *why)
{
    struct reading r = {a, ret_place, why};
    int err = expect_list(&r, list, "[]timeinterval.TimeInterval");
    size_t n = err != 0 || yaml_is_null(list) ? 0 : list->n;
    struct interval_span *spans = arena_array(a, n + 1, sizeof *spans);
    for (size_t i = 0; i < n && err == 0; i++)
        err = read_span(&r, list->members[i].value, &spans[i]);
    if (err == 0) {
        ret->spans = spans;
        ret->n = n;
    }
    return err;
}

/* ---- asking */

static bool fits(const struct ranges *r, int64_t value)
{
    bool in = !r->given;
    for (size_t i = 0; i < r->n && !in; i++)
        in = value >= r->v[i].from && value <= r->v[i].to;
    return in;
}

static bool fits_time(const struct ranges *r, int64_t minute)
{
    bool in = !r->given;
    for (size_t i = 0; i < r->n && !in; i++)
        in = minute >= r->v[i].from && minute < r->v[i].to;
    return in;
}

static int64_t days_in(const struct tm *t)
{
    static const int8_t DAYS[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year = t->tm_year + YEAR_BASE;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return DAYS[t->tm_mon] + (t->tm_mon == 1 && leap);
}

static bool fits_day(const struct ranges *r, const struct tm *t)
{
    int64_t last = days_in(t);
    bool in = !r->given;
    for (size_t i = 0; i < r->n && !in; i++) {
        int64_t from = r->v[i].from, to = r->v[i].to;
        from = from < 0 ? last + from + 1 : from;
        to = to < 0 ? last + to + 1 : to;
        in = from <= last && t->tm_mday >= from && t->tm_mday <= to;
    }
    return in;
}

static bool span_holds(const struct interval_span *s, int64_t seconds)
{
    int32_t offset = 0;
    struct str name;
    struct tm t;
    if (s->zone != NULL)
        zone_at(s->zone, seconds, &offset, &name);
    time_t there = (time_t)(seconds + offset);
    if (gmtime_r(&there, &t) == NULL)
        return false;
    return fits_time(&s->times, t.tm_hour * 60 + t.tm_min) && fits_day(&s->days, &t) &&
           fits(&s->months, t.tm_mon + 1) && fits(&s->weekdays, t.tm_wday) &&
           fits(&s->years, (int64_t)t.tm_year + YEAR_BASE);
}

bool interval_holds(const struct interval *i, int64_t now_ms)
{
    int64_t seconds = now_ms / 1000 - (now_ms % 1000 < 0);
    for (size_t k = 0; k < i->n; k++)
        if (span_holds(&i->spans[k], seconds))
            return true;
    return false;
}
