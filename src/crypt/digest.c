/* OpenSSL has a type of the name of one of our error codes. */
#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#undef ERR_STATE

#include "crypt/digest.h"

#include <limits.h>

static int digest(const EVP_MD *kind, struct str s, uint8_t *ret)
{
    return EVP_Digest(s.p, s.n, ret, NULL, kind, NULL) == 1 ? 0 : -ERR_IO;
}

int digest_sha1(struct str s, uint8_t ret[DIGEST_SHA1_BYTES])
{
    return digest(EVP_sha1(), s, ret);
}

int digest_sha256(struct str s, uint8_t ret[DIGEST_SHA256_BYTES])
{
    return digest(EVP_sha256(), s, ret);
}

int digest_hmac_sha256(struct str key, struct str s, uint8_t ret[DIGEST_SHA256_BYTES])
{
    if (key.n > INT_MAX)
        return -ERR_IO;
    return HMAC(EVP_sha256(), key.p, (int)key.n, (const uint8_t *)s.p, s.n, ret, NULL) == NULL
               ? -ERR_IO
               : 0;
}

int digest_ofb_open(const uint8_t key[DIGEST_KEY_BYTES], const uint8_t iv[DIGEST_IV_BYTES],
                    struct str s, uint8_t *ret)
{
    if (s.n > INT_MAX)
        return -ERR_IO;
    int n = 0;
    EVP_CIPHER_CTX *x = EVP_CIPHER_CTX_new();
    bool ok = x && EVP_DecryptInit_ex(x, EVP_aes_256_ofb(), NULL, key, iv) == 1 &&
              EVP_DecryptUpdate(x, ret, &n, (const uint8_t *)s.p, (int)s.n) == 1 &&
              (size_t)n == s.n;
    EVP_CIPHER_CTX_free(x);
    return ok ? 0 : -ERR_IO;
}

bool digest_same(const uint8_t *a, const uint8_t *b, size_t n)
{
    return CRYPTO_memcmp(a, b, n) == 0;
}

void digest_hex(const uint8_t *digest, size_t n, char *ret)
{
    static const char DIGITS[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        *ret++ = DIGITS[digest[i] >> 4];
        *ret++ = DIGITS[digest[i] & 15];
    }
    *ret = '\0';
}
