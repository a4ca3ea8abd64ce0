#include "text/time_zone.h"

#include <string.h>

#include "base/mem.h"

enum {
    HEAD = 44, /* bytes of a header */
    TIMES_MAX = 10000,
    TYPES_MAX = 256,
    NAME_MAX_BYTES = 64,
    DAY_S = 86400,
};

/* The m-th month's w-th day d (0: Sunday; week 5: the last), so many seconds after midnight. */
struct change {
    int month, week, day;
    int64_t time_s;
};

struct time_zone {
    int64_t *times; /* [n], ascending */
    uint8_t *types; /* [n], of the time from times[i] on */
    size_t n;
    int64_t offsets[TYPES_MAX];
    int64_t first; /* before all times */
    bool ruled;    /* what is below holds behind the last time */
    bool summer;   /* and it has two offsets */
    int64_t standard_s, summer_s;
    struct change begin, end;
};

/* ---- bytes */

static int64_t number(const char *p, size_t n)
{
    uint64_t v = (p[0] & 0x80) ? UINT64_MAX : 0;
    for (size_t i = 0; i < n; i++)
        v = v << 8 | (unsigned char)p[i];
    return (int64_t)v;
}

struct counts {
    size_t utc, standard, leaps, times, types, chars;
};

static bool head(struct str s, struct counts *ret, char *ret_version)
{
    if (s.n < HEAD || memcmp(s.p, "TZif", 4) != 0)
        return false;
    size_t v[6];
    for (size_t i = 0; i < 6; i++)
        v[i] = (size_t)(uint32_t)number(s.p + 20 + 4 * i, 4);
    *ret = (struct counts){v[0], v[1], v[2], v[3], v[4], v[5]};
    *ret_version = s.p[4];
    return v[3] <= TIMES_MAX && v[4] >= 1 && v[4] <= TYPES_MAX && v[0] <= v[4] && v[1] <= v[4] &&
           v[2] <= TIMES_MAX && v[5] <= TIMES_MAX;
}

static size_t body(const struct counts *c, size_t wide)
{
    return c->times * (wide + 1) + c->types * 6 + c->chars + c->leaps * (wide + 4) + c->standard +
           c->utc;
}

static bool table(struct time_zone *z, const char *p, const struct counts *c, size_t wide)
{
    z->n = c->times;
    z->times = mem_array(c->times, sizeof *z->times);
    z->types = mem_array(c->times, sizeof *z->types);
    const char *types = p + c->times * wide, *infos = types + c->times;
    for (size_t i = 0; i < c->times; i++) {
        z->times[i] = number(p + i * wide, wide);
        z->types[i] = (uint8_t)types[i];
        if (z->types[i] >= c->types || (i > 0 && z->times[i] <= z->times[i - 1]))
            return false;
    }
    bool found = false;
    for (size_t i = 0; i < c->types; i++) {
        z->offsets[i] = number(infos + i * 6, 4);
        if (!infos[i * 6 + 4] && !found) {
            z->first = z->offsets[i];
            found = true;
        }
        if (z->offsets[i] < -2 * DAY_S || z->offsets[i] > 2 * DAY_S)
            return false;
    }
    if (!found)
        z->first = z->offsets[0];
    return true;
}

/* ---- the rule behind the table: CET-1CEST,M3.5.0,M10.5.0/3 */

static bool rule_name(struct str *s)
{
    size_t n = 0;
    if (s->n && s->p[0] == '<')
        n = str_find(*s, '>') + 1;
    else
        while (n < s->n && ((s->p[n] | 0x20) >= 'a' && (s->p[n] | 0x20) <= 'z'))
            n++;
    if (n < 3 || n > s->n)
        return false;
    *s = str_sub(*s, n, s->n);
    return true;
}

static bool rule_number(struct str *s, int64_t *ret)
{
    size_t n = 0;
    int64_t v = 0;
    for (; n < s->n && n < 4 && s->p[n] >= '0' && s->p[n] <= '9'; n++)
        v = v * 10 + s->p[n] - '0';
    *s = str_sub(*s, n, s->n);
    *ret = v;
    return n > 0;
}

static bool rule_skip(struct str *s, char c)
{
    if (s->n == 0 || s->p[0] != c)
        return false;
    *s = str_sub(*s, 1, s->n);
    return true;
}

/* [+-]hh[:mm[:ss]] in seconds */
static bool rule_time(struct str *s, int64_t *ret_s)
{
    bool minus = rule_skip(s, '-');
    int64_t v = 0, part = 0;
    if (!minus)
        rule_skip(s, '+');
    if (!rule_number(s, &part))
        return false;
    v = part * 3600;
    for (int64_t unit = 60; unit >= 1 && rule_skip(s, ':'); unit /= 60) {
        if (!rule_number(s, &part))
            return false;
        v += part * unit;
    }
    *ret_s = minus ? -v : v;
    return v < 8 * DAY_S;
}

