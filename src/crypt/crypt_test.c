#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "crypt/cipher.h"
#include "crypt/kdf.h"
#include "crypt/keyring.h"

#define HEX_A "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define HEX_B "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

/* The Galois/Counter Mode of Operation (McGrew, Viega), test case 14: zero key, nonce and text. */
static void sealing_gives_the_published_bytes(void **state)
{
    static const uint8_t zero[32];
    static const uint8_t text[16] = {0xce, 0xa7, 0x40, 0x3d, 0x4d, 0x60, 0x6b, 0x6e,
                                     0x07, 0x4e, 0xc5, 0xd3, 0xba, 0xf3, 0x9d, 0x18};
    static const uint8_t tag[16] = {0xd0, 0xd1, 0xc8, 0xa7, 0x99, 0x99, 0x6b, 0xf0,
                                    0x26, 0x5b, 0x98, 0xb5, 0xd4, 0x8a, 0xb9, 0x19};
    uint8_t out[16], out_tag[16];
    struct cipher *c = cipher_new(zero);
    assert_int_equal(cipher_seal(c, zero, STR(""), zero, 16, out, out_tag), 0);
    assert_memory_equal(out, text, 16);
    assert_memory_equal(out_tag, tag, 16);
    cipher_free(c);
}

static void a_changed_bit_nonce_or_companion_is_found(void **state)
{
    uint8_t key[CIPHER_KEY_BYTES], nonce[CIPHER_NONCE_BYTES] = {1}, tag[CIPHER_TAG_BYTES];
    uint8_t sealed[100], opened[100];
    char plain[100] = "some text";
    assert_int_equal(cipher_random(key, sizeof key), 0);
    struct cipher *c = cipher_new(key), *other;
    assert_int_equal(cipher_seal(c, nonce, STR("page 1"), plain, sizeof plain, sealed, tag), 0);
    assert_int_equal(cipher_open(c, nonce, STR("page 1"), sealed, sizeof sealed, tag, opened), 0);
    assert_memory_equal(opened, plain, sizeof plain);
    assert_int_equal(cipher_open(c, nonce, STR("page 2"), sealed, sizeof sealed, tag, opened),
                     -ERR_CORRUPT);
    nonce[11] = 1;
    assert_int_equal(cipher_open(c, nonce, STR("page 1"), sealed, sizeof sealed, tag, opened),
                     -ERR_CORRUPT);
    nonce[11] = 0;
    sealed[50] ^= 1;
    assert_int_equal(cipher_open(c, nonce, STR("page 1"), sealed, sizeof sealed, tag, opened),
                     -ERR_CORRUPT);
    sealed[50] ^= 1;
    key[0] ^= 1;
    other = cipher_new(key);
    assert_int_equal(cipher_open(other, nonce, STR("page 1"), sealed, sizeof sealed, tag, opened),
                     -ERR_CORRUPT);
    assert_int_equal(cipher_open(c, nonce, STR("page 1"), sealed, sizeof sealed, tag, sealed), 0);
    assert_memory_equal(sealed, plain, sizeof plain); /* in place, after another key */
    cipher_free(c);
    cipher_free(other);
}

static void each_purpose_has_a_key_of_its_own(void **state)
{
    /* HKDF-SHA256 without salt over 32 zero bytes for "a"; computed with Python's hmac:
     * prk = HMAC(zeros, key), T1 = HMAC(prk, "a" 0x01). */
    static const uint8_t zero[CIPHER_KEY_BYTES];
    uint8_t a[CIPHER_KEY_BYTES], b[CIPHER_KEY_BYTES];
    static const char expected[] =
        "8113fce76d7e726bfa16669b4e4610d1e7ecddb464d33f1b51a6c58992d9f967";
    char hex[2 * CIPHER_KEY_BYTES + 1];
    assert_int_equal(kdf_derive(zero, STR("a"), a), 0);
    assert_int_equal(kdf_derive(zero, STR("b"), b), 0);
    for (size_t i = 0; i < sizeof a; i++)
        snprintf(hex + 2 * i, 3, "%02x", a[i]);
    assert_string_equal(hex, expected);
    assert_memory_not_equal(a, b, sizeof a);
}

