#include "health/probe/prober.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/mem.h"
#include "health/probe/prober_reply.h"

enum { PEERS_MAX = 64, ROOM = 4096, GIVE_UP_MS = 5000 };

/* A server that answers each piece that comes with the same text. */
struct bed {
    struct loop *loop;
    struct listener *listener;
    struct prober *prober;
    struct prober_probe *probe;
    struct timer *end;
    uint16_t port;
    struct str says; /* "" says nothing */
    bool closes, greets;
    char room[ROOM];
    struct peer {
        struct bed *bed;
        struct stream *stream;
    } peers[PEERS_MAX];
    size_t peers_n, asks, wanted;
    /* Of the last answer. */
    int err, status;
    bool reused;
    char why[300], body[300];
};

static char *room(void *context, size_t *ret_size)
{
    struct peer *p = context;
    *ret_size = ROOM;
    return p->bed->room;
}

static void end_peer(struct peer *p)
{
    stream_free(p->stream);
    p->stream = NULL;
}

static void say(struct peer *p)
{
    if (p->bed->says.n > 0)
        assert_int_equal(stream_write(p->stream, &p->bed->says, 1), 0);
    if (p->bed->closes)
        end_peer(p);
}

static void heard(void *context, size_t n)
{
    struct peer *p = context;
    if (n > 0 && p->stream != NULL)
        say(p);
}

static void gone(void *context, int err)
{
    end_peer(context);
}

static void accepted(void *context, struct stream *s)
{
    static const struct stream_events EVENTS = {room, heard, gone, NULL};
    struct bed *b = context;
    assert_true(b->peers_n < PEERS_MAX);
    struct peer *p = &b->peers[b->peers_n++];
    *p = (struct peer){b, s};
    stream_start(s, &EVENTS, p);
    if (b->greets)
        say(p);
}

static void too_late(void *context)
{
    fail_msg("no answer came");
}

static void open_bed(struct bed *b)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    b->port = ntohs(a.sin_port);
    assert_int_equal(loop_new(&b->loop), 0);
    assert_int_equal(listener_open(b->loop, fd, accepted, b, &b->listener), 0);
    assert_int_equal(prober_new(b->loop, &b->prober), 0);
    b->end = timer_new(b->loop, GIVE_UP_MS, 0, too_late, b);
}

static void close_bed(struct bed *b)
{
    prober_probe_free(b->probe);
    prober_free(b->prober);
    listener_free(b->listener);
    timer_free(b->end);
    for (size_t i = 0; i < b->peers_n; i++)
        stream_free(b->peers[i].stream);
    loop_free(b->loop);
}

static void answered(void *context, const struct prober_answer *a)
{
    struct bed *b = context;
    b->err = a->err;
    b->status = a->status;
    b->reused = a->reused;
    snprintf(b->why, sizeof b->why, "%s", a->why);
    snprintf(b->body, sizeof b->body, STR_FMT, STR_ARG(a->body));
    if (++b->asks < b->wanted)
        prober_ask(b->probe, answered, b);
    else
        loop_stop(b->loop);
}

/* Asks times times, one after the other. */
static void ask(struct bed *b, size_t times)
{
    b->asks = 0;
    b->wanted = times;
    prober_ask(b->probe, answered, b);
    assert_int_equal(b->asks, 0);
    loop_run(b->loop);
}

static void make_http(struct bed *b, int64_t timeout_ms, const char *host)
{
    char url[100];
    struct why why;
    snprintf(url, sizeof url, "http://%s:%u/health?deep=1", host, b->port);
    struct prober_http how = {.url = str_c(url), .timeout_ms = timeout_ms};
    assert_int_equal(prober_http_new(b->prober, &how, &b->probe, &why), 0);
}

#define GOOD "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

static void one_connection_serves_many_asks_where_the_server_keeps_it(void **state)
{
    struct bed b = {.says = STR(GOOD)};
    open_bed(&b);
    make_http(&b, 0, "127.0.0.1");
    ask(&b, 20);
    assert_int_equal(b.status, 200);
    assert_string_equal(b.body, "hello");
    assert_true(b.reused);
    assert_int_equal(b.peers_n, 1);
    close_bed(&b);
}

static void a_name_is_looked_up_and_its_addresses_tried(void **state)
{
    struct bed b = {.says = STR(GOOD)};
    open_bed(&b);
    make_http(&b, 0, "localhost"); /* may be ::1 first, where nobody listens */
    ask(&b, 3);
    assert_int_equal(b.err, 0);
    assert_int_equal(b.status, 200);
    close_bed(&b);
}

