#include "net/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/rand.h"
#include "base/stat.h"
#include "net/http_parse.h"
#include "net/http_target.h"
#include "net/http_test_client.h"
#include "os/thread.h"

enum { BODY_MAX = 4 * 1024 * 1024, CONNECTIONS = 700 };

/* ---- a server on a thread of its own */

static void reply_text(struct http_request *r, struct str text)
{
    http_reply(r, 200, STR("text/plain"), text);
}

static void on_hello(struct http_request *r, void *context)
{
    atomic_fetch_add(&site.handled, 1);
    reply_text(r, STR("hello"));
}

static void on_echo(struct http_request *r, void *context)
{
    atomic_fetch_add(&site.handled, 1);
    struct str body = http_body(r);
    assert_int_equal((uintptr_t)body.p % 64, 0);
    http_reply(r, 200, STR("application/octet-stream"), body);
}

/* Says what the request looks like to a handler. */
static void on_show(struct http_request *r, void *context)
{
    struct buf b;
    buf_init(&b, 65536);
    struct str v;
    buf_printf(&b, "%d|" STR_FMT "|" STR_FMT "|" STR_FMT "|", http_method(r), STR_ARG(http_path(r)),
               STR_ARG(http_segment(r, 0)), STR_ARG(http_segment(r, 1)));
    for (size_t i = 0; http_param_at(r, STR("a"), i, &v); i++)
        buf_printf(&b, "a=" STR_FMT ";", STR_ARG(v));
    buf_printf(&b, "|" STR_FMT, STR_ARG(http_header(r, STR("X-Test"))));
    reply_text(r, buf_str(&b));
    buf_done(&b);
}

static void on_large(struct http_request *r, void *context)
{
    http_reply(r, 200, STR("text/plain; charset=utf-8"), buf_str(&site.large));
}

static void on_pieces(struct http_request *r, void *context)
{
    http_reply_begin(r, 200, STR("application/json"));
    for (size_t at = 0; at < site.large.n; at += 1000)
        http_reply_put(r, str_sub(buf_str(&site.large), at, at + 1000));
    http_reply_end(r);
}

static void on_short_pieces(struct http_request *r, void *context)
{
    http_reply_begin(r, 200, STR("application/json"));
    http_reply_put(r, STR("[1,"));
    http_reply_put(r, STR("2]"));
    http_reply_end(r);
}

static void on_error(struct http_request *r, void *context)
{
    struct str status;
    uint64_t code = 0;
    if (http_param(r, STR("status"), &status))
        assert_true(str_u64(status, &code));
    http_reply_error(r, (int)code, -ERR_FORMAT, "line 1: \"x\"\n is no number");
}

/* Kept until the test lets it go, by hold_answer(). */
static void on_hold(struct http_request *r, void *context)
{
    atomic_store(&site.held, r);
}

static void on_inject(struct http_request *r, void *context)
{
    http_reply_header(r, STR("X-Name"), STR("a\r\nX-Evil: b"));
    reply_text(r, STR("ok"));
}

static void on_shout(struct http_request *r, void *context)
{
    struct str more = buf_str(&site.large);
    http_reply_begin(r, 200, STR("application/octet-stream"));
    for (int i = 0; i < 400; i++)
        http_reply_put(r, more);
    atomic_store(&site.gone_seen, http_gone(r) ? 2 : 1);
    http_reply_end(r);
}

static const struct http_route routes[] = {
    {HTTP_GET, "/hello", 0, on_hello, NULL},
    {HTTP_GET, "/large", 0, on_large, NULL},
    {HTTP_GET, "/pieces", 0, on_pieces, NULL},
    {HTTP_GET, "/short", 0, on_short_pieces, NULL},
    {HTTP_GET, "/error", 0, on_error, NULL},
    {HTTP_GET, "/hold", 0, on_hold, NULL},
    {HTTP_GET, "/inject", 0, on_inject, NULL},
    {HTTP_GET, "/shout", 0, on_shout, NULL},
    {HTTP_GET | HTTP_POST, "/show", 65536, on_show, NULL},
    {HTTP_GET, "/label/(*)/values/(*)", 0, on_show, NULL},
    {HTTP_GET, "/files/", 0, on_show, NULL},
    {HTTP_POST, "/echo", BODY_MAX, on_echo, NULL},
};

