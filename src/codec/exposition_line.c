#include "codec/exposition_line.h"

#include <math.h>

#include "text/number.h"

struct parse {
    const char *p, *end;
    enum exposition_format format;
    bool strict;
    struct arena *arena;
};

static bool loose(const struct parse *s)
{
    return s->format == EXPOSITION_TEXT;
}

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

static void skip_blanks(struct parse *s)
{
    while (s->p < s->end && blank(*s->p))
        s->p++;
}

static bool at(const struct parse *s, char c)
{
    return s->p < s->end && *s->p == c;
}

/* The gap between two parts: one blank in OpenMetrics, any in text. */
static bool gap(struct parse *s)
{
    if (s->p == s->end || !blank(*s->p))
        return false;
    if (loose(s)) {
        skip_blanks(s);
        return true;
    }
    if (*s->p != ' ')
        return false;
    s->p++;
    return s->p < s->end && !blank(*s->p);
}

static bool name_char(char c, bool first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           (!first && c >= '0' && c <= '9');
}

static struct str name(struct parse *s, bool colon)
{
    const char *from = s->p;
    while (s->p < s->end && (name_char(*s->p, s->p == from) || (colon && *s->p == ':')))
        s->p++;
    return str_of(from, (size_t)(s->p - from));
}

static struct str token(struct parse *s)
{
    const char *from = s->p;
    while (s->p < s->end && !blank(*s->p))
        s->p++;
    return str_of(from, (size_t)(s->p - from));
}

/* s with \\, \n and, where quote is set, \" replaced; others stay unless that is strict. */
static bool unescape(const struct parse *parse, struct str s, bool quote, struct str *ret)
{
    if (str_find(s, '\\') == s.n) {
        *ret = s;
        return true;
    }
    char *copy = arena_new(parse->arena, s.n + 1), *to = copy;
    for (size_t i = 0; i < s.n; i++) {
        char next = s.p[i] == '\\' && i + 1 < s.n ? s.p[i + 1] : 0;
        if (next == '\\' || next == 'n' || (quote && next == '"')) {
            *to++ = next == 'n' ? '\n' : next;
            i++;
            continue;
        }
        if (s.p[i] == '\\' && parse->strict && quote)
            return false;
        *to++ = s.p[i];
    }
    *ret = str_of(copy, (size_t)(to - copy));
    return true;
}

/* At '"': the text up to the closing one. */
static const char *quoted(struct parse *s, struct str *ret)
{
    const char *from = ++s->p;
    while (s->p < s->end && *s->p != '"')
        s->p += *s->p == '\\' && s->p + 1 < s->end ? 2 : 1;
    if (s->p >= s->end)
        return "a text in quotes does not end";
    struct str raw = str_of(from, (size_t)(s->p - from));
    s->p++;
    if (!str_utf8(raw))
        return "invalid UTF-8";
    return unescape(s, raw, true, ret) ? NULL : "invalid escape sequence";
}

static const char *add_label(struct parse *s, struct label *labels, size_t *n, struct str label,
                             struct str value)
{
    if (s->strict)
        for (size_t i = 0; i < *n; i++)
            if (str_eq(labels[i].name, label))
                return "a label is there twice";
    if (s->strict && str_eq(label, LABEL_METRIC))
        return "__name__ among the labels";
    if (*n == LABELS_MAX)
        return "too many labels";
    labels[(*n)++] = (struct label){label, value};
    return NULL;
}

/* One item in braces: name="value", "name"="value", or "metric name". */
static const char *item(struct parse *s, struct label *labels, size_t *n, struct str *metric)
{
    struct str label = {0}, value;
    const char *bad = NULL;
    bool in_quotes = at(s, '"');
    if (in_quotes)
        bad = quoted(s, &label);
    else
        label = name(s, false);
    if (bad)
        return bad;
    if (!in_quotes && label.n == 0)
        return "expected a label name";
    if (loose(s) || !s->strict)
        skip_blanks(s);
    if (in_quotes && (at(s, ',') || at(s, '}'))) {
        if (!metric || metric->n)
            return "more than one metric name";
        *metric = label;
        return label.n ? NULL : "invalid metric name";
    }
    if (!at(s, '='))
        return "expected '=' after the label name";
    s->p++;
    if (loose(s) || !s->strict)
        skip_blanks(s);
    if (!at(s, '"'))
        return "expected a label value in quotes";
    bad = quoted(s, &value);
    if (!bad && label.n == 0)
        bad = "an empty label name";
    return bad ? bad : add_label(s, labels, n, label, value);
}

