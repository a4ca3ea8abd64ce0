#include "client/metric/http_request.h"

#include <string.h>
#include <strings.h>

enum { BAD = 400, BODY = 413, LONG_TARGET = 414, TOO_LARGE = 431, VERSION = 505 };

struct piece {
    const char *s;
    size_t n;
};

struct headers {
    unsigned hosts;
    bool close, keep_alive, body;
    unsigned openmetrics_q, text_q; /* thousandths */
};

static bool is(struct piece p, const char *word)
{
    return p.n == strlen(word) && strncasecmp(p.s, word, p.n) == 0;
}

static bool token_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

static struct piece trimmed(struct piece p)
{
    while (p.n && (p.s[0] == ' ' || p.s[0] == '\t')) {
        p.s++;
        p.n--;
    }
    while (p.n && (p.s[p.n - 1] == ' ' || p.s[p.n - 1] == '\t')) {
        p.n--;
    }
    return p;
}

/* Takes the piece before the next separator off the front. */
static struct piece take(struct piece *from, char separator)
{
    const char *at = memchr(from->s, separator, from->n);
    struct piece p = {from->s, at ? (size_t)(at - from->s) : from->n};
    size_t gone = at ? p.n + 1 : p.n;
    from->s += gone;
    from->n -= gone;
    return trimmed(p);
}

/* "0.75" in thousandths; what is none counts as 0. */
static unsigned weight(struct piece p)
{
    unsigned q = 0, unit = 1000;
    for (size_t i = 0; i < p.n && i < 5; i++) {
        if (i == 1 && p.s[i] == '.') {
            continue;
        }
        if (p.s[i] < '0' || p.s[i] > '9' || (i == 0 && p.s[i] > '1')) {
            return 0;
        }
        q += (unsigned)(p.s[i] - '0') * unit;
        unit /= 10;
    }
    return q > 1000 ? 1000 : q;
}

static void accept_header(struct piece value, struct headers *h)
{
    while (value.n) {
        struct piece entry = take(&value, ',');
        struct piece type = take(&entry, ';');
        unsigned q = 1000;
        while (entry.n) {
            struct piece parameter = take(&entry, ';');
            if (parameter.n > 2 && strncasecmp(parameter.s, "q=", 2) == 0) {
                q = weight((struct piece){parameter.s + 2, parameter.n - 2});
            }
        }
        if (is(type, "application/openmetrics-text")) {
            h->openmetrics_q = q > h->openmetrics_q ? q : h->openmetrics_q;
        } else if (is(type, "text/plain")) {
            h->text_q = q > h->text_q ? q : h->text_q;
        }
    }
}

static void connection_header(struct piece value, struct headers *h)
{
    while (value.n) {
        struct piece option = take(&value, ',');
        h->close |= is(option, "close");
        h->keep_alive |= is(option, "keep-alive");
    }
}

static int header(struct piece line, struct headers *h)
{
    size_t n = 0;
    while (n < line.n && token_char(line.s[n])) {
        n++;
    }
    if (n == 0 || n == line.n || line.s[n] != ':') {
        return BAD;
    }
    struct piece name = {line.s, n};
    struct piece value = trimmed((struct piece){line.s + n + 1, line.n - n - 1});
    for (size_t i = 0; i < value.n; i++) {
        unsigned char c = (unsigned char)value.s[i];
        if ((c < ' ' && c != '\t') || c == 0x7f) {
            return BAD;
        }
    }
    if (is(name, "host")) {
        h->hosts++;
    } else if (is(name, "connection")) {
        connection_header(value, h);
    } else if (is(name, "accept")) {
        accept_header(value, h);
    } else if (is(name, "transfer-encoding")) {
        h->body = true;
    } else if (is(name, "content-length")) {
        h->body |= !is(value, "0");
    }
    return 0;
}

