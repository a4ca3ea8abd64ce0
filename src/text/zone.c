#include "text/zone.h"

enum {
    HEADER = 44, /* bytes */
    TYPE = 6,    /* bytes of one local time type */
    TYPES_MAX = 256,
    DAY = 86400, /* seconds */
    OFFSET_MAX = 48 * 3600,
};

/* When a rule of POSIX begins: Mm.w.d, Jn or n, at a time of the day. */
struct change {
    char kind; /* 'M', 'J', 'n' */
    int month, week, day;
    int32_t seconds;
};

struct type {
    int32_t offset;
    struct str name;
};

struct zone {
    const int64_t *times;   /* [n] of changes, rising */
    const uint8_t *indexes; /* [n] into types */
    size_t n;
    const struct type *types; /* [types_n] */
    size_t types_n;
    bool ruled;  /* standard and below hold after the last change */
    bool summer; /* there is daylight saving */
    struct type standard, daylight;
    struct change begin, end;
};

bool zone_name_plain(struct str name)
{
    if (name.n == 0 || name.n > 100 || name.p[0] == '/' || str_search(name, STR("..")) < name.n)
        return false;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '/' || c == '_' || c == '-' || c == '+'))
            return false;
    }
    return true;
}

/* ---- the rule at the end */

static char peek(const struct str *s)
{
    return s->n ? s->p[0] : '\0';
}

static char take(struct str *s)
{
    char c = peek(s);
    *s = str_sub(*s, 1, s->n);
    return c;
}

static bool take_number(struct str *s, int *ret)
{
    int v = 0;
    size_t digits = 0;
    for (; peek(s) >= '0' && peek(s) <= '9' && digits < 5; digits++)
        v = v * 10 + (take(s) - '0');
    *ret = v;
    return digits > 0;
}

static bool take_name(struct str *s, struct str *ret)
{
    size_t n = 0;
    if (peek(s) == '<') {
        n = str_find(*s, '>');
        *ret = str_sub(*s, 1, n);
        *s = str_sub(*s, n + 1, s->n);
        return ret->n > 0;
    }
    while (n < s->n && ((s->p[n] | 0x20) >= 'a' && (s->p[n] | 0x20) <= 'z'))
        n++;
    *ret = str_sub(*s, 0, n);
    *s = str_sub(*s, n, s->n);
    return n > 0;
}

/* [+-]hh[:mm[:ss]] */
static bool take_clock(struct str *s, int32_t *ret)
{
    int part, seconds = 0, unit = 3600;
    char sign = peek(s);
    if (sign == '+' || sign == '-')
        (void)take(s);
    do {
        if (!take_number(s, &part) || part > 167)
            return false;
        seconds += part * unit;
        unit /= 60;
    } while (unit > 0 && peek(s) == ':' && take(s));
    *ret = sign == '-' ? -seconds : seconds;
    return true;
}

static bool take_change(struct str *s, struct change *ret)
{
    *ret = (struct change){.kind = 'n', .seconds = 7200};
    if (take(s) != ',')
        return false;
    if (peek(s) == 'J' || peek(s) == 'M')
        ret->kind = take(s);
    if (!take_number(s, ret->kind == 'M' ? &ret->month : &ret->day))
        return false;
    if (ret->kind == 'M' && (take(s) != '.' || !take_number(s, &ret->week) || take(s) != '.' ||
                             !take_number(s, &ret->day) || ret->month < 1 || ret->month > 12 ||
                             ret->week < 1 || ret->week > 5 || ret->day > 6))
        return false;
    if (peek(s) != '/')
        return true;
    (void)take(s);
    return take_clock(s, &ret->seconds);
}

static bool read_rule(struct str s, struct zone *z)
{
    int32_t west;
    if (!take_name(&s, &z->standard.name) || !take_clock(&s, &west))
        return false;
    z->standard.offset = -west;
    if (s.n == 0)
        return true;
    z->summer = true;
    if (!take_name(&s, &z->daylight.name))
        return false;
    z->daylight.offset = z->standard.offset + 3600;
    if (peek(&s) != ',') {
        if (!take_clock(&s, &west))
            return false;
        z->daylight.offset = -west;
    }
    return take_change(&s, &z->begin) && take_change(&s, &z->end) && s.n == 0;
}

static bool leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Days from 1970-01-01 to the first of January. */
static int64_t days_to_year(int64_t year)
{
    int64_t y = year - 1;
    return 365 * (year - 1970) + (y / 4 - 1969 / 4) - (y / 100 - 1969 / 100) +
           (y / 400 - 1969 / 400);
}

