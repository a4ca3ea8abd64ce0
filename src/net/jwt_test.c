/* Tokens are verified by OpenSSL with the public half of the key, and got through net/fetch. */
#define ERR_STATE OPENSSL_ERR_STATE /* a name that base/err.h has too */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#undef ERR_STATE

#include "net/fetch_testbed.h"
#include "net/jwt.h"

static EVP_PKEY *pair;
static struct str pem;

static int open_all(void **state)
{
    char *p;
    pair = EVP_RSA_gen(2048);
    BIO *bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_PrivateKey(bio, pair, NULL, NULL, 0, NULL, NULL), 1);
    long n = BIO_get_mem_data(bio, &p);
    pem = (struct str){mem_text(p, (size_t)n), (size_t)n};
    BIO_free(bio);
    return bed_open(state);
}

static int close_all(void **state)
{
    EVP_PKEY_free(pair);
    mem_free((void *)(uintptr_t)pem.p);
    return bed_close(state);
}

/* What a part of a token says. */
static struct buf decode(struct str part)
{
    struct buf b;
    char text[8192];
    assert_true(part.n + 3 < sizeof text);
    buf_init(&b, 8192);
    memset(text, '=', sizeof text);
    for (size_t i = 0; i < part.n; i++)
        text[i] = part.p[i] == '-' ? '+' : part.p[i] == '_' ? '/' : part.p[i];
    int padded = (int)(part.n + 3) / 4 * 4;
    char *room = buf_reserve(&b, 8000);
    int n = EVP_DecodeBlock((unsigned char *)room, (unsigned char *)text, padded);
    assert_true(n > 0);
    buf_commit(&b, (size_t)(n - (padded - (int)part.n)));
    return b;
}

/* The claims of a token that is signed well. */
static struct buf verify(struct str token, const EVP_MD *digest, const char *header)
{
    struct str head, claims, signature, rest = token;
    assert_true(str_split(&rest, '.', &head) && str_split(&rest, '.', &claims));
    signature = rest;
    struct buf bytes = decode(signature), text = decode(head);
    assert_str(buf_str(&text), header);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestVerifyInit(context, NULL, digest, NULL, pair), 1);
    assert_int_equal(EVP_DigestVerify(context, (unsigned char *)bytes.p, bytes.n,
                                      (const unsigned char *)token.p, head.n + 1 + claims.n),
                     1);
    EVP_MD_CTX_free(context);
    buf_done(&bytes);
    buf_done(&text);
    return decode(claims);
}

static void a_signature_holds_for_every_algorithm(void **state)
{
    const struct {
        const char *algorithm, *key_id, *header;
        const EVP_MD *digest;
    } cases[] = {
        {"", "", "{\"alg\":\"RS256\",\"typ\":\"JWT\"}", EVP_sha256()},
        {"RS384", "k 1", "{\"alg\":\"RS384\",\"typ\":\"JWT\",\"kid\":\"k 1\"}", EVP_sha384()},
        {"RS512", "", "{\"alg\":\"RS512\",\"typ\":\"JWT\"}", EVP_sha512()},
    };
    for (size_t i = 0; i < COUNTOF(cases); i++) {
        struct buf token;
        buf_init(&token, 8192);
        assert_true(jwt_sign(str_c(cases[i].algorithm), pem, str_c(cases[i].key_id),
                             STR("{\"iss\":\"me\"}"), &token));
        struct buf claims = verify(buf_str(&token), cases[i].digest, cases[i].header);
        assert_str(buf_str(&claims), "{\"iss\":\"me\"}");
        buf_done(&claims);
        buf_done(&token);
    }
}

static void what_is_no_rsa_key_signs_nothing(void **state)
{
    struct buf token;
    buf_init(&token, 8192);
    assert_false(jwt_sign(STR("HS256"), pem, STR(""), STR("{}"), &token));
    assert_false(jwt_sign(STR(""), STR("no key"), STR(""), STR("{}"), &token));
    assert_false(jwt_sign(STR(""), STR(""), STR(""), STR("{}"), &token));
    buf_done(&token);
}

/* Gives a token for an assertion that is right. */
static void give(struct raw *r, int i, struct str bytes, int fd)
{
    struct str at = str_sub(bytes, str_search(bytes, STR("assertion=")) + 10, bytes.n);
    struct buf claims = verify(str_sub(at, 0, str_find(at, '&')), EVP_sha256(),
                               "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"key \\\"1\\\"\"}");
    static const char *const wanted[] = {
        "\"iss\":\"issuer\"", "\"sub\":\"id\"", "\"aud\":\"who\"", "\"scope\":\"a b\"",
        "\"jti\":\"",         "\"iat\":",       "\"exp\":",        ",\"x\":{\"y\":[1,true]}}"};
    bool good = strstr(bytes.p, "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer");
    good = good && strcasestr(bytes.p, "\r\nAuthorization:") == NULL;
    for (size_t k = 0; k < COUNTOF(wanted); k++)
        good = good && str_search(buf_str(&claims), str_c(wanted[k])) < claims.n;
    raw_say(fd, good ? "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{\"access_token\":\"t\"}"
                     : "HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n");
    buf_done(&claims);
}

static void a_token_is_got_for_an_assertion(void **state)
{
    static const struct str scopes[] = {{"a", 1}, {"b", 1}};
    struct raw auth = {.answer = give};
    struct raw site = {.text = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"};
    raw_start(&auth);
    raw_start(&site);
    struct fetch_jwt jwt = {.key = pem,
                            .key_id = STR("key \"1\""),
                            .issuer = STR("issuer"),
                            .audience = STR("who"),
                            .claims = STR("{\"x\":{\"y\":[1,true]}}")};
    struct fetch_oauth2 oauth2 = {.client_id = STR("id"),
                                  .token_url = str_c(auth.url),
                                  .scopes = scopes,
                                  .scopes_n = 2,
                                  .jwt = &jwt};
    struct fetch_settings s = fetch_settings_default;
    s.oauth2 = &oauth2;
    struct fetch_client *c = bed_client(&s);
    struct bed_answer a = bed_ask(c, (struct fetch_request){.url = site.url});
    if (a.err)
        fail_msg("%s", a.why);
    assert_non_null(strstr(site.last, "\r\nAuthorization: Bearer t\r\n"));
    bed_answer_done(&a);
    fetch_client_free(c);
    jwt.key = STR("nonsense");
    c = bed_client(&s);
    a = bed_ask(c, (struct fetch_request){.url = site.url});
    assert_int_equal(a.err, -ERR_FORMAT);
    bed_answer_done(&a);
    fetch_client_free(c);
    assert_int_equal(site.served, 1);
    raw_stop(&auth);
    raw_stop(&site);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signature_holds_for_every_algorithm),
        cmocka_unit_test(what_is_no_rsa_key_signs_nothing),
        cmocka_unit_test(a_token_is_got_for_an_assertion),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