static int guard(void *context, struct http_request *r)
{
    return str_eq(http_host(r), STR("evil.example")) ? -ERR_DENIED : 0;
}

static enum http_cors cors(void *context, struct str origin)
{
    return str_eq(origin, STR("http://friend.example")) ? HTTP_CORS_ORIGIN : HTTP_CORS_NONE;
}

static int start(void **state)
{
    static const struct http_config config = {
        .routes = routes,
        .routes_n = COUNTOF(routes),
        .limits = {.header_bytes_max = 8192,
                   .connections_max = CONNECTIONS,
                   .body_bytes_total_max = 7 * 1024 * 1024,
                   .header_timeout_ms = 600,
                   .body_timeout_ms = 400,
                   .idle_timeout_ms = 1500,
                   .write_queue_max = 8 * 1024 * 1024},
        .guard = guard,
        .lane = 3,
        .cors = cors,
    };
    buf_init(&site.large, 1024 * 1024);
    for (int i = 0; site.large.n < 200000; i++)
        buf_printf(&site.large, "line %d of an answer that can be packed well\n", i);
    loopback_start(&site.at, &config);
    return 0;
}

static int stop(void **state)
{
    loopback_stop(&site.at);
    buf_done(&site.large);
    return 0;
}

/* ---- the usual */

