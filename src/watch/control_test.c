#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "watch/control.h"
#include "watch/control_client.h"
#include "watch/json_line.h"

static void a_request_survives_its_line(void **state)
{
    (void)state;
    for (enum control_verb v = 0; v < CONTROL_VERBS; v++) {
        struct control_request r = control_request_of(v, "web@1"), got;
        r.signal = "USR1";
        r.plan = "sonde-watch 1\nprogram \"x\\\"\n\xc3\xa9\tend\n";
        r.path = "/bin/x";
        r.lines = v == CONTROL_LOGS ? 7 : 100;
        r.wait_ms = 5000;
        r.follow = r.dependents = true;
        struct buf b;
        struct arena a;
        struct why why = {0};
        buf_init(&b, 4096);
        arena_init(&a);
        control_request_write(&r, &b);
        assert_int_equal(b.p[b.n - 1], '\n');
        assert_int_equal(str_find(buf_str(&b), '\n'), b.n - 1);
        if (control_request_read(buf_str(&b), &a, &got, &why))
            fail_msg("%s", why.text);
        assert_int_equal(got.verb, v);
        assert_string_equal(got.target, r.target);
        assert_string_equal(got.plan, r.plan);
        assert_string_equal(got.signal, r.signal);
        assert_string_equal(got.path, r.path);
        assert_int_equal(got.lines, r.lines);
        assert_int_equal(got.wait_ms, 5000);
        assert_true(got.follow && got.dependents);
        arena_done(&a);
        buf_done(&b);
    }
}

static void read_refused(const char *line)
{
    struct arena a;
    struct control_request r;
    struct why why = {0};
    arena_init(&a);
    assert_true(control_request_read(str_c(line), &a, &r, &why) < 0);
    assert_true(why.text[0] != '\0');
    arena_done(&a);
}

static void requests_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "",
        "{",
        "[]",
        "{}",
        "{\"do\":1}",
        "{\"do\":\"fly\"}",
        "{\"do\":\"status\"",
        "{\"do\":\"status\"} x",
        "{\"do\":\"status\",}",
        "{\"do\" \"status\"}",
        "{\"do\":\"status\",\"a\":[1]}",
        "{\"do\":\"status\",\"a\":1.5}",
        "{\"do\":\"status\",\"a\":\"\\q\"}",
        "{\"do\":\"status\",\"a\":\"\\ud800\"}",
        "{\"do\":\"status\",\"a\":\"\\u0000\"}",
        "{\"do\":\"status\",\"a\":\"\xff\"}",
        "{\"do\":\"status\",\"a\":\"x",
        "{\"do\":\"status\",\"a\":\"x\\",
        "{,\"do\":\"status\"}",
        "{\"do\":\"signal\",\"signal\":\"NOPE\"}",
        "{\"do\":\"logs\",\"lines\":-1}",
        "{\"do\":\"stop\",\"wait_ms\":99999999999}",
    };
    for (size_t i = 0; i < COUNTOF(lines); i++)
        read_refused(lines[i]);
}

static void escapes_mean_what_rfc_8259_says(void **state)
{
    (void)state;
    struct arena a;
    struct json_line l;
    arena_init(&a);
    assert_int_equal(json_line_read(STR(" { \"a\" : \"\\u00e9\\ud83d\\ude00\\\"\\/\\n\" , "
                                        "\"b\":-7,\"c\":true,\"d\":null } "),
                                    &a, &l, NULL),
                     0);
    assert_string_equal(json_line_find_text(&l, "a"), "\xc3\xa9\xf0\x9f\x98\x80\"/\n");
    assert_int_equal(json_line_find_number(&l, "b", 0), -7);
    assert_int_equal(json_line_find_number(&l, "c", 0), 1);
    assert_int_equal(json_line_find_number(&l, "d", 9), 9);
    assert_null(json_line_find(&l, "e"));
    arena_done(&a);
}

static void what_is_written_is_json_whatever_the_bytes(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 4096);
    json_line_open(&b, NULL, '{');
    json_line_text(&b, "t", str_of("\x01\"\\\n\xff\xe2\x82", 7));
    json_line_open(&b, "list", '[');
    json_line_i64(&b, NULL, 1);
    json_line_tenths(&b, NULL, -15);
    json_line_close(&b, ']');
    json_line_flag(&b, "f", false);
    json_line_null(&b, "n");
    json_line_close(&b, '}');
    assert_true(str_eq(buf_str(&b), STR("{\"t\":\"\\u0001\\\"\\\\\\n\\ufffd\\ufffd\\ufffd\","
                                        "\"list\":[1,-1.5],\"f\":false,\"n\":null}")));
    buf_done(&b);
}

static void a_target_is_a_name_an_instance_a_group_or_all(void **state)
{
    (void)state;
    assert_true(control_target_is("", "web", "", "web@1"));
    assert_true(control_target_is("all", "web", "", "web@1"));
    assert_true(control_target_is("web", "web", "", "web@1"));
    assert_true(control_target_is("web@1", "web", "", "web@1"));
    assert_true(control_target_is("front", "web", "front", "web@1"));
    assert_false(control_target_is("web@0", "web", "front", "web@1"));
    assert_false(control_target_is("we", "web", "", "web"));
    assert_int_equal(control_signal_of("SIGTERM"), 15);
    assert_int_equal(control_signal_of("HUP"), 1);
    assert_int_equal(control_signal_of("64"), 64);
    assert_int_equal(control_signal_of("65"), 0);
    assert_int_equal(control_signal_of(""), 0);
}

static void an_answer_that_refuses_says_why(void **state)
{
    (void)state;
    struct why why = {0};
    assert_int_equal(control_client_answer(STR("{\"ok\":true,\"x\":{\"y\":1}}"), &why), 0);
    assert_int_equal(
        control_client_answer(STR("{\"ok\":false,\"error\":\"not_found\",\"message\":\"no 'x'\"}"),
                              &why),
        -ERR_NOENT);
    assert_string_equal(why.text, "no 'x'");
    assert_int_equal(control_client_answer(STR("hello"), &why), -ERR_FORMAT);
    assert_int_equal(control_client_ask("/nonexistent/socket",
                                        &(struct control_request){.target = ""}, 10, NULL, &why),
                     -ERR_NOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_survives_its_line),
        cmocka_unit_test(requests_that_make_no_sense_are_refused),
        cmocka_unit_test(escapes_mean_what_rfc_8259_says),
        cmocka_unit_test(what_is_written_is_json_whatever_the_bytes),
        cmocka_unit_test(a_target_is_a_name_an_instance_a_group_or_all),
        cmocka_unit_test(an_answer_that_refuses_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
