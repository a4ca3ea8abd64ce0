#include "health/maintenance.h"

#include <string.h>
#include <time.h>

enum { DAY_M = 24 * 60, HOUR_M = 60, WEEK = 7, ALL_DAYS = 127 };

static bool two(struct str s, size_t at, int max, int *ret)
{
    if (at + 2 > s.n || s.p[at] < '0' || s.p[at] > '9' || s.p[at + 1] < '0' || s.p[at + 1] > '9')
        return false;
    *ret = (s.p[at] - '0') * 10 + (s.p[at + 1] - '0');
    return *ret <= max;
}

/* 2026-01-02T13:00:00Z, with a fraction or an offset; false for anything else. */
static bool read_time(const char *text, int64_t *ret_ms)
{
    struct tm tm = {0};
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    int64_t offset_s = 0, fraction_ms = 0;
    if (rest == NULL)
        return false;
    if (*rest == '.') {
        int64_t unit = 100;
        for (rest++; *rest >= '0' && *rest <= '9'; rest++, unit /= 10)
            fraction_ms += (*rest - '0') * unit;
    }
    struct str zone = str_c(rest);
    int hours, minutes;
    if (zone.n == 6 && (zone.p[0] == '+' || zone.p[0] == '-') && zone.p[3] == ':' &&
        two(zone, 1, 23, &hours) && two(zone, 4, 59, &minutes))
        offset_s = (zone.p[0] == '-' ? -1 : 1) * ((int64_t)hours * 3600 + minutes * 60);
    else if (!str_eq(zone, STR("Z")))
        return false;
    *ret_ms = ((int64_t)timegm(&tm) - offset_s) * 1000 + fraction_ms;
    return true;
}

static int day_of(struct str s)
{
    static const char NAMES[] = "sunmontuewedthufrisat";
    for (int i = 0; i < WEEK && s.n == 3; i++)
        if (memcmp(s.p, NAMES + 3 * i, 3) == 0)
            return i;
    return -1;
}

/* "mon-fri", "sat,sun", "daily" as bits; 0 where it is none. */
static unsigned read_days(struct str s)
{
    unsigned days = 0;
    struct str item;
    if (str_eq(s, STR("daily")))
        return ALL_DAYS;
    while (str_split(&s, ',', &item)) {
        size_t dash = str_find(item, '-');
        int from = day_of(str_sub(item, 0, dash));
        int to = dash < item.n ? day_of(str_sub(item, dash + 1, item.n)) : from;
        if (from < 0 || to < 0)
            return 0;
        for (int d = from;; d = (d + 1) % WEEK) {
            days |= 1u << d;
            if (d == to)
                break;
        }
    }
    return days;
}

static bool read_minute(struct str s, int *ret)
{
    int hours, minutes;
    if (s.n != 5 || s.p[2] != ':' || !two(s, 0, 24, &hours) || !two(s, 3, 59, &minutes))
        return false;
    *ret = hours * HOUR_M + minutes;
    return *ret <= DAY_M;
}

/* "sun 02:00-04:00" */
static bool read_weekly(const char *text, struct maintenance_weekly *ret)
{
    struct str rest = str_c(text), days, times, more;
    if (!str_word(&rest, &days) || !str_word(&rest, &times) || str_word(&rest, &more))
        return false;
    size_t dash = str_find(times, '-');
    ret->days = read_days(days);
    return ret->days != 0 && read_minute(str_sub(times, 0, dash), &ret->from_m) &&
           read_minute(str_sub(times, dash + 1, times.n), &ret->to_m) && ret->from_m < DAY_M;
}

int maintenance_read(const struct checkup_settings_maintenance *m, struct maintenance_window *ret,
                     struct why *why)
{
    struct maintenance_window w = {
        .from_ms = INT64_MIN, .to_ms = INT64_MAX, .utc = strcmp(m->zone, "utc") == 0};
    if (m->from[0] != '\0' && !read_time(m->from, &w.from_ms))
        return why_set(why, ERR_FORMAT, "from is \"%s\": 2026-01-02T13:00:00Z is expected",
                       m->from);
    if (m->to[0] != '\0' && !read_time(m->to, &w.to_ms))
        return why_set(why, ERR_FORMAT, "to is \"%s\": 2026-01-02T13:00:00Z is expected", m->to);
    if (m->to[0] == '\0' && m->weekly.n == 0)
        return why_set(why, ERR_FORMAT, "it would never end: to or weekly is expected");
    if (w.to_ms <= w.from_ms)
        return why_set(why, ERR_RANGE, "it ends before it begins");
    if (m->weekly.n > MAINTENANCE_WEEKLY_MAX)
        return why_set(why, ERR_LIMIT, "weekly has more than %d times", MAINTENANCE_WEEKLY_MAX);
    for (size_t i = 0; i < m->weekly.n; i++)
        if (!read_weekly(m->weekly.v[i], &w.weekly[w.weekly_n++]))
            return why_set(why, ERR_FORMAT,
                           "weekly has \"%s\": \"sun 02:00-04:00\" or \"mon-fri 22:00-23:30\" is "
                           "expected",
                           m->weekly.v[i]);
    *ret = w;
    return 0;
}

bool maintenance_holds(const struct maintenance_window *w, int64_t now_ms)
{
    if (now_ms < w->from_ms || now_ms >= w->to_ms)
        return false;
    if (w->weekly_n == 0)
        return true;
    struct tm tm;
    time_t now = (time_t)(now_ms / 1000);
    if (w->utc)
        gmtime_r(&now, &tm);
    else
        localtime_r(&now, &tm);
    int minute = tm.tm_hour * HOUR_M + tm.tm_min;
    unsigned today = 1u << tm.tm_wday, yesterday = 1u << ((tm.tm_wday + WEEK - 1) % WEEK);
    for (size_t i = 0; i < w->weekly_n; i++) {
        const struct maintenance_weekly *v = &w->weekly[i];
        bool over = v->to_m <= v->from_m; /* midnight lies within */
        if ((v->days & today) && minute >= v->from_m && (over || minute < v->to_m))
            return true;
        if (over && (v->days & yesterday) && minute < v->to_m)
            return true;
    }
    return false;
}

static bool has_label(const struct checkup_settings *check, const char *label)
{
    for (size_t i = 0; i < check->labels.n; i++)
        if (strcmp(check->labels.v[i], label) == 0)
            return true;
    return false;
}

bool maintenance_means(const struct checkup_settings_maintenance *m,
                       const struct checkup_settings *check)
{
    bool named = m->checks.n == 0;
    for (size_t i = 0; i < m->checks.n && !named; i++)
        named = checkup_settings_fits(m->checks.v[i], check->name);
    for (size_t i = 0; i < m->labels.n && named; i++)
        named = has_label(check, m->labels.v[i]);
    return named;
}
