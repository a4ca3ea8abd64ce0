/* TLS: whom we trust, who we are, which versions. The server is OpenSSL on a thread, with
 * certificates that are made here. */
#define ERR_STATE OPENSSL_ERR_STATE /* a name that base/err.h has too */
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#undef ERR_STATE

#include "net/fetch_testbed.h"
#include "os/file.h"

/* A certificate and its key, as OpenSSL and as PEM. */
struct paper {
    X509 *cert;
    EVP_PKEY *key;
    struct str cert_pem, key_pem;
};

static struct paper authority, other_authority, server_paper, client_paper;

static void extend(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    assert_non_null(e);
    assert_int_equal(X509_add_ext(cert, e, -1), 1);
    X509_EXTENSION_free(e);
}

static struct str pem_of(BIO *bio)
{
    char *p;
    long n = BIO_get_mem_data(bio, &p);
    struct str s = {mem_text(p, (size_t)n), (size_t)n};
    BIO_free(bio);
    return s;
}

/* Signed by issuer, or by itself where that is NULL. names: subjectAltName. */
static void make_paper(struct paper *ret, const struct paper *issuer, const char *name,
                       const char *names)
{
    static long serial = 1;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new(), *from = issuer ? issuer->cert : cert;
    X509_set_version(cert, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), serial++);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
    X509_set_pubkey(cert, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
                               (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(cert, X509_get_subject_name(from));
    extend(cert, from, NID_basic_constraints, issuer ? "CA:FALSE" : "critical,CA:TRUE");
    if (names)
        extend(cert, from, NID_subject_alt_name, names);
    assert_true(X509_sign(cert, issuer ? issuer->key : key, EVP_sha256()) > 0);
    BIO *bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_X509(bio, cert), 1);
    ret->cert_pem = pem_of(bio);
    bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
    ret->key_pem = pem_of(bio);
    ret->cert = cert;
    ret->key = key;
}

static void paper_done(struct paper *p)
{
    X509_free(p->cert);
    EVP_PKEY_free(p->key);
    mem_free((void *)(uintptr_t)p->cert_pem.p);
    mem_free((void *)(uintptr_t)p->key_pem.p);
}

/* ---- the server: raw_answer of the testbed with TLS around it */
struct tls_site {
    struct raw raw;
    SSL_CTX *context;
    char server_name[100], peer[100], version[20], host[100];
    char url[64];
};

static void answer_tls(struct raw *r, int i, struct str bytes, int fd)
{
    struct tls_site *s = r->context;
    SSL *ssl = SSL_new(s->context);
    char request[4096] = "";
    SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) == 1) {
        const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
        X509 *peer = SSL_get1_peer_certificate(ssl);
        snprintf(s->server_name, sizeof s->server_name, "%s", name ? name : "");
        snprintf(s->version, sizeof s->version, "%s", SSL_get_version(ssl));
        s->peer[0] = '\0';
        if (peer)
            X509_NAME_get_text_by_NID(X509_get_subject_name(peer), NID_commonName, s->peer,
                                      sizeof s->peer);
        X509_free(peer);
        int n = SSL_read(ssl, request, sizeof request - 1);
        request[n > 0 ? n : 0] = '\0';
        const char *host = strstr(request, "Host: ");
        snprintf(s->host, sizeof s->host, "%.*s", host ? (int)strcspn(host + 6, "\r") : 0,
                 host ? host + 6 : "");
        static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        bed_turn();
        SSL_write(ssl, ok, sizeof ok - 1);
        SSL_shutdown(ssl);
    }
    SSL_free(ssl);
}

/* The testbed's thread reads a request first, which here is TLS's: so one of its own. */
static void tls_run(void *context)
{
    struct raw *r = context;
    for (;;) {
        int fd = accept(r->listener, NULL, NULL);
        if (fd < 0 || atomic_load(&r->ends)) {
            if (fd >= 0)
                close(fd);
            return;
        }
        struct timeval limit = {.tv_sec = LOOPBACK_PATIENCE_S};
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        answer_tls(r, 0, STR(""), fd);
        r->served++;
        close(fd);
    }
}

static void site_open(struct tls_site *s, bool client_cert, int max_version)
{
    *s = (struct tls_site){.context = SSL_CTX_new(TLS_server_method())};
    SSL_CTX_use_certificate(s->context, server_paper.cert);
    SSL_CTX_use_PrivateKey(s->context, server_paper.key);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(s->context), authority.cert);
    if (client_cert)
        SSL_CTX_set_verify(s->context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    if (max_version) {
        SSL_CTX_set_security_level(s->context, 0);
        SSL_CTX_set_min_proto_version(s->context, TLS1_VERSION);
        SSL_CTX_set_max_proto_version(s->context, max_version);
    }
    s->raw.listener = loopback_listen(&s->raw.port);
    int flags = fcntl(s->raw.listener, F_GETFL);
    assert_int_equal(fcntl(s->raw.listener, F_SETFL, flags & ~O_NONBLOCK), 0);
    s->raw.context = s;
    snprintf(s->url, sizeof s->url, "https://127.0.0.1:%u/", s->raw.port);
    thread_start(&s->raw.thread, "tls", tls_run, &s->raw);
}

static void site_close(struct tls_site *s)
{
    raw_stop(&s->raw);
    SSL_CTX_free(s->context);
}

