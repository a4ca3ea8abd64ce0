#include "net/ws.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <wslay/wslay.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "net/loopback_test.h"
#include "net/ws_parse.h"

enum { MESSAGE_MAX = 1024 * 1024 };

/* ---- the parser on its own */

static struct buf seen;
static bool stopped;

static bool note(void *context, enum ws_opcode opcode, struct str payload)
{
    buf_printf(&seen, "%d:" STR_FMT ";", opcode, STR_ARG(payload));
    stopped = opcode == WS_CLOSE;
    return !stopped;
}

/* Feeds frames (masked with zeros, so that they can be written down) in steps of n bytes. */
static int feed(struct str frames, size_t step, size_t message_max)
{
    struct ws_parse w;
    ws_parse_init(&w, message_max, note, NULL);
    buf_clear(&seen);
    int code = 0;
    stopped = false;
    for (size_t at = 0; at < frames.n && code == 0 && !stopped; at += step) {
        struct str part = str_sub(frames, at, at + step);
        char *copy = mem_copy(part.p, part.n);
        code = ws_parse_feed(&w, copy, part.n);
        mem_free(copy);
    }
    ws_parse_done(&w);
    return code;
}

#define M "\0\0\0\0"

static void frames_follow_the_rules_or_are_refused(void **state)
{
    static const struct {
        const char *name;
        struct str frames;
        int code;
        const char *seen;
    } rows[] = {
#define ROW(name, frames, code, seen) {name, {frames, sizeof frames - 1}, code, seen}
        ROW("text", "\x81\x83" M "abc", 0, "1:abc;"),
        ROW("empty text", "\x81\x80" M, 0, "1:;"),
        ROW("binary", "\x82\x82" M "\xff\xfe", 0, "2:\xff\xfe;"),
        ROW("masked", "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 0, "1:Hello;"),
        ROW("in parts", "\x01\x81" M "a\x00\x81" M "b\x80\x81" M "c", 0, "1:abc;"),
        ROW("ping between parts", "\x01\x81" M "a\x89\x81" M "p\x80\x81" M "b", 0, "9:p;1:ab;"),
        ROW("pong", "\x8a\x80" M, 0, "10:;"),
        ROW("close",
            "\x88\x82" M "\x03\xe8"
            "\x81\x81" M "a",
            0, "8:\x03\xe8;"),
        ROW("two", "\x81\x81" M "a\x81\x81" M "b", 0, "1:a;1:b;"),
        ROW("16-bit length too long", "\x81\xfe\0\x05" M "abcde", 1002, ""),
        ROW("64-bit length too long", "\x81\xff\0\0\0\0\0\0\0\x05" M "abcde", 1002, ""),
        ROW("64-bit length with its highest bit", "\x81\xff\x80\0\0\0\0\0\0\0" M, 1002, ""),
        ROW("not masked",
            "\x81\x03"
            "abc",
            1002, ""),
        ROW("reserved bit 1", "\xc1\x83" M "abc", 1002, ""),
        ROW("reserved bit 2", "\xa1\x83" M "abc", 1002, ""),
        ROW("reserved bit 3", "\x91\x83" M "abc", 1002, ""),
        ROW("opcode 3", "\x83\x80" M, 1002, ""),
        ROW("opcode 11", "\x8b\x80" M, 1002, ""),
        ROW("more of nothing", "\x80\x81" M "a", 1002, ""),
        ROW("a new message in another", "\x01\x81" M "a\x81\x81" M "b", 1002, ""),
        ROW("ping in parts", "\x09\x81" M "a", 1002, ""),
        ROW("long ping", "\x89\xfe\0\x7e" M, 1002, ""),
        ROW("no UTF-8", "\x81\x82" M "\xc3\x28", 1007, ""),
        ROW("UTF-8 cut off", "\x81\x81" M "\xc3", 1007, ""),
        ROW("a surrogate", "\x81\x83" M "\xed\xa0\x80", 1007, ""),
        ROW("UTF-8 over parts", "\x01\x81" M "\xc3\x80\x81" M "\xa4", 0, "1:\xc3\xa4;"),
        ROW("too big", "\x81\x8b" M "abcdefghijk", 1009, ""),
        ROW("too big in parts", "\x01\x88" M "abcdefgh\x80\x83" M "abc", 1009, ""),
        ROW("a claim of 2^62 bytes", "\x82\xff\x40\0\0\0\0\0\0\0" M, 1009, ""),
#undef ROW
    };
    buf_init(&seen, 65536);
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        for (size_t step = 1; step <= 64; step *= 4) {
            int code = feed(rows[i].frames, step, 10);
            if (code != rows[i].code || !str_eq(buf_str(&seen), str_c(rows[i].seen)))
                fail_msg("%s in steps of %zu: %d, " STR_FMT, rows[i].name, step, code,
                         STR_ARG(buf_str(&seen)));
        }
    }
    buf_done(&seen);
}

