#include "cli/query_answer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/vec.h"
#include "text/number.h"

struct point_list {
    struct query_point *v;
    size_t n, capacity;
};

struct series_list {
    struct query_series *v;
    size_t n, capacity;
};

struct text_list {
    struct str *v;
    size_t n, capacity;
};

struct reading {
    struct json_reader reader;
    struct json_event e;
    struct arena *arena;
    struct query_answer *answer;
    struct series_list series;
    struct point_list points; /* of the series that is being read */
    struct why *why;
    int err;
};

static bool next(struct reading *r)
{
    if (r->err)
        return false;
    int more = json_next(&r->reader, &r->e, r->why);
    if (more < 0)
        r->err = more;
    return more > 0;
}

static bool fail(struct reading *r, const char *text)
{
    if (!r->err)
        r->err = why_set(r->why, ERR_FORMAT, "%s", text);
    return false;
}

static bool expect(struct reading *r, enum json_type type)
{
    return next(r) && (r->e.type == type || fail(r, "a value of another type was expected"));
}

/* Into an array of the arena's. */
static void *keep(struct arena *a, const void *v, size_t n, size_t size)
{
    void *copy = arena_array(a, n + 1, size);
    if (n)
        memcpy(copy, v, n * size);
    return copy;
}

struct str query_answer_raw(struct json_reader *r)
{
    const char *from = r->p - 1; /* behind its bracket */
    size_t depth = 1;
    bool quoted = false;
    for (const char *p = r->p; p < r->end; p++) {
        if (quoted && *p == '\\') {
            p++;
        } else if (*p == '"') {
            quoted = !quoted;
        } else if (!quoted && (*p == '{' || *p == '[')) {
            depth++;
        } else if (!quoted && (*p == '}' || *p == ']') && --depth == 0) {
            struct json_event e;
            r->p = p; /* as if it were empty */
            return json_next(r, &e, NULL) > 0 ? str_of(from, (size_t)(r->p - from)) : STR("");
        }
    }
    return STR("");
}

/* The same, and a failure where it does not end. */
static struct str raw(struct reading *r)
{
    struct str text = query_answer_raw(&r->reader);
    if (text.n == 0)
        fail(r, "the answer ends early");
    return text;
}

/* [1.5,"2"]: the opening bracket has been read. */
static bool read_point(struct reading *r)
{
    struct query_point p = {.value = (double)NAN};
    if (!expect(r, JSON_NUMBER))
        return false;
    p.ts_ms = (int64_t)llround(r->e.number * 1000);
    if (!next(r))
        return false;
    if (r->e.type == JSON_TEXT) {
        p.text = r->e.text;
        if (number_parse(p.text, &p.value))
            p.value = (double)NAN; /* a text */
    } else if (r->e.type == JSON_OBJECT) {
        p.histogram = true;
        p.text = raw(r);
    } else {
        return fail(r, "a point has no value");
    }
    vec_push(&r->points, p);
    return expect(r, JSON_ARRAY_END);
}

static bool read_points(struct reading *r)
{
    while (next(r) && r->e.type == JSON_ARRAY)
        if (!read_point(r))
            return false;
    return !r->err;
}

static int by_name(const void *a, const void *b)
{
    const struct str *x = &((const struct query_label *)a)->name;
    const struct str *y = &((const struct query_label *)b)->name;
    bool metric_x = str_eq(*x, STR("__name__")), metric_y = str_eq(*y, STR("__name__"));
    return metric_x != metric_y ? (metric_x ? -1 : 1) : str_cmp(*x, *y);
}

static bool read_metric(struct reading *r, struct query_series *s)
{
    struct {
        struct query_label *v;
        size_t n, capacity;
    } labels = {0};
    struct query_label l = {0};
    while (next(r) && r->e.type != JSON_OBJECT_END) {
        if (r->e.type == JSON_KEY) {
            l.name = r->e.text;
        } else {
            l.value = r->e.text;
            vec_push(&labels, l);
        }
    }
    s->labels = keep(r->arena, labels.v, labels.n, sizeof l);
    s->labels_n = labels.n;
    vec_free(&labels);
    qsort(s->labels, s->labels_n, sizeof l, by_name);
    return !r->err;
}

static int by_time(const void *a, const void *b)
{
    int64_t x = ((const struct query_point *)a)->ts_ms, y = ((const struct query_point *)b)->ts_ms;
    return (x > y) - (x < y);
}

