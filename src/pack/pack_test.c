#include "pack/pack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rand.h"
#include "pack/budget.h"

enum { LARGE = 3 * 1024 * 1024 };

static void every_codec_gives_back_what_it_was_given(void **state)
{
    struct rand rand;
    rand_init(&rand, 5);
    char *plain = mem_raw(LARGE);
    for (size_t i = 0; i < LARGE; i++)
        plain[i] = (char)('a' + rand_below(&rand, 1 + i / 1000 % 20));
    static const size_t sizes[] = {0, 1, 100, 65535, 65536, 65537, 1000000, LARGE};
    for (int codec = 0; codec < PACK_COUNT; codec++) {
        for (size_t i = 0; i < COUNTOF(sizes); i++) {
            struct buf packed, out;
            struct why why;
            buf_init(&packed, 2 * LARGE);
            buf_init(&out, 4 * LARGE);
            buf_put(&out, "before", 6);
            struct str in = str_of(plain, sizes[i]);
            assert_int_equal(pack_pack((enum pack_codec)codec, (int)(i % 10), in, &packed), 0);
            int err = pack_unpack((enum pack_codec)codec, buf_str(&packed), &out, sizes[i], &why);
            if (err)
                fail_msg("%s, %zu: %s", pack_codec_name((enum pack_codec)codec), sizes[i],
                         why.text);
            assert_int_equal(out.n, 6 + sizes[i]);
            assert_memory_equal(out.p, "before", 6);
            assert_memory_equal(out.p + 6, plain, sizes[i]);
            /* One byte less allowed, and it is refused with the buffer as it was. */
            if (sizes[i] > 0) {
                buf_clear(&out);
                buf_put(&out, "x", 1);
                err =
                    pack_unpack((enum pack_codec)codec, buf_str(&packed), &out, sizes[i] - 1, &why);
                assert_int_equal(err, -ERR_LIMIT);
                assert_int_equal(out.n, 1);
                assert_false(buf_failed(&out));
            }
            /* A cap on the buffer itself limits too. */
            struct buf small;
            buf_init(&small, sizes[i] / 2);
            if (sizes[i] > 1)
                assert_int_equal(
                    pack_unpack((enum pack_codec)codec, buf_str(&packed), &small, LARGE, NULL),
                    -ERR_LIMIT);
            buf_done(&small);
            buf_done(&packed);
            buf_done(&out);
        }
    }
    mem_free(plain);
}

static void what_is_cut_off_or_not_packed_is_refused(void **state)
{
    char plain[5000];
    for (size_t i = 0; i < sizeof plain; i++)
        plain[i] = (char)(i * i >> 5);
    for (int codec = 1; codec < PACK_COUNT; codec++) {
        struct buf packed, out;
        buf_init(&packed, 100000);
        buf_init(&out, 100000);
        assert_int_equal(pack_pack((enum pack_codec)codec, 0, str_of(plain, sizeof plain), &packed),
                         0);
        for (size_t n = 0; n < packed.n; n += 1 + n / 8) {
            int err = pack_unpack((enum pack_codec)codec, str_of(packed.p, n), &out, 50000, NULL);
            if (err != -ERR_FORMAT)
                fail_msg("%s cut at %zu: %d", pack_codec_name((enum pack_codec)codec), n, err);
            assert_int_equal(out.n, 0);
        }
        struct why why;
        assert_true(pack_unpack((enum pack_codec)codec, STR("certainly not packed"), &out, 50000,
                                &why) < 0);
        assert_int_not_equal(why.text[0], 0);
        buf_done(&packed);
        buf_done(&out);
    }
}

static void a_bomb_stops_at_the_cap_and_costs_no_more(void **state)
{
    enum { BOMB = 64 * 1024 * 1024 };
    char *zeros = mem_new(BOMB);
    for (int codec = 1; codec < PACK_COUNT; codec++) {
        struct buf packed, out;
        buf_init(&packed, 2 * (size_t)BOMB);
        buf_init(&out, SIZE_MAX / 2);
        assert_int_equal(pack_pack((enum pack_codec)codec, 1, str_of(zeros, BOMB), &packed), 0);
        assert_int_equal(pack_unpack((enum pack_codec)codec, buf_str(&packed), &out, 1000000, NULL),
                         -ERR_LIMIT);
        assert_true(out.capacity <= 4 * 1024 * 1024);
        buf_done(&packed);
        buf_done(&out);
    }
    mem_free(zeros);
}

