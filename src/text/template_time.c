#include "text/template_time.h"

#include <inttypes.h>
#include <math.h>
#include <time.h>

#include "text/template_words.h"

enum { MS = 1000000 /* nanoseconds */, TEXT_MAX = 4096 /* bytes of a time */ };

static const int64_t SECOND = 1000000000;          /* nanoseconds */
static const int64_t TIME_MAX_MS = INT64_MAX / MS; /* from 1970 on, and as much before */

static const char *const MONTHS[] = {"January",   "February", "March",    "April",
                                     "May",       "June",     "July",     "August",
                                     "September", "October",  "November", "December"};
static const char *const DAYS[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                   "Thursday", "Friday", "Saturday"};

/* ---- times by a layout */

struct moment {
    struct tm tm;
    int ms;
    int32_t offset;  /* of UTC, seconds */
    struct str zone; /* its name then */
};

static struct moment moment_of(const struct template_time_value *t)
{
    struct moment m = {.ms = (int)(t->ms % 1000), .zone = STR("UTC")};
    if (m.ms < 0)
        m.ms += 1000;
    time_t seconds = (t->ms - m.ms) / 1000;
    if (t->zone)
        zone_at(t->zone, seconds, &m.offset, &m.zone);
    seconds += m.offset;
    gmtime_r(&seconds, &m.tm);
    return m;
}

enum part {
    PART_MONTH,
    PART_MON,
    PART_WEEKDAY,
    PART_DAY_NAME,
    PART_ZONE_NAME,
    PART_MONTH_2,
    PART_DAY_2,
    PART_HOUR12_2,
    PART_MINUTE_2,
    PART_SECOND_2,
    PART_YEAR_2,
    PART_YEAR_DAY_3,
    PART_HOUR_2,
    PART_MONTH_1,
    PART_YEAR,
    PART_DAY_1,
    PART_YEAR_DAY_BLANK,
    PART_DAY_BLANK,
    PART_HOUR12_1,
    PART_MINUTE_1,
    PART_SECOND_1,
    PART_UPPER_PM,
    PART_LOWER_PM,
    PART_OFFSET, /* of UTC: the text behind it */
};

/* What a layout may hold, the longer before what it begins with. */
static const struct {
    const char *text;
    enum part part;
} PARTS[] = {
    {"January", PART_MONTH},      {"Jan", PART_MON},
    {"Monday", PART_WEEKDAY},     {"Mon", PART_DAY_NAME},
    {"MST", PART_ZONE_NAME},      {"002", PART_YEAR_DAY_3},
    {"01", PART_MONTH_2},         {"02", PART_DAY_2},
    {"03", PART_HOUR12_2},        {"04", PART_MINUTE_2},
    {"05", PART_SECOND_2},        {"06", PART_YEAR_2},
    {"15", PART_HOUR_2},          {"1", PART_MONTH_1},
    {"2006", PART_YEAR},          {"2", PART_DAY_1},
    {"__2", PART_YEAR_DAY_BLANK}, {"_2", PART_DAY_BLANK},
    {"3", PART_HOUR12_1},         {"4", PART_MINUTE_1},
    {"5", PART_SECOND_1},         {"PM", PART_UPPER_PM},
    {"pm", PART_LOWER_PM},        {"-070000", PART_OFFSET},
    {"-07:00:00", PART_OFFSET},   {"-0700", PART_OFFSET},
    {"-07:00", PART_OFFSET},      {"-07", PART_OFFSET},
    {"Z070000", PART_OFFSET},     {"Z07:00:00", PART_OFFSET},
    {"Z0700", PART_OFFSET},       {"Z07:00", PART_OFFSET},
    {"Z07", PART_OFFSET},
};

