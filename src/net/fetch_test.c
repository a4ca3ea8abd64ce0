#include "net/address.h"
#include "net/fetch_testbed.h"
#include "pack/pack.h"

static struct loopback site;
static char base[64];
static struct http_request *held[8];
static _Atomic int held_n;
static _Atomic int handled;

static void on_show(struct http_request *r, void *context)
{
    handled++;
    http_reply_header(r, STR("ETag"), STR("\"7\""));
    http_reply(
        r, 200, STR("text/plain; charset=utf-8"),
        arena_printf(http_arena(r),
                     "%d|" STR_FMT "|" STR_FMT "|" STR_FMT "|" STR_FMT "|" STR_FMT "|" STR_FMT,
                     http_method(r), STR_ARG(http_header(r, STR("user-agent"))),
                     STR_ARG(http_header(r, STR("authorization"))),
                     STR_ARG(http_header(r, STR("x-own"))),
                     STR_ARG(http_header(r, STR("content-type"))),
                     STR_ARG(http_header(r, STR("accept-encoding"))), STR_ARG(http_body(r))));
}

static void on_long(struct http_request *r, void *context)
{
    http_reply_begin(r, 200, STR("text/plain"));
    for (int i = 0; i < 50000; i++)
        http_reply_put(r, STR("0123456789"));
    http_reply_end(r);
}

static void on_hold(struct http_request *r, void *context)
{
    held[held_n++] = r;
}

static void on_redirect(struct http_request *r, void *context)
{
    http_reply_header(r, STR("Location"), STR("/show"));
    http_reply(r, 302, STR(""), STR(""));
}

static void on_circle(struct http_request *r, void *context)
{
    http_reply_header(r, STR("Location"), STR("/circle"));
    http_reply(r, 302, STR(""), STR(""));
}

static void on_away(struct http_request *r, void *context)
{
    http_reply_header(r, STR("Location"), STR("http://[::ffff:169.254.169.254]/latest"));
    http_reply(r, 302, STR(""), STR(""));
}

static int open_all(void **state)
{
    static const struct http_route routes[] = {
        {HTTP_GET | HTTP_POST | HTTP_PUT, "/show", 1000000, on_show, NULL},
        {HTTP_GET, "/long", 0, on_long, NULL},
        {HTTP_GET, "/hold", 0, on_hold, NULL},
        {HTTP_GET, "/redirect", 0, on_redirect, NULL},
        {HTTP_GET, "/circle", 0, on_circle, NULL},
        {HTTP_GET, "/away", 0, on_away, NULL}};
    static const struct http_config config = {.routes = routes, .routes_n = COUNTOF(routes)};
    loopback_start(&site, &config);
    snprintf(base, sizeof base, "http://127.0.0.1:%u", site.port);
    return bed_open(state);
}

static int close_all(void **state)
{
    bed_close(state);
    loop_stop(site.loop);
    thread_join(&site.thread);
    http_server_free(site.server);
    for (int i = 0; i < held_n; i++)
        http_reply(held[i], 200, STR(""), STR(""));
    loop_free(site.loop);
    return 0;
}

static const char *at(const char *path)
{
    static char text[200];
    snprintf(text, sizeof text, "%s%s", base, path);
    return text;
}

static void an_answer_brings_status_type_headers_and_body(void **state)
{
    struct fetch_client *c = bed_client(NULL);
    static const char *const headers[] = {"X-Own: mine"};
    struct bed_answer a =
        bed_ask(c, (struct fetch_request){.url = at("/show"), .headers = headers, .headers_n = 1});
    assert_int_equal(a.err, 0);
    assert_int_equal(a.status, 200);
    assert_str(buf_str(&a.body), "1|Sonde/" SONDE_VERSION "||mine|||");
    assert_str(buf_str(&a.type), "text/plain; charset=utf-8");
    assert_str(buf_str(&a.etag), "\"7\"");
    bed_answer_done(&a);
    a = bed_ask(c, (struct fetch_request){.url = at("/nowhere")});
    assert_int_equal(a.err, 0);
    assert_int_equal(a.status, 404);
    bed_answer_done(&a);
    fetch_client_free(c);
}

