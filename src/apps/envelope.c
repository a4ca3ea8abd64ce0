#include "apps/envelope.h"

#include <string.h>

#include "text/json_tree.h"

enum { ID_DIGITS = 32 };

static const struct {
    const char *type, *category;
} CATEGORIES[] = {
    {"event", "error"},       {"transaction", "transaction"}, {"session", "session"},
    {"sessions", "session"},  {"attachment", "attachment"},   {"profile", "profile"},
    {"check_in", "monitor"},  {"client_report", "internal"},  {"log", "log_item"},
    {"user_report", "error"}, {"feedback", "feedback"},       {"span", "span"},
};

/* An id with or without dashes; "" for anything else. */
static struct str read_id(struct str text, struct arena *a)
{
    char *p = arena_raw(a, ID_DIGITS + 1);
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (c == '-')
            continue;
        if (str_hex(c) < 0 || n == ID_DIGITS)
            return STR("");
        p[n++] = (char)(c >= 'A' && c <= 'F' ? c | 0x20 : c);
    }
    p[n] = '\0';
    return n == ID_DIGITS ? str_of(p, n) : STR("");
}

/* 1763834276.5 or "2026-11-22T18:00:00.123Z". */
static int64_t read_time(const struct json_tree *v)
{
    int64_t part[6] = {0};
    double fraction = 0, unit = 0.1;
    if (v == NULL)
        return 0;
    if (v->type == JSON_NUMBER)
        return v->number > 0 && v->number < 1e11 ? (int64_t)(v->number * 1000) : 0;
    size_t i = 0, at = 0;
    for (; v->type == JSON_TEXT && at < v->text.n && i < COUNTOF(part); at++) {
        char c = v->text.p[at];
        if (c >= '0' && c <= '9' && part[i] < 100000)
            part[i] = part[i] * 10 + (c - '0');
        else if (++i == COUNTOF(part))
            break;
    }
    if (i < 5 || part[1] < 1 || part[1] > 12 || part[2] < 1 || part[2] > 31)
        return 0;
    for (at++; i == COUNTOF(part) && at <= v->text.n; at++, unit /= 10) {
        char c = at < v->text.n ? v->text.p[at] : '\0';
        if (c < '0' || c > '9')
            break;
        fraction += (c - '0') * unit;
    }
    /* Days of the civil calendar: March first, so that leap days come last. */
    int64_t year = part[0] - (part[1] <= 2), month = (part[1] + 9) % 12;
    int64_t days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 +
                   part[2] - 1 - 719468;
    return ((days * 24 + part[3]) * 60 + part[4]) * 60000 + part[5] * 1000 +
           (int64_t)(fraction * 1000);
}

static struct str cut(struct str s)
{
    size_t n = MIN(s.n, (size_t)ENVELOPE_TEXT_MAX);
    while (n < s.n && n > 0 && ((unsigned char)s.p[n] & 0xc0) == 0x80)
        n--;
    return str_sub(s, 0, n);
}

static struct str first_of(struct str a, struct str b)
{
    return a.n > 0 ? a : b;
}

/* The exception that was thrown last, or NULL; its members at "exception.values" or "exception". */
static const struct json_tree *exception_of(const struct json_tree *event)
{
    const struct json_tree *all = json_tree_get(event, "exception");
    const struct json_tree *values = json_tree_get(all, "values");
    values = values ? values : all;
    return json_tree_n(values) > 0 && values->type == JSON_ARRAY ? &values->children[values->n - 1]
                                                                 : NULL;
}

/* The stack of the exception, of the thread that crashed, or of the event. */
static const struct json_tree *stack_of(const struct json_tree *event)
{
    const struct json_tree *frames = json_tree_path(exception_of(event), "stacktrace.frames");
    const struct json_tree *threads = json_tree_path(event, "threads.values");
    for (size_t i = 0; frames == NULL && i < json_tree_n(threads); i++)
        if (json_tree_true(&threads->children[i], "crashed") ||
            json_tree_true(&threads->children[i], "current"))
            frames = json_tree_path(&threads->children[i], "stacktrace.frames");
    return frames ? frames : json_tree_path(event, "stacktrace.frames");
}

static void read_frames(const struct json_tree *event, struct arena *a, struct envelope *ret)
{
    const struct json_tree *frames = stack_of(event);
    size_t n = json_tree_n(frames);
    ret->frames = arena_array(a, ENVELOPE_FRAMES_MAX, sizeof *ret->frames);
    for (size_t i = n; i > 0; i--) {
        const struct json_tree *f = &frames->children[i - 1];
        struct str function = json_tree_text(f, "function");
        struct str address = json_tree_text(f, "instruction_addr");
        ret->addresses = ret->addresses || (function.n == 0 && address.n > 0);
        if (ret->frames_n == ENVELOPE_FRAMES_MAX)
            continue;
        ret->frames[ret->frames_n++] = (struct envelope_frame){
            .function = cut(first_of(function, address)),
            .file = cut(first_of(json_tree_text(f, "filename"), json_tree_text(f, "abs_path"))),
            .module = cut(first_of(json_tree_text(f, "module"), json_tree_text(f, "package"))),
            .line = json_tree_whole(f, "lineno")};
    }
}

