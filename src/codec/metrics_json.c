#include "codec/metrics_json.h"

#include <math.h>
#include <stdio.h>

#include "text/number.h"

static const double MS_FROM = 1e11;  /* as seconds the year 5138, as milliseconds 1973 */
static const double TIME_MAX = 9e15; /* ms */

void metrics_json_init(struct metrics_json_reader *r)
{
    memset(r, 0, sizeof *r);
    arena_init(&r->arena);
}

void metrics_json_done(struct metrics_json_reader *r)
{
    arena_done(&r->arena);
}

void metrics_json_begin(struct metrics_json_reader *r, struct str text, int64_t now_ms)
{
    json_reader_init(&r->json, text, &r->arena);
    r->now_ms = now_ms;
    r->begun = r->array = r->ended = false;
    r->item_n = 0;
}

/* ---- times */

/* n digits at *p as a number that is at most max; false for anything else. */
static bool digits(struct str s, size_t at, size_t n, int max, int *ret)
{
    uint64_t v;
    if (at + n > s.n || !str_u64(str_sub(s, at, at + n), &v) || v > (uint64_t)max)
        return false;
    *ret = (int)v;
    return true;
}

/* Days since 1970 of a date of the Gregorian calendar, counting years from March. */
static int64_t days_of(int year, int month, int day)
{
    int64_t y = year - (month <= 2), era = (y >= 0 ? y : y - 399) / 400, of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int month_days(int year, int month)
{
    static const int DAYS[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return month == 2 && leap ? 29 : DAYS[month - 1];
}

/* Behind the time: "Z" or "+01:00", as minutes. */
static bool zone(struct str s, int *ret_minutes)
{
    int hours, minutes;
    if (s.n == 1 && (s.p[0] == 'Z' || s.p[0] == 'z')) {
        *ret_minutes = 0;
        return true;
    }
    if (s.n != 6 || (s.p[0] != '+' && s.p[0] != '-') || s.p[3] != ':' ||
        !digits(s, 1, 2, 23, &hours) || !digits(s, 4, 2, 59, &minutes))
        return false;
    *ret_minutes = (hours * 60 + minutes) * (s.p[0] == '-' ? -1 : 1);
    return true;
}

bool metrics_json_time(struct str s, int64_t *ret_ms)
{
    int year, month, day, hour, minute, second, offset, ms = 0;
    if (s.n < 20 || s.p[4] != '-' || s.p[7] != '-' || s.p[13] != ':' || s.p[16] != ':' ||
        ((s.p[10] | 0x20) != 't' && s.p[10] != ' ') || !digits(s, 0, 4, 9999, &year) ||
        !digits(s, 5, 2, 12, &month) || !digits(s, 8, 2, 31, &day) ||
        !digits(s, 11, 2, 23, &hour) || !digits(s, 14, 2, 59, &minute) ||
        !digits(s, 17, 2, 60, &second))
        return false;
    if (month < 1 || day < 1 || day > month_days(year, month))
        return false;
    size_t at = 19;
    if (s.p[at] == '.') {
        int weight = 100;
        size_t from = ++at;
        for (; at < s.n && s.p[at] >= '0' && s.p[at] <= '9'; at++, weight /= 10)
            ms += (s.p[at] - '0') * weight;
        if (at == from)
            return false;
    }
    if (!zone(str_sub(s, at, s.n), &offset))
        return false;
    int64_t minutes = (days_of(year, month, day) * 24 + hour) * 60 + minute - offset;
    *ret_ms = (minutes * 60 + second) * 1000 + ms;
    return true;
}

/* ---- items */

struct item {
    bool has_name, has_value, has_time;
    double value;
    int64_t ts_ms;
    char reason[160]; /* empty while nothing is wrong */
};

static void wrong(struct item *it, const char *what, struct str detail)
{
    if (!it->reason[0])
        snprintf(it->reason, sizeof it->reason, "%s%.*s", what, (int)MIN(detail.n, (size_t)64),
                 detail.n ? detail.p : "");
}

static void add_label(struct metrics_json_reader *r, struct item *it, struct str name,
                      struct str value)
{
    if (r->labels_n == COUNTOF(r->labels))
        wrong(it, "too many tags", (struct str){0});
    else
        r->labels[r->labels_n++] = (struct label){name, value};
}

static void on_value(struct item *it, const struct json_event *e)
{
    it->has_value = true;
    if (e->type == JSON_NUMBER)
        it->value = e->number;
    else if (e->type != JSON_TEXT || number_parse(e->text, &it->value))
        wrong(it, "\"value\" is not a number", (struct str){0});
}

static void on_time(struct item *it, const struct json_event *e)
{
    if (e->type == JSON_NULL)
        return;
    it->has_time = true;
    if (e->type == JSON_NUMBER) {
        double ms = fabs(e->number) >= MS_FROM ? e->number : e->number * 1000;
        if (fabs(ms) > TIME_MAX)
            wrong(it, "\"timestamp\" is out of range", (struct str){0});
        else
            it->ts_ms = (int64_t)floor(ms + 0.5);
    } else if (e->type != JSON_TEXT || !metrics_json_time(e->text, &it->ts_ms)) {
        wrong(it, "\"timestamp\" is neither a number nor an RFC 3339 time", (struct str){0});
    }
}

static int on_tags(struct metrics_json_reader *r, struct item *it, const struct json_event *e,
                   struct why *why)
{
    struct json_event key, value;
    int got;
    if (e->type == JSON_NULL)
        return 0;
    if (e->type != JSON_OBJECT) {
        wrong(it, "\"tags\" is not an object", (struct str){0});
        return json_skip(&r->json, e, why);
    }
    while ((got = json_next(&r->json, &key, why)) > 0 && key.type == JSON_KEY) {
        got = json_next(&r->json, &value, why);
        if (got <= 0)
            return got;
        if (value.type == JSON_TEXT || value.type == JSON_NUMBER)
            add_label(r, it, key.text, value.text);
        else if (value.type == JSON_TRUE || value.type == JSON_FALSE)
            add_label(r, it, key.text, value.type == JSON_TRUE ? STR("true") : STR("false"));
        else if (value.type != JSON_NULL)
            wrong(it, "a tag is not a text: ", key.text);
        if (str_eq(key.text, LABEL_METRIC))
            wrong(it, "a tag cannot be called ", key.text);
        got = json_skip(&r->json, &value, why);
        if (got)
            return got;
    }
    return got < 0 ? got : 0;
}

static int member(struct metrics_json_reader *r, struct item *it, struct str key, struct why *why)
{
    struct json_event e;
    int got = json_next(&r->json, &e, why);
    if (got <= 0)
        return got;
    if (str_eq(key, STR("tags")) || str_eq(key, STR("labels")))
        return on_tags(r, it, &e, why);
    if (str_eq(key, STR("name"))) {
        if (it->has_name || e.type != JSON_TEXT || e.text.n == 0)
            wrong(it, "\"name\" is not one text", (struct str){0});
        else
            r->labels[0] = (struct label){LABEL_METRIC, e.text};
        it->has_name = true;
    } else if (str_eq(key, STR("value"))) {
        on_value(it, &e);
    } else if (str_eq(key, STR("timestamp"))) {
        on_time(it, &e);
    } else {
        wrong(it, "an unknown member: ", key);
    }
    return json_skip(&r->json, &e, why);
}

static void put_row(struct metrics_json_reader *r, const struct item *it, struct batch *b,
                    struct sides *s)
{
    struct buf key;
    struct why why;
    size_t i = b->n;
    const char *reason = it->reason[0] ? it->reason : NULL;
    if (!reason && !it->has_name)
        reason = "\"name\" is missing";
    if (!reason && !it->has_value)
        reason = "\"value\" is missing";
    buf_init(&key, LABELS_KEY_MAX);
    if (!reason && labels_encode(r->labels, r->labels_n, &key, &why))
        reason = why.text;
    if (reason) {
        s->bad[s->bad_n++] = (struct sides_bad){
            .at = r->item_n,
            .series = it->has_name ? arena_str(&r->arena, str_sub(r->labels[0].value, 0, 200))
                                   : (struct str){0},
            .reason = arena_printf(&r->arena, "%s", reason),
            .samples = 1,
        };
    } else {
        b->key[i] = arena_str(&r->arena, buf_str(&key));
        b->ts_ms[i] = it->has_time ? it->ts_ms : r->now_ms;
        b->value[i] = it->value;
        b->histogram[i] = NULL;
        b->start_ms[i] = 0;
        r->items[i] = r->item_n;
        b->n++;
    }
    buf_done(&key);
    r->item_n++;
}

/* An item, whose first event was e. */
static int item(struct metrics_json_reader *r, const struct json_event *e, struct batch *b,
                struct sides *s, struct why *why)
{
    struct item it = {0};
    struct json_event key;
    int got;
    r->labels[0] = (struct label){LABEL_METRIC, {0}};
    r->labels_n = 1;
    if (e->type != JSON_OBJECT) {
        wrong(&it, "the item is not an object", (struct str){0});
        got = json_skip(&r->json, e, why);
    } else {
        while ((got = json_next(&r->json, &key, why)) > 0 && key.type == JSON_KEY) {
            got = member(r, &it, key.text, why);
            if (got < 0)
                return got;
        }
    }
    if (got < 0)
        return got;
    put_row(r, &it, b, s);
    return 0;
}

int metrics_json_next(struct metrics_json_reader *r, struct batch *b, struct sides *s,
                      struct why *why)
{
    struct json_event e;
    int got;
    b->n = 0;
    sides_clear(s);
    arena_reset(&r->arena);
    if (!r->begun) {
        r->begun = true;
        got = json_next(&r->json, &e, why);
        if (got < 0)
            return got;
        if (e.type != JSON_OBJECT && e.type != JSON_ARRAY)
            return why_set(why, ERR_FORMAT, "expected an object or an array of objects");
        r->array = e.type == JSON_ARRAY;
        got = r->array ? 0 : item(r, &e, b, s, why);
        if (got < 0)
            return got;
    }
    while (!r->ended && b->n < BATCH_MAX && !sides_full(s)) {
        got = json_next(&r->json, &e, why);
        if (got < 0)
            return got;
        r->ended = got == 0;
        if (got > 0 && e.type != JSON_ARRAY_END) {
            got = item(r, &e, b, s, why);
            if (got < 0)
                return got;
        }
    }
    return b->n || !sides_empty(s);
}
