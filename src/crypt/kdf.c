/* OpenSSL has a type of the name of one of our error codes. */
#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/evp.h>
#include <openssl/kdf.h>
#undef ERR_STATE

#include "crypt/kdf.h"

#include <limits.h>

#include "base/must.h"

int kdf_derive(const uint8_t master[CIPHER_KEY_BYTES], struct str purpose,
               uint8_t ret[CIPHER_KEY_BYTES])
{
    must(purpose.n <= INT_MAX);
    size_t n = CIPHER_KEY_BYTES;
    EVP_PKEY_CTX *x = EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, NULL);
    bool ok = x && EVP_PKEY_derive_init(x) == 1 && EVP_PKEY_CTX_set_hkdf_md(x, EVP_sha256()) == 1 &&
              EVP_PKEY_CTX_set1_hkdf_key(x, master, CIPHER_KEY_BYTES) == 1 &&
              EVP_PKEY_CTX_add1_hkdf_info(x, (const uint8_t *)purpose.p, (int)purpose.n) == 1 &&
              EVP_PKEY_derive(x, ret, &n) == 1;
    EVP_PKEY_CTX_free(x);
    return ok ? 0 : -ERR_IO;
}
