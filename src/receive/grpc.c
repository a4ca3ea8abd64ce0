#include "receive/grpc.h"

#include <stdio.h>

#include "base/must.h"
#include "net/base64.h"
#include "pack/pack.h"
#include "receive/push.h"

enum { FRAME_HEAD = 5, SENTENCE_MAX = 500 };

static const struct str CONTENT_TYPE = {"application/grpc", 16};

/* A sentence as the trailer carries it: what is not printable is percent-encoded. */
static void put_sentence(struct buf *b, const char *sentence)
{
    for (size_t i = 0; sentence[i] && i < SENTENCE_MAX; i++) {
        unsigned char c = (unsigned char)sentence[i];
        if (c < ' ' || c > '~' || c == '%')
            buf_printf(b, "%%%02X", c);
        else
            buf_put_c(b, (char)c);
    }
}

static void put_status(struct http_request *r, enum grpc_status status)
{
    char text[8];
    snprintf(text, sizeof text, "%d", (int)status);
    http_reply_trailer(r, STR("grpc-status"), str_c(text));
}

/* google.rpc.Status with a RetryInfo, base64 encoded: what clients read how long to wait from. */
static void put_retry(struct http_request *r, enum grpc_status status, unsigned retry_ms)
{
    static const char TYPE[] = "type.googleapis.com/google.rpc.RetryInfo";
    struct buf b, text;
    buf_init(&b, 1024);
    buf_init(&text, 2048);
    must(retry_ms < 128000);
    /* Duration{seconds=1} in RetryInfo{retry_delay=1} in Any{type_url=1, value=2}, in details=3 */
    unsigned seconds = MAX(1u, (retry_ms + 999) / 1000);
    char any[] = {0x12, 4, 0x0a, 2, 0x08, (char)seconds};
    buf_put(&b, (char[]){0x08, (char)status, 0x1a}, 3);
    buf_put_c(&b, (char)(2 + sizeof TYPE - 1 + sizeof any));
    buf_put(&b, (char[]){0x0a, (char)(sizeof TYPE - 1)}, 2);
    buf_put(&b, TYPE, sizeof TYPE - 1);
    buf_put(&b, any, sizeof any);
    base64_put(&text, buf_str(&b));
    http_reply_trailer(r, STR("grpc-status-details-bin"), buf_str(&text));
    buf_done(&text);
    buf_done(&b);
}

void grpc_fail(struct http_request *r, enum grpc_status status, const char *sentence,
               unsigned retry_ms)
{
    struct buf text;
    buf_init(&text, 4 * SENTENCE_MAX);
    put_sentence(&text, sentence);
    put_status(r, status);
    http_reply_trailer(r, STR("grpc-message"), buf_str(&text));
    if (retry_ms)
        put_retry(r, status, retry_ms);
    http_reply(r, 200, CONTENT_TYPE, STR(""));
    buf_done(&text);
}

void grpc_reply(struct http_request *r, struct str message)
{
    struct buf b;
    buf_init(&b, message.n + FRAME_HEAD);
    for (int i = 0; i < FRAME_HEAD; i++)
        buf_put_c(&b, i == 0 ? 0 : (char)(message.n >> (8 * (4 - i))));
    buf_put_str(&b, message);
    put_status(r, GRPC_OK);
    http_reply(r, 200, CONTENT_TYPE, buf_str(&b));
    buf_done(&b);
}

static int unpack(struct http_request *r, struct body *b, size_t max, struct str packed,
                  struct str *ret)
{
    enum pack_codec codec;
    struct why why = {0};
    struct str name = http_header(r, STR("grpc-encoding"));
    if (pack_codec_of(name, &codec) || codec == PACK_LZ4) {
        grpc_fail(r, GRPC_UNIMPLEMENTED, "send grpc-encoding gzip, deflate, zstd, snappy or none",
                  0);
        return -ERR_UNSUPPORTED;
    }
    int err = body_unpack(b, codec, packed, max, ret, &why);
    if (err == -ERR_BUSY)
        grpc_fail(r, GRPC_UNAVAILABLE, why.text, 1000);
    else if (err)
        grpc_fail(r, err == -ERR_LIMIT ? GRPC_RESOURCE_EXHAUSTED : GRPC_INVALID_ARGUMENT, why.text,
                  0);
    return err;
}

int grpc_message(struct http_request *r, struct body *b, size_t max, struct str *ret)
{
    struct str in = http_body(r);
    struct str type = push_media_type(http_header(r, STR("Content-Type")));
    if (!http_is_http2(r) || !str_starts(type, CONTENT_TYPE)) {
        http_reply_error(r, 415, -ERR_UNSUPPORTED,
                         "this path takes gRPC: application/grpc over HTTP/2");
        return -ERR_UNSUPPORTED;
    }
    uint64_t length = 0;
    for (size_t i = 1; i < FRAME_HEAD && in.n >= FRAME_HEAD; i++)
        length = length << 8 | (unsigned char)in.p[i];
    if (in.n < FRAME_HEAD || in.n - FRAME_HEAD != length || (unsigned char)in.p[0] > 1) {
        grpc_fail(r, GRPC_INVALID_ARGUMENT, "the body is not one whole message of a unary call", 0);
        return -ERR_FORMAT;
    }
    struct str message = str_sub(in, FRAME_HEAD, in.n);
    if (in.p[0] == 1)
        return unpack(r, b, max, message, ret);
    if (message.n > max) {
        grpc_fail(r, GRPC_RESOURCE_EXHAUSTED, "the message is too long", 0);
        return -ERR_LIMIT;
    }
    *ret = message;
    return 0;
}
