#include "net/http2_test_client.h"

#include "base/mem.h"

enum { LARGE = 3 << 20, MANY = 100, BODY_MAX = 1 << 20 };

static struct {
    struct loopback at;
    _Atomic int handled, gone_seen;
    struct http_request *_Atomic held;
    char *large;
} site;

/* ---- handlers */

static void echo(struct http_request *r, void *context)
{
    atomic_fetch_add(&site.handled, 1);
    http_reply_header(r, STR("X-Method"), http_header(r, STR("x-asked")));
    http_reply(r, 200, STR("text/plain"), http_body(r));
}

static void large(struct http_request *r, void *context)
{
    http_reply(r, 200, STR("application/octet-stream"), str_of(site.large, LARGE));
}

static void pieces(struct http_request *r, void *context)
{
    http_reply_begin(r, 200, STR("application/octet-stream"));
    for (size_t at = 0; at < LARGE; at += 1000)
        http_reply_put(r, str_of(site.large + at, MIN((size_t)1000, LARGE - at)));
    http_reply_end(r);
}

static void call(struct http_request *r, void *context)
{
    http_reply_trailer(r, STR("Grpc-Status"), STR("0"));
    http_reply_trailer(r, STR("Grpc-Message"), STR("fine"));
    http_reply(r, 200, STR("application/grpc"), http_is_http2(r) ? STR("two") : STR("one"));
}

static void hold(struct http_request *r, void *context)
{
    atomic_store(&site.held, r);
}

static void give_back(void *context)
{
    struct http_request *r = atomic_exchange(&site.held, NULL);
    atomic_store(&site.gone_seen, http_gone(r) ? 1 : 2);
    http_reply(r, 200, STR("text/plain"), STR("late"));
}

static const struct http_route ROUTES[] = {
    {HTTP_GET | HTTP_POST, "/echo", BODY_MAX, echo, NULL},
    {HTTP_GET, "/large", 0, large, NULL},
    {HTTP_GET, "/pieces", 0, pieces, NULL},
    {HTTP_GET | HTTP_POST, "/call", BODY_MAX, call, NULL},
    {HTTP_GET, "/hold", 0, hold, NULL},
};

static int set_up(void **state)
{
    static const struct http_config config = {.routes = ROUTES, .routes_n = COUNTOF(ROUTES)};
    site.large = mem_raw(LARGE);
    for (size_t i = 0; i < LARGE; i++)
        site.large[i] = (char)(i * 2654435761u >> 13);
    loopback_start(&site.at, &config);
    return 0;
}

static int tear_down(void **state)
{
    loopback_stop(&site.at);
    mem_free(site.large);
    return 0;
}

/* ---- tests */

static void requests_of_both_methods_are_answered_on_one_connection(void **state)
{
    struct client c;
    client_open(&c, site.at.port);
    size_t get = client_ask(&c, "GET", "/echo?x=1", STR(""));
    size_t post = client_ask(&c, "POST", "/echo", STR("some bytes"));
    client_wait(&c);
    assert_int_equal(c.answers[get].status, 200);
    assert_int_equal(c.answers[get].body.n, 0);
    assert_int_equal(c.answers[post].status, 200);
    assert_true(str_eq(buf_str(&c.answers[post].body), STR("some bytes")));
    assert_non_null(strstr(c.answers[post].fields, "x-method: POST"));
    assert_non_null(strstr(c.answers[post].fields, "content-length: 10"));
    client_close(&c);
}

static void a_hundred_requests_at_once_are_answered_each_by_its_own(void **state)
{
    struct client c;
    char body[MANY][16];
    client_open(&c, site.at.port);
    for (size_t i = 0; i < MANY; i++) {
        snprintf(body[i], sizeof body[i], "number %zu", i);
        assert_int_equal(client_ask(&c, "POST", "/echo", str_c(body[i])), i);
    }
    client_wait(&c);
    for (size_t i = 0; i < MANY; i++)
        assert_true(str_eq(buf_str(&c.answers[i].body), str_c(body[i])));
    client_close(&c);
}

