#include "net/jwt.h"

#include <limits.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "net/base64.h"

enum { SIGNATURE_MAX = 2048 /* bytes: of a key of 16384 bits */ };

/* Base 64 as URLs have it: two other signs, no padding. */
static void put_part(struct buf *to, struct str s)
{
    size_t from = to->n;
    base64_put(to, s);
    while (to->n > from && to->p[to->n - 1] == '=')
        to->n--;
    for (size_t i = from; i < to->n; i++) {
        if (to->p[i] == '+')
            to->p[i] = '-';
        else if (to->p[i] == '/')
            to->p[i] = '_';
    }
}

static bool sign(const EVP_MD *digest, EVP_PKEY *key, struct str text, struct buf *to)
{
    unsigned char signature[SIGNATURE_MAX];
    size_t n = sizeof signature;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = context && EVP_PKEY_is_a(key, "RSA") &&
                EVP_DigestSignInit(context, NULL, digest, NULL, key) == 1 &&
                EVP_DigestSign(context, signature, &n, (const unsigned char *)text.p, text.n) == 1;
    EVP_MD_CTX_free(context);
    if (good) {
        buf_put_c(to, '.');
        put_part(to, str_of((const char *)signature, n));
    }
    return good && !buf_failed(to);
}

bool jwt_sign(struct str algorithm, struct str key, struct str key_id, struct str claims,
              struct buf *to)
{
    const EVP_MD *digest = NULL;
    struct buf header;
    if (algorithm.n == 0)
        algorithm = STR("RS256");
    if (str_eq(algorithm, STR("RS256")))
        digest = EVP_sha256();
    else if (str_eq(algorithm, STR("RS384")))
        digest = EVP_sha384();
    else if (str_eq(algorithm, STR("RS512")))
        digest = EVP_sha512();
    if (digest == NULL || key.n > INT_MAX)
        return false;
    BIO *bio = BIO_new_mem_buf(key.p, (int)key.n);
    EVP_PKEY *pair = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    if (pair == NULL)
        return false;
    buf_init(&header, 65536);
    buf_printf(&header, "{\"alg\":\"" STR_FMT "\",\"typ\":\"JWT\"", STR_ARG(algorithm));
    if (key_id.n > 0)
        buf_printf(&header, ",\"kid\":\"" STR_FMT "\"", STR_ARG(key_id));
    buf_put_c(&header, '}');
    size_t from = to->n;
    put_part(to, buf_str(&header));
    buf_put_c(to, '.');
    put_part(to, claims);
    bool good = !buf_failed(&header) && !buf_failed(to) &&
                sign(digest, pair, str_of(to->p + from, to->n - from), to);
    buf_done(&header);
    EVP_PKEY_free(pair);
    return good;
}
