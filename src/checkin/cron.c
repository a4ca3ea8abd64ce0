#include "checkin/cron.h"

enum {
    FIELDS = 5,
    MINUTE_S = 60,
    HOUR_S = 3600,
    DAY_S = 86400,
    YEARS = 9,
    LEAP_S = 3 * HOUR_S, /* clocks are not set by more */
};

struct field {
    const char *name;
    uint64_t low, high;
    const char *names; /* of three letters each, for low, low + 1, .. ; or NULL */
};

static const struct field FIELD[FIELDS] = {
    {"minute", 0, 59, NULL},
    {"hour", 0, 23, NULL},
    {"day of the month", 1, 31, NULL},
    {"month", 1, 12, "janfebmaraprmayjunjulaugsepoctnovdec"},
    {"day of the week", 0, 7, "sunmontuewedthufrisat"},
};

static const struct {
    const char *name, *text;
} SHORT[] = {
    {"@hourly", "0 * * * *"},   {"@daily", "0 0 * * *"},   {"@midnight", "0 0 * * *"},
    {"@weekly", "0 0 * * 0"},   {"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"},
    {"@annually", "0 0 1 1 *"},
};

/* ---- reading */

static bool value(const struct field *f, struct str s, uint64_t *ret)
{
    if (str_u64(s, ret))
        return *ret >= f->low && *ret <= f->high;
    if (!f->names || s.n != 3)
        return false;
    struct str names = str_c(f->names);
    for (size_t i = 0; i + 3 <= names.n; i += 3) {
        bool same = true;
        for (size_t k = 0; k < 3; k++)
            same = same && (s.p[k] | 0x20) == names.p[i + k];
        if (same) {
            *ret = f->low + i / 3;
            return true;
        }
    }
    return false;
}

static bool is_any(struct str s)
{
    return str_eq(s, STR("*")) || str_eq(s, STR("?"));
}

/* *, 5, 1-5, either with /2 */
static bool item(const struct field *f, struct str s, uint64_t *bits)
{
    size_t slash = str_find(s, '/');
    struct str span = str_sub(s, 0, slash);
    uint64_t step = 1, low = f->low, high = f->high;
    if (slash < s.n && (!str_u64(str_sub(s, slash + 1, s.n), &step) || step == 0))
        return false;
    if (!is_any(span)) {
        size_t dash = str_find(span, '-');
        if (!value(f, str_sub(span, 0, dash), &low))
            return false;
        high = slash < s.n ? f->high : low;
        if (dash < span.n && !value(f, str_sub(span, dash + 1, span.n), &high))
            return false;
    }
    if (low > high)
        return false;
    step = MIN(step, f->high + 1); /* a longer one leaves low alone */
    for (uint64_t i = low; i <= high; i += step)
        *bits |= 1ULL << i;
    return true;
}

static int field(const struct field *f, struct str s, uint64_t *ret, struct why *why)
{
    struct str rest = s, one;
    uint64_t bits = 0;
    while (str_split(&rest, ',', &one))
        if (!item(f, one, &bits))
            return why_set(why, ERR_FORMAT,
                           "the %s \"" STR_FMT
                           "\" of the cron expression is none between %d and %d",
                           f->name, STR_ARG(str_sub(one, 0, 40)), (int)f->low, (int)f->high);
    *ret = bits;
    return 0;
}

int cron_parse(struct str text, struct cron *ret, struct why *why)
{
    struct str rest = str_trim(text), words[FIELDS], word;
    uint64_t bits[FIELDS];
    size_t n = 0;
    for (size_t i = 0; i < COUNTOF(SHORT); i++)
        if (str_eq(rest, str_c(SHORT[i].name)))
            rest = str_c(SHORT[i].text);
    while (str_word(&rest, &word)) {
        if (n < FIELDS)
            words[n] = word;
        n++;
    }
    if (n != FIELDS)
        return why_set(
            why, ERR_FORMAT,
            "a cron expression has five fields (minute, hour, day, month, weekday) or is "
            "@hourly, @daily, @weekly, @monthly or @yearly");
    for (size_t i = 0; i < FIELDS; i++) {
        int err = field(&FIELD[i], words[i], &bits[i], why);
        if (err)
            return err;
    }
    if (bits[4] & 1ULL << 7)
        bits[4] |= 1;
    *ret = (struct cron){.minutes = bits[0],
                         .hours = bits[1],
                         .days = bits[2],
                         .months = bits[3],
                         .weekdays = bits[4],
                         .any_hour = words[1].p[0] == '*',
                         .any_day = is_any(words[2]),
                         .any_weekday = is_any(words[4])};
    return 0;
}

