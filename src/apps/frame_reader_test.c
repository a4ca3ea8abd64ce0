#include "apps/frame_reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/hello.h"

static struct frame_reader reader;

static int setup(void **state)
{
    frame_reader_init(&reader);
    return 0;
}

static int teardown(void **state)
{
    frame_reader_done(&reader);
    return 0;
}

static void feed(const void *p, size_t n)
{
    while (n > 0) {
        size_t room;
        char *to = frame_reader_room(&reader, &room);
        room = MIN(room, n);
        memcpy(to, p, room);
        frame_reader_got(&reader, room);
        p = (const char *)p + room;
        n -= room;
    }
}

static struct frame_header header(uint8_t kind, uint32_t length, uint64_t sequence)
{
    return (struct frame_header){
        .length = length, .kind = kind, .version = FRAME_VERSION, .sequence = sequence};
}

static void frames_come_out_whole_whatever_the_pieces(void **state)
{
    static char payload[FRAME_PAYLOAD_MAX];
    const size_t sizes[] = {0, 1, 100, FRAME_READER_PIECE, 300000, FRAME_PAYLOAD_MAX, 7};
    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = (char)(i * 7);
    for (size_t step = 1; step < 2000000; step = step * 37 + 5) {
        for (size_t i = 0; i < COUNTOF(sizes); i++) {
            struct frame_header h = header(FRAME_SPANS, (uint32_t)sizes[i], i + 1);
            struct frame f;
            feed(&h, sizeof h);
            for (size_t at = 0; at < sizes[i]; at += step) {
                assert_int_equal(frame_reader_next(&reader, &f, NULL), 0);
                feed(payload + at, MIN(step, sizes[i] - at));
                if (step == 1 && at > 5000)
                    break;
            }
            if (step == 1 && sizes[i] > 5001) { /* the rest at once */
                feed(payload + 5002, sizes[i] - 5002);
            }
            assert_int_equal(frame_reader_next(&reader, &f, NULL), 1);
            assert_int_equal(f.header.sequence, i + 1);
            assert_int_equal(f.payload.n, sizes[i]);
            assert_memory_equal(f.payload.n ? f.payload.p : "", payload, f.payload.n);
            assert_int_equal(frame_reader_next(&reader, &f, NULL), 0);
            assert_false(frame_reader_partial(&reader));
        }
    }
}

static void many_frames_of_one_piece_come_in_order(void **state)
{
    struct frame f;
    for (uint64_t i = 1; i <= 1000; i++) {
        struct frame_header h = header(FRAME_LOGS, 3, i);
        feed(&h, sizeof h);
        feed("abc", 3);
    }
    for (uint64_t i = 1; i <= 1000; i++) {
        assert_int_equal(frame_reader_next(&reader, &f, NULL), 1);
        assert_int_equal(f.header.sequence, i);
        assert_true(str_eq(f.payload, STR("abc")));
    }
    assert_int_equal(frame_reader_next(&reader, &f, NULL), 0);
}

static void a_header_that_cannot_be_is_refused_before_its_payload_and_for_good(void **state)
{
    const struct {
        struct frame_header h;
        int err;
    } rows[] = {{header(0, 0, 1), -ERR_FORMAT},
                {header(FRAME_BYE + 1, 0, 1), -ERR_FORMAT},
                {header(FRAME_WELCOME, 0, 1), -ERR_FORMAT},
                {header(FRAME_SPANS, FRAME_PAYLOAD_MAX + 1, 1), -ERR_LIMIT},
                {header(FRAME_SPANS, UINT32_MAX, 1), -ERR_LIMIT},
                {{.kind = FRAME_HELLO, .version = 2}, -ERR_UNSUPPORTED}};
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct frame f;
        struct why why = {0};
        struct frame_header fine = header(FRAME_BYE, 0, 2);
        feed(&rows[i].h, sizeof rows[i].h);
        assert_int_equal(frame_reader_next(&reader, &f, &why), rows[i].err);
        assert_int_not_equal(why.text[0], '\0');
        feed(&fine, sizeof fine);
        assert_true(frame_reader_next(&reader, &f, &why) < 0);
        frame_reader_done(&reader);
    }
}

