#include "net/sha1.h"

#include <openssl/evp.h>

#include "base/must.h"

void sha1_hex(struct str text, char ret[SHA1_HEX_SIZE + 1])
{
    static const char DIGITS[] = "0123456789abcdef";
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    must(EVP_Digest(text.n ? text.p : "", text.n, digest, &n, EVP_sha1(), NULL) == 1);
    must(2 * n == SHA1_HEX_SIZE);
    for (unsigned i = 0; i < n; i++) {
        ret[2 * i] = DIGITS[digest[i] >> 4];
        ret[2 * i + 1] = DIGITS[digest[i] & 15];
    }
    ret[SHA1_HEX_SIZE] = '\0';
}
