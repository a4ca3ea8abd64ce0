#include "net/http.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "net/http_test_client.h"

/* A stream of events: the first goes out at once, the second when the test says so. */
static void on_events(struct http_request *r, void *context)
{
    (void)context;
    http_reply_begin(r, 200, STR("text/event-stream"));
    http_reply_flush(r);
    http_reply_put(r, STR("data: one\n\n"));
    http_reply_flush(r);
    atomic_store(&site.held, r);
}

static void end_events(void *context)
{
    struct http_request *r = context;
    http_reply_put(r, STR("data: two\n\n"));
    http_reply_end(r);
}

static enum http_cors any(void *context, struct str origin)
{
    (void)context;
    return str_eq(origin, STR("http://foe.example")) ? HTTP_CORS_NONE : HTTP_CORS_ANY;
}

static int start(void **state)
{
    static const struct http_route ROUTES[] = {{HTTP_GET, "/events", 0, on_events, NULL}};
    static const struct http_config CONFIG = {
        .routes = ROUTES, .routes_n = COUNTOF(ROUTES), .cors = any};
    (void)state;
    loopback_start(&site.at, &CONFIG);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    loopback_stop(&site.at);
    buf_done(&heard);
    return 0;
}

/* Reads until n bytes that hold needle have come; what came. */
static size_t hear_until(int fd, const char *needle, char *room, size_t size)
{
    size_t n = 0;
    while (n == 0 || memmem(room, n, needle, strlen(needle)) == NULL) {
        ssize_t got = read(fd, room + n, size - n);
        assert_true(got > 0);
        n += (size_t)got;
    }
    return n;
}

static struct http_request *wait_for_held(void)
{
    struct http_request *r = NULL;
    for (int i = 0; i < 500 && !(r = atomic_exchange(&site.held, NULL)); i++)
        usleep(2000);
    assert_non_null(r);
    return r;
}

static void what_is_flushed_arrives_before_the_end(void **state)
{
    char room[4096];
    int fd = dial();
    (void)state;
    loopback_say(fd, STR("GET /events HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"));
    size_t n = hear_until(fd, "data: one\n\n", room, sizeof room);
    assert_non_null(memmem(room, n, "Transfer-Encoding: chunked\r\n", 28));
    loop_post(site.at.loop, end_events, wait_for_held());
    assert_true(str_ends(hear_all(fd), STR("data: two\n\n\r\n0\r\n\r\n")));
}

/* The bytes of the chunks behind a head, put together. */
static size_t unchunk(const char *text, const char *end, unsigned char *ret)
{
    size_t n = 0;
    while (text < end) {
        char *behind;
        size_t size = strtoul(text, &behind, 16);
        if (size == 0 || behind + 2 + size > end)
            break;
        memcpy(ret + n, behind + 2, size);
        n += size;
        text = behind + 2 + size + 2;
    }
    return n;
}

static void what_is_flushed_can_be_unpacked_before_the_end(void **state)
{
    char room[4096];
    unsigned char packed[4096], plain[4096];
    int fd = dial();
    size_t n = 0, packed_n = 0;
    const char *body = NULL;
    (void)state;
    loopback_say(fd, STR("GET /events HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip\r\n"
                         "Connection: close\r\n\r\n"));
    /* Two flushes: each ends with the mark of one (00 00 ff ff). */
    for (int marks = 0; marks < 2;) {
        ssize_t got = read(fd, room + n, sizeof room - 1 - n);
        assert_true(got > 0);
        n += (size_t)got;
        room[n] = '\0';
        body = memmem(room, n, "\r\n\r\n", 4);
        packed_n = body ? unchunk(body + 4, room + n, packed) : 0;
        marks = 0;
        for (size_t i = 0; i + 4 <= packed_n; i++)
            marks += memcmp(packed + i, "\0\0\xff\xff", 4) == 0;
    }
    z_stream z = {.next_in = packed,
                  .avail_in = (uInt)packed_n,
                  .next_out = plain,
                  .avail_out = sizeof plain};
    assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
    assert_int_equal(inflate(&z, Z_SYNC_FLUSH), Z_OK);
    assert_int_equal(z.total_out, 11);
    assert_memory_equal(plain, "data: one\n\n", 11);
    inflateEnd(&z);
    loop_post(site.at.loop, end_events, wait_for_held());
    assert_true(hear_all(fd).n > 0);
}

static void everybody_may_read_where_all_origins_may(void **state)
{
    (void)state;
    struct str a = ask(STR("GET /no HTTP/1.1\r\nHost: h\r\nOrigin: http://any.example\r\n\r\n"));
    assert_true(str_search(a, STR("Access-Control-Allow-Origin: *\r\n")) < a.n);
    assert_true(str_search(a, STR("Access-Control-Expose-Headers: Date\r\n")) < a.n);
    a = ask(STR("GET /no HTTP/1.1\r\nHost: h\r\nOrigin: http://foe.example\r\n\r\n"));
    assert_true(str_search(a, STR("Access-Control-")) == a.n);
    assert_true(str_search(a, STR("Vary: Origin\r\n")) < a.n);
    a = ask(STR("OPTIONS /no HTTP/1.1\r\nHost: h\r\nOrigin: http://any.example\r\n\r\n"));
    assert_true(str_starts(a, STR("HTTP/1.1 204 ")));
    assert_true(str_search(a, STR("Access-Control-Allow-Methods: GET, POST, OPTIONS\r\n")) < a.n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_flushed_arrives_before_the_end),
        cmocka_unit_test(what_is_flushed_can_be_unpacked_before_the_end),
        cmocka_unit_test(everybody_may_read_where_all_origins_may),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