/* As text says: -07:00:00 and what is shorter; Z07 is Z where there is no offset. */
static void put_offset(int32_t offset, const char *text, struct buf *out)
{
    uint32_t v = offset < 0 ? (uint32_t)-offset : (uint32_t)offset;
    const char *colon = strchr(text, ':') ? ":" : "";
    size_t digits = 0;
    for (const char *p = text; *p; p++)
        digits += *p >= '0' && *p <= '9';
    if (*text == 'Z' && offset == 0) {
        buf_put_c(out, 'Z');
        return;
    }
    buf_printf(out, "%c%02u", offset < 0 ? '-' : '+', v / 3600);
    if (digits >= 4)
        buf_printf(out, "%s%02u", colon, v / 60 % 60);
    if (digits >= 6)
        buf_printf(out, "%s%02u", colon, v % 60);
}

static void put_part(const struct moment *m, enum part part, const char *text, struct buf *out)
{
    const struct tm *t = &m->tm;
    int hour12 = t->tm_hour % 12 ? t->tm_hour % 12 : 12;
    switch (part) {
    case PART_MONTH:
        buf_put_str(out, str_c(MONTHS[t->tm_mon]));
        break;
    case PART_MON:
        buf_put(out, MONTHS[t->tm_mon], 3);
        break;
    case PART_WEEKDAY:
        buf_put_str(out, str_c(DAYS[t->tm_wday]));
        break;
    case PART_DAY_NAME:
        buf_put(out, DAYS[t->tm_wday], 3);
        break;
    case PART_ZONE_NAME:
        buf_put_str(out, m->zone);
        break;
    case PART_UPPER_PM:
    case PART_LOWER_PM:
        buf_put_str(out, t->tm_hour < 12 ? (part == PART_UPPER_PM ? STR("AM") : STR("am"))
                                         : (part == PART_UPPER_PM ? STR("PM") : STR("pm")));
        break;
    case PART_OFFSET:
        put_offset(m->offset, text, out);
        break;
    case PART_YEAR:
        buf_printf(out, "%04d", t->tm_year + 1900);
        break;
    case PART_YEAR_2:
        buf_printf(out, "%02d", (t->tm_year + 1900) % 100);
        break;
    case PART_YEAR_DAY_3:
        buf_printf(out, "%03d", t->tm_yday + 1);
        break;
    case PART_YEAR_DAY_BLANK:
        buf_printf(out, "%3d", t->tm_yday + 1);
        break;
    case PART_DAY_BLANK:
        buf_printf(out, "%2d", t->tm_mday);
        break;
    case PART_MONTH_1:
    case PART_MONTH_2:
        buf_printf(out, part == PART_MONTH_2 ? "%02d" : "%d", t->tm_mon + 1);
        break;
    case PART_DAY_1:
    case PART_DAY_2:
        buf_printf(out, part == PART_DAY_2 ? "%02d" : "%d", t->tm_mday);
        break;
    case PART_HOUR_2:
        buf_printf(out, "%02d", t->tm_hour);
        break;
    case PART_HOUR12_1:
    case PART_HOUR12_2:
        buf_printf(out, part == PART_HOUR12_2 ? "%02d" : "%d", hour12);
        break;
    case PART_MINUTE_1:
    case PART_MINUTE_2:
        buf_printf(out, part == PART_MINUTE_2 ? "%02d" : "%d", t->tm_min);
        break;
    case PART_SECOND_1:
    case PART_SECOND_2:
        buf_printf(out, part == PART_SECOND_2 ? "%02d" : "%d", t->tm_sec);
        break;
    }
}

/* .000 or ,999 at the beginning of s: how many bytes, 0 where it is none. */
static size_t fraction_at(struct str s)
{
    if (s.n < 2 || (s.p[0] != '.' && s.p[0] != ',') || (s.p[1] != '0' && s.p[1] != '9'))
        return 0;
    size_t n = 1;
    while (n < s.n && s.p[n] == s.p[1])
        n++;
    return n < s.n && s.p[n] >= '0' && s.p[n] <= '9' ? 0 : n;
}

static void put_fraction(const struct moment *m, struct str s, struct buf *out)
{
    char digits[] = "000000000";
    size_t n = MIN(s.n - 1, sizeof digits - 1);
    digits[0] = (char)('0' + m->ms / 100);
    digits[1] = (char)('0' + m->ms / 10 % 10);
    digits[2] = (char)('0' + m->ms % 10);
    while (s.p[1] == '9' && n > 0 && digits[n - 1] == '0')
        n--;
    if (n == 0)
        return;
    buf_put_c(out, s.p[0]);
    buf_put(out, digits, n);
}