static void memory_follows_what_came_and_not_what_was_claimed(void **state)
{
    struct frame_header h = header(FRAME_SPANS, FRAME_PAYLOAD_MAX, 1);
    size_t room;
    feed(&h, sizeof h);
    (void)frame_reader_room(&reader, &room);
    assert_true(reader.capacity <= 4 * FRAME_READER_PIECE);
}

static void hello_says_who_it_is(void **state)
{
    struct hello h;
    struct why why = {0};
    assert_int_equal(hello_read(STR("service=a%25b%0ac d\ninstance=h:1\npid=12\nversion=1\n"
                                    "unknown=x\nstarted_ms=99\nlanguage=c\n"),
                                &h, &why),
                     -ERR_FORMAT); /* a line end within a name */
    assert_int_equal(hello_read(STR("service=a%25b d\ninstance=h:1\npid=12\nversion=1\n"
                                    "unknown=x\nstarted_ms=99\nlanguage=c"),
                                &h, &why),
                     0);
    assert_string_equal(h.service, "a%b d");
    assert_string_equal(h.instance, "h:1");
    assert_string_equal(h.language, "c");
    assert_string_equal(h.release, "");
    assert_int_equal(h.pid, 12);
    assert_int_equal(h.started_ms, 99);
}

static void hello_that_says_nothing_is_refused(void **state)
{
    static const char *const rows[] = {
        "",
        "service=a\n",
        "instance=a\n",
        "service=a\ninstance=b\nnonsense\n",
        "service=a\ninstance=b\n=x\n",
        "service=a\ninstance=b\npid=x\n",
        "service=a\ninstance=b\npid=-1\n",
        "service=a%\ninstance=b\n",
        "service=a%2\ninstance=b\n",
        "service=a%zz\ninstance=b\n",
        "service=\xff\ninstance=b\n",
        "service=a\x01\ninstance=b\n",
        "service=a%00\ninstance=b\n",
    };
    char text[HELLO_NAME_MAX + 100];
    struct hello h;
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct why why = {0};
        if (hello_read(str_c(rows[i]), &h, &why) != -ERR_FORMAT)
            fail_msg("taken: %s", rows[i]);
        assert_int_not_equal(why.text[0], '\0');
    }
    snprintf(text, sizeof text, "service=%0*d\ninstance=b\n", HELLO_NAME_MAX, 1);
    assert_int_equal(hello_read(str_c(text), &h, NULL), 0);
    snprintf(text, sizeof text, "service=%0*d\ninstance=b\n", HELLO_NAME_MAX + 1, 1);
    assert_int_equal(hello_read(str_c(text), &h, NULL), -ERR_LIMIT);
}

static void lines_that_are_put_are_read_as_they_were(void **state)
{
    struct buf b;
    struct hello h;
    buf_init(&b, 1000);
    hello_put(&b, "service", STR("50% of \xc3\xbc = x"));
    hello_put(&b, "instance", STR("i"));
    assert_int_equal(hello_read(buf_str(&b), &h, NULL), 0);
    assert_string_equal(h.service, "50% of \xc3\xbc = x");
    buf_clear(&b);
    hello_put(&b, "k", STR("a\r\nb"));
    assert_true(str_eq(buf_str(&b), STR("k=a%0d%0ab\n")));
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(frames_come_out_whole_whatever_the_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(many_frames_of_one_piece_come_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_header_that_cannot_be_is_refused_before_its_payload_and_for_good, setup, teardown),
        cmocka_unit_test_setup_teardown(memory_follows_what_came_and_not_what_was_claimed, setup,
                                        teardown),
        cmocka_unit_test(hello_says_who_it_is),
        cmocka_unit_test(hello_that_says_nothing_is_refused),
        cmocka_unit_test(lines_that_are_put_are_read_as_they_were),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