static void a_body_is_posted_without_a_type_of_its_own(void **state)
{
    struct fetch_client *c = bed_client(NULL);
    static const char *const headers[] = {"Content-Type: a/b", "User-Agent: other"};
    struct bed_answer a =
        bed_ask(c, (struct fetch_request){.url = at("/show"), .body = STR("hello"), .gzip = true});
    assert_str(buf_str(&a.body), "2|Sonde/" SONDE_VERSION "||||gzip|hello");
    bed_answer_done(&a);
    a = bed_ask(c, (struct fetch_request){.url = at("/show"),
                                          .method = "PUT",
                                          .headers = headers,
                                          .headers_n = 2,
                                          .body = STR("x")});
    assert_str(buf_str(&a.body), "4|other|||a/b||x");
    bed_answer_done(&a);
    a = bed_ask(c, (struct fetch_request){.url = at("/show")}); /* the handle is used again */
    assert_str(buf_str(&a.body), "1|Sonde/" SONDE_VERSION "|||||");
    bed_answer_done(&a);
    fetch_client_free(c);
}

static void a_packed_answer_is_unpacked_within_its_limit(void **state)
{
    struct fetch_client *c = bed_client(NULL);
    struct bed_answer a = bed_ask(c, (struct fetch_request){.url = at("/long"), .gzip = true});
    assert_int_equal(a.body.n, 500000);
    assert_true(a.wire_bytes < 50000);
    bed_answer_done(&a);
    a = bed_ask(c, (struct fetch_request){.url = at("/long")});
    assert_int_equal(a.body.n, 500000);
    assert_int_equal(a.wire_bytes, 500000);
    bed_answer_done(&a);
    for (int gzip = 0; gzip < 2; gzip++) {
        a = bed_ask(
            c, (struct fetch_request){.url = at("/long"), .gzip = gzip == 1, .body_max = 499999});
        assert_int_equal(a.err, -ERR_LIMIT);
        assert_int_equal(a.body.n, 0);
        bed_answer_done(&a);
        a = bed_ask(
            c, (struct fetch_request){.url = at("/long"), .gzip = gzip == 1, .body_max = 500000});
        assert_int_equal(a.body.n, 500000);
        bed_answer_done(&a);
    }
    fetch_client_free(c);
}

static void redirects_are_followed_or_not(void **state)
{
    struct fetch_settings stay = fetch_settings_default;
    stay.follow_redirects = false;
    struct fetch_client *c = bed_client(NULL), *still = bed_client(&stay);
    struct bed_answer a = bed_ask(c, (struct fetch_request){.url = at("/redirect")});
    assert_int_equal(a.status, 200);
    assert_str(buf_str(&a.url), at("/show"));
    bed_answer_done(&a);
    a = bed_ask(c, (struct fetch_request){.url = at("/circle")});
    assert_int_equal(a.err, -ERR_FORMAT);
    bed_answer_done(&a);
    a = bed_ask(still, (struct fetch_request){.url = at("/redirect")});
    assert_int_equal(a.status, 302);
    assert_str(buf_str(&a.url), at("/redirect"));
    bed_answer_done(&a);
    fetch_client_free(c);
    fetch_client_free(still);
}

static void a_redirect_to_the_link_is_refused_to_who_may_not_go_there(void **state)
{
    struct fetch_settings guarded = fetch_settings_default;
    guarded.no_link_local = true;
    struct fetch_client *c = bed_client(&guarded);
    struct bed_answer a = bed_ask(c, (struct fetch_request){.url = at("/away")});
    assert_int_equal(a.err, -ERR_DENIED);
    bed_answer_done(&a);
    a = bed_ask(c, (struct fetch_request){.url = at("/redirect")});
    assert_int_equal(a.status, 200);
    bed_answer_done(&a);
    fetch_client_free(c);
}