/* Which part begins s; COUNTOF(PARTS) where none does. */
static size_t part_at(struct str s)
{
    for (size_t i = 0; i < COUNTOF(PARTS); i++) {
        struct str text = str_c(PARTS[i].text);
        if (!str_starts(s, text))
            continue;
        char following = text.n < s.n ? s.p[text.n] : 0;
        bool word = PARTS[i].part == PART_MON || PARTS[i].part == PART_DAY_NAME;
        if (word && following >= 'a' && following <= 'z')
            continue; /* the beginning of another word */
        if (PARTS[i].part == PART_DAY_BLANK && str_starts(s, STR("_2006")))
            continue; /* a line and a year */
        return i;
    }
    return COUNTOF(PARTS);
}

void template_time_format(const struct template_time_value *t, struct str layout, struct buf *out)
{
    struct moment m = moment_of(t);
    while (layout.n > 0) {
        size_t fraction = fraction_at(layout), part = part_at(layout), used = 1;
        if (fraction) {
            put_fraction(&m, str_sub(layout, 0, fraction), out);
            used = fraction;
        } else if (part < COUNTOF(PARTS)) {
            put_part(&m, PARTS[part].part, PARTS[part].text, out);
            used = strlen(PARTS[part].text);
        } else {
            buf_put_c(out, layout.p[0]);
        }
        layout = str_sub(layout, used, layout.n);
    }
}

/* ---- seconds */

static int in_nanoseconds(double seconds, const char *what, double *ret, struct why *why)
{
    if (!isfinite(seconds))
        return why_set(why, ERR_FORMAT, "value is NaN or Inf");
    *ret = seconds * 1e9;
    if (*ret >= -0x1p63 && *ret < 0x1p63)
        return 0;
    struct buf text;
    buf_init(&text, WHY_MAX);
    template_format_float(seconds, 'g', -1, &text);
    int err = why_set(why, ERR_FORMAT,
                      STR_FMT " cannot be represented as a nanoseconds %s since it overflows int64",
                      STR_ARG(buf_str(&text)), what);
    buf_done(&text);
    return err;
}

int template_time_of_seconds(double seconds, int64_t *ret_ms, struct why *why)
{
    double ns;
    int err = in_nanoseconds(seconds, "timestamp", &ns, why);
    if (!err)
        *ret_ms = (int64_t)ns / MS;
    return err;
}

int template_time_duration_of_seconds(double seconds, int64_t *ret_ns, struct why *why)
{
    double ns;
    int err = in_nanoseconds(seconds, "duration", &ns, why);
    if (!err)
        *ret_ns = (int64_t)ns;
    return err;
}

/* ---- objects */

struct template_value template_time_in(struct template_call *c, int64_t ms, const struct zone *zone)
{
    struct template_time_value *p = arena_new(c->arena, sizeof *p);
    *p = (struct template_time_value){ms, zone};
    return template_object(&template_time_object, p);
}

struct template_value template_time(struct template_call *c, int64_t ms)
{
    return template_time_in(c, ms, NULL);
}

struct template_value template_time_duration(struct template_call *c, int64_t ns)
{
    int64_t *p = arena_new(c->arena, sizeof *p);
    *p = ns;
    return template_object(&template_time_duration_object, p);
}

static void print_time(const void *p, struct buf *out)
{
    template_time_format(p, STR("2006-01-02 15:04:05.999999999 -0700 MST"), out);
}

/* v / unit with what is left as a fraction, without zeros at its end. */
static void put_fixed(uint64_t v, uint64_t unit, struct buf *out)
{
    buf_put_u64(out, v / unit);
    uint64_t rest = v % unit;
    if (rest)
        buf_put_c(out, '.');
    while (rest) {
        unit /= 10;
        buf_put_c(out, (char)('0' + rest / unit));
        rest %= unit;
    }
}

