#include "serve/serve_testbed.h"

#include "base/bits.h"

static int live_open(void)
{
    char text[512];
    int fd = dial();
    int n = snprintf(text, sizeof text,
                     "GET /api/live HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUpgrade: websocket\r\n"
                     "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                     site.at.port);
    assert_int_equal(send(fd, text, (size_t)n, MSG_NOSIGNAL), n);
    buf_done(&heard);
    buf_init(&heard, 4 * 1024 * 1024);
    while (!has(buf_str(&heard), "\r\n\r\n")) {
        ssize_t got = read(fd, buf_reserve(&heard, 1), 1);
        assert_int_equal(got, 1);
        buf_commit(&heard, 1);
    }
    assert_true(str_starts(buf_str(&heard), STR("HTTP/1.1 101 ")));
    return fd;
}

static void live_say(int fd, const char *text)
{
    uint8_t head[8] = {0x81, 0x80, 1, 2, 3, 4};
    size_t n = strlen(text), at = 6;
    uint8_t body[1024];
    assert_true(n < 126 * 8);
    if (n < 126) {
        head[1] = (uint8_t)(0x80 | n);
    } else {
        const uint8_t more[] = {0x81, 0x80 | 126, (uint8_t)(n >> 8), (uint8_t)n, 1, 2, 3, 4};
        memcpy(head, more, sizeof more);
        at = 8;
    }
    for (size_t i = 0; i < n; i++)
        body[i] = (uint8_t)text[i] ^ (uint8_t)(i % 4 + 1);
    assert_int_equal(send(fd, head, at, MSG_NOSIGNAL), at);
    assert_int_equal(send(fd, body, n, MSG_NOSIGNAL), n);
}

static void read_all(int fd, void *p, size_t n)
{
    for (size_t at = 0; at < n;) {
        ssize_t got = read(fd, (char *)p + at, n - at);
        assert_true(got > 0);
        at += (size_t)got;
    }
}

/* The next message; its opcode (1 text, 2 binary, 8 close). */
static int live_hear(int fd)
{
    uint8_t head[10];
    read_all(fd, head, 2);
    uint64_t n = head[1] & 127;
    if (n == 126) {
        read_all(fd, head + 2, 2);
        n = (uint64_t)head[2] << 8 | head[3];
    } else if (n == 127) {
        read_all(fd, head + 2, 8);
        n = 0;
        for (int i = 2; i < 10; i++)
            n = n << 8 | head[i];
    }
    buf_clear(&heard);
    char *p = buf_reserve(&heard, n + 1);
    assert_non_null(p);
    read_all(fd, p, n);
    p[n] = 0;
    buf_commit(&heard, n);
    return head[0] & 15;
}

static int hear_kind(int fd, int kind)
{
    for (int i = 0; i < 20; i++)
        if (live_hear(fd) == 2 && heard.p[1] == kind)
            return 0;
    return -1;
}

static double value_at(size_t series, size_t point)
{
    uint32_t points = load32(heard.p + 36);
    return bits_double(load64(heard.p + 40 + (series * points + point) * 8));
}

static void a_live_query_gives_a_snapshot_and_then_deltas(void **state)
{
    (void)state;
    int fd = live_open();
    assert_int_equal(live_hear(fd), 1);
    assert_true(has(buf_str(&heard), "\"op\":\"hello\""));
    assert_true(has(buf_str(&heard), "\"job\":\"sonde\",\"instance\":\"box\""));
    live_say(fd, "{\"op\":\"sub\",\"id\":7,\"query\":\"up\",\"step\":1,\"points\":60}");
    assert_int_equal(live_hear(fd), 1);
    assert_true(has(buf_str(&heard), "{\"op\":\"sub\",\"id\":7,\"key\":"));
    assert_int_equal(live_hear(fd), 1);
    assert_true(has(buf_str(&heard), "\"append\":false,\"labels\":[{\"__name__\":\"up\",\"job\":"
                                     "\"a\"},{\"__name__\":\"up\",\"job\":\"b\"}]}"));
    assert_int_equal(live_hear(fd), 2);
    assert_int_equal(heard.n, 40 + 2 * 60 * 8);
    assert_int_equal(heard.p[0], 1);
    assert_int_equal(heard.p[1], 1);
    assert_int_equal(load32(heard.p + 24), 1000);
    int64_t first = (int64_t)load64(heard.p + 16);
    uint32_t seq = load32(heard.p + 8);
    assert_int_equal(seq, (uint32_t)(first / 1000 + 59));
    assert_true(value_at(0, 0) == (double)((first - start_ms) / 1000 + 120));
    assert_true(value_at(1, 59) == (double)((first - start_ms) / 1000 + 59 + 120) + 0.5);
    for (uint32_t i = 1; i <= 3; i++) {
        assert_int_equal(live_hear(fd), 2);
        assert_int_equal(heard.p[1], 2);
        assert_int_equal(load32(heard.p + 8), seq + i);
        assert_true(value_at(0, 0) == (double)((first - start_ms) / 1000 + 59 + i + 120));
    }
    live_say(fd, "{\"op\":\"ack\",\"frames\":4}");
    char text[100];
    snprintf(text, sizeof text, "{\"op\":\"resend\",\"id\":7,\"from\":%u}", seq + 2);
    live_say(fd, text);
    assert_int_equal(hear_kind(fd, 3), 0);
    assert_int_equal(load32(heard.p + 8) - load32(heard.p + 36) + 1, seq + 2);
    live_say(fd, "{\"op\":\"unsub\",\"id\":7}");
    close(fd);
}

static void two_clients_share_one_key_and_see_the_same(void **state)
{
    (void)state;
    int a = live_open(), b = live_open();
    live_say(a, "{\"op\":\"sub\",\"id\":1,\"query\":\"sum(up)\",\"step\":1,\"points\":5}");
    live_say(b, "{\"op\":\"sub\",\"id\":9,\"query\":\"sum( up )\",\"step\":1,\"points\":30}");
    assert_int_equal(hear_kind(a, 1), 0);
    uint32_t key = load32(heard.p + 4);
    assert_int_equal(load32(heard.p + 36), 5);
    assert_int_equal(hear_kind(b, 1), 0);
    assert_int_equal(load32(heard.p + 4), key);
    assert_int_equal(load32(heard.p + 36), 30);
    assert_int_equal(hear_kind(b, 2), 0);
    assert_int_equal(load32(heard.p + 32), 1);
    close(a);
    assert_int_equal(hear_kind(b, 2), 0);
    close(b);
}

static void what_cannot_be_live_is_refused_in_words(void **state)
{
    (void)state;
    static const struct {
        const char *message, *text;
    } CASES[] = {
        {"{\"op\":\"sub\",\"id\":1,\"query\":\"sum(\",\"step\":1,\"points\":5}", "parse error"},
        {"{\"op\":\"sub\",\"id\":1,\"query\":\"up[5m]\",\"step\":1,\"points\":5}",
         "must give a vector or a scalar"},
        {"{\"op\":\"sub\",\"id\":1,\"query\":\"up\",\"step\":0.5,\"points\":5}", "step is 1 to"},
        {"{\"op\":\"sub\",\"id\":1,\"query\":\"up\",\"step\":1,\"points\":5000}", "points 1 to"},
        {"{\"op\":\"dance\",\"id\":1}", "op is sub"},
    };
    int fd = live_open();
    assert_int_equal(live_hear(fd), 1);
    for (size_t i = 0; i < COUNTOF(CASES); i++) {
        live_say(fd, CASES[i].message);
        assert_int_equal(live_hear(fd), 1);
        assert_true(has(buf_str(&heard), "\"op\":\"error\",\"id\":1"));
        if (!has(buf_str(&heard), CASES[i].text))
            fail_msg("%s: " STR_FMT, CASES[i].message, STR_ARG(buf_str(&heard)));
    }
    live_say(fd, "no json");
    assert_int_equal(live_hear(fd), 8);
    close(fd);
}

static void a_client_has_at_most_fifty_subscriptions(void **state)
{
    (void)state;
    char text[128];
    int fd = live_open(), errors = 0;
    for (int i = 0; i < 51; i++) {
        snprintf(text, sizeof text,
                 "{\"op\":\"sub\",\"id\":%d,\"query\":\"up\",\"step\":60,\"points\":2}", i);
        live_say(fd, text);
    }
    for (int i = 0; i < 400 && errors == 0; i++)
        if (live_hear(fd) == 1 && has(buf_str(&heard), "50 subscriptions"))
            errors++;
    assert_int_equal(errors, 1);
    close(fd);
}

static void a_list_shows_only_what_is_there_now(void **state)
{
    (void)state;
    char text[256];
    int fd = live_open();
    /* job "a" leaves the answer two seconds from now. */
    snprintf(
        text, sizeof text,
        "{\"op\":\"sub\",\"id\":1,\"query\":\"up{job=\\\"b\\\"} or (up{job=\\\"a\\\"} and on() "
        "(vector(time()) < %lld))\",\"step\":1,\"points\":1}",
        (long long)(clock_wall_ms(&clock_real) / 1000 + 2));
    live_say(fd, text);
    assert_int_equal(hear_kind(fd, 1), 0);
    assert_int_equal(load32(heard.p + 32), 2);
    bool gone = false;
    for (int i = 0; i < 20 && !gone; i++)
        gone = live_hear(fd) == 2 && load32(heard.p + 32) == 1;
    assert_true(gone);
    assert_int_equal(heard.p[1], 1);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_live_query_gives_a_snapshot_and_then_deltas),
        cmocka_unit_test(two_clients_share_one_key_and_see_the_same),
        cmocka_unit_test(what_cannot_be_live_is_refused_in_words),
        cmocka_unit_test(a_client_has_at_most_fifty_subscriptions),
        cmocka_unit_test(a_list_shows_only_what_is_there_now),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
