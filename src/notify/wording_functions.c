#include "notify/wording_inside.h"
#include "os/file.h"
#include "text/template_human.h"
#include "text/template_time.h"

#define ARGUMENTS TEMPLATE_WORDS_ARGUMENTS

enum { ZONE_STEPS = 100 /* that reading a time zone counts for */ };

static const char ZONES[] = "/usr/share/zoneinfo/";

/* ---- texts */

static int call_trim_space(ARGUMENTS)
{
    (void)c;
    (void)n;
    (void)why;
    *ret = template_text(str_trim(args[0].text));
    return 0;
}

static int call_join(ARGUMENTS)
{
    struct buf b;
    (void)n;
    buf_init(&b, TEMPLATE_TEXT_MAX);
    for (size_t i = 0; i < args[1].n; i++) {
        if (i > 0)
            buf_put_str(&b, args[0].text);
        template_print(&args[1].items[i], &b);
    }
    c->cost = args[1].n;
    return template_words_give(c, &b, ret, why);
}

static int call_safe_url(ARGUMENTS)
{
    (void)c;
    (void)n;
    (void)why;
    *ret = args[0];
    return 0;
}

static int call_url_unescape(ARGUMENTS)
{
    struct str s = args[0].text;
    struct buf b;
    (void)n;
    buf_init(&b, TEMPLATE_TEXT_MAX);
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] != '%') {
            buf_put_c(&b, s.p[i] == '+' ? ' ' : s.p[i]);
            continue;
        }
        if (i + 2 >= s.n || str_hex(s.p[i + 1]) < 0 || str_hex(s.p[i + 2]) < 0) {
            buf_done(&b);
            struct str bad = str_sub(s, i, i + 3);
            return why_set(why, ERR_FORMAT, "invalid URL escape \"" STR_FMT "\"", STR_ARG(bad));
        }
        buf_put_c(&b, (char)(str_hex(s.p[i + 1]) << 4 | str_hex(s.p[i + 2])));
        i += 2;
    }
    return template_words_give(c, &b, ret, why);
}

static int call_string_slice(ARGUMENTS)
{
    (void)why;
    *ret = template_list(args, n);
    ret->go = "[]string";
    (void)c;
    return 0;
}

static int call_list(ARGUMENTS)
{
    (void)c;
    (void)why;
    *ret = template_list(args, n);
    return 0;
}

static int call_append(ARGUMENTS)
{
    struct template_value *items = arena_array(c->arena, args[0].n + n - 1, sizeof *items);
    (void)why;
    if (args[0].n)
        memcpy(items, args[0].items, args[0].n * sizeof *items);
    memcpy(items + args[0].n, args + 1, (n - 1) * sizeof *items);
    *ret = template_list(items, args[0].n + n - 1);
    c->cost = ret->n;
    return 0;
}

static int call_dict(ARGUMENTS)
{
    struct template_pair *pairs = arena_array(c->arena, n / 2, sizeof *pairs);
    if (n % 2)
        return why_set(why, ERR_FORMAT, "dict: odd number of arguments");
    for (size_t i = 0; i < n / 2; i++) {
        if (args[2 * i].type != TEMPLATE_TEXT)
            return why_set(why, ERR_FORMAT, "dict: keys must be strings");
        pairs[i] = (struct template_pair){args[2 * i].text, args[2 * i + 1]};
    }
    *ret = template_map(pairs, n / 2);
    return 0;
}

static int call_to_json(ARGUMENTS)
{
    struct buf b;
    (void)n;
    buf_init(&b, TEMPLATE_TEXT_MAX);
    wording_data_json(&args[0], &b);
    return template_words_give(c, &b, ret, why);
}

/* ---- times */

/* NULL (and why) where v is none. */
static const struct template_time_value *time_in(const struct template_value *v, struct why *why)
{
    if (v->type == TEMPLATE_OBJECT && v->object.type == &template_time_object && v->object.p)
        return v->object.p;
    why_set(why, ERR_FORMAT, "wrong type for value; expected time.Time; got %s",
            template_type_text(v));
    return NULL;
}