static void print_duration(const void *p, struct buf *out)
{
    int64_t ns = *(const int64_t *)p;
    uint64_t v = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns, second = (uint64_t)SECOND;
    if (ns < 0)
        buf_put_c(out, '-');
    if (v == 0) {
        buf_put_c(out, '0');
    } else if (v < second) {
        uint64_t unit = v < 1000 ? 1 : v < MS ? 1000 : MS;
        put_fixed(v, unit, out);
        buf_put_str(out, unit == 1 ? STR("n") : unit == 1000 ? STR("\xc2\xb5") : STR("m"));
    } else {
        uint64_t minutes = v / second / 60;
        if (minutes >= 60)
            buf_printf(out, "%" PRIu64 "h", minutes / 60);
        if (minutes > 0)
            buf_printf(out, "%" PRIu64 "m", minutes % 60);
        put_fixed(v % (second * 60), second, out);
    }
    buf_put_c(out, 's');
}

static int no_arguments(struct str name, size_t wanted, size_t n, struct why *why)
{
    if (n == wanted)
        return 0;
    return why_set(why, ERR_RANGE, "wrong number of args for " STR_FMT ": want %zu got %zu",
                   STR_ARG(name), wanted, n);
}

/* The argument as a time or duration; false for anything else. */
static bool object_in(const struct template_value *args, size_t n,
                      const struct template_object *type, int64_t *ret)
{
    if (n != 1 || args[0].type != TEMPLATE_OBJECT || args[0].object.type != type)
        return false;
    *ret = *(const int64_t *)args[0].object.p; /* a time's begins with one too */
    return true;
}

static struct template_value text_value(struct template_call *c, const char *text)
{
    return template_text(arena_str(c->arena, str_c(text)));
}

/* Numbers that a time has. */
static bool time_number(const struct template_time_value *t, struct str name, int64_t *ret)
{
    struct moment m = moment_of(t);
    int64_t ms = t->ms;
    const struct {
        const char *name;
        int64_t value;
    } NUMBERS[] = {
        {"Unix", (ms - m.ms) / 1000},
        {"UnixMilli", ms},
        {"UnixMicro", ms * 1000},
        {"UnixNano", (int64_t)((uint64_t)ms * MS)}, /* wraps as Go's */
        {"Year", m.tm.tm_year + 1900},
        {"Day", m.tm.tm_mday},
        {"Hour", m.tm.tm_hour},
        {"Minute", m.tm.tm_min},
        {"Second", m.tm.tm_sec},
        {"Nanosecond", (int64_t)m.ms * MS},
        {"YearDay", m.tm.tm_yday + 1},
    };
    for (size_t i = 0; i < COUNTOF(NUMBERS); i++)
        if (str_eq(name, str_c(NUMBERS[i].name))) {
            *ret = NUMBERS[i].value;
            return true;
        }
    return false;
}

static int time_format(struct template_call *c, const struct template_time_value *t,
                       const struct template_value *args, size_t n, struct template_value *ret,
                       struct why *why)
{
    struct buf b;
    if (n != 1 || args[0].type != TEMPLATE_TEXT)
        return why_set(why, ERR_RANGE,
                       n == 1 ? "wrong type for value; expected string; got %s"
                              : "wrong number of args for Format: want 1 got %s",
                       n == 1 ? template_type_text(&args[0])
                       : n    ? "more"
                              : "0");
    buf_init(&b, TEMPLATE_TEXT_MAX);
    template_time_format(t, args[0].text, &b);
    return template_words_give(c, &b, ret, why);
}