static void a_lie_about_the_length_costs_nothing(void **state)
{
    struct buf out;
    buf_init(&out, SIZE_MAX / 2);
    /* 4 GiB - 1 in snappy's preamble; 16 EiB in the head of a zstd frame. */
    assert_true(pack_unpack(PACK_SNAPPY, STR("\xff\xff\xff\xff\x0f"), &out, SIZE_MAX, NULL) < 0);
    assert_int_equal(out.capacity, 0);
    assert_true(pack_unpack(PACK_ZSTD,
                            STR("\x28\xb5\x2f\xfd\xe0\xff\xff\xff\xff\xff\xff\xff\x0f\1\0\0"), &out,
                            SIZE_MAX, NULL) < 0);
    assert_int_equal(out.capacity, 0);
    buf_done(&out);
}

static void gzip_files_may_follow_each_other(void **state)
{
    struct buf packed, out;
    buf_init(&packed, 1000);
    buf_init(&out, 100000);
    assert_int_equal(pack_pack(PACK_GZIP, 1, STR("one "), &packed), 0);
    assert_int_equal(pack_pack(PACK_GZIP, 9, STR("two"), &packed), 0);
    assert_int_equal(pack_unpack(PACK_GZIP, buf_str(&packed), &out, 7, NULL), 0);
    assert_true(str_eq(buf_str(&out), STR("one two")));
    buf_put(&packed, "rest", 4);
    assert_int_equal(pack_unpack(PACK_GZIP, buf_str(&packed), &out, 100, NULL), -ERR_FORMAT);
    buf_done(&packed);
    buf_done(&out);
}

static void deflate_may_come_without_its_head(void **state)
{
    struct buf packed, out;
    buf_init(&packed, 1000);
    buf_init(&out, 100000);
    assert_int_equal(pack_pack(PACK_DEFLATE, 1, STR("some text"), &packed), 0);
    struct str raw = str_of(packed.p + 2, packed.n - 6);
    assert_int_equal(pack_unpack(PACK_DEFLATE, raw, &out, 100, NULL), 0);
    assert_true(str_eq(buf_str(&out), STR("some text")));
    buf_done(&packed);
    buf_done(&out);
}

static void codecs_are_known_by_name(void **state)
{
    static const struct {
        const char *name;
        int codec;
    } rows[] = {{"", PACK_IDENTITY},     {"identity", PACK_IDENTITY}, {"GZip", PACK_GZIP},
                {"x-gzip", PACK_GZIP},   {"deflate", PACK_DEFLATE},   {"zstd", PACK_ZSTD},
                {"snappy", PACK_SNAPPY}, {"lz4", PACK_LZ4},           {"br", -1},
                {"gzip, gzip", -1}};
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        enum pack_codec codec = PACK_COUNT;
        int err = pack_codec_of(str_c(rows[i].name), &codec);
        assert_int_equal(err, rows[i].codec < 0 ? -ERR_UNSUPPORTED : 0);
        if (!err)
            assert_int_equal((int)codec, rows[i].codec);
    }
}

static void the_budget_gives_no_more_than_there_is(void **state)
{
    budget_set(100);
    assert_int_equal(budget_reserve(60), 0);
    assert_int_equal(budget_reserve(41), -ERR_BUSY);
    assert_int_equal(budget_reserve(UINT64_MAX), -ERR_BUSY);
    assert_int_equal(budget_reserve(40), 0);
    assert_int_equal(budget_used(), 100);
    budget_set(50);
    assert_int_equal(budget_reserve(1), -ERR_BUSY);
    budget_release(60);
    assert_int_equal(budget_reserve(10), 0);
    budget_release(50);
    assert_int_equal(budget_used(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_codec_gives_back_what_it_was_given),
        cmocka_unit_test(what_is_cut_off_or_not_packed_is_refused),
        cmocka_unit_test(a_bomb_stops_at_the_cap_and_costs_no_more),
        cmocka_unit_test(a_lie_about_the_length_costs_nothing),
        cmocka_unit_test(gzip_files_may_follow_each_other),
        cmocka_unit_test(deflate_may_come_without_its_head),
        cmocka_unit_test(codecs_are_known_by_name),
        cmocka_unit_test(the_budget_gives_no_more_than_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
