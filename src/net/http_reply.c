#include <stdio.h>
#include <strings.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/must.h"
#include "net/http_conn.h"

enum {
    GZIP_LEVEL = 1,
    GZIP_WINDOW = 15 + 16, /* the largest, with gzip's own head and tail */
    GZIP_MEMORY = 8,
    SENTENCE_MAX = 8 * 1024, /* bytes of an error's text */
    GZIP_STEP = 16 * 1024,   /* bytes of packed answer that room is made for at once */
};

/* ---- gzip */

/* A stream ready for a new answer: the server's own, or one more where that is in use. */
static z_stream *gzip_take(struct http_server *s)
{
    z_stream *z = s->gzip;
    s->gzip = NULL;
    if (z) {
        must(deflateReset(z) == Z_OK);
        return z;
    }
    z = mem_new(sizeof *z);
    must(deflateInit2(z, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW, GZIP_MEMORY, Z_DEFAULT_STRATEGY) ==
         Z_OK);
    return z;
}

static void gzip_free(z_stream *z)
{
    if (!z)
        return;
    deflateEnd(z);
    mem_free(z);
}

static void gzip_give(struct http_server *s, z_stream *z)
{
    if (z && s && !s->gzip)
        s->gzip = z;
    else
        gzip_free(z);
}

static void gzip_put(z_stream *z, struct str in, int flush, struct buf *out)
{
    z->next_in = (Bytef *)(uintptr_t)in.p; /* zlib only reads */
    do {
        size_t part = MIN(in.n, (size_t)UINT32_MAX);
        z->avail_in = (uInt)part;
        in.n -= part;
        do {
            z->next_out = (Bytef *)buf_reserve(out, GZIP_STEP);
            must(z->next_out != NULL);
            z->avail_out = GZIP_STEP;
            int err = deflate(z, in.n ? Z_NO_FLUSH : flush);
            must(err == Z_OK || err == Z_STREAM_END || err == Z_BUF_ERROR);
            buf_commit(out, GZIP_STEP - z->avail_out);
        } while (z->avail_out == 0);
    } while (in.n > 0);
}

static bool has_word(struct str s, struct str word)
{
    for (; s.n >= word.n; s = str_sub(s, 1, s.n)) {
        if (strncasecmp(s.p, word.p, word.n) == 0)
            return true;
    }
    return false;
}

static bool is_text(struct str type)
{
    static const struct str words[] = {{"text/", 5},        {"json", 4}, {"javascript", 10},
                                       {"openmetrics", 11}, {"xml", 3},  {"manifest", 8}};
    type = str_sub(type, 0, str_find(type, ';'));
    for (size_t i = 0; i < COUNTOF(words); i++) {
        if (has_word(type, words[i]))
            return true;
    }
    return false;
}

/* Does the client take gzip? RFC 9110 12.5.3; "q=0" is a no. */
static bool takes_gzip(const struct http_request *r)
{
    struct str item, accept = http_header(r, STR("accept-encoding"));
    int any = -1;
    for (struct str rest = accept; str_split(&rest, ',', &item);) {
        size_t end = str_find(item, ';');
        struct str name = str_trim(str_sub(item, 0, end));
        struct str q = str_sub(item, end + 1, item.n);
        bool no = has_word(q, STR("q=0")) && strspn(q.p + str_search(q, STR("=")) + 1, "0.") >=
                                                 q.n - str_search(q, STR("=")) - 1;
        if (name.n == 4 && strncasecmp(name.p, "gzip", 4) == 0)
            return !no;
        if (str_eq(name, STR("*")))
            any = !no;
    }
    return any == 1;
}

/* ---- the head of an answer */

static void put_header(struct buf *b, struct str name, struct str value)
{
    buf_put_str(b, name);
    buf_put(b, ": ", 2);
    for (size_t i = 0; i < value.n; i++) {
        /* A line end in a value would let whoever chose it write headers of his own. */
        unsigned char c = (unsigned char)value.p[i];
        buf_put_c(b, c < ' ' && c != '\t' ? ' ' : (char)c);
    }
    buf_put(b, "\r\n", 2);
}

void http_reply_trailer(struct http_request *r, struct str name, struct str value)
{
    put_header(&r->answer.trailers, name, value);
}

void http_reply_header(struct http_request *r, struct str name, struct str value)
{
    must(!r->answer.head_sent);
    if (name.n == 16 && strncasecmp(name.p, "content-encoding", 16) == 0)
        r->answer.encoded = true;
    put_header(&r->answer.headers, name, value);
}