static void close_frames_are_checked(void **state)
{
    static const struct {
        struct str payload;
        int code, refuse;
    } rows[] = {
        {{"", 0}, 1005, 0},
        {{"\x03", 1}, 1002, 1002},
        {{"\x03\xe8", 2}, 1000, 0},
        {{"\x03\xe9 bye", 6}, 1001, 0},
        {{"\x03\xe7", 2}, 999, 1002},
        {{"\x03\xec", 2}, 1004, 1002},
        {{"\x03\xed", 2}, 1005, 1002},
        {{"\x03\xee", 2}, 1006, 1002},
        {{"\x03\xf7", 2}, 1015, 1002},
        {{"\x0b\xb7", 2}, 2999, 1002},
        {{"\x0b\xb8", 2}, 3000, 0},
        {{"\x13\x87", 2}, 4999, 0},
        {{"\x13\x88", 2}, 5000, 1002},
        {{"\x03\xe8\xff", 3}, 1000, 1007},
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        int refuse;
        assert_int_equal(ws_parse_close(rows[i].payload, &refuse), rows[i].code);
        assert_int_equal(refuse, rows[i].refuse);
    }
}

/* ---- a server that echoes, and libwslay as its client */

static struct {
    struct loopback at;
    _Atomic int closed_with, messages;
    struct ws *_Atomic last;
} site;

static void on_message(void *context, struct str payload, bool binary)
{
    struct ws *w = atomic_load(&site.last);
    atomic_fetch_add(&site.messages, 1);
    if (str_eq(payload, STR("close me"))) {
        ws_close(w, 4000, STR("as you wish"));
        return;
    }
    struct ws_frame *f = ws_frame_new(payload, binary);
    ws_send(w, f);
    if (str_eq(payload, STR("twice")))
        ws_send(w, f);
    ws_frame_free(f);
}

static void on_closed(void *context, int code)
{
    atomic_store(&site.closed_with, code);
}

static void on_socket(struct http_request *r, void *context)
{
    static const struct ws_events events = {on_message, on_closed};
    struct ws *w;
    if (ws_accept(r, &events, NULL, MESSAGE_MAX, &w) == 0)
        atomic_store(&site.last, w);
}

static int start(void **state)
{
    static const struct http_route routes[] = {{HTTP_GET, "/ws", 0, on_socket, NULL}};
    static const struct http_config config = {
        .routes = routes,
        .routes_n = 1,
        .limits = {.header_timeout_ms = 500, .write_queue_max = 8 * 1024 * 1024}};
    loopback_start(&site.at, &config);
    return 0;
}

static int stop(void **state)
{
    loopback_stop(&site.at);
    return 0;
}

#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define HANDSHAKE                                                                                  \
    "GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"     \
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " KEY "\r\n\r\n"

static int dial(void)
{
    return loopback_dial(site.at.port);
}

static struct str hear_head(int fd, char *to, size_t size)
{
    size_t n = 0;
    while (n < size && str_search(str_of(to, n), STR("\r\n\r\n")) == n) {
        if (read(fd, to + n, 1) != 1)
            break;
        n++;
    }
    return str_of(to, n);
}

struct client {
    int fd;
    wslay_event_context_ptr wslay;
    struct buf got; /* all messages */
    int messages, code;
};

static ssize_t on_recv(wslay_event_context_ptr wslay, uint8_t *to, size_t n, int flags, void *data)
{
    struct client *c = data;
    ssize_t got = recv(c->fd, to, n, MSG_DONTWAIT);
    if (got <= 0)
        wslay_event_set_error(wslay, got < 0 && errno == EAGAIN ? WSLAY_ERR_WOULDBLOCK
                                                                : WSLAY_ERR_CALLBACK_FAILURE);
    return got > 0 ? got : -1;
}

static ssize_t on_send(wslay_event_context_ptr wslay, const uint8_t *p, size_t n, int flags,
                       void *data)
{
    struct client *c = data;
    ssize_t sent = send(c->fd, p, n, MSG_NOSIGNAL);
    if (sent < 0)
        wslay_event_set_error(wslay, WSLAY_ERR_CALLBACK_FAILURE);
    return sent;
}

