/* crypt/digest.h - what other programs' protocols ask for: digests of bytes, and AES in OFB mode.
 *
 * For checking and reading what comes in. What this program writes itself is sealed by
 * crypt/cipher.h: OFB without a digest proves nothing.
 *
 * Source:  FIPS 180-4, RFC 2104, NIST SP 800-38A; OpenSSL does the work.
 * Threads: pure functions.
 */
#ifndef CRYPT_DIGEST_H
#define CRYPT_DIGEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"

enum {
    DIGEST_SHA1_BYTES = 20,
    DIGEST_SHA256_BYTES = 32,
    DIGEST_KEY_BYTES = 32, /* of AES-256 */
    DIGEST_IV_BYTES = 16,
};

/* All of them: -ERR_IO where OpenSSL fails. */
MUST_USE int digest_sha1(struct str s, uint8_t ret[DIGEST_SHA1_BYTES]);
MUST_USE int digest_sha256(struct str s, uint8_t ret[DIGEST_SHA256_BYTES]);
MUST_USE int digest_hmac_sha256(struct str key, struct str s, uint8_t ret[DIGEST_SHA256_BYTES]);

/* Decrypts s by AES-256-OFB into ret [s.n]. */
MUST_USE int digest_ofb_open(const uint8_t key[DIGEST_KEY_BYTES], const uint8_t iv[DIGEST_IV_BYTES],
                             struct str s, uint8_t *ret);

/* Equal bytes, compared in a time that does not depend on where they differ. */
bool digest_same(const uint8_t *a, const uint8_t *b, size_t n);

/* The bytes of a digest as text, with a NUL: ret [2 * n + 1]. */
void digest_hex(const uint8_t *digest, size_t n, char *ret);

#endif
