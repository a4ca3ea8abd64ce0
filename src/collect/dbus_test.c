/* The D-Bus client: messages whole, cut off and odd, and a bus that does not behave. */
#include "collect/fixture_test.h"

#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "collect/dbus.h"

/* A reply to serial 7 with the body (signature "a(sut)vy"): [("ab", 5, 6), ("", 7, 8)],
 * variant i -2, y 9. Written by hand from the specification, little-endian. */
static const unsigned char REPLY[] = {'l',
                                      2,
                                      1,
                                      1,
                                      72,
                                      0,
                                      0,
                                      0,
                                      1,
                                      0,
                                      0,
                                      0,
                                      22,
                                      0,
                                      0,
                                      0,
                                      /* 5: u 7 */ 5,
                                      1,
                                      'u',
                                      0,
                                      7,
                                      0,
                                      0,
                                      0,
                                      /* 8: g */ 8,
                                      1,
                                      'g',
                                      0,
                                      8,
                                      'a',
                                      '(',
                                      's',
                                      'u',
                                      't',
                                      ')',
                                      'v',
                                      'y',
                                      0,
                                      0,
                                      0, /* to 8 */
                                      /* array */ 48,
                                      0,
                                      0,
                                      0,
                                      0,
                                      0,
                                      0,
                                      0,
                                      2,
                                      0,
                                      0,
                                      0,
                                      'a',
                                      'b',
                                      0,
                                      0,
                                      5,
                                      0,
                                      0,
                                      0,
                                      0,
                                      0,
                                      0,
                                      0,
                                      6,
                                      0,
                                      0,
                                      0,
                                      0,
                                      0,
                                      0,
                                      0,
                                      0,
                                      0,
                                      0,
                                      0,
                                      0,
                                      0,
                                      0,
                                      0,
                                      7,
                                      0,
                                      0,
                                      0,
                                      0,
                                      0,
                                      0,
                                      0,
                                      8,
                                      0,
                                      0,
                                      0,
                                      0,
                                      0,
                                      0,
                                      0,
                                      /* v */ 1,
                                      'i',
                                      0,
                                      0,
                                      0xfe,
                                      0xff,
                                      0xff,
                                      0xff,
                                      /* y */ 9,
                                      0,
                                      0,
                                      0,
                                      0,
                                      0,
                                      0,
                                      0};

static void read_reply(struct dbus_reader *r)
{
    static const double WANTED[2][2] = {{5, 6}, {7, 8}};
    struct dbus_reader all, variant;
    struct str text;
    double v;
    size_t n = 0;
    assert_true(dbus_array(r, &all));
    for (; dbus_more(&all); n++) {
        assert_true(n < 2);
        assert_true(dbus_enter_struct(&all));
        assert_true(dbus_text(&all, &text));
        assert_true(str_eq(text, n == 0 ? STR("ab") : STR("")));
        assert_false(dbus_text(&all, &text)); /* a number is no text */
        for (int i = 0; i < 2; i++) {
            assert_true(dbus_number(&all, &v));
            assert_true(v == WANTED[n][i]);
        }
    }
    assert_int_equal(n, 2);
    variant = *r;
    assert_true(dbus_enter_variant(&variant));
    assert_true(dbus_number(&variant, &v));
    assert_true(v == -2);
    assert_true(dbus_skip(r));
    assert_true(dbus_number(r, &v));
    assert_true(v == 9);
    assert_false(dbus_skip(r));
}

static void a_reply_is_read_value_by_value(void **state)
{
    (void)state;
    struct dbus_reader r;
    struct str bytes = str_of((const char *)REPLY, sizeof REPLY);
    assert_int_equal(dbus_size(bytes.p), sizeof REPLY);
    assert_int_equal(dbus_parse(bytes, 8, &r, NULL), -ERR_END); /* not to that call */
    assert_int_equal(dbus_parse(bytes, 7, &r, NULL), 0);
    read_reply(&r);
}

static void no_byte_can_lead_a_reader_astray(void **state)
{
    (void)state;
    for (size_t at = 0; at < sizeof REPLY; at++) {
        for (int value = 0; value < 256; value += 5) {
            char *copy = mem_copy(REPLY, sizeof REPLY); /* exact, for the sanitizer */
            struct dbus_reader r;
            copy[at] = (char)value;
            if (dbus_parse(str_of(copy, sizeof REPLY), 7, &r, NULL) == 0)
                for (int i = 0; i < 100 && dbus_skip(&r); i++)
                    continue;
            mem_free(copy);
        }
    }
}

static void a_message_that_is_cut_off_is_refused(void **state)
{
    (void)state;
    for (size_t n = 0; n < sizeof REPLY; n++) {
        char *copy = mem_copy(REPLY, n + 1);
        struct dbus_reader r;
        assert_int_equal(dbus_parse(str_of(copy, n), 7, &r, NULL), -ERR_FORMAT);
        mem_free(copy);
    }
}

