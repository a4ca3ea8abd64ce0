#include "alert/config/matcher.h"

#include <stdlib.h>

#include "model/labels.h"
#include "text/letter.h"
#include "text/quote.h"
#include "text/regex.h"

enum { LIST_MAX = 1000, TEXT_MAX = 64 * 1024 /* bytes */ };

static const char *const OPS[] = {
    [MATCHER_EQUAL] = "=",
    [MATCHER_NOT_EQUAL] = "!=",
    [MATCHER_REGEX] = "=~",
    [MATCHER_NOT_REGEX] = "!~",
};

/* ---- one matcher */

static int compile(struct str value, struct regex **ret, struct why *why)
{
    struct buf pattern;
    buf_init(&pattern, REGEX_PATTERN_MAX + 16);
    buf_put_str(&pattern, STR("^(?:"));
    buf_put_str(&pattern, value);
    buf_put_str(&pattern, STR(")$"));
    int err = regex_new_search(buf_str(&pattern), ret, why);
    buf_done(&pattern);
    return err;
}

static int compare(const void *a, const void *b)
{
    const struct matcher_item *x = a, *y = b;
    int order = str_cmp(x->name, y->name);
    if (order == 0)
        order = str_cmp(x->value, y->value);
    return order != 0 ? order : (int)x->op - (int)y->op;
}

/* Appends to what list has; the items before are copied, as lists are short. */
static void append(struct matcher_list *list, const struct matcher_item *item, struct arena *a)
{
    struct matcher_item *v = arena_array(a, list->n + 1, sizeof *v);
    if (list->n > 0)
        memcpy(v, list->v, list->n * sizeof *v);
    v[list->n] = *item;
    qsort(v, list->n + 1, sizeof *v, compare);
    list->v = v;
    list->n++;
}

int matcher_add(struct str name, enum matcher_op op, struct str value, struct arena *a,
                struct matcher_list *list, struct why *why)
{
    struct matcher_item item = {.op = op};
    if (list->n >= LIST_MAX)
        return why_set(why, ERR_LIMIT, "more than %d matchers", LIST_MAX);
    if (op >= MATCHER_REGEX) {
        int err = compile(value, &item.regex, why);
        if (err != 0)
            return err;
    }
    item.name = arena_str(a, name);
    item.value = arena_str(a, value);
    append(list, &item, a);
    return 0;
}

void matcher_list_done(const struct matcher_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        regex_free(list->v[i].regex);
}

static bool holds(const struct matcher_item *m, struct str value)
{
    switch (m->op) {
    case MATCHER_EQUAL:
        return str_eq(m->value, value);
    case MATCHER_NOT_EQUAL:
        return !str_eq(m->value, value);
    case MATCHER_REGEX:
        return regex_find(m->regex, value, 0, NULL, 0);
    default:
        return !regex_find(m->regex, value, 0, NULL, 0);
    }
}

bool matcher_list_holds(const struct matcher_list *list, struct str labels)
{
    for (size_t i = 0; i < list->n; i++)
        if (!holds(&list->v[i], labels_get(labels, list->v[i].name)))
            return false;
    return true;
}

/* Ends a word that has no quotes. */
static bool is_reserved(uint32_t c)
{
    return (c < 0x80 && c != 0 && strchr("{}!=~,\\\"'`", (int)c) != NULL) || c == ' ' ||
           (c >= '\t' && c <= '\r') || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
           c == 0x205f || c == 0x3000;
}

static bool needs_quotes(struct str name)
{
    size_t n;
    for (; name.n > 0; name = str_sub(name, n, name.n))
        if (is_reserved(letter_next(name, &n)))
            return true;
    return false;
}

static void print_value(struct buf *out, struct str value)
{
    buf_put_c(out, '"');
    for (size_t i = 0; i < value.n; i++) {
        char c = value.p[i];
        if (c == '\\' || c == '"')
            buf_put_c(out, '\\');
        if (c == '\n')
            buf_put_str(out, STR("\\n"));
        else
            buf_put_c(out, c);
    }
    buf_put_c(out, '"');
}

void matcher_list_print(const struct matcher_list *list, struct buf *out)
{
    buf_put_c(out, '{');
    for (size_t i = 0; i < list->n; i++) {
        const struct matcher_item *m = &list->v[i];
        bool quoted = needs_quotes(m->name);
        if (i > 0)
            buf_put_c(out, ',');
        if (quoted)
            quote_put(out, m->name);
        else
            buf_put_str(out, m->name);
        buf_put_str(out, str_c(OPS[m->op]));
        if (quoted)
            quote_put(out, m->value);
        else
            print_value(out, m->value);
    }
    buf_put_c(out, '}');
}

/* ---- the classic language */

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r' && c != '\v');
}

