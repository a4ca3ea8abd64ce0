#include "pack/snappy.h"

#include <setjmp.h>
#include <snappy-c.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rand.h"

enum { SIZE_MAX_TESTED = 200000, ROUNDS = 300 };

/* Bytes of all kinds: random, repeated with small periods, copied from far away. */
static void fill(struct rand *rand, char *p, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t run = 1 + (size_t)rand_below(rand, 200);
        run = MIN(run, n - i);
        uint64_t kind = rand_below(rand, 4);
        size_t back = kind == 0 ? 0 : 1 + (size_t)rand_below(rand, kind == 1 ? 20 : 70000);
        for (size_t j = 0; j < run; j++, i++)
            p[i] = back && back <= i ? p[i - back] : (char)rand_below(rand, kind == 3 ? 4 : 256);
    }
}

static void what_libsnappy_packs_is_unpacked(void **state)
{
    struct rand rand;
    rand_init(&rand, 11);
    char *plain = mem_raw(SIZE_MAX_TESTED);
    for (int round = 0; round < ROUNDS; round++) {
        size_t n = (size_t)rand_below(&rand, round % 3 ? 2000 : SIZE_MAX_TESTED);
        fill(&rand, plain, n);
        size_t packed_n = snappy_max_compressed_length(n), length;
        char *packed = mem_raw(packed_n);
        assert_int_equal(snappy_compress(plain, n, packed, &packed_n), SNAPPY_OK);
        /* Blocks of exactly their size, so that a sanitizer sees each byte too far. */
        char *in = mem_copy(packed, packed_n);
        assert_int_equal(snappy_length(str_of(in, packed_n), &length), 0);
        assert_int_equal(length, n);
        uint8_t *out = mem_raw(n + SNAPPY_SLACK);
        assert_int_equal(snappy_decode(str_of(in, packed_n), out, n), 0);
        assert_memory_equal(out, plain, n);
        mem_free(out);
        mem_free(in);
        mem_free(packed);
    }
    mem_free(plain);
}

static void damaged_blocks_are_judged_as_libsnappy_does(void **state)
{
    struct rand rand;
    rand_init(&rand, 12);
    enum { N = 3000 };
    char plain[N];
    int refused = 0, accepted = 0;
    for (int round = 0; round < 20000; round++) {
        fill(&rand, plain, N);
        size_t n = (size_t)rand_below(&rand, N), packed_n = snappy_max_compressed_length(n);
        char packed[N * 2];
        assert_int_equal(snappy_compress(plain, n, packed, &packed_n), SNAPPY_OK);
        for (uint64_t i = rand_below(&rand, 3); i > 0; i--)
            packed[rand_below(&rand, packed_n)] ^= (char)(1u << rand_below(&rand, 8));
        if (rand_below(&rand, 4) == 0)
            packed_n = (size_t)rand_below(&rand, packed_n + 1);
        char *in = mem_copy(packed, packed_n);
        size_t length = 0, their_length = 0;
        int err = snappy_length(str_of(in, packed_n), &length);
        bool theirs = snappy_uncompressed_length(in, packed_n, &their_length) == SNAPPY_OK;
        assert_int_equal(err == 0, theirs);
        if (theirs && their_length < 1000000) {
            assert_int_equal(length, their_length);
            uint8_t *out = mem_raw(length + SNAPPY_SLACK);
            char *their_out = mem_raw(length);
            err = snappy_decode(str_of(in, packed_n), out, length);
            theirs = snappy_uncompress(in, packed_n, their_out, &their_length) == SNAPPY_OK;
            assert_int_equal(err == 0, theirs);
            if (theirs)
                assert_memory_equal(out, their_out, length);
            mem_free(out);
            mem_free(their_out);
        }
        refused += err != 0;
        accepted += err == 0;
        mem_free(in);
    }
    assert_true(refused > 1000 && accepted > 1000);
}

static void hand_made_blocks_are_checked(void **state)
{
    static const struct {
        const char *name;
        struct str in;
        const char *out; /* NULL: refused */
    } rows[] = {
#define ROW(name, in, out) {name, {in, sizeof in - 1}, out}
        ROW("empty input", "", NULL),
        ROW("nothing", "\0", ""),
        ROW("a literal",
            "\3\x08"
            "abc",
            "abc"),
        ROW("a literal of long form",
            "\3\xf0\2"
            "abc",
            "abc"),
        ROW("a copy with its source in itself", "\6\0a\x05\1", "aaaaaa"),
        ROW("offset 0", "\6\0a\x05\0", NULL),
        ROW("offset before the start", "\6\0a\x05\2", NULL),
        ROW("a copy over the end", "\5\0a\x05\1", NULL),
        ROW("too little", "\7\0a\x05\1", NULL),
        ROW("cut off copy", "\6\0a\x05", NULL),
        ROW("cut off literal",
            "\4\x0c"
            "abc",
            NULL),
        ROW("literal length cut off", "\4\xf4\2", NULL),
        ROW("literal length of four bytes",
            "\3\xfc\xff\xff\xff\xff"
            "abc",
            NULL),
        ROW("copy of two bytes of offset", "\4\0a\x0a\1\0", "aaaa"),
        ROW("copy of four bytes of offset", "\4\0a\x0b\1\0\0\0", "aaaa"),
        ROW("preamble of six bytes", "\x80\x80\x80\x80\x80\0", NULL),
        ROW("preamble over 32 bits", "\xff\xff\xff\xff\x1f", NULL),
#undef ROW
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        size_t n;
        uint8_t out[128 + SNAPPY_SLACK];
        bool fine = snappy_length(rows[i].in, &n) == 0 && n <= 128 &&
                    snappy_decode(rows[i].in, out, n) == 0;
        if (fine != (rows[i].out != NULL))
            fail_msg("%s", rows[i].name);
        if (fine)
            assert_memory_equal(out, rows[i].out, n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_libsnappy_packs_is_unpacked),
        cmocka_unit_test(damaged_blocks_are_judged_as_libsnappy_does),
        cmocka_unit_test(hand_made_blocks_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