static bool rule_change(struct str *s, struct change *ret)
{
    int64_t month, week, day, time_s = 7200;
    if (!rule_skip(s, ',') || !rule_skip(s, 'M') || !rule_number(s, &month) || !rule_skip(s, '.') ||
        !rule_number(s, &week) || !rule_skip(s, '.') || !rule_number(s, &day))
        return false;
    if (rule_skip(s, '/') && !rule_time(s, &time_s))
        return false;
    *ret = (struct change){(int)month, (int)week, (int)day, time_s};
    return month >= 1 && month <= 12 && week >= 1 && week <= 5 && day <= 6;
}

/* A rule that is not understood leaves the table alone. */
static void rule(struct time_zone *z, struct str s)
{
    int64_t west_s, summer_west_s;
    if (!rule_name(&s) || !rule_time(&s, &west_s))
        return;
    z->standard_s = -west_s;
    z->summer_s = 3600 - west_s;
    if (s.n) {
        if (!rule_name(&s))
            return;
        if (s.n && s.p[0] != ',') {
            if (!rule_time(&s, &summer_west_s))
                return;
            z->summer_s = -summer_west_s;
        }
        if (!rule_change(&s, &z->begin) || !rule_change(&s, &z->end))
            return;
        z->summer = true;
    }
    z->ruled = true;
}

/* ---- days */

/* Days from 1970-01-01 (H. Hinnant, days_from_civil). */
static int64_t days_of(int64_t y, int64_t m, int64_t d)
{
    y -= m <= 2;
    int64_t era = (y >= 0 ? y : y - 399) / 400, in_era = y - era * 400;
    int64_t in_year = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year - 719468;
}

static int64_t year_of(int64_t utc_s)
{
    int64_t days = utc_s / DAY_S - (utc_s % DAY_S < 0), year = 1970 + days / 366;
    while (days_of(year + 1, 1, 1) <= days)
        year++;
    return year;
}

/* When a change comes in a year, on the wall's clock. */
static int64_t change_s(const struct change *c, int64_t year)
{
    int64_t first = days_of(year, c->month, 1);
    int64_t next = c->month == 12 ? days_of(year + 1, 1, 1) : days_of(year, c->month + 1, 1);
    int64_t weekday = ((first + 4) % 7 + 7) % 7; /* 1970-01-01 was a Thursday */
    int64_t day = first + (c->day - weekday + 7) % 7 + (c->week - 1) * 7;
    while (day >= next)
        day -= 7;
    return day * DAY_S + c->time_s;
}

static int64_t ruled_offset(const struct time_zone *z, int64_t utc_s)
{
    if (!z->summer)
        return z->standard_s;
    int64_t year = year_of(utc_s + z->standard_s);
    int64_t begin = change_s(&z->begin, year) - z->standard_s;
    int64_t end = change_s(&z->end, year) - z->summer_s;
    bool summer = begin < end ? utc_s >= begin && utc_s < end : utc_s >= begin || utc_s < end;
    return summer ? z->summer_s : z->standard_s;
}

/* ---- */

int time_zone_new(struct str bytes, struct time_zone **ret, struct why *why)
{
    struct time_zone *z = mem_new(sizeof *z);
    struct counts c;
    char version;
    size_t wide = 4, at = HEAD;
    bool good = head(bytes, &c, &version);
    if (good && version >= '2') {
        at += body(&c, wide);
        wide = 8;
        good = at < bytes.n && head(str_sub(bytes, at, bytes.n), &c, &version);
        at += HEAD;
    }
    good = good && at + body(&c, wide) <= bytes.n && table(z, bytes.p + at, &c, wide);
    if (good && wide == 8) {
        struct str footer = str_sub(bytes, at + body(&c, wide), bytes.n);
        if (rule_skip(&footer, '\n'))
            rule(z, str_sub(footer, 0, str_find(footer, '\n')));
    }
    if (!good) {
        time_zone_free(z);
        return why_set(why, ERR_FORMAT, "it is no file of a time zone (TZif)");
    }
    *ret = z;
    return 0;
}

void time_zone_free(struct time_zone *z)
{
    if (!z)
        return;
    mem_free(z->times);
    mem_free(z->types);
    mem_free(z);
}

int64_t time_zone_offset_s(const struct time_zone *z, int64_t utc_s)
{
    if (!z)
        return 0;
    if (z->ruled && (z->n == 0 || utc_s >= z->times[z->n - 1]))
        return ruled_offset(z, utc_s);
    size_t low = 0, high = z->n; /* the first time behind utc_s */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (z->times[middle] <= utc_s)
            low = middle + 1;
        else
            high = middle;
    }
    return low == 0 ? z->first : z->offsets[z->types[low - 1]];
}

bool time_zone_name(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z', digit = c >= '0' && c <= '9';
        if (!letter && !digit && c != '_' && c != '-' && c != '+' && c != '/')
            return false;
    }
    return s.n > 0 && s.n <= NAME_MAX_BYTES && s.p[0] != '/' && s.p[s.n - 1] != '/';
}
