#include <inttypes.h>
#include <math.h>
#include <time.h>

#include "rules/rule_template_state.h"

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
};

static struct moment moment_of(int64_t ms)
{
    struct moment m = {.ms = (int)(ms % 1000)};
    if (m.ms < 0)
        m.ms += 1000;
    time_t seconds = (ms - m.ms) / 1000;
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
    const char *offset;
} PARTS[] = {
    {"January", PART_MONTH, NULL},
    {"Jan", PART_MON, NULL},
    {"Monday", PART_WEEKDAY, NULL},
    {"Mon", PART_DAY_NAME, NULL},
    {"MST", PART_ZONE_NAME, NULL},
    {"002", PART_YEAR_DAY_3, NULL},
    {"01", PART_MONTH_2, NULL},
    {"02", PART_DAY_2, NULL},
    {"03", PART_HOUR12_2, NULL},
    {"04", PART_MINUTE_2, NULL},
    {"05", PART_SECOND_2, NULL},
    {"06", PART_YEAR_2, NULL},
    {"15", PART_HOUR_2, NULL},
    {"1", PART_MONTH_1, NULL},
    {"2006", PART_YEAR, NULL},
    {"2", PART_DAY_1, NULL},
    {"__2", PART_YEAR_DAY_BLANK, NULL},
    {"_2", PART_DAY_BLANK, NULL},
    {"3", PART_HOUR12_1, NULL},
    {"4", PART_MINUTE_1, NULL},
    {"5", PART_SECOND_1, NULL},
    {"PM", PART_UPPER_PM, NULL},
    {"pm", PART_LOWER_PM, NULL},
    {"-070000", PART_OFFSET, "+000000"},
    {"-07:00:00", PART_OFFSET, "+00:00:00"},
    {"-0700", PART_OFFSET, "+0000"},
    {"-07:00", PART_OFFSET, "+00:00"},
    {"-07", PART_OFFSET, "+00"},
    {"Z070000", PART_OFFSET, "Z"},
    {"Z07:00:00", PART_OFFSET, "Z"},
    {"Z0700", PART_OFFSET, "Z"},
    {"Z07:00", PART_OFFSET, "Z"},
    {"Z07", PART_OFFSET, "Z"},
};

static void put_part(const struct moment *m, enum part part, const char *offset, struct buf *out)
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
        buf_put_str(out, STR("UTC"));
        break;
    case PART_UPPER_PM:
    case PART_LOWER_PM:
        buf_put_str(out, t->tm_hour < 12 ? (part == PART_UPPER_PM ? STR("AM") : STR("am"))
                                         : (part == PART_UPPER_PM ? STR("PM") : STR("pm")));
        break;
    case PART_OFFSET:
        buf_put_str(out, str_c(offset));
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