/* ---- times */

/* Seconds to add to UTC for the time on the wall. */
static int64_t offset_at(const struct zone *zone, int64_t utc_s)
{
    int32_t offset_s = 0;
    struct str name;
    if (zone)
        zone_at(zone, utc_s, &offset_s, &name);
    return offset_s;
}

/* What a wall shows. */
struct wall {
    int64_t day; /* since 1970 */
    unsigned minute, hour, day_of_month, month, weekday;
};

static struct wall wall_of(int64_t local_s)
{
    int64_t day = local_s / DAY_S - (local_s % DAY_S < 0), second = local_s - day * DAY_S;
    /* H. Hinnant, civil_from_days */
    int64_t z = day + 719468, era = (z >= 0 ? z : z - 146096) / 146097, in_era = z - era * 146097;
    int64_t year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    int64_t in_year = in_era - (365 * year + year / 4 - year / 100), m = (5 * in_year + 2) / 153;
    return (struct wall){.day = day,
                         .minute = (unsigned)(second % HOUR_S / MINUTE_S),
                         .hour = (unsigned)(second / HOUR_S),
                         .day_of_month = (unsigned)(in_year - (153 * m + 2) / 5 + 1),
                         .month = (unsigned)(m < 10 ? m + 3 : m - 9),
                         .weekday = (unsigned)(((day + 4) % 7 + 7) % 7)};
}

static bool day_holds(const struct cron *c, const struct wall *w)
{
    bool day = c->days >> w->day_of_month & 1, weekday = c->weekdays >> w->weekday & 1;
    if (!(c->months >> w->month & 1))
        return false;
    return c->any_day || c->any_weekday ? day && weekday : day || weekday;
}

static bool holds(const struct cron *c, int64_t local_s)
{
    struct wall w = wall_of(local_s);
    return (c->minutes >> w.minute & 1) && (c->hours >> w.hour & 1) && day_holds(c, &w);
}

/* Has the wall shown this before, as the clocks were set back? */
static bool came_before(const struct zone *zone, int64_t utc_s, int64_t local_s)
{
    int64_t before = offset_at(zone, utc_s - LEAP_S);
    int64_t first = local_s - before;
    return first < utc_s && offset_at(zone, first) == before;
}

static bool is_due(const struct cron *c, const struct zone *zone, int64_t utc_s)
{
    int64_t offset = offset_at(zone, utc_s), local_s = utc_s + offset;
    int64_t before = offset_at(zone, utc_s - MINUTE_S);
    for (int64_t s = utc_s + before; s < local_s && !c->any_hour; s += MINUTE_S)
        if (holds(c, s))
            return true; /* the clocks leapt over it just now */
    return holds(c, local_s) && (c->any_hour || !came_before(zone, utc_s, local_s));
}

int64_t cron_next(const struct cron *c, const struct zone *zone, int64_t after_ms)
{
    int64_t s = after_ms / 1000 - (after_ms % 1000 < 0);
    s -= ((s % MINUTE_S) + MINUTE_S) % MINUTE_S;
    int64_t end = s + (int64_t)YEARS * 366 * DAY_S;
    for (s += MINUTE_S; s < end;) {
        struct wall w = wall_of(s + offset_at(zone, s));
        if (day_holds(c, &w) || w.hour < LEAP_S / HOUR_S) {
            if (is_due(c, zone, s))
                return s * 1000;
            s += MINUTE_S;
        } else {
            s += HOUR_S - w.minute * MINUTE_S; /* not this day: on to the next hour */
        }
    }
    return 0;
}
