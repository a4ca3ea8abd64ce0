#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "crypt/digest.h"

/* Bytes of a hexadecimal text. */
static void bytes_of(const char *hex, uint8_t *ret)
{
    for (; *hex; hex += 2)
        *ret++ = (uint8_t)(str_hex(hex[0]) << 4 | str_hex(hex[1]));
}

static void is(const uint8_t *bytes, size_t n, const char *hex)
{
    uint8_t wanted[64];
    assert_int_equal(strlen(hex), 2 * n);
    bytes_of(hex, wanted);
    assert_memory_equal(bytes, wanted, n);
}

/* FIPS 180-4, the examples of one block. */
static void digests_are_the_published_ones(void **state)
{
    uint8_t sha1[DIGEST_SHA1_BYTES], sha256[DIGEST_SHA256_BYTES];
    assert_int_equal(digest_sha1(STR("abc"), sha1), 0);
    is(sha1, sizeof sha1, "a9993e364706816aba3e25717850c26c9cd0d89d");
    assert_int_equal(digest_sha256(STR("abc"), sha256), 0);
    is(sha256, sizeof sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

/* RFC 4231, test case 2. */
static void a_key_with_a_text_gives_the_published_code(void **state)
{
    uint8_t mac[DIGEST_SHA256_BYTES];
    assert_int_equal(digest_hmac_sha256(STR("Jefe"), STR("what do ya want for nothing?"), mac), 0);
    is(mac, sizeof mac, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

/* SP 800-38A, F.4.6, the first block. */
static void decrypting_gives_the_published_text(void **state)
{
    uint8_t key[DIGEST_KEY_BYTES], iv[DIGEST_IV_BYTES], sealed[16], text[16];
    bytes_of("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", key);
    bytes_of("000102030405060708090a0b0c0d0e0f", iv);
    bytes_of("dc7e84bfda79164b7ecd8486985d3860", sealed);
    assert_int_equal(digest_ofb_open(key, iv, str_of((const char *)sealed, 16), text), 0);
    is(text, sizeof text, "6bc1bee22e409f96e93d7e117393172a");
}

static void bytes_are_the_same_only_where_all_are(void **state)
{
    uint8_t a[32] = {1, 2, 3}, b[32] = {1, 2, 3};
    assert_true(digest_same(a, b, sizeof a));
    b[31] = 1;
    assert_false(digest_same(a, b, sizeof a));
    assert_true(digest_same(a, b, 31));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_are_the_published_ones),
        cmocka_unit_test(a_key_with_a_text_gives_the_published_code),
        cmocka_unit_test(decrypting_gives_the_published_text),
        cmocka_unit_test(bytes_are_the_same_only_where_all_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