static int on_mask(wslay_event_context_ptr wslay, uint8_t *to, size_t n, void *data)
{
    for (size_t i = 0; i < n; i++)
        to[i] = (uint8_t)(0x5a + 77 * i);
    return 0;
}

static void on_wslay_message(wslay_event_context_ptr wslay,
                             const struct wslay_event_on_msg_recv_arg *message, void *data)
{
    struct client *c = data;
    if (message->opcode == WSLAY_CONNECTION_CLOSE) {
        c->code = message->status_code;
    } else {
        buf_put(&c->got, message->msg, message->msg_length);
        c->messages++;
    }
}

static void client_open(struct client *c)
{
    static const struct wslay_event_callbacks callbacks = {on_recv, on_send, on_mask,         NULL,
                                                           NULL,    NULL,    on_wslay_message};
    *c = (struct client){.fd = dial()};
    buf_init(&c->got, 64 * 1024 * 1024);
    char head[1000];
    assert_int_equal(send(c->fd, HANDSHAKE, sizeof HANDSHAKE - 1, 0), sizeof HANDSHAKE - 1);
    struct str answer = hear_head(c->fd, head, sizeof head);
    assert_true(str_starts(answer, STR("HTTP/1.1 101 ")));
    /* The example of RFC 6455, section 1.3. */
    struct str accept = STR("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n");
    assert_true(str_search(answer, accept) < answer.n);
    assert_int_equal(wslay_event_context_client_init(&c->wslay, &callbacks, c), 0);
    wslay_event_config_set_max_recv_msg_length(c->wslay, 64 * 1024 * 1024);
    atomic_store(&site.closed_with, 0);
    atomic_store(&site.messages, 0);
}

static void client_done(struct client *c)
{
    wslay_event_context_free(c->wslay);
    buf_done(&c->got);
    close(c->fd);
}

static void client_send(struct client *c, uint8_t opcode, struct str text)
{
    struct wslay_event_msg message = {opcode, (const uint8_t *)text.p, text.n};
    assert_int_equal(wslay_event_queue_msg(c->wslay, &message), 0);
    assert_int_equal(wslay_event_send(c->wslay), 0);
}

/* Waits for more and reads it. */
static int client_recv(struct client *c)
{
    struct pollfd fd = {.fd = c->fd, .events = POLLIN};
    return poll(&fd, 1, 10000) == 1 ? wslay_event_recv(c->wslay) : -1;
}

static void client_hear(struct client *c, int messages)
{
    while (c->messages < messages && client_recv(c) == 0)
        ;
    assert_int_equal(c->messages, messages);
}

static void wait_closed(int code)
{
    for (int i = 0; i < 1000 && atomic_load(&site.closed_with) == 0; i++)
        usleep(5000);
    assert_int_equal(atomic_load(&site.closed_with), code);
}

static void messages_of_every_size_are_echoed(void **state)
{
    struct client c;
    client_open(&c);
    static const size_t sizes[] = {0, 1, 125, 126, 127, 65535, 65536, 300000, MESSAGE_MAX};
    char *bytes = mem_raw(MESSAGE_MAX);
    for (size_t i = 0; i < MESSAGE_MAX; i++)
        bytes[i] = (char)(i * 7 % 251);
    for (size_t i = 0; i < COUNTOF(sizes); i++) {
        buf_clear(&c.got);
        client_send(&c, WSLAY_BINARY_FRAME, str_of(bytes, sizes[i]));
        client_hear(&c, (int)i + 1);
        assert_true(str_eq(buf_str(&c.got), str_of(bytes, sizes[i])));
    }
    mem_free(bytes);
    client_done(&c);
    wait_closed(1006);
}

static void pings_are_answered_and_a_frame_may_be_sent_twice(void **state)
{
    struct client c;
    client_open(&c);
    client_send(&c, WSLAY_PING, STR("are you there"));
    client_hear(&c, 1);
    assert_true(str_eq(buf_str(&c.got), STR("are you there")));
    client_send(&c, WSLAY_TEXT_FRAME, STR("twice"));
    client_hear(&c, 3);
    assert_true(str_ends(buf_str(&c.got), STR("twicetwice")));
    client_done(&c);
    wait_closed(1006);
}

static void the_client_may_close(void **state)
{
    struct client c;
    client_open(&c);
    assert_int_equal(wslay_event_queue_close(c.wslay, 1001, (const uint8_t *)"bye", 3), 0);
    assert_int_equal(wslay_event_send(c.wslay), 0);
    while (c.code == 0 && client_recv(&c) == 0)
        ;
    assert_int_equal(c.code, 1001);
    wait_closed(1001);
    client_done(&c);
}