/* Days from 1970-01-01 to the day of a change in that year. */
static int64_t day_of(const struct change *c, int64_t year)
{
    static const int MONTHS[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t day = days_to_year(year);
    if (c->kind == 'J')
        return day + c->day - 1 + (leap(year) && c->day >= 60);
    if (c->kind == 'n')
        return day + c->day;
    for (int m = 0; m < c->month - 1; m++)
        day += MONTHS[m] + (m == 1 && leap(year));
    int64_t days = MONTHS[c->month - 1] + (c->month == 2 && leap(year));
    int64_t weekday = ((day + 4) % 7 + 7) % 7; /* of the month's first; 1970 began on a Thursday */
    int64_t at = (c->day - weekday + 7) % 7 + (c->week - 1) * 7;
    return day + (at >= days ? at - 7 : at);
}

static const struct type *by_rule(const struct zone *z, int64_t seconds)
{
    if (!z->summer)
        return &z->standard;
    int64_t local = seconds + z->standard.offset;
    int64_t year = 1970 + local / (365 * DAY + DAY / 4);
    while (days_to_year(year + 1) * DAY <= local)
        year++;
    while (days_to_year(year) * DAY > local)
        year--;
    int64_t begin = day_of(&z->begin, year) * DAY + z->begin.seconds - z->standard.offset;
    int64_t end = day_of(&z->end, year) * DAY + z->end.seconds - z->daylight.offset;
    bool summer =
        begin < end ? seconds >= begin && seconds < end : seconds >= begin || seconds < end;
    return summer ? &z->daylight : &z->standard;
}

/* ---- the file */

/* Counts of a block, as its header has them. */
struct counts {
    size_t isut, isstd, leaps, times, types, letters;
};

static uint32_t be32(const char *p)
{
    uint32_t v = 0;
    for (size_t i = 0; i < 4; i++)
        v = v << 8 | (unsigned char)p[i];
    return v;
}

static bool read_counts(struct str s, struct counts *ret)
{
    if (s.n < HEADER || !str_starts(s, STR("TZif")))
        return false;
    *ret = (struct counts){be32(s.p + 20), be32(s.p + 24), be32(s.p + 28),
                           be32(s.p + 32), be32(s.p + 36), be32(s.p + 40)};
    return ret->isut < ZONE_FILE_MAX && ret->isstd < ZONE_FILE_MAX && ret->leaps < ZONE_FILE_MAX &&
           ret->times < ZONE_FILE_MAX && ret->types > 0 && ret->types <= TYPES_MAX &&
           ret->letters < ZONE_FILE_MAX;
}

static size_t block_bytes(const struct counts *c, size_t time)
{
    return c->times * (time + 1) + c->types * TYPE + c->letters + c->leaps * (time + 4) + c->isstd +
           c->isut;
}

static bool read_types(const char *p, const struct counts *c, struct str letters, struct zone *z,
                       struct arena *a)
{
    struct type *types = arena_array(a, c->types, sizeof *types);
    for (size_t i = 0; i < c->types; i++, p += TYPE) {
        size_t at = (unsigned char)p[5];
        types[i].offset = (int32_t)be32(p);
        if (at >= letters.n || types[i].offset > OFFSET_MAX || types[i].offset < -OFFSET_MAX)
            return false;
        struct str name = str_sub(letters, at, letters.n);
        types[i].name = str_sub(name, 0, str_find(name, '\0'));
    }
    z->types = types;
    z->types_n = c->types;
    return true;
}

static bool read_block(struct str s, const struct counts *c, struct zone *z, struct arena *a)
{
    int64_t *times = arena_array(a, c->times, sizeof *times);
    const char *indexes = s.p + c->times * 8, *types = indexes + c->times;
    for (size_t i = 0; i < c->times; i++) {
        times[i] = (int64_t)((uint64_t)be32(s.p + i * 8) << 32 | be32(s.p + i * 8 + 4));
        if ((i > 0 && times[i] <= times[i - 1]) || (unsigned char)indexes[i] >= c->types)
            return false;
    }
    z->times = times;
    z->indexes = (const uint8_t *)indexes;
    z->n = c->times;
    return read_types(types, c, str_of(types + c->types * TYPE, c->letters), z, a);
}

int zone_parse(struct str bytes, struct arena *a, const struct zone **ret, struct why *why)
{
    struct counts first, second;
    struct zone *z = arena_new(a, sizeof *z);
    struct str s = arena_str(a, bytes);
    if (bytes.n > ZONE_FILE_MAX || !read_counts(s, &first) || s.p[4] < '2')
        return why_set(why, ERR_FORMAT, "it is no time zone of version 2 or later");
    s = str_sub(s, HEADER + block_bytes(&first, 4), s.n);
    if (!read_counts(s, &second) || s.n - HEADER < block_bytes(&second, 8))
        return why_set(why, ERR_FORMAT, "the time zone ends early");
    s = str_sub(s, HEADER, s.n);
    if (!read_block(s, &second, z, a))
        return why_set(why, ERR_FORMAT, "the time zone contradicts itself");
    s = str_trim(str_sub(s, block_bytes(&second, 8), s.n));
    z->ruled = s.n > 0;
    if (z->ruled && !read_rule(s, z))
        return why_set(why, ERR_FORMAT, "the rule of the time zone is no rule: " STR_FMT,
                       STR_ARG(s));
    *ret = z;
    return 0;
}

static const struct type *type_at(const struct zone *z, int64_t seconds)
{
    size_t from = 0, to = z->n;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (z->times[middle] <= seconds)
            from = middle + 1;
        else
            to = middle;
    }
    if (from == z->n && z->ruled)
        return by_rule(z, seconds);
    return from == 0 ? &z->types[0] : &z->types[z->indexes[from - 1]];
}

void zone_at(const struct zone *z, int64_t seconds, int32_t *ret_offset, struct str *ret_name)
{
    const struct type *t = type_at(z, seconds);
    *ret_offset = t->offset;
    *ret_name = t->name;
}