static void an_answer_that_ends_with_the_connection_is_whole(void **state)
{
    struct bed b = {.says = STR("HTTP/1.0 503 No\r\n\r\nwell"), .closes = true};
    open_bed(&b);
    make_http(&b, 0, "127.0.0.1");
    ask(&b, 3);
    assert_int_equal(b.err, 0);
    assert_int_equal(b.status, 503);
    assert_string_equal(b.body, "well");
    assert_false(b.reused);
    assert_int_equal(b.peers_n, 3);
    close_bed(&b);
}

static void a_kept_connection_that_the_server_has_closed_costs_no_failure(void **state)
{
    struct bed b = {.says = STR(GOOD)};
    open_bed(&b);
    make_http(&b, 0, "127.0.0.1");
    ask(&b, 1);
    b.closes = true; /* answers and closes, though it had said it would keep it */
    ask(&b, 1);
    ask(&b, 2);
    assert_int_equal(b.err, 0);
    assert_int_equal(b.status, 200);
    close_bed(&b);
}

static void a_server_that_says_nothing_is_late(void **state)
{
    struct bed b = {0};
    open_bed(&b);
    make_http(&b, 50, "127.0.0.1");
    ask(&b, 2);
    assert_int_equal(b.err, -ERR_TIMEOUT);
    assert_string_equal(b.why, "there was no whole answer within 50 ms");
    close_bed(&b);
}

static void a_server_that_closes_without_a_word_has_failed(void **state)
{
    struct bed b = {.closes = true};
    open_bed(&b);
    make_http(&b, 0, "127.0.0.1");
    ask(&b, 1);
    assert_int_equal(b.err, -ERR_CLOSED);
    close_bed(&b);
}

static void a_port_where_nobody_listens_is_refused_later_not_at_once(void **state)
{
    struct bed b = {0};
    open_bed(&b);
    make_http(&b, 0, "127.0.0.1");
    listener_free(b.listener);
    b.listener = NULL;
    ask(&b, 2);
    assert_int_equal(b.err, -ERR_CLOSED);
    assert_non_null(strstr(b.why, "refused"));
    close_bed(&b);
}

static void what_is_not_http_is_told_by_its_first_bytes(void **state)
{
    struct bed b = {.says = STR("220 mail.example ESMTP\r\n"), .greets = true};
    open_bed(&b);
    make_http(&b, 0, "127.0.0.1");
    ask(&b, 1);
    assert_int_equal(b.err, -ERR_FORMAT);
    close_bed(&b);
}

static void make_tcp(struct bed *b, const char *send, const char *expect)
{
    struct prober_tcp how = {.place = {.host = STR("127.0.0.1"), .port = b->port},
                             .send = str_c(send),
                             .expect = str_c(expect),
                             .timeout_ms = 300};
    struct why why;
    assert_int_equal(prober_tcp_new(b->prober, &how, &b->probe, &why), 0);
}

static void addresses_of_the_link_are_refused_to_who_may_not_reach_them(void **state)
{
    struct bed b = {.says = STR("+PONG\r\n")};
    struct why why;
    open_bed(&b);
    struct prober_tcp how = {
        .place = {.host = STR("169.254.0.1"), .port = b.port, .no_link_local = true},
        .timeout_ms = 300};
    assert_int_equal(prober_tcp_new(b.prober, &how, &b.probe, &why), 0);
    ask(&b, 2);
    assert_int_equal(b.err, -ERR_DENIED);
    assert_non_null(strstr(b.why, "link-local"));
    prober_probe_free(b.probe);
    how.place.host = STR("127.0.0.1");
    assert_int_equal(prober_tcp_new(b.prober, &how, &b.probe, &why), 0);
    ask(&b, 1);
    assert_int_equal(b.err, 0);
    close_bed(&b);
}

static void words_of_tcp_are_sent_and_awaited(void **state)
{
    struct bed b = {.says = STR("+PONG\r\n")};
    open_bed(&b);
    make_tcp(&b, "PING\r\n", "+PONG");
    ask(&b, 2);
    assert_int_equal(b.err, 0);
    prober_probe_free(b.probe);
    make_tcp(&b, "", ""); /* connecting is enough */
    ask(&b, 1);
    assert_int_equal(b.err, 0);
    prober_probe_free(b.probe);
    make_tcp(&b, "PING\r\n", "+OTHER");
    b.closes = true;
    ask(&b, 1);
    assert_int_equal(b.err, -ERR_STATE);
    close_bed(&b);
}

