#include "codec/exposition_write.h"

#include <strings.h>

#include "text/number.h"

void exposition_write_init(struct exposition_writer *w, struct buf *out,
                           enum exposition_format format, enum name_escape escape)
{
    *w = (struct exposition_writer){out, format, escape};
}

static void put_escaped(struct buf *out, struct str s, bool quotes)
{
    size_t from = 0;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c != '\\' && c != '\n' && !(quotes && c == '"'))
            continue;
        buf_put(out, s.p + from, i - from);
        buf_put_c(out, '\\');
        buf_put_c(out, c == '\n' ? 'n' : c);
        from = i + 1;
    }
    if (s.n > from)
        buf_put(out, s.p + from, s.n - from);
}

static void put_quoted(struct buf *out, struct str s)
{
    buf_put_c(out, '"');
    put_escaped(out, s, true);
    buf_put_c(out, '"');
}

/* A label's name has no colon, which is all that sets it apart. */
static void put_plain_label(const struct exposition_writer *w, struct str s)
{
    size_t from = w->out->n;
    name_escape_put(w->escape, s, w->out);
    for (size_t i = from; i < w->out->n; i++)
        if (w->out->p[i] == ':')
            w->out->p[i] = '_';
}

static void put_name(const struct exposition_writer *w, struct str s, bool metric)
{
    if (w->escape == NAME_ESCAPE_NONE && !(metric ? metric_name_plain(s) : label_name_plain(s)))
        put_quoted(w->out, s);
    else if (metric)
        name_escape_put(w->escape, s, w->out);
    else
        put_plain_label(w, s);
}

static const char *type_text(enum exposition_format format, enum metric_type type)
{
    if (format == EXPOSITION_OPENMETRICS)
        return metric_type_text(type);
    switch (type) {
    case METRIC_COUNTER:
    case METRIC_GAUGE:
    case METRIC_HISTOGRAM:
    case METRIC_SUMMARY:
        return metric_type_text(type);
    case METRIC_INFO:
    case METRIC_STATESET:
        return "gauge";
    default:
        return "untyped";
    }
}

static struct str without(struct str name, struct str suffix)
{
    if (str_ends(name, suffix) && name.n > suffix.n)
        return str_sub(name, 0, name.n - suffix.n);
    return (struct str){0};
}

static void line_begin(const struct exposition_writer *w, const char *what, struct str name)
{
    buf_put_str(w->out, str_c(what));
    put_name(w, name, true);
    buf_put_c(w->out, ' ');
}

void exposition_write_family(struct exposition_writer *w, struct str name, enum metric_type type,
                             struct str help, struct str unit)
{
    bool open = w->format == EXPOSITION_OPENMETRICS;
    if (open && (type == METRIC_COUNTER || type == METRIC_INFO)) {
        struct str stem = without(name, type == METRIC_COUNTER ? STR("_total") : STR("_info"));
        if (stem.n)
            name = stem;
        else
            type = METRIC_UNKNOWN;
    }
    if (help.n) {
        line_begin(w, "# HELP ", name);
        put_escaped(w->out, help, open);
        buf_put_c(w->out, '\n');
    }
    line_begin(w, "# TYPE ", name);
    buf_put_str(w->out, str_c(type_text(w->format, type)));
    buf_put_c(w->out, '\n');
    struct str stem = without(name, unit);
    if (open && unit.n && stem.n > 1 && stem.p[stem.n - 1] == '_' && type != METRIC_INFO &&
        type != METRIC_STATESET) {
        line_begin(w, "# UNIT ", name);
        buf_put_str(w->out, unit);
        buf_put_c(w->out, '\n');
    }
}

static void put_value(const struct exposition_writer *w, double v)
{
    char text[NUMBER_MAX + 2];
    size_t n = number_format_exposition(v, text);
    buf_put(w->out, text, n);
    if (w->format == EXPOSITION_OPENMETRICS && strspn(text, "-0123456789") == n)
        buf_put(w->out, ".0", 2);
}

static void put_labels(const struct exposition_writer *w, struct str key, bool braces)
{
    struct label l;
    const char *between = braces ? "," : "{";
    for (const char *at = key.p; labels_next(key, &at, &l, NULL);) {
        if (str_eq(l.name, LABEL_METRIC))
            continue;
        buf_put_str(w->out, str_c(between));
        between = ",";
        put_name(w, l.name, false);
        buf_put_c(w->out, '=');
        put_quoted(w->out, l.value);
    }
    if (braces || between[0] == ',')
        buf_put_c(w->out, '}');
}