static void a_unix_socket_is_asked_and_then_tcp_again(void **state)
{
    struct fetch_client *c = bed_client(NULL);
    struct address local;
    char text[100];
    int fd;
    snprintf(text, sizeof text, "unix:/tmp/sonde-fetch-test-%d", (int)getpid());
    assert_int_equal(address_parse(str_c(text), &local, NULL), 0);
    assert_int_equal(address_listen(&local, 1, &fd, NULL), 0);
    struct raw r = {.text = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nlocal", .listener = fd};
    assert_int_equal(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK), 0);
    thread_start(&r.thread, "raw", raw_run, &r);
    struct bed_answer a =
        bed_ask(c, (struct fetch_request){.url = "http://docker/x", .unix_path = local.text + 5});
    assert_str(buf_str(&a.body), "local");
    assert_non_null(strstr(r.last, "Host: docker\r\n"));
    bed_answer_done(&a);
    a = bed_ask(c, (struct fetch_request){.url = at("/show")});
    assert_int_equal(a.status, 200);
    bed_answer_done(&a);
    fetch_client_free(c);
    atomic_store(&r.ends, true);
    assert_int_equal(address_connect(&local, &fd, NULL), 0);
    close(fd);
    thread_join(&r.thread);
    close(r.listener);
    unlink(local.text + 5);
}

static void retry_after_is_seconds_or_a_date(void **state)
{
    static const struct {
        const char *headers;
        int64_t ms;
    } cases[] = {{"Retry-After: 7\r\n", 7000},
                 {"A: b\r\nretry-after:  0 \r\n", 0},
                 {"Retry-After: Thu, 01 Jan 1970 00:01:40 GMT\r\n", 90000},
                 {"Retry-After: Thu, 01 Jan 1970 00:00:01 GMT\r\n", 0},
                 {"Retry-After: soon\r\n", -1},
                 {"Retry-After: 99999999999999\r\n", -1},
                 {"", -1}};
    for (size_t i = 0; i < COUNTOF(cases); i++) {
        struct fetch_answer a = {.headers = str_c(cases[i].headers)};
        assert_int_equal(fetch_retry_after_ms(&a, 10000), cases[i].ms);
    }
}

static void what_cannot_be_asked_is_told_later(void **state)
{
    struct fetch_client *c = bed_client(NULL);
    uint16_t port;
    char url[64];
    int fd = loopback_listen(&port);
    close(fd); /* nobody listens there now */
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", port);
    const struct {
        const char *url;
        int err;
    } cases[] = {{"ftp://127.0.0.1/", -ERR_FORMAT},
                 {"127.0.0.1", -ERR_FORMAT},
                 {"http://a b/", -ERR_FORMAT},
                 {"http://", -ERR_FORMAT},
                 {url, -ERR_CLOSED}};
    for (size_t i = 0; i < COUNTOF(cases); i++) {
        struct bed_answer a = bed_ask(c, (struct fetch_request){.url = cases[i].url});
        if (a.err != cases[i].err || a.why[0] == '\0' || a.status != 0)
            fail_msg("%s: %d %s", cases[i].url, a.err, a.why);
        bed_answer_done(&a);
    }
    static const char *const split[] = {"X-A: b\r\nX-C: d"};
    struct bed_answer a =
        bed_ask(c, (struct fetch_request){.url = at("/show"), .headers = split, .headers_n = 1});
    assert_int_equal(a.err, -ERR_FORMAT);
    bed_answer_done(&a);
    fetch_client_free(c);
}

