/* OpenSSL has a type of the name of one of our error codes. */
#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#undef ERR_STATE

#include "crypt/cipher.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"
#include "base/must.h"

struct cipher {
    uint64_t id; /* never used again, so that a thread knows what its contexts hold */
    uint8_t key[CIPHER_KEY_BYTES];
};

/* One of a thread's two contexts. */
struct slot {
    EVP_CIPHER_CTX *context;
    uint64_t id; /* of the cipher whose key is loaded; 0: none */
};

struct contexts {
    struct slot seal, open;
};

static _Atomic uint64_t last_id;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t contexts_key;

static void contexts_free(void *p)
{
    struct contexts *c = p;
    EVP_CIPHER_CTX_free(c->seal.context);
    EVP_CIPHER_CTX_free(c->open.context);
    mem_free(c);
}

static void make_key(void)
{
    must(pthread_key_create(&contexts_key, contexts_free) == 0);
}

static struct contexts *contexts_of_thread(void)
{
    pthread_once(&once, make_key);
    struct contexts *c = pthread_getspecific(contexts_key);
    if (!c) {
        c = mem_new(sizeof *c);
        must(pthread_setspecific(contexts_key, c) == 0);
    }
    return c;
}

struct cipher *cipher_new(const uint8_t key[CIPHER_KEY_BYTES])
{
    struct cipher *c = mem_new(sizeof *c);
    c->id = atomic_fetch_add(&last_id, 1) + 1;
    memcpy(c->key, key, sizeof c->key);
    return c;
}

void cipher_free(struct cipher *c)
{
    if (!c)
        return;
    cipher_wipe(c, sizeof *c);
    mem_free(c);
}

/* A context with c's key and the nonce loaded; NULL where OpenSSL fails. */
static EVP_CIPHER_CTX *prepare(struct slot *slot, const struct cipher *c, const uint8_t *nonce,
                               int encrypt)
{
    if (!slot->context)
        slot->context = EVP_CIPHER_CTX_new();
    if (!slot->context)
        return NULL;
    if (slot->id == c->id)
        return EVP_CipherInit_ex(slot->context, NULL, NULL, NULL, nonce, encrypt) == 1
                   ? slot->context
                   : NULL;
    slot->id = 0;
    if (EVP_CipherInit_ex(slot->context, EVP_aes_256_gcm(), NULL, c->key, nonce, encrypt) != 1)
        return NULL;
    slot->id = c->id;
    return slot->context;
}

int cipher_seal(const struct cipher *c, const uint8_t nonce[CIPHER_NONCE_BYTES], struct str aad,
                const void *in, size_t n, void *out, uint8_t ret_tag[CIPHER_TAG_BYTES])
{
    int len;
    EVP_CIPHER_CTX *x = prepare(&contexts_of_thread()->seal, c, nonce, 1);
    must(n <= INT_MAX && aad.n <= INT_MAX);
    if (!x || EVP_EncryptUpdate(x, NULL, &len, (const uint8_t *)aad.p, (int)aad.n) != 1 ||
        EVP_EncryptUpdate(x, out, &len, in, (int)n) != 1 ||
        EVP_EncryptFinal_ex(x, (uint8_t *)out + n, &len) != 1 ||
        EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_GCM_GET_TAG, CIPHER_TAG_BYTES, ret_tag) != 1)
        return -ERR_IO;
    return 0;
}

int cipher_open(const struct cipher *c, const uint8_t nonce[CIPHER_NONCE_BYTES], struct str aad,
                const void *in, size_t n, const uint8_t tag[CIPHER_TAG_BYTES], void *out)
{
    int len;
    uint8_t copy[CIPHER_TAG_BYTES]; /* OpenSSL's parameter is not const */
    memcpy(copy, tag, sizeof copy);
    EVP_CIPHER_CTX *x = prepare(&contexts_of_thread()->open, c, nonce, 0);
    must(n <= INT_MAX && aad.n <= INT_MAX);
    if (!x || EVP_DecryptUpdate(x, NULL, &len, (const uint8_t *)aad.p, (int)aad.n) != 1 ||
        EVP_DecryptUpdate(x, out, &len, in, (int)n) != 1 ||
        EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_GCM_SET_TAG, CIPHER_TAG_BYTES, copy) != 1)
        return -ERR_IO;
    return EVP_DecryptFinal_ex(x, (uint8_t *)out + n, &len) == 1 ? 0 : -ERR_CORRUPT;
}

int cipher_random(void *p, size_t n)
{
    must(n <= INT_MAX);
    return RAND_bytes(p, (int)n) == 1 ? 0 : -ERR_IO;
}

void cipher_wipe(void *p, size_t n)
{
    OPENSSL_cleanse(p, n);
}
