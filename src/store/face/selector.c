#include "store/face/selector.h"

#include "model/labels.h"

struct scanner {
    struct str text;
    size_t at;
    struct arena *arena;
    struct matcher *v;
    size_t n;
};

static void skip_blanks(struct scanner *s)
{
    while (s->at < s->text.n && (s->text.p[s->at] == ' ' || s->text.p[s->at] == '\t'))
        s->at++;
}

static bool accept(struct scanner *s, char c)
{
    skip_blanks(s);
    if (s->at == s->text.n || s->text.p[s->at] != c)
        return false;
    s->at++;
    return true;
}

static int expected(const struct scanner *s, const char *what, struct why *why)
{
    return why_set(why, ERR_FORMAT, "at character %zu of \"%.*s\": expected %s", s->at + 1,
                   STR_ARG(s->text), what);
}

static struct str scan_name(struct scanner *s, bool colons)
{
    skip_blanks(s);
    size_t from = s->at;
    while (s->at < s->text.n) {
        struct str so_far = str_sub(s->text, from, s->at + 1);
        if (!(colons ? metric_name_plain(so_far) : label_name_plain(so_far)))
            break;
        s->at++;
    }
    return str_sub(s->text, from, s->at);
}

static int scan_string(struct scanner *s, struct str *ret, struct why *why)
{
    skip_blanks(s);
    char quote = s->at < s->text.n ? s->text.p[s->at] : 0;
    if (quote != '"' && quote != '\'')
        return expected(s, "a quoted text", why);
    char *out = arena_new(s->arena, s->text.n + 1);
    size_t n = 0;
    for (s->at++; s->at < s->text.n && s->text.p[s->at] != quote; s->at++) {
        char c = s->text.p[s->at];
        if (c == '\\' && s->at + 1 < s->text.n) {
            c = s->text.p[++s->at];
            c = c == 'n' ? '\n' : c == 't' ? '\t' : c;
        }
        out[n++] = c;
    }
    if (s->at == s->text.n)
        return expected(s, "the closing quote", why);
    s->at++;
    *ret = str_of(out, n);
    return 0;
}

static int add(struct scanner *s, struct matcher m, struct why *why)
{
    if (s->n == SELECTOR_MATCHERS_MAX)
        return why_set(why, ERR_LIMIT, "a selector may have %d matchers", SELECTOR_MATCHERS_MAX);
    m.name = arena_str(s->arena, m.name);
    m.value = arena_str(s->arena, m.value);
    s->v[s->n++] = m;
    return 0;
}

static int scan_matcher(struct scanner *s, struct why *why)
{
    struct matcher m = {0};
    skip_blanks(s);
    if (s->at < s->text.n && (s->text.p[s->at] == '"' || s->text.p[s->at] == '\'')) {
        int err = scan_string(s, &m.name, why);
        if (err)
            return err;
    } else {
        m.name = scan_name(s, false);
    }
    if (m.name.n == 0)
        return expected(s, "a label name", why);
    if (accept(s, '='))
        m.type = accept(s, '~') ? MATCH_REGEX : MATCH_EQUAL;
    else if (accept(s, '!'))
        m.type = accept(s, '~') ? MATCH_NOT_REGEX : MATCH_NOT_EQUAL;
    else
        return expected(s, "=, !=, =~ or !~", why);
    if (m.type == MATCH_NOT_EQUAL && !accept(s, '='))
        return expected(s, "!= or !~", why);
    int err = scan_string(s, &m.value, why);
    return err ? err : add(s, m, why);
}

int selector_parse(struct str text, struct arena *a, struct matcher **ret, size_t *ret_n,
                   struct why *why)
{
    struct scanner s = {.text = text, .arena = a};
    int err = 0;
    s.v = arena_array(a, SELECTOR_MATCHERS_MAX, sizeof *s.v);

    struct str metric = scan_name(&s, true);
    if (metric.n)
        err = add(&s, (struct matcher){MATCH_EQUAL, LABEL_METRIC, metric}, why);
    if (!err && accept(&s, '{') && !accept(&s, '}')) {
        do {
            skip_blanks(&s);
            if (s.at < text.n && text.p[s.at] == '}')
                break; /* a comma before the end is fine */
            err = scan_matcher(&s, why);
        } while (!err && accept(&s, ','));
        if (!err && !accept(&s, '}'))
            err = expected(&s, ", or }", why);
    }
    skip_blanks(&s);
    if (!err && s.at != text.n)
        err = expected(&s, "the end", why);
    if (!err && s.n == 0)
        err = expected(&s, "a metric name or matchers in braces", why);
    if (err)
        return err;
    *ret = s.v;
    *ret_n = s.n;
    return 0;
}