static void types_nested_too_deep_are_refused(void **state)
{
    (void)state;
    char body[256] = {0};
    struct dbus_reader r = {.body = {body, sizeof body}, .signature = STR("v")}, inside = r;
    body[0] = 60;
    memset(body + 1, 'a', 59);
    body[60] = 'y';
    assert_false(dbus_enter_variant(&inside));
    memset(body, 0, sizeof body);
    for (int i = 0; i < 60; i++) { /* a variant in a variant in a variant */
        body[3 * i] = 1;
        body[3 * i + 1] = 'v';
    }
    assert_false(dbus_skip(&r));
}

/* ---- a bus that does not behave */

struct bus {
    int fd;
    const char *greeting;
    const unsigned char *reply; /* [reply_n], whatever is asked */
    size_t reply_n;
    pthread_t thread;
};

static void *serve(void *context)
{
    struct bus *b = context;
    char room[1024];
    int fd = accept(b->fd, NULL, NULL);
    if (fd < 0)
        return NULL;
    if (b->greeting && recv(fd, room, sizeof room, 0) > 0)
        (void)!send(fd, b->greeting, strlen(b->greeting), MSG_NOSIGNAL);
    if (b->reply_n && recv(fd, room, sizeof room, 0) > 0) {
        usleep(20 * 1000); /* BEGIN and the call */
        (void)!send(fd, b->reply, b->reply_n, MSG_NOSIGNAL);
    }
    struct pollfd p = {.fd = fd, .events = POLLIN};
    while (poll(&p, 1, 3000) == 1 && recv(fd, room, sizeof room, 0) > 0)
        continue;
    close(fd);
    return NULL;
}

static void start(struct bus *b)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    char path[512];
    path_of("run/systemd/private", path);
    memcpy(a.sun_path, path, MIN(strlen(path), sizeof a.sun_path - 1));
    b->fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(b->fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(b->fd, 1), 0);
    assert_int_equal(pthread_create(&b->thread, NULL, serve, b), 0);
}

static void stop(struct bus *b)
{
    shutdown(b->fd, SHUT_RDWR);
    pthread_join(b->thread, NULL);
    close(b->fd);
}

static int collect_from(struct bus *b)
{
    struct use u;
    start(b);
    use_open(&u, &systemd_collector);
    int err = use_run(&u);
    assert_true(err != 0 && u.why.text[0]);
    assert_int_equal(u.e.n, 0);
    use_close(&u);
    stop(b);
    return err;
}

static void a_host_without_systemd_is_no_error_to_warn_of(void **state)
{
    (void)state;
    assert_fails(&systemd_collector, -ERR_NOENT);
}

static void a_bus_that_refuses_us_says_so(void **state)
{
    (void)state;
    assert_int_equal(collect_from(&(struct bus){.greeting = "REJECTED EXTERNAL\r\n"}), -ERR_DENIED);
}

static void a_bus_that_is_silent_is_left_after_a_second(void **state)
{
    (void)state;
    assert_int_equal(collect_from(&(struct bus){.greeting = NULL}), -ERR_TIMEOUT);
}

static void a_bus_that_talks_nonsense_is_left_at_once(void **state)
{
    (void)state;
    static const unsigned char NONSENSE[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_int_equal(collect_from(&(struct bus){
                         .greeting = "OK 12\r\n", .reply = NONSENSE, .reply_n = sizeof NONSENSE}),
                     -ERR_FORMAT);
}

static void a_reply_of_gigabytes_is_not_waited_for(void **state)
{
    (void)state;
    static const unsigned char HUGE_REPLY[16] = {'l', 2, 0, 1, 0xff, 0xff, 0xff, 0x7f};
    assert_int_equal(collect_from(&(struct bus){.greeting = "OK 12\r\n",
                                                .reply = HUGE_REPLY,
                                                .reply_n = sizeof HUGE_REPLY}),
                     -ERR_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reply_is_read_value_by_value),
        cmocka_unit_test(no_byte_can_lead_a_reader_astray),
        cmocka_unit_test(a_message_that_is_cut_off_is_refused),
        cmocka_unit_test(types_nested_too_deep_are_refused),
        cmocka_unit_test_setup_teardown(a_host_without_systemd_is_no_error_to_warn_of, prepare,
                                        clear),
        cmocka_unit_test_setup_teardown(a_bus_that_refuses_us_says_so, prepare, clear),
        cmocka_unit_test_setup_teardown(a_bus_that_is_silent_is_left_after_a_second, prepare,
                                        clear),
        cmocka_unit_test_setup_teardown(a_bus_that_talks_nonsense_is_left_at_once, prepare, clear),
        cmocka_unit_test_setup_teardown(a_reply_of_gigabytes_is_not_waited_for, prepare, clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
