#include "net/http2_call.h"

#include <nghttp2/nghttp2.h>

#include "base/mem.h"
#include "base/must.h"

enum { MESSAGE_MAX = 1000 };

struct http2_call {
    nghttp2_session *session;
    int32_t id;
    struct str request; /* what is left to send */
    char *copy;         /* owned */
    struct buf body, message;
    int status, grpc_status;
    bool ended;
    uint32_t code; /* why the stream ended */
};

static bool is_called(const uint8_t *name, size_t n, struct str wanted)
{
    return str_eq(str_of((const char *)name, n), wanted);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_n, const uint8_t *value, size_t value_n, uint8_t flags,
                     void *context)
{
    struct http2_call *c = context;
    struct str v = str_of((const char *)value, value_n);
    uint64_t number;
    if (frame->hd.stream_id != c->id)
        return 0;
    if (is_called(name, name_n, STR(":status")) && str_u64(v, &number) && number < 1000)
        c->status = (int)number;
    else if (is_called(name, name_n, STR("grpc-status")) && str_u64(v, &number) && number < 1000)
        c->grpc_status = (int)number;
    else if (is_called(name, name_n, STR("grpc-message"))) {
        buf_clear(&c->message);
        buf_put_str(&c->message, str_sub(v, 0, MESSAGE_MAX));
    }
    return 0;
}

static int on_body(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *p, size_t n,
                   void *context)
{
    struct http2_call *c = context;
    if (id == c->id)
        buf_put(&c->body, p, n);
    return buf_failed(&c->body) ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static int on_closed(nghttp2_session *session, int32_t id, uint32_t code, void *context)
{
    struct http2_call *c = context;
    if (id == c->id) {
        c->ended = true;
        c->code = code;
    }
    return 0;
}

static ssize_t on_read(nghttp2_session *session, int32_t id, uint8_t *to, size_t n, uint32_t *flags,
                       nghttp2_data_source *source, void *context)
{
    struct http2_call *c = context;
    size_t part = MIN(n, c->request.n);
    if (part > 0)
        memcpy(to, c->request.p, part);
    c->request = str_sub(c->request, part, c->request.n);
    if (c->request.n == 0)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)part;
}

static nghttp2_nv pair(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
                        strlen(value), NGHTTP2_NV_FLAG_NONE};
}

static int submit(struct http2_call *c, const struct http2_call_plan *plan)
{
    const nghttp2_nv fields[] = {
        pair(":method", "POST"),     pair(":scheme", "http"),
        pair(":path", plan->path),   pair(":authority", plan->authority),
        pair("te", "trailers"),      pair("content-type", plan->content_type),
        pair("user-agent", "sonde"),
    };
    const nghttp2_data_provider provider = {.read_callback = on_read};
    if (nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, NULL, 0) != 0)
        return -ERR_LIMIT;
    c->id = nghttp2_submit_request(c->session, NULL, fields, COUNTOF(fields), &provider, c);
    return c->id > 0 ? 0 : -ERR_LIMIT;
}

int http2_call_new(const struct http2_call_plan *plan, struct http2_call **ret)
{
    nghttp2_session_callbacks *callbacks;
    struct http2_call *c = mem_new(sizeof *c);
    c->grpc_status = -1;
    c->copy = mem_copy(plan->body.p, plan->body.n);
    c->request = str_of(c->copy, plan->body.n);
    buf_init(&c->body, HTTP2_CALL_BODY_MAX);
    buf_init(&c->message, MESSAGE_MAX);
    must(nghttp2_session_callbacks_new(&callbacks) == 0);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_body);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_closed);
    must(nghttp2_session_client_new(&c->session, callbacks, c) == 0);
    nghttp2_session_callbacks_del(callbacks);
    int err = submit(c, plan);
    if (err != 0)
        http2_call_free(c);
    else
        *ret = c;
    return err;
}

void http2_call_free(struct http2_call *c)
{
    if (!c)
        return;
    nghttp2_session_del(c->session);
    buf_done(&c->body);
    buf_done(&c->message);
    mem_free(c->copy);
    mem_free(c);
}

int http2_call_take(struct http2_call *c, struct str bytes, struct buf *send, struct why *why)
{
    const uint8_t *p;
    ssize_t n;
    if (bytes.n > 0 && nghttp2_session_mem_recv(c->session, (const uint8_t *)bytes.p, bytes.n) < 0)
        return why_set(why, ERR_FORMAT, "the server does not speak HTTP/2 without TLS");
    while ((n = nghttp2_session_mem_send(c->session, &p)) > 0)
        buf_put(send, p, (size_t)n);
    if (n < 0)
        return why_set(why, ERR_FORMAT, "the server does not speak HTTP/2 without TLS");
    if (c->ended && c->code != NGHTTP2_NO_ERROR)
        return why_set(why, ERR_CLOSED, "the server broke the call off: %s",
                       nghttp2_http2_strerror(c->code));
    if (!c->ended && !nghttp2_session_want_read(c->session))
        return why_set(why, ERR_FORMAT, "the server does not speak HTTP/2 without TLS");
    return c->ended;
}

struct http2_call_answer http2_call_answer(const struct http2_call *c)
{
    return (struct http2_call_answer){c->status, c->grpc_status, buf_str(&c->message),
                                      buf_str(&c->body)};
}
