#include "client/core/text.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "client/core/jot.h"
#include "client/core/proto.h"

static void text_grows_to_its_limit_and_says_that_it_was_cut(void **state)
{
    struct text t;
    text_init(&t, 1000);
    for (int i = 0; i < 100; i++) {
        text_add_string(&t, "0123456789");
    }
    assert_int_equal(t.len, 1000);
    assert_false(t.cut);
    text_add_char(&t, 'x');
    assert_true(t.cut);
    assert_int_equal(t.len, 1000);
    text_clear(&t);
    text_add_char(&t, 'y');
    assert_string_equal(text_string(&t), "y");
    text_done(&t);
}

static void text_over_given_memory_never_allocates_more(void **state)
{
    char memory[8];
    struct text t;
    text_over(&t, memory, sizeof memory);
    text_add_string(&t, "12345678");
    assert_false(t.cut);
    text_add_string(&t, "9");
    assert_true(t.cut);
    assert_memory_equal(memory, "12345678", 8);
    text_done(&t);
    assert_int_equal(t.cap, 8);
}

static void numbers_read_back_as_they_were(void **state)
{
    const double values[] = {0,
                             -0.0,
                             1,
                             -1,
                             0.1,
                             1e15,
                             1e16,
                             1e300,
                             5e-324,
                             1.0 / 3,
                             123.456,
                             1e-7,
                             9007199254740993.0,
                             0.30000000000000004};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct text t;
        text_init(&t, 100);
        text_add_number(&t, values[i]);
        assert_true(strtod(text_string(&t), NULL) == values[i]);
        text_done(&t);
    }
    struct text t;
    text_init(&t, 100);
    text_add_number(&t, NAN);
    text_add_number(&t, INFINITY);
    text_add_number(&t, -INFINITY);
    text_add_i64(&t, INT64_MIN);
    text_add_u64(&t, UINT64_MAX);
    assert_string_equal(text_string(&t), "NaN+Inf-Inf-922337203685477580818446744073709551615");
    text_done(&t);
}

static void json_is_what_a_json_library_reads_back(void **state)
{
    struct text t;
    struct jot j;
    text_init(&t, 10000);
    jot_init(&j, &t);
    jot_object(&j, NULL);
    jot_string(&j, "te\"xt", "a\\b\n\t\x01 \xc3\xa4 \xff end");
    jot_array(&j, "list");
    jot_u64(&j, NULL, 1);
    jot_null(&j, NULL);
    jot_object(&j, NULL);
    jot_end(&j);
    jot_bool(&j, NULL, true);
    jot_end(&j);
    jot_number(&j, "half", 0.5);
    jot_number(&j, "none", INFINITY);
    jot_time(&j, "time", 1700000000123456789);
    jot_address(&j, "at", 0x7f001234abcd);
    jot_address(&j, "zero", 0);
    jot_printf(&j, "said", "%d of %s", 3, "four");
    jot_end(&j);
    json_error_t error;
    json_t *read = json_loadb(t.bytes, t.len, 0, &error);
    assert_non_null(read);
    assert_string_equal(json_string_value(json_object_get(read, "te\"xt")),
                        "a\\b\n\t\x01 \xc3\xa4 \xef\xbf\xbd end");
    assert_int_equal(json_array_size(json_object_get(read, "list")), 4);
    assert_true(json_is_null(json_object_get(read, "none")));
    assert_string_equal(json_string_value(json_object_get(read, "time")),
                        "2023-11-14T22:13:20.123456Z");
    assert_string_equal(json_string_value(json_object_get(read, "at")), "0x7f001234abcd");
    assert_string_equal(json_string_value(json_object_get(read, "zero")), "0x00");
    assert_string_equal(json_string_value(json_object_get(read, "said")), "3 of four");
    json_decref(read);
    text_done(&t);
}

static void json_of_random_bytes_is_always_well_formed(void **state)
{
    srandom(7);
    for (int round = 0; round < 2000; round++) {
        char bytes[40];
        size_t n = (size_t)random() % sizeof bytes;
        for (size_t i = 0; i < n; i++) {
            bytes[i] = (char)(random() % 3 ? 0x80 + random() % 0x80 : random() % 0x80);
        }
        struct text t;
        struct jot j;
        text_init(&t, 1000);
        jot_init(&j, &t);
        jot_array(&j, NULL);
        jot_string_n(&j, NULL, bytes, n);
        jot_end(&j);
        json_error_t error;
        json_t *read = json_loadb(t.bytes, t.len, JSON_ALLOW_NUL, &error);
        assert_non_null(read);
        json_decref(read);
        text_done(&t);
    }
}

static void json_that_is_nested_too_deep_is_cut_not_written_over(void **state)
{
    struct text t;
    struct jot j;
    text_init(&t, 1000);
    jot_init(&j, &t);
    for (int i = 0; i < 100; i++) {
        jot_array(&j, NULL);
    }
    for (int i = 0; i < 200; i++) {
        jot_end(&j);
    }
    assert_true(t.cut);
    text_done(&t);
}

/* Reads a varint; the oracle of what proto.c writes. */
static uint64_t varint(const char **p)
{
    uint64_t n = 0;
    for (int shift = 0;; shift += 7) {
        uint8_t c = (uint8_t) * (*p)++;
        n |= (uint64_t)(c & 0x7f) << shift;
        if (!(c & 0x80)) {
            return n;
        }
    }
}

static void a_nested_message_has_the_length_of_its_contents(void **state)
{
    struct text t;
    text_init(&t, 100000);
    for (size_t n = 0; n < 300; n += 50) {
        text_clear(&t);
        size_t outer = proto_open(&t, 1);
        size_t inner = proto_open(&t, 2);
        for (size_t i = 0; i < n; i++) {
            proto_varint(&t, 3, i);
        }
        proto_close(&t, inner);
        proto_sint(&t, 4, -2);
        proto_close(&t, outer);
        const char *p = t.bytes, *end = t.bytes + t.len;
        assert_int_equal(varint(&p), 1 << 3 | 2);
        size_t whole = varint(&p);
        assert_int_equal(whole, end - p);
        assert_int_equal(varint(&p), 2 << 3 | 2);
        size_t inside = varint(&p);
        const char *until = p + inside;
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(varint(&p), 3 << 3);
            assert_int_equal(varint(&p), i);
        }
        assert_ptr_equal(p, until);
        assert_int_equal(varint(&p), 4 << 3);
        assert_int_equal(varint(&p), 3); /* zigzag of -2 */
        assert_ptr_equal(p, end);
    }
    text_done(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_grows_to_its_limit_and_says_that_it_was_cut),
        cmocka_unit_test(text_over_given_memory_never_allocates_more),
        cmocka_unit_test(numbers_read_back_as_they_were),
        cmocka_unit_test(json_is_what_a_json_library_reads_back),
        cmocka_unit_test(json_of_random_bytes_is_always_well_formed),
        cmocka_unit_test(json_that_is_nested_too_deep_is_cut_not_written_over),
        cmocka_unit_test(a_nested_message_has_the_length_of_its_contents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