/* As Prometheus does: an origin that may not read is told nothing, but that it depends. */
static void put_cors(struct http_request *r, struct buf *b)
{
    const struct http_config *config = &r->conn->server->config;
    struct str origin = http_header(r, STR("origin"));
    if (!config->cors || origin.n == 0)
        return;
    enum http_cors allowed = config->cors(config->cors_context, origin);
    put_header(b, STR("Vary"), STR("Origin"));
    if (allowed == HTTP_CORS_NONE)
        return;
    put_header(b, STR("Access-Control-Allow-Origin"), allowed == HTTP_CORS_ANY ? STR("*") : origin);
    put_header(b, STR("Access-Control-Allow-Methods"), STR("GET, POST, OPTIONS"));
    put_header(b, STR("Access-Control-Allow-Headers"),
               STR("Accept, Authorization, Content-Type, Origin"));
    put_header(b, STR("Access-Control-Expose-Headers"), STR("Date"));
}

static bool may_have_body(int status)
{
    return status >= 200 && status != 204 && status != 304;
}

/* The fields of a head, as far as they are the same in HTTP/1 and HTTP/2. length < 0: not known. */
static void put_fields(struct http_request *r, int64_t length, bool varies, bool gzipped,
                       struct buf *b)
{
    struct http_answer *a = &r->answer;
    buf_put_str(b, STR("Date: "));
    buf_put_str(b, str_c(http_server_date(r->conn->server)));
    buf_put_str(b, STR("\r\n"));
    if (a->content_type.n) {
        put_header(b, STR("Content-Type"), a->content_type);
        /* Browsers are not to guess that data is a page. */
        buf_put_str(b, STR("X-Content-Type-Options: nosniff\r\n"));
    }
    if (length >= 0 && may_have_body(a->status) && a->trailers.n == 0) {
        buf_put_str(b, STR("Content-Length: "));
        buf_put_i64(b, length);
        buf_put_str(b, STR("\r\n"));
    }
    if (gzipped)
        buf_put_str(b, STR("Content-Encoding: gzip\r\n"));
    if (varies)
        buf_put_str(b, STR("Vary: Accept-Encoding\r\n"));
    put_cors(r, b);
    buf_put_str(b, buf_str(&a->headers));
}

/* The whole head, in the server's scratch buffer; "" where HTTP/2 has sent it. */
static struct str make_head(struct http_request *r, int64_t length, bool varies, bool gzipped)
{
    struct http_server *s = r->conn->server;
    struct http_answer *a = &r->answer;
    struct buf *b = &s->head;
    buf_clear(b);
    a->head_sent = true;
    if (r->conn->http2) {
        put_fields(r, length, varies, gzipped, b);
        must(!buf_failed(b));
        http2_head(r, buf_str(b));
        return STR("");
    }
    buf_put_str(b, STR("HTTP/1.1 "));
    buf_put_u64(b, (uint64_t)a->status);
    buf_put_c(b, ' ');
    buf_put_str(b, str_c(http_reason(a->status)));
    buf_put_str(b, STR("\r\n"));
    put_fields(r, length, varies, gzipped, b);
    if (a->chunked)
        buf_put_str(b, STR("Transfer-Encoding: chunked\r\n"));
    if (s->draining)
        r->keep_alive = false;
    if (!r->keep_alive)
        buf_put_str(b, STR("Connection: close\r\n"));
    else if (r->head.minor == 0)
        buf_put_str(b, STR("Connection: keep-alive\r\n"));
    buf_put_str(b, STR("\r\n"));
    must(!buf_failed(b));
    return buf_str(b);
}

/* Writes to the client; one who does not read what waits for him is dropped. */
static void send_parts(struct http_request *r, const struct str *parts, size_t n)
{
    struct http_conn *c = r->conn;
    size_t total = 0;
    for (size_t i = 0; i < n; i++)
        total += parts[i].n;
    if (!c->stream)
        return;
    if (stream_write(c->stream, parts, n) != 0) {
        r->keep_alive = false; /* gone; nobody is left to tell */
        return;
    }
    http_server_counted(NULL, total);
    if (stream_queued(c->stream) > c->server->config.limits.write_queue_max) {
        http_server_refused(HTTP_REFUSAL_SLOW_READER);
        atomic_store(&r->gone, true);
        stream_free(c->stream);
        c->stream = NULL;
    }
}

