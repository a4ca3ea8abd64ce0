#include "receive/otlp_reply.h"

#include "codec/wire_put.h"
#include "text/json.h"

enum { REPLY_MAX = 1 << 20 };

/* Codes of google.rpc. */
enum { UNKNOWN = 2, INVALID_ARGUMENT = 3, RESOURCE_EXHAUSTED = 8, UNAVAILABLE = 14 };

int otlp_reply_code(int http_status)
{
    switch (http_status) {
    case 400:
    case 415:
        return INVALID_ARGUMENT;
    case 413:
        return RESOURCE_EXHAUSTED;
    case 429:
    case 503:
        return UNAVAILABLE;
    default:
        return UNKNOWN;
    }
}

static struct str finish(struct buf *b, struct arena *a)
{
    struct str made = arena_str(a, buf_str(b));
    buf_done(b);
    return made;
}

struct str otlp_reply_success(bool json, uint64_t rejected, struct str message, struct arena *a)
{
    bool partial = rejected || message.n;
    struct buf b, inner;
    struct json_writer w;
    buf_init(&b, REPLY_MAX);
    if (json) {
        json_writer_init(&w, &b);
        json_begin_object(&w);
        if (partial) {
            json_key(&w, STR("partialSuccess"));
            json_begin_object(&w);
            json_key(&w, STR("rejectedDataPoints"));
            json_text(&w, arena_printf(a, "%llu", (unsigned long long)rejected));
            json_key(&w, STR("errorMessage"));
            json_text(&w, message);
            json_end_object(&w);
        }
        json_end_object(&w);
    } else if (partial) {
        buf_init(&inner, REPLY_MAX);
        if (rejected)
            wire_put_int(&inner, 1, rejected);
        wire_put_bytes(&inner, 2, message);
        wire_put_bytes(&b, 1, buf_str(&inner));
        buf_done(&inner);
    }
    return finish(&b, a);
}

struct str otlp_reply_status(bool json, int http_status, struct str message, struct arena *a)
{
    struct buf b;
    struct json_writer w;
    int code = otlp_reply_code(http_status);
    buf_init(&b, REPLY_MAX);
    if (json) {
        json_writer_init(&w, &b);
        json_begin_object(&w);
        json_key(&w, STR("code"));
        json_i64(&w, code);
        json_key(&w, STR("message"));
        json_text(&w, message);
        json_end_object(&w);
    } else {
        wire_put_int(&b, 1, (uint64_t)code);
        wire_put_bytes(&b, 2, message);
    }
    return finish(&b, a);
}
