/* crypt/cipher.h - AES-256-GCM over one page or block at a time, and random bytes for keys.
 *
 * A nonce must never be used twice with one key: pages take their number, log blocks their index
 * in a segment, and every file has a random key of its own.
 *
 * Source:  NIST SP 800-38D; OpenSSL's EVP does the work. Each thread keeps two contexts and loads
 *          a key into one only when it differs from the last.
 * Threads: any; a struct cipher is constant once made.
 */
#ifndef CRYPT_CIPHER_H
#define CRYPT_CIPHER_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"

enum { CIPHER_KEY_BYTES = 32, CIPHER_NONCE_BYTES = 12, CIPHER_TAG_BYTES = 16 };

struct cipher;

/* Copies the key. */
struct cipher *cipher_new(const uint8_t key[CIPHER_KEY_BYTES]);

/* Wipes the key; NULL is fine. */
void cipher_free(struct cipher *c);

/* Encrypts n bytes from in to out (the same place is fine) and writes the tag, which also covers
 * aad. -ERR_IO where OpenSSL fails. */
MUST_USE int cipher_seal(const struct cipher *c, const uint8_t nonce[CIPHER_NONCE_BYTES],
                         struct str aad, const void *in, size_t n, void *out,
                         uint8_t ret_tag[CIPHER_TAG_BYTES]);

/* Decrypts n bytes from in to out (the same place is fine); -ERR_CORRUPT where the tag does not
 * match, and then out holds nothing of use. */
MUST_USE int cipher_open(const struct cipher *c, const uint8_t nonce[CIPHER_NONCE_BYTES],
                         struct str aad, const void *in, size_t n,
                         const uint8_t tag[CIPHER_TAG_BYTES], void *out);

/* n bytes that nobody can guess; -ERR_IO where the kernel gives none. */
MUST_USE int cipher_random(void *p, size_t n);

/* Overwrites a key so that the compiler does not drop the write. */
void cipher_wipe(void *p, size_t n);

#endif
