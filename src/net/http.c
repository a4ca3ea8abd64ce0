#include "net/http.h"

#include <strings.h>

#include "net/http_conn.h"

enum http_method http_method(const struct http_request *r)
{
    return r->method;
}

struct str http_path(const struct http_request *r)
{
    return r->target.path;
}

struct str http_segment(const struct http_request *r, size_t i)
{
    return http_target_wildcard(&r->target, str_c(r->route ? r->route->path : "/"), i);
}

struct str http_header(const struct http_request *r, struct str name)
{
    for (size_t i = 0; i < r->head.fields_n; i++) {
        const struct http_field *f = &r->head.fields[i];
        if (f->name.n == name.n && strncasecmp(f->name.p, name.p, name.n) == 0)
            return f->value.p ? f->value : STR("");
    }
    return STR("");
}

struct str http_host(const struct http_request *r)
{
    return r->head.host.p ? r->head.host : STR("");
}

struct str http_body(const struct http_request *r)
{
    return str_of(r->body.p, r->body.n);
}

const char *http_peer(const struct http_request *r)
{
    return r->conn->stream ? stream_peer(r->conn->stream) : "gone";
}

size_t http_lane(const struct http_request *r)
{
    return r->lane;
}

struct loop *http_loop(const struct http_request *r)
{
    return r->loop;
}

struct arena *http_arena(struct http_request *r)
{
    return &r->arena;
}

bool http_param(struct http_request *r, struct str name, struct str *ret)
{
    return http_param_at(r, name, 0, ret);
}

bool http_param_at(struct http_request *r, struct str name, size_t i, struct str *ret)
{
    for (size_t at = 0; at < r->params.n; at++) {
        if (str_eq(r->params.v[at].name, name) && i-- == 0) {
            *ret = r->params.v[at].value;
            return true;
        }
    }
    return false;
}

bool http_is_http2(const struct http_request *r)
{
    return r->conn->http2 != NULL;
}

bool http_gone(const struct http_request *r)
{
    return atomic_load_explicit(&r->gone, memory_order_relaxed);
}

const atomic_bool *http_gone_flag(const struct http_request *r)
{
    return &r->gone;
}

const char *http_reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {
        {100, "Continue"},
        {101, "Switching Protocols"},
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {422, "Unprocessable Content"},
        {426, "Upgrade Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {499, "Client Closed Request"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
        {507, "Insufficient Storage"},
    };
    for (size_t i = 0; i < COUNTOF(reasons); i++) {
        if (reasons[i].status == status)
            return reasons[i].reason;
    }
    return "Unknown";
}
