/* A request of HTTP/1.1, written once and sent again and again. */
#include <stdio.h>
#include <string.h>

#include "health/probe/prober_inside.h"

enum { REQUEST_MAX = 1 << 20, HOST_PORT = 80 };

static int begin(struct prober_probe *p, struct why *why)
{
    (void)why;
    p->out.max = MAX(p->out.max, p->request.n);
    buf_put_str(&p->out, p->request);
    return PROBER_MORE;
}

static int take(struct prober_probe *p, struct str bytes, struct why *why)
{
    int whole = prober_reply_feed(&p->reply, bytes, why);
    return whole < 0 ? whole : whole ? PROBER_DONE : PROBER_MORE;
}

static int closed(struct prober_probe *p, struct why *why)
{
    p->reply.keep = false;
    return prober_reply_closed(&p->reply, why);
}

static const struct prober_kind KIND = {true, begin, take, closed, NULL};

/* A line of a header has neither line ends nor NULs, and a name. */
static bool is_header(struct str s)
{
    bool clean = str_find(s, '\r') == s.n && str_find(s, '\n') == s.n && str_find(s, '\0') == s.n;
    size_t colon = str_find(s, ':');
    return clean && colon > 0 && colon < s.n;
}

static bool is_visible(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 127)
            return false;
    return true;
}

/* Splits "host:port"; the port stays what it was where there is none. */
static int split_authority(struct str authority, struct prober_place *ret, struct why *why)
{
    size_t colon = authority.n;
    bool six = authority.n > 0 && authority.p[0] == '[';
    size_t from = six ? str_find(authority, ']') + 1 : 0;
    colon = from + str_find(str_sub(authority, from, authority.n), ':');
    ret->host = str_sub(authority, 0, MIN(colon, authority.n));
    uint64_t port;
    if (colon >= authority.n)
        return 0;
    if (!str_u64(str_sub(authority, colon + 1, authority.n), &port) || port == 0 || port > 65535)
        return why_set(why, ERR_FORMAT, "the port of \"" STR_FMT "\" is none", STR_ARG(authority));
    ret->port = (uint16_t)port;
    return 0;
}

static int split(struct str url, struct prober_place *ret, struct str *ret_authority,
                 struct str *ret_path, struct why *why)
{
    if (str_starts(url, STR("https://")))
        return why_set(why, ERR_UNSUPPORTED, "https:// needs TLS, which is not spoken here");
    if (!str_starts(url, STR("http://")) || !is_visible(url))
        return why_set(why, ERR_FORMAT, "\"" STR_FMT "\" is no http:// address", STR_ARG(url));
    struct str rest = str_sub(url, 7, url.n);
    rest = str_sub(rest, 0, str_find(rest, '#'));
    size_t slash = MIN(str_find(rest, '/'), str_find(rest, '?'));
    *ret_authority = str_sub(rest, 0, slash);
    *ret_path = str_sub(rest, slash, rest.n);
    if (str_find(*ret_authority, '@') < ret_authority->n)
        return why_set(why, ERR_FORMAT, "a name and a password do not belong into the address");
    ret->port = HOST_PORT;
    return split_authority(*ret_authority, ret, why);
}

static void write_request(const struct prober_http *how, struct str authority, struct str path,
                          struct buf *b)
{
    const char *method = how->method ? how->method : how->body.n ? "POST" : "GET";
    bool agent = false, type = false, host = false;
    for (size_t i = 0; i < how->headers_n; i++) {
        agent = agent || strncasecmp(how->headers[i], "User-Agent:", 11) == 0;
        type = type || strncasecmp(how->headers[i], "Content-Type:", 13) == 0;
        host = host || strncasecmp(how->headers[i], "Host:", 5) == 0;
    }
    buf_printf(b, "%s %s" STR_FMT " HTTP/1.1\r\n", method, path.n && path.p[0] == '/' ? "" : "/",
               STR_ARG(path));
    if (!host)
        buf_printf(b, "Host: " STR_FMT "\r\n", STR_ARG(authority));
    if (!agent)
        buf_printf(b, "User-Agent: sonde/%s\r\n", SONDE_VERSION);
    buf_put_str(b, STR("Accept: */*\r\n"));
    if (how->fresh)
        buf_put_str(b, STR("Connection: close\r\n"));
    for (size_t i = 0; i < how->headers_n; i++)
        buf_printf(b, "%s\r\n", how->headers[i]);
    if (how->body.n && !type)
        buf_put_str(b, STR("Content-Type: application/x-www-form-urlencoded\r\n"));
    if (how->body.n)
        buf_printf(b, "Content-Length: %zu\r\n", how->body.n);
    buf_put_str(b, STR("\r\n"));
    buf_put_str(b, how->body);
}

int prober_http_new(struct prober *prober, const struct prober_http *how, struct prober_probe **ret,
                    struct why *why)
{
    struct prober_place place = {.unix_path = how->unix_path, .no_link_local = how->no_link_local};
    struct str authority, path;
    int err = split(how->url, &place, &authority, &path, why);
    for (size_t i = 0; i < how->headers_n && err == 0; i++)
        if (!is_header(str_c(how->headers[i])))
            err = why_set(why, ERR_FORMAT, "\"%s\" is no header: \"Name: value\" is expected",
                          how->headers[i]);
    if (err == 0 && how->method && (how->method[0] == '\0' || !is_visible(str_c(how->method))))
        err = why_set(why, ERR_FORMAT, "\"%s\" is no method", how->method);
    struct prober_probe *p;
    if (err == 0)
        err = prober_inside_new(prober, &place, &KIND, how->timeout_ms, &p, why);
    if (err != 0)
        return err;
    struct buf b;
    buf_init(&b, REQUEST_MAX);
    write_request(how, authority, path, &b);
    if (buf_failed(&b)) {
        buf_done(&b);
        prober_probe_free(p);
        return why_set(why, ERR_LIMIT, "the request is longer than %d bytes", REQUEST_MAX);
    }
    p->request = prober_inside_copy(buf_str(&b));
    p->reply.bodiless = how->method && strcmp(how->method, "HEAD") == 0;
    p->fresh = how->fresh;
    buf_done(&b);
    *ret = p;
    return 0;
}
