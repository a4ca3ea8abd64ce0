#include "codec/statsd.h"

#include <math.h>
#include <string.h>

#include "text/number.h"

enum { SECONDS_MAX = 100000000 /* thousands of years: more is no time */ };

const char *statsd_bad_label(enum statsd_bad bad)
{
    static const char *const LABELS[STATSD_BAD_N] = {
        "",
#define BAD(name, label, text) label,
#include "codec/statsd_bad.tbl.h"
#undef BAD
    };
    return LABELS[bad];
}

static size_t find(struct str s, size_t from, char c)
{
    const char *at = from < s.n ? memchr(s.p + from, c, s.n - from) : NULL;
    return at == NULL ? s.n : (size_t)(at - s.p);
}

/* s from one place to another, both inside. */
static inline struct str part(struct str s, size_t from, size_t to)
{
    return (struct str){s.p + from, to - from};
}

static bool seconds(struct str s, int64_t *ret_ms)
{
    uint64_t v;
    if (!str_u64(s, &v) || v > (uint64_t)SECONDS_MAX * 1000)
        return false;
    *ret_ms = (int64_t)v * 1000;
    return true;
}

/* ---- metrics */

static bool type_of(struct str s, enum statsd_type *ret)
{
    if (s.n == 2 && s.p[0] == 'm' && s.p[1] == 's') {
        *ret = STATSD_TIMER;
        return true;
    }
    if (s.n != 1)
        return false;
    switch (s.p[0]) {
    case 'c':
        *ret = STATSD_COUNTER;
        return true;
    case 'g':
        *ret = STATSD_GAUGE;
        return true;
    case 'h':
        *ret = STATSD_HISTOGRAM;
        return true;
    case 'd':
        *ret = STATSD_DISTRIBUTION;
        return true;
    case 's':
        *ret = STATSD_SET;
        return true;
    default:
        return false;
    }
}

/* One section behind the type. Further values end it: *more gets them. */
static enum statsd_bad section(struct str s, struct statsd_metric *m, struct str *more)
{
    if (s.n == 0)
        return STATSD_FINE;
    switch (s.p[0]) {
    case '@': {
        size_t colon = find(s, 0, ':');
        if (colon < s.n)
            *more = part(s, colon + 1, s.n);
        if (number_parse(part(s, 1, colon), &m->rate) != 0 || !(m->rate > 0) || m->rate > 1)
            return STATSD_BAD_RATE;
        return STATSD_FINE;
    }
    case '#':
        m->tags = part(s, 1, s.n);
        return STATSD_FINE;
    case 'c':
        if (s.n > 2 && s.p[1] == ':')
            m->container = part(s, 2, s.n);
        return STATSD_FINE;
    case 'T':
        return seconds(part(s, 1, s.n), &m->ts_ms) ? STATSD_FINE : STATSD_BAD_TIME;
    default:
        return STATSD_FINE;
    }
}

/* VALUES|TYPE|.. of a name. */
static enum statsd_bad values(struct statsd_reader *r, struct str s, struct statsd_metric *m)
{
    size_t bar = find(s, 0, '|');
    m->values = part(s, 0, bar);
    if (bar == 0)
        return STATSD_BAD_VALUE;
    if (bar == s.n)
        return STATSD_BAD_TYPE;
    size_t at = bar + 1, end = find(s, at, '|');
    struct str type = part(s, at, end), more = {0};
    if (UNLIKELY(type.n > 2)) {
        size_t colon = find(type, 0, ':');
        if (colon < type.n) {
            more = part(s, at + colon + 1, s.n);
            end = s.n;
            type.n = colon;
        }
    }
    if (!type_of(type, &m->type))
        return STATSD_BAD_TYPE;
    enum statsd_bad bad = STATSD_FINE;
    while (end < s.n && bad == STATSD_FINE) {
        at = end + 1;
        end = find(s, at, '|');
        struct str tail = {0};
        bad = section(part(s, at, end), m, &tail);
        if (UNLIKELY(tail.p != NULL)) {
            more = str_of(tail.p, (size_t)(s.p + s.n - tail.p));
            break;
        }
    }
    if (UNLIKELY(more.p != NULL)) {
        r->name = m->name;
        r->more = more;
    }
    return bad;
}