static void the_newest_key_wraps_and_all_open(void **state)
{
    struct keyring *old, *both, *other;
    struct why why = {0};
    uint8_t key[CIPHER_KEY_BYTES], got[CIPHER_KEY_BYTES], wrapped[KEYRING_WRAPPED_BYTES];
    char id[KEYRING_ID_BYTES];
    assert_int_equal(keyring_parse(STR("k1 " HEX_A), "f", &old, NULL), 0);
    assert_int_equal(
        keyring_parse(STR("# newest first\n\nk2 " HEX_B " # since May\nk1 " HEX_A "\r\n"), "f",
                      &both, NULL),
        0);
    assert_int_equal(keyring_parse(STR("k1 " HEX_B), "keys.txt", &other, NULL), 0);
    assert_string_equal(keyring_newest(both), "k2");
    assert_int_equal(keyring_new_key(old, STR("aad"), key, wrapped), 0);
    keyring_id_of(wrapped, id);
    assert_string_equal(id, "k1");
    assert_int_equal(keyring_unwrap(both, STR("aad"), wrapped, "x", got, NULL), 0);
    assert_memory_equal(got, key, sizeof key);
    assert_int_equal(keyring_unwrap(both, STR("else"), wrapped, "x", got, NULL), -ERR_KEY);

    assert_int_equal(keyring_unwrap(other, STR("aad"), wrapped, "data.7", got, &why), -ERR_KEY);
    assert_non_null(strstr(why.text, "\"k1\""));
    assert_non_null(strstr(why.text, "keys.txt"));
    assert_non_null(strstr(why.text, "data.7"));

    assert_int_equal(keyring_wrap(both, STR("aad"), key, wrapped), 0);
    assert_int_equal(keyring_unwrap(old, STR("aad"), wrapped, "x", got, &why), -ERR_KEY);
    assert_non_null(strstr(why.text, "\"k2\""));
    assert_int_equal(keyring_unwrap(NULL, STR("aad"), wrapped, "x", got, &why), -ERR_KEY);
    assert_non_null(strstr(why.text, "no key file is configured"));
    keyring_free(old);
    keyring_free(both);
    keyring_free(other);
}

static void a_bad_key_file_says_where(void **state)
{
    static const struct {
        const char *text, *says;
    } CASES[] = {
        {"", "holds no key"},
        {"# nothing\n", "holds no key"},
        {"k1 " HEX_A "\nk1 " HEX_B, "line 2"},
        {"k1 abc", "64 hexadecimal"},
        {"k1", "64 hexadecimal"},
        {"k1 " HEX_A " more", "64 hexadecimal"},
        {"an-id-that-is-too-long " HEX_A, "1 to 15"},
        {"k/1 " HEX_A, "1 to 15"},
    };
    struct keyring *r;
    struct why why;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        assert_int_equal(keyring_parse(str_c(CASES[i].text), "keys.txt", &r, &why), -ERR_KEY);
        assert_non_null(strstr(why.text, CASES[i].says));
        assert_non_null(strstr(why.text, "keys.txt"));
    }
    assert_int_equal(keyring_load("/nowhere/keys.txt", &r, &why), -ERR_KEY);
    assert_non_null(strstr(why.text, "/nowhere/keys.txt"));
}

static void a_key_file_is_read_from_any_path(void **state)
{
    char path[] = "/tmp/crypt_test.XXXXXX";
    int fd = mkstemp(path);
    struct keyring *r;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "k1 " HEX_A "\n", 68), 68);
    close(fd);
    assert_int_equal(keyring_load(path, &r, NULL), 0);
    assert_string_equal(keyring_newest(r), "k1");
    keyring_free(r);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sealing_gives_the_published_bytes),
        cmocka_unit_test(a_changed_bit_nonce_or_companion_is_found),
        cmocka_unit_test(each_purpose_has_a_key_of_its_own),
        cmocka_unit_test(the_newest_key_wraps_and_all_open),
        cmocka_unit_test(a_bad_key_file_says_where),
        cmocka_unit_test(a_key_file_is_read_from_any_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