static void the_server_may_close(void **state)
{
    struct client c;
    client_open(&c);
    client_send(&c, WSLAY_TEXT_FRAME, STR("close me"));
    while (c.code == 0 && client_recv(&c) == 0)
        ;
    assert_int_equal(c.code, 4000);
    assert_int_equal(wslay_event_send(c.wslay), 0); /* wslay answers a close with a close */
    wait_closed(4000);
    client_done(&c);
}

static void a_broken_frame_closes_with_its_code(void **state)
{
    struct client c;
    client_open(&c);
    assert_int_equal(send(c.fd,
                          "\x81\x01"
                          "a",
                          3, 0),
                     3);
    while (c.code == 0 && client_recv(&c) == 0)
        ;
    assert_int_equal(c.code, 1002);
    wait_closed(1002);
    client_done(&c);
}

static void a_message_too_big_closes_with_1009(void **state)
{
    struct client c;
    client_open(&c);
    assert_int_equal(send(c.fd, "\x82\xff\0\0\0\0\0\x20\0\0" M, 14, 0), 14);
    while (c.code == 0 && client_recv(&c) == 0)
        ;
    assert_int_equal(c.code, 1009);
    wait_closed(1009);
    client_done(&c);
}

static void frames_sent_with_the_handshake_are_not_lost(void **state)
{
    static const char text[] = HANDSHAKE "\x81\x82" M "hi";
    int fd = dial();
    char head[1000], echo[4];
    assert_int_equal(send(fd, text, sizeof text - 1, 0), sizeof text - 1);
    assert_true(str_starts(hear_head(fd, head, sizeof head), STR("HTTP/1.1 101 ")));
    assert_int_equal(recv(fd, echo, 4, MSG_WAITALL), 4);
    assert_memory_equal(echo, "\x81\x02hi", 4);
    atomic_store(&site.closed_with, 0);
    close(fd);
    wait_closed(1006);
}

static void what_is_no_handshake_is_refused(void **state)
{
    static const struct {
        struct str text;
        const char *status;
    } rows[] = {
#define ROW(text, status) {{text, sizeof text - 1}, status}
#define START             "GET /ws HTTP/1.1\r\nHost: h\r\n"
        ROW(START "\r\n", "HTTP/1.1 400 "),
        ROW(START "Upgrade: websocket\r\nConnection: close\r\nSec-WebSocket-Version: 13\r\n"
                  "Sec-WebSocket-Key: " KEY "\r\n\r\n",
            "HTTP/1.1 400 "),
        ROW(START "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 8\r\n"
                  "Sec-WebSocket-Key: " KEY "\r\n\r\n",
            "HTTP/1.1 426 "),
        ROW(START "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                  "Sec-WebSocket-Key: short==\r\n\r\n",
            "HTTP/1.1 400 "),
        ROW("GET /ws HTTP/1.0\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " KEY "\r\n\r\n",
            "HTTP/1.1 400 "),
#undef ROW
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        int fd = dial();
        char head[1000];
        assert_int_equal(send(fd, rows[i].text.p, rows[i].text.n, 0), rows[i].text.n);
        struct str answer = hear_head(fd, head, sizeof head);
        if (!str_starts(answer, str_c(rows[i].status)))
            fail_msg("row %zu: " STR_FMT, i, STR_ARG(answer));
        close(fd);
    }
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

static void a_draining_server_says_goodbye(void **state)
{
    struct client c;
    client_open(&c);
    loop_post(site.at.loop, drain, NULL);
    while (c.code == 0 && client_recv(&c) == 0)
        ;
    assert_int_equal(c.code, 1001);
    assert_int_equal(wslay_event_send(c.wslay), 0);
    wait_closed(1001);
    client_done(&c);
    for (int i = 0; i < 500 && !atomic_load(&drained); i++)
        usleep(5000);
    assert_int_equal(atomic_load(&drained), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_follow_the_rules_or_are_refused),
        cmocka_unit_test(close_frames_are_checked),
        cmocka_unit_test(messages_of_every_size_are_echoed),
        cmocka_unit_test(pings_are_answered_and_a_frame_may_be_sent_twice),
        cmocka_unit_test(the_client_may_close),
        cmocka_unit_test(the_server_may_close),
        cmocka_unit_test(a_broken_frame_closes_with_its_code),
        cmocka_unit_test(a_message_too_big_closes_with_1009),
        cmocka_unit_test(frames_sent_with_the_handshake_are_not_lost),
        cmocka_unit_test(what_is_no_handshake_is_refused),
        cmocka_unit_test(a_draining_server_says_goodbye),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
