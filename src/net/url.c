#include "net/url.h"

static int refuse(struct str text, struct why *why, const char *what)
{
    return why_set(why, ERR_FORMAT, "parse \"" STR_FMT "\": %s", STR_ARG(text), what);
}

static bool scheme_good(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && (i == 0 || !((c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.')))
            return false;
    }
    return true;
}

static int split_authority(struct str text, struct str authority, struct url *u, struct why *why)
{
    for (size_t at = authority.n; at-- > 0;) {
        if (authority.p[at] != '@')
            continue;
        u->user = str_sub(authority, 0, at);
        authority = str_sub(authority, at + 1, authority.n);
        break;
    }
    size_t end = str_find(authority, authority.n && authority.p[0] == '[' ? ']' : ':');
    if (authority.n && authority.p[0] == '[') {
        if (end == authority.n)
            return refuse(text, why, "missing ']' in host");
        end++;
    }
    u->host = str_sub(authority, 0, end);
    struct str rest = str_sub(authority, end, authority.n);
    u->port = str_sub(rest, 1, rest.n);
    for (size_t i = 0; i < rest.n; i++) {
        if (i == 0 ? rest.p[i] != ':' : rest.p[i] < '0' || rest.p[i] > '9')
            return why_set(why, ERR_FORMAT,
                           "parse \"" STR_FMT "\": invalid port \"" STR_FMT "\" after host",
                           STR_ARG(text), STR_ARG(rest));
    }
    return 0;
}

int url_split(struct str text, struct url *ret, struct why *why)
{
    struct url u = {0};
    for (size_t i = 0; i < text.n; i++) {
        if ((unsigned char)text.p[i] < ' ' || text.p[i] == 0x7f)
            return refuse(text, why, "net/url: invalid control character in URL");
    }
    struct str rest = str_sub(text, 0, str_find(text, '#'));
    u.query = str_sub(rest, str_find(rest, '?') + 1, rest.n);
    rest = str_sub(rest, 0, str_find(rest, '?'));
    size_t colon = str_find(rest, ':');
    if (colon < rest.n && colon < str_find(rest, '/')) {
        if (colon == 0)
            return refuse(text, why, "missing protocol scheme");
        if (!scheme_good(str_sub(rest, 0, colon)))
            return refuse(text, why, "first path segment in URL cannot contain colon");
        u.scheme = str_sub(rest, 0, colon);
        rest = str_sub(rest, colon + 1, rest.n);
    }
    if (str_starts(rest, STR("//"))) {
        rest = str_sub(rest, 2, rest.n);
        size_t slash = str_find(rest, '/');
        int err = split_authority(text, str_sub(rest, 0, slash), &u, why);
        if (err)
            return err;
        rest = str_sub(rest, slash, rest.n);
    }
    u.path = rest;
    *ret = u;
    return 0;
}

int url_check_http(struct str text, struct why *why)
{
    struct url url;
    int err = url_split(text, &url, why);
    if (err != 0)
        return err;
    if (!str_eq(url.scheme, STR("http")) && !str_eq(url.scheme, STR("https")))
        return why_set(why, ERR_FORMAT, "unsupported scheme \"" STR_FMT "\" for URL",
                       STR_ARG(url.scheme));
    return url.host.n > 0 ? 0 : why_set(why, ERR_FORMAT, "missing host for URL");
}