/* At '{': labels up to '}'. metric may be named in it where it is not NULL. */
static const char *braces(struct parse *s, struct label *labels, size_t *n, struct str *metric)
{
    bool inner_blanks = loose(s) || !s->strict;
    s->p++;
    if (inner_blanks)
        skip_blanks(s);
    while (!at(s, '}')) {
        const char *bad = item(s, labels, n, metric);
        if (bad)
            return bad;
        if (inner_blanks)
            skip_blanks(s);
        if (at(s, '}'))
            break;
        if (!at(s, ','))
            return "expected ',' or '}' after a label";
        s->p++;
        if (inner_blanks)
            skip_blanks(s);
        if (at(s, '}') && !inner_blanks)
            return "a comma before '}'";
    }
    s->p++;
    return NULL;
}

bool exposition_line_number(struct str s, double *ret)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '_' || (s.p[i] | 0x20) == 'p' || (s.p[i] | 0x20) == 'x')
            return false;
    double v;
    if (number_parse(s, &v))
        return false;
    *ret = v;
    return true;
}

size_t exposition_line_put_bound(double v, char out[NUMBER_MAX + 2])
{
    size_t n = number_format_exposition(v, out);
    if (strspn(out, "-0123456789") == n) {
        memcpy(out + n, ".0", 3);
        n += 2;
    }
    return n;
}

struct str exposition_line_bound(struct str value, struct arena *a)
{
    char text[NUMBER_MAX + 2];
    double v;
    if (!exposition_line_number(value, &v))
        return value;
    struct str bound = str_of(text, exposition_line_put_bound(v, text));
    return str_eq(bound, value) ? value : arena_str(a, bound);
}

bool exposition_line_family_type(struct str text, enum exposition_format format,
                                 enum metric_type *ret)
{
    if (format == EXPOSITION_TEXT && str_eq(text, STR("gauge_histogram"))) {
        *ret = METRIC_GAUGEHISTOGRAM;
        return true;
    }
    if (str_eq(text, STR("untyped")) && format != EXPOSITION_TEXT)
        return false;
    return metric_type_of(text, ret);
}

static const char *timestamp(const struct parse *s, struct str text, double *ret_s, int64_t *ret_ms)
{
    if (loose(s)) {
        struct str digits = str_sub(text, text.n > 1 && text.p[0] == '+', text.n);
        if (!str_i64(digits, ret_ms))
            return "expected a timestamp in whole milliseconds";
        *ret_s = (double)*ret_ms / 1000;
        return NULL;
    }
    if (!exposition_line_number(text, ret_s) || !isfinite(*ret_s) || fabs(*ret_s) > 9e15)
        return "expected a timestamp in seconds";
    *ret_ms = (int64_t)(*ret_s * 1000);
    return NULL;
}

/* Behind "# " of a sample: {labels} value [timestamp]. */
static const char *exemplar(struct parse *s, struct exposition_line *l)
{
    int64_t ms;
    if (!at(s, '{'))
        return "expected an exemplar's labels";
    const char *bad = braces(s, l->exemplar_labels, &l->exemplar_labels_n, NULL);
    if (bad)
        return bad;
    if (!gap(s) || !exposition_line_number(token(s), &l->exemplar_value))
        return "expected an exemplar's value";
    l->has_exemplar = true;
    if (s->p == s->end)
        return NULL;
    if (!gap(s))
        return "expected a line end after the exemplar";
    l->exemplar_has_time = true;
    bad = timestamp(s, token(s), &l->exemplar_time_s, &ms);
    return bad ? bad : s->p == s->end ? NULL : "expected a line end after the exemplar";
}