static void a_silent_server_runs_into_the_timeout(void **state)
{
    struct fetch_client *c = bed_client(NULL);
    int64_t from = clock_monotonic_ns(&clock_real);
    struct bed_answer a = bed_ask(c, (struct fetch_request){.url = at("/hold"), .timeout_ms = 80});
    assert_int_equal(a.err, -ERR_TIMEOUT);
    int64_t spent_ms = (clock_monotonic_ns(&clock_real) - from) / 1000000;
    assert_true(spent_ms >= 75 && spent_ms < 3000);
    bed_answer_done(&a);
    fetch_client_free(c);
}

static void slow(struct raw *r, int i, struct str bytes, int fd)
{
    raw_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n");
    for (int k = 0; k < 100 && !atomic_load(&r->ends); k++) {
        if (send(fd, "x", 1, MSG_NOSIGNAL) != 1)
            return;
        usleep(10000);
    }
}

static void a_body_that_trickles_runs_into_the_timeout_too(void **state)
{
    struct fetch_client *c = bed_client(NULL);
    struct raw r = {.answer = slow};
    raw_start(&r);
    struct bed_answer a = bed_ask(c, (struct fetch_request){.url = r.url, .timeout_ms = 100});
    assert_int_equal(a.err, -ERR_TIMEOUT);
    bed_answer_done(&a);
    raw_stop(&r);
    fetch_client_free(c);
}