static struct str trim(struct str s)
{
    while (s.n > 0 && is_blank(s.p[0]))
        s = str_sub(s, 1, s.n);
    while (s.n > 0 && is_blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

/* Takes an operator off the front of *rest; false where none stands there. */
static bool take_op(struct str *rest, enum matcher_op *ret)
{
    static const enum matcher_op LONG_FIRST[] = {MATCHER_REGEX, MATCHER_EQUAL, MATCHER_NOT_EQUAL,
                                                 MATCHER_NOT_REGEX};
    for (size_t i = 0; i < COUNTOF(LONG_FIRST); i++) {
        struct str op = str_c(OPS[LONG_FIRST[i]]);
        if (str_starts(*rest, op)) {
            *ret = LONG_FIRST[i];
            *rest = str_sub(*rest, op.n, rest->n);
            return true;
        }
    }
    return false;
}

/* The value behind the operator, without its quotes and escapes, appended to out. */
static int classic_value(struct str raw, struct buf *out, struct why *why)
{
    bool quoted = raw.n > 0 && raw.p[0] == '"';
    struct str s = quoted ? str_sub(raw, 1, raw.n) : raw;
    if (!str_utf8(s))
        return why_set(why, ERR_FORMAT, "matcher value not valid UTF-8: " STR_FMT, STR_ARG(raw));
    bool closed = false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i], next = i + 1 < s.n ? s.p[i + 1] : '\0';
        if (c == '\\' && i + 1 < s.n) {
            if (next == 'n')
                buf_put_c(out, '\n');
            else if (next != '"' && next != '\\')
                buf_put_c(out, '\\');
            if (next != 'n')
                buf_put_c(out, next);
            i++;
        } else if (c == '"' && (!quoted || i + 1 < s.n)) {
            return why_set(why, ERR_FORMAT,
                           "matcher value contains unescaped double quote: " STR_FMT, STR_ARG(raw));
        } else if (c == '"') {
            closed = true;
        } else {
            buf_put_c(out, c);
        }
    }
    if (quoted && !closed)
        return why_set(why, ERR_FORMAT, "matcher value contains unescaped double quote: " STR_FMT,
                       STR_ARG(raw));
    return 0;
}

static int classic_item(struct str text, struct arena *a, struct matcher_list *list,
                        struct why *why)
{
    struct str rest = trim(text), name;
    enum matcher_op op;
    size_t n = 0;
    while (n < rest.n && (rest.p[n] == '_' || rest.p[n] == ':' ||
                          ((rest.p[n] | 0x20) >= 'a' && (rest.p[n] | 0x20) <= 'z') ||
                          (n > 0 && rest.p[n] >= '0' && rest.p[n] <= '9')))
        n++;
    name = str_sub(rest, 0, n);
    rest = trim(str_sub(rest, n, rest.n));
    if (n == 0 || !take_op(&rest, &op))
        return why_set(why, ERR_FORMAT, "bad matcher format: " STR_FMT, STR_ARG(text));
    struct buf value;
    buf_init(&value, TEXT_MAX);
    int err = classic_value(trim(rest), &value, why);
    if (err == 0)
        err = matcher_add(name, op, buf_str(&value), a, list, why);
    buf_done(&value);
    return err;
}

/* The end of the item that begins at from: the next comma outside of quotes. */
static size_t classic_end(struct str s, size_t from, bool *quoted)
{
    bool escaped = false;
    for (size_t i = from; i < s.n; i++) {
        if (s.p[i] == ',' && !*quoted)
            return i;
        if (s.p[i] == '"' && !escaped)
            *quoted = !*quoted;
        if (s.p[i] == '\\')
            escaped = !escaped;
        else if (s.p[i] != ',')
            escaped = false;
    }
    return s.n;
}

static int classic(struct str text, struct arena *a, struct matcher_list *list, struct why *why)
{
    size_t from = str_starts(text, STR("{")), to = text.n;
    if (to > from && text.p[to - 1] == '}')
        to--;
    struct str s = str_sub(text, from, to);
    bool quoted = false;
    for (size_t at = 0; at < s.n;) {
        size_t end = classic_end(s, at, &quoted);
        struct str item = str_sub(s, at, end);
        at = end + 1;
        if (end == s.n && trim(item).n == 0)
            break;
        int err = classic_item(end == s.n ? trim(item) : item, a, list, why);
        if (err != 0)
            return err;
    }
    return 0;
}

/* ---- the language with names in UTF-8 */

struct utf8 {
    struct str rest;
    struct arena *a;
    struct matcher_list *list;
    struct why *why;
};

static void skip_blanks(struct utf8 *u)
{
    size_t n;
    while (u->rest.n > 0) {
        uint32_t c = letter_next(u->rest, &n);
        if (!is_reserved(c) || (c < 0x80 && strchr("{}!=~,\\\"'`", (int)c) != NULL))
            return;
        u->rest = str_sub(u->rest, n, u->rest.n);
    }
}

static bool take(struct utf8 *u, char c)
{
    skip_blanks(u);
    if (u->rest.n == 0 || u->rest.p[0] != c)
        return false;
    u->rest = str_sub(u->rest, 1, u->rest.n);
    return true;
}

static int refuse(struct utf8 *u, const char *wanted)
{
    size_t n = MIN(u->rest.n, (size_t)40);
    if (u->rest.n == 0)
        return why_set(u->why, ERR_FORMAT, "end of input: expected %s", wanted);
    return why_set(u->why, ERR_FORMAT, STR_FMT ": expected %s", STR_ARG(str_sub(u->rest, 0, n)),
                   wanted);
}