static const char *sample(struct parse *s, struct exposition_line *l)
{
    const char *bad;
    l->type = EXPOSITION_LINE_SAMPLE;
    l->name = name(s, true);
    bool named = l->name.n > 0;
    if (loose(s))
        skip_blanks(s);
    if (at(s, '{')) {
        struct str none = STR("set");
        bad = braces(s, l->labels, &l->labels_n, named ? &none : &l->name);
        if (bad)
            return bad;
        if (loose(s))
            skip_blanks(s);
        else if (!gap(s))
            return "expected one blank before the value";
    } else if (!loose(s) && !gap(s)) {
        return "expected one blank before the value";
    }
    if (l->name.n == 0)
        return "invalid metric name";
    if (loose(s) && s->p > s->end - 1)
        return "expected a value";
    if (!exposition_line_number(token(s), &l->value))
        return "expected a number as value";
    if (loose(s))
        skip_blanks(s);
    if (s->p == s->end)
        return NULL;
    if (!loose(s) && !gap(s))
        return "expected a line end after the value";
    if (!at(s, '#')) {
        l->has_time = true;
        bad = timestamp(s, token(s), &l->time_s, &l->time_ms);
        if (bad)
            return bad;
        if (loose(s))
            skip_blanks(s);
        if (s->p == s->end)
            return NULL;
        if (loose(s) || !gap(s) || !at(s, '#'))
            return "expected a line end after the timestamp";
    }
    if (loose(s))
        return "expected a timestamp in whole milliseconds";
    s->p++;
    return gap(s) ? exemplar(s, l) : "expected one blank and an exemplar after '#'";
}

static bool keyword(struct parse *s, struct str word)
{
    if ((size_t)(s->end - s->p) < word.n || memcmp(s->p, word.p, word.n) != 0)
        return false;
    if (s->p + word.n < s->end && !blank(s->p[word.n]))
        return false;
    s->p += word.n;
    return true;
}

/* Behind "# HELP", "# TYPE" or "# UNIT". */
static const char *metadata(struct parse *s, enum exposition_line_type type,
                            struct exposition_line *l)
{
    const char *bad = NULL;
    if (!gap(s)) {
        /* The text format takes a bare "# HELP" for a comment. */
        return loose(s) && s->p == s->end ? NULL : "expected a metric name";
    }
    if (loose(s) && s->p == s->end)
        return NULL;
    if (at(s, '"'))
        bad = quoted(s, &l->name);
    else
        l->name = name(s, true);
    if (bad)
        return bad;
    if (l->name.n == 0)
        return "invalid metric name";
    if (s->p < s->end && *s->p != ' ' && !(loose(s) && *s->p == '\t'))
        return "expected a blank after the metric name";
    if (s->p == s->end && !loose(s))
        return "expected a text after the metric name";
    if (loose(s))
        skip_blanks(s);
    else
        s->p++;
    if (loose(s) && s->p == s->end)
        return NULL; /* too short to be more than a comment */
    struct str text = str_of(s->p, (size_t)(s->end - s->p));
    l->type = type;
    if (type == EXPOSITION_LINE_HELP) {
        if (!str_utf8(text))
            return "invalid UTF-8";
        return unescape(s, text, !loose(s), &l->text) ? NULL : "invalid escape sequence";
    }
    l->text = loose(s) ? str_trim(text) : text;
    return NULL;
}

static const char *hash(struct parse *s, struct exposition_line *l)
{
    s->p++;
    if (!loose(s)) {
        if (str_eq(str_of(s->p, (size_t)(s->end - s->p)), STR(" EOF"))) {
            l->type = EXPOSITION_LINE_EOF;
            return NULL;
        }
        if (!at(s, ' '))
            return "expected \"# HELP\", \"# TYPE\", \"# UNIT\" or \"# EOF\"";
        s->p++;
    } else {
        skip_blanks(s);
    }
    if (keyword(s, STR("HELP")))
        return metadata(s, EXPOSITION_LINE_HELP, l);
    if (keyword(s, STR("TYPE")))
        return metadata(s, EXPOSITION_LINE_TYPE, l);
    if (loose(s))
        return NULL;
    if (keyword(s, STR("UNIT")))
        return metadata(s, EXPOSITION_LINE_UNIT, l);
    return "expected \"# HELP\", \"# TYPE\", \"# UNIT\" or \"# EOF\"";
}

const char *exposition_line_read(struct str line, enum exposition_format format, bool strict,
                                 struct arena *a, struct exposition_line *ret)
{
    struct parse s = {line.p, line.p + line.n, format, strict, a};
    ret->type = EXPOSITION_LINE_NOTHING;
    ret->name = ret->text = (struct str){0};
    ret->labels_n = ret->exemplar_labels_n = 0;
    ret->has_time = ret->has_exemplar = ret->exemplar_has_time = false;
    if (loose(&s)) {
        skip_blanks(&s);
        if (s.p < s.end && s.end[-1] == '\r')
            s.end--;
    }
    if (s.p == s.end)
        return loose(&s) ? NULL : "a blank line";
    return *s.p == '#' ? hash(&s, ret) : sample(&s, ret);
}