static void answers_that_lie_are_errors(void **state)
{
    static const struct {
        const char *text;
        int err;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", -ERR_CLOSED},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc", -ERR_CLOSED},
        {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Encoding: gzip\r\n\r\nabc", -ERR_FORMAT},
        {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Encoding: br\r\n\r\nabc", -ERR_FORMAT},
        {"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nabc", -ERR_FORMAT},
        {"nonsense", -ERR_FORMAT},
        {"", -ERR_CLOSED},
        {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef", 0},
        {"HTTP/1.1 200 OK\r\n\r\nuntil the end", 0},
    };
    struct fetch_client *c = bed_client(NULL);
    for (size_t i = 0; i < COUNTOF(cases); i++) {
        struct raw r = {.text = cases[i].text};
        raw_start(&r);
        struct bed_answer a = bed_ask(c, (struct fetch_request){.url = r.url});
        if (a.err != cases[i].err)
            fail_msg("%s: %d %s", cases[i].text, a.err, a.why);
        bed_answer_done(&a);
        raw_stop(&r);
    }
    fetch_client_free(c);
}

static void bomb(struct raw *r, int i, struct str bytes, int fd)
{
    struct buf packed;
    size_t n = 64 << 20;
    char *p = mem_new(n);
    buf_init(&packed, 2 * n);
    assert_int_equal(pack_pack(PACK_GZIP, 9, str_of(p, n), &packed), 0);
    char head[100];
    snprintf(head, sizeof head,
             "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nContent-Encoding: gzip\r\n\r\n", packed.n);
    raw_say(fd, head);
    loopback_say(fd, buf_str(&packed));
    mem_free(p);
    buf_done(&packed);
}

static void a_bomb_is_stopped_at_the_limit(void **state)
{
    struct fetch_client *c = bed_client(NULL);
    struct raw r = {.answer = bomb};
    raw_start(&r);
    struct bed_answer a =
        bed_ask(c, (struct fetch_request){.url = r.url, .gzip = true, .body_max = 1 << 20});
    assert_int_equal(a.err, -ERR_LIMIT);
    bed_answer_done(&a);
    raw_stop(&r);
    fetch_client_free(c);
}

/* ---- pieces */
struct stream {
    struct buf got;
    int pieces, stop_at;
    struct fetch *self; /* to cancel at stop_at; NULL: break off */
    struct fetch_client *client;
};

static int on_piece(void *context, struct str bytes)
{
    struct stream *s = context;
    buf_put_str(&s->got, bytes);
    if (++s->pieces != s->stop_at)
        return 0;
    if (s->client)
        fetch_client_free(s->client);
    else if (s->self)
        fetch_cancel(s->self);
    else
        return -ERR_CANCELED;
    loop_stop(bed.loop);
    return 0;
}

static void three_pieces(struct raw *r, int i, struct str bytes, int fd)
{
    raw_say(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int k = 0; k < 3; k++) {
        raw_say(fd, "4\r\nabc\n\r\n");
        usleep(30000);
    }
    raw_say(fd, "0\r\n\r\n");
}

struct piece_end {
    struct stream s;
    struct bed_answer a;
};

static void on_piece_end(void *context, const struct fetch_answer *a)
{
    bed_done(&((struct piece_end *)context)->a, a);
}

static int piece_of_end(void *context, struct str bytes)
{
    return on_piece(&((struct piece_end *)context)->s, bytes);
}

static struct piece_end stream_from(struct raw *r, int stop_at, int how)
{
    struct piece_end e = {.s = {.stop_at = stop_at}};
    struct fetch_client *c = bed_client(NULL);
    struct fetch *f;
    e.a.left = 1;
    buf_init(&e.s.got, 1000);
    e.s.client = how == 2 ? c : NULL;
    fetch_start(c,
                &(struct fetch_request){
                    .url = r->url, .piece = piece_of_end, .done = on_piece_end, .context = &e},
                &f);
    e.s.self = how == 1 ? f : NULL;
    loop_run(bed.loop);
    bed_wait(50); /* nothing comes any more */
    if (how != 2)
        fetch_client_free(c);
    return e;
}

static void pieces_come_as_the_server_sends_them(void **state)
{
    struct raw r = {.answer = three_pieces};
    raw_start(&r);
    struct piece_end e = stream_from(&r, 0, 0);
    assert_int_equal(e.a.calls, 1);
    assert_int_equal(e.a.err, 0);
    assert_int_equal(e.s.pieces, 3);
    assert_str(buf_str(&e.s.got), "abc\nabc\nabc\n");
    assert_int_equal(e.a.body.n, 0);
    buf_done(&e.s.got);
    bed_answer_done(&e.a);
    raw_stop(&r);
}

static void a_stream_is_broken_off_canceled_or_loses_its_client(void **state)
{
    struct raw r = {.answer = three_pieces};
    raw_start(&r);
    for (int how = 0; how < 3; how++) {
        struct piece_end e = stream_from(&r, 2, how);
        assert_int_equal(e.s.pieces, 2);
        assert_int_equal(e.a.calls, how == 0 ? 1 : 0);
        if (how == 0)
            assert_int_equal(e.a.err, -ERR_CANCELED);
        buf_done(&e.s.got);
        bed_answer_done(&e.a);
    }
    raw_stop(&r);
}

static void packed_pieces_are_refused(void **state)
{
    struct raw r = {.text = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nabc"};
    raw_start(&r);
    struct piece_end e = stream_from(&r, 0, 0);
    assert_int_equal(e.a.err, -ERR_FORMAT);
    assert_int_equal(e.s.pieces, 0);
    buf_done(&e.s.got);
    bed_answer_done(&e.a);
    raw_stop(&r);
}

/* ---- cancelling */
static void canceled_requests_are_never_answered(void **state)
{
    struct fetch_client *c = bed_client(NULL);
    struct bed_answer a = {.left = 1000};
    struct fetch *f[3];
    const char *urls[] = {at("/hold"), "ftp://x", "http://a b/"};
    char hold[200];
    snprintf(hold, sizeof hold, "%s", at("/hold"));
    urls[0] = hold;
    for (int early = 0; early < 2; early++) {
        for (size_t i = 0; i < 3; i++)
            fetch_start(c, &(struct fetch_request){.url = urls[i], .done = bed_done, .context = &a},
                        &f[i]);
        int wanted = early ? 2 : 0; /* what fails at once is told soon */
        for (int i = 0; a.calls < wanted && i < 200; i++)
            bed_wait(50);
        assert_int_equal(a.calls, wanted);
        fetch_cancel(f[0]);
        if (!early) {
            fetch_cancel(f[2]);
            fetch_cancel(f[1]);
        }
        bed_wait(30);
        assert_int_equal(a.calls, wanted);
    }
    fetch_cancel(NULL);
    bed_answer_done(&a);
    fetch_client_free(c);
}

static void a_freed_client_cancels_what_is_in_progress(void **state)
{
    struct fetch_client *c = bed_client(NULL);
    struct bed_answer a = {.left = 1000};
    for (int i = 0; i < 3; i++)
        fetch_start(c, &(struct fetch_request){.url = at("/hold"), .done = bed_done, .context = &a},
                    NULL);
    bed_wait(30);
    fetch_client_free(c);
    bed_wait(30);
    assert_int_equal(a.calls, 0);
    bed_answer_done(&a);
}

/* ---- many */
struct crowd {
    struct fetch_client *client;
    int left_to_start, in_progress, good;
};

static void on_crowd(void *context, const struct fetch_answer *a);

static void start_one(struct crowd *crowd)
{
    crowd->left_to_start--;
    crowd->in_progress++;
    fetch_start(crowd->client,
                &(struct fetch_request){
                    .url = at("/show"), .done = on_crowd, .context = crowd, .timeout_ms = 60000},
                NULL);
}

static void on_crowd(void *context, const struct fetch_answer *a)
{
    struct crowd *crowd = context;
    crowd->in_progress--;
    crowd->good += a->err == 0 && a->status == 200;
    if (crowd->left_to_start > 0)
        start_one(crowd);
    else if (crowd->in_progress == 0)
        loop_stop(bed.loop);
}

static void thousands_of_requests_share_connections(void **state)
{
    struct crowd crowd = {.client = bed_client(NULL), .left_to_start = 5000};
    handled = 0;
    for (int i = 0; i < 600; i++) /* more than one lane takes */
        start_one(&crowd);
    loop_run(bed.loop);
    assert_int_equal(crowd.good, 5000);
    assert_int_equal(handled, 5000);
    fetch_client_free(crowd.client);
}

static void on_free(void *context, const struct fetch_answer *a)
{
    fetch_client_free(*(struct fetch_client **)context);
    loop_stop(bed.loop);
}

static void an_answer_may_free_its_client(void **state)
{
    struct fetch_client *c = bed_client(NULL);
    for (int i = 0; i < 2; i++)
        fetch_start(c, &(struct fetch_request){.url = at("/show"), .done = on_free, .context = &c},
                    NULL);
    loop_run(bed.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_brings_status_type_headers_and_body),
        cmocka_unit_test(a_body_is_posted_without_a_type_of_its_own),
        cmocka_unit_test(a_packed_answer_is_unpacked_within_its_limit),
        cmocka_unit_test(redirects_are_followed_or_not),
        cmocka_unit_test(a_redirect_to_the_link_is_refused_to_who_may_not_go_there),
        cmocka_unit_test(a_unix_socket_is_asked_and_then_tcp_again),
        cmocka_unit_test(retry_after_is_seconds_or_a_date),
        cmocka_unit_test(what_cannot_be_asked_is_told_later),
        cmocka_unit_test(a_silent_server_runs_into_the_timeout),
        cmocka_unit_test(a_body_that_trickles_runs_into_the_timeout_too),
        cmocka_unit_test(answers_that_lie_are_errors),
        cmocka_unit_test(a_bomb_is_stopped_at_the_limit),
        cmocka_unit_test(pieces_come_as_the_server_sends_them),
        cmocka_unit_test(a_stream_is_broken_off_canceled_or_loses_its_client),
        cmocka_unit_test(packed_pieces_are_refused),
        cmocka_unit_test(canceled_requests_are_never_answered),
        cmocka_unit_test(a_freed_client_cancels_what_is_in_progress),
        cmocka_unit_test(thousands_of_requests_share_connections),
        cmocka_unit_test(an_answer_may_free_its_client),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
