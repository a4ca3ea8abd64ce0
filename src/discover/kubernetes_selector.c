#include "discover/kubernetes_selector.h"

/* ---- fields */
int kubernetes_selector_field(struct str text, struct why *why)
{
    struct str rest = text, part;
    while (str_split(&rest, ',', &part)) {
        size_t at = 0;
        while (at < part.n && part.p[at] != '=') /* of = == != */
            at += part.p[at] == '\\' ? 2 : 1;
        if (part.n > 0 && at >= part.n)
            return why_set(why, ERR_FORMAT,
                           "invalid selector: '" STR_FMT "'; can't understand '" STR_FMT "'",
                           STR_ARG(text), STR_ARG(part));
    }
    return 0;
}

/* ---- labels */
struct scan {
    struct str text;
    size_t at;
};

static void skip_blanks(struct scan *s)
{
    while (s->at < s->text.n && (s->text.p[s->at] == ' ' || s->text.p[s->at] == '\t' ||
                                 s->text.p[s->at] == '\n' || s->text.p[s->at] == '\r'))
        s->at++;
}

static bool take(struct scan *s, const char *sign)
{
    skip_blanks(s);
    if (!str_starts(str_sub(s->text, s->at, s->text.n), str_c(sign)))
        return false;
    s->at += strlen(sign);
    return true;
}

/* A key or a value: what stands before a blank or a sign. */
static struct str word(struct scan *s)
{
    skip_blanks(s);
    size_t from = s->at;
    while (s->at < s->text.n && !memchr(" \t\r\n=!(),><", s->text.p[s->at], 11))
        s->at++;
    return str_sub(s->text, from, s->at);
}

static bool alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* 63 letters, digits, - _ . with a letter or digit at both ends. */
static bool name_good(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!alphanumeric(s.p[i]) && s.p[i] != '-' && s.p[i] != '_' && s.p[i] != '.')
            return false;
    }
    return s.n > 0 && s.n <= 63 && alphanumeric(s.p[0]) && alphanumeric(s.p[s.n - 1]);
}

/* A name, perhaps behind a domain and a slash. */
static bool key_good(struct str s)
{
    size_t slash = str_find(s, '/');
    struct str domain = str_sub(s, 0, slash);
    if (slash == s.n)
        return name_good(s);
    return domain.n > 0 && domain.n <= 253 && name_good(str_sub(s, slash + 1, s.n));
}

static bool value_good(struct str s)
{
    return s.n == 0 || name_good(s);
}

static bool take_set(struct scan *s)
{
    if (!take(s, "("))
        return false;
    do {
        if (!value_good(word(s)))
            return false;
    } while (take(s, ","));
    return take(s, ")");
}

static bool take_requirement(struct scan *s)
{
    static const char *const signs[] = {"==", "=", "!=", ">", "<"};
    bool absent = take(s, "!");
    if (!key_good(word(s)))
        return false;
    skip_blanks(s);
    if (absent || s->at == s->text.n || s->text.p[s->at] == ',')
        return true;
    for (size_t i = 0; i < COUNTOF(signs); i++) {
        if (take(s, signs[i])) {
            struct str value = word(s);
            int64_t number;
            return i < 3 ? value_good(value) : str_i64(value, &number);
        }
    }
    struct str set = word(s);
    return (str_eq(set, STR("in")) || str_eq(set, STR("notin"))) && take_set(s);
}

int kubernetes_selector_label(struct str text, struct why *why)
{
    struct scan s = {text, 0};
    bool good = true;
    skip_blanks(&s);
    while (good && s.at < text.n) {
        good = take_requirement(&s);
        skip_blanks(&s);
        if (good && s.at < text.n)
            good = take(&s, ",") && (skip_blanks(&s), s.at < text.n);
    }
    return good ? 0
                : why_set(why, ERR_FORMAT,
                          "unable to parse requirement: \"" STR_FMT "\" is no label selector",
                          STR_ARG(text));
}