static void a_get_is_answered_with_length_date_and_type(void **state)
{
    struct str a = ASK("GET /hello HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    assert_int_equal(status_of(a), 200);
    assert_true(has(a, "\r\nContent-Length: 5\r\n"));
    assert_true(has(a, " GMT\r\n"));
    assert_true(has(a, "\r\nContent-Type: text/plain\r\n"));
    assert_true(has(a, "\r\nConnection: close\r\n"));
    assert_text(body_of(a), "hello");
}

static void a_connection_is_kept_and_pipelined_requests_are_answered_in_order(void **state)
{
    struct str a = ASK("GET /hello HTTP/1.1\r\nHost: h\r\n\r\n"
                       "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
                       "\r\n" /* an empty line too many */
                       "GET /show?a=1 HTTP/1.1\r\nHost: h\r\n\r\n"
                       "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                       "2\r\nde\r\n1;x=y\r\nf\r\n0\r\nTrailer: t\r\n\r\n"
                       "GET /hello HTTP/1.0\r\n\r\n"
                       "GET /never HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(count_of(a, STR("HTTP/1.1 200 OK")), 5);
    assert_int_equal(count_of(a, STR("HTTP/1.1 ")), 5);
    size_t abc = str_search(a, STR("abc")), shown = str_search(a, STR("1|/show|||a=1;|"));
    size_t def = str_search(a, STR("def"));
    assert_true(abc < shown && shown < def && def < a.n);
}

static void requests_may_come_byte_by_byte(void **state)
{
    struct str text = STR("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
                          "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                          "3\r\ndef\r\n0\r\n\r\n"
                          "GET /hello HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    int fd = dial();
    for (size_t i = 0; i < text.n; i++) {
        loopback_say(fd, str_sub(text, i, i + 1));
        usleep(200);
    }
    struct str a = hear_all(fd);
    assert_int_equal(count_of(a, STR("HTTP/1.1 200 OK")), 3);
    assert_true(has(a, "abc") && has(a, "def") && has(a, "hello"));
}

static void bodies_of_every_size_come_through_whole(void **state)
{
    static const size_t sizes[] = {1,     15000,  16383,   16384,   65535,   65536,
                                   65537, 100000, 1048576, 3000000, BODY_MAX};
    struct rand rand;
    rand_init(&rand, 7);
    char *body = mem_raw(BODY_MAX);
    for (size_t i = 0; i < BODY_MAX; i++)
        body[i] = (char)rand_u64(&rand);
    for (size_t i = 0; i < COUNTOF(sizes) * 2; i++) {
        struct buf b;
        buf_init(&b, 2 * BODY_MAX);
        bool chunked = i % 2;
        size_t size = sizes[i / 2], step = 1 + (size_t)rand_below(&rand, 100000);
        buf_put_str(&b, STR("POST /echo HTTP/1.1\r\nHost: h\r\n"));
        if (!chunked)
            buf_printf(&b, "Content-Length: %zu\r\n\r\n", size);
        else
            buf_put_str(&b, STR("Transfer-Encoding: chunked\r\n\r\n"));
        for (size_t at = 0; chunked && at < size; at += step) {
            size_t n = MIN(step, size - at);
            buf_printf(&b, "%zx\r\n", n);
            buf_put(&b, body + at, n);
            buf_put(&b, "\r\n", 2);
        }
        if (chunked)
            buf_put(&b, "0\r\n\r\n", 5);
        else
            buf_put(&b, body, size);
        buf_put_str(&b, STR("GET /hello HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"));
        int fd = dial();
        loopback_say(fd, buf_str(&b));
        struct str a = hear_all(fd);
        assert_int_equal(status_of(a), 200);
        struct str got = body_of(a);
        assert_true(got.n > size);
        assert_memory_equal(got.p, body, size);
        assert_true(str_ends(got, STR("hello")));
        buf_done(&b);
    }
    mem_free(body);
}

static void a_client_that_asks_first_is_told_to_go_on(void **state)
{
    int fd = dial();
    loopback_say(fd, STR("POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
                         "Connection: close\r\nContent-Length: 3\r\n\r\n"));
    char first[64] = "";
    assert_int_equal(read(fd, first, sizeof first - 1), 25);
    assert_string_equal(first, "HTTP/1.1 100 Continue\r\n\r\n");
    loopback_say(fd, STR("abc"));
    assert_text(body_of(hear_all(fd)), "abc");

    struct str a = ASK("POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
                       "Content-Length: 99999999\r\n\r\n");
    assert_int_equal(status_of(a), 413);
    assert_int_equal(status_of(ASK("POST /echo HTTP/1.1\r\nHost: h\r\nExpect: tea\r\n"
                                   "Content-Length: 3\r\n\r\nabc")),
                     417);
}

static void head_is_answered_without_a_body(void **state)
{
    struct str a = ASK("HEAD /hello HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    assert_int_equal(status_of(a), 200);
    assert_true(has(a, "Content-Length: 5\r\n"));
    assert_int_equal(body_of(a).n, 0);
    a = ASK("HEAD /pieces HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    assert_int_equal(status_of(a), 200);
    assert_int_equal(body_of(a).n, 0);
}

static void unknown_paths_and_wrong_methods_are_told_apart(void **state)
{
    struct str a = ASK("GET /nowhere HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(status_of(a), 404);
    assert_true(has(a, "Content-Type: text/plain"));
    a = ASK("DELETE /show HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(status_of(a), 405);
    assert_true(has(a, "\r\nAllow: OPTIONS, GET, HEAD, POST\r\n"));
    assert_int_equal(status_of(ASK("PATCH /show HTTP/1.1\r\nHost: h\r\n\r\n")), 405);
    a = ASK("OPTIONS /echo HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(status_of(a), 204);
    assert_true(has(a, "\r\nAllow: OPTIONS, POST\r\n"));
    assert_false(has(a, "Content-Length"));
    assert_int_equal(status_of(ASK("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n")), 204);
    /* A refused request without a body does not cost the connection. */
    a = ASK("GET /nowhere HTTP/1.1\r\nHost: h\r\n\r\nGET /hello HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(count_of(a, STR("HTTP/1.1 ")), 2);
}

static void paths_and_parameters_are_decoded(void **state)
{
    assert_text(body_of(ASK("GET /label/a%2Fb/values/%C3%A4+c HTTP/1.1\r\nHost: h\r\n\r\n")),
                "1|/label/a/b/values/\xc3\xa4+c|a/b|\xc3\xa4+c||");
    assert_text(body_of(ASK("GET /files/x/y%20z HTTP/1.1\r\nHost: h\r\n\r\n")),
                "1|/files/x/y z||||");
    assert_text(body_of(ASK("POST /show?a=1&b=2&a=%3D%26 HTTP/1.1\r\nHost: h\r\nX-TEST:  v \r\n"
                            "Content-Type: application/x-www-form-urlencoded\r\n"
                            "Content-Length: 9\r\n\r\na=x+y&a=z")),
                "2|/show|||a=x y;a=z;a=1;a==&;|v");
    assert_text(body_of(ASK("POST /show HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\n"
                            "Content-Length: 3\r\n\r\na=1")),
                "2|/show||||");
    assert_text(body_of(ASK("GET http://h/show?a=1 HTTP/1.1\r\nHost: other\r\n\r\n")),
                "1|/show|||a=1;|");
    struct str a = ASK("POST /show HTTP/1.1\r\nHost: h\r\n"
                       "Content-Type: application/x-www-form-urlencoded;charset=utf-8\r\n"
                       "Content-Length: 4\r\n\r\na=%g");
    assert_int_equal(status_of(a), 400);
    assert_true(has(a, "\"errorType\":\"bad_data\""));
}

static void bad_paths_are_refused(void **state)
{
    static const char *const paths[] = {
        "/files/%00",      "/files/%0", "/files/%zz",        "/files/../hello",
        "/files/%2e%2E/x", "/./hello",  "/files/..%2fhello", "/files/a%0ab",
        "hello",           "*",         "/show?a=%f",        "http://",
        "/files/..",       "/files/.",  "/files/%7f",        "/files/a#b",
    };
    for (size_t i = 0; i < COUNTOF(paths); i++) {
        char text[200];
        int n = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", paths[i]);
        int status = status_of(ask(str_of(text, (size_t)n)));
        if (status != 400)
            fail_msg("%s: %d", paths[i], status);
    }
}

/* ---- request smuggling and its kin */

static void what_two_servers_could_read_differently_is_refused(void **state)
{
    static const struct {
        const char *name;
        struct str text;
    } vectors[] = {
    /* clang-format off */
#define VECTOR(name, text) {name, {text, sizeof text - 1}}
    /* clang-format on */
#include "net/http_smuggling.tbl.h"
#undef VECTOR
    };
    for (size_t i = 0; i < COUNTOF(vectors); i++) {
        atomic_store(&site.handled, 0);
        struct str a = ask(vectors[i].text);
        int status = status_of(a);
        if (status < 400 || status > 505 || atomic_load(&site.handled) != 0 ||
            count_of(a, STR("HTTP/1.1 ")) != 1 || !has(a, "\r\nConnection: close\r\n"))
            fail_msg("%s: handled %d, answer: " STR_FMT, vectors[i].name,
                     atomic_load(&site.handled), STR_ARG(a));
    }
}

/* ---- limits */

static void http2_begins_with_a_connection_or_not_at_all(void **state)
{
    struct str first = ASK("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    assert_int_equal(status_of(first), 0);
    assert_true(first.n > 9 && first.p[3] == 4); /* a frame of settings */
    struct str second = ASK("GET /echo HTTP/1.1\r\nHost: h\r\n\r\n"
                            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    assert_int_equal(count_of(second, STR("HTTP/1.1 ")), 2);
    assert_true(has(second, "\r\nConnection: close\r\n"));
}

static void long_heads_are_refused(void **state)
{
    struct buf b;
    buf_init(&b, 1024 * 1024);
    buf_put_str(&b, STR("GET /hello HTTP/1.1\r\nHost: h\r\nX: "));
    for (int i = 0; i < 9000; i++)
        buf_put_c(&b, 'x');
    assert_int_equal(status_of(ask(buf_str(&b))), 431); /* even before its end */
    buf_clear(&b);
    buf_put_str(&b, STR("GET /hello HTTP/1.1\r\nHost: h\r\n"));
    for (int i = 0; i < HTTP_PARSE_FIELDS_MAX; i++)
        buf_printf(&b, "X%d: y\r\n", i);
    buf_put_str(&b, STR("\r\n"));
    assert_int_equal(status_of(ask(buf_str(&b))), 431);
    buf_done(&b);
}

static void long_bodies_are_refused_before_they_are_read(void **state)
{
    int fd = dial();
    loopback_say(fd, STR("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 4194305\r\n\r\n"));
    assert_int_equal(status_of(hear_all(fd)), 413);
    assert_int_equal(status_of(ASK("GET /hello HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx")),
                     413);
    /* Who has begun to send may go on, and then reads why it was in vain. */
    struct buf b;
    buf_init(&b, 6 << 20);
    buf_put_str(&b, STR("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 4194305\r\n\r\n"));
    for (int i = 0; i < 4194305; i++)
        buf_put_c(&b, 'x');
    assert_int_equal(status_of(ask(buf_str(&b))), 413);
    buf_done(&b);
    /* A chunked one when it gets there. */
    buf_init(&b, 2 * BODY_MAX);
    buf_put_str(&b, STR("POST /show HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"));
    for (int i = 0; i < 70; i++) {
        buf_put_str(&b, STR("400\r\n"));
        for (int j = 0; j < 1024; j++)
            buf_put_c(&b, 'x');
        buf_put_str(&b, STR("\r\n"));
    }
    assert_int_equal(status_of(ask(buf_str(&b))), 413);
    buf_done(&b);
}

static void chunk_extensions_cannot_be_endless(void **state)
{
    struct buf b;
    buf_init(&b, BODY_MAX);
    buf_put_str(&b, STR("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;"));
    for (int i = 0; i < 300000; i++)
        buf_put_c(&b, 'x');
    int fd = dial();
    loopback_say(fd, buf_str(&b));
    assert_int_equal(status_of(hear_all(fd)), 400);
    buf_done(&b);
}

static void bodies_share_a_budget(void **state)
{
    struct buf b;
    buf_init(&b, 2 * BODY_MAX);
    buf_printf(&b, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n", BODY_MAX);
    while (b.n < BODY_MAX)
        buf_put_c(&b, 'x');
    int fd = dial();
    loopback_say(fd, buf_str(&b));
    usleep(50000);
    struct str a = ASK("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 4000000\r\n\r\n");
    assert_int_equal(status_of(a), 503);
    assert_true(has(a, "\r\nRetry-After: "));
    close(fd);
    buf_clear(&b);
    buf_put_str(&b, STR("POST /echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
                        "Content-Length: 4000000\r\n\r\n"));
    for (size_t end = b.n + 4000000; b.n < end;)
        buf_put_c(&b, 'x');
    /* It is free again as soon as the server has seen that the client is gone. */
    for (int i = 0; i < 50 && body_of(a).n < 4000000; i++) {
        usleep(20000);
        fd = dial();
        loopback_say(fd, buf_str(&b));
        a = hear_all(fd);
    }
    assert_int_equal(body_of(a).n, 4000000);
    buf_done(&b);
}

static void half_requests_time_out_and_do_not_stop_others(void **state)
{
    enum { HALVES = 500 };
    static int fds[HALVES];
    for (int i = 0; i < HALVES; i++) {
        fds[i] = dial();
        loopback_say(fds[i],
                     i % 2 ? STR("GET /hello HTTP/1.1\r\nHo")
                           : STR("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc"));
    }
    assert_int_equal(status_of(ASK("GET /hello HTTP/1.1\r\nHost: h\r\n\r\n")), 200);
    for (int i = 0; i < HALVES; i++)
        assert_int_equal(status_of(hear_all(fds[i])), 408);
}

static void idle_connections_are_closed_without_a_word(void **state)
{
    int fd = dial();
    assert_int_equal(hear_all(fd).n, 0);
}

static void connections_past_the_cap_are_told_so(void **state)
{
    static int fds[CONNECTIONS];
    usleep(100000); /* those of the tests before end */
    for (int i = 0; i < CONNECTIONS; i++)
        fds[i] = dial();
    struct str a = ASK("GET /hello HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(status_of(a), 503);
    for (int i = 0; i < CONNECTIONS; i++)
        close(fds[i]);
    usleep(100000);
    assert_int_equal(status_of(ASK("GET /hello HTTP/1.1\r\nHost: h\r\n\r\n")), 200);
}

static void a_reader_that_does_not_read_is_dropped(void **state)
{
    int fd = dial();
    atomic_store(&site.gone_seen, 0);
    loopback_say(fd, STR("GET /shout HTTP/1.1\r\nHost: h\r\n\r\n"));
    for (int i = 0; i < 200 && !atomic_load(&site.gone_seen); i++)
        usleep(10000);
    assert_int_equal(atomic_load(&site.gone_seen), 2);
    close(fd);
}

/* ---- answers */

static struct str unzip(struct str packed)
{
    static char plain[1024 * 1024];
    z_stream z = {.next_in = (Bytef *)(uintptr_t)packed.p, .avail_in = (uInt)packed.n};
    assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
    z.next_out = (Bytef *)plain;
    z.avail_out = sizeof plain;
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    inflateEnd(&z);
    return str_of(plain, sizeof plain - z.avail_out);
}

static struct str unchunk(struct str body)
{
    char *to = (char *)(uintptr_t)body.p;
    struct str all = str_of(to, 0);
    for (;;) {
        size_t n = strtoul(body.p, NULL, 16), at = str_search(body, STR("\r\n")) + 2;
        assert_true(at + n + 2 <= body.n);
        if (n == 0)
            return all;
        memmove(to + all.n, body.p + at, n);
        all.n += n;
        body = str_sub(body, at + n + 2, body.n);
    }
}

static void answers_are_gzipped_for_those_who_take_it(void **state)
{
    struct str a = ASK("GET /large HTTP/1.1\r\nHost: h\r\nAccept-Encoding: br, gzip\r\n\r\n");
    assert_true(has(a, "Content-Encoding: gzip\r\n"));
    assert_true(has(a, "Vary: Accept-Encoding\r\n"));
    assert_true(body_of(a).n < site.large.n / 4);
    assert_true(str_eq(unzip(body_of(a)), buf_str(&site.large)));
    a = ASK("GET /large HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_false(has(a, "Content-Encoding"));
    assert_true(str_eq(body_of(a), buf_str(&site.large)));
    static const char *const no[] = {"gzip;q=0", "gzip; q=0.0", "*;q=0", "br", "*;q=1, gzip;q=0"};
    static const char *const yes[] = {"GZIP", "gzip;q=0.5", "*", "br;q=1.0, gzip;q=0.8, *;q=0"};
    for (size_t i = 0; i < COUNTOF(no) + COUNTOF(yes); i++) {
        bool wanted = i >= COUNTOF(no);
        const char *accept = wanted ? yes[i - COUNTOF(no)] : no[i];
        char text[200];
        int n = snprintf(text, sizeof text,
                         "GET /large HTTP/1.1\r\nHost: h\r\nAccept-Encoding: %s\r\n\r\n", accept);
        if (has(ask(str_of(text, (size_t)n)), "Content-Encoding: gzip") != wanted)
            fail_msg("%s", accept);
    }
    a = ASK("GET /hello HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip\r\n\r\n");
    assert_text(body_of(a), "hello");
}

static void answers_in_pieces_arrive_whole(void **state)
{
    struct str a = ASK("GET /pieces HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_true(has(a, "Transfer-Encoding: chunked\r\n"));
    assert_true(str_eq(unchunk(body_of(a)), buf_str(&site.large)));
    a = ASK("GET /pieces HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip\r\n\r\n"
            "GET /hello HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_true(str_ends(a, STR("hello")));
    assert_true(str_eq(unzip(unchunk(body_of(a))), buf_str(&site.large)));
    a = ASK("GET /pieces HTTP/1.0\r\n\r\n");
    assert_false(has(a, "chunked"));
    assert_true(str_eq(body_of(a), buf_str(&site.large)));
    a = ASK("GET /short HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_true(has(a, "Content-Length: 5\r\n"));
    assert_text(body_of(a), "[1,2]");
}

static void errors_are_json_in_prometheus_words(void **state)
{
    struct str a = ASK("GET /error HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(status_of(a), 400);
    assert_true(has(a, "Content-Type: application/json\r\n"));
    assert_text(body_of(a), "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"line 1: "
                            "\\\"x\\\"\\u000a is no number\",\"code\":\"bad_format\"}");
    static const struct {
        const char *path, *type;
    } rows[] = {{"/error?status=422", "execution"},
                {"/error?status=503", "unavailable"},
                {"/error?status=499", "canceled"},
                {"/error?status=500", "internal"},
                {"/error?status=404", "not_found"}};
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        char text[200], type[60];
        int n = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", rows[i].path);
        snprintf(type, sizeof type, "\"errorType\":\"%s\"", rows[i].type);
        assert_true(has(ask(str_of(text, (size_t)n)), type));
    }
}

static void a_header_cannot_be_smuggled_into_an_answer(void **state)
{
    struct str a = ASK("GET /inject HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_true(has(a, "X-Name: a  X-Evil: b\r\n"));
}

static void the_guard_refuses_before_the_handler(void **state)
{
    atomic_store(&site.handled, 0);
    struct str a = ASK("GET /hello HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    assert_int_equal(status_of(a), 403);
    a = ASK("GET http://evil.example/hello HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(status_of(a), 403);
    assert_int_equal(atomic_load(&site.handled), 0);
}

static void other_sites_may_read_only_where_configured(void **state)
{
    struct str a = ASK("GET /hello HTTP/1.1\r\nHost: h\r\nOrigin: http://friend.example\r\n\r\n");
    assert_true(has(a, "Access-Control-Allow-Origin: http://friend.example\r\n"));
    a = ASK("GET /hello HTTP/1.1\r\nHost: h\r\nOrigin: http://foe.example\r\n\r\n");
    assert_false(has(a, "Access-Control"));
}

/* ---- answers that come later */

static void answer_held(void *context)
{
    struct http_request *r = atomic_exchange(&site.held, NULL);
    reply_text(r, http_gone(r) ? STR("gone") : STR("here"));
}

static struct http_request *wait_for_held(void)
{
    struct http_request *r = NULL;
    for (int i = 0; i < 500 && !(r = atomic_load(&site.held)); i++)
        usleep(2000);
    assert_non_null(r);
    return r;
}

static void an_answer_may_come_later(void **state)
{
    int fd = dial();
    loopback_say(fd, STR("GET /hold HTTP/1.1\r\nHost: h\r\n\r\n"
                         "GET /hello HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"));
    struct http_request *r = wait_for_held();
    assert_false(http_gone(r));
    loop_post(site.at.loop, answer_held, NULL);
    struct str a = hear_all(fd);
    assert_int_equal(count_of(a, STR("HTTP/1.1 200")), 2);
    assert_true(str_search(a, STR("here")) < str_search(a, STR("hello")));
}

static void a_handler_learns_that_its_client_has_gone(void **state)
{
    int fd = dial();
    loopback_say(fd, STR("GET /hold HTTP/1.1\r\nHost: h\r\n\r\n"));
    struct http_request *r = wait_for_held();
    close(fd);
    for (int i = 0; i < 500 && !http_gone(r); i++)
        usleep(2000);
    assert_true(http_gone(r));
    loop_post(site.at.loop, answer_held, NULL);
    for (int i = 0; i < 500 && atomic_load(&site.held); i++)
        usleep(2000);
}

static _Atomic int drained;

static void on_drained(void *context)
{
    atomic_store(&drained, 1);
}

static void drain(void *context)
{
    http_server_drain(site.at.server, on_drained, NULL);
}

static void a_server_drains_after_its_last_answer(void **state)
{
    int fd = dial(), idle = dial();
    loopback_say(fd, STR("GET /hold HTTP/1.1\r\nHost: h\r\n\r\n"));
    wait_for_held();
    loop_post(site.at.loop, drain, NULL);
    assert_int_equal(hear_all(idle).n, 0);
    assert_int_equal(atomic_load(&drained), 0);
    loop_post(site.at.loop, answer_held, NULL);
    struct str a = hear_all(fd);
    assert_true(has(a, "Connection: close\r\n"));
    for (int i = 0; i < 500 && !atomic_load(&drained); i++)
        usleep(2000);
    assert_int_equal(atomic_load(&drained), 1);
}

static double total_requests;

static void add_requests(void *context, const struct stat_sample *s)
{
    if (strcmp(s->family, "sonde_http_requests_total") == 0)
        total_requests += s->value;
}

static void requests_and_answers_are_counted(void **state)
{
    total_requests = 0;
    stat_each(add_requests, NULL);
    double before = total_requests;
    ASK("GET /hello HTTP/1.1\r\nHost: h\r\n\r\n");
    ASK("GET /nowhere HTTP/1.1\r\nHost: h\r\n\r\n");
    total_requests = 0;
    stat_each(add_requests, NULL);
    assert_true(total_requests == before + 2);
}

static int forget(void **state)
{
    buf_done(&heard);
    return stop(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_get_is_answered_with_length_date_and_type),
        cmocka_unit_test(a_connection_is_kept_and_pipelined_requests_are_answered_in_order),
        cmocka_unit_test(requests_may_come_byte_by_byte),
        cmocka_unit_test(bodies_of_every_size_come_through_whole),
        cmocka_unit_test(a_client_that_asks_first_is_told_to_go_on),
        cmocka_unit_test(head_is_answered_without_a_body),
        cmocka_unit_test(unknown_paths_and_wrong_methods_are_told_apart),
        cmocka_unit_test(paths_and_parameters_are_decoded),
        cmocka_unit_test(bad_paths_are_refused),
        cmocka_unit_test(what_two_servers_could_read_differently_is_refused),
        cmocka_unit_test(http2_begins_with_a_connection_or_not_at_all),
        cmocka_unit_test(long_heads_are_refused),
        cmocka_unit_test(long_bodies_are_refused_before_they_are_read),
        cmocka_unit_test(chunk_extensions_cannot_be_endless),
        cmocka_unit_test(bodies_share_a_budget),
        cmocka_unit_test(half_requests_time_out_and_do_not_stop_others),
        cmocka_unit_test(idle_connections_are_closed_without_a_word),
        cmocka_unit_test(connections_past_the_cap_are_told_so),
        cmocka_unit_test(a_reader_that_does_not_read_is_dropped),
        cmocka_unit_test(answers_are_gzipped_for_those_who_take_it),
        cmocka_unit_test(answers_in_pieces_arrive_whole),
        cmocka_unit_test(errors_are_json_in_prometheus_words),
        cmocka_unit_test(a_header_cannot_be_smuggled_into_an_answer),
        cmocka_unit_test(the_guard_refuses_before_the_handler),
        cmocka_unit_test(other_sites_may_read_only_where_configured),
        cmocka_unit_test(an_answer_may_come_later),
        cmocka_unit_test(a_handler_learns_that_its_client_has_gone),
        cmocka_unit_test(requests_and_answers_are_counted),
        cmocka_unit_test(a_server_drains_after_its_last_answer),
    };
    return cmocka_run_group_tests(tests, start, forget);
}