static void an_answer_beyond_the_window_comes_whole(void **state)
{
    struct client c;
    client_open(&c, site.at.port);
    size_t whole = client_ask(&c, "GET", "/large", STR(""));
    size_t streamed = client_ask(&c, "GET", "/pieces", STR(""));
    client_wait(&c);
    assert_int_equal(c.answers[whole].body.n, LARGE);
    assert_memory_equal(c.answers[whole].body.p, site.large, LARGE);
    assert_int_equal(c.answers[streamed].body.n, LARGE);
    assert_memory_equal(c.answers[streamed].body.p, site.large, LARGE);
    client_close(&c);
}

static void trailers_follow_the_body(void **state)
{
    struct client c;
    client_open(&c, site.at.port);
    size_t at = client_ask(&c, "POST", "/call", STR("x"));
    client_wait(&c);
    assert_true(str_eq(buf_str(&c.answers[at].body), STR("two")));
    assert_non_null(strstr(c.answers[at].fields, "grpc-status: 0\n"));
    assert_non_null(strstr(c.answers[at].fields, "grpc-message: fine\n"));
    assert_null(strstr(c.answers[at].fields, "content-length"));
    client_close(&c);
}

static void what_http1_refuses_is_refused_and_the_connection_goes_on(void **state)
{
    struct client c;
    struct buf body;
    buf_init(&body, BODY_MAX + 2);
    memset(buf_reserve(&body, BODY_MAX + 1), 'x', BODY_MAX + 1);
    buf_commit(&body, BODY_MAX + 1);
    client_open(&c, site.at.port);
    size_t missing = client_ask(&c, "GET", "/nowhere", STR(""));
    size_t method = client_ask(&c, "PUT", "/echo", STR(""));
    size_t escape = client_ask(&c, "GET", "/echo?a=%zz", STR(""));
    size_t length = client_ask(&c, "POST", "/echo", buf_str(&body));
    client_wait(&c);
    size_t after = client_ask(&c, "GET", "/echo", STR(""));
    client_wait(&c);
    assert_int_equal(c.answers[missing].status, 404);
    assert_int_equal(c.answers[method].status, 405);
    assert_int_equal(c.answers[escape].status, 400);
    assert_int_equal(c.answers[length].status, 413);
    assert_int_equal(c.answers[after].status, 200);
    client_close(&c);
    buf_done(&body);
}

static void a_client_that_leaves_is_seen_by_the_handler_of_its_request(void **state)
{
    struct client c;
    client_open(&c, site.at.port);
    client_ask(&c, "GET", "/hold", STR(""));
    client_send(&c);
    while (!atomic_load(&site.held))
        usleep(1000);
    client_close(&c);
    usleep(100000);
    loop_post(site.at.loop, give_back, NULL);
    while (!atomic_load(&site.gone_seen))
        usleep(1000);
    assert_int_equal(atomic_load(&site.gone_seen), 1);
}

static void requests_taken_back_in_floods_end_the_connection(void **state)
{
    struct client c;
    client_open(&c, site.at.port);
    for (int i = 0; i < 2000 && !c.closed; i++) {
        client_cancel(&c, client_ask(&c, "GET", "/echo", STR("")));
        client_send(&c);
    }
    client_wait_closed(&c);
    assert_true(c.closed);
    client_close(&c);
}

static void bytes_that_are_no_frames_end_the_connection(void **state)
{
    static const char JUNK[] =
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nthis is no frame, nor is this one ..";
    int fd = loopback_dial(site.at.port);
    struct buf heard;
    buf_init(&heard, 1 << 20);
    loopback_say(fd, str_of(JUNK, sizeof JUNK - 1));
    loopback_hear(fd, &heard); /* returns, as the server closes */
    assert_true(heard.n > 0);
    buf_done(&heard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_of_both_methods_are_answered_on_one_connection),
        cmocka_unit_test(a_hundred_requests_at_once_are_answered_each_by_its_own),
        cmocka_unit_test(an_answer_beyond_the_window_comes_whole),
        cmocka_unit_test(trailers_follow_the_body),
        cmocka_unit_test(what_http1_refuses_is_refused_and_the_connection_goes_on),
        cmocka_unit_test(a_client_that_leaves_is_seen_by_the_handler_of_its_request),
        cmocka_unit_test(requests_taken_back_in_floods_end_the_connection),
        cmocka_unit_test(bytes_that_are_no_frames_end_the_connection),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