/* Its points are in r->points. */
static void add_series(struct reading *r, struct query_series *s)
{
    s->points = keep(r->arena, r->points.v, r->points.n, sizeof *r->points.v);
    s->n = r->points.n;
    r->points.n = 0;
    qsort(s->points, s->n, sizeof *s->points, by_time); /* floats and histograms came apart */
    vec_push(&r->series, *s);
}

static bool read_series(struct reading *r)
{
    struct query_series s = {0};
    struct str key = STR("");
    while (next(r) && r->e.type != JSON_OBJECT_END) {
        bool good = true;
        if (r->e.type == JSON_KEY)
            key = r->e.text;
        else if (r->e.type == JSON_OBJECT && str_eq(key, STR("metric")))
            good = read_metric(r, &s);
        else if (r->e.type == JSON_ARRAY &&
                 (str_eq(key, STR("value")) || str_eq(key, STR("histogram"))))
            good = read_point(r);
        else if (r->e.type == JSON_ARRAY)
            good = read_points(r);
        else
            good = json_skip(&r->reader, &r->e, r->why) == 0;
        if (!good)
            return fail(r, "a series is malformed");
    }
    if (!r->err)
        add_series(r, &s);
    return !r->err;
}

/* A scalar or a text is [1.5,"2"], the rest an array of series. */
static bool read_result(struct reading *r)
{
    if (r->answer->single) {
        struct query_series s = {0};
        if (!read_point(r))
            return false;
        add_series(r, &s);
        return true;
    }
    while (next(r) && r->e.type == JSON_OBJECT)
        if (!read_series(r))
            return false;
    return !r->err;
}

static bool read_data(struct reading *r)
{
    struct str key = STR("");
    while (next(r) && r->e.type != JSON_OBJECT_END) {
        if (r->e.type == JSON_KEY) {
            key = r->e.text;
        } else if (str_eq(key, STR("resultType"))) {
            r->answer->range = str_eq(r->e.text, STR("matrix"));
            r->answer->single =
                str_eq(r->e.text, STR("scalar")) || str_eq(r->e.text, STR("string"));
        } else if (str_eq(key, STR("result")) && r->e.type == JSON_ARRAY) {
            if (!read_result(r))
                return false;
        } else if (r->e.type == JSON_OBJECT || r->e.type == JSON_ARRAY) {
            struct str value = raw(r);
            if (str_eq(key, STR("stats")))
                r->answer->stats = value;
            else if (str_eq(key, STR("explain")))
                r->answer->explain = value;
        }
    }
    return !r->err;
}

static void read_texts(struct reading *r, struct str **ret, size_t *ret_n)
{
    struct text_list list = {0};
    while (next(r) && r->e.type == JSON_TEXT)
        vec_push(&list, r->e.text);
    *ret = keep(r->arena, list.v, list.n, sizeof *list.v);
    *ret_n = list.n;
    vec_free(&list);
}

static void read_envelope(struct reading *r)
{
    struct query_answer *answer = r->answer;
    struct str key = STR("");
    bool any = false;
    if (!expect(r, JSON_OBJECT))
        return;
    while (next(r) && r->e.type != JSON_OBJECT_END) {
        if (r->e.type == JSON_KEY)
            key = r->e.text;
        else if (str_eq(key, STR("status")))
            any = true;
        else if (str_eq(key, STR("error")) && r->e.type == JSON_TEXT)
            answer->error = r->e.text;
        else if (str_eq(key, STR("data")) && r->e.type == JSON_OBJECT)
            read_data(r);
        else if (str_eq(key, STR("warnings")) && r->e.type == JSON_ARRAY)
            read_texts(r, &answer->warnings, &answer->warnings_n);
        else if (str_eq(key, STR("infos")) && r->e.type == JSON_ARRAY)
            read_texts(r, &answer->infos, &answer->infos_n);
        else if (json_skip(&r->reader, &r->e, r->why))
            fail(r, "the answer ends early");
    }
    if (!any)
        fail(r, "it has no status");
}

int query_answer_read(struct str body, struct arena *a, struct query_answer *ret, struct why *why)
{
    struct why inner = {0};
    struct query_answer answer = {0};
    struct reading r = {.arena = a, .answer = &answer, .why = &inner};
    json_reader_init(&r.reader, body, a);
    read_envelope(&r);
    answer.series = keep(a, r.series.v, r.series.n, sizeof *r.series.v);
    answer.n = r.series.n;
    vec_free(&r.series);
    vec_free(&r.points);
    if (r.err)
        return why_set(why, ERR_FORMAT, "this is no answer of the query API: %s", inner.text);
    *ret = answer;
    return 0;
}