void rule_template_format_time(int64_t ms, struct str layout, struct buf *out)
{
    struct moment m = moment_of(ms);
    while (layout.n > 0) {
        size_t fraction = fraction_at(layout), part = part_at(layout), used = 1;
        if (fraction) {
            put_fraction(&m, str_sub(layout, 0, fraction), out);
            used = fraction;
        } else if (part < COUNTOF(PARTS)) {
            put_part(&m, PARTS[part].part, PARTS[part].offset, out);
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

int rule_template_seconds_to_time(double seconds, int64_t *ret_ms, struct why *why)
{
    double ns;
    int err = in_nanoseconds(seconds, "timestamp", &ns, why);
    if (!err)
        *ret_ms = (int64_t)ns / MS;
    return err;
}

int rule_template_seconds_to_duration(double seconds, int64_t *ret_ns, struct why *why)
{
    double ns;
    int err = in_nanoseconds(seconds, "duration", &ns, why);
    if (!err)
        *ret_ns = (int64_t)ns;
    return err;
}

/* ---- objects */

static struct template_value object_of(struct template_call *c, const struct template_object *type,
                                       int64_t v)
{
    int64_t *p = arena_new(c->arena, sizeof *p);
    *p = v;
    return template_object(type, p);
}

struct template_value rule_template_time(struct template_call *c, int64_t ms)
{
    return object_of(c, &rule_template_time_object, ms);
}

struct template_value rule_template_duration(struct template_call *c, int64_t ns)
{
    return object_of(c, &rule_template_duration_object, ns);
}

static void print_time(const void *p, struct buf *out)
{
    rule_template_format_time(*(const int64_t *)p, STR("2006-01-02 15:04:05.999999999 -0700 MST"),
                              out);
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
    *ret = *(const int64_t *)args[0].object.p;
    return true;
}

static struct template_value text_value(struct template_call *c, const char *text)
{
    return template_text(arena_str(c->arena, str_c(text)));
}

/* Numbers that a time has. */
static bool time_number(int64_t ms, struct str name, int64_t *ret)
{
    struct moment m = moment_of(ms);
    const struct {
        const char *name;
        int64_t value;
    } NUMBERS[] = {
        {"Unix", (ms - m.ms) / 1000},  {"UnixMilli", ms},
        {"UnixMicro", ms * 1000},      {"UnixNano", ms * MS},
        {"Year", m.tm.tm_year + 1900}, {"Day", m.tm.tm_mday},
        {"Hour", m.tm.tm_hour},        {"Minute", m.tm.tm_min},
        {"Second", m.tm.tm_sec},       {"Nanosecond", (int64_t)m.ms * MS},
        {"YearDay", m.tm.tm_yday + 1},
    };
    for (size_t i = 0; i < COUNTOF(NUMBERS); i++)
        if (str_eq(name, str_c(NUMBERS[i].name))) {
            *ret = NUMBERS[i].value;
            return true;
        }
    return false;
}

static int time_format(struct template_call *c, int64_t ms, const struct template_value *args,
                       size_t n, struct template_value *ret, struct why *why)
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
    rule_template_format_time(ms, args[0].text, &b);
    return rule_template_give(c, &b, ret, why);
}

/* Methods that take another time or a duration; -ERR_NOENT for none of them. */
static int time_with(struct template_call *c, int64_t ms, struct str name,
                     const struct template_value *args, size_t n, struct template_value *ret,
                     struct why *why)
{
    bool add = str_eq(name, STR("Add")), truncate = str_eq(name, STR("Truncate"));
    bool sub = str_eq(name, STR("Sub")), before = str_eq(name, STR("Before"));
    bool after = str_eq(name, STR("After")), equal = str_eq(name, STR("Equal"));
    int64_t other = 0;
    if (!add && !truncate && !sub && !before && !after && !equal)
        return -ERR_NOENT;
    bool wants_duration = add || truncate;
    if (!object_in(args, n,
                   wants_duration ? &rule_template_duration_object : &rule_template_time_object,
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
        *ret = rule_template_time(c, MIN(MAX(ms + other / MS, -TIME_MAX_MS), TIME_MAX_MS));
    else if (truncate)
        *ret = rule_template_time(c, other / MS > 0 ? ms - ms % (other / MS) : ms);
    else if (sub && __builtin_mul_overflow(ms - other, MS, &other))
        *ret = rule_template_duration(c, ms > 0 ? INT64_MAX : INT64_MIN);
    else if (sub)
        *ret = rule_template_duration(c, other);
    else
        *ret = template_bool(before ? ms < other : after ? ms > other : ms == other);
    return 0;
}

static int time_member(struct template_call *c, const void *p, struct str name,
                       const struct template_value *args, size_t n, struct template_value *ret,
                       struct why *why)
{
    int64_t ms = *(const int64_t *)p, number;
    struct moment m = moment_of(ms);
    if (str_eq(name, STR("Format")))
        return time_format(c, ms, args, n, ret, why);
    int err = time_with(c, ms, name, args, n, ret, why);
    if (err != -ERR_NOENT)
        return err;
    if (time_number(ms, name, &number))
        *ret = template_int(number);
    else if (str_eq(name, STR("Month")))
        *ret = text_value(c, MONTHS[m.tm.tm_mon]);
    else if (str_eq(name, STR("Weekday")))
        *ret = text_value(c, DAYS[m.tm.tm_wday]);
    else if (str_eq(name, STR("UTC")) || str_eq(name, STR("Local")))
        *ret = rule_template_time(c, ms);
    else if (str_eq(name, STR("IsZero")))
        *ret = template_bool(false);
    else if (str_eq(name, STR("String"))) {
        struct buf b;
        buf_init(&b, TEXT_MAX);
        print_time(&ms, &b);
        err = rule_template_give(c, &b, ret, why);
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
        int err = rule_template_give(c, &b, ret, why);
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

const struct template_object rule_template_time_object = {"*time.Time", time_member, print_time};
const struct template_object rule_template_duration_object = {"*time.Duration", duration_member,
                                                              print_duration};