static struct str title_of(const struct json_tree *event, struct arena *a)
{
    const struct json_tree *e = exception_of(event);
    struct str type = json_tree_text(e, "type"), value = json_tree_text(e, "value");
    if (type.n > 0 && value.n > 0)
        return cut(arena_printf(a, STR_FMT ": " STR_FMT, STR_ARG(cut(type)), STR_ARG(cut(value))));
    if (type.n + value.n > 0)
        return cut(first_of(type, value));
    struct str message = first_of(json_tree_text(event, "logentry.formatted"),
                                  json_tree_text(event, "logentry.message"));
    message = first_of(message, json_tree_text(event, "message"));
    message = first_of(message, json_tree_text(event, "message.formatted"));
    return cut(first_of(message, STR("an error without a message")));
}

static void read_event(const struct json_tree *event, struct arena *a, struct envelope *ret)
{
    const struct json_tree *mechanism = json_tree_get(exception_of(event), "mechanism");
    const struct json_tree *handled = json_tree_get(mechanism, "handled");
    ret->event = true;
    ret->event_id = first_of(ret->event_id, read_id(json_tree_text(event, "event_id"), a));
    ret->time_ms = read_time(json_tree_get(event, "timestamp"));
    ret->title = title_of(event, a);
    ret->level = first_of(json_tree_text(event, "level"), STR("error"));
    ret->release = cut(json_tree_text(event, "release"));
    ret->environment = cut(json_tree_text(event, "environment"));
    ret->platform = cut(json_tree_text(event, "platform"));
    ret->service = cut(json_tree_text(event, "tags.service"));
    ret->transaction = cut(json_tree_text(event, "transaction"));
    ret->trace_id = cut(json_tree_text(event, "contexts.trace.trace_id"));
    ret->outcome = cut(json_tree_text(event, "tags.outcome"));
    ret->signal = cut(json_tree_text(mechanism, "meta.signal.name"));
    ret->unhandled = handled != NULL && handled->type == JSON_FALSE;
    read_frames(event, a, ret);
}

/* The next line of *rest, without its end. */
static struct str line_of(struct str *rest)
{
    size_t end = str_find(*rest, '\n');
    struct str line = str_sub(*rest, 0, end);
    *rest = str_sub(*rest, MIN(end + 1, rest->n), rest->n);
    return line;
}

static int parse_line(struct str line, const char *what, struct arena *a,
                      const struct json_tree **ret, struct why *why)
{
    int err = json_tree_parse(line, a, ret, why);
    if (err == 0 && (*ret)->type != JSON_OBJECT)
        err = why_set(why, ERR_FORMAT, "it is no JSON object");
    if (err)
        why_prefix(why, "%s of the envelope", what);
    return err;
}

static int read_item(struct str *rest, struct arena *a, struct envelope *ret, struct why *why)
{
    const struct json_tree *header, *event;
    int err = parse_line(line_of(rest), "the header of an item", a, &header, why);
    if (err)
        return err;
    struct str type = json_tree_text(header, "type"), payload;
    const struct json_tree *length = json_tree_get(header, "length");
    if (length != NULL && length->type == JSON_NUMBER) {
        int64_t n = json_tree_whole(header, "length");
        if (n < 0 || (uint64_t)n > rest->n)
            return why_set(why, ERR_FORMAT, "an item of the envelope is longer than what is there");
        payload = str_sub(*rest, 0, (size_t)n);
        *rest = str_sub(*rest, (size_t)n, rest->n);
        if (rest->n > 0 && rest->p[0] == '\n')
            *rest = str_sub(*rest, 1, rest->n);
    } else {
        payload = line_of(rest);
    }
    for (size_t i = 0; i < COUNTOF(CATEGORIES) && ret->category.n == 0; i++)
        if (str_eq(type, str_c(CATEGORIES[i].type)))
            ret->category = str_c(CATEGORIES[i].category);
    if (!str_eq(type, STR("event")) || ret->event)
        return 0;
    err = parse_line(payload, "the event", a, &event, why);
    if (err)
        return err;
    ret->category = STR("error");
    read_event(event, a, ret);
    return 0;
}

int envelope_read(struct str bytes, struct arena *a, struct envelope *ret, struct why *why)
{
    struct envelope e = {0};
    const struct json_tree *header;
    struct str rest = bytes;
    int err = parse_line(line_of(&rest), "the header", a, &header, why);
    if (err)
        return err;
    e.event_id = read_id(json_tree_text(header, "event_id"), a);
    for (size_t i = 0; err == 0 && rest.n > 0; i++) {
        if (i == ENVELOPE_ITEMS_MAX)
            return why_set(why, ERR_LIMIT, "the envelope has more than %d items",
                           ENVELOPE_ITEMS_MAX);
        if (rest.p[0] == '\n')
            rest = str_sub(rest, 1, rest.n); /* an empty line between items is fine */
        else
            err = read_item(&rest, a, &e, why);
    }
    if (err)
        return err;
    e.category = first_of(e.category, STR("default"));
    *ret = e;
    return 0;
}