/* The same over HTTP/2, which frames the bytes itself. */
static void send_http2(struct http_request *r, struct str bytes, bool last)
{
    http_server_counted(NULL, bytes.n);
    size_t waits = http2_data(r, bytes, last);
    if (waits <= r->conn->server->config.limits.write_queue_max)
        return;
    http_server_refused(HTTP_REFUSAL_SLOW_READER);
    http2_reset(r);
}

static bool is_lost(const struct http_request *r)
{
    return !r->conn->server || !r->conn->stream;
}

static void finish(struct http_request *r)
{
    http_server_counted(r, 0);
    if (r->conn->server) {
        gzip_give(r->conn->server, r->answer.gzip);
        r->answer.gzip = NULL;
    }
    http_conn_answered(r->conn);
}

/* ---- whole answers */

static void send_whole(struct http_request *r, struct str body)
{
    struct http_server *s = r->conn->server;
    bool varies = is_text(r->answer.content_type) && !r->answer.encoded;
    bool gzipped = varies && body.n > HTTP_GZIP_MIN && takes_gzip(r);
    if (gzipped) {
        z_stream *z = gzip_take(s);
        buf_clear(&s->packed);
        gzip_put(z, body, Z_FINISH, &s->packed);
        gzip_give(s, z);
        body = buf_str(&s->packed);
    }
    struct str parts[] = {make_head(r, (int64_t)body.n, varies, gzipped), body};
    bool headless = r->method == HTTP_HEAD || !may_have_body(r->answer.status);
    if (r->conn->http2)
        send_http2(r, headless ? STR("") : body, true);
    else
        send_parts(r, parts, headless ? 1 : 2);
    if (s->packed.capacity > HTTP_BODY_KEPT_SIZE)
        buf_done(&s->packed);
}

void http_reply(struct http_request *r, int status, struct str content_type, struct str body)
{
    must(r->conn->state == HTTP_STATE_BUSY && !r->answer.streaming);
    r->answer.status = status;
    r->answer.content_type = content_type;
    if (!is_lost(r))
        send_whole(r, body);
    finish(r);
}

void http_reply_plain(struct http_request *r, int status, bool close)
{
    char text[160];
    /* Only the server's guard refuses so, and it looks at where a request comes from. */
    const char *more = status == 403 ? ": not with this Host, nor for another site's page" : "";
    int n = snprintf(text, sizeof text, "%d %s%s\n", status, http_reason(status), more);
    if (close)
        r->keep_alive = false;
    if (status == 503)
        http_reply_header(r, STR("Retry-After"), STR("1"));
    if (may_have_body(status))
        http_reply(r, status, STR("text/plain; charset=utf-8"), str_of(text, (size_t)n));
    else
        http_reply(r, status, STR(""), STR(""));
}

/* ---- answers in pieces */

void http_reply_begin(struct http_request *r, int status, struct str content_type)
{
    struct http_answer *a = &r->answer;
    must(r->conn->state == HTTP_STATE_BUSY && !a->streaming);
    a->streaming = true;
    a->status = status;
    a->content_type = arena_str(&r->arena, content_type);
}

/* Sends what has gathered as one chunk (HTTP/1.0: as it is). */
static void send_piece(struct http_request *r, struct str head, bool last)
{
    struct http_answer *a = &r->answer;
    struct str bytes = buf_str(&a->out);
    if (r->conn->http2) {
        send_http2(r, r->method == HTTP_HEAD ? STR("") : bytes, last);
        buf_clear(&a->out);
        return;
    }
    char size[24];
    int size_n = snprintf(size, sizeof size, "%zx\r\n", bytes.n);
    bool framed = a->chunked && bytes.n > 0;
    struct str parts[] = {head, framed ? str_of(size, (size_t)size_n) : STR(""), bytes,
                          framed ? STR("\r\n") : STR(""),
                          a->chunked && last ? STR("0\r\n\r\n") : STR("")};
    bool headless = r->method == HTTP_HEAD || !may_have_body(a->status);
    send_parts(r, parts, headless ? 1 : COUNTOF(parts));
    buf_clear(&a->out);
}

/* The first piece is full: the answer is a long one and its length will not be known. */
static struct str go_chunked(struct http_request *r)
{
    struct http_answer *a = &r->answer;
    a->chunked = r->head.minor > 0 && !r->conn->http2;
    if (r->head.minor == 0)
        r->keep_alive = false;
    bool varies = is_text(a->content_type) && !a->encoded;
    if (varies && takes_gzip(r)) {
        a->gzip = gzip_take(r->conn->server);
        struct buf plain = a->out;
        buf_init(&a->out, SIZE_MAX / 2);
        gzip_put(a->gzip, buf_str(&plain), Z_NO_FLUSH, &a->out);
        buf_done(&plain);
    }
    return make_head(r, -1, varies, a->gzip != NULL);
}

