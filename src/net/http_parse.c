#include "net/http_parse.h"

#include <ctype.h>
#include <llhttp.h>
#include <strings.h>

#include "base/must.h"

enum {
    OVERHEAD_FREE = 4096, /* bytes of chunk sizes, extensions and trailers that any body may have */
    OVERHEAD_RATIO = 8,   /* ... and for each byte of body: a chunk of one byte takes six */
};

int64_t http_parse_find(struct http_find *find, const char *p, size_t n)
{
    size_t seen = MIN(find->seen, n);
    for (const char *lf; (lf = memchr(p + seen, '\n', n - seen)) != NULL;) {
        size_t at = (size_t)(lf - p), length = at - find->line;
        if (length == 0 || lf[-1] != '\r')
            return -ERR_FORMAT;
        if (length == 1)
            return (int64_t)at + 1;
        if (find->line > 0 && memchr(" \t:", p[find->line], 3))
            return -ERR_FORMAT;
        find->line = seen = at + 1;
    }
    find->seen = n;
    return 0;
}

static llhttp_t *llhttp_of(struct http_parse *h)
{
    _Static_assert(sizeof(llhttp_t) <= sizeof h->state, "llhttp's state fits");
    return (llhttp_t *)(void *)h->state;
}

/* ---- llhttp's callbacks */

static int on_url(llhttp_t *llhttp, const char *at, size_t n)
{
    struct http_parse *h = llhttp->data;
    h->target = h->target.p ? str_of(h->target.p, h->target.n + n) : str_of(at, n);
    return HPE_OK;
}

static int on_field(llhttp_t *llhttp, const char *at, size_t n)
{
    struct http_parse *h = llhttp->data;
    if (h->head_done) /* a trailer */
        return HPE_OK;
    if (n == 0)
        return HPE_USER;
    if (h->fields_n == HTTP_PARSE_FIELDS_MAX) {
        h->refused = 431;
        return HPE_USER;
    }
    h->fields[h->fields_n++] = (struct http_field){.name = str_of(at, n)};
    return HPE_OK;
}

static int on_value(llhttp_t *llhttp, const char *at, size_t n)
{
    struct http_parse *h = llhttp->data;
    if (h->head_done)
        return HPE_OK;
    if (h->fields_n == 0)
        return HPE_USER;
    struct http_field *f = &h->fields[h->fields_n - 1];
    if (f->value.p) /* the bytes are whole, so a second part is a folded line */
        return HPE_USER;
    f->value = str_trim(str_of(at, n));
    return HPE_OK;
}

static int on_head(llhttp_t *llhttp)
{
    struct http_parse *h = llhttp->data;
    h->head_done = true;
    return HPE_PAUSED;
}

static int on_body(llhttp_t *llhttp, const char *at, size_t n)
{
    struct http_parse *h = llhttp->data;
    h->taken += n;
    h->refused = h->take(h->context, at, n);
    return h->refused ? HPE_USER : HPE_OK;
}

static int on_done(llhttp_t *llhttp)
{
    struct http_parse *h = llhttp->data;
    h->body_done = true;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_url = on_url,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_headers_complete = on_head,
    .on_body = on_body,
    .on_message_complete = on_done,
};

/* ---- what llhttp does not look at */

static void make_lower(char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] >= 'A' && p[i] <= 'Z')
            p[i] = (char)(p[i] | 0x20);
    }
}

static bool is_word(struct str s, struct str word)
{
    return s.n == word.n && strncasecmp(s.p, word.p, s.n) == 0;
}

static bool host_is_fine(struct str host)
{
    for (size_t i = 0; i < host.n; i++) {
        unsigned char c = (unsigned char)host.p[i];
        if (!isalnum(c) && !memchr("-._~:[]%!$&'()*+,;=", c, 19))
            return false;
    }
    return host.n > 0;
}

/* The only value of a header: 0, or 400 where there are two; *ret.p is NULL where there is none. */
static int one_field(const struct http_parse *h, struct str name, struct str *ret)
{
    *ret = (struct str){0};
    for (size_t i = 0; i < h->fields_n; i++) {
        if (!str_eq(h->fields[i].name, name))
            continue;
        if (ret->p)
            return 400;
        *ret = h->fields[i].value;
        if (!ret->p)
            *ret = STR("");
    }
    return 0;
}

/* How long the body is: the rules on which request smuggling rests. */
static int read_length(struct http_parse *h)
{
    struct str length, encoding;
    if (one_field(h, STR("content-length"), &length) ||
        one_field(h, STR("transfer-encoding"), &encoding))
        return 400;
    if (encoding.p) {
        if (length.p || h->minor == 0)
            return 400;
        if (!is_word(encoding, STR("chunked")))
            return 501;
        h->chunked = true;
    } else if (length.p) {
        for (size_t i = 0; i < length.n; i++) {
            if (length.p[i] < '0' || length.p[i] > '9')
                return 400;
        }
        if (!str_u64(length, &h->length))
            return 400;
        h->has_length = true;
    }
    return 0;
}

