#include "client/send/stand_in.h"

#include <time.h>

#include "client/core/command.h"
#include "client/core/lost.h"
#include "client/core/ticks.h"
#include "client/send/queue.h"
#include "client/send/uplink.h"

static struct stand_in in;
static struct stand_in_frame frame;

static int begin(void **state)
{
    stand_in_init(&in);
    return 0;
}

static int end(void **state)
{
    sonde_shutdown(0);
    stand_in_done(&in);
    free(frame.payload);
    frame.payload = NULL;
    return 0;
}

static void wait_for_state(enum uplink_state wanted)
{
    for (int i = 0; i < STAND_IN_MS && uplink_state() != wanted; i++) {
        usleep(1000);
    }
    assert_int_equal(uplink_state(), wanted);
}

static void wait_for_disk(size_t files)
{
    struct queue_stats s;
    for (int i = 0; i < STAND_IN_MS; i++) {
        queue_stats(&s);
        if (s.disk_files[SPOOL_ENVELOPE] == files) {
            return;
        }
        usleep(1000);
    }
    assert_int_equal(s.disk_files[SPOOL_ENVELOPE], files);
}

static void a_connection_begins_with_hello_and_sends_what_was_put(void **state)
{
    stand_in_listen(&in);
    stand_in_start(&in, NULL);
    stand_in_accept(&in);
    assert_true(stand_in_read(&in, &frame));
    assert_int_equal(frame.header.kind, FRAME_HELLO);
    assert_int_equal(frame.header.sequence, 1);
    assert_non_null(strstr(frame.payload, "service=shop\n"));
    assert_non_null(strstr(frame.payload, "version=1\n"));
    assert_non_null(strstr(frame.payload, "pid="));
    assert_false(sonde_connected());
    stand_in_say(&in, FRAME_WELCOME, 0, 1, "server=stand-in 1\n");
    wait_for_state(UPLINK_UP);
    assert_true(sonde_connected());
    stand_in_put(FRAME_ENVELOPE, "error", "{}\n");
    assert_int_equal(stand_in_files(&in, "envelope"), 1); /* before it was acknowledged */
    assert_true(stand_in_next(&in, &frame));
    assert_int_equal(frame.header.kind, FRAME_ENVELOPE);
    assert_int_equal(frame.header.flags, FRAME_ACK_WANTED);
    assert_string_equal(frame.payload, "{}\n");
    stand_in_say(&in, FRAME_ACK, 0, frame.header.sequence, "");
    wait_for_disk(0);
    assert_int_equal(stand_in_files(&in, "envelope"), 0);
}

static void what_is_not_acknowledged_is_sent_again(void **state)
{
    stand_in_listen(&in);
    stand_in_start(&in, NULL);
    stand_in_welcome(&in, &frame);
    stand_in_put(FRAME_ENVELOPE, "error", "one");
    stand_in_put(FRAME_SPANS, NULL, "two");
    stand_in_put(FRAME_ENVELOPE, "error", "three");
    for (int i = 0; i < 3; i++) {
        assert_true(stand_in_next(&in, &frame));
        if (strcmp(frame.payload, "three") == 0) { /* acknowledged in any order */
            stand_in_say(&in, FRAME_ACK, 0, frame.header.sequence, "");
        }
    }
    wait_for_disk(1);
    stand_in_close(&in);
    stand_in_welcome(&in, &frame);
    assert_true(stand_in_next(&in, &frame));
    assert_string_equal(frame.payload, "one");
    stand_in_say(&in, FRAME_ACK, 0, frame.header.sequence, "");
    assert_true(stand_in_next(&in, &frame));
    assert_string_equal(frame.payload, "two");
    stand_in_say(&in, FRAME_ACK, 0, frame.header.sequence, "");
    stand_in_say(&in, FRAME_ACK, 0, 4711, ""); /* of nothing: no harm */
    wait_for_disk(0);
    (void)sonde_shutdown(100); /* nobody acknowledges the last metrics */
    bool bye = false;
    while (stand_in_next(&in, &frame)) {
        assert_int_equal(frame.header.kind, FRAME_BYE);
        bye = true;
    }
    assert_true(bye);
}

