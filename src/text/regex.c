#include "text/regex.h"

/* The name behind a '$' at p[0..n): its length in *ret with braces, or 0. */
static struct str template_name(const char *p, size_t n, size_t *ret)
{
    bool brace = n > 0 && p[0] == '{';
    size_t i = brace;
    while (i < n && ((p[i] >= '0' && p[i] <= '9') || (p[i] >= 'a' && p[i] <= 'z') ||
                     (p[i] >= 'A' && p[i] <= 'Z') || p[i] == '_'))
        i++;
    struct str name = str_of(p + brace, i - brace);
    if (name.n == 0 || (brace && (i == n || p[i] != '}')))
        *ret = 0;
    else
        *ret = i + brace;
    return name;
}

static void expand(const struct regex *re, const struct str *groups, struct str replacement,
                   struct buf *out)
{
    for (size_t i = 0; i < replacement.n;) {
        size_t to = i + str_find(str_sub(replacement, i, replacement.n), '$');
        buf_put(out, replacement.p + i, to - i);
        i = to + 1;
        if (i > replacement.n)
            break;
        if (i < replacement.n && replacement.p[i] == '$') {
            buf_put_c(out, '$');
            i++;
            continue;
        }
        size_t used;
        struct str name = template_name(replacement.p + i, replacement.n - i, &used);
        if (used == 0) {
            buf_put_c(out, '$');
            continue;
        }
        uint64_t group;
        if (!str_u64(name, &group)) {
            group = regex_group_of(re, name);
            group = group ? group : REGEX_GROUPS_MAX;
        }
        if (group < REGEX_GROUPS_MAX)
            buf_put_str(out, groups[group]);
        i += used;
    }
}

bool regex_expand(const struct regex *re, struct str text, struct str replacement, struct buf *out)
{
    struct str groups[REGEX_GROUPS_MAX];
    if (!regex_groups(re, text, groups, REGEX_GROUPS_MAX))
        return false;
    expand(re, groups, replacement, out);
    return true;
}

void regex_replace(const struct regex *re, struct str text, struct str replacement, struct buf *out)
{
    struct str groups[REGEX_GROUPS_MAX];
    const char *p = text.n ? text.p : "";
    size_t done = 0, from = 0;
    text.p = p;
    while (from <= text.n && !buf_failed(out) &&
           regex_find(re, text, from, groups, REGEX_GROUPS_MAX)) {
        size_t begin = (size_t)(groups[0].p - p), end = begin + groups[0].n;
        buf_put(out, p + done, begin - done);
        /* Nothing is put for an empty match right behind another one. */
        if (end > done || begin == 0)
            expand(re, groups, replacement, out);
        done = end;
        size_t width = 1;
        while (from + width < text.n && ((unsigned char)p[from + width] & 0xc0) == 0x80)
            width++;
        from = from + width > end ? from + width : end;
    }
    buf_put(out, p + done, text.n - done);
}

/* The end of what must stay as it is at s.p[i]: an escape, \\Q..\\E, a class; i where nothing is.
 */
static size_t skip_verbatim(struct str s, size_t i)
{
    if (s.p[i] == '\\' && i + 1 < s.n && s.p[i + 1] == 'Q') {
        size_t n = str_search(str_sub(s, i, s.n), STR("\\E"));
        return MIN(i + n + 2, s.n);
    }
    if (s.p[i] == '\\')
        return MIN(i + 2, s.n);
    if (s.p[i++] != '[')
        return i - 1;
    if (i < s.n && s.p[i] == '^')
        i++;
    if (i < s.n && s.p[i] == ']')
        i++;
    for (; i < s.n && s.p[i] != ']'; i++) {
        if (s.p[i] == '\\')
            i++;
        else if (s.p[i] == '[' && i + 1 < s.n && s.p[i + 1] == ':')
            i += str_search(str_sub(s, i, s.n), STR(":]")) + 1;
    }
    return MIN(i + 1, s.n);
}

void regex_respell(struct str pattern, struct buf *out)
{
    for (size_t i = 0; i < pattern.n;) {
        size_t to = skip_verbatim(pattern, i);
        struct str rest = str_sub(pattern, i, pattern.n);
        bool named =
            str_starts(rest, STR("(?<")) && rest.n > 3 && rest.p[3] != '=' && rest.p[3] != '!';
        if (to == i)
            to = i + (named ? 3 : 1);
        buf_put_str(out, named ? STR("(?P<") : str_sub(pattern, i, to));
        i = to;
    }
}

void regex_quote(struct str s, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] && strchr("\\.+*?()|[]{}^$", s.p[i]))
            buf_put_c(out, '\\');
        buf_put_c(out, s.p[i]);
    }
}
