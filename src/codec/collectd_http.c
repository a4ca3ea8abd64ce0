#include "codec/collectd_http.h"

#include <math.h>
#include <stdlib.h>

#include "text/number.h"

static const char *const COUNTERS[] = {
#define COUNTER(name) name,
#include "codec/collectd_counters.tbl.h"
#undef COUNTER
};

static const double TIME_MAX_S = 9e12; /* milliseconds of it fit int64_t */

void collectd_http_init(struct collectd_http_reader *r)
{
    memset(r, 0, sizeof *r);
    arena_init(&r->items);
    arena_init(&r->arena);
    buf_init(&r->name, LABELS_KEY_MAX);
    buf_init(&r->key, LABELS_KEY_MAX);
}

void collectd_http_done(struct collectd_http_reader *r)
{
    arena_done(&r->items);
    arena_done(&r->arena);
    buf_done(&r->name);
    buf_done(&r->key);
}

void collectd_http_begin(struct collectd_http_reader *r, struct str text,
                         const struct collectd_types *types, int64_t now_ms)
{
    text = str_trim(text);
    r->types = types;
    r->json = text.n > 0 && (text.p[0] == '[' || text.p[0] == '{');
    r->begun = r->ended = false;
    r->rest = text;
    r->now_ms = now_ms;
    r->item_n = r->n = r->at = 0;
    r->err = 0;
    if (r->json)
        json_reader_init(&r->reader, text, &r->items);
}

/* ---- items into rows */

/* What every item has to say. NULL, or what is wrong. */
static const char *check_item(const struct collectd_http_reader *r)
{
    if (r->id.host.n == 0 || r->id.plugin.n == 0 || r->id.type.n == 0)
        return "host, plugin or type is missing";
    return r->n == 0 ? "there are no values" : NULL;
}

/* The next value of the item as a row, unless it is not known. */
static void put_value(struct collectd_http_reader *r, struct batch *b)
{
    size_t i = r->at++;
    if (isnan(r->v[i].value))
        return;
    buf_clear(&r->name);
    buf_clear(&r->key);
    collectd_name(&r->id, r->v[i].name, r->v[i].kind, &r->name);
    collectd_key(&r->id, buf_str(&r->name), &r->key);
    b->key[b->n] = arena_str(&r->arena, buf_str(&r->key));
    b->ts_ms[b->n] = r->id.ts_ms;
    b->value[b->n] = r->v[i].value;
    b->histogram[b->n] = NULL;
    b->start_ms[b->n] = 0;
    b->n++;
}

static void refuse(struct collectd_http_reader *r, struct sides *s, const char *wrong)
{
    s->bad[s->bad_n++] = (struct sides_bad){
        .at = r->item_n,
        .series = arena_printf(&r->arena, STR_FMT "/" STR_FMT "/" STR_FMT, STR_ARG(r->id.host),
                               STR_ARG(r->id.plugin), STR_ARG(r->id.type)),
        .reason =
            arena_printf(&r->arena, "%s %zu: %s", r->json ? "item" : "line", r->item_n, wrong),
        .samples = MAX(r->n, (size_t)1),
    };
    r->n = r->at = 0;
}

static void set_time(struct collectd_http_reader *r, double time_s)
{
    /* A time in nanoseconds or none at all is no time of this protocol: it is now. */
    r->id.ts_ms = time_s > 0 && time_s < TIME_MAX_S ? (int64_t)llround(time_s * 1000) : r->now_ms;
}

/* ---- JSON */

static enum collectd_kind kind_of(struct str text)
{
    if (str_eq(text, STR("derive")))
        return COLLECTD_DERIVE;
    if (str_eq(text, STR("counter")))
        return COLLECTD_COUNTER;
    return str_eq(text, STR("absolute")) ? COLLECTD_ABSOLUTE : COLLECTD_GAUGE;
}

/* What a list of an item is of. */
enum list { LIST_VALUES, LIST_KINDS, LIST_NAMES };