/* A target is a path, "*" for OPTIONS, or a whole URL, whose host then stands for the header's. */
static int read_target(struct http_parse *h)
{
    if (one_field(h, STR("host"), &h->host) || (!h->host.p && h->minor > 0))
        return 400;
    if (h->target.n > 7 && strncasecmp(h->target.p, "http://", 7) == 0) {
        struct str rest = str_sub(h->target, 7, h->target.n);
        size_t end = MIN(str_find(rest, '/'), str_find(rest, '?'));
        h->host = str_sub(rest, 0, end);
        h->target = end < rest.n && rest.p[end] == '/' ? str_sub(rest, end, rest.n) : STR("/");
    } else if (h->target.n == 0 ||
               (h->target.p[0] != '/' &&
                !(str_eq(h->target, STR("*")) && str_eq(h->method, STR("OPTIONS"))))) {
        return 400;
    }
    if (h->host.p && !host_is_fine(h->host))
        return 400;
    for (size_t i = 0; i < h->target.n; i++) {
        unsigned char c = (unsigned char)h->target.p[i];
        if (c <= ' ' || c == 127 || c == '#')
            return 400;
    }
    return 0;
}

static int read_fields(struct http_parse *h)
{
    for (size_t i = 0; i < h->fields_n; i++) {
        struct str name = h->fields[i].name;
        make_lower((char *)(uintptr_t)name.p, name.n); /* points into the caller's bytes */
    }
    int status = read_length(h);
    if (status == 0)
        status = read_target(h);
    struct str expect;
    if (status == 0 && one_field(h, STR("expect"), &expect))
        status = 400;
    if (status == 0 && expect.p) {
        if (!is_word(expect, STR("100-continue")))
            status = 417;
        h->wants_continue = h->minor > 0;
    }
    return status;
}

int http_parse_head(struct http_parse *h, char *p, size_t n, struct http_field *fields)
{
    *h = (struct http_parse){.fields = fields};
    llhttp_t *llhttp = llhttp_of(h);
    llhttp_init(llhttp, HTTP_REQUEST, &settings);
    llhttp->data = h;
    llhttp_errno_t err = llhttp_execute(llhttp, p, n);
    if (err != HPE_PAUSED || !h->head_done) {
        if (h->refused)
            return h->refused;
        return err == HPE_INVALID_VERSION ? 505 : 400;
    }
    /* Both must see the same end of the head. */
    const char *at = llhttp_get_error_pos(llhttp);
    if (at < p + n - 1 || at > p + n)
        return 400;
    /* llhttp lets more than one blank pass in the first line. */
    h->method = str_of(p, str_find(str_of(p, n), ' '));
    if (h->target.p != p + h->method.n + 1 ||
        !str_starts(str_of(h->target.p + h->target.n, (size_t)(p + n - h->target.p) - h->target.n),
                    STR(" HTTP/")))
        return 400;
    if (llhttp_get_http_major(llhttp) != 1)
        return 505;
    h->minor = llhttp_get_http_minor(llhttp);
    if (h->minor > 1)
        return 505;
    h->keep_alive = llhttp_should_keep_alive(llhttp);
    int status = read_fields(h);
    if (status == 0 && h->chunked) {
        llhttp_resume(llhttp);
        if (llhttp_execute(llhttp, at, (size_t)(p + n - at)) != HPE_OK)
            status = 400;
    }
    return status;
}

int http_parse_chunks(struct http_parse *h, const char *p, size_t n,
                      int (*take)(void *context, const char *p, size_t n), void *context,
                      size_t *ret_n)
{
    must(h->chunked && !h->body_done);
    llhttp_t *llhttp = llhttp_of(h);
    h->take = take;
    h->context = context;
    h->refused = 0;
    uint64_t taken_before = h->taken;
    llhttp_errno_t err = llhttp_execute(llhttp, p, n);
    size_t used = n;
    if (err == HPE_PAUSED && h->body_done)
        used = (size_t)(llhttp_get_error_pos(llhttp) - p);
    else if (err != HPE_OK)
        return h->refused ? h->refused : 400;
    must(used <= n);
    h->overhead += used - (h->taken - taken_before);
    if (h->overhead > OVERHEAD_FREE + OVERHEAD_RATIO * h->taken)
        return 400;
    *ret_n = used;
    return 0;
}

struct str http_parse_field(const struct http_parse *h, struct str name)
{
    for (size_t i = 0; i < h->fields_n; i++) {
        if (str_eq(h->fields[i].name, name))
            return h->fields[i].value;
    }
    return (struct str){"", 0};
}