void http_reply_put(struct http_request *r, struct str bytes)
{
    struct http_answer *a = &r->answer;
    must(a->streaming);
    if (is_lost(r))
        return;
    if (a->gzip)
        gzip_put(a->gzip, bytes, Z_NO_FLUSH, &a->out);
    else
        buf_put_str(&a->out, bytes);
    if (a->out.n >= HTTP_PIECE) {
        struct str head = a->head_sent ? STR("") : go_chunked(r);
        send_piece(r, head, false);
    }
}

void http_reply_flush(struct http_request *r)
{
    struct http_answer *a = &r->answer;
    must(a->streaming);
    if (is_lost(r))
        return;
    struct str head = a->head_sent ? STR("") : go_chunked(r);
    if (a->gzip)
        gzip_put(a->gzip, STR(""), Z_SYNC_FLUSH, &a->out);
    send_piece(r, head, false);
}

void http_reply_end(struct http_request *r)
{
    struct http_answer *a = &r->answer;
    must(a->streaming);
    if (is_lost(r)) {
        finish(r);
        return;
    }
    if (!a->head_sent) {
        send_whole(r, buf_str(&a->out));
    } else {
        if (a->gzip)
            gzip_put(a->gzip, STR(""), Z_FINISH, &a->out);
        send_piece(r, STR(""), true);
    }
    finish(r);
}

void http_reply_free(struct http_answer *a)
{
    buf_done(&a->headers);
    buf_done(&a->trailers);
    buf_done(&a->out);
    gzip_free(a->gzip);
    a->gzip = NULL;
}

/* ---- errors */

static int usual_status(int err)
{
    switch (err < 0 ? -err : err) {
    case ERR_RANGE:
    case ERR_FORMAT:
    case ERR_OLD:
    case ERR_FUTURE:
        return 400;
    case ERR_KEY:
    case ERR_DENIED:
        return 403;
    case ERR_NOENT:
        return 404;
    case ERR_EXISTS:
    case ERR_STATE:
        return 409;
    case ERR_LIMIT:
    case ERR_SPARSE:
        return 422;
    case ERR_CANCELED:
        return 499;
    case ERR_UNSUPPORTED:
        return 501;
    case ERR_BUSY:
    case ERR_TIMEOUT:
    case ERR_CLOSED:
        return 503;
    case ERR_FULL:
        return 507;
    default:
        return 500;
    }
}

/* Prometheus' word for the kind of error. */
static const char *error_type(int status, int err)
{
    bool timeout = err == ERR_TIMEOUT || err == -ERR_TIMEOUT;
    switch (status) {
    case 404:
        return "not_found";
    case 406:
        return "not_acceptable";
    case 422:
        return "execution";
    case 499:
        return "canceled";
    case 503:
        return timeout ? "timeout" : "unavailable";
    case 501:
    case 507:
        return "unavailable";
    default:
        return status >= 500 ? "internal" : "bad_data";
    }
}

static void put_json_text(struct buf *b, struct str s)
{
    buf_put_c(b, '"');
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == '"' || c == '\\')
            buf_put_c(b, '\\');
        if (c < ' ')
            buf_printf(b, "\\u%04x", c);
        else
            buf_put_c(b, (char)c);
    }
    buf_put_c(b, '"');
}

void http_reply_error(struct http_request *r, int status, int err, const char *sentence)
{
    if (status == 0)
        status = usual_status(err);
    struct buf b;
    buf_init(&b, 64 * 1024);
    struct str text = str_sub(str_c(sentence ? sentence : err_text(err)), 0, SENTENCE_MAX);
    for (int cut = 0; cut < 3 && !str_utf8(text); cut++) /* inside a character? */
        text.n--;
    if (!str_utf8(text))
        text = str_c(err_text(err));
    buf_put_str(&b, STR("{\"status\":\"error\",\"errorType\":\""));
    buf_put_str(&b, str_c(error_type(status, err)));
    buf_put_str(&b, STR("\",\"error\":"));
    put_json_text(&b, text);
    buf_put_str(&b, STR(",\"code\":"));
    put_json_text(&b, str_c(err_code(err)));
    buf_put_c(&b, '}');
    must(!buf_failed(&b));
    if (status == 503 || status == 429)
        http_reply_header(r, STR("Retry-After"), STR("1"));
    http_reply(r, status, STR("application/json"), buf_str(&b));
    buf_done(&b);
}