static int read_list(struct collectd_http_reader *r, enum list list, size_t *ret_n, struct why *why)
{
    struct json_event e;
    size_t n = 0;
    int got = json_next(&r->reader, &e, why);
    if (got < 0 || e.type != JSON_ARRAY)
        return got < 0 ? got : json_skip(&r->reader, &e, why);
    while ((got = json_next(&r->reader, &e, why)) > 0 && e.type != JSON_ARRAY_END) {
        if (n == COLLECTD_HTTP_VALUES_MAX)
            return why_set(why, ERR_LIMIT, "an item has more than %d values",
                           COLLECTD_HTTP_VALUES_MAX);
        if (e.type == JSON_ARRAY || e.type == JSON_OBJECT)
            return why_set(why, ERR_FORMAT, "a value of item %zu is none", r->item_n);
        if (list == LIST_VALUES)
            r->v[n++].value = e.type == JSON_NUMBER ? e.number : NAN; /* null: not known */
        else if (list == LIST_KINDS)
            r->v[n++].kind = kind_of(e.text);
        else
            r->v[n++].name = arena_str(&r->items, e.text);
    }
    *ret_n = n;
    return got < 0 ? got : 0;
}

struct counts {
    size_t values, kinds, names;
    double time_s;
    bool notification;
};

/* One member of an item, whose key is before. */
static int read_member(struct collectd_http_reader *r, struct str key, struct counts *n,
                       struct why *why)
{
    const struct {
        struct str key;
        struct str *to;
    } TEXTS[] = {
        {STR("host"), &r->id.host},
        {STR("plugin"), &r->id.plugin},
        {STR("plugin_instance"), &r->id.plugin_instance},
        {STR("type"), &r->id.type},
        {STR("type_instance"), &r->id.type_instance},
    };
    struct json_event e;
    if (str_eq(key, STR("values")))
        return read_list(r, LIST_VALUES, &n->values, why);
    if (str_eq(key, STR("dstypes")))
        return read_list(r, LIST_KINDS, &n->kinds, why);
    if (str_eq(key, STR("dsnames")))
        return read_list(r, LIST_NAMES, &n->names, why);
    int got = json_next(&r->reader, &e, why);
    if (got < 0)
        return got;
    for (size_t i = 0; i < COUNTOF(TEXTS); i++)
        if (str_eq(key, TEXTS[i].key) && e.type == JSON_TEXT)
            *TEXTS[i].to = arena_str(&r->items, e.text);
    if (str_eq(key, STR("time")) && e.type == JSON_NUMBER)
        n->time_s = e.number;
    n->notification = n->notification || str_eq(key, STR("severity")) ||
                      str_eq(key, STR("message")) || str_eq(key, STR("annotations"));
    return json_skip(&r->reader, &e, why);
}

static int read_object(struct collectd_http_reader *r, struct sides *s, struct why *why)
{
    struct counts n = {0};
    struct json_event e;
    int err = 0, got;
    r->id = (struct collectd_identity){0};
    memset(r->v, 0, sizeof r->v);
    r->item_n++;
    while ((got = json_next(&r->reader, &e, why)) > 0 && e.type == JSON_KEY && err == 0)
        err = read_member(r, e.text, &n, why);
    if (err != 0 || got < 0)
        return err != 0 ? err : got;
    r->n = n.values;
    set_time(r, n.time_s);
    const char *wrong = check_item(r);
    if (wrong == NULL && (n.kinds != n.values || n.names != n.values))
        wrong = "values, dstypes and dsnames are not as many";
    if (wrong != NULL && n.notification && n.values == 0)
        r->n = 0; /* a message, which is no sample */
    else if (wrong != NULL)
        refuse(r, s, wrong);
    return 0;
}

/* 1 where there was an item (perhaps a bad one), 0 at the end. */
static int read_json(struct collectd_http_reader *r, struct sides *s, struct why *why)
{
    struct json_event e;
    int got = json_next(&r->reader, &e, why);
    if (got > 0 && e.type == JSON_ARRAY && !r->begun) {
        r->begun = true;
        got = json_next(&r->reader, &e, why);
    }
    if (got > 0 && e.type == JSON_ARRAY_END)
        got = json_next(&r->reader, &e, why);
    if (got <= 0)
        return got;
    if (e.type != JSON_OBJECT)
        return why_set(why, ERR_FORMAT, "item %zu is no object", r->item_n + 1);
    int err = read_object(r, s, why);
    return err != 0 ? err : 1;
}

/* ---- commands */

static int compare_names(const void *key, const void *name)
{
    return str_cmp(*(const struct str *)key, str_c(*(const char *const *)name));
}