static void addresses_that_are_none_are_refused_with_a_reason(void **state)
{
    static const char *const BAD[] = {"https://a/",     "ftp://a/", "http://",    "http://a:0/",
                                      "http://a:65536", "a/b",      "http://a b", "http://u@a/"};
    struct loop *l;
    struct prober *p;
    assert_int_equal(loop_new(&l), 0);
    assert_int_equal(prober_new(l, &p), 0);
    for (size_t i = 0; i < COUNTOF(BAD); i++) {
        struct why why = {0};
        struct prober_probe *probe;
        struct prober_http how = {.url = str_c(BAD[i])};
        assert_true(prober_http_new(p, &how, &probe, &why) < 0);
        assert_true(why.text[0] != '\0');
    }
    prober_free(p);
    loop_free(l);
}

/* ---- answers, a byte at a time and whole */

static int read_reply(const char *text, size_t step, bool close, char *ret_body, struct why *why)
{
    struct prober_reply r;
    struct str s = str_c(text);
    int whole = 0;
    prober_reply_init(&r);
    for (size_t i = 0; i < s.n && whole == 0; i += step)
        whole = prober_reply_feed(&r, str_sub(s, i, i + step), why);
    if (whole == 0 && close)
        whole = prober_reply_closed(&r, why) == 0 ? 1 : -ERR_CLOSED;
    snprintf(ret_body, 100, "%d " STR_FMT, r.status, STR_ARG(buf_str(&r.body)));
    prober_reply_done(&r);
    return whole;
}

static void answers_are_read_whatever_the_pieces_are(void **state)
{
    static const struct {
        const char *text, *body;
        int result;
    } CASES[] = {
        {GOOD, "200 hello", 1},
        {"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "200 ", 1},
        {"HTTP/1.1 204 No\r\n\r\n", "204 ", 1},
        {"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n3\nabc\n4;x=y\ndefg\n0\n\n", "200 abcdefg",
         1},
        {"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n0a\r\n0123456789\r\n0\r\nT: "
         "1\r\n\r\n",
         "200 0123456789", 1},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Made\r\nContent-Length: 1\r\n\r\nx", "201 x",
         1},
        {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", "200 ",
         -ERR_FORMAT},
        {"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "200 ", -ERR_FORMAT},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "200 ", -ERR_FORMAT},
        {"HTTP/1.1 20x OK\r\n\r\n", "0 ", -ERR_FORMAT},
        {"HTTP/2 200\r\n\r\n", "0 ", -ERR_FORMAT},
        {"HTTP/1.1 200 OK\r\n: x\r\n\r\n", "200 ", -ERR_FORMAT},
        {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", "200 hello", -ERR_CLOSED},
        {"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nhello", "200 ", -ERR_LIMIT},
    };
    for (size_t i = 0; i < COUNTOF(CASES); i++) {
        for (size_t step = 1; step < 200; step += 99) {
            char body[100];
            struct why why = {0};
            assert_int_equal(read_reply(CASES[i].text, step, true, body, &why), CASES[i].result);
            assert_string_equal(body, CASES[i].body);
            assert_true((CASES[i].result < 0) == (why.text[0] != '\0'));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_connection_serves_many_asks_where_the_server_keeps_it),
        cmocka_unit_test(a_name_is_looked_up_and_its_addresses_tried),
        cmocka_unit_test(an_answer_that_ends_with_the_connection_is_whole),
        cmocka_unit_test(a_kept_connection_that_the_server_has_closed_costs_no_failure),
        cmocka_unit_test(a_server_that_says_nothing_is_late),
        cmocka_unit_test(a_server_that_closes_without_a_word_has_failed),
        cmocka_unit_test(a_port_where_nobody_listens_is_refused_later_not_at_once),
        cmocka_unit_test(what_is_not_http_is_told_by_its_first_bytes),
        cmocka_unit_test(addresses_of_the_link_are_refused_to_who_may_not_reach_them),
        cmocka_unit_test(words_of_tcp_are_sent_and_awaited),
        cmocka_unit_test(addresses_that_are_none_are_refused_with_a_reason),
        cmocka_unit_test(answers_are_read_whatever_the_pieces_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