/* ---- what all ways of printing share */

static bool is_plain(struct str s, bool metric)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && !(metric && c == ':') && !(i > 0 && c >= '0' && c <= '9'))
            return false;
    }
    return s.n > 0;
}

void query_answer_visible(struct str s, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == '\n')
            buf_put_str(out, STR("\\n"));
        else if (c < ' ' || c == 0x7f)
            buf_printf(out, "\\x%02x", c);
        else
            buf_put_c(out, (char)c);
    }
}

size_t query_answer_width(struct str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    return n;
}

static void put_quoted(struct str s, struct buf *out)
{
    buf_put_c(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"' || s.p[i] == '\\')
            buf_put_c(out, '\\');
        query_answer_visible(str_sub(s, i, i + 1), out);
    }
    buf_put_c(out, '"');
}

static bool has(const struct query_series *s, const struct query_label *l)
{
    for (size_t i = 0; i < s->labels_n; i++)
        if (str_eq(s->labels[i].name, l->name))
            return str_eq(s->labels[i].value, l->value);
    return false;
}

struct query_series query_answer_shared(const struct query_answer *answer, size_t n,
                                        struct arena *a)
{
    struct query_series shared = {0};
    const struct query_series *first = answer->series;
    if (n < 2)
        return shared;
    shared.labels = arena_array(a, first->labels_n + 1, sizeof *shared.labels);
    for (size_t i = 0; i < first->labels_n; i++) {
        bool all = true;
        for (size_t k = 1; k < n && all; k++)
            all = has(&answer->series[k], &first->labels[i]);
        if (all)
            shared.labels[shared.labels_n++] = first->labels[i];
    }
    return shared;
}

void query_answer_labels_but(const struct query_series *s, const struct query_series *shared,
                             struct buf *out)
{
    bool any = false, named = false;
    for (size_t i = 0; i < s->labels_n; i++) {
        const struct query_label *l = &s->labels[i];
        if (has(shared, l))
            continue;
        if (str_eq(l->name, STR("__name__")) && is_plain(l->value, true)) {
            buf_put_str(out, l->value);
            named = true;
            continue;
        }
        buf_put_str(out, any ? STR(", ") : STR("{"));
        any = true;
        if (is_plain(l->name, false))
            buf_put_str(out, l->name);
        else
            put_quoted(l->name, out);
        buf_put_c(out, '=');
        put_quoted(l->value, out);
    }
    if (any || !named)
        buf_put_str(out, any ? STR("}") : STR("{}"));
}

void query_answer_labels(const struct query_series *s, struct buf *out)
{
    const struct query_series nothing = {0};
    query_answer_labels_but(s, &nothing, out);
}

size_t query_answer_time(int64_t ts_ms, char out[QUERY_ANSWER_TIME_MAX])
{
    struct tm tm;
    int64_t ms = ts_ms % 1000;
    ms += ms < 0 ? 1000 : 0;
    time_t seconds = (time_t)((ts_ms - ms) / 1000);
    if (gmtime_r(&seconds, &tm) == NULL)
        return (size_t)snprintf(out, QUERY_ANSWER_TIME_MAX, "%lld.%03d", (long long)seconds,
                                (int)ms);
    size_t n = strftime(out, QUERY_ANSWER_TIME_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
    if (ms)
        n += (size_t)snprintf(out + n, QUERY_ANSWER_TIME_MAX - n, ".%03d", (int)ms);
    out[n++] = 'Z';
    return n;
}

void query_answer_names(const struct query_answer *answer, struct arena *a, struct str **ret,
                        size_t *ret_n)
{
    struct {
        struct query_label *v;
        size_t n, capacity;
    } all = {0};
    size_t n = 0;
    for (size_t i = 0; i < answer->n; i++)
        for (size_t k = 0; k < answer->series[i].labels_n; k++)
            vec_push(&all, answer->series[i].labels[k]);
    if (all.n)
        qsort(all.v, all.n, sizeof *all.v, by_name);
    *ret = arena_array(a, all.n + 1, sizeof **ret);
    for (size_t i = 0; i < all.n; i++)
        if (i == 0 || !str_eq(all.v[i].name, all.v[i - 1].name))
            (*ret)[n++] = all.v[i].name;
    *ret_n = n;
    vec_free(&all);
}

struct str query_answer_value(const struct query_series *s, struct str name)
{
    for (size_t i = 0; i < s->labels_n; i++)
        if (str_eq(s->labels[i].name, name))
            return s->labels[i].value;
    return STR("");
}