static void what_is_refused_waits_or_goes(void **state)
{
    uint64_t before = lost_count(LOST_ERROR, LOST_REFUSED);
    stand_in_listen(&in);
    stand_in_start(&in, NULL);
    stand_in_welcome(&in, &frame);
    stand_in_put(FRAME_ENVELOPE, "error", "bad");
    assert_true(stand_in_next(&in, &frame));
    stand_in_say(&in, FRAME_REFUSED, 0, frame.header.sequence,
                 "code=format\nmessage=no envelope\nretry_ms=0\n");
    wait_for_disk(0);
    assert_int_equal(lost_count(LOST_ERROR, LOST_REFUSED), before + 1);
    stand_in_put(FRAME_ENVELOPE, "error", "later");
    assert_true(stand_in_next(&in, &frame));
    uint64_t from = ticks_monotonic_ns();
    stand_in_say(&in, FRAME_REFUSED, 0, frame.header.sequence,
                 "code=full\nmessage=disk full\nretry_ms=300\n");
    assert_true(stand_in_next(&in, &frame));
    assert_string_equal(frame.payload, "later");
    assert_true(ticks_monotonic_ns() - from >= 300000000);
    stand_in_say(&in, FRAME_ACK, 0, frame.header.sequence, "");
    wait_for_disk(0);
}

static void a_refused_hello_is_not_repeated_at_once(void **state)
{
    stand_in_listen(&in);
    stand_in_start(&in, NULL);
    stand_in_accept(&in);
    assert_true(stand_in_read(&in, &frame));
    stand_in_say(&in, FRAME_REFUSED, 0, 1, "code=busy\nmessage=too many\nretry_ms=800\n");
    uint64_t from = ticks_monotonic_ns();
    assert_false(stand_in_read(&in, &frame));
    stand_in_close(&in);
    stand_in_welcome(&in, &frame);
    assert_true(ticks_monotonic_ns() - from >= 400000000);
    wait_for_state(UPLINK_UP);
}

static void questions_are_answered_as_far_as_the_daemon_may_ask(void **state)
{
    stand_in_listen(&in);
    stand_in_start(&in, NULL);
    stand_in_welcome(&in, &frame);
    stand_in_say(&in, FRAME_REQUEST, COMMAND_ADMIN, 77, "info");
    assert_true(stand_in_next(&in, &frame));
    assert_int_equal(frame.header.kind, FRAME_ANSWER);
    assert_int_equal(frame.header.sequence, 77);
    assert_non_null(strstr(frame.payload, "\"service\":\"shop\""));
    stand_in_say(&in, FRAME_REQUEST, COMMAND_ADMIN, 78, "set export.interval_ms 5000");
    assert_true(stand_in_next(&in, &frame));
    assert_int_equal(frame.header.sequence, 78);
    assert_non_null(strstr(frame.payload, "\"error\""));
    stand_in_say(&in, FRAME_REQUEST, COMMAND_ADMIN, 79, "flush");
    assert_true(stand_in_next(&in, &frame));
    assert_non_null(strstr(frame.payload, "\"flush\":\"begun\""));
    stand_in_say(&in, FRAME_REQUEST, COMMAND_VIEWER, 80, "flush");
    assert_true(stand_in_next(&in, &frame));
    assert_non_null(strstr(frame.payload, "\"error\""));
    stand_in_say(&in, FRAME_REQUEST, COMMAND_VIEWER, 81, "outgoing");
    assert_true(stand_in_next(&in, &frame));
    assert_non_null(strstr(frame.payload, "\"state\":\"connected\""));
    assert_non_null(strstr(frame.payload, "\"server\":\"stand-in 1\""));
}

static void strange_bytes_end_the_connection_and_nothing_else(void **state)
{
    stand_in_listen(&in);
    stand_in_start(&in, NULL);
    stand_in_welcome(&in, &frame);
    stand_in_put(FRAME_ENVELOPE, "error", "kept");
    assert_int_equal(send(in.fd, "HTTP/1.1 400 Bad Request\r\n\r\n", 28, MSG_NOSIGNAL), 28);
    while (stand_in_read(&in, &frame)) {
    }
    stand_in_close(&in);
    wait_for_state(UPLINK_DOWN);
    assert_true(sonde_running());
    assert_int_equal(stand_in_files(&in, "envelope"), 1);
}