/* Methods that take another time or a duration; -ERR_NOENT for none of them. */
static int time_with(struct template_call *c, const struct template_time_value *t, struct str name,
                     const struct template_value *args, size_t n, struct template_value *ret,
                     struct why *why)
{
    bool add = str_eq(name, STR("Add")), truncate = str_eq(name, STR("Truncate"));
    bool sub = str_eq(name, STR("Sub")), before = str_eq(name, STR("Before"));
    bool after = str_eq(name, STR("After")), equal = str_eq(name, STR("Equal"));
    int64_t other = 0, ms = t->ms;
    if (!add && !truncate && !sub && !before && !after && !equal)
        return -ERR_NOENT;
    bool wants_duration = add || truncate;
    if (!object_in(args, n, wants_duration ? &template_time_duration_object : &template_time_object,
                   &other))
        return why_set(why, ERR_RANGE, "%s takes one %s",
                       add        ? "Add"
                       : truncate ? "Truncate"
                       : sub      ? "Sub"
                       : before   ? "Before"
                       : after    ? "After"
                                  : "Equal",
                       wants_duration ? "time.Duration" : "time.Time");
    if (add)
        *ret = template_time_in(c, MIN(MAX(ms + other / MS, -TIME_MAX_MS), TIME_MAX_MS), t->zone);
    else if (truncate)
        *ret = template_time_in(c, other / MS > 0 ? ms - ms % (other / MS) : ms, t->zone);
    else if (sub && __builtin_mul_overflow(ms - other, MS, &other))
        *ret = template_time_duration(c, ms > 0 ? INT64_MAX : INT64_MIN);
    else if (sub)
        *ret = template_time_duration(c, other);
    else
        *ret = template_bool(before ? ms < other : after ? ms > other : ms == other);
    return 0;
}

static int time_member(struct template_call *c, const void *p, struct str name,
                       const struct template_value *args, size_t n, struct template_value *ret,
                       struct why *why)
{
    const struct template_time_value *t = p;
    int64_t number;
    struct moment m = moment_of(t);
    if (str_eq(name, STR("Format")))
        return time_format(c, t, args, n, ret, why);
    int err = time_with(c, t, name, args, n, ret, why);
    if (err != -ERR_NOENT)
        return err;
    if (time_number(t, name, &number))
        *ret = template_int(number);
    else if (str_eq(name, STR("Month")))
        *ret = text_value(c, MONTHS[m.tm.tm_mon]);
    else if (str_eq(name, STR("Weekday")))
        *ret = text_value(c, DAYS[m.tm.tm_wday]);
    else if (str_eq(name, STR("UTC")) || str_eq(name, STR("Local")))
        *ret = template_time(c, t->ms);
    else if (str_eq(name, STR("IsZero")))
        *ret = template_bool(t->ms == TEMPLATE_TIME_ZERO);
    else if (str_eq(name, STR("String"))) {
        struct buf b;
        buf_init(&b, TEXT_MAX);
        print_time(t, &b);
        err = template_words_give(c, &b, ret, why);
        return err ? err : no_arguments(name, 0, n, why);
    } else
        return -ERR_NOENT;
    return no_arguments(name, 0, n, why);
}

static int duration_member(struct template_call *c, const void *p, struct str name,
                           const struct template_value *args, size_t n, struct template_value *ret,
                           struct why *why)
{
    int64_t ns = *(const int64_t *)p;
    (void)args;
    if (str_eq(name, STR("String"))) {
        struct buf b;
        buf_init(&b, TEXT_MAX);
        print_duration(&ns, &b);
        int err = template_words_give(c, &b, ret, why);
        return err ? err : no_arguments(name, 0, n, why);
    }
    if (str_eq(name, STR("Hours")))
        *ret = template_float((double)ns / 3.6e12);
    else if (str_eq(name, STR("Minutes")))
        *ret = template_float((double)ns / 6e10);
    else if (str_eq(name, STR("Seconds")))
        *ret = template_float((double)ns / 1e9);
    else if (str_eq(name, STR("Milliseconds")))
        *ret = template_int(ns / MS);
    else if (str_eq(name, STR("Microseconds")))
        *ret = template_int(ns / 1000);
    else if (str_eq(name, STR("Nanoseconds")))
        *ret = template_int(ns);
    else
        return -ERR_NOENT;
    return no_arguments(name, 0, n, why);
}

const struct template_object template_time_object = {"*time.Time", time_member, print_time};
const struct template_object template_time_duration_object = {"*time.Duration", duration_member,
                                                              print_duration};