static enum statsd_what bad_item(enum statsd_bad bad, struct statsd_item *ret)
{
    ret->bad = bad;
    return STATSD_BAD;
}

static enum statsd_what metric(struct statsd_reader *r, struct str name, struct str s,
                               struct statsd_item *ret)
{
    ret->metric = (struct statsd_metric){.name = name, .rate = 1};
    enum statsd_bad bad = values(r, s, &ret->metric);
    return LIKELY(bad == STATSD_FINE) ? STATSD_METRIC : bad_item(bad, ret);
}

/* ---- events and service checks */

static bool alert_of(struct str s, enum statsd_alert *ret)
{
    static const char *const ALERTS[STATSD_ALERTS_N] = {"info", "warning", "error", "success"};
    for (int i = 0; i < STATSD_ALERTS_N; i++)
        if (str_eq(s, str_c(ALERTS[i]))) {
            *ret = (enum statsd_alert)i;
            return true;
        }
    return false;
}

static bool event_section(struct str s, struct statsd_event *e)
{
    struct str value = str_sub(s, 2, s.n);
    if (s.n > 0 && s.p[0] == '#') {
        e->tags = str_sub(s, 1, s.n);
        return true;
    }
    if (s.n < 2 || s.p[1] != ':')
        return true;
    switch (s.p[0]) {
    case 'd':
        return seconds(value, &e->ts_ms);
    case 'h':
        e->host = value;
        return true;
    case 'k':
        e->key = value;
        return true;
    case 'p':
        e->priority = value;
        return str_eq(value, STR("normal")) || str_eq(value, STR("low"));
    case 's':
        e->source = value;
        return true;
    case 't':
        return alert_of(value, &e->alert);
    default:
        return true;
    }
}

/* Behind "_e{". */
static bool event(struct str s, struct statsd_event *e)
{
    size_t comma = find(s, 0, ','), brace = find(s, 0, '}');
    uint64_t title, text;
    if (comma > brace || brace + 1 >= s.n || s.p[brace + 1] != ':' ||
        !str_u64(str_sub(s, 0, comma), &title) || !str_u64(str_sub(s, comma + 1, brace), &text))
        return false;
    s = str_sub(s, brace + 2, s.n);
    if (title == 0 || title >= s.n || s.p[title] != '|' || text > s.n - title - 1)
        return false;
    e->title = str_sub(s, 0, title);
    e->text = str_sub(s, title + 1, title + 1 + text);
    size_t end = title + 1 + text;
    if (end < s.n && s.p[end] != '|')
        return false;
    while (end < s.n) {
        size_t at = end + 1;
        end = find(s, at, '|');
        if (!event_section(str_sub(s, at, end), e))
            return false;
    }
    return true;
}

/* Behind "_sc|". */
static bool check(struct str s, struct statsd_check *c)
{
    size_t bar = find(s, 0, '|'), end = find(s, bar + 1, '|');
    if (bar == 0 || bar > STATSD_NAME_MAX || end != bar + 2 || s.p[bar + 1] < '0' ||
        s.p[bar + 1] > '3')
        return false;
    c->name = str_sub(s, 0, bar);
    c->status = (uint8_t)(s.p[bar + 1] - '0');
    while (end < s.n) {
        size_t at = end + 1;
        end = find(s, at, '|');
        struct str part = str_sub(s, at, end);
        if (part.n > 0 && part.p[0] == '#') {
            c->tags = str_sub(part, 1, part.n);
        } else if (str_starts(part, STR("h:"))) {
            c->host = str_sub(part, 2, part.n);
        } else if (str_starts(part, STR("d:"))) {
            if (!seconds(str_sub(part, 2, part.n), &c->ts_ms))
                return false;
        } else if (str_starts(part, STR("m:"))) {
            c->message = str_sub(s, at + 2, s.n); /* the last one, bars and all */
            break;
        }
    }
    return true;
}