static int call_date(ARGUMENTS)
{
    const struct template_time_value *t = time_in(&args[1], why);
    struct buf b;
    (void)n;
    if (!t)
        return -ERR_FORMAT;
    buf_init(&b, TEMPLATE_TEXT_MAX);
    template_time_format(t, args[0].text, &b);
    return template_words_give(c, &b, ret, why);
}

/* NULL in *ret: UTC. */
static int zone_named(struct str name, struct arena *a, const struct zone **ret, struct why *why)
{
    bool local = str_eq(name, STR("Local"));
    struct buf bytes;
    *ret = NULL;
    if (name.n == 0 || str_eq(name, STR("UTC")))
        return 0;
    if (!local && !zone_name_plain(name))
        return why_set(why, ERR_FORMAT, "time: invalid location name");
    const char *path =
        local ? "/etc/localtime" : arena_printf(a, "%s" STR_FMT, ZONES, STR_ARG(name)).p;
    buf_init(&bytes, ZONE_FILE_MAX);
    int err = file_read(path, &bytes, NULL);
    if (!err)
        err = zone_parse(buf_str(&bytes), a, ret, NULL);
    buf_done(&bytes);
    if (err && !local)
        return why_set(why, ERR_FORMAT, "unknown time zone " STR_FMT, STR_ARG(name));
    return 0;
}

static int call_tz(ARGUMENTS)
{
    const struct template_time_value *t = time_in(&args[1], why);
    const struct zone *zone = NULL;
    (void)n;
    c->cost = ZONE_STEPS;
    if (!t)
        return -ERR_FORMAT;
    int err = zone_named(args[0].text, c->arena, &zone, why);
    if (!err)
        *ret = template_time_in(c, t->ms, zone);
    return err;
}

static int call_since(ARGUMENTS)
{
    const struct wording_context *context = c->context;
    const struct template_time_value *t = time_in(&args[0], why);
    int64_t ns;
    (void)n;
    if (!t)
        return -ERR_FORMAT;
    if (__builtin_mul_overflow(context->now_ms - t->ms, 1000000, &ns))
        ns = context->now_ms > t->ms ? INT64_MAX : INT64_MIN;
    *ret = template_time_duration(c, ns);
    return 0;
}

static int call_now(ARGUMENTS)
{
    const struct wording_context *context = c->context;
    (void)args;
    (void)n;
    (void)why;
    *ret = template_time(c, context->now_ms);
    return 0;
}

static const struct template_function FUNCTIONS[] = {
    {"toUpper", "s", template_words_to_upper, NULL},
    {"toLower", "s", template_words_to_lower, NULL},
    {"title", "s", template_words_title, NULL},
    {"trimSpace", "s", call_trim_space, NULL},
    {"join", "sl", call_join, "[]string"},
    {"match", "ss", template_words_match, NULL},
    {"safeHtml", "s", template_words_safe_html, NULL},
    {"safeUrl", "s", call_safe_url, NULL},
    {"urlUnescape", "s", call_url_unescape, NULL},
    {"reReplaceAll", "sss", template_words_re_replace_all, NULL},
    {"stringSlice", "s.", call_string_slice, NULL},
    {"list", "a.", call_list, NULL},
    {"append", "la.", call_append, NULL},
    {"dict", "a.", call_dict, NULL},
    {"date", "so", call_date, "time.Time"},
    {"tz", "so", call_tz, "time.Time"},
    {"since", "o", call_since, "time.Time"},
    {"now", "", call_now, NULL},
    {"humanizeDuration", "a", template_human_duration, NULL},
    {"toJson", "a", call_to_json, NULL},
};

const struct template_functions wording_functions = {FUNCTIONS, COUNTOF(FUNCTIONS)};