/* Asks s by settings that say tls and no more. */
static struct bed_answer ask_tls(struct tls_site *s, const struct fetch_tls *tls)
{
    struct fetch_settings settings = fetch_settings_default;
    settings.tls = *tls;
    struct fetch_client *c = bed_client(&settings);
    struct bed_answer a = bed_ask(c, (struct fetch_request){.url = s->url});
    bed_answer_done(&a);
    fetch_client_free(c);
    return a;
}

static void assert_good(struct bed_answer a)
{
    if (a.err || a.status != 200)
        fail_msg("%d %d: %s", a.err, a.status, a.why);
}

static int open_all(void **state)
{
    make_paper(&authority, NULL, "authority", NULL);
    make_paper(&other_authority, NULL, "other", NULL);
    make_paper(&server_paper, &authority, "server", "IP:127.0.0.1,DNS:inner.example");
    make_paper(&client_paper, &authority, "client", NULL);
    return bed_open(state);
}

static int close_all(void **state)
{
    paper_done(&authority);
    paper_done(&other_authority);
    paper_done(&server_paper);
    paper_done(&client_paper);
    return bed_close(state);
}

static void a_server_is_trusted_by_its_authority_alone(void **state)
{
    struct tls_site s;
    site_open(&s, false, 0);
    assert_good(ask_tls(&s, &(struct fetch_tls){.ca = authority.cert_pem}));
    assert_string_equal(s.version, "TLSv1.3");
    assert_int_equal(ask_tls(&s, &(struct fetch_tls){.ca = other_authority.cert_pem}).err,
                     -ERR_DENIED);
    assert_int_equal(ask_tls(&s, &(struct fetch_tls){0}).err, -ERR_DENIED);
    assert_int_equal(ask_tls(&s, &(struct fetch_tls){.ca = STR("no PEM")}).err, -ERR_DENIED);
    assert_int_equal(ask_tls(&s, &(struct fetch_tls){.ca_file = STR("/nowhere/ca.pem")}).err,
                     -ERR_DENIED);
    assert_good(ask_tls(&s, &(struct fetch_tls){.insecure_skip_verify = true}));
    site_close(&s);
}

static void authorities_and_papers_come_from_files_as_well(void **state)
{
    char path[3][64];
    const struct str texts[] = {authority.cert_pem, client_paper.cert_pem, client_paper.key_pem};
    for (size_t i = 0; i < COUNTOF(path); i++) {
        snprintf(path[i], sizeof path[i], "/tmp/sonde-tls-test-%d-%zu", (int)getpid(), i);
        assert_int_equal(file_write(path[i], texts[i], NULL), 0);
    }
    struct tls_site s;
    site_open(&s, true, 0);
    assert_good(ask_tls(&s, &(struct fetch_tls){.ca_file = str_c(path[0]),
                                                .cert_file = str_c(path[1]),
                                                .key_file = str_c(path[2])}));
    assert_string_equal(s.peer, "client");
    site_close(&s);
    for (size_t i = 0; i < COUNTOF(path); i++)
        unlink(path[i]);
}

static void a_client_shows_its_certificate(void **state)
{
    struct tls_site s;
    site_open(&s, true, 0);
    struct fetch_tls tls = {
        .ca = authority.cert_pem, .cert = client_paper.cert_pem, .key = client_paper.key_pem};
    assert_good(ask_tls(&s, &tls));
    assert_string_equal(s.peer, "client");
    assert_int_not_equal(ask_tls(&s, &(struct fetch_tls){.ca = authority.cert_pem}).err, 0);
    tls.key = server_paper.key_pem; /* another's */
    assert_int_equal(ask_tls(&s, &tls).err, -ERR_DENIED);
    site_close(&s);
}

static void a_server_name_is_asked_for_and_checked(void **state)
{
    struct tls_site s;
    site_open(&s, false, 0);
    struct fetch_tls tls = {.ca = authority.cert_pem, .server_name = STR("inner.example")};
    assert_good(ask_tls(&s, &tls));
    assert_string_equal(s.server_name, "inner.example");
    struct str authority_part = str_sub(str_c(s.url), 8, strlen(s.url) - 1);
    assert_true(str_eq(str_c(s.host), authority_part)); /* the URL's own */
    tls.server_name = STR("stranger.example");
    assert_int_equal(ask_tls(&s, &tls).err, -ERR_DENIED);
    site_close(&s);
}

static void versions_are_kept_within_their_bounds(void **state)
{
    struct tls_site s;
    struct fetch_tls tls = {.ca = authority.cert_pem, .max_version = FETCH_TLS_1_2};
    site_open(&s, false, 0);
    assert_good(ask_tls(&s, &tls));
    assert_string_equal(s.version, "TLSv1.2");
    site_close(&s);
    site_open(&s, false, TLS1_1_VERSION);
    tls.max_version = FETCH_TLS_DEFAULT;
    assert_int_equal(ask_tls(&s, &tls).err, -ERR_DENIED); /* 1.2 is the least by default */
    tls.min_version = FETCH_TLS_1_1;
    assert_good(ask_tls(&s, &tls));
    assert_string_equal(s.version, "TLSv1.1");
    site_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_is_trusted_by_its_authority_alone),
        cmocka_unit_test(authorities_and_papers_come_from_files_as_well),
        cmocka_unit_test(a_client_shows_its_certificate),
        cmocka_unit_test(a_server_name_is_asked_for_and_checked),
        cmocka_unit_test(versions_are_kept_within_their_bounds),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