/* The path of a target: "/metrics?x", "http://host/metrics". */
static int target(struct piece t, struct http_request *ret)
{
    for (size_t i = 0; i < t.n; i++) {
        if (t.s[i] <= ' ' || t.s[i] == 0x7f) {
            return BAD; /* also bytes above 127, which are negative */
        }
    }
    if (t.n > 7 && strncasecmp(t.s, "http://", 7) == 0) {
        const char *slash = memchr(t.s + 7, '/', t.n - 7);
        if (!slash) {
            return BAD;
        }
        t.n -= (size_t)(slash - t.s);
        t.s = slash;
    }
    const char *query = memchr(t.s, '?', t.n);
    ret->path = t.s;
    ret->path_n = query ? (size_t)(query - t.s) : t.n;
    return t.n && (t.s[0] == '/' || (t.n == 1 && t.s[0] == '*')) ? 0 : BAD;
}

static int request_line(struct piece line, struct http_request *ret, bool *ret_old)
{
    const char *first = memchr(line.s, ' ', line.n);
    if (!first || first == line.s) {
        return BAD;
    }
    struct piece method = {line.s, (size_t)(first - line.s)};
    for (size_t i = 0; i < method.n; i++) {
        if (!token_char(method.s[i])) {
            return BAD;
        }
    }
    struct piece rest = {first + 1, line.n - method.n - 1};
    const char *second = memchr(rest.s, ' ', rest.n);
    if (!second) {
        return BAD;
    }
    struct piece version = {second + 1, rest.n - (size_t)(second - rest.s) - 1};
    if (version.n != 8 || memcmp(version.s, "HTTP/", 5) != 0 || version.s[6] != '.' ||
        version.s[5] < '0' || version.s[5] > '9' || version.s[7] < '0' || version.s[7] > '9') {
        return BAD;
    }
    if (version.s[5] != '1') {
        return VERSION;
    }
    *ret_old = version.s[7] == '0';
    ret->get = method.n == 3 && memcmp(method.s, "GET", 3) == 0;
    ret->head = method.n == 4 && memcmp(method.s, "HEAD", 4) == 0;
    return target((struct piece){rest.s, (size_t)(second - rest.s)}, ret);
}

/* The line at p, without its CRLF: 0, 1 (not there yet), BAD for a LF or CR alone. */
static int line_at(const char *bytes, size_t n, size_t at, struct piece *ret)
{
    const char *lf = memchr(bytes + at, '\n', n - at);
    const char *cr = memchr(bytes + at, '\r', n - at);
    if (!lf) { /* a CR may only be the last byte so far */
        return cr && cr != bytes + n - 1 ? BAD : 1;
    }
    if (!cr || cr != lf - 1) {
        return BAD;
    }
    *ret = (struct piece){bytes + at, (size_t)(cr - (bytes + at))};
    return 0;
}

static int too_long(size_t n, size_t lines)
{
    return n < HTTP_REQUEST_MAX ? 1 : lines == 0 ? LONG_TARGET : TOO_LARGE;
}

int http_request_read(const char *bytes, size_t n, struct http_request *ret)
{
    struct http_request r = {0};
    struct headers h = {0};
    bool old = false;
    size_t at = 0;
    for (size_t lines = 0;; lines++) {
        struct piece line;
        int err = line_at(bytes, n, at, &line);
        if (err) {
            return err == 1 ? too_long(n, lines) : err;
        }
        at += line.n + 2;
        if (line.n == 0 && lines > 0) {
            break;
        }
        err = lines == 0 ? request_line(line, &r, &old) : header(line, &h);
        if (err) {
            return err;
        }
    }
    if (at > HTTP_REQUEST_MAX) {
        return TOO_LARGE;
    }
    if (h.hosts > 1 || (h.hosts == 0 && !old)) {
        return BAD;
    }
    if (h.body) {
        return BODY;
    }
    r.keep_alive = old ? h.keep_alive && !h.close : !h.close;
    r.openmetrics = h.openmetrics_q > 0 && h.openmetrics_q >= h.text_q;
    r.used = at;
    *ret = r;
    return 0;
}