static void a_daemon_that_does_not_read_costs_no_memory_and_no_time(void **state)
{
    static char big[64 << 10];
    memset(big, 'x', sizeof big - 1);
    stand_in_listen(&in);
    stand_in_start(&in, "send.memory_bytes=262144");
    stand_in_welcome(&in, &frame);
    wait_for_state(UPLINK_UP);
    for (int i = 0; i < 100; i++) { /* 6.4 MB, of which the socket takes a few hundred KB */
        uint64_t from = ticks_monotonic_ns();
        stand_in_put(FRAME_SPANS, NULL, big);
        assert_true(ticks_monotonic_ns() - from < 5000000000);
    }
    struct queue_stats s;
    queue_stats(&s);
    assert_true(s.memory_bytes <= 262144 + UPLINK_WINDOW_MAX * sizeof big);
    assert_true(s.disk_files[SPOOL_SPANS] > 0);
    size_t n = 0;
    for (; n < 100 && stand_in_next(&in, &frame); n++) { /* then it reads all the same */
        assert_int_equal(frame.header.length, sizeof big - 1);
        stand_in_say(&in, FRAME_ACK, 0, frame.header.sequence, "");
    }
    assert_int_equal(n, 100);
    for (int i = 0; i < STAND_IN_MS; i++) {
        queue_stats(&s);
        if (s.memory_bytes + s.disk_bytes[SPOOL_SPANS] == 0) {
            break;
        }
        usleep(1000);
    }
    assert_int_equal(s.memory_bytes + s.disk_bytes[SPOOL_SPANS], 0);
}

static void what_was_put_without_a_daemon_arrives_when_one_comes(void **state)
{
    stand_in_start(&in, NULL);
    stand_in_put(FRAME_ENVELOPE, "error", "early");
    assert_int_equal(sonde_flush(STAND_IN_MS), 0); /* on disk is what can be had */
    assert_false(sonde_connected());
    stand_in_listen(&in);
    stand_in_welcome(&in, &frame);
    assert_true(stand_in_next(&in, &frame));
    assert_string_equal(frame.payload, "early");
    stand_in_say(&in, FRAME_ACK, 0, frame.header.sequence, "");
    wait_for_disk(0);
}

static void what_a_program_left_is_sent_by_the_next_one(void **state)
{
    stand_in_start(&in, NULL);
    stand_in_put(FRAME_ENVELOPE, "error", "first");
    stand_in_put(FRAME_ENVELOPE, "session", "second");
    stand_in_put(FRAME_LOGS, NULL, "third");
    assert_int_equal(sonde_shutdown(STAND_IN_MS), 0);
    assert_int_equal(stand_in_files(&in, "."), 3);
    stand_in_listen(&in);
    stand_in_start(&in, NULL);
    stand_in_welcome(&in, &frame);
    static const char *const wanted[] = {"first", "second", "third"};
    for (size_t i = 0; i < 3; i++) {
        assert_true(stand_in_next(&in, &frame));
        assert_string_equal(frame.payload, wanted[i]);
        stand_in_say(&in, FRAME_ACK, 0, frame.header.sequence, "");
    }
    wait_for_disk(0);
    (void)sonde_shutdown(100);
    assert_int_equal(stand_in_files(&in, ""), 0); /* its lock is gone too */
}

static void a_stopped_daemon_holds_up_a_shutdown_only_so_long(void **state)
{
    stand_in_listen(&in);
    stand_in_start(&in, NULL);
    stand_in_put(FRAME_ENVELOPE, "error", "kept");
    uint64_t from = ticks_monotonic_ns();
    assert_int_equal(sonde_shutdown(300), SONDE_ERROR_TIMEOUT); /* connected, never welcome */
    assert_true(ticks_monotonic_ns() - from < 3000000000);
    assert_int_equal(stand_in_files(&in, "envelope"), 1);
}

static void starting_and_stopping_again_and_again_is_fine(void **state)
{
    stand_in_listen(&in);
    for (int i = 0; i < 20; i++) {
        stand_in_start(&in, NULL);
        stand_in_put(FRAME_ENVELOPE, "error", "x");
        (void)sonde_flush(0);
        (void)sonde_shutdown(i % 3 ? 0 : 20);
    }
    assert_false(sonde_running());
    assert_int_equal(sonde_flush(10), SONDE_ERROR_STATE);
    assert_false(sonde_connected());
}

#define CASE(t) cmocka_unit_test_setup_teardown(t, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_connection_begins_with_hello_and_sends_what_was_put),
        CASE(what_is_not_acknowledged_is_sent_again),
        CASE(what_is_refused_waits_or_goes),
        CASE(a_refused_hello_is_not_repeated_at_once),
        CASE(questions_are_answered_as_far_as_the_daemon_may_ask),
        CASE(strange_bytes_end_the_connection_and_nothing_else),
        CASE(a_daemon_that_does_not_read_costs_no_memory_and_no_time),
        CASE(what_was_put_without_a_daemon_arrives_when_one_comes),
        CASE(what_a_program_left_is_sent_by_the_next_one),
        CASE(a_stopped_daemon_holds_up_a_shutdown_only_so_long),
        CASE(starting_and_stopping_again_and_again_is_fine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