static enum collectd_kind kind_of_type(struct str type)
{
    return bsearch(&type, COUNTERS, COUNTOF(COUNTERS), sizeof *COUNTERS, compare_names)
               ? COLLECTD_DERIVE
               : COLLECTD_GAUGE;
}

/* The next word, which may be in quotes with escapes; false at the end. */
static bool next_word(struct collectd_http_reader *r, struct str *line, struct str *ret)
{
    *line = str_trim(*line);
    if (line->n == 0 || line->p[0] != '"')
        return str_word(line, ret);
    char *p = arena_new(&r->items, line->n);
    size_t n = 0, i = 1;
    for (; i < line->n && line->p[i] != '"'; i++) {
        if (line->p[i] == '\\' && i + 1 < line->n)
            i++;
        p[n++] = line->p[i];
    }
    *ret = str_of(p, n);
    *line = str_sub(*line, i + 1, line->n);
    return true;
}

/* "cpu-0" into plugin and instance. */
static void split_instance(struct str part, struct str *ret, struct str *ret_instance)
{
    size_t at = str_find(part, '-');
    *ret = str_sub(part, 0, at);
    *ret_instance = str_sub(part, at + 1, part.n);
}

static const char *read_values(struct collectd_http_reader *r, struct str text)
{
    struct str part;
    double time_s = -1;
    if (!str_split(&text, ':', &part) ||
        (!str_eq(part, STR("N")) && number_parse(part, &time_s) != 0))
        return "the time is not a number of seconds";
    set_time(r, time_s);
    while (str_split(&text, ':', &part)) {
        if (r->n == COLLECTD_HTTP_VALUES_MAX)
            return "too many values";
        r->v[r->n].value = NAN;
        if (!str_eq(part, STR("U")) && number_parse(part, &r->v[r->n].value) != 0)
            return "a value is not a number";
        r->n++;
    }
    return NULL;
}

static const char *read_command(struct collectd_http_reader *r, struct str line)
{
    struct str word, part;
    if (!next_word(r, &line, &word) || !str_eq(word, STR("PUTVAL")))
        return "a line is PUTVAL IDENTIFIER interval=SECONDS TIME:VALUES";
    if (!next_word(r, &line, &word) || !str_split(&word, '/', &r->id.host) ||
        !str_split(&word, '/', &part))
        return "the identifier is not HOST/PLUGIN/TYPE";
    split_instance(part, &r->id.plugin, &r->id.plugin_instance);
    if (!str_split(&word, '/', &part))
        return "the identifier is not HOST/PLUGIN/TYPE";
    split_instance(part, &r->id.type, &r->id.type_instance);
    bool options = true;
    while (options && next_word(r, &line, &word))
        options = str_find(word, '=') < word.n;
    if (options)
        return "there are no values";
    const char *wrong = read_values(r, word);
    if (wrong != NULL)
        return wrong;
    if (next_word(r, &line, &word))
        return "there is something behind the values";
    for (size_t i = 0; i < r->n; i++) {
        char number[24];
        r->v[i].kind = kind_of_type(r->id.type);
        r->v[i].name =
            arena_str(&r->items, collectd_types_value(r->types, r->id.type, i, r->n, number));
    }
    return check_item(r);
}

static int read_line(struct collectd_http_reader *r, struct sides *s)
{
    struct str line;
    if (!str_split(&r->rest, '\n', &line))
        return 0;
    r->item_n++;
    line = str_trim(line);
    r->id = (struct collectd_identity){0};
    r->n = 0;
    const char *wrong = line.n ? read_command(r, line) : NULL;
    if (wrong != NULL)
        refuse(r, s, wrong);
    return 1;
}

int collectd_http_next(struct collectd_http_reader *r, struct batch *b, struct sides *s,
                       struct why *why)
{
    arena_reset(&r->arena);
    b->n = 0;
    sides_clear(s);
    while (!r->ended && b->n < BATCH_MAX && !sides_full(s)) {
        if (r->at < r->n) {
            put_value(r, b);
            continue;
        }
        arena_reset(&r->items);
        r->n = r->at = 0;
        int got = r->json ? read_json(r, s, &r->why) : read_line(r, s);
        r->ended = got <= 0;
        r->err = MIN(got, 0);
    }
    if (b->n || !sides_empty(s))
        return 1;
    if (r->err != 0 && why != NULL)
        *why = r->why;
    return r->err;
}