/* A number of so many digits of that base, as a byte or as a code point. */
static bool take_number(struct str *s, size_t digits, unsigned base, bool byte, struct buf *out)
{
    uint32_t v = 0;
    if (s->n < digits)
        return false;
    for (size_t i = 0; i < digits; i++) {
        int d = str_hex(s->p[i]);
        if (d < 0 || (unsigned)d >= base)
            return false;
        v = v * base + (unsigned)d;
    }
    *s = str_sub(*s, digits, s->n);
    if (byte ? v > 0xff : v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff))
        return false;
    if (byte)
        buf_put_c(out, (char)v);
    else
        letter_put(v, out);
    return true;
}

/* One escape behind its backslash, as Go has them. */
static bool take_escape(struct str *s, struct buf *out)
{
    static const char NAMES[] = "abfnrtv\\\"", BYTES[] = "\a\b\f\n\r\t\v\\\"";
    if (s->n == 0)
        return false;
    char c = s->p[0];
    const char *at = c == '\0' ? NULL : strchr(NAMES, c);
    if (c >= '0' && c <= '7')
        return take_number(s, 3, 8, true, out);
    *s = str_sub(*s, 1, s->n);
    if (at != NULL) {
        buf_put_c(out, BYTES[at - NAMES]);
        return true;
    }
    return c == 'x'   ? take_number(s, 2, 16, true, out)
           : c == 'u' ? take_number(s, 4, 16, false, out)
           : c == 'U' ? take_number(s, 8, 16, false, out)
                      : false;
}

/* Behind the opening quote. */
static int take_quoted(struct utf8 *u, struct buf *out)
{
    while (u->rest.n > 0) {
        char c = u->rest.p[0];
        if (c == '\n')
            break;
        u->rest = str_sub(u->rest, 1, u->rest.n);
        if (c == '"')
            return 0;
        if (c != '\\')
            buf_put_c(out, c);
        else if (!take_escape(&u->rest, out))
            return why_set(u->why, ERR_FORMAT, "invalid syntax in quotes");
    }
    return why_set(u->why, ERR_FORMAT, "missing end \"");
}

static int take_word(struct utf8 *u, const char *wanted, struct buf *out)
{
    if (take(u, '"'))
        return take_quoted(u, out);
    size_t n, all = 0;
    for (struct str s = u->rest; s.n > 0; s = str_sub(s, n, s.n)) {
        if (is_reserved(letter_next(s, &n)))
            break;
        all += n;
    }
    if (all == 0)
        return refuse(u, wanted);
    buf_put_str(out, str_sub(u->rest, 0, all));
    u->rest = str_sub(u->rest, all, u->rest.n);
    return 0;
}

static int utf8_item(struct utf8 *u)
{
    struct buf name, value;
    enum matcher_op op;
    buf_init(&name, TEXT_MAX);
    buf_init(&value, TEXT_MAX);
    int err = take_word(u, "label name", &name);
    skip_blanks(u);
    if (err == 0 && !take_op(&u->rest, &op))
        err = refuse(u, "an operator such as '=', '!=', '=~' or '!~'");
    skip_blanks(u);
    if (err == 0)
        err = take_word(u, "label value", &value);
    if (err == 0 && (!str_utf8(buf_str(&name)) || !str_utf8(buf_str(&value))))
        err = why_set(u->why, ERR_FORMAT, "not valid UTF-8");
    if (err == 0)
        err = matcher_add(buf_str(&name), op, buf_str(&value), u->a, u->list, u->why);
    buf_done(&name);
    buf_done(&value);
    return err;
}

static int utf8(struct utf8 *u)
{
    bool open = take(u, '{'), more = true;
    int err = 0;
    skip_blanks(u);
    while (err == 0 && more && u->rest.n > 0 && u->rest.p[0] != '}') {
        err = utf8_item(u);
        more = take(u, ',');
        skip_blanks(u);
    }
    if (err == 0 && open && !take(u, '}'))
        err = refuse(u, "close brace");
    skip_blanks(u);
    if (err == 0 && u->rest.n > 0)
        err = refuse(u, "end of input");
    return err;
}

/* ---- both */

/* The classic language goes first where a text is good in both: they differ in a few escapes, and
 * then Alertmanager keeps the classic meaning. */
int matcher_parse(struct str text, struct arena *a, struct matcher_list *list, struct why *why)
{
    struct matcher_list got = {0};
    if (text.n > TEXT_MAX)
        return why_set(why, ERR_LIMIT, "matchers are longer than %d bytes", TEXT_MAX);
    int err = classic(text, a, &got, why);
    if (err != 0) {
        matcher_list_done(&got);
        got = (struct matcher_list){0};
        if (utf8(&(struct utf8){.rest = text, .a = a, .list = &got, .why = NULL}) != 0) {
            matcher_list_done(&got);
            return err;
        }
    }
    for (size_t i = 0; i < got.n; i++)
        append(list, &got.v[i], a);
    return 0;
}
