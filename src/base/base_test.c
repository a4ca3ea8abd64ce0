#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/bits.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/map.h"
#include "base/option.h"
#include "base/rand.h"
#include "base/str.h"

static void a_buffer_remembers_that_something_did_not_fit(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 10);
    buf_put(&b, "12345", 5);
    buf_printf(&b, "%s", "678");
    assert_false(buf_failed(&b));
    buf_put(&b, "9012", 4);
    assert_true(buf_failed(&b));
    assert_int_equal(b.n, 8);
    buf_clear(&b);
    assert_false(buf_failed(&b));
    buf_done(&b);
}

static void utf8_refuses_what_rfc_3629_refuses(void **state)
{
    (void)state;
    assert_true(str_utf8(STR("plain ascii text of some length")));
    assert_true(str_utf8(STR("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80")));
    assert_false(str_utf8(STR("\xc0\x80")));         /* overlong */
    assert_false(str_utf8(STR("\xed\xa0\x80")));     /* surrogate */
    assert_false(str_utf8(STR("\xf4\x90\x80\x80"))); /* above U+10FFFF */
    assert_false(str_utf8(STR("12345678\xff")));
    assert_false(str_utf8(STR("\xe2\x82"))); /* cut off */
}

static void numbers_overflow_to_an_error(void **state)
{
    (void)state;
    uint64_t u = 7;
    int64_t i = 7;
    assert_true(str_u64(STR("18446744073709551615"), &u));
    assert_true(u == UINT64_MAX);
    assert_false(str_u64(STR("18446744073709551616"), &u));
    assert_true(str_i64(STR("-9223372036854775808"), &i));
    assert_true(i == INT64_MIN);
    assert_false(str_i64(STR("9223372036854775808"), &i));
    assert_false(str_i64(STR("-"), &i));
}

static void varints_survive_a_round_trip_and_refuse_more_than_64_bits(void **state)
{
    (void)state;
    const uint64_t values[] = {0, 1, 127, 128, 300, UINT32_MAX, UINT64_MAX};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        uint8_t p[VARINT_MAX];
        uint64_t v = 0;
        const uint8_t *end = varint_put(p, values[i]);
        assert_int_equal((size_t)(end - p), varint_len(values[i]));
        assert_ptr_equal(varint_get(p, end, &v), end);
        assert_true(v == values[i]);
        assert_null(varint_get(p, end - 1, &v));
    }
    const uint8_t long_one[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02};
    uint64_t v;
    assert_null(varint_get(long_one, long_one + sizeof long_one, &v));
}

static void a_map_keeps_its_keys_through_puts_and_drops(void **state)
{
    (void)state;
    struct map m;
    struct rand r;
    bool present[512] = {false};
    map_init(&m, 1);
    rand_init(&r, 42);
    for (int i = 0; i < 20000; i++) {
        size_t k = rand_below(&r, 512);
        struct str key = {(const char *)&k, sizeof k};
        if (rand_below(&r, 2)) {
            bool is_new;
            map_put(&m, key, &is_new)->u = k + 1;
            assert_int_equal(is_new, !present[k]);
            present[k] = true;
        } else {
            assert_int_equal(map_drop(&m, key), present[k]);
            present[k] = false;
        }
    }
    for (size_t k = 0; k < 512; k++) {
        union map_value *v = map_get(&m, (struct str){(const char *)&k, sizeof k});
        assert_int_equal(v != NULL, present[k]);
        if (v)
            assert_true(v->u == k + 1);
    }
    map_done(&m);
}

static void crc32c_gives_the_value_of_rfc_3720(void **state)
{
    (void)state;
    assert_int_equal(hash_crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(hash_crc32c(hash_crc32c(0, "1234", 4), "56789", 5), 0xe3069283);
}

static void a_long_reason_is_cut_at_a_character(void **state)
{
    (void)state;
    struct why why;
    char text[600];
    for (size_t i = 0; i < sizeof text - 1; i++)
        text[i] = i % 2 ? '\xa9' : '\xc3';
    text[sizeof text - 1] = 0;
    assert_int_equal(why_set(&why, ERR_FORMAT, "x%s", text), -ERR_FORMAT);
    assert_true(str_utf8(str_c(why.text)));
}

static void an_arena_gives_aligned_zeroed_memory(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    for (size_t i = 1; i < 3000; i += 7) {
        uint8_t *p = arena_new(&a, i);
        assert_int_equal((uintptr_t)p % 16, 0);
        for (size_t k = 0; k < i; k++)
            assert_int_equal(p[k], 0);
        p[0] = p[i - 1] = 0xff;
    }
    arena_reset(&a);
    assert_int_equal(*(uint8_t *)arena_new(&a, 100), 0);
    arena_done(&a);
}

static void a_struct_is_filled_with_the_defaults_of_its_rows(void **state)
{
    struct all {
        bool yes, no;
        int64_t whole;
        double real;
        const char *text, *choice;
        struct option_list list;
        int other;
    } all = {.no = true, .list = {NULL, 7}, .other = 5};
#define AT(member) offsetof(struct all, member)
    static const struct option ROWS[] = {
        {"yes", OPTION_BOOL, AT(yes), "true", 0, 0, NULL, 0, ""},
        {"no", OPTION_BOOL, AT(no), "false", 0, 0, NULL, 0, ""},
        {"whole", OPTION_INT, AT(whole), "-9000000000", 0, 0, NULL, 0, ""},
        {"real", OPTION_REAL, AT(real), "0.5", 0, 0, NULL, 0, ""},
        {"text", OPTION_TEXT, AT(text), "a b", 0, 0, NULL, 0, ""},
        {"choice", OPTION_CHOICE, AT(choice), "b", 0, 0, "a|b", 0, ""},
        {"list", OPTION_LIST, AT(list), "", 0, 0, NULL, 0, ""},
    };
    const struct option_table table = {"all", "", false, sizeof all, ROWS, COUNTOF(ROWS)};
    (void)state;
    option_defaults(&table, &all);
    assert_true(all.yes && !all.no && all.whole == -9000000000 && all.real == 0.5);
    assert_string_equal(all.text, "a b");
    assert_string_equal(all.choice, "b");
    assert_int_equal(all.list.n, 0);
    assert_int_equal(all.other, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_buffer_remembers_that_something_did_not_fit),
        cmocka_unit_test(utf8_refuses_what_rfc_3629_refuses),
        cmocka_unit_test(numbers_overflow_to_an_error),
        cmocka_unit_test(varints_survive_a_round_trip_and_refuse_more_than_64_bits),
        cmocka_unit_test(a_map_keeps_its_keys_through_puts_and_drops),
        cmocka_unit_test(crc32c_gives_the_value_of_rfc_3720),
        cmocka_unit_test(a_long_reason_is_cut_at_a_character),
        cmocka_unit_test(a_struct_is_filled_with_the_defaults_of_its_rows),
        cmocka_unit_test(an_arena_gives_aligned_zeroed_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