static enum statsd_what event_item(struct str s, struct statsd_item *ret)
{
    ret->event = (struct statsd_event){0};
    return event(s, &ret->event) ? STATSD_EVENT : bad_item(STATSD_BAD_EVENT, ret);
}

static enum statsd_what check_item(struct str s, struct statsd_item *ret)
{
    ret->check = (struct statsd_check){0};
    return check(s, &ret->check) ? STATSD_CHECK : bad_item(STATSD_BAD_CHECK, ret);
}

/* ---- lines */

static enum statsd_what line(struct statsd_reader *r, struct str s, struct statsd_item *ret)
{
    if (UNLIKELY(s.p[0] == '_' && s.n > 3)) {
        if (memcmp(s.p, "_e{", 3) == 0)
            return event_item(str_sub(s, 3, s.n), ret);
        if (memcmp(s.p, "_sc|", 4) == 0)
            return check_item(str_sub(s, 4, s.n), ret);
    }
    size_t colon = find(s, 0, ':');
    if (UNLIKELY(colon == 0 || colon > STATSD_NAME_MAX))
        return bad_item(STATSD_BAD_NAME, ret);
    if (UNLIKELY(colon == s.n))
        return bad_item(STATSD_BAD_VALUE, ret);
    return metric(r, str_of(s.p, colon), str_of(s.p + colon + 1, s.n - colon - 1), ret);
}

enum statsd_what statsd_next(struct statsd_reader *r, struct statsd_item *ret)
{
    if (UNLIKELY(r->more.p != NULL)) {
        struct str more = r->more;
        r->more = (struct str){0};
        return metric(r, r->name, more, ret);
    }
    while (r->rest.n > 0) {
        size_t end = find(r->rest, 0, '\n');
        struct str s = str_of(r->rest.p, end);
        size_t taken = end + (end < r->rest.n);
        r->rest = str_of(r->rest.p + taken, r->rest.n - taken);
        if (s.n > 0 && s.p[s.n - 1] == '\r')
            s.n--;
        if (s.n > 0)
            return line(r, s, ret);
    }
    return STATSD_END;
}

bool statsd_value(struct str *rest, double *ret, bool *ret_signed, int *ret_err)
{
    if (rest->p == NULL)
        return false;
    size_t end = 0;
    while (end < rest->n && rest->p[end] != ':')
        end++;
    struct str s = str_of(rest->p, end);
    *rest = end < rest->n ? str_of(rest->p + end + 1, rest->n - end - 1) : (struct str){0};
    *ret_signed = s.n > 0 && (s.p[0] == '+' || s.p[0] == '-');
    *ret_err = number_parse(s, ret) == 0 && isfinite(*ret) ? 0 : -ERR_FORMAT;
    return true;
}

/* ---- names */

void statsd_split_name(struct str name, struct str *ret_name, struct str *ret_tags)
{
    size_t at = 0;
    while (at < name.n && name.p[at] != ',' && name.p[at] != '#')
        at++;
    bool tagged = at > 0 && at < name.n;
    *ret_name = tagged ? str_sub(name, 0, at) : name;
    *ret_tags = tagged ? str_sub(name, at + 1, name.n) : (struct str){0};
}

bool statsd_tag(struct str *tags, char separator, struct str *ret_name, struct str *ret_value)
{
    struct str tag;
    while (tags->p != NULL && tags->n > 0) {
        size_t end = find(*tags, 0, ',');
        tag = str_of(tags->p, end);
        *tags = end < tags->n ? str_of(tags->p + end + 1, tags->n - end - 1) : (struct str){0};
        size_t at = find(tag, 0, separator);
        if (at == 0)
            continue; /* nothing, or a value without a name */
        *ret_name = str_sub(tag, 0, at);
        *ret_value = at < tag.n ? str_sub(tag, at + 1, tag.n) : STR("true");
        return true;
    }
    return false;
}