static void put_seconds(const struct exposition_writer *w, int64_t ts_ms)
{
    uint64_t ms = ts_ms < 0 ? 0 - (uint64_t)ts_ms : (uint64_t)ts_ms;
    buf_printf(w->out, "%s%llu.%03u", ts_ms < 0 ? "-" : "", (unsigned long long)(ms / 1000),
               (unsigned)(ms % 1000));
}

void exposition_write_sample(struct exposition_writer *w, struct str key, double value,
                             bool has_time, int64_t ts_ms)
{
    struct str metric = labels_get(key, LABEL_METRIC);
    bool inside = !metric_name_plain(metric) && w->escape == NAME_ESCAPE_NONE;
    if (inside)
        buf_put_c(w->out, '{');
    put_name(w, metric, true);
    put_labels(w, key, inside);
    buf_put_c(w->out, ' ');
    put_value(w, value);
    if (has_time) {
        buf_put_c(w->out, ' ');
        if (w->format == EXPOSITION_OPENMETRICS)
            put_seconds(w, ts_ms);
        else
            buf_put_i64(w->out, ts_ms);
    }
    buf_put_c(w->out, '\n');
}

void exposition_write_exemplar(struct exposition_writer *w, const struct exemplar *e)
{
    if (w->format != EXPOSITION_OPENMETRICS || w->out->n == 0 || buf_failed(w->out))
        return;
    w->out->n--; /* the line goes on */
    buf_put(w->out, " # ", 3);
    if (e->labels.n == 0)
        buf_put(w->out, "{}", 2);
    put_labels(w, e->labels, false);
    buf_put_c(w->out, ' ');
    put_value(w, e->value);
    buf_put_c(w->out, ' ');
    put_seconds(w, e->ts_ms);
    buf_put_c(w->out, '\n');
}

void exposition_write_end(struct exposition_writer *w)
{
    if (w->format == EXPOSITION_OPENMETRICS)
        buf_put(w->out, "# EOF\n", 6);
}

struct str exposition_write_content_type(enum exposition_format format)
{
    return format == EXPOSITION_OPENMETRICS
               ? STR("application/openmetrics-text; version=1.0.0; charset=utf-8")
               : STR("text/plain; version=0.0.4; charset=utf-8");
}

/* One entry of an Accept header. */
struct accepted {
    enum exposition_format format;
    double weight; /* 0: it names neither format */
    bool any;      /* text or more: * stands in it */
    enum name_escape escape;
};

static struct accepted accepted_of(struct str entry)
{
    struct accepted a = {.weight = 1, .escape = NAME_ESCAPE_UNDERSCORES};
    struct str type = STR(""), part;
    for (bool first = true; str_split(&entry, ';', &part); first = false) {
        part = str_trim(part);
        if (first)
            type = part;
        else if (part.n > 2 && (part.p[0] | 0x20) == 'q' && part.p[1] == '=' &&
                 number_parse(str_sub(part, 2, part.n), &a.weight))
            a.weight = 0;
        else if (str_starts(part, STR("escaping=")) &&
                 !name_escape_of(str_sub(part, 9, part.n), &a.escape))
            a.escape = NAME_ESCAPE_UNDERSCORES;
    }
    a.any = str_eq(type, STR("text/*")) || str_eq(type, STR("*/*"));
    if (type.n == 28 && strncasecmp(type.p, "application/openmetrics-text", 28) == 0)
        a.format = EXPOSITION_OPENMETRICS;
    else if (a.any || (type.n == 10 && strncasecmp(type.p, "text/plain", 10) == 0))
        a.format = EXPOSITION_TEXT;
    else
        a.weight = 0;
    return a;
}

double exposition_write_weight_of(struct str accept, enum exposition_format format)
{
    double best = 0;
    struct str entry;
    while (str_split(&accept, ',', &entry)) {
        struct accepted a = accepted_of(entry);
        if (a.format == format)
            best = MAX(best, a.weight);
    }
    return best;
}

enum exposition_format exposition_write_format_of(struct str accept)
{
    double openmetrics = exposition_write_weight_of(accept, EXPOSITION_OPENMETRICS);
    double text = exposition_write_weight_of(accept, EXPOSITION_TEXT);
    return openmetrics > 0 && openmetrics >= text ? EXPOSITION_OPENMETRICS : EXPOSITION_TEXT;
}

enum name_escape exposition_write_escape_of(struct str accept, enum exposition_format format)
{
    enum name_escape escape = NAME_ESCAPE_UNDERSCORES;
    double best = 0;
    struct str entry;
    while (str_split(&accept, ',', &entry)) {
        struct accepted a = accepted_of(entry);
        if (a.format != format || a.any || a.weight <= best)
            continue;
        best = a.weight;
        escape = a.escape;
    }
    return escape;
}
